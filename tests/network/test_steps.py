"""Network.steps: the updates of a fit one by one, with the bits of the fit."""

import itertools

import numpy as np
import pytest

from cygd import Network, Optimizer, PluginError
from cygd.components.optimizers import OPTIMIZERS
from cygd.components.schedules import SCHEDULES
from cygd.core.random import epoch_order
from tests.helpers.training_cases import PLAIN, WEIGHT, WITH_EVERYTHING, X, Y, network

SIZES = [1, 7, 50, "full"]
RNG = np.random.default_rng(3)


def measured(history):
    """Return what a history says apart from the time, and its running losses."""
    values = {name: history[name] for name in history if name not in ("seconds", "running_loss")}
    return repr((values, history.status, history.epochs, history.best_epoch))  # NaN equals NaN


def run_to_end(steps):
    """Return the updates of a generator and its value."""
    updates = []
    while True:
        try:
            updates.append(next(steps))
        except StopIteration as end:
            return updates, end.value


def check(make, x=X, y=Y, **options):
    """Compare the steps of a network with the fit of an equal one; return the updates."""
    fitted, stepped = make(), make()
    expected = fitted.fit(x, y, **options)
    updates, history = run_to_end(stepped.steps(x, y, **options))
    np.testing.assert_array_equal(stepped.parameters, fitted.parameters)
    assert measured(history) == measured(expected)
    assert history["running_loss"] == pytest.approx(expected["running_loss"], rel=1e-12)
    assert (stepped.epochs, stepped.updates) == (fitted.epochs, fitted.updates)
    for before, after in itertools.pairwise(updates):
        np.testing.assert_array_equal(before.after, after.before)
    return updates


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", SIZES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [row.name for row in OPTIMIZERS])
def test_steps_leave_the_bits_of_fit(name, dtype, batch_size, shuffle):
    options = {"optimizer": name, "learning_rate": 0.01, "epochs": 3}
    for layers in (PLAIN, WITH_EVERYTHING):
        check(lambda: network(layers, dtype=dtype), **options, batch_size=batch_size, shuffle=shuffle)  # noqa: B023


@pytest.mark.parametrize("batch_size", SIZES)
@pytest.mark.parametrize("clip", [{"norm": 0.1}, {"value": 0.01}])
def test_clip(clip, batch_size):
    check(lambda: network(WITH_EVERYTHING), epochs=3, batch_size=batch_size, clip=clip)


@pytest.mark.parametrize("schedule", [schedule.name for schedule in SCHEDULES])
@pytest.mark.parametrize("every", [0, 2])
def test_schedule(schedule, every):
    options = {"schedule": {"name": schedule, "warmup": 1}, "validation": (X[:9], Y[:9])}
    check(network, epochs=5, batch_size=16, evaluate_every=every, **options)


@pytest.mark.parametrize("batch_size", SIZES)
@pytest.mark.parametrize("loss", ["sse", "mse", "mae"])
def test_sample_weights(loss, batch_size):
    check(
        lambda: network(loss=loss), epochs=3, learning_rate=1e-3, batch_size=batch_size, sample_weight=WEIGHT
    )


@pytest.mark.parametrize("rows", [3, 256, 700])
@pytest.mark.parametrize("inputs", [3, 200])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("layer", [(1, "identity"), (1, "sigmoid"), (1, "tanh")])
def test_a_single_unit_trained_row_by_row(layer, dtype, inputs, rows):
    x, y = RNG.normal(size=(rows, inputs)), RNG.uniform(size=(rows, 1))
    options = {"epochs": 2, "batch_size": 1, "learning_rate": 1e-3}
    for optimizer in ("sgd", {"name": "sgd", "momentum": 0.9}):
        updates = check(lambda: Network(inputs, [layer], dtype=dtype), x, y, optimizer=optimizer, **options)
        assert len(updates) == 2 * rows


@pytest.mark.parametrize(
    "stop",
    [
        {"monitor": "loss", "patience": 1, "min_delta": 0.05},
        {"monitor": "loss", "patience": 1, "min_delta": 0.05, "restore_best": False},
        {"loss_below": 0.97 * network().loss(X, Y)},
    ],
)
def test_early_stopping(stop):
    updates = check(network, epochs=40, stop=stop, metrics=["mae"])
    assert updates[-1].epoch < 40


