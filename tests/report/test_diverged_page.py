"""The page of a run whose numbers are beyond what a chart can show stays readable."""

import re

import numpy as np
import pytest

import cygd
from cygd.report.curves import history_figures
from cygd.report.run_page import run_page
from cygd.report.run_record import Measured, read_run

pytest.importorskip("matplotlib")

SINE = {
    "name": "diverges",
    "data": {"source": "synthetic", "kind": "sine", "samples": 80},
    "model": {"layers": [{"units": 8, "activation": "relu"}, {"units": 1}]},
    "optimizer": {"name": "sgd", "learning_rate": 50},
    "train": {"epochs": 20},
    "log": ["csv"],
}


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diverged") / "r"
    assert cygd.run(SINE, out=folder, quiet=True).status == "diverged"
    return read_run(folder)


def test_no_number_has_dozens_of_digits(record):
    assert record.history["loss"].values[-1] > 1e100
    page = run_page(record)
    text = re.sub(r"<svg.*?</svg>|[0-9a-f]{64}", "", page, flags=re.DOTALL)
    assert not re.search(r"\d{25}", text)
    assert "e+" in text


def test_values_that_are_not_drawn_are_counted(record):
    [figure] = [figure for figure in history_figures(record) if figure.title == "loss"]
    assert figure.caption.endswith("1 of 2 values are not drawn: they are not finite, or beyond 1e+100.")
    record.history["loss"] = Measured(np.arange(4), np.array([1.0, np.nan, np.inf, 2.0]))
    [figure] = [figure for figure in history_figures(record) if figure.title == "loss"]
    assert "2 of 4 values are not drawn" in figure.caption
    record.history["loss"] = Measured(np.arange(2), np.array([1.0, 2.0]))
    [figure] = [figure for figure in history_figures(record) if figure.title == "loss"]
    assert "not drawn" not in figure.caption
