"""The document of an experiment: the values of the YAML file and of the overrides, before validation.

Reading stops at the first syntax error. Duplicate keys and invalid overrides are kept in `Document.problems`
and reported together with everything that validation finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cygd.config.mapping_reader import read_mapping
from cygd.config.messages import format_value
from cygd.config.overrides import apply_changes, apply_overrides
from cygd.config.sections import ExperimentSection
from cygd.config.validators import Context, ValidationError
from cygd.config.yaml.nodes import KeyPath, Mark, Node, show_key
from cygd.config.yaml.reader import read_yaml
from cygd.errors import ConfigError, Problem, did_you_mean

__all__ = ["Document", "read"]


@dataclass(frozen=True)
class Document:
    """An experiment as the user wrote it.

    Attributes
    ----------
    source : str
        The file's path as the user gave it, or "experiment" for a mapping.
    folder : Path
        The folder that relative paths start from: the file's folder, or the current one.
    stem : str
        The default name of the experiment.
    root : Node
        The values with their places.
    kept : frozenset of KeyPath
        Options of components whose names were overridden: validation drops those that the new component does
        not have.
    problems : tuple of Problem
        The problems found so far.
    """

    source: str
    folder: Path
    stem: str
    root: Node
    kept: frozenset[KeyPath] = frozenset()
    problems: tuple[Problem, ...] = ()

    def where(self, path: KeyPath, *, key: bool = False) -> str:
        """Return the place of a value or of its key, or of the nearest value around it."""
        return str(self.mark(path, key=key))

    def mark(self, path: KeyPath, *, key: bool = False) -> Mark:
        """Return the mark of a value or of its key, or of the nearest value around it."""
        node, taken = self.root.nearest(path)
        missing = taken < len(path)
        if node.key_mark and (key or (missing and isinstance(node.value, dict))):
            return node.key_mark
        return node.mark

    def changed(self, changes: Iterable[tuple[KeyPath, Node]]) -> Document:
        """Return a document with other values at some paths; the values keep their places."""
        root, problems = self.root.copy(), list(self.problems)
        kept = apply_changes(root, [(path, value.copy()) for path, value in changes], problems)
        return replace(self, root=root, kept=self.kept | kept, problems=tuple(problems))

    @property
    def plugin_requests(self) -> list[tuple[str, str, Path]]:
        """The plugins that the experiment loads: (name or path, place, folder).

        Raises
        ------
        ConfigError
            If `plugins` is not a list of texts.
        """
        node = self.root.child("plugins")
        if node is None:
            return []
        context = Context(None, [], ("plugins",))
        names: tuple[str, ...] = ()
        try:
            names = ExperimentSection.fields["plugins"].validator.validate(node.plain(), context)
        except ValidationError as error:
            context.add(*error.errors)
        if context.errors:
            problems = [
                Problem(self.where(error.path), show_key(error.path), error.message, error.hint)
                for error in context.errors
            ]
            raise ConfigError([*self.problems, *problems])
        return [(name, self.where(("plugins", index)), self.folder) for index, name in enumerate(names)]


def read(source: Path | str | Mapping[str, Any], overrides: Sequence[str] = ()) -> Document:
    """Read an experiment.

    Parameters
    ----------
    source : Path, str or Mapping
        A YAML file, or the same content as a mapping, which may hold NumPy numbers and arrays, tuples and
        paths.
    overrides : sequence of str
        Overrides such as ``train.epochs=5``, in order.

    Returns
    -------
    Document
        The values as they were written, not validated.

    Raises
    ------
    ConfigError
        If the file cannot be read as YAML.

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
        root = _root(read_yaml(_text(path, name), Mark(name, 1, 1), problems), name)
    kept = apply_overrides(root, overrides, problems)
    return Document(name, folder, stem, root, kept, tuple(problems))


def _text(path: Path, name: str) -> str:
    """Return the text of a file."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise _error(name, "no such file", _near(path)) from None
    except IsADirectoryError:
        inside = path / "config.yaml"
        hint = f"did you mean {str(inside)!r}?" if inside.is_file() else None
        raise _error(name, "expected a file, got a folder", hint) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _error(name, f"cannot be read: {reason}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = len(raw[: error.start].rpartition(b"\n")[2].decode("utf-8", "replace").lstrip("\ufeff")) + 1
        message = f"expected UTF-8 text, got byte 0x{raw[error.start]:02X}"
        raise _error(str(Mark(name, line, column)), message, "save the file as UTF-8") from None


def _near(path: Path) -> str | None:
    """Return a hint with the file whose name is closest."""
    try:
        names = [other.name for other in path.parent.glob("*.y*ml")]
    except (OSError, ValueError):
        return None
    return did_you_mean(path.name, names)


def _root(root: Node | None, name: str) -> Node:
    """Return the root, which must be a mapping."""
    if root is None or root.value is None:
        raise _error(name, "the file is empty", "an experiment needs at least the keys 'data' and 'model'")
    if not isinstance(root.value, dict):
        message = f"expected a mapping of keys to values, got {format_value(root.plain())}"
        raise _error(str(root.mark), message)
    return root


def _error(where: str, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError([Problem(where, "", message, hint)])
