"""What a run leaves to predict with: a network, and how to bring raw columns into its form."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cygd.data import Preprocessing
from cygd.errors import CheckpointError, CygdError
from cygd.network import Network
from cygd.network.serialization import parameter_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Model", "restore"]


class Model:
    """A trained network that takes data as it comes and answers in the units of the targets.

    Parameters
    ----------
    network : Network
        The network, for those who have scaled arrays.
    preprocessing : Preprocessing
        Column order, categories and scaling, as fitted on the training rows.

    Attributes
    ----------
    inputs : tuple of str
        The columns that `predict` needs.
    classes : tuple
        The label of each column of a prediction; two labels for the one column of a yes-or-no
        question (its number speaks for the second); empty where the targets are numbers.
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

    def predict(self, data: Any) -> NDArray[Any]:
        """Return the outputs for raw data, (n_samples, n_outputs).

        Parameters
        ----------
        data : mapping or array
            Column name to values (a data frame will do), or an array (n_samples, n_inputs) whose
            columns stand in the order of `inputs`.

        Raises
        ------
        DataError
            For a missing column, an unknown category, text where a number belongs.
        """
        x = self.preprocessing.transform_inputs(data)
        return np.asarray(self.preprocessing.inverse_targets(self.network.predict(x)))

    def __repr__(self) -> str:
        classes = f", classes={list(self.classes)}" if self.classes else ""
        return f"Model(inputs={list(self.inputs)}{classes})"


def restore(network: Network, path: Path) -> None:
    """Give a network the weights in a file.

    Raises
    ------
    CheckpointError
        The file is missing or damaged, or does not fit.
    """
    _fill(network, _read_arrays(path), path)


def _fill(network: Network, arrays: dict[str, NDArray[Any]], path: Path) -> None:
    views = parameter_arrays(network)
    if views.keys() != arrays.keys():
        odd = ", ".join(sorted(views.keys() ^ arrays.keys()))
        raise CheckpointError(f"{path} does not fit its config.yaml: {odd}")
    for name, view in views.items():
        if view.shape != arrays[name].shape:
            raise CheckpointError(
                f"{path} does not fit its config.yaml: {name} has shape {arrays[name].shape}, "
                f"expected {view.shape}"
            )
        view[...] = arrays[name]


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", hint="the run has not ended") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def _read_preprocessing(path: Path) -> Preprocessing:
    try:
        return Preprocessing.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, CygdError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
