"""The command line: parse the arguments, run one command, turn errors into messages and exit codes.

Data goes to stdout, messages go to stderr. A user's mistake prints one `error:` line and a `hint:`;
`--traceback` adds the traceback. Exit codes: 0 done, 1 the run failed or diverged, 2 usage or configuration,
130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import cygd
from cygd.cli.commands import ALIASES, COMMANDS, load_command
from cygd.cli.output import FAILED, INTERRUPTED, USAGE, LogToStderr, UsageError, echo
from cygd.cli.parser import build_parser, build_top_parser
from cygd.errors import RunInterrupted, did_you_mean
from cygd.tracking.signals import ignore_signals
from cygd.tracking.terminal import discard_stdout, flush_stdout


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
        _open_missing_descriptors()
        code = _dispatch(given)
        flush_stdout()  # raise a broken pipe or a full disk here, not when the interpreter exits
    except BrokenPipeError:
        discard_stdout()
        return FAILED
    except KeyboardInterrupt as interrupt:
        with ignore_signals():
            if isinstance(interrupt, RunInterrupted):
                echo(f"interrupted, kept: {interrupt.directory}", f"{interrupt.resume} {interrupt.directory}")
            else:
                echo("interrupted")
        return INTERRUPTED
    except Exception as error:
        from cygd.cli.error_report import report_error

        return report_error(error, show_traceback="--traceback" in given)
    finally:
        logging.getLogger("cygd").removeHandler(handler)
        if "cygd.data.sources.pipes" in sys.modules:
            sys.modules["cygd.data.sources.pipes"].forget_pipes()
    return code


def _dispatch(arguments: list[str]) -> int:
    try:
        return _run_command(arguments)
    except SystemExit as leave:  # --help and --version
        return leave.code if isinstance(leave.code, int) else USAGE


def _run_command(arguments: list[str]) -> int:
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
    with _plugins_forbidden(options.no_plugins or first.no_plugins):
        code: int = load_command(name).run(options)
    return code


@contextmanager
def _plugins_forbidden(forbidden: bool) -> Iterator[None]:
    """Forbid the plugins of experiments within a `with` block, also to the workers of a sweep."""
    if not forbidden:
        yield
        return
    from cygd.plugins.discovery import FORBID

    before = os.environ.get(FORBID)
    os.environ[FORBID] = "1"
    try:
        yield
    finally:
        del os.environ[FORBID]
        os.environ |= {} if before is None else {FORBID: before}


def _open_missing_descriptors() -> None:
    """Open the standard streams that the shell has closed, so that no file of a run takes their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _core_is_built() -> bool:
    folder = Path(cygd.__file__).parent / "core"
    return any((folder / f"dispatch{suffix}").exists() for suffix in EXTENSION_SUFFIXES)
