from types import SimpleNamespace

import pytest

from cygd import data
from cygd.errors import Problem

SECTION = {
    "source": "csv",
    "component": None,
    "inputs": None,
    "targets": None,
    "categorical": (),
    "missing": "error",
    "split": None,
    "validation": None,
    "test": None,
    "scale": "none",
    "sample_weight": None,
    "class_weight": None,
}


def experiment(folder, units=1, dtype="float64", **keys):
    """Return the parts of an experiment that preparation reads; unknown keys are options of the source."""
    section = {**SECTION, **{key: value for key, value in keys.items() if key in SECTION}}
    section["options"] = {key: value for key, value in keys.items() if key not in SECTION}
    if isinstance(section["split"], dict):
        defaults = {"time": None, "format": None, "folds": None, "fold": None}
        split = {"validation": 0.0, "test": 0.0, "seed": 0, "stratify": False, **defaults, **section["split"]}
        section["split"] = SimpleNamespace(**split)
    scale = section["scale"]
    scale = {"inputs": scale} if isinstance(scale, str) else scale
    section["scale"] = SimpleNamespace(**{"inputs": "none", "targets": "none", **scale})
    return SimpleNamespace(
        data=SimpleNamespace(**section),
        folder=folder,
        model=SimpleNamespace(dtype=dtype, layers=[SimpleNamespace(units=units)]),
        problem=lambda key, message, hint=None: Problem("e.yaml:1:1", key, message, hint),
    )


@pytest.fixture
def prepare(tmp_path):
    def run(**keys):
        return data.prepare(experiment(tmp_path, **keys))

    return run


@pytest.fixture
def table(tmp_path, prepare):
    """Return a function that prepares a CSV file of a given text; the target is the column y."""

    def run(text, **keys):
        (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
        return prepare(**{"path": "t.csv", "targets": ("y",), **keys})

    return run


@pytest.fixture
def section():
    """Return a function that builds a data section."""
    return lambda folder, **keys: experiment(folder, **keys).data
