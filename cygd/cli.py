"""The command line: `cygd run`, `check`, `trace` and the others of `COMMANDS`.

Data goes to stdout and talk to stderr. A user's mistake is one `error:` line (and a `hint:`), never a
traceback; `--traceback` shows it all the same. Exit codes: 0 done, 1 the run failed or diverged,
2 usage or configuration, 130 interrupted. Commands import what they need when they run, so that
`cygd --help` is there at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import cygd
from cygd.commands import bowl, compare, data, listing, new, plugins, predict, resume, sweep
from cygd.commands.arguments import experiments_of, split
from cygd.commands.talk import DONE, FAILED, INTERRUPTED, USAGE, UsageError, say, talking, watched
from cygd.errors import ConfigError, CygdError, RunError, did_you_mean
from cygd.interrupts import terminable, undisturbed

if TYPE_CHECKING:
    from cygd.results import Result

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; `sys.argv[1:]` by default.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    talk = _Talk()
    logging.getLogger("cygd").addHandler(talk)
    try:
        if not _core_is_built():
            folder = Path(__file__).parents[1]
            raise UsageError("the compiled core of cygd is not built here", f"run `pip install {folder}`")
        code = _dispatch(given)
        sys.stdout.flush()  # a reader that has gone shows here, not when Python ends
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt as interrupt:
        with undisturbed():
            kept = _kept(interrupt)
            hint = f"cygd run --resume {kept[0]}" if kept else None
            say("interrupted" + "".join(f", kept: {directory}" for directory in kept), hint)
        return INTERRUPTED
    except SystemExit as leave:  # --help and --version
        return leave.code if isinstance(leave.code, int) else USAGE
    except Exception as error:
        return _report(error, show="--traceback" in given)
    finally:
        logging.getLogger("cygd").removeHandler(talk)
    return code


# -- the commands -----------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> int:
    """Train what an experiment describes, or go on with a run that was stopped."""
    if options.resume is not None:
        return _train(resume.prepare(options), options.quiet)
    file, overrides = _one_file(options)
    if options.dry_run:
        from cygd import assembly, config

        with talking():
            reading = assembly.read(file, overrides, options.plugin)
        sys.stdout.write(config.dump(assembly.resolved(reading)))
        return DONE
    from cygd import runner

    return _train(
        lambda: runner.run(
            *(file, overrides, options.plugin),
            out=options.out,
            threads=options.threads,
            quiet=options.quiet,
        ),
        options.quiet,
    )


def _train(train: Callable[[], Result], quiet: bool) -> int:
    """Print the folder that a run leaves, however it ends, and return the exit code."""
    try:
        with talking(), terminable():
            result = train()
    except RunError as error:
        if error.result is not None:
            print(error.result.directory)
        raise
    except KeyboardInterrupt as interrupt:
        for directory in _kept(interrupt):
            print(directory)
        raise
    print(result.directory)
    if result.status == "diverged":
        say(
            f"error: the run diverged in epoch {result.epochs + 1}: loss or weights are no longer finite; "
            "the last finite weights are kept",
            "a smaller optimizer.learning_rate, clip={norm: 1.0} or data.scale=standard may help",
        )
        return FAILED
    if not quiet and watched():
        from cygd.commands.next_steps import next_steps

        for step in next_steps(result.directory, COMMANDS):
            say(f"next: {step}")
    return DONE


def check(options: argparse.Namespace) -> int:
    """Validate experiments without training."""
    named, overrides = split(options.arguments)
    if not named:
        raise UsageError("check needs a file", "cygd check FILE ... [KEY=VALUE ...]")
    from cygd.assembly import assemble

    files = [file for name in named for file in experiments_of(name)]
    codes = []
    for file in files:
        try:
            with talking():
                assemble(file, overrides, options.plugin)
        except Exception as error:
            codes.append(_report(error, show=options.traceback))
        else:
            print(f"{file}: ok", flush=True)
    if len(files) > 1 and codes:
        say(f"{len(codes)} of {len(files)} experiments cannot be run")
    return max(codes, default=DONE)


def trace(options: argparse.Namespace) -> int:
    """Lay the first updates open."""
    file, overrides = _one_file(options)
    from cygd import trace, trace_tables
    from cygd.assembly import assemble

    with talking():
        experiment = assemble(file, overrides, options.plugin)
    write = trace_tables.write_csv if options.csv else trace_tables.write_text
    write(trace.steps(experiment, options.steps), sys.stdout)
    return DONE


def info(options: argparse.Namespace) -> int:
    """Say which version, CPU level, threads and optional parts there are."""
    from cygd import environment
    from cygd.assembly import requests
    from cygd.plugins import Plugins
    from cygd.threads import choose_threads

    if options.plugin:
        Plugins.load(requests(options.plugin))  # a plugin that somebody names is looked at by every command
    core: dict[str, Any] = cygd.core.info()
    versions, threads = environment.versions(), choose_threads(None, "auto")
    parts = {"OpenMP": core["openmp"], **{name: environment.version(name) for name in environment.OPTIONAL}}
    if options.json:
        cpu = {"level": core["level"], "levels": core["levels"]}
        print(json.dumps({"versions": versions, "cpu": cpu, "threads": threads, "optional": parts}, indent=2))
        return DONE
    own = versions.pop("cygd")
    print(f"cygd       {own} ({', '.join(f'{name} {version}' for name, version in versions.items())})")
    print(f"CPU level  {core['level']} (of {', '.join(core['levels'])}; CYGD_CPU forces one)")
    print(f"threads    {threads}")
    there = {name: "yes" if value is True else value or "no" for name, value in parts.items()}
    print(f"optional   {', '.join(f'{name}: {value}' for name, value in there.items())}")
    return DONE


def schema(options: argparse.Namespace) -> int:
    """Print the JSON Schema of an experiment, with the options of all components and plugins."""
    from cygd.commands import schema

    return schema.run(options)


def complete(options: argparse.Namespace) -> int:
    """Print what a shell needs to complete the command lines of cygd."""
    from cygd.commands import completion

    return completion.run(options, {"": _top(), **{name: _parser(name) for name in COMMANDS}})


# -- parsing ----------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line as every other error is reported, and helps with examples."""

    def format_help(self) -> str:
        from cygd.commands.examples import epilog

        self.epilog = epilog(self.prog.removeprefix("cygd "))
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{self.prog} --help")

    @property
    def options(self) -> list[str]:
        """The names of all options."""
        return [name for action in self._actions for name in action.option_strings]


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "run": (
        run,
        f"FILE [KEY=VALUE ...] [--out DIR] [--threads N] [--quiet] [--dry-run]\n  cygd run {resume.USAGE}",
    ),
    "check": (check, "FILE ... [KEY=VALUE ...]"),
    "sweep": (sweep.run, sweep.USAGE),
    "trace": (trace, "FILE [KEY=VALUE ...] [--steps N] [--csv]"),
    "bowl": (bowl.run, bowl.USAGE),
    "data": (data.run, data.USAGE),
    "predict": (predict.run, predict.USAGE),
    "list": (listing.run, listing.USAGE),
    "compare": (compare.run, compare.USAGE),
    "plugins": (plugins.run, plugins.USAGE),
    "new": (new.run, new.USAGE),
    "schema": (schema, "[FILE ...]"),
    "completion": (complete, "bash|zsh|fish"),
    "info": (info, "[--json]"),
}


