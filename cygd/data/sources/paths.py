"""Where a data file is, and what it is called in messages."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from cygd.errors import DataError, did_you_mean

__all__ = ["display_path", "matching", "resolve_path", "resolve_paths"]


def resolve_path(folder: Path, value: object, option: str) -> Path:
    """Return the path that an option names, relative to the working folder where it lies below it.

    Raises
    ------
    DataError
        Where the option is no text, or the file is not there.
    """
    if not isinstance(value, str) or not value or "\0" in value:
        raise DataError(f"{option} is {value!r}; it is the name of a file")
    path = display_path(folder / value)
    if not path.exists():
        begins = None if Path(value).is_absolute() else f"relative paths start from {folder.absolute()}"
        raise DataError(
            f"{path}: no such file", hint="; ".join(filter(None, [begins, suggest_file(path)])) or None
        )
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file")
    return path


def resolve_paths(folder: Path, value: object, option: str) -> list[Path]:
    """Return the paths that an option names, by a name or by a pattern with `*`, `?` or `[...]`, sorted.

    Raises
    ------
    DataError
        Where the option is no text, or no file is there.
    """
    if matches := matching(folder, value):
        return [display_path(path) for path in matches]
    if isinstance(value, str) and glob.has_magic(value) and not (folder / value).exists():
        hint = None if Path(value).is_absolute() else f"relative patterns start from {folder.absolute()}"
        raise DataError(f"{display_path(folder / value)}: no file has such a name", hint=hint)
    return [resolve_path(folder, value, option)]


def matching(folder: Path, value: object) -> list[Path]:
    """Return the files that a pattern matches, sorted; the name of a file is no pattern."""
    if not isinstance(value, str) or "\0" in value or not glob.has_magic(value):
        return []
    if (folder / value).exists():
        return []
    names = glob.glob(value, root_dir=folder, recursive=True)  # noqa: PTH207 (takes an absolute one, too)
    return [folder / name for name in sorted(names) if (folder / name).is_file()]


def suggest_file(path: Path) -> str | None:
    """Return a hint with the file of a folder whose name is nearest to one that is not there."""
    try:
        return did_you_mean(path.name, [other.name for other in path.parent.iterdir() if other.is_file()])
    except OSError:
        return None


def display_path(path: Path) -> Path:
    """Return a path as messages show it, relative to the working folder where it lies below it."""
    path = Path(os.path.normpath(path))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
