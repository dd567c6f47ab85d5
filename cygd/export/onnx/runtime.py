"""Run an exported model in onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.export.onnx.graph import onnx_library
from cygd.export.onnx.network import LABEL, label_array
from cygd.export.onnx.preprocessing import MATRIX, input_dtype
from cygd.export.protocols import TrainedModel
from cygd.export.raw_rows import Columns


def open_session(file: Path | bytes) -> Any:
    """Return an onnxruntime session of one thread."""
    runtime = onnx_library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    content = str(file) if isinstance(file, Path) else file
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def feeds(model: TrainedModel, columns: Columns, *, matrix: bool) -> dict[str, npt.NDArray[Any]]:
    """Return the inputs of a session for raw columns."""
    dtype = input_dtype(model.preprocessing, model.network.dtype)
    if matrix:
        return {MATRIX: np.stack(columns, axis=1).astype(dtype)}
    return {
        name: (column if column.dtype == object else column.astype(dtype))[:, None]
        for name, column in zip(model.preprocessing.inputs, columns, strict=True)
    }


def run(
    model: TrainedModel, files: Sequence[Path], columns: Columns, *, matrix: bool = False
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]:
    """Return the outputs of a file, as `Model.predict` returns them, and the class numbers."""
    session = open_session(files[0])
    results = session.run(None, feeds(model, columns, matrix=matrix))
    outputs = np.asarray(results[-1])[:, -model.network.n_outputs :]
    if session.get_outputs()[0].name != LABEL:
        return outputs, None
    numbers = {
        label: number for number, label in enumerate(label_array(model.preprocessing.classes).tolist())
    }
    return outputs, np.array([numbers[label] for label in results[0].tolist()], np.int64)