DECLARED: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "bowl": bowl.declare,
    "sweep": sweep.declare,
    "data": data.declare,
    "predict": predict.declare,
    "list": listing.declare,
    "compare": compare.declare,
    "plugins": plugins.declare,
    "new": new.declare,
}


def _dispatch(arguments: list[str]) -> int:
    # subparsers and intermixed arguments exclude each other, so the command is parsed first
    first = _top().parse_args(arguments)
    if first.command is None:
        _top().print_help(sys.stderr)
        return USAGE
    if first.command not in COMMANDS:
        hint = did_you_mean(first.command, list(COMMANDS))
        raise UsageError(f"unknown command {first.command!r}", hint or f"one of {', '.join(COMMANDS)}")
    parser = _parser(first.command)
    options, strange = parser.parse_known_intermixed_args(first.rest)
    if strange:
        odd = next((text for text in strange if text.startswith("-")), strange[0])
        hint = did_you_mean(odd, parser.options)
        raise UsageError(f"unknown argument {odd!r}", hint or f"{parser.prog} --help")
    options.prog = f"cygd {first.command}"
    options.plugin = [*first.plugin, *options.plugin]
    options.traceback |= first.traceback
    return COMMANDS[first.command][0](options)


def _top() -> _Parser:
    lines = [f"  cygd {name} {usage}\n      {command.__doc__}" for name, (command, usage) in COMMANDS.items()]
    parser = _Parser(
        prog="cygd",
        usage="cygd [-p PLUGIN] [--traceback] COMMAND ...",
        description="Gradient descent for neural networks, experiments in YAML.\n\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _common(parser)
    parser.add_argument("--version", action="version", version=f"cygd {cygd.__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        *("-p", "--plugin"),
        action="append",
        default=[],
        metavar="NAME_OR_PATH",
        help="load a plugin: a module or a .py file; no:NAME keeps one out (repeatable)",
    )
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an error")


def _parser(name: str) -> _Parser:
    command, usage = COMMANDS[name]
    parser = _Parser(
        prog=f"cygd {name}",
        usage=f"cygd {name} {usage} [-p PLUGIN] [--traceback]",
        description=command.__doc__ and command.__doc__.split("\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if name in {"run", "check", "trace"}:
        parser.add_argument("arguments", nargs="*", metavar="FILE, KEY=VALUE", help=ARGUMENTS)
    if name == "run":
        parser.add_argument("--out", metavar="DIR", help="the run folder (default: a fresh one under runs/)")
        parser.add_argument("--threads", type=_count, metavar="N", help="how many threads; changes no result")
        parser.add_argument("--quiet", action="store_true", help="say nothing but errors and warnings")
        parser.add_argument("--dry-run", action="store_true", help="print the resolved YAML and stop")
        resume.declare(parser)
    if name == "trace":
        parser.add_argument(
            "--steps", type=_count, default=3, metavar="N", help="how many updates (default 3)"
        )
        parser.add_argument("--csv", action="store_true", help="one row for each weight, as CSV")
    if name in DECLARED:
        DECLARED[name](parser)
    if name == "schema":
        parser.add_argument(
            "arguments", nargs="*", metavar="FILE", help="experiments whose plugins are loaded"
        )
    if name == "completion":
        parser.add_argument("shell", nargs="?", metavar="bash|zsh|fish", help="the shell; see the examples")
    if name == "info":
        parser.add_argument("--json", action="store_true", help="print JSON")
    _common(parser)
    return parser


ARGUMENTS = "an experiment in YAML, and values that override its own, such as train.epochs=5"


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, found {text!r}")
    return int(text)


def _one_file(options: argparse.Namespace) -> tuple[str, list[str]]:
    files, overrides = split(options.arguments)
    if not files:
        raise UsageError("which experiment? a YAML file is missing", f"{options.prog} FILE [KEY=VALUE ...]")
    if len(files) > 1:
        raise UsageError(f"one file at a time; {files[1]!r} is no KEY=VALUE either")
    return files[0], overrides


# -- talking ----------------------------------------------------------------------------------------


class _Talk(logging.Handler):
    """Shows warnings on stderr, as errors are shown."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        say(f"{record.levelname.lower()}: {record.getMessage()}", getattr(record, "hint", None))


def _kept(interrupt: KeyboardInterrupt) -> list[str]:
    """Return the run folder that an interrupted run has left, as the runner notes it."""
    notes = getattr(interrupt, "__notes__", [])
    return [note.removeprefix("kept: ") for note in notes if note.startswith("kept: ")]


def _report(error: Exception, *, show: bool) -> int:
    """Print an error and return its exit code."""
    if show:
        traceback.print_exception(error, file=sys.stderr)
    from cygd.commands.excerpt import say_error

    if isinstance(error, ConfigError):
        for problem in error.problems:
            place = " ".join(part for part in (problem.where, problem.key) if part)
            text = f"{place}: {problem.message}" if place else problem.message
            say_error(text, problem.hint, problem.where)
        return error.exit_code
    if isinstance(error, CygdError):
        say_error(error.message, error.hint, getattr(error, "where", None))
        return error.exit_code
    if isinstance(error, ImportError) and "CYGD_CPU" in str(error):
        say(f"error: {error}")
        return USAGE
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    say(f"error: unexpected {text}", None if show else "--traceback shows where it comes from")
    return FAILED


def _core_is_built() -> bool:
    folder = Path(__file__).parent / "core"
    return any((folder / f"dispatch{suffix}").exists() for suffix in EXTENSION_SUFFIXES)
