import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from cygd.components import resolve
from cygd.components.metrics import METRICS


def measure(name, y, y_hat):
    return resolve("metric", name).measure(y, y_hat)


def one_hot(labels, classes):
    return np.eye(classes)[labels]


@pytest.mark.parametrize("metric", METRICS, ids=str)
def test_greater_is_better(metric):
    assert metric.greater_is_better is (metric.name not in ("rmse", "mae"))


# -- regression -----------------------------------------------------------------------------------

REGRESSION = {
    "rmse": sklearn_metrics.root_mean_squared_error,
    "mae": sklearn_metrics.mean_absolute_error,
    "r2": sklearn_metrics.r2_score,
}


@pytest.mark.parametrize("name", REGRESSION)
@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_regression_equals_scikit_learn(name, columns, dtype):
    rng = np.random.default_rng(0)
    y = rng.normal(3, [[1, 10, 0.1][:columns]], (50, columns)).astype(dtype)
    y_hat = (y + rng.normal(0, 0.5, y.shape)).astype(dtype)
    reference = REGRESSION[name](y.astype(float), y_hat.astype(float))
    assert measure(name, y, y_hat) == pytest.approx(reference, rel=1e-12 if dtype == np.float64 else 1e-5)


def test_regression_by_hand():
    y, y_hat = [[0.0, 0.0], [2.0, 0.0]], [[3.0, 1.0], [2.0, 1.0]]
    assert measure("rmse", y, y_hat) == pytest.approx((4.5**0.5 + 1) / 2)
    assert measure("mae", y, y_hat) == pytest.approx(5 / 4)
    assert measure("r2", [0.0, 2.0], [3.0, 2.0]) == pytest.approx(1 - 9 / 2)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e300])
@pytest.mark.parametrize("rows", [2, 3, 10])
def test_r2_of_constant_targets(constant, rows):
    y = np.full((rows, 1), constant)
    assert measure("r2", y, y) == 1.0
    assert measure("r2", y, y + 1e-3 * constant + 1) == 0.0


def test_r2_of_one_constant_column_among_others():
    y = np.column_stack([np.ones(4), np.arange(4.0)])
    y_hat = y + np.array([[0.5, 0.1], [0, 0], [0, 0], [0, 0]])
    assert measure("r2", y, y_hat) == pytest.approx(sklearn_metrics.r2_score(y, y_hat), rel=1e-14)


def test_huge_errors_are_infinite():
    y, y_hat = np.array([[0.0], [1.0]]), np.array([[1e200], [np.inf]])
    assert [measure(name, y, y_hat) for name in ("rmse", "mae", "r2")] == [np.inf, np.inf, -np.inf]


def test_r2_of_one_row_is_nan():
    assert np.isnan(measure("r2", [[1.0]], [[2.0]]))


# -- classification -------------------------------------------------------------------------------

LABELS = {
    "accuracy": lambda t, p: sklearn_metrics.accuracy_score(t, p),
    "precision": lambda t, p: sklearn_metrics.precision_score(t, p, zero_division=0, average="binary"),
    "recall": lambda t, p: sklearn_metrics.recall_score(t, p, zero_division=0, average="binary"),
    "f1": lambda t, p: sklearn_metrics.f1_score(t, p, zero_division=0, average="binary"),
}
MACRO = {
    "accuracy": lambda t, p: sklearn_metrics.accuracy_score(t, p),
    "precision": lambda t, p: sklearn_metrics.precision_score(t, p, zero_division=0, average="macro"),
    "recall": lambda t, p: sklearn_metrics.recall_score(t, p, zero_division=0, average="macro"),
    "f1": lambda t, p: sklearn_metrics.f1_score(t, p, zero_division=0, average="macro"),
}


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("trial", range(10))
def test_one_column_equals_scikit_learn(name, trial):
    rng = np.random.default_rng(trial)
    truth = rng.integers(0, 2, 30)
    output = rng.random(30)
    reference = LABELS[name](truth, (output > 0.5).astype(int))
    assert measure(name, truth, output) == pytest.approx(reference, rel=1e-15)
    # the same classes written as -1 and 1 have their threshold at 0
    assert measure(name, 2 * truth - 1, 2 * output - 1) == pytest.approx(reference, rel=1e-15)


