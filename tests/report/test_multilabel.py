"""Rows with any number of labels: counts by hand, and the section of the page."""

import re
from dataclasses import replace

import numpy as np
import pytest

import cygd
from cygd.report.evaluation import evaluate
from cygd.report.multilabel import label_counts, multilabel_parts
from cygd.report.page import Figure, Section, render_page
from cygd.report.run_page import run_page
from cygd.report.run_record import read_run

pytest.importorskip("matplotlib")

# weights of 100 make y0 positive where x0 is 1; those of 0 leave y1 at the threshold
LABELS = {
    "name": "labels",
    "data": {
        "source": "inline",
        "x": [[-1.0], [1.0], [-1.0], [1.0]],
        "y": [[0, 1], [1, 1], [1, 0], [1, 0]],
    },
    "model": {"layers": [{"units": 2, "activation": "sigmoid", "weights": [[100.0, 0.0]]}]},
    "loss": "binary_cross_entropy",
    "optimizer": {"name": "sgd", "learning_rate": 1e-9},
    "train": {"epochs": 1, "batch_size": "full"},
}


def test_label_counts_by_hand():
    true = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1]], bool)
    predicted = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
    assert label_counts(true, predicted).tolist() == [[1, 1, 1], [0, 0, 1], [0, 3, 0]]
    assert label_counts(true[:0], predicted[:0]).tolist() == [[0, 0, 0]] * 3


def test_section_of_a_run_has_the_labels_by_hand(tmp_path):
    cygd.run(LABELS, out=tmp_path / "r", quiet=True)
    evaluation = evaluate(read_run(tmp_path / "r"))
    assert evaluation.kind == "multilabel"
    assert (evaluation.y_hat > 0.5)[:, 0].tolist() == [False, True, False, True]
    text, figure, table = multilabel_parts(evaluation)
    predicted = evaluation.y_hat > 0.5
    exact = int((predicted == (evaluation.y > 0.5)).all(axis=1).sum())
    assert f"{exact} of 4 training rows have all of their 2 labels right" in text
    # y0: true in rows 1, 2, 3, predicted in 1 and 3
    assert table.rows[0] == ["y0", 3, 2, "1.0000", "0.6667", "0.8000", "0.8333"]
    assert isinstance(figure, Figure)
    assert " missed" in figure.alt
    page = run_page(read_run(tmp_path / "r"))
    assert "ROC area" in page
    assert "residuals" not in page


def test_label_that_never_occurs_has_no_ratio(tmp_path):
    data = LABELS["data"] | {"y": [[0, 1], [0, 1], [0, 1], [0, 1]]}
    cygd.run(LABELS | {"data": data, "loss": "mse"}, out=tmp_path / "r", quiet=True)
    evaluation = evaluate(read_run(tmp_path / "r"))
    table = multilabel_parts(replace(evaluation, kind="multilabel"))[2]
    assert table.rows[0][1] == 0
    assert table.rows[0][4] == table.rows[0][6] == "-"


def test_many_labels_are_cut_in_the_chart_alone(tmp_path):
    rng = np.random.default_rng(3)
    data = {
        "source": "inline",
        "x": rng.normal(size=(30, 2)).tolist(),
        "y": (rng.random((30, 60)) < 0.3).astype(int).tolist(),
    }
    layers = {"layers": [{"units": 60, "activation": "sigmoid"}]}
    cygd.run(LABELS | {"data": data, "model": layers}, out=tmp_path / "r", quiet=True)
    parts = multilabel_parts(evaluate(read_run(tmp_path / "r")))
    assert "40 of 60 labels are drawn" in parts[1].caption
    assert len(parts[2].rows) == 60
    page = render_page("t", "s", [Section("labels", parts)])
    assert len(re.findall("<svg", page)) == 1
