"""What MLflow calls to load a model that the logger `mlflow` stored, and to predict with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cygd.runner.loading import load
from cygd.tracking.model import Model


class LoadedModel:
    """A model with the interface that `mlflow.pyfunc.load_model` expects.

    Parameters
    ----------
    model : Model
        The trained model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Return a data frame with the columns that `cygd predict` writes; without a prediction, NaN.

        Parameters
        ----------
        data : data frame, mapping or array
            As for `Model.predict`.
        params : dict, optional
            Not used; MLflow passes it.
        """
        return self.model.predict(data, strict=False, as_frame=True)


def _load_pyfunc(path: str) -> LoadedModel:
    """Return the model of a folder with the files of a run."""
    return LoadedModel(load(Path(path)))
