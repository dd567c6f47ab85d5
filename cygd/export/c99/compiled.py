"""Compile a model in C with the compiler of this machine, and call it."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.errors import ExportError
from cygd.export.c99.literals import identifier
from cygd.export.protocols import TrainedModel
from cygd.export.raw_rows import Columns, has_text_labels

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-O2", "-fPIC", "-shared")
NATIVE = "-march=native"  # for fused multiply-adds; not every compiler of every machine knows it


def find_compiler() -> list[str]:
    """Return the command of the C compiler: $CC, or the first of cc, gcc and clang."""
    given = shlex.split(os.environ.get("CC", ""))
    if given and shutil.which(given[0]):
        return given
    found = next((name for name in COMPILERS if shutil.which(name)), None)
    if found is None:
        names = ", ".join(COMPILERS)
        raise ExportError(f"found no C compiler to run the file: none of {names}", hint="set CC to its name")
    return [found]


def compile_library(source: Path, library: Path, command: Sequence[str], flags: Sequence[str]) -> None:
    """Compile a source file to a shared library, or raise an ExportError with the compiler's words."""
    words = [*command, *flags, str(source), "-o", str(library), "-lm"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ExportError(f"{shlex.join(words)} failed:\n{done.stderr.strip()}")


class CompiledModel:
    """The functions of a model in a shared library.

    Parameters
    ----------
    model : TrainedModel
        What was exported.
    library : Path
    prefix : str
        That of the functions.
    """

    def __init__(self, model: TrainedModel, library: Path, prefix: str) -> None:
        self.model, self.library = model, ctypes.CDLL(str(library))
        self.real = ctypes.c_float if model.network.dtype == np.float32 else ctypes.c_double
        self.predict_row = self.library[f"{prefix}_predict"]
        self.predict_row.argtypes = [ctypes.POINTER(ctypes.c_double), ctypes.POINTER(self.real)]
        if any(has_text_labels(column) for column in model.preprocessing.columns):
            self.label = self.library[f"{prefix}_label"]
            self.label.argtypes, self.label.restype = [ctypes.c_int, ctypes.c_char_p], ctypes.c_double

    def encode(self, columns: Columns) -> npt.NDArray[np.float64]:
        """Return raw columns as rows of numbers: the labels of texts as the library counts them."""
        encoded = [
            [self.label(i, str(value).encode()) for value in column] if column.dtype == object else column
            for i, column in enumerate(columns)
        ]
        return np.ascontiguousarray(np.stack([np.asarray(c, np.float64) for c in encoded], axis=1))

    def predict(self, rows: npt.NDArray[np.float64]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return the outputs and the results of the function for each row."""
        outputs = np.empty((len(rows), self.model.network.n_outputs), self.model.network.dtype)
        results = np.empty(len(rows), np.int64)
        for i in range(len(rows)):
            row = rows[i].ctypes.data_as(ctypes.POINTER(ctypes.c_double))
            results[i] = self.predict_row(row, outputs[i].ctypes.data_as(ctypes.POINTER(self.real)))
        return outputs, results


def run(
    model: TrainedModel, files: Sequence[Path], columns: Columns
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]:
    """Return the outputs and classes of an exported model, compiled with the compiler of this machine."""
    source = next(file for file in files if file.suffix == ".c")
    with tempfile.TemporaryDirectory() as folder:
        library, command = Path(folder, "model.so"), find_compiler()
        try:
            compile_library(source, library, command, [*FLAGS, NATIVE])
        except ExportError:
            compile_library(source, library, command, FLAGS)
        compiled = CompiledModel(model, library, identifier(source.stem))
        outputs, results = compiled.predict(compiled.encode(columns))
    return outputs, results if model.preprocessing.classes else None
