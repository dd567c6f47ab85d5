"""Arguments that commands share: files, KEY=VALUE overrides and plugins."""

from __future__ import annotations

import argparse
import glob
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cygd.cli.output import UsageError, redirect_stdout
from cygd.cli.run_lookup import RUNS
from cygd.errors import ConfigError, Problem

if TYPE_CHECKING:
    from cygd.plugins.manager import Plugins

EXPERIMENT_HELP = "an experiment in YAML, and overrides of its values such as train.epochs=5"
MAX_DIGITS = 18  # of an integer that fits into 64 bits
OVERRIDE = re.compile(r"[A-Za-z_][\w.\-]*=")


def split_overrides(
    arguments: Sequence[str], keys: Collection[str] | None = None, *, runs: bool = False
) -> tuple[list[str], list[str]]:
    """Separate files, folders and patterns from overrides.

    A text with `=` that exists as a path, or as a run where the command takes runs, is one. If it begins with
    a known key too, it is ambiguous, which is an error.

    Parameters
    ----------
    arguments : sequence of str
        The arguments without options.
    keys : collection of str, optional
        The keys that an override may begin with; the keys of an experiment by default.
    runs : bool
        Whether the command takes the name of a run.
    """
    overrides = [text for text in arguments if OVERRIDE.match(text)]
    for text in overrides[:]:
        found = _find_path(text) or (runs and _find_path(str(RUNS / text)))
        if found:
            _reject_ambiguous(text, found, keys)
            overrides.remove(text)
    return [text for text in arguments if text not in overrides], overrides


def _find_path(text: str) -> str | None:
    """Return the file or folder of a name, or the first file that a pattern matches."""
    if os.path.lexists(text):
        return text
    return next(glob.iglob(text, recursive=True), None) if _is_pattern(text) else None  # noqa: PTH207


def _is_pattern(text: str) -> bool:
    return glob.has_magic(text) and "\0" not in text


def _reject_ambiguous(text: str, found: str, keys: Collection[str] | None) -> None:
    """Raise a UsageError if a text that names a path begins with a key."""
    key, _, value = text.partition("=")
    if keys is None:
        from cygd.config.sections import ExperimentSection

        keys = ExperimentSection.fields.keys()
    if key.split(".")[0] in keys:
        path = "a path" if found == text else f"the path {found!r}" if _is_pattern(text) else "a run"
        local = f"./{text}" if path != "a run" else found
        raise UsageError(
            f"expected a path or an override, got {text!r}, which is both",
            f"write {local!r} for {path}, or '{key}= {value}' for the override",
        )


def missing_argument(
    expected: str, usage: str, overrides: Collection[str], keys: Collection[str]
) -> UsageError:
    """Return the error for a missing file or run; an override without a known key was meant as one.

    Examples
    --------
    >>> print(missing_argument("an experiment file", "check FILE", ["a=b.yaml"], ["name"]))
    expected an experiment file, but 'a=b.yaml' does not exist
    hint: check FILE
    """
    names = (text for text in overrides if text.partition("=")[0].split(".")[0] not in keys)
    meant = next(names, None)
    return UsageError(f"expected {expected}" + (f", but {meant!r} does not exist" if meant else ""), usage)


def one_experiment(options: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the one experiment file of a command line, and its overrides."""
    files, overrides = split_overrides(options.arguments)
    if not files:
        raise missing_experiment(f"{options.prog} FILE [KEY=VALUE ...]", overrides)
    reject_several("experiment file", files)
    return files[0], overrides


def missing_experiment(
    usage: str, overrides: Collection[str], expected: str = "an experiment file"
) -> UsageError:
    """Return the error for a command line without an experiment."""
    from cygd.config.sections import ExperimentSection

    return missing_argument(expected, usage, overrides, ExperimentSection.fields.keys())


def reject_several(noun: str, values: Sequence[str], hint: str | None = None) -> None:
    """Raise a UsageError for more than one value."""
    if len(values) > 1:
        raise UsageError(f"expected one {noun}, got {' and '.join(map(repr, values))}", hint)


def experiment_files(name: str) -> list[str]:
    """Return a file itself, or the .yaml and .yml files of a folder."""
    folder = Path(name)
    if not folder.is_dir():
        return [name]
    files = sorted(str(path) for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
    if not files:
        raise UsageError(f"expected .yaml files in the folder {name!r}, got none")
    return files


def positive_int(text: str) -> int:
    """Parse an integer of at least 1, for argparse."""
    if not (text.isascii() and text.isdecimal() and text.strip("0")):
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    if len(text.lstrip("0")) > MAX_DIGITS:
        raise argparse.ArgumentTypeError(f"expected at most {MAX_DIGITS} digits, got {text!r}")
    return int(text.lstrip("0"))


def parse_mapping(overrides: Sequence[str]) -> dict[str, Any]:
    """Parse KEY=VALUE arguments into a mapping; the values are YAML.

    Examples
    --------
    >>> parse_mapping(["slope=0.3", "trainable=[beta]", "formula.w=w - g"])
    {'slope': 0.3, 'trainable': ['beta'], 'formula': {'w': 'w - g'}}
    """
    from cygd.config.overrides import apply_overrides
    from cygd.config.yaml.nodes import COMMAND_LINE, Node

    root = Node({}, COMMAND_LINE)
    problems: list[Problem] = []
    apply_overrides(root, overrides, problems)
    if problems:
        raise ConfigError(problems)
    mapping: dict[str, Any] = root.plain()
    return mapping


def load_plugins(requests: Sequence[str]) -> Plugins:
    """Load the plugins of -p; what they print goes to stderr."""
    from cygd.plugins.discovery import option_requests
    from cygd.plugins.manager import Plugins

    with redirect_stdout():
        return Plugins.load(option_requests(requests))


def add_weight_option(parser: argparse.ArgumentParser, purpose: str = "") -> None:
    """Add --weight, which is given once or twice; `purpose` begins its help."""
    parser.add_argument(
        "-w",
        "--weight",
        action="append",
        default=[],
        metavar="W",
        help=f"{purpose}w0[1,2] is the weight from input 1 to unit 2 of layer 0, b0[2] is the unit's bias; "
        "give one or two",
    )
