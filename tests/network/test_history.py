"""A history: lists of measurements by name, and a table of equal columns."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cygd import Network
from cygd.network import History

X = np.random.default_rng(0).normal(size=(20, 3))
Y = X[:, :1] ** 2


def fit(**options):
    return Network(3, [(4, "tanh"), 1], seed=1).fit(X, Y, **{"epochs": 5, **options})


TABLES = {
    "frame": lambda history: history.to_frame(),
    "pandas": pd.DataFrame,
    "dict": lambda history: pd.DataFrame(dict(history)),
    "items": lambda history: pd.DataFrame(list(zip(*history.values(), strict=True)), columns=list(history)),
    "polars": lambda history: pl.DataFrame(history).to_pandas(),
    "unpacked": lambda history: pd.DataFrame({**history}),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("every", [0, 1, 2, 9])
def test_a_table_has_equal_columns_from_row_0_on(table, every):
    history = fit(evaluate_every=every, validation=(X[:5], Y[:5]), metrics=["r2"])
    frame = table(history)
    names = ["epoch", "loss", "r2", "validation_loss", "validation_r2", "running_loss", "learning_rate"]
    assert frame.columns.tolist() == [*names, "seconds"]
    assert frame["epoch"].tolist() == [0, 1, 2, 3, 4, 5]
    for name in names[1:5]:
        expected = np.full(6, np.nan)
        expected[history["epoch"]] = history[name]
        np.testing.assert_array_equal(frame[name], expected)
    for name in names[5:]:
        np.testing.assert_array_equal(frame[name], [np.nan, *history[name]])


def test_lists_of_measurements_stay_as_they_are():
    history = fit(evaluate_every=2)
    assert history["epoch"] == [0, 2, 4, 5]
    assert len(history["loss"]) == len(history["seconds"]) == 4
    assert len(history["running_loss"]) == len(history["learning_rate"]) == 5
    assert history.get("loss") == history["loss"]
    assert "running_loss" in history
    with pytest.raises(KeyError):
        history["accuracy"]


@pytest.mark.parametrize("stop", ["callback", "patience", "diverged", "no epoch"])
def test_a_table_of_a_training_that_ends_early(stop):
    options = {
        "callback": {"callback": lambda epoch, values: epoch == 3},
        "patience": {"stop": {"patience": 1, "min_delta": 1e9}},
        "diverged": {"learning_rate": 1e200},
        "no epoch": {"epochs": 0},
    }[stop]
    history = fit(**options)
    assert pd.DataFrame(history)["epoch"].tolist() == list(range(history.epochs + 1))


def test_a_table_is_of_plain_numbers_and_names():
    columns = fit().to_dict()
    assert {type(name) for name in columns} == {str}
    assert json.loads(json.dumps(fit(evaluate_every=1)))["running_loss"][1:] == fit()["running_loss"]
    assert len(fit()) == len(list(fit())) == len(fit().keys()) == len(columns)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda h: pickle.loads(pickle.dumps(h))])
def test_a_copy_is_the_same_history(make):
    history = fit(evaluate_every=2, stop={"patience": 9})
    made = make(history)
    assert type(made) is History
    assert made == history
    assert made["running_loss"] == history["running_loss"]
    assert (made.status, made.epochs, made.best_epoch) == (history.status, 5, history.best_epoch)
    assert made.to_dict().keys() == history.to_dict().keys()
    made["running_loss"].append(0.0)
    assert len(history["running_loss"]) == 5


def test_rows_become_a_history():
    rows = [{"loss": 2.0, "seconds": 0.1}, {"running_loss": 1.5, "seconds": 0.2}]
    rows.append({"running_loss": 1.0, "loss": 0.5, "accuracy": 0.75, "seconds": 0.3})
    history = History.of_rows(rows)
    assert (history["epoch"], history["loss"], history["running_loss"]) == ([0, 2], [2.0, 0.5], [1.5, 1.0])
    np.testing.assert_array_equal(history["accuracy"], [np.nan, 0.75])
    np.testing.assert_array_equal(history.to_frame()["seconds"], [0.1, np.nan, 0.3])
    assert History.of_rows([]).to_dict() == {"epoch": [0]}
