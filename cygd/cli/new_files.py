"""Files that a command writes for somebody to edit: all or none, and never over anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cygd.cli.output import UsageError

__all__ = ["check_not_existing", "write_new_files"]


def check_not_existing(files: Sequence[Path]) -> None:
    """Refuse to write over anything."""
    for file in files:
        if file.exists() or file.is_symlink():
            raise UsageError(f"{file} is there already, and nothing is overwritten", "take another name")


def write_new_files(files: Sequence[Path], texts: Sequence[str]) -> None:
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
