"""The formats of exported models by the suffixes of their files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from cygd.errors import ExportError, did_you_mean
from cygd.export.protocols import TrainedModel
from cygd.files import write_user_file


@dataclass(frozen=True)
class ExportFormat:
    """A format of exported models."""

    name: str
    suffixes: tuple[str, ...]  # of the files that one export writes
    module: str  # has `serialize`, and loads what it needs only when the format is used
    summary: str
    takes_matrix: bool = False  # whether --matrix changes the file

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the files that an export to `path` writes."""
        if len(self.suffixes) == 1:
            return (path,)
        stem = path.with_suffix("") if path.suffix.lower() in self.suffixes else path
        return tuple(stem.with_name(f"{stem.name}{suffix}") for suffix in self.suffixes)

    @property
    def serialize(self) -> Callable[..., Mapping[Path, bytes]]:
        """The function from a model and a path to the files with their contents."""
        function: Callable[..., Mapping[Path, bytes]] = import_module(self.module).serialize
        return function


FORMATS = (
    ExportFormat("onnx", (".onnx",), "cygd.export.onnx", "a graph for onnxruntime", takes_matrix=True),
    ExportFormat("c", (".c", ".h"), "cygd.export.c99", "source and header in C99"),
    ExportFormat("npz", (".npz",), "cygd.export.weights", "NumPy arrays w0, b0, ... and metadata"),
    ExportFormat("safetensors", (".safetensors",), "cygd.export.safetensors", "the same as safetensors"),
    ExportFormat("json", (".json",), "cygd.export.plain_json", "everything a prediction needs, as text"),
)


def find_format(path: Path, name: str | None = None) -> ExportFormat:
    """Return the format of a name, or the one that the suffix of a file selects.

    Examples
    --------
    >>> find_format(Path("model.npz")).name
    'npz'
    """
    known = [form.name for form in FORMATS]
    if name is not None:
        found = next((form for form in FORMATS if form.name == name), None)
        if found is None:
            hint = did_you_mean(name, known) or f"one of {', '.join(known)}"
            raise ExportError(f"unknown format {name!r}", hint=hint)
        return found
    found = next((form for form in FORMATS if path.suffix.lower() in form.suffixes), None)
    if found is None:
        suffixes = ", ".join(suffix for form in FORMATS for suffix in form.suffixes)
        hint = f"name a file with one of the suffixes {suffixes}, or the format itself"
        raise ExportError(f"cannot tell a format from the name {str(path)!r}", hint=hint)
    return found


def export_files(
    model: TrainedModel, path: Path, name: str | None = None, *, matrix: bool = False
) -> Mapping[Path, bytes]:
    """Return the files of an export with their contents, or raise an ExportError."""
    form = find_format(path, name)
    if matrix and not form.takes_matrix:
        formats = ", ".join(form.name for form in FORMATS if form.takes_matrix)
        raise ExportError(f"matrix: the format {form.name} has one form of its inputs", hint=formats or None)
    if not np.isfinite(model.network.parameters).all():
        raise ExportError(
            "the network has parameters that are not finite, so it has diverged",
            hint="train it again with a smaller learning rate",
        )
    options: dict[str, Any] = {"matrix": True} if matrix else {}
    return form.serialize(model, path, **options)


def export_model(
    model: TrainedModel,
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    matrix: bool = False,
) -> tuple[Path, ...]:
    """Write a model to a file, or to several of one name, and return them; each is replaced as a whole."""
    files = export_files(model, Path(path), format, matrix=matrix)
    return tuple(write_user_file(file, content) for file, content in files.items())
