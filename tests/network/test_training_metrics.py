"""Measurements, callbacks and early stopping."""

import numpy as np
import pytest

from cygd import Metric, Schedule
from cygd.network.early_stopping import EarlyStopping
from tests.helpers.training_cases import WITH_EVERYTHING, X, Y, network

# what is measured ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "epochs", "rows"),
    [(0, 5, [5]), (1, 3, [0, 1, 2, 3]), (2, 5, [0, 2, 4, 5]), (9, 5, [0, 5]), (0, 0, [0]), (3, 0, [0])],
)
def test_measurements_belong_to_the_weights_after_their_epoch(every, epochs, rows):
    validation = (X[:9], Y[:9])
    history = network(WITH_EVERYTHING).fit(X, Y, epochs=epochs, evaluate_every=every, validation=validation)
    assert history["epoch"] == rows
    assert len(history["running_loss"]) == len(history["learning_rate"]) == history.epochs == epochs
    for place, epoch in enumerate(rows):
        after = network(WITH_EVERYTHING)
        after.fit(X, Y, epochs=epoch)
        assert history["loss"][place] == after.loss(X, Y)
        assert history["validation_loss"][place] == after.loss(X[:9], Y[:9])
        assert history["penalty"][place] == after.penalty() > 0


def test_the_running_loss_is_the_mean_over_the_batches():
    net = network()
    history = net.fit(X, Y, learning_rate=0.0, epochs=2, batch_size=16)
    assert history["running_loss"] == pytest.approx([net.loss(X, Y)] * 2, rel=1e-14)


def test_metrics_of_training_and_validation_rows():
    far = Metric("far", lambda y, y_hat, limit=1.0: (abs(y - y_hat) > limit).sum(), greater_is_better=False)
    net = network(loss="mae")
    history = net.fit(X, Y, epochs=1, metrics=["mae", far], validation=(X[:9], Y[:9]), evaluate_every=1)
    assert history["mae"] == pytest.approx(history["loss"])
    assert history["validation_far"][-1] == (abs(net.predict(X[:9]) - Y[:9]) > 1).sum()


def test_the_learning_rate_follows_the_schedule():
    schedule = {"name": "step", "every": 2, "factor": 0.5}
    expected = [0.2, 0.2, 0.1, 0.1, 0.05]
    for every in (0, 1, 3):
        history = network().fit(X, Y, "sgd", 0.2, epochs=5, schedule=schedule, evaluate_every=every)
        assert history["learning_rate"] == pytest.approx(expected, rel=1e-15)


def test_a_metric_schedule_sees_every_measurement_once():
    watched = []

    class Watcher:
        def __call__(self, monitored):
            watched.append(monitored)
            return 1.0

    mine = Schedule("mine", watcher=Watcher)
    history = network().fit(X, Y, epochs=5, schedule=mine, evaluate_every=2, validation=(X[:9], Y[:9]))
    measured = history["validation_loss"]
    assert watched == [None, None, measured[1], None, measured[2]]


def test_a_callback_sees_row_zero_and_every_epoch():
    seen = []
    history = network().fit(X, Y, epochs=3, evaluate_every=2, callback=lambda *row: seen.append(row))
    assert [epoch for epoch, _ in seen] == [0, 1, 2, 3]
    assert [set(values) for _, values in seen] == [
        {"loss", "seconds"},
        {"running_loss", "learning_rate", "seconds"},
        {"loss", "running_loss", "learning_rate", "seconds"},
        {"loss", "running_loss", "learning_rate", "seconds"},
    ]
    assert [values["running_loss"] for _, values in seen[1:]] == history["running_loss"]


@pytest.mark.parametrize("word", [True, "stop"])
def test_a_callback_stops_training(word):
    net, expected = network(), network()
    history = net.fit(X, Y, epochs=9, callback=lambda epoch, values: word if epoch == 2 else None)
    expected.fit(X, Y, epochs=2)
    assert (history.status, history.epochs, net.epochs) == ("stopped", 2, 2)
    np.testing.assert_array_equal(net.parameters, expected.parameters)


