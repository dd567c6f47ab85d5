"""The trained model of a run: a network with the preprocessing of its raw columns."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cygd.data import Preprocessing
from cygd.data.prediction import transform_usable_rows
from cygd.errors import CheckpointError, CygdError
from cygd.network import Network
from cygd.network.serialization import parameter_arrays

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

    Attributes
    ----------
    inputs : tuple of str
        The columns that `predict` needs.
    classes : tuple
        The label of each column of a prediction. A binary classifier has two labels for its single
        column, which predicts the second; for numeric targets the tuple is empty.
    """

    def __init__(self, network: Network, preprocessing: Preprocessing) -> None:
        self.network = network
        self.preprocessing = preprocessing

    @property
    def inputs(self) -> tuple[str, ...]:  # noqa: D102
        return tuple(self.preprocessing.inputs)

    @property
    def classes(self) -> tuple[int | float | str, ...]:  # noqa: D102
        return tuple(self.preprocessing.classes)

    def predict(self, data: Any, *, strict: bool = True) -> NDArray[Any]:
        """Return the predictions for raw data, (n_samples, n_outputs).

        Parameters
        ----------
        data : mapping or array
            A mapping from column name to values, such as a data frame, or an array
            (n_samples, n_inputs) with the columns in the order of `inputs`.
        strict : bool
            False returns rows of NaN where a value is missing, unknown or not a number.

        Raises
        ------
        DataError
            If a column is missing; or, if strict, a value is missing, a category is unknown, or a
            numeric column contains text.
        """
        if strict:
            x = self.preprocessing.transform_inputs(data)
            return np.asarray(self.preprocessing.inverse_targets(self.network.predict(x)))
        x, usable, _ = transform_usable_rows(self.preprocessing, data, self.network.dtype)
        y = np.asarray(self.preprocessing.inverse_targets(self.network.predict(x)))
        if usable.all():
            return y
        padded = np.full((len(usable), y.shape[1]), np.nan, y.dtype)
        padded[usable] = y
        return padded

    def __repr__(self) -> str:
        classes = f", classes={list(self.classes)}" if self.classes else ""
        return f"Model(inputs={list(self.inputs)}{classes})"


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a weights.npz."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", hint="the run is not finished") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


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
        view[...] = weights[name]


def read_preprocessing(path: Path) -> Preprocessing:
    """Return the preprocessing that a preprocessing.json describes."""
    try:
        return Preprocessing.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, CygdError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
