"""The argument parsers of `cygd` and of its commands."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

import cygd
from cygd.cli.commands import COMMANDS, load_command
from cygd.cli.output import UsageError
from cygd.tracking.terminal import writing_to_stdout


class _Parser(argparse.ArgumentParser):
    """Raises a UsageError for a command line that cannot be parsed, and prints examples with the help."""

    signed_options: Collection[str] = ()

    def format_help(self) -> str:
        from cygd.cli.help_examples import epilog

        self.epilog = epilog(self.prog.removeprefix("cygd "))
        return super().format_help()

    def parse_known_intermixed_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments; the value of an option in `signed_options` may begin with a minus sign."""
        given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_intermixed_args(self._join_signed(given), namespace)

    def _join_signed(self, arguments: list[str]) -> list[str]:
        """Return arguments with `--sort -KEY` as `--sort=-KEY`, which argparse takes for two options."""
        joined: list[str] = []
        for text in arguments:
            is_value = joined and joined[-1] in self.signed_options and "--" not in joined
            if is_value and re.match("-[^-]", text) and text not in self._option_string_actions:
                joined[-1] += f"={text}"
            else:
                joined.append(text)
        return joined

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:  # argparse ignores a full disk
            with writing_to_stdout() as file:
                file.write(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{self.prog} --help")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Lays out the help for the terminal.

    argparse builds one for every argument that it is given, and would import shutil to ask for the width.
    """

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"width": _terminal_width() - 2, **options})


def _terminal_width() -> int:
    """Return the width that `shutil.get_terminal_size` returns."""
    try:
        columns = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns  # type: ignore[union-attr]
        except (AttributeError, ValueError, OSError):  # closed, or not a terminal
            columns = 0
    return columns if columns > 0 else 80


def build_parser(name: str) -> _Parser:
    """Return the parser of one command."""
    module = load_command(name)
    parser = _Parser(
        prog=f"cygd {name}",
        usage=f"cygd {name} {module.USAGE} [-p PLUGIN] [--no-plugins] [--traceback]",
        description=module.run.__doc__.split("\n")[0],
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    parser.signed_options = getattr(module, "SIGNED_OPTIONS", ())
    module.declare(parser)
    _declare_common(parser)
    return parser


def build_top_parser() -> _Parser:
    """Return the parser of the options of `cygd` itself."""
    parser = _TopParser(
        prog="cygd",
        usage="cygd [-p PLUGIN] [--no-plugins] [--traceback] COMMAND ...",
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    _declare_common(parser)
    parser.add_argument("--version", action="version", version=f"cygd {cygd.__version__}")
    return parser


class _TopParser(_Parser):
    """Lists all commands in its help, which imports them."""

    def format_help(self) -> str:
        modules = {name: load_command(name) for name in COMMANDS}
        lines = [
            f"  cygd {name} {module.USAGE}\n      {module.run.__doc__}" for name, module in modules.items()
        ]
        self.description = "Gradient descent for neural networks, experiments in YAML.\n\n" + "\n".join(lines)
        return super().format_help()


def _declare_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-p",
        "--plugin",
        action="append",
        default=[],
        metavar="NAME_OR_PATH",
        help="load a plugin: a module or a .py file; no:NAME blocks one (repeatable)",
    )
    parser.add_argument(
        "--no-plugins",
        action="store_true",
        help="execute no plugin that an experiment or a run folder names; those of -p are loaded",
    )
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an error")
