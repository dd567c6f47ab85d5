"""Run an exported file on rows of the data, and compare it with `Model.predict`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data import Table
from cygd.data.prediction import transform_usable_rows
from cygd.errors import ExportError
from cygd.export.formats import ExportFormat
from cygd.export.labels import predicted_classes
from cygd.export.protocols import TrainedModel
from cygd.export.raw_rows import raw_columns
from cygd.network.serialization import parameter_arrays

Array = npt.NDArray[Any]
TOLERANCE = {"float32": 1e-5, "float64": 1e-9}  # relative to outputs beyond 1


@dataclass(frozen=True)
class Comparison:
    """The outputs of an exported file and those of the model."""

    rows: int
    difference: float  # the largest absolute one
    output: str  # the column in which it is
    excess: float  # the largest difference in units of the tolerance
    same_bits: bool
    different_classes: int | None  # rows with another class; None for numeric targets

    @property
    def agrees(self) -> bool:
        """Whether the outputs agree within the tolerance, and the classes."""
        return self.excess <= 1 and not self.different_classes


def check_export(
    model: TrainedModel, form: ExportFormat, files: Sequence[Path], table: Table, *, matrix: bool = False
) -> Comparison:
    """Compare an exported model with the model itself, on the rows of a table that can be predicted."""
    x, usable, _ = transform_usable_rows(model.preprocessing, table, model.network.dtype)
    if not len(x):
        raise ExportError("no row of the data can be predicted, so there is nothing to compare")
    expected = np.asarray(model.preprocessing.inverse_targets(model.network.predict(x)))
    module = import_module(form.module)
    if hasattr(module, "read"):
        outputs, classes = _predict_with(model, module.read(files[0]), x)
    else:
        rows = table if usable.all() else table.take(np.flatnonzero(usable))
        options: dict[str, Any] = {"matrix": matrix} if form.takes_matrix else {}
        outputs, classes = module.run(model, files, raw_columns(model.preprocessing, rows), **options)
    return compare(model, expected, outputs, classes)


def compare(model: TrainedModel, expected: Array, outputs: Array, classes: Array | None) -> Comparison:
    """Compare outputs (n_rows, n_outputs) with those of the model, and class numbers (n_rows)."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(outputs.astype(np.float64) - expected)
    difference[(outputs == expected) | (np.isnan(outputs) & np.isnan(expected))] = 0
    difference[np.isnan(difference)] = np.inf
    scale = np.maximum(1, np.abs(expected.astype(np.float64))) * TOLERANCE[str(model.network.dtype)]
    different = None
    if model.preprocessing.classes and classes is not None:
        different = int((classes != predicted_classes(expected)).sum())
    return Comparison(
        rows=len(expected),
        difference=float(difference.max()),
        output=_output_name(model, int(difference.max(axis=0).argmax())),
        excess=float((difference / scale).max()),
        same_bits=bool(np.array_equal(outputs, expected, equal_nan=True)),
        different_classes=different,
    )


def _predict_with(model: TrainedModel, arrays: Any, x: Array) -> tuple[Array, Array | None]:
    """Return the outputs and classes of the model with other parameters."""
    network = copy.copy(model.network)
    for name, view in parameter_arrays(network).items():
        if name in arrays:  # .json has the parameters of activations beside their names
            view[...] = arrays[name]
    outputs = np.asarray(model.preprocessing.inverse_targets(network.predict(x)))
    return outputs, predicted_classes(outputs) if model.preprocessing.classes else None


def _output_name(model: TrainedModel, index: int) -> str:
    targets, classes = model.preprocessing.targets, model.preprocessing.classes
    if not classes:
        return targets[index]
    return f"{targets[0]}={classes[index if model.network.n_outputs > 1 else 1]}"
