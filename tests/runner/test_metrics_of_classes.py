"""Metrics of classes in experiments: every kind of targets, and metrics that do not fit."""

import csv
import logging
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics

import cygd

NAMES = ["accuracy", "precision", "recall", "f1"]
X = np.random.default_rng(0).normal(size=(60, 3))
NUMBERS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
LABELS = (X @ [[1, 0, 2], [0, 1, 1], [1, 1, 0]] > 0).astype(int)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(data, layer, loss, metrics=NAMES, **more):
    data = {"split": {"validation": 0.3, "seed": 1}, **data}
    model = {"layers": [4, layer]}
    experiment = {"name": "kinds", "data": data, "model": model, "loss": loss, "metrics": metrics}
    return cygd.run({"train": {"epochs": 3}, "log": [], **experiment, **more})


def arrays(y, **options):
    np.savez("rows.npz", x=X, y=y)
    return {"source": "npz", "path": "rows.npz", **options}


def check(result, truth, predict, average):
    """Compare the metrics of all rows; the rows of a part are those that the run kept for it."""
    network, seen = result.model.network, 0
    for prefix, part in zip(("", "validation_"), parts(truth), strict=True):
        predicted = predict(network.predict(X[part]))
        expected = [sklearn_metrics.accuracy_score(truth[part], predicted)]
        for score in ("precision", "recall", "f1"):
            function = getattr(sklearn_metrics, f"{score}_score")
            expected.append(function(truth[part], predicted, average=average, zero_division=0))
        assert [result.metrics[prefix + name] for name in NAMES] == pytest.approx(expected)
        seen += len(part)
    assert seen == 60


def parts(y):
    """Return the training and validation rows of the split in `run`."""
    data = {"source": "npz", "path": "number.npz", "split": {"validation": 0.3, "seed": 1}}
    np.savez("number.npz", x=np.arange(60.0), y=np.zeros(60))
    from cygd.runner.assembly import assemble

    prepared = assemble({"data": data, "model": {"layers": [1]}}).data
    return [
        (part.x if part.rows is None else part.x[part.rows])[:, 0].astype(int)
        for part in (prepared.train, prepared.validation)
    ]


@pytest.mark.parametrize("signs", [False, True])
def test_binary(signs):
    truth = NUMBERS > 0
    y, loss, output = (2.0 * truth - 1, "hinge", "tanh") if signs else (truth, "mse", "sigmoid")
    result = run(arrays(y.astype(float)), {"units": 1, "activation": output}, loss)
    check(result, truth, lambda output: output[:, 0] > (0 if signs else 0.5), "binary")


def test_class_numbers():
    result = run(arrays(NUMBERS, classes=True), {"units": 3, "activation": "softmax"}, "cross_entropy")
    check(result, NUMBERS, lambda output: output.argmax(axis=1), "macro")


def test_one_hot_columns():
    result = run(arrays(np.eye(3)[NUMBERS]), {"units": 3, "activation": "softmax"}, "cross_entropy")
    check(result, NUMBERS, lambda output: output.argmax(axis=1), "macro")


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "sse"])
def test_labels(loss):
    result = run(arrays(LABELS), {"units": 3, "activation": "sigmoid"}, loss)
    check(result, LABELS, lambda output: output > 0.5, "macro")


def test_scaled_targets_are_judged_in_original_units():
    result = run(arrays((NUMBERS > 0).astype(float), scale={"targets": "standard"}), 1, "sse")
    y = np.where(NUMBERS[parts(NUMBERS)[0]] > 0, 1, 0)
    mean, std = y.mean(), y.std()
    check(result, NUMBERS > 0, lambda output: output[:, 0] * std + mean > 0.5, "binary")


@pytest.mark.parametrize("metric", [*NAMES, "roc_auc"])
def test_a_metric_that_does_not_fit_is_an_error_at_its_place(metric, here):
    with pytest.raises(cygd.ConfigError) as caught:
        run(arrays(X[:, 0] * 3), 1, "sse", ["rmse", metric])
    [problem] = caught.value.problems
    assert problem.key == "metrics[1]"
    assert problem.message.startswith(f"metric '{metric}' needs classes, got the target y[0, 0] = ")
    assert problem.hint.startswith("for numbers use rmse, mae or r2")
    assert not (here / "runs").exists()


def one_class_in_validation():
    y = np.append(NUMBERS[:50] > 0, np.ones(10)).astype(float)
    np.savez("rows.npz", x=X[:50], y=y[:50])
    np.savez("ones.npz", x=X[50:], y=y[50:])
    return {"source": "npz", "path": "rows.npz", "validation": {"path": "ones.npz"}, "split": None}


def test_a_metric_without_a_value_is_empty(caplog):
    data = one_class_in_validation()
    with caplog.at_level(logging.WARNING, "cygd"):
        result = run(data, {"units": 1, "activation": "sigmoid"}, "mse", ["roc_auc", "accuracy"])
    message = "validation_roc_auc cannot be computed and stays empty: it needs rows of two classes"
    assert [text for text in caplog.messages if "roc_auc" in text] == [message]
    with (result.directory / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["validation_roc_auc"] for row in rows] == [""] * 4
    assert all(float(row["roc_auc"]) >= 0 for row in rows)
    assert np.isnan(result.metrics["validation_roc_auc"])
    np.testing.assert_array_equal(result.history["validation_roc_auc"], [np.nan] * 4)


def test_a_metric_without_a_value_cannot_be_monitored():
    with pytest.raises(cygd.ConfigError) as caught:
        run(
            one_class_in_validation(), {"units": 1, "activation": "sigmoid"}, "mse", ["roc_auc"],
            stop={"monitor": "validation_roc_auc"},
        )  # fmt: skip
    [problem] = caught.value.problems
    assert problem.key == "stop.monitor"
    assert problem.message == "validation_roc_auc cannot be computed on the validation rows"
    assert problem.hint == "it needs rows of two classes"


# the history of a result --------------------------------------------------------------------------


@pytest.mark.parametrize("every", [0, 1, 2])
def test_the_history_of_a_result_becomes_a_frame_like_metrics_csv(every):
    result = run(arrays(NUMBERS > 0), 1, "sse", train={"epochs": 5, "evaluate_every": every})
    written = pd.read_csv(result.directory / "metrics.csv")
    frame = pd.DataFrame(result.history)
    assert set(frame.columns) == set(written.columns)
    for name in set(frame.columns) - {"seconds"}:
        np.testing.assert_array_equal(frame[name], written[name])
    loaded = cygd.resume(result.directory).history
    pd.testing.assert_frame_equal(loaded.to_frame()[frame.columns].drop(columns="seconds"),
                                  frame.drop(columns="seconds"))  # fmt: skip
    assert pickle.loads(pickle.dumps(result.history)) == result.history
