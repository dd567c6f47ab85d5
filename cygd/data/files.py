"""Where a data file is, and what it is called in messages."""

from __future__ import annotations

import os
from pathlib import Path

from cygd.errors import DataError

__all__ = ["located", "shown"]


def located(folder: Path, value: object, option: str) -> Path:
    """Return the path that an option names, relative to the working folder where it lies below it.

    Raises
    ------
    DataError
        Where the option is no text, or the file is not there.
    """
    if not isinstance(value, str) or not value or "\0" in value:
        raise DataError(f"{option} is {value!r}; it is the name of a file")
    path = shown(folder / value)
    if not path.exists():
        hint = None if Path(value).is_absolute() else f"relative paths start from {folder.absolute()}"
        raise DataError(f"{path}: no such file", hint=hint)
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file")
    return path


def shown(path: Path) -> Path:
    """Return a path as messages show it, relative to the working folder where it lies below it."""
    path = Path(os.path.normpath(path))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
