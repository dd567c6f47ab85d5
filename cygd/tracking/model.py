"""The trained model of a run: a network with the preprocessing of its raw columns."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import numpy as np

from cygd.data import Preprocessing
from cygd.data.containers import read_stream
from cygd.data.frames import frame_like
from cygd.data.prediction import transform_usable_rows
from cygd.errors import CheckpointError
from cygd.files import read_npz
from cygd.network import Network
from cygd.network.serialization import parameter_arrays
from cygd.tracking.stored_files import OBJECT, read_bytes, read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Model:
    """A trained network that takes raw columns and predicts in the units of the targets.

    Parameters
    ----------
    network : Network
        The network, which takes preprocessed arrays.
    preprocessing : Preprocessing
        Column order, categories and scaling, as fitted on the training rows.
    provenance : mapping of str to str, optional
        The experiment, the run and the hash of its configuration, which exported files repeat.

    Attributes
    ----------
    inputs : tuple of str
        The columns that `predict` needs.
    classes : tuple
        The label of each column of a prediction. A binary classifier has two labels for its single
        column, which predicts the second; for numeric targets the tuple is empty.
    """

    def __init__(
        self, network: Network, preprocessing: Preprocessing, provenance: Mapping[str, str] | None = None
    ) -> None:
        self.network = network
        self.preprocessing = preprocessing
        self.provenance: Mapping[str, str] = dict(provenance or {})

    @property
    def inputs(self) -> tuple[str, ...]:  # noqa: D102
        return tuple(self.preprocessing.inputs)

    @property
    def classes(self) -> tuple[int | float | str, ...]:  # noqa: D102
        return tuple(self.preprocessing.classes)

    @overload
    def predict(
        self, data: Any, *, strict: bool = True, as_frame: Literal[False] = False
    ) -> NDArray[Any]: ...

    @overload
    def predict(self, data: Any, *, strict: bool = True, as_frame: bool) -> Any: ...

    def predict(self, data: Any, *, strict: bool = True, as_frame: bool = False) -> Any:
        """Return the predictions for raw data, (n_samples, n_outputs).

        Parameters
        ----------
        data : mapping or array
            A mapping from column name to values, a data frame of pandas or Polars, an Arrow table or any
            object with an Arrow C stream, or an array (n_samples, n_inputs) with the columns in the order of
            `inputs`. Columns that need no scaling and are views of one array of the network's dtype in C
            order are not copied.
        strict : bool
            False returns rows of NaN where a value is missing, unknown or not a number.
        as_frame : bool
            True returns a data frame of the library of `data`, with its index: a column for each target, or
            the predicted label and a column for each output, as `cygd predict` writes them. Without a
            prediction the label is missing. It needs narwhals, ``pip install "cygd[frames]"``; arrays and
            mappings give a data frame of pandas.

        Raises
        ------
        DataError
            If a column is missing; or, if strict, a value is missing, a category is unknown, a number is out
            of range for the network's dtype, or a numeric column contains text.
        """
        data = read_stream(data)
        y = self._predict(data, strict)
        if not as_frame:
            return y
        names, labels = self.preprocessing.output_names(y.shape[1]), self.preprocessing.labels(y)
        columns: list[Any] = list(y.T)
        if labels is not None:
            has_text = any(isinstance(label, str) for label in self.classes)
            known = (str(label) if has_text else label for label in labels)
            gaps = np.isnan(y[:, 0]).tolist()
            columns.insert(0, [None if gap else label for gap, label in zip(gaps, known, strict=True)])
        return frame_like(data, dict(zip(names, columns, strict=True)))

    def _predict(self, data: Any, strict: bool) -> NDArray[Any]:
        if strict:
            x = self.preprocessing.transform_inputs(data, self.network.dtype)
            return np.asarray(self.preprocessing.inverse_targets(self.network.predict(x)))
        x, usable, _ = transform_usable_rows(self.preprocessing, data, self.network.dtype)
        y = np.asarray(self.preprocessing.inverse_targets(self.network.predict(x)))
        if usable.all():
            return y
        padded = np.full((len(usable), y.shape[1]), np.nan, y.dtype)
        padded[usable] = y
        return padded

    def export(
        self, path: str | os.PathLike[str], format: str | None = None, *, matrix: bool = False
    ) -> tuple[Path, ...]:
        """Write the model for other programs, and return the files that were written.

        Parameters
        ----------
        path : path
            The file; an existing one is replaced.
        format : str, optional
            The name of the format, by default the one of the suffix: .onnx, .c,
            .npz, .safetensors, .json.
        matrix : bool
            For .onnx: take one matrix of all columns instead of one input per column.

        Raises
        ------
        ExportError
            If the format is unknown, a parameter is not finite, an activation cannot be expressed in the
            format, or a library that the format needs is not installed.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> model = Model(Network(2, [3, 1]), Preprocessing.from_json({
        ...     "version": 1, "inputs": [{"column": "a"}, {"column": "b"}], "targets": {"columns": ["y"]}}))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [file] = model.export(f"{folder}/model.npz")
        ...     sorted(np.load(file))
        ['b0', 'b1', 'metadata', 'w0', 'w1']
        """
        from cygd.export import export_model  # imported here: few programs export

        return export_model(self, path, format, matrix=matrix)

    def __copy__(self) -> Self:
        """Return a model with a network of its own; the preprocessing never changes."""
        made = object.__new__(type(self))
        vars(made).update(vars(self), network=copy.copy(self.network))
        return made

    def _repr_html_(self) -> str:
        from cygd.tracking.notebook import describe_model  # imported here: predictions do not need it

        return describe_model(self.network, self.preprocessing)

    def __repr__(self) -> str:
        classes = f", classes={list(self.classes)}" if self.classes else ""
        return f"Model(inputs={list(self.inputs)}{classes})"


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a weights.npz."""
    try:
        return read_npz(read_bytes(path, missing="the run is not finished"))
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None


