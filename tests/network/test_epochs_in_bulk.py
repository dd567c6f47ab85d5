"""Many epochs in one call of the engine give the bits of one epoch after the other."""

import numpy as np
import pytest

from cygd import Activation, Metric, Network
from cygd.components import resolve
from cygd.network.evaluation import Rows, Units
from cygd.network.fit_options import FitOptions
from cygd.network.training import TrainingLoop

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
NUMBERS = np.column_stack([X.sum(axis=1), np.sin(X[:, 0])])
CLASSES = np.eye(3)[RNG.integers(0, 3, 60)]
LABELS = RNG.integers(0, 2, (60, 3)).astype(float)
BINARY = (X.sum(axis=1, keepdims=True) > 0).astype(float)
WORST = Metric("worst", lambda y, y_hat: abs(y - y_hat).max(), greater_is_better=False)
SQUARE = Activation("square", lambda h: h * h, lambda h: 2 * h)
COUNTS = ["accuracy", "precision", "recall", "f1", "roc_auc"]


class Listener:
    milliseconds = 20.0
    reads_hashes = True

    def __init__(self, every_epoch):
        self.every_epoch, self.rows, self.calls, self.hashes, self.epochs = every_epoch, [], 0, [], []

    def next_pause(self, epoch):
        return None

    def on_epoch(self, epoch, values):
        self.epochs.append((epoch, {name: values[name] for name in values if name != "seconds"}))

    def on_rows(self, rows):
        self.calls += 1
        for epoch, values in rows:
            del values["seconds"]
            self.rows.append((epoch, values))
        self.hashes += rows.hashes.tolist()


def train(every_epoch, y, layers, *, dtype="float64", units=None, weight=None, metrics=(), **options):
    loss = options.pop("loss", "mse")
    x, y = X.astype(dtype), y.astype(dtype)
    net = Network(3, layers, loss=loss, dtype=dtype, seed=1)
    listener = Listener(every_epoch)
    built = FitOptions.build(
        epochs=40, metrics=metrics, **{"evaluate_every": 1, "batch_size": 8, "threads": 1, **options}
    )
    validation = Rows(x, y, rows=np.arange(45, 60, dtype=np.uint32))
    rows = np.arange(45, dtype=np.uint32)
    data = Rows(x, y, weight, rows=rows)
    history = TrainingLoop(net, data, built, validation, units, listener).run()
    return net, history, listener


CASES = {
    "numbers": (NUMBERS, [4, (2, "identity")], {"metrics": ["rmse", "mae", "r2"]}),
    "classes": (CLASSES, [4, (3, "softmax")], {"loss": "cross_entropy", "metrics": COUNTS}),
    "labels": (LABELS, [4, (3, "sigmoid")], {"loss": "binary_cross_entropy", "metrics": COUNTS}),
    "binary": (BINARY, [(1, "sigmoid")], {"loss": "binary_cross_entropy", "metrics": COUNTS}),
    "penalty": (NUMBERS, [{"units": 4, "l2": 0.1}, {"units": 2, "l1": 0.01}], {"evaluate_every": 3}),
    "unmeasured": (NUMBERS, [4, (2, "identity")], {"metrics": ["mae"], "evaluate_every": 0}),
    "patience": (
        NUMBERS,
        [9, (2, "identity")],
        {"stop": {"patience": 1}, "learning_rate": 0.4, "metrics": ["mae"]},
    ),
    "best metric": (BINARY, [(1, "sigmoid")], {"stop": {"monitor": "f1", "patience": 3}, "metrics": ["f1"]}),
    "loss below": (NUMBERS, [9, (2, "identity")], {"stop": {"loss_below": 0.1}, "learning_rate": 0.1}),
    "every third": (
        NUMBERS,
        [9, (2, "identity")],
        {"stop": {"patience": 1}, "learning_rate": 0.4, "evaluate_every": 3},
    ),
    "schedule": (NUMBERS, [4, (2, "identity")], {"schedule": "cosine", "optimizer": "adam"}),
    "plateau": (
        NUMBERS,
        [4, (2, "identity")],
        {"schedule": {"name": "reduce_on_plateau", "patience": 1, "threshold": 0.5}},
    ),
    "diverges": (NUMBERS, [4, (2, "identity")], {"learning_rate": 30.0}),
    "metric in Python": (
        NUMBERS,
        [9, (2, "identity")],
        {"metrics": ["mae", WORST, "r2"], "stop": {"monitor": "worst", "patience": 2}, "learning_rate": 0.4},
    ),
    "built-in monitor beside Python": (
        NUMBERS,
        [9, (2, "identity")],
        {"metrics": [WORST], "stop": {"patience": 1}, "learning_rate": 0.4, "evaluate_every": 2},
    ),
    "component in Python": (NUMBERS, [{"units": 2, "activation": SQUARE}], {"metrics": ["mae"]}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_rows_and_weights_are_those_of_single_epochs(case, dtype):
    y, layers, options = CASES[case]
    options = {**options, "metrics": [resolve("metric", each) for each in options.get("metrics", ())]}
    one, history, single = train(True, y, layers, dtype=dtype, **options)
    many, history_again, bulk = train(False, y, layers, dtype=dtype, **options)
    assert repr(bulk.rows) == repr(single.rows)  # NaN equals NaN
    assert bulk.hashes == single.hashes
    assert one.parameters.tobytes() == many.parameters.tobytes()
    for name in ("status", "epochs", "best_epoch"):
        assert getattr(history, name) == getattr(history_again, name)
    assert repr({**history, "seconds": 0}) == repr({**history_again, "seconds": 0})
    assert repr(single.epochs) == repr(single.rows)
    assert not bulk.epochs


@pytest.mark.parametrize("threads", [1, 2])
def test_metrics_are_those_of_the_predictions_in_original_units(threads):
    weight = np.ones(60)
    weight[::4] = 0
    units = Units(np.array([3.0, 0.5]), np.array([-1.0, 10.0]))
    metrics = [resolve("metric", name) for name in ("rmse", "mae", "r2")]
    net, history, _ = train(
        False, NUMBERS, [4, (2, "identity")], units=units, weight=weight, metrics=metrics, threads=threads
    )
    rows = np.array([row for row in range(45) if row % 4])
    y, y_hat = units.restore(NUMBERS), units.restore(net.predict(X))
    for metric in metrics:
        assert history[metric.name][-1] == metric.measure(y[rows], y_hat[rows])
        assert history[f"validation_{metric.name}"][-1] == metric.measure(y[45:], y_hat[45:])


def test_short_epochs_share_a_call():
    _, _, bulk = train(False, NUMBERS, [4, (2, "identity")])
    assert len(bulk.rows) == 41
    assert bulk.calls < 41
