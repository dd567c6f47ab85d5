"""The files in experiments/data match their README."""

from pathlib import Path

import numpy as np
import pytest

from cygd.data.sources.csv import load_csv

FOLDER = Path(__file__).parents[2] / "experiments" / "data"


@pytest.mark.parametrize(
    ("name", "rows", "columns", "target", "labels"),
    [
        ("penguins.csv", 344, 8, "species", {"Adelie": 152, "Chinstrap": 68, "Gentoo": 124}),
        ("diabetes.csv", 442, 11, "progression", None),
        ("breast_cancer.csv", 569, 31, "diagnosis", {"benign": 357, "malignant": 212}),
        (
            "digits.csv.gz",
            1797,
            65,
            "digit",
            dict(enumerate([178, 182, 177, 183, 181, 182, 181, 179, 174, 180])),
        ),
    ],
)
def test_shape_and_classes(name, rows, columns, target, labels):
    table = load_csv(FOLDER, path=name)
    assert (len(table), len(table.columns)) == (rows, columns)
    if labels is None:
        assert not table.columns[target].is_categorical
    else:
        codes, names = table.columns[target].factorize()
        assert dict(zip(names, np.bincount(codes).tolist(), strict=True)) == labels
    assert f"## {name}" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_only_penguins_have_gaps():
    for path in FOLDER.glob("*.csv*"):
        table = load_csv(FOLDER, path=path.name)
        gaps = np.any([column.missing for column in table.columns.values()], axis=0).sum()
        assert gaps == (11 if path.name == "penguins.csv" else 0)


@pytest.mark.parametrize(
    ("name", "loader", "options"),
    [
        ("diabetes.csv", "load_diabetes", {"scaled": False}),
        ("breast_cancer.csv", "load_breast_cancer", {}),
        ("digits.csv.gz", "load_digits", {}),
    ],
)
def test_numbers_match_scikit_learn(name, loader, options):
    datasets = pytest.importorskip("sklearn.datasets")
    original = getattr(datasets, loader)(**options)
    columns = [*load_csv(FOLDER, path=name).columns.values()]
    assert np.array_equal(np.stack([column.numbers for column in columns[:-1]], axis=1), original.data)
    if columns[-1].is_categorical:
        codes, labels = columns[-1].factorize()
        assert [labels[code] for code in codes] == original.target_names[original.target].tolist()
    else:
        assert np.array_equal(columns[-1].numbers, original.target)