def test_a_callback_stops():
    updates = check(network, epochs=9, batch_size=25, callback=lambda epoch, values: epoch == 2)
    assert [update.epoch for update in updates] == [1, 1, 2, 2]


@pytest.mark.parametrize("batch_size", SIZES)
def test_a_diverging_epoch_is_undone(batch_size):
    check(lambda: network(loss="sse"), epochs=1000, learning_rate=5.0, batch_size=batch_size)


def test_no_epochs_are_no_updates():
    assert check(network, epochs=0) == []


@pytest.mark.parametrize("batch_size", [7, "full"])
def test_an_optimizer_object_keeps_its_state(batch_size):
    adam = next(row for row in OPTIMIZERS if row.name == "adam")
    fitted, stepped = network(), network()
    fitted.fit(X, Y, adam, epochs=4, batch_size=batch_size)
    stepped.fit(X, Y, adam, epochs=2, batch_size=batch_size)
    run_to_end(stepped.steps(X, Y, optimizer=adam, epochs=2, batch_size=batch_size))
    np.testing.assert_array_equal(stepped.parameters, fitted.parameters)


def test_an_optimizer_in_python():
    def update(w, g, state, learning_rate, step):
        state["m"] = 0.9 * state["m"] + g
        w -= learning_rate * state["m"] / step

    check(network, optimizer=Optimizer("own", update, state=["m"]), epochs=3, batch_size=7)


def test_each_update_is_that_of_a_fit_on_its_rows():
    net = network()
    for update in net.steps(X, Y, optimizer="adam", epochs=1, batch_size=7, shuffle=False):
        alone = network()
        alone.fit(
            X[: update.rows[-1] + 1], Y[: update.rows[-1] + 1], "adam", epochs=1, batch_size=7, shuffle=False
        )
        np.testing.assert_array_equal(update.after, alone.parameters)


def test_an_update_says_what_it_did():
    net = network()
    before = net.parameters.copy()
    schedule = {"name": "step", "every": 1, "factor": 0.5}
    updates = list(net.steps(X, Y, learning_rate=0.2, epochs=2, batch_size=20, schedule=schedule))
    assert [update.number for update in updates] == [1, 2, 3, 4, 5, 6]
    assert [update.epoch for update in updates] == [1, 1, 1, 2, 2, 2]
    assert [update.learning_rate for update in updates] == [0.2] * 3 + [0.1] * 3
    np.testing.assert_array_equal(np.concatenate([u.rows for u in updates[:3]]), epoch_order(1, 0, 50))
    np.testing.assert_array_equal(np.concatenate([u.rows for u in updates[3:]]), epoch_order(1, 1, 50))
    np.testing.assert_array_equal(updates[0].before, before)
    np.testing.assert_array_equal(updates[-1].after, net.parameters)


def test_the_network_is_at_the_update_that_was_yielded():
    net = network()
    steps = net.steps(X, Y, epochs=2, batch_size=20)
    update = next(steps)
    np.testing.assert_array_equal(net.parameters, update.after)
    assert (net.epochs, net.updates) == (0, 1)
    with pytest.raises(RuntimeError, match="another fit of this network is running"):
        net.fit(X, Y)
    steps.close()
    np.testing.assert_array_equal(net.parameters, update.after)
    net.fit(X, Y, epochs=1)


def test_an_error_leaves_the_weights_of_the_last_completed_epoch():
    def update(w, g, state, learning_rate, step):
        if step == 5:
            raise ZeroDivisionError("mine")
        w -= learning_rate * g

    net, expected = network(), network()
    own = Optimizer("own", update)
    with pytest.raises(PluginError, match="mine"):
        run_to_end(net.steps(X, Y, optimizer=own, epochs=3, batch_size=20))
    expected.fit(X, Y, "sgd", 0.01, epochs=1, batch_size=20)
    np.testing.assert_allclose(net.parameters, expected.parameters, rtol=1e-13)
    assert (net.epochs, net.updates) == (1, 3)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "epochs must be a whole number of at least 0, got -1"),
        ({"batchsize": 3}, TypeError, "batchsize"),
        ({"validation": X}, TypeError, r"validation must be a pair \(x, y\)"),
    ],
)
def test_wrong_arguments_are_errors_before_the_first_update(options, error, message):
    with pytest.raises(error, match=message):
        network().steps(X, Y, **options)


def test_no_rows_are_an_error():
    with pytest.raises(ValueError, match="no rows to train on"):
        next(network().steps(X[:0], Y[:0]))
