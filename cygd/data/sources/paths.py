"""Resolving the paths of data files, and their names in messages."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from cygd.data.sources.pipes import DESCRIPTOR, PIPE_HINT, STDIN
from cygd.errors import DataError, did_you_mean


def resolve_path(folder: Path, value: object, option: str) -> Path:
    """Return the path of the existing file that an option names, as `display_path` gives it; "-" is stdin."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise DataError(f"{option}: expected the name of a file, got {value!r}")
    if value in ("-", str(STDIN)):
        return STDIN
    path = display_path(folder / value)
    if not path.exists():
        if DESCRIPTOR.fullmatch(str(path)):
            raise DataError(f"{path}: the pipe of an earlier command no longer exists", hint=PIPE_HINT)
        hints = [None if Path(value).is_absolute() else relative_hint(folder), suggest_file(path)]
        raise DataError(f"{path}: no such file", hint="; ".join(filter(None, hints)) or None)
    if path.is_dir():
        raise DataError(f"{path}: expected a file, got a folder")
    return path


def resolve_paths(folder: Path, value: object, option: str) -> list[Path]:
    """Return the sorted paths that an option names, by a name or by a pattern with `*`, `?` or `[...]`."""
    if files := glob_files(folder, value):
        return [display_path(path) for path in files]
    if isinstance(value, str) and glob.has_magic(value) and not (folder / value).exists():
        hint = None if Path(value).is_absolute() else relative_hint(folder)
        raise DataError(f"{display_path(folder / value)}: no file matches the pattern", hint=hint)
    return [resolve_path(folder, value, option)]


def glob_files(folder: Path, value: object) -> list[Path]:
    """Return the sorted files that match a pattern; a value that is a file's name is not a pattern."""
    if not isinstance(value, str) or "\0" in value or not glob.has_magic(value):
        return []
    if (folder / value).exists():
        return []
    names = glob.glob(value, root_dir=folder, recursive=True)  # noqa: PTH207 (Path.glob rejects absolute ones)
    return [folder / name for name in sorted(names) if (folder / name).is_file()]


def relative_hint(folder: Path) -> str:
    """Return the hint that says where relative paths start."""
    return f"relative paths start from {folder.absolute()}"


def suggest_file(path: Path) -> str | None:
    """Return a hint with the file in the same folder whose name is closest to one that does not exist."""
    try:
        return did_you_mean(path.name, [other.name for other in path.parent.iterdir() if other.is_file()])
    except OSError:
        return None


def display_path(path: Path) -> Path:
    """Return a path as messages show it, relative to the working folder if it is below it."""
    path = Path(os.path.normpath(path))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def format_files(files: Sequence[Path]) -> str:
    """Return the first of several files, and how many more there are."""
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