def test_a_stopped_fit_is_measured_at_its_end():
    net = network()
    history = net.fit(X, Y, epochs=9, callback=lambda epoch, values: epoch == 2)
    assert history["epoch"] == [2]
    assert history["loss"] == [net.loss(X, Y)]


def test_a_callback_that_raises_leaves_the_weights_after_its_epoch():
    def callback(epoch, values):
        if epoch == 2:
            raise LookupError("mine")

    net, expected = network(), network()
    with pytest.raises(LookupError, match="mine"):
        net.fit(X, Y, epochs=9, callback=callback)
    expected.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    net.fit(X, Y, epochs=1)


def test_a_callback_changes_no_bit():
    silent, watched = network(WITH_EVERYTHING), network(WITH_EVERYTHING)
    silent.fit(X, Y, "adam", epochs=4)
    watched.fit(X, Y, "adam", epochs=4, evaluate_every=1, callback=lambda epoch, values: None)
    np.testing.assert_array_equal(silent.parameters, watched.parameters)


# early stopping -----------------------------------------------------------------------------------


def scripted(values, greater_is_better=False):
    """Return a metric that takes the given values in turn."""
    rest = iter(values)
    return Metric("scripted", lambda y, y_hat: next(rest), greater_is_better)


NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "stop", "greater", "last", "best"),
    [
        ([5, 4, 3, 3, 3, 3], {"patience": 2}, False, 4, 2),
        ([5, 4, 3, 3, 3, 3], {"patience": 2}, True, 2, 0),
        ([5, 4, 3, 3, 3, 3], {"patience": 2, "mode": "max"}, False, 2, 0),
        ([5, 4, 3, 3, 3, 3], {"patience": 2, "mode": "min"}, True, 4, 2),
        ([5, 4.5, 3.9, 3.8, 3.7, 0], {"patience": 2, "min_delta": 1}, False, 4, 2),
        ([1, 1.5, 2.1, 2.2, 2.3, 9], {"patience": 2, "min_delta": 1}, True, 4, 2),
        ([1, 2, 0, 3, 4, 5], {"patience": None}, False, 5, 2),
        ([NAN, 4, NAN, 3, NAN, NAN], {"patience": 2}, False, 5, 3),
        ([1, 0, 0, 0, 0, 0], {"patience": 1}, False, 2, 1),
    ],
)
def test_early_stopping(values, stop, greater, last, best):
    kept = {}
    net = network()

    def keep(epoch, values):
        kept[epoch] = net.parameters.copy()

    metric = scripted(values, greater)
    history = net.fit(X, Y, epochs=5, metrics=[metric], stop={"monitor": "scripted", **stop}, callback=keep)
    assert (history.epochs, history.best_epoch) == (last, best)
    assert history.status == ("stopped" if last < 5 else "completed")
    np.testing.assert_array_equal(net.parameters, kept[best])


def test_without_restore_best_the_last_weights_stay():
    net, expected = network(), network()
    stop = {"monitor": "scripted", "patience": 2, "restore_best": False}
    history = net.fit(X, Y, epochs=9, metrics=[scripted([1, 2, 3, 4])], stop=stop)
    expected.fit(X, Y, epochs=2)
    assert (history.epochs, history.best_epoch) == (2, 0)
    np.testing.assert_array_equal(net.parameters, expected.parameters)


def test_patience_counts_measurements():
    stop = {"monitor": "scripted", "patience": 2}
    history = network().fit(X, Y, epochs=20, evaluate_every=3, metrics=[scripted([1, 2, 3])], stop=stop)
    assert history["epoch"] == [0, 3, 6]


@pytest.mark.parametrize("monitored", ["", "validation_loss"])
def test_the_validation_loss_is_monitored_by_default(monitored):
    net = network(loss="sse")
    stop = {"monitor": monitored, "patience": 3}
    history = net.fit(X, Y, "sgd", 0.02, epochs=60, validation=(X[:9], -Y[:9]), stop=stop)
    losses = history["validation_loss"]
    assert history.status == "stopped"
    assert history.best_epoch == losses.index(min(losses)) == len(losses) - 4
    assert net.loss(X[:9], -Y[:9]) == min(losses)


