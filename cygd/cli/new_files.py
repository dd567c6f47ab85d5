"""Files that commands write: whole, and those from templates without overwriting anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import IO

from cygd.cli.output import UsageError


def fill_template(file: str, **values: str) -> str:
    """Return a file of cygd/cli/templates with its $placeholders filled in."""
    text = resources.files("cygd.cli").joinpath("templates", file).read_text(encoding="utf-8")
    return Template(text).substitute(values)


def check_not_existing(files: Sequence[Path]) -> None:
    """Raise a UsageError if a file exists, or is a symbolic link to nothing."""
    for file in files:
        if file.exists() or file.is_symlink():
            raise UsageError(f"{file} already exists and is not overwritten", "choose another name")


def write_new_files(texts: Mapping[Path, str]) -> None:
    """Write all files, each of them whole, or none if one of them cannot be written."""
    from cygd.files import write_durably  # imports NumPy

    written = []
    try:
        for file, text in texts.items():
            write_durably(file, text.encode(), new=True)
            written.append(file)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def write_output(file: Path, data: bytes) -> None:
    """Write the file that an option -o names, whole."""
    from cygd.files import write_user_file

    try:
        write_user_file(file, data)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror or error}", "choose another file") from error


@contextlib.contextmanager
def open_new_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that is written block by block, and gets its name when it is complete."""
    from cygd.files import open_unnamed

    try:
        with open_unnamed(path) as file:
            yield file
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}", "choose another file") from error