def set_weights(network: Network, weights: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Copy the arrays of a weights.npz into a network; `path` is its name in error messages."""
    views = parameter_arrays(network)
    if views.keys() != weights.keys():
        unmatched = ", ".join(sorted(views.keys() ^ weights.keys()))
        raise CheckpointError(f"{path} does not match its config.yaml: {unmatched}")
    for name, view in views.items():
        if view.shape != weights[name].shape:
            raise CheckpointError(
                f"{path} does not match its config.yaml: "
                f"expected shape {view.shape} for {name}, got {weights[name].shape}"
            )
        if view.dtype != weights[name].dtype:
            raise CheckpointError(
                f"{path} does not match its config.yaml: "
                f"expected {view.dtype} for {name}, got {weights[name].dtype}"
            )
        view[...] = weights[name]


def read_preprocessing(path: Path) -> Preprocessing:
    """Return the preprocessing that a preprocessing.json describes."""
    content = read_json(path, OBJECT)
    try:
        return Preprocessing.from_json(content)
    except CheckpointError as error:
        raise CheckpointError(
            f"{path} is damaged: {error.message.removeprefix('preprocessing.json: ')}"
        ) from error


def check_preprocessing(network: Network, preprocessing: Preprocessing, path: Path) -> None:
    """Raise a CheckpointError if a preprocessing.json does not fit a network; `path` is its name."""
    n_classes, n_targets = len(preprocessing.classes), len(preprocessing.targets)
    counts = [("features", network.n_inputs, len(preprocessing.features))]
    if n_classes:  # of one column; two classes may share one output
        counts += [("target columns", 1, n_targets), ("classes", max(2, network.n_outputs), n_classes)]
    else:
        counts.append(("target columns", network.n_outputs, n_targets))
    for what, expected, got in counts:
        if expected != got:
            raise CheckpointError(
                f"{path} does not match its config.yaml: expected {expected} {what}, got {got}"
            )
