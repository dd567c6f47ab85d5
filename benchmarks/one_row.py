"""Compare predictions of one row at a time: an exported C file, onnxruntime, and cygd in Python."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import compare
from benchmarks.report import Section, Table, progress, ratio_cell, verdict, versions
from benchmarks.workers import present
from cygd import Model, Network
from cygd.core import dispatch
from cygd.data import InputColumn, Preprocessing
from cygd.export.c99.compiled import compile_library

TEXT = """
One row at a time, 200 different ones in turn, on one core: a C file of `cygd export`, which GCC compiles with
-O3 for the CPU level and a loop in C calls; an .onnx file with one matrix as its input in onnxruntime; and
`Model.predict` of an array of one row. Numbers enter as they are, without scaling. All predict the same, up
to 1e-4.
"""
SHAPES = [(2, 16, 1), (10, 64, 64, 1), (784, 128, 10)]
TARGET = {(10, 64, 64, 1): 2.0}  # microseconds of the C file, at most
ROWS = 200
MARCH = {"v3": "x86-64-v3", "v4": "x86-64-v4"}
# appended to an exported file: predict all rows, one after the other
LOOP = """
void predict_rows(const double *rows, double *sums, int n) {
    int i, j;
    for (i = 0; i < n; i++) {
        @TYPE@ y[M_OUTPUTS];
        m_predict(rows + (long)i * M_INPUTS, y);
        for (j = 0; j < M_OUTPUTS; j++) sums[j] += y[j];
    }
}
"""
Work = Callable[[], object]


def run(quick: bool = False) -> Section:
    """Measure all networks in both dtypes."""
    head = ["network, dtype", "C, us", "onnxruntime", "Model.predict", "target"]
    table = Table("Time of one row, relative to the C file", head)
    for shape in SHAPES[:1] if quick else SHAPES:
        for dtype in ("float32", "float64"):
            label = f"{'-'.join(map(str, shape))}, {dtype}"
            progress(label)
            table.rows.append([label, *_cells(shape, dtype, 3 if quick else 15)])
    text = TEXT.strip() + f"\n\nPeer: {versions('onnxruntime')}."
    return Section("one_row", "One row at a time", text, [table])


def _cells(shape: tuple[int, ...], dtype: str, rounds: int) -> list[str]:
    layers = [(units, "tanh") for units in shape[1:-1]] + [(shape[-1], "identity")]
    columns = tuple(InputColumn(f"x{i}") for i in range(shape[0]))
    model = Model(Network(shape[0], layers, dtype=dtype, seed=0), Preprocessing(columns, _targets(shape[-1])))
    rows = np.random.default_rng(0).normal(size=(ROWS, shape[0])).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        sides = _sides(model, rows, Path(folder))
        comparison = compare(sides, rounds)
    if "C" not in sides:
        return ["-"] * 4
    microseconds = 1e6 * comparison.seconds["C"] / ROWS
    most = TARGET.get(shape)
    target = verdict(f"at most {most:g} us", microseconds <= most) if most else "-"
    others = [
        ratio_cell(comparison, side) if side in sides else "-" for side in ("onnxruntime", "Model.predict")
    ]
    return [f"{microseconds:.2f}", *others, target]


def _targets(count: int) -> tuple[str, ...]:
    return tuple(f"y{i}" for i in range(count))


def _sides(model: Model, rows: np.ndarray[Any, Any], folder: Path) -> dict[str, Work]:
    """Return the work of each side that this machine can measure, the C file first."""
    expected = model.predict(rows)
    sides: dict[str, Work] = {}
    if shutil.which("gcc"):
        sides["C"] = _compiled(model, rows, folder, expected)
    if present("onnxruntime") and present("onnx"):
        sides["onnxruntime"] = _session(model, rows, folder, expected)
    single = [rows[i : i + 1] for i in range(ROWS)]
    sides["Model.predict"] = lambda: [model.predict(row) for row in single]
    return sides


def _compiled(model: Model, rows: np.ndarray[Any, Any], folder: Path, expected: np.ndarray[Any, Any]) -> Work:
    source, _ = model.export(folder / "m.c")
    c_type = "float" if model.network.dtype == np.float32 else "double"
    source.write_text(source.read_text() + LOOP.replace("@TYPE@", c_type))
    march = MARCH.get(dispatch.level())
    flags = ["-std=c99", "-O3", "-fPIC", "-shared", *([f"-march={march}"] if march else [])]
    compile_library(source, folder / "m.so", ["gcc"], flags)
    function = ctypes.CDLL(str(folder / "m.so")).predict_rows
    wide, sums = np.ascontiguousarray(rows, np.float64), np.zeros(expected.shape[1])
    arguments = (wide.ctypes.data_as(ctypes.c_void_p), sums.ctypes.data_as(ctypes.c_void_p), ROWS)
    function(*arguments)
    assert np.allclose(sums, expected.sum(axis=0, dtype=np.float64), atol=1e-4 * ROWS), (sums, expected)

    def work(keep: object = (wide, sums)) -> None:
        function(*arguments)

    return work


def _session(model: Model, rows: np.ndarray[Any, Any], folder: Path, expected: np.ndarray[Any, Any]) -> Work:
    from cygd.export.onnx.runtime import open_session

    [file] = model.export(folder / "m.onnx", matrix=True)
    session = open_session(file)
    assert np.allclose(session.run(None, {"X": rows})[0], expected, atol=1e-4)
    feeds = [{"X": rows[i : i + 1]} for i in range(ROWS)]
    return lambda: [session.run(None, feed) for feed in feeds]
