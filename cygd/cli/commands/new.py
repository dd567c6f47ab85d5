"""`cygd new`: files to begin with."""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from cygd.cli.commands.plugin_templates import PLUGINS, TESTS
from cygd.cli.new_files import check_not_existing, write_new_files
from cygd.cli.output import DONE, UsageError, echo, redirect_stdout
from cygd.errors import did_you_mean

__all__ = ["USAGE", "declare", "run"]

USAGES = {
    "experiment": "experiment NAME [--data FILE] [--target COLUMN]",
    "plugin": "plugin NAME [--kind activation|loss|optimizer]",
}
USAGE = " | ".join(USAGES.values())


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare what the command understands."""
    parser.add_argument(
        "arguments", nargs="*", metavar="experiment|plugin NAME", help="what to write, and its name"
    )
    parser.add_argument(
        "--data", metavar="FILE", help="what it learns from: .csv, .csv.gz, .parquet, .npz, ..."
    )
    parser.add_argument("--target", metavar="COLUMN", help="the column to predict (default: the likeliest)")
    parser.add_argument(
        "--kind", metavar="KIND", help=f"what the plugin gives: {', '.join(PLUGINS)} (default activation)"
    )


def run(options: argparse.Namespace) -> int:
    """Write an experiment that runs, or a plugin that works with its test, into the current folder."""
    if not options.arguments:
        raise UsageError("what is to be written?", f"cygd new {USAGE}")
    what, *names = options.arguments
    if what not in WRITERS:
        hint = did_you_mean(what, list(WRITERS)) or f"cygd new {USAGE}"
        raise UsageError(f"there is no new {what!r}", hint)
    usage = f"cygd new {USAGES[what]}"
    if not names:
        raise UsageError(f"the name of the {what} is missing", usage)
    if len(names) > 1:
        raise UsageError(f"one name at a time, found {' and '.join(map(repr, names))}", usage)
    for other, own in OPTIONS.items():
        for option in own:
            if other != what and getattr(options, option) is not None:
                raise UsageError(f"--{option} is for a new {other}", usage)
    return WRITERS[what](names[0], options)


def _experiment(name: str, options: argparse.Namespace) -> int:
    """Write NAME.yaml."""
    from cygd.cli.commands import new_experiment  # it looks at data, which takes the whole package

    return new_experiment.run(name, options.data, options.target, options.plugin)


def _plugin(name: str, options: argparse.Namespace) -> int:
    """Write NAME.py and test_NAME.py."""
    kind = "activation" if options.kind is None else options.kind
    if kind not in PLUGINS:
        hint = did_you_mean(kind, list(PLUGINS)) or f"one of {', '.join(PLUGINS)}"
        raise UsageError(f"there is no new plugin of kind {kind!r}", hint)
    files = [Path(f"{name}.py"), Path(f"test_{name}.py")]
    _check_name(name)
    check_not_existing(files)
    _check_unknown(name, options.plugin)
    words = {"NAME": name, "CONSTANT": name.upper(), "KIND": kind}
    texts = [
        re.sub("|".join(words), lambda word: words[word[0]], template)
        for template in (PLUGINS[kind], TESTS[kind])
    ]
    write_new_files(files, texts)
    for file in files:
        print(file)
    echo(f"now edit {files[0]}, and try it:")
    plot = "" if kind == "optimizer" else " --plot"
    echo(f"  cygd plugins {name} -p {files[0]}{plot}")
    echo(f"  cygd plugins {name} -p {files[0]} --check")
    if find_spec("pytest") is None:
        echo("  pip install pytest")
    echo(f"  pytest {files[1]}")
    echo(f"  cygd run EXPERIMENT.yaml -p {files[0]} {_override(kind, name)}")
    return DONE


def _override(kind: str, name: str) -> str:
    return f"model.activation={name}" if kind == "activation" else f"{kind}={name}"


def _check_name(name: str) -> None:
    """Refuse what cannot be the name of a component, of a file and of a test function."""
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        why = "is a keyword of Python" if keyword.iskeyword(name) else "is no name for a plugin"
        raise UsageError(f"{name!r} {why}", "letters, digits and underscores, such as my_activation")


def _check_unknown(name: str, plugins: Sequence[str]) -> None:
    """Refuse a name that something has already: a component, or a module that the file would hide."""
    from cygd.plugins.discovery import option_requests
    from cygd.plugins.manager import Plugins

    with redirect_stdout():
        registry = Plugins.load(option_requests(plugins))
    for entry in registry.entries:
        if entry.component.name == name:
            what = f"{entry.component} is there already, from plugin {entry.plugin!r}"
            raise UsageError(what, "take another name")
    if find_spec(name) is not None:
        raise UsageError(f"{name!r} is a module of Python, which {name}.py would hide", "take another name")


OPTIONS = {"experiment": ("data", "target"), "plugin": ("kind",)}
WRITERS: dict[str, Callable[[str, argparse.Namespace], int]] = {"experiment": _experiment, "plugin": _plugin}
