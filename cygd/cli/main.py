"""The command line: parse the arguments, run one command, turn errors into messages and exit codes.

A command is a module of `cygd.cli.commands` with `USAGE`, `declare(parser)` and `run(options)`. It is
imported when it is called and imports what it needs when it runs, so that `cygd --version` is quick.

Data goes to stdout, messages go to stderr. A user's mistake prints one `error:` line and a `hint:`;
`--traceback` adds the traceback. Exit codes: 0 done, 1 the run failed or diverged, 2 usage or configuration,
130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, NoReturn

import cygd
from cygd.cli.output import FAILED, INTERRUPTED, USAGE, LogToStderr, UsageError, echo
from cygd.errors import RunInterrupted, did_you_mean
from cygd.tracking.signals import ignore_signals

# command -> module of cygd.cli.commands, in the order of `cygd --help`
COMMANDS = {
    "run": "run",
    "check": "check",
    "sweep": "sweep",
    "trace": "trace",
    "bowl": "loss_surface",
    "data": "data",
    "predict": "predict",
    "list": "list_runs",
    "compare": "compare",
    "plugins": "plugins",
    "new": "new",
    "schema": "schema",
    "completion": "completion",
    "info": "info",
}
ALIASES = {"surface": "bowl"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; the arguments are those of `sys.argv` by default."""
    if "_ARGCOMPLETE" in os.environ:  # set by the shell that asks for completions
        from cygd.cli.completion import autocomplete

        autocomplete()
    given = list(sys.argv[1:] if arguments is None else arguments)
    handler = LogToStderr(logging.WARNING)
    logging.getLogger("cygd").addHandler(handler)
    try:
        if not _core_is_built():
            folder = Path(cygd.__file__).parents[1]
            raise UsageError("the compiled core of cygd is not built here", f"run `pip install {folder}`")
        code = _dispatch(given)
        sys.stdout.flush()  # raise a broken pipe here, not when the interpreter exits
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt as interrupt:
        with ignore_signals():
            if isinstance(interrupt, RunInterrupted):
                echo(f"interrupted, kept: {interrupt.directory}", f"{interrupt.resume} {interrupt.directory}")
            else:
                echo("interrupted")
        return INTERRUPTED
    except SystemExit as leave:  # --help and --version
        return leave.code if isinstance(leave.code, int) else USAGE
    except Exception as error:
        from cygd.cli.error_report import report_error

        return report_error(error, show_traceback="--traceback" in given)
    finally:
        logging.getLogger("cygd").removeHandler(handler)
    return code


class _Parser(argparse.ArgumentParser):
    """Raises a UsageError for a command line that cannot be parsed, and prints examples with the help."""

    def format_help(self) -> str:
        from cygd.cli.help_examples import epilog

        self.epilog = epilog(self.prog.removeprefix("cygd "))
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{self.prog} --help")


def _dispatch(arguments: list[str]) -> int:
    # argparse cannot combine subparsers with intermixed arguments, so the command is parsed first
    top = build_top_parser()
    top.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    top.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    first = top.parse_args(arguments)
    if first.command is None:
        top.print_help(sys.stderr)
        return USAGE
    name = ALIASES.get(first.command, first.command)
    if name not in COMMANDS:
        hint = did_you_mean(name, list(COMMANDS))
        raise UsageError(f"unknown command {name!r}", hint or f"one of {', '.join(COMMANDS)}")
    parser = build_parser(name)
    options, unknown = parser.parse_known_intermixed_args(first.rest)
    if unknown:
        first_unknown = next((text for text in unknown if text.startswith("-")), unknown[0])
        hint = did_you_mean(first_unknown, list(parser._option_string_actions))
        raise UsageError(f"unknown argument {first_unknown!r}", hint or f"{parser.prog} --help")
    options.prog = f"cygd {name}"
    options.plugin = [*first.plugin, *options.plugin]
    options.traceback |= first.traceback
    code: int = _module(name).run(options)
    return code


def _module(name: str) -> Any:
    return import_module(f"cygd.cli.commands.{COMMANDS[name]}")


def build_parser(name: str) -> _Parser:
    """Return the parser of one command."""
    module = _module(name)
    parser = _Parser(
        prog=f"cygd {name}",
        usage=f"cygd {name} {module.USAGE} [-p PLUGIN] [--traceback]",
        description=module.run.__doc__.split("\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.declare(parser)
    _declare_common(parser)
    return parser


def build_top_parser() -> _Parser:
    """Return the parser of the options of `cygd` itself."""
    parser = _TopParser(
        prog="cygd",
        usage="cygd [-p PLUGIN] [--traceback] COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _declare_common(parser)
    parser.add_argument("--version", action="version", version=f"cygd {cygd.__version__}")
    return parser


class _TopParser(_Parser):
    """Lists all commands in its help, which imports them."""

    def format_help(self) -> str:
        modules = {name: _module(name) for name in COMMANDS}
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
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an error")


def _core_is_built() -> bool:
    folder = Path(cygd.__file__).parent / "core"
    return any((folder / f"dispatch{suffix}").exists() for suffix in EXTENSION_SUFFIXES)
