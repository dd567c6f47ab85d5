"""Metrics of classes within a fit: the kind of targets is decided once."""

import logging

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from cygd import DataError, Metric, Network

X = np.random.default_rng(0).normal(size=(40, 3))
CLASSES = np.random.default_rng(1).integers(0, 3, 40)
NAMES = ["accuracy", "precision", "recall", "f1"]


def scores(truth, predicted, average):
    functions = (sklearn_metrics.precision_score, sklearn_metrics.recall_score, sklearn_metrics.f1_score)
    averaged = [function(truth, predicted, average=average, zero_division=0) for function in functions]
    return [sklearn_metrics.accuracy_score(truth, predicted), *averaged]


def measured(net, y, validation):
    history = net.fit(X, y, epochs=3, learning_rate=0.05, metrics=NAMES, validation=validation)
    return [[history[prefix + name][-1] for name in NAMES] for prefix in ("", "validation_")]


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy", "hinge"])
def test_binary_targets(signs, loss):
    if signs == (loss == "binary_cross_entropy") or (loss == "hinge" and not signs):
        signs, loss = loss == "hinge", loss
    truth = CLASSES % 2
    y = 2.0 * truth - 1 if signs else truth
    net = Network(3, [(4, "tanh"), (1, "tanh" if signs else "sigmoid")], loss=loss, seed=1)
    positive = truth == 1  # a validation part with one class
    train, validation = measured(net, y, (X[positive], y[positive]))
    predicted = (net.predict(X)[:, 0] > (0 if signs else 0.5)).astype(int)
    assert train == pytest.approx(scores(truth, predicted, "binary"))
    assert validation == pytest.approx(scores(truth[positive], predicted[positive], "binary"))


def test_classes():
    y = np.eye(3)[CLASSES]
    net = Network(3, [(4, "tanh"), (3, "softmax")], loss="cross_entropy", seed=1)
    train, validation = measured(net, y, (X[:7], y[:7]))
    predicted = net.predict(X).argmax(axis=1)
    assert train == pytest.approx(scores(CLASSES, predicted, "macro"))
    assert validation == pytest.approx(scores(CLASSES[:7], predicted[:7], "macro"))


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "sse"])
def test_labels(loss):
    y = (X @ [[1, 0, 2], [0, 1, 1], [1, 1, 0]] > 0).astype(float)
    net = Network(3, [(4, "tanh"), (3, "sigmoid")], loss=loss, seed=1)
    single = y.sum(axis=1) == 1  # a validation part that looks like classes
    train, validation = measured(net, y, (X[single], y[single]))
    predicted = (net.predict(X) > 0.5).astype(int)
    assert train == pytest.approx(scores(y, predicted, "macro"))
    assert validation == pytest.approx(scores(y[single], predicted[single], "macro"))


def test_continuous_targets_are_refused_before_training():
    net = Network(3, [1], seed=1)
    before = net.parameters.copy()
    with pytest.raises(DataError, match=r"metric 'f1' needs classes, got the target y\[0, 0\] = 0\.1"):
        net.fit(X, X[:, :1], metrics=["r2", "f1"])
    np.testing.assert_array_equal(net.parameters, before)


def test_a_metric_of_a_plugin_may_measure_any_targets():
    history = Network(3, [1]).fit(X, X[:, :1], metrics=[Metric("mine", lambda y, y_hat: y.sum() * 0 + 2.5)])
    assert history["mine"] == [2.5]


def test_rows_of_weight_0_take_no_part_in_metrics():
    truth = CLASSES % 2
    weight = np.where(np.arange(40) < 10, 0.0, 2.0)
    y = truth.astype(float)
    y[:10] = 7
    net = Network(3, [(1, "sigmoid")], seed=1)
    history = net.fit(X, y, sample_weight=weight, metrics=["accuracy", "mae"], epochs=1)
    output = net.predict(X)[10:, 0]
    assert history["accuracy"] == [pytest.approx(((output > 0.5) == truth[10:]).mean())]
    assert history["mae"] == [pytest.approx(abs(output - truth[10:]).mean())]


def test_a_metric_without_a_value_is_empty_with_one_warning(caplog):
    y, positive, rows = (CLASSES % 2).astype(float), CLASSES % 2 == 1, []
    with caplog.at_level(logging.WARNING, "cygd"):
        history = Network(3, [(1, "sigmoid")]).fit(
            X, y, epochs=3, evaluate_every=1, validation=(X[positive], y[positive]),
            metrics=["roc_auc", "accuracy"], callback=lambda epoch, values: rows.append(values) and None,
        )  # fmt: skip
    assert caplog.messages == [
        "validation_roc_auc cannot be computed and stays empty: it needs rows of two classes"
    ]
    np.testing.assert_array_equal(history["validation_roc_auc"], [np.nan] * 4)
    assert not np.isnan(history["roc_auc"]).any()
    assert "validation_accuracy" in rows[0]
    assert "validation_roc_auc" not in rows[0]


@pytest.mark.parametrize(("metric", "needs"), [("roc_auc", "rows of two classes"), ("r2", "two rows")])
def test_a_metric_without_a_value_cannot_be_monitored(metric, needs):
    y, stop = (CLASSES % 2).astype(float), {"monitor": f"validation_{metric}"}
    with pytest.raises(
        DataError, match=f"monitor 'validation_{metric}' cannot be computed: it needs {needs}"
    ):
        Network(3, [(1, "sigmoid")]).fit(X, y, validation=(X[:1], y[:1]), metrics=[metric], stop=stop)
