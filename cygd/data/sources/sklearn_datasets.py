"""The sklearn source: data sets bundled with scikit-learn."""

from __future__ import annotations

from pathlib import Path

from cygd.data.dataset import Dataset
from cygd.data.sources.optional_imports import import_optional

SKLEARN_DATASETS = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")


def load_sklearn(folder: Path, *, name: str) -> Dataset:
    """Load a data set bundled with scikit-learn."""
    bunch = getattr(import_optional("sklearn.datasets", "sklearn", "scikit-learn"), f"load_{name}")()
    inputs = [str(column) for column in bunch.feature_names]
    if name in ("diabetes", "linnerud"):
        targets = [str(column) for column in bunch.get("target_names", ["progression"])]
        return Dataset(bunch.data, bunch.target, inputs, targets)
    return Dataset(bunch.data, bunch.target, inputs, ["target"], bunch.target_names.tolist())
