"""The document of an experiment: the values of the YAML file and of the overrides, before validation.

Reading stops at the first syntax error. Duplicate keys and invalid overrides are kept in `Document.problems`
and reported together with everything that validation finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cygd.config.mapping_reader import raw_columns, read_mapping
from cygd.config.messages import format_value
from cygd.config.overrides import apply_changes, apply_overrides
from cygd.config.sections import DataSection, ExperimentSection
from cygd.config.validators import Context, ErrorDetails
from cygd.config.yaml.nodes import KeyPath, Mark, Node, show_key
from cygd.config.yaml.reader import DATA_FILE_HINT, MAX_VALUES, read_yaml
from cygd.errors import ConfigError, Problem, did_you_mean

# options of csv and parquet that hold for the texts of a frame too
CELL_KEYS = ("decimal", "thousands", "percent", "units", "missing_values")
SAVE_AS_UTF8 = "save the file as UTF-8"
WIDE_TEXT = re.compile(rb"([^\0]\0){2}|(\0[^\0]){2}")  # two ASCII characters in UTF-16 without its mark
MAX_BYTES = 2**24  # of an experiment, which may hold its data
RESOLVED = 4  # times as long: a config.yaml, which holds every default and what a program passed


@dataclass(frozen=True)
class Document:
    """An experiment as the user wrote it."""

    source: str  # the file's path as the user gave it, or "experiment" for a mapping
    folder: Path  # relative paths start from it: the file's folder, or the current one
    stem: str  # the default name of the experiment
    root: Node
    # options of components whose names were overridden; validation drops those that the new component lacks
    kept: frozenset[KeyPath] = frozenset()
    problems: tuple[Problem, ...] = ()  # found so far

    def where(self, path: KeyPath, *, key: bool = False) -> str:
        """Return the place of a value or of its key, or of the nearest value around it."""
        node, taken = self.root.nearest(path)
        missing = taken < len(path)
        at_key = key or (missing and isinstance(node.value, dict))
        return str((at_key and node.key_mark) or node.mark)

    def problem(self, error: ErrorDetails) -> Problem:
        """Return an error with its place."""
        where = self.where(error.path, key=error.at_key)
        return Problem(where, show_key(error.path), error.message, error.hint)

    def changed(self, changes: Iterable[tuple[KeyPath, Node]]) -> Document:
        """Return a document with other values at some paths; the values keep their places.

        The two share the nodes of the keys at the top level that do not change; see `ValidSections`.
        """
        new = [(path, value.copy()) for path, value in changes]
        changing = {str(path[0]) for path, _ in new}
        values = {key: node.copy() if key in changing else node for key, node in self.root.value.items()}
        root, problems = Node(values, self.root.mark, self.root.key_mark), list(self.problems)
        kept = apply_changes(root, new, problems)
        return replace(self, root=root, kept=self.kept | kept, problems=tuple(problems))

    def with_frame(self, frame: object) -> Document:
        """Return a document whose data are a frame, without the keys that describe another source."""
        root, mark = self.root.copy(), Mark("data")
        given = root.child("data")
        section = given.value if given is not None and isinstance(given.value, dict) else {}
        source = section["source"].value if "source" in section else None
        # a plugin's options of these names may mean something else
        shared = CELL_KEYS if source in (None, "csv", "parquet", "frame") else ()
        kept = {
            key: node
            for key, node in section.items()
            if (key in DataSection.fields and key != "source") or key in shared
        }
        value = {"source": Node("frame", mark), "columns": Node(raw_columns(frame), mark), **kept}
        root.value["data"] = Node(value, mark if given is None else given.mark)
        return replace(self, root=root)

    @property
    def plugin_requests(self) -> list[tuple[str, str, Path]]:
        """The plugins that the experiment loads: (name or path, place, folder)."""
        node, context = self.root.child("plugins"), Context(None, [])
        given = {"plugins": node.plain()} if node else {}
        names = ExperimentSection.fields["plugins"].read(given, "plugins", context)
        if context.errors:
            raise ConfigError([*self.problems, *map(self.problem, context.errors)])
        return [(name, self.where(("plugins", index)), self.folder) for index, name in enumerate(names)]


def read(source: Path | str | Mapping[str, Any], overrides: Sequence[str] = ()) -> Document:
    """Read an experiment, without validating it, and apply overrides such as ``train.epochs=5`` in order.

    The source is a YAML file, or the same content as a mapping, which may hold NumPy numbers and arrays,
    tuples and paths.

    Examples
    --------
    >>> document = read({"train": {"epochs": 5}}, ["train.epochs=7"])
    >>> document.root.plain(), document.where(("train", "epochs"))
    ({'train': {'epochs': 7}}, 'command line')
    """
    problems: list[Problem] = []
    if isinstance(source, Mapping):
        name, stem, folder = "experiment", "experiment", Path.cwd()
        root = read_mapping(source, Mark(name))
    else:
        path = Path(source)
        name, stem, folder = str(source), path.stem, path.absolute().parent
        root = _read_file(path, name, problems)
    kept = apply_overrides(root, overrides, problems)
    return Document(name, folder, stem, root, kept, tuple(problems))


def _read_file(path: Path, name: str, problems: list[Problem]) -> Node:
    """Return the root of a file, which must be a mapping."""
    allowance = RESOLVED if path.name == "config.yaml" else 1
    text = _text(path, Mark(name), allowance * MAX_BYTES)
    root = read_yaml(text, Mark(name, 1, 1), problems, allowance * MAX_VALUES)
    if root is None or root.value is None:
        hint = "an experiment needs at least the keys 'data' and 'model'"
        raise Mark(name).error("the file is empty", hint)
    if not isinstance(root.value, dict):
        raise root.mark.error(f"expected a mapping of keys to values, got {format_value(root.plain())}")
    return root


def _text(path: Path, file: Mark, max_bytes: int) -> str:
    """Return the text of a file."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(max_bytes + 1)
    except FileNotFoundError:
        raise file.error("no such file", _near(path)) from None
    except IsADirectoryError:
        inside = path / "config.yaml"
        hint = f"did you mean {str(inside)!r}?" if inside.is_file() else None
        raise file.error("expected a file, got a folder", hint) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise file.error(f"cannot be read: {reason}") from None
    if len(raw) > max_bytes:
        raise file.error(f"expected at most {max_bytes // 2**20} MB, got a larger file", DATA_FILE_HINT)
    if WIDE_TEXT.match(raw):
        raise file.error("expected UTF-8 text, got UTF-16", SAVE_AS_UTF8)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = len(raw[: error.start].rpartition(b"\n")[2].decode("utf-8", "replace").lstrip("\ufeff")) + 1
        is_wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        message = f"expected UTF-8 text, got byte 0x{raw[error.start]:02X}"
        raise Mark(file.source, line, column).error(
            message, f"it is UTF-16: {SAVE_AS_UTF8}" if is_wide else SAVE_AS_UTF8
        ) from None


def _near(path: Path) -> str | None:
    """Return a hint with the file whose name is closest."""
    try:
        names = [other.name for other in path.parent.glob("*.y*ml")]
    except (OSError, ValueError):
        return None
    return did_you_mean(path.name, names)