@pytest.mark.parametrize("name", MACRO)
@pytest.mark.parametrize("trial", range(10))
def test_several_columns_equal_scikit_learn(name, trial):
    rng = np.random.default_rng(trial)
    # four labels of six: a class that is neither there nor predicted does not count
    truth = rng.integers(0, 4, 12)
    output = rng.random((12, 6)) * [1, 1, 1, 1, 1, 0]
    reference = MACRO[name](truth, output.argmax(axis=1))
    assert measure(name, one_hot(truth, 6), output) == pytest.approx(reference, rel=1e-14)


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize(
    ("truth", "output"),
    [([0, 0, 0], [0, 0, 0]), ([1, 1, 1], [0, 0, 0]), ([0, 0, 0], [1, 1, 1]), ([1, 1, 1], [1, 1, 1])],
)
def test_one_class_only(name, truth, output):
    assert measure(name, truth, output) == LABELS[name](truth, output)


def test_first_of_equal_outputs_wins():
    assert measure("accuracy", [[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]) == 0.5


def test_output_at_the_threshold_is_negative():
    assert measure("accuracy", [0.0, 1.0], [0.5, 0.5]) == 0.5
    assert measure("accuracy", [-1.0, 1.0], [0.0, 0.0]) == 0.5


# -- roc_auc --------------------------------------------------------------------------------------


@pytest.mark.parametrize("trial", range(10))
@pytest.mark.parametrize("levels", [3, 10**9])  # with many ties, with none
def test_roc_auc_equals_scikit_learn(trial, levels):
    rng = np.random.default_rng(trial)
    truth = np.append(rng.integers(0, 2, 30), [0, 1])
    score = rng.integers(0, levels, 32) / levels
    reference = sklearn_metrics.roc_auc_score(truth, score)
    assert measure("roc_auc", truth, score) == pytest.approx(reference, rel=1e-14)
    assert measure("roc_auc", 2 * truth - 1, score) == pytest.approx(reference, rel=1e-14)


@pytest.mark.parametrize("trial", range(10))
def test_roc_auc_of_classes_equals_scikit_learn(trial):
    rng = np.random.default_rng(trial)
    truth = np.append(rng.integers(0, 3, 30), [0, 1, 2])
    output = rng.integers(1, 6, (33, 3)).astype(float)
    output /= output.sum(axis=1, keepdims=True)
    reference = sklearn_metrics.roc_auc_score(truth, output, multi_class="ovr", average="macro")
    assert measure("roc_auc", one_hot(truth, 3), output) == pytest.approx(reference, rel=1e-14)


def test_roc_auc_by_hand():
    assert measure("roc_auc", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75
    assert measure("roc_auc", [0, 1, 0, 1], [7, 7, 7, 7]) == 0.5
    assert measure("roc_auc", [0, 1], [-np.inf, np.inf]) == 1.0


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1], [-1, -1, -1]])
def test_roc_auc_of_one_class_is_nan(truth):
    assert np.isnan(measure("roc_auc", truth, [0.1, 0.2, 0.3]))


def test_roc_auc_ignores_a_class_without_rows():
    truth, output = np.array([0, 0, 1, 1]), np.random.default_rng(0).random((4, 3))
    two = [sklearn_metrics.roc_auc_score(truth == k, output[:, k]) for k in (0, 1)]
    assert measure("roc_auc", one_hot(truth, 3), output) == pytest.approx(sum(two) / 2)


# -- all ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS, ids=str)
@pytest.mark.parametrize("columns", [1, 3])
def test_no_rows_give_nan(metric, columns):
    assert np.isnan(metric.measure(np.empty((0, columns)), np.empty((0, columns))))


@pytest.mark.parametrize("metric", METRICS, ids=str)
@pytest.mark.parametrize("columns", [1, 3])
def test_nan_prediction_gives_nan(metric, columns):
    y = one_hot([0, 1, 0, 1], 3)[:, :columns]
    y_hat = y.copy()
    y_hat[2, 0] = np.nan
    assert np.isnan(metric.measure(y, y_hat))


@pytest.mark.parametrize("metric", METRICS, ids=str)
def test_perfect_predictions(metric):
    y = one_hot([0, 1, 2, 0, 1, 2], 3)
    best = 1.0 if metric.greater_is_better else 0.0
    assert metric.measure(y, y) == best
    assert metric.measure(y[:, :1], y[:, :1]) == best
