"""The kind of targets, and the metrics of each kind against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from cygd import DataError, Metric
from cygd.components import Targets, resolve
from cygd.components.metrics import METRICS

CLASSIFICATION = [metric.name for metric in METRICS if metric.classification]
REFERENCE = {
    "accuracy": lambda t, p, average: sklearn_metrics.accuracy_score(t, p),
    "precision": lambda t, p, average: sklearn_metrics.precision_score(
        t, p, zero_division=0, average=average
    ),
    "recall": lambda t, p, average: sklearn_metrics.recall_score(t, p, zero_division=0, average=average),
    "f1": lambda t, p, average: sklearn_metrics.f1_score(t, p, zero_division=0, average=average),
}
EYE = np.eye(3)


def measure(name, y, y_hat, targets=None):
    return resolve("metric", name).measure(y, y_hat, targets)


def loss(name):
    return resolve("loss", name)


# the kind -----------------------------------------------------------------------------------------


def column(*values):
    return np.array(values, float)[:, None]


@pytest.mark.parametrize(
    ("y", "loss_name", "kind", "signs"),
    [
        (column(0, 1, 1), "sse", "binary", False),
        (column(1, 1), "sse", "binary", False),
        (column(0, 0), "sse", "binary", False),
        (column(-1, 1, 1), "sse", "binary", True),
        (column(-1, -1), "mse", "binary", True),
        (column(1, 1), "hinge", "binary", True),
        (column(0.1, 0.9), "binary_cross_entropy", "binary", False),
        (column(0.9999999, 2e-7), "sse", "binary", False),
        (EYE, "sse", "classes", False),
        (2 * EYE - 1, "hinge", "classes", True),
        (EYE * 0.8 + 0.1, "cross_entropy", "classes", False),
        (np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0]]), "sse", "multilabel", False),
        (np.array([[1, 1, 0], [0, 0, 0]]), "binary_cross_entropy", "multilabel", False),
        (np.array([[1, 1, -1], [-1, -1, -1]]), "squared_hinge", "multilabel", True),
        (column(0, 1, 2), "sse", "numbers", False),
        (column(-1, 0, 1), "sse", "numbers", False),
        (column(0, 0.5, 1), "sse", "continuous", False),
        (column(*range(30)), "sse", "continuous", False),
        (np.array([[1.0, 7.0], [2.0, 3.0]]), "sse", "continuous", False),
    ],
)
def test_kind_follows_from_loss_and_training_targets(y, loss_name, kind, signs):
    found = Targets.of(np.asarray(y, float), loss(loss_name))
    assert (found.kind, found.signs) == (kind, signs)


@pytest.mark.parametrize("name", CLASSIFICATION)
@pytest.mark.parametrize(
    ("y", "place"),
    [
        (np.linspace(0, 1, 5), r"y\[1, 0\] = 0.25"),
        (np.arange(40.0), r"y\[2, 0\] = 2.0"),
        (np.array([[0, 1], [1, 3]]), r"y\[1, 1\] = 3.0"),
    ],
)
def test_continuous_targets_are_refused(name, y, place):
    with pytest.raises(DataError, match=f"metric '{name}' needs classes, got the target {place}"):
        measure(name, y, y)


@pytest.mark.parametrize(
    ("train", "y", "message"),
    [
        (column(0, 1), column(0, 1, 2), r"expected targets 0 and 1 as in training, got y\[2, 0\] = 2.0"),
        (column(-1, 1), column(0, 1), r"expected targets -1 and 1 as in training, got y\[0, 0\] = 0.0"),
        (
            EYE,
            np.maximum(EYE, EYE[::-1]),
            r"expected targets 0 and 1 with one class in each row .*, got y\[0\] = \[1.0, 0.0, 1.0\]",
        ),
        (
            column(0, 1, 2),
            column(0.5),
            r"expected targets that are whole numbers as in training, got y\[0, 0\]",
        ),
    ],
)
def test_targets_of_another_kind_than_in_training_are_refused(train, y, message):
    with pytest.raises(DataError, match=message):
        measure("accuracy", y, y, Targets.of(train))


# every kind against scikit-learn ------------------------------------------------------------------


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize("part", ["both", "positive", "negative"])
def test_binary_targets_of_a_part_with_any_classes(name, signs, part):
    rng = np.random.default_rng(3)
    truth = {"both": rng.integers(0, 2, 30), "positive": np.ones(3, int), "negative": np.zeros(3, int)}[part]
    output = rng.random(len(truth))
    targets = Targets.of(column(-1, 1) if signs else column(0, 1))
    y, y_hat = (2 * truth - 1, 2 * output - 1) if signs else (truth, output)
    expected = REFERENCE[name](truth, (output > 0.5).astype(int), "binary")
    assert measure(name, y, y_hat, targets) == pytest.approx(expected, rel=1e-15)


def test_signs_in_a_part_with_one_class_by_hand():
    targets = Targets.of(column(-1, 1, 1))
    assert measure("accuracy", [1, 1, 1], [0.2, 0.4, -0.3], targets) == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize("trial", range(5))
def test_labels(name, signs, trial):
    rng = np.random.default_rng(trial)
    truth = rng.integers(0, 2, (12, 4))
    truth[:, 3] = trial % 2  # a label that all rows or no row have
    output = rng.random((12, 4)) * [1, 1, 0.4, 1]
    expected = REFERENCE[name](truth, (output > 0.5).astype(int), "macro")
    y, y_hat = (2 * truth - 1, 2 * output - 1) if signs else (truth, output)
    assert measure(name, y, y_hat) == pytest.approx(expected, rel=1e-14)


def test_perfect_labels():
    y = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 0, 0]])
    assert [measure(name, y, y * 0.9) for name in CLASSIFICATION] == [1.0] * 5


@pytest.mark.parametrize("trial", range(5))
def test_roc_auc_of_labels(trial):
    rng = np.random.default_rng(trial)
    truth = np.vstack([rng.integers(0, 2, (12, 3)), [0, 0, 0], [1, 1, 1]])
    output = rng.integers(0, 5, (14, 3)) / 4
    expected = sklearn_metrics.roc_auc_score(truth, output, average="macro")
    assert measure("roc_auc", truth, output) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("trial", range(5))
def test_class_numbers_with_one_output_each(name, trial):
    rng = np.random.default_rng(trial)
    truth, output = rng.integers(0, 3, 12), rng.random((12, 4))
    expected = REFERENCE[name](truth, output.argmax(axis=1), "macro")
    assert measure(name, truth, output) == pytest.approx(expected, rel=1e-14)
    assert measure(name, np.eye(4)[truth], output) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("trial", range(5))
def test_class_numbers_in_one_column(name, trial):
    rng = np.random.default_rng(trial)
    truth = rng.integers(0, 5, 16)
    output = truth + rng.normal(0, 0.6, 16)
    expected = REFERENCE[name](truth, np.rint(output).astype(int), "macro")
    assert measure(name, truth, output) == pytest.approx(expected, rel=1e-14)
    with pytest.raises(DataError, match="'roc_auc' needs an output for each class, got class numbers"):
        measure("roc_auc", truth, output)


@pytest.mark.parametrize("metric", METRICS, ids=str)
def test_shapes_must_be_equal(metric):
    with pytest.raises(ValueError, match=r"expected y_hat of the shape \(3, 2\) of y, got \(3, 1\)"):
        metric.measure([[0, 1], [1, 0], [1, 0]], [0.1, 0.2, 0.3])


# metrics without a value --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "y", "defined"),
    [
        ("roc_auc", column(0, 1), True),
        ("roc_auc", column(1, 1), False),
        ("roc_auc", EYE[[0, 0]], False),
        ("accuracy", column(1, 1), True),
        ("r2", column(1), False),
        ("r2", column(1, 1), True),
        ("accuracy", np.empty((0, 1)), False),
    ],
)
def test_metric_without_a_value(name, y, defined):
    assert resolve("metric", name).is_defined(y, Targets.of(y)) is defined


def test_metric_of_a_plugin_is_not_called_to_find_out_and_gets_what_it_is_promised():
    seen = []
    metric = Metric("mine", lambda y, y_hat: seen.append((y.shape, y_hat.shape)) or 3.0)
    assert metric.is_defined(column(1), None)
    assert seen == []
    assert metric.measure(column(0.3, 7), column(1, 2)) == 3.0
    assert seen == [((2, 1), (2, 1))]
