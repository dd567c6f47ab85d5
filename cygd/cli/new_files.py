"""New files that a command writes from templates, without overwriting anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template

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
    """Write all files, or none if one of them cannot be written."""
    written = []
    try:
        for file, text in texts.items():
            with file.open("x", encoding="utf-8") as stream:
                written.append(file)
                stream.write(text)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