def test_loss_below():
    net = network()
    begin = net.loss(X, Y)
    history = net.fit(X, Y, epochs=500, stop={"loss_below": 0.97 * begin})
    assert history.status == "stopped"
    assert history["loss"][-1] < 0.97 * begin <= min(history["loss"][:-1])
    assert net.loss(X, Y) == history["loss"][-1]
    assert network().fit(X, Y, epochs=5, stop=EarlyStopping(loss_below=2 * begin)).epochs == 0


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        ({"patients": 3}, r"stop: unknown key 'patients': did you mean 'patience'\?"),
        ({"monitor": "val_loss"}, "stop: monitor 'val_loss' is not measured: did you mean 'loss'"),
        ({"monitor": "accuracy"}, "stop: monitor 'accuracy' is not measured: one of loss"),
        ({"mode": "maximum"}, "stop: mode must be auto, min or max, got 'maximum'"),
        ({"patience": -1}, "stop: patience must be a whole number of at least 1, or None, got -1"),
        ({"patience": "long"}, "stop: patience must be a whole number of at least 1, or None, got 'long'"),
        ({"min_delta": -1.0}, "stop: min_delta must be a finite number of at least 0, got -1.0"),
        ({"loss_below": "0"}, "stop: loss_below must be a finite number, got '0'"),
    ],
)
def test_invalid_stop_is_an_error(stop, message):
    net = network()
    with pytest.raises(ValueError, match=message):
        net.fit(X, Y, stop=stop)
    assert net.epochs == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": -1}, "epochs must be a whole number of at least 0, got -1"),
        ({"epochs": 1.5}, "epochs must be a whole number of at least 0, got 1.5"),
        ({"epochs": True}, "epochs must be a whole number of at least 0, got True"),
        ({"batch_size": 0}, 'batch_size must be a whole number of at least 1, or "full", got 0'),
        ({"batch_size": "all"}, "batch_size must be a whole number of at least 1, or \"full\", got 'all'"),
        ({"evaluate_every": -2}, "evaluate_every must be a whole number of at least 0, got -2"),
        ({"batch_size": 2**63}, r"batch_size must be less than 2\*\*63, or \"full\", got 9223"),
        ({"threads": 2**63}, "threads must be at most 1024, got 9223372036854775808"),
        ({"threads": 0}, "threads must be a whole number of at least 1, got 0"),
        (
            {"learning_rate": -0.1},
            r"option 'learning_rate' of optimizer 'sgd': expected a value in \[0, inf\)",
        ),
        ({"learning_rate": NAN}, "option 'learning_rate' of optimizer 'sgd': expected a finite number"),
        ({"optimizer": "sdg"}, r"unknown optimizer 'sdg'\nhint: did you mean 'sgd'\?"),
        ({"optimizer": {"name": "sgd", "momentun": 1}}, "optimizer 'sgd' has no option 'momentun'"),
        ({"schedule": "cosin"}, r"unknown schedule 'cosin'\nhint: did you mean 'cosine'\?"),
        ({"metrics": ["acuracy"]}, r"unknown metric 'acuracy'\nhint: did you mean 'accuracy'\?"),
        ({"clip": {"norm": 0}}, "clip: norm must be a finite number above 0, got 0"),
        ({"clip": {"norm": 1, "value": 1}}, 'clip must be {"norm": limit} or {"value": limit}'),
        ({"clip": {"nrom": 1}}, 'clip must be {"norm": limit} or {"value": limit}'),
        ({"validation": (X[:, :2], Y)}, r"x must have shape \(n_samples, 3\), got \(50, 2\)"),
    ],
)
def test_invalid_options_are_errors_before_training(options, message):
    net = network()
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=message):
        net.fit(X, Y, **options)
    np.testing.assert_array_equal(net.parameters, before)
    assert net.epochs == net.updates == 0
