"""`cygd new`: files to begin with."""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from cygd.commands.talk import DONE, UsageError, say, talking
from cygd.commands.templates import PLUGINS, TESTS
from cygd.errors import did_you_mean

__all__ = ["USAGE", "declare", "run"]

USAGE = "plugin NAME [--kind activation|loss|optimizer]"


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare what the command understands."""
    parser.add_argument("arguments", nargs="*", metavar="plugin NAME", help="what to write, and its name")
    parser.add_argument(
        "--kind", metavar="KIND", help=f"what the plugin gives: {', '.join(PLUGINS)} (default activation)"
    )


def run(options: argparse.Namespace) -> int:
    """Write a plugin that works, with its test, into the current folder."""
    if not options.arguments:
        raise UsageError("what is to be written?", f"cygd new {USAGE}")
    what, *names = options.arguments
    if what not in WRITERS:
        raise UsageError(
            f"there is no new {what!r}", did_you_mean(what, list(WRITERS)) or f"cygd new {USAGE}"
        )
    if not names:
        raise UsageError(f"the name of the {what} is missing", f"cygd new {USAGE}")
    if len(names) > 1:
        raise UsageError(f"one name at a time, found {' and '.join(map(repr, names))}", f"cygd new {USAGE}")
    return WRITERS[what](names[0], options)


def _plugin(name: str, options: argparse.Namespace) -> int:
    """Write NAME.py and test_NAME.py."""
    kind = "activation" if options.kind is None else options.kind
    if kind not in PLUGINS:
        hint = did_you_mean(kind, list(PLUGINS)) or f"one of {', '.join(PLUGINS)}"
        raise UsageError(f"there is no new plugin of kind {kind!r}", hint)
    files = [Path(f"{name}.py"), Path(f"test_{name}.py")]
    _check_name(name)
    _check_free(files)
    _check_unknown(name, options.plugin)
    words = {"NAME": name, "CONSTANT": name.upper(), "KIND": kind}
    texts = [
        re.sub("|".join(words), lambda word: words[word[0]], template)
        for template in (PLUGINS[kind], TESTS[kind])
    ]
    _write(files, texts)
    for file in files:
        print(file)
    say(f"now edit {files[0]}, and try it:")
    plot = "" if kind == "optimizer" else " --plot"
    say(f"  cygd plugins {name} -p {files[0]}{plot}")
    say(f"  cygd plugins {name} -p {files[0]} --check")
    if find_spec("pytest") is None:
        say("  pip install pytest")
    say(f"  pytest {files[1]}")
    say(f"  cygd run EXPERIMENT.yaml -p {files[0]} {_override(kind, name)}")
    return DONE


def _override(kind: str, name: str) -> str:
    return f"model.activation={name}" if kind == "activation" else f"{kind}={name}"


def _check_name(name: str) -> None:
    """Refuse what cannot be the name of a component, of a file and of a test function."""
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        why = "is a keyword of Python" if keyword.iskeyword(name) else "is no name for a plugin"
        raise UsageError(f"{name!r} {why}", "letters, digits and underscores, such as my_activation")


def _check_free(files: Sequence[Path]) -> None:
    """Refuse to write over anything."""
    for file in files:
        if file.exists() or file.is_symlink():
            raise UsageError(f"{file} is there already, and nothing is overwritten", "take another name")


def _check_unknown(name: str, plugins: Sequence[str]) -> None:
    """Refuse a name that something has already: a component, or a module that the file would hide."""
    from cygd.assembly import requests
    from cygd.plugins import Plugins

    with talking():
        registry = Plugins.load(requests(plugins))
    for entry in registry.entries:
        if entry.component.name == name:
            what = f"{entry.component} is there already, from plugin {entry.plugin!r}"
            raise UsageError(what, "take another name")
    if find_spec(name) is not None:
        raise UsageError(f"{name!r} is a module of Python, which {name}.py would hide", "take another name")


def _write(files: Sequence[Path], texts: Sequence[str]) -> None:
    """Write all files or none."""
    written = []
    try:
        for file, text in zip(files, texts, strict=True):
            with file.open("x", encoding="utf-8") as stream:
                written.append(file)
                stream.write(text)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error


WRITERS: dict[str, Callable[[str, argparse.Namespace], int]] = {"plugin": _plugin}
