"""Training: the loop over epochs, held against the reference and against its own promises."""

import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from cygd import Activation, Loss, Metric, Network, Optimizer, PluginError, Schedule
from cygd.core import _f32, _f64
from cygd.optimizers import OPTIMIZERS
from cygd.training import Stop, train
from tests.reference import Reference

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 2))
WEIGHT = RNG.exponential(size=50)

PLAIN = [(6, "tanh"), (2, "identity")]
WITH_EVERYTHING = [
    {"units": 9, "activation": "tanh", "dropout": 0.3, "l1": 0.01, "l2": 0.1},
    {"units": 6, "activation": "silu", "dropout": 0.5, "bias": False},
    {"units": 2, "activation": "identity", "l1": 0.02},
]


def network(layers=PLAIN, loss="mse", dtype="float64", seed=1):
    return Network(3, layers, loss=loss, dtype=dtype, seed=seed)


def optimizer(name, **options):
    [found] = [row for row in OPTIMIZERS if row.name == name]
    return found.configured(options)


def by_norm(g):
    return g * min(1, 0.05 / (np.linalg.norm(g) + 1e-6))


def by_value(g):
    return np.clip(g, -0.01, 0.01)


def unclipped(g):
    return g


# the updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_size", [1, 7, 16, 50])
@pytest.mark.parametrize("layers", [PLAIN, WITH_EVERYTHING], ids=["plain", "with_everything"])
@pytest.mark.parametrize(
    ("loss", "weight", "clip", "clipped"),
    [
        ("mse", None, None, unclipped),
        ("mse", WEIGHT, {"norm": 0.05}, by_norm),
        ("sse", WEIGHT, {"value": 0.01}, by_value),
        ("huber", WEIGHT, None, unclipped),
    ],
)
def test_an_epoch_is_the_reference_update_by_update(layers, batch_size, loss, weight, clip, clipped, dtype):
    net = network(layers, loss, dtype)
    reference = Reference(net)
    epochs = 3

    def descend(w, g):
        w -= 0.02 * g

    running = reference.train(
        X, Y, descend, epochs=epochs, batch_size=batch_size, sample_weight=weight, clip=clipped
    )
    history = net.fit(
        X, Y, "sgd", 0.02, epochs=epochs, batch_size=batch_size, sample_weight=weight, clip=clip
    )
    tolerance = {"float64": 1e-11, "float32": 2e-4}[dtype]
    np.testing.assert_allclose(net.parameters, reference.parameters, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(history["running_loss"], running, rtol=tolerance)
    assert net.epochs == epochs
    assert net.updates == epochs * -(-len(X) // batch_size)


def test_rows_in_order_where_nothing_is_shuffled():
    net, reference = network(), Reference(network())
    reference.train(X, Y, lambda w, g: np.subtract(w, 0.1 * g, out=w), epochs=1, batch_size=20, shuffle=False)
    net.fit(X, Y, epochs=1, batch_size=20, shuffle=False)
    np.testing.assert_allclose(net.parameters, reference.parameters, rtol=1e-12, atol=1e-13)


def test_a_batch_beyond_the_rows_is_the_full_batch():
    def fitted(size):
        net = network(WITH_EVERYTHING)
        net.fit(X, Y, epochs=3, batch_size=size)
        return net.parameters

    np.testing.assert_array_equal(fitted("full"), fitted(50))
    np.testing.assert_array_equal(fitted("full"), fitted(51))
    np.testing.assert_array_equal(fitted("full"), fitted(10**9))


SHORT_BATCH = """
import sys, numpy as np, cygd
rows, batch, units = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
x, y = rng.normal(size=(rows, 3)), rng.normal(size=(rows, 1))
def net():
    return cygd.Network(3, [(units, "tanh"), (1, "identity")], loss="mse", seed=1)
slow, fast = net(), net()
for first in range(0, rows, batch):
    slow.parameters[...] -= 0.1 * slow.gradient(x[first:first + batch], y[first:first + batch])[1]
fast.fit(x, y, epochs=1, batch_size=batch, shuffle=False)
np.testing.assert_allclose(fast.parameters, slow.parameters, rtol=1e-11, atol=1e-12)
"""


@pytest.mark.parametrize(
    ("rows", "batch", "units"),
    [(500, 300, 5), (512, 257, 5), (900, 520, 40), (300, 200, 200), (113, 112, 1), (5, 4, 3)],
)
def test_a_last_batch_is_as_right_when_its_chunks_are_larger(rows, batch, units):
    # in a process of its own: where a chunk outgrows its memory, the process is lost
    arguments = [sys.executable, "-P", "-c", SHORT_BATCH, *map(str, (rows, batch, units))]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_weight_two_is_the_row_twice_in_an_update():
    counts = np.arange(50) % 4
    weighted, repeated = network(loss="mae"), network(loss="mae")
    weighted.fit(X, Y, epochs=5, batch_size="full", sample_weight=counts)
    repeated.fit(np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0), epochs=5, batch_size="full")
    np.testing.assert_allclose(weighted.parameters, repeated.parameters, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("loss", ["mse", "sse", "cross_entropy"])
def test_rows_of_weight_zero_do_not_count(loss):
    y = RNG.dirichlet([1, 1], 50)
    weight = (np.arange(50) < 30).astype(float)
    layers = [(4, "tanh"), (2, "softmax")]
    some, few = network(layers, loss), network(layers, loss)
    some.fit(X, y, epochs=4, batch_size="full", sample_weight=weight)
    few.fit(X[:30], y[:30], epochs=4, batch_size="full")
    np.testing.assert_allclose(some.parameters, few.parameters, rtol=1e-11, atol=1e-13)


def test_a_batch_that_weighs_nothing_changes_nothing():
    net = network()
    before = net.parameters.copy()
    history = net.fit(X, Y, epochs=2, batch_size=10, sample_weight=np.zeros(50))
    np.testing.assert_array_equal(net.parameters, before)
    assert history["running_loss"] == [0, 0]


# dropout ------------------------------------------------------------------------------------------


def recorder(seen):
    """Return an identity that keeps what it was given."""

    def function(h):
        seen.append(np.array(h))
        return h

    return Activation("recorder", function, np.ones_like)


def test_dropout_is_inverted_and_off_outside_the_updates():
    seen = []
    layers = [
        {"units": 1, "activation": "identity", "weights": [[1.0]], "bias": False, "dropout": 0.2},
        {"units": 1, "activation": recorder(seen), "weights": [[1.0]], "bias": False},
    ]
    net = Network(1, layers)
    x = np.full((8000, 1), 3.0)
    net.fit(x, x, learning_rate=0.0, epochs=1, batch_size=80, evaluate_every=1)
    evaluations = [h for h in seen if len(h) > 80]
    updates = np.concatenate([h for h in seen if len(h) == 80])
    assert all((h == 3).all() for h in evaluations)
    assert set(np.unique(updates)) == {0.0, 3 * (1 / 0.8)}
    # five standard deviations of a fair draw
    assert abs(np.mean(updates > 0) - 0.8) < 5 * np.sqrt(0.2 * 0.8 / len(updates))
    assert (net.predict(x) == 3).all()


def test_masks_differ_from_update_to_update_and_from_layer_to_layer():
    reference = Reference(network([{"units": 8, "dropout": 0.5}, {"units": 8, "dropout": 0.5}, 2]))
    first, second = reference.masks(0, 10), reference.masks(1, 10)
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[0][:4], reference.masks(0, 4)[0])


# one fit after another ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [row.name for row in OPTIMIZERS])
def test_two_fits_are_one_with_the_same_optimizer_object(name):
    whole, parts = network(WITH_EVERYTHING), network(WITH_EVERYTHING)
    whole.fit(X, Y, optimizer(name), epochs=5, batch_size=8)
    same = optimizer(name)
    for epochs in (2, 0, 3):
        parts.fit(X, Y, same, epochs=epochs, batch_size=8)
    assert (parts.epochs, parts.updates) == (whole.epochs, whole.updates) == (5, 35)
    np.testing.assert_array_equal(parts.parameters, whole.parameters)


@pytest.mark.parametrize("again", ["adam", {"name": "adam"}, optimizer("adam")])
def test_the_state_is_fresh_for_any_other_optimizer_object(again):
    kept, fresh, expected = network(), network(), network()
    first = optimizer("adam")
    for net in (kept, fresh, expected):
        net.fit(X, Y, first, epochs=2)
    kept.fit(X, Y, first, epochs=1)
    fresh.fit(X, Y, again, epochs=1)
    expected.fit(X, Y, optimizer("adam"), epochs=1)
    np.testing.assert_array_equal(fresh.parameters, expected.parameters)
    assert not np.array_equal(fresh.parameters, kept.parameters)


def test_the_state_is_one_networks_own():
    same = optimizer("adam")
    one, other, alone = network(), network(seed=2), network(seed=2)
    one.fit(X, Y, same, epochs=2)
    other.fit(X, Y, same, epochs=2)
    alone.fit(X, Y, optimizer("adam"), epochs=2)
    np.testing.assert_array_equal(other.parameters, alone.parameters)


def test_a_python_optimizer_is_called_as_documented():
    steps = []

    def update(w, g, state, learning_rate, step, drag):
        steps.append(step)
        state["v"][...] = drag * state["v"] + g
        w -= learning_rate * state["v"]

    mine = Optimizer("mine", update, ["v"], {"drag": 0.9}, learning_rate=0.05)
    ours, built_in = network(WITH_EVERYTHING), network(WITH_EVERYTHING)
    for epochs in (2, 1):
        ours.fit(X, Y, mine, epochs=epochs, batch_size=25)
    built_in.fit(X, Y, optimizer("sgd", momentum=0.9, learning_rate=0.05), epochs=3, batch_size=25)
    assert steps == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(ours.parameters, built_in.parameters, rtol=1e-12, atol=1e-14)


# what is measured ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "epochs", "rows"),
    [(0, 5, [5]), (1, 3, [0, 1, 2, 3]), (2, 5, [0, 2, 4, 5]), (9, 5, [0, 5]), (0, 0, [0]), (3, 0, [0])],
)
def test_what_is_measured_belongs_to_the_weights_after_its_epoch(every, epochs, rows):
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


def test_the_running_loss_is_what_the_updates_saw():
    net = network()
    history = net.fit(X, Y, learning_rate=0.0, epochs=2, batch_size=16)
    assert history["running_loss"] == pytest.approx([net.loss(X, Y)] * 2, rel=1e-14)


def test_metrics_are_measured_on_both_parts():
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


def test_a_schedule_that_watches_sees_every_measurement():
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
def test_a_callback_can_stop(word):
    net, expected = network(), network()
    history = net.fit(X, Y, epochs=9, callback=lambda epoch, values: word if epoch == 2 else None)
    expected.fit(X, Y, epochs=2)
    assert (history.status, history.epochs, net.epochs) == ("stopped", 2, 2)
    np.testing.assert_array_equal(net.parameters, expected.parameters)


def test_a_fit_that_was_stopped_is_measured_at_its_end():
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
    """Return a metric that is measured as told, whatever the outputs."""
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


def test_the_last_weights_stay_where_the_best_are_not_wanted():
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
def test_the_validation_loss_is_watched_where_there_is_one(monitored):
    net = network(loss="sse")
    stop = {"monitor": monitored, "patience": 3}
    history = net.fit(X, Y, "sgd", 0.02, epochs=60, validation=(X[:9], -Y[:9]), stop=stop)
    losses = history["validation_loss"]
    assert history.status == "stopped"
    assert history.best_epoch == losses.index(min(losses)) == len(losses) - 4
    assert net.loss(X[:9], -Y[:9]) == min(losses)


def test_loss_below_stops_as_soon_as_it_is_measured():
    net = network()
    begin = net.loss(X, Y)
    history = net.fit(X, Y, epochs=500, stop={"loss_below": 0.97 * begin})
    assert history.status == "stopped"
    assert history["loss"][-1] < 0.97 * begin <= min(history["loss"][:-1])
    assert net.loss(X, Y) == history["loss"][-1]
    assert network().fit(X, Y, epochs=5, stop=Stop(loss_below=2 * begin)).epochs == 0


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
def test_a_stop_that_makes_no_sense_is_refused(stop, message):
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
        ({"threads": 0}, "threads must be a whole number from 1 up, found 0"),
        ({"learning_rate": -0.1}, r"option 'learning_rate' of optimizer 'sgd' must lie in \[0, inf\)"),
        ({"learning_rate": NAN}, "option 'learning_rate' of optimizer 'sgd' must be finite"),
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
def test_a_fit_that_makes_no_sense_is_refused_before_it_begins(options, message):
    net = network()
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=message):
        net.fit(X, Y, **options)
    np.testing.assert_array_equal(net.parameters, before)
    assert net.epochs == net.updates == 0


# how a fit ends early -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_fit_that_diverges_keeps_the_last_finite_weights(dtype):
    net, expected = network(loss="sse", dtype=dtype), network(loss="sse", dtype=dtype)
    history = net.fit(X, Y, "sgd", 5.0, epochs=1000)
    assert history.status == "diverged"
    assert 0 < history.epochs == net.epochs < 1000
    assert len(history["running_loss"]) == history.epochs
    assert np.isfinite(net.parameters).all()
    expected.fit(X, Y, "sgd", 5.0, epochs=history.epochs)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    assert net.updates == expected.updates


def test_an_epoch_whose_loss_is_finite_but_whose_weights_are_not_is_no_epoch():
    net = Network(1, [{"units": 1, "weights": [[1.0]]}], dtype="float32")
    history = net.fit([[1.0]], [[-10.0]], "sgd", 3e38, epochs=3)
    assert (history.status, history.epochs, history["running_loss"]) == ("diverged", 0, [])
    assert net.parameters.tolist() == [1, 0]
    assert (net.epochs, net.updates) == (0, 0)


@pytest.mark.parametrize("spoilt", [NAN, np.inf])
def test_a_row_that_is_not_finite_is_a_divergence(spoilt):
    x = np.where(np.arange(50)[:, None] == 7, spoilt, X)
    net = network([(2, "relu"), 2])
    before = net.parameters.copy()
    assert net.fit(x, Y, epochs=3).status == "diverged"
    np.testing.assert_array_equal(net.parameters, before)


def test_the_best_weights_are_restored_after_a_divergence():
    net = network(loss="sse")
    before = net.parameters.copy()
    history = net.fit(X, Y, "sgd", 5.0, epochs=1000, stop={"monitor": "loss", "patience": None})
    assert (history.status, history.best_epoch) == ("diverged", 0)
    np.testing.assert_array_equal(net.parameters, before)


@pytest.fixture
def engine_calls(monkeypatch):
    """The calls of the compiled `Training`, as a list that grows."""
    calls = []
    for module in (_f32, _f64):

        class Counted(module.Training):
            def run(self, rates):
                calls.append(rates)
                return super().run(rates)

        monkeypatch.setattr(module, "Training", Counted)
    return calls


@pytest.fixture
def interrupt(monkeypatch):
    """Let a thread send SIGINT as soon as the engine has released the GIL in `Training.run`."""
    entered = threading.Event()
    interval = sys.getswitchinterval()

    def send():
        if entered.wait(60):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    for module in (_f32, _f64):

        class Announced(module.Training):
            def run(self, rates):
                entered.set()
                return super().run(rates)

        monkeypatch.setattr(module, "Training", Announced)
    # nobody takes the GIL from a thread that keeps it: only a release lets the sender run
    sys.setswitchinterval(1000)
    thread = threading.Thread(target=send)
    thread.start()
    yield
    entered.set()
    thread.join(60)
    sys.setswitchinterval(interval)


MANY_X, MANY_Y = RNG.normal(size=(3000, 3)), RNG.normal(size=(3000, 2))
MANY_EPOCHS = 50_000  # minutes: a fit that nothing interrupts does not end within a test
HEAVY = {
    "plain": (PLAIN, {}),
    "everything": (WITH_EVERYTHING, {"sample_weight": RNG.exponential(size=3000), "clip": {"norm": 0.1}}),
    "value": (WITH_EVERYTHING, {"clip": {"value": 0.01}, "batch_size": "full"}),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", HEAVY)
def test_ctrl_c_passes_through_and_leaves_a_whole_epoch(case, dtype, threads, interrupt):
    layers, options = HEAVY[case]
    net, expected = network(layers, dtype=dtype), network(layers, dtype=dtype)
    with pytest.raises(KeyboardInterrupt):
        net.fit(MANY_X, MANY_Y, "sgd", 1e-4, epochs=MANY_EPOCHS, threads=threads, **options)
    assert net.epochs < MANY_EPOCHS
    expected.fit(MANY_X, MANY_Y, "sgd", 1e-4, epochs=net.epochs, threads=threads, **options)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    assert net.updates == expected.updates


@pytest.mark.parametrize("case", HEAVY)
@pytest.mark.parametrize("name", [row.name for row in OPTIMIZERS])
def test_nothing_that_is_built_in_leaves_the_epochs_without_the_gil(name, case, interrupt):
    # a Python thread comes to run while the engine trains, and it is the one to end it
    layers, options = HEAVY[case]
    net = network(layers)
    with pytest.raises(KeyboardInterrupt):
        net.fit(MANY_X, MANY_Y, name, 1e-5, epochs=MANY_EPOCHS, **options)
    assert not net._engine.python


@pytest.mark.parametrize("case", HEAVY)
@pytest.mark.parametrize("name", [row.name for row in OPTIMIZERS])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_epochs_that_nobody_watches_are_one_call(name, case, dtype, engine_calls):
    layers, options = HEAVY[case]
    net = network(layers, dtype=dtype)
    net.fit(MANY_X, MANY_Y, name, 1e-5, epochs=7, schedule="cosine", **options)
    assert len(engine_calls) == 1
    assert net.epochs == 7


def test_python_is_entered_where_somebody_watches(engine_calls):
    network().fit(X, Y, epochs=7, evaluate_every=3)
    assert len(engine_calls) == 3
    network().fit(X, Y, epochs=7, callback=lambda epoch, values: None)
    assert len(engine_calls) == 3 + 7


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.int8, ">u4"])
def test_rows_are_counted_in_any_type(dtype, shuffle):
    chosen = np.array([3, 1, 4, 0, 9, 2, 6], dtype)
    nets = [network(), network()]
    options = {"epochs": 3, "batch_size": 2, "shuffle": shuffle, "threads": 1}
    for net, (x, y, rows) in zip(nets, [(X, Y, chosen), (X[chosen], Y[chosen], None)], strict=True):
        history = train(net, x, y, rows=rows, optimizer=optimizer("adam"), **options)
        assert len(history["loss"]) == 4
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)
    assert [net.updates for net in nets] == [12, 12]


@pytest.mark.parametrize("rows", [[-1], [0, len(X)], [2**32]])
def test_rows_that_are_not_there_are_refused(rows):
    net = network()
    with pytest.raises(IndexError, match="rows out of range"):
        train(net, X, Y, rows=np.array(rows), optimizer=optimizer("sgd"))
    net.fit(X, Y, epochs=1)  # nothing is left behind


def test_a_training_counts_on_from_where_the_network_was():
    net = network()
    net.fit(X, Y, epochs=2, batch_size=5)
    steps = -(-len(X) // 5)
    task = net._task(X, Y)
    options = {
        "batch_size": 5,
        "shuffled": True,
        "seed": 1,
        "clip_norm": 0.0,
        "clip_value": 0.0,
        "threads": 1,
    }
    updater = net._kernels.Updater(optimizer("sgd"), net._engine)
    training = _f64.Training(
        net._engine, task, net.parameters, updater, epochs=2, updates=2 * steps, **options
    )
    assert (training.epochs, training.updates) == (2, 2 * steps)
    assert training.run([]) == ([], False)
    losses, diverged = training.run([0.1, 0.1, 0.1])
    assert (len(losses), diverged) == (3, False)
    assert (training.epochs, training.updates) == (5, 5 * steps)
    losses, diverged = training.run([0.1, float("inf"), 0.1])
    assert (len(losses), diverged) == (1, True)
    assert (training.epochs, training.updates) == (6, 6 * steps)


def test_a_second_fit_at_the_same_time_is_refused():
    net = network()
    found = []

    def fit_from_another_thread():
        try:
            net.fit(X, Y, epochs=1)
        except RuntimeError as error:
            found.append(str(error))

    def callback(epoch, values):
        thread = threading.Thread(target=fit_from_another_thread)
        thread.start()
        thread.join(60)

    net.fit(X, Y, epochs=1, callback=callback)
    assert found == ["another fit of this network is running"] * 2
    net.fit(X, Y, epochs=1)


def test_predictions_run_beside_a_fit():
    net = network([(40, "tanh"), (2, "identity")])
    inside, done = threading.Event(), threading.Event()
    shapes = []

    def predict():
        inside.wait(60)
        while not done.is_set():
            shapes.append(net.predict(MANY_X).shape)
            net.gradient(MANY_X, MANY_Y)

    thread = threading.Thread(target=predict)
    thread.start()
    inside.set()
    net.fit(MANY_X, MANY_Y, epochs=20)
    done.set()
    thread.join(60)
    expected = network([(40, "tanh"), (2, "identity")])
    expected.fit(MANY_X, MANY_Y, epochs=20)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    assert set(shapes) <= {(3000, 2)}


# components of Python functions that fail in the middle -------------------------------------------


def fail(*arrays):
    raise ZeroDivisionError("no such number")


def write(*arrays):
    arrays[-1][...] = 0
    return arrays[-1]


MISTAKES = {
    "raises": (fail, "ZeroDivisionError: no such number"),
    "returns None": (lambda *a: None, "TypeError: it returned None"),
    "wrong shape": (lambda *a: a[-1][:1], r"ValueError: it returned shape \(1,\) for input of shape"),
    "complex": (lambda *a: a[-1] * 1j, "TypeError: it returned dtype complex128, not real numbers"),
    "NaN": (lambda *a: a[-1] * np.nan, "ValueError: it returned NaN for finite input"),
    "changes its input": (write, "ValueError: assignment destination is read-only"),
}


class Failing:
    """A function that does as it should for some calls, and then makes a mistake."""

    def __init__(self, function, mistake, good_calls):
        self.function, self.mistake, self.good_calls = function, mistake, good_calls

    def __call__(self, *arrays):
        self.good_calls -= 1
        return self.function(*arrays) if self.good_calls >= 0 else self.mistake(*arrays)


def tanh_slope(h, y_hat):
    return 1 - y_hat**2


def square(y, y_hat):
    return (y - y_hat) ** 2


def square_slope(y, y_hat):
    return 2 * (y_hat - y)


def right(role, mistake=None, good_calls=0):
    """Return a network of Python functions, one of which goes wrong after some calls."""
    functions = {"tanh": np.tanh, "tanh_slope": tanh_slope, "square": square, "square_slope": square_slope}
    if mistake is not None:
        functions[role] = Failing(functions[role], mistake, good_calls)
    failing = functions["tanh_slope"]
    slope = (lambda h, y_hat: failing(h, y_hat)) if role == "tanh_slope" else tanh_slope
    activation = Activation("mine", functions["tanh"], slope)
    loss = Loss("mine", functions["square"], functions["square_slope"])
    return network([(4, "tanh"), (3, activation), (2, "identity")], loss)


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("tanh", "activation 'mine' of layer 1"),
        ("tanh_slope", "activation 'mine' of layer 1"),
        ("square", "loss 'mine'"),
        ("square_slope", "loss 'mine'"),
    ],
)
def test_a_component_that_fails_in_the_middle_is_named_and_the_last_whole_epoch_kept(role, name, mistake):
    wrong, message = MISTAKES[mistake]
    # 5 updates an epoch, each one call: the eighth is in the second epoch
    net, expected = right(role, wrong, good_calls=7), right(role)
    with pytest.raises(PluginError, match=f"{name}: {message}"):
        net.fit(X, Y, epochs=4, batch_size=10)
    expected.fit(X, Y, epochs=1, batch_size=10)
    assert (net.epochs, net.updates) == (1, 5)
    np.testing.assert_array_equal(net.parameters, expected.parameters)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (fail, "ZeroDivisionError: no such number"),
        (lambda w, *rest: w.fill(np.nan), "ValueError: it made a parameter NaN"),
    ],
)
def test_an_optimizer_that_fails_in_the_middle_is_named_and_the_last_whole_epoch_kept(wrong, message):
    def update(w, g, state, learning_rate, step):
        if step == 8:
            wrong(w, g)
        w -= learning_rate * g

    net, expected = network(), network()
    with pytest.raises(PluginError, match=f"optimizer 'mine': {message}"):
        net.fit(X, Y, Optimizer("mine", update, learning_rate=0.1), epochs=4, batch_size=10)
    expected.fit(X, Y, "sgd", 0.1, epochs=1, batch_size=10)
    assert (net.epochs, net.updates) == (1, 5)
    np.testing.assert_allclose(net.parameters, expected.parameters, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["sgd", "adam", "nadam", "rmsprop"])
def test_training_goes_on_from_the_last_whole_epoch_as_if_nothing_had_failed(name):
    options = {"momentum": 0.9} if name in ("sgd", "rmsprop") else {}
    net, expected = right("tanh", fail, good_calls=7), right("tanh")
    same = optimizer(name, **options)
    with pytest.raises(PluginError):
        net.fit(X, Y, same, epochs=4, batch_size=10)
    net.layers[1].activation.function.good_calls = len(X) * 100
    net.fit(X, Y, same, epochs=3, batch_size=10)
    expected.fit(X, Y, optimizer(name, **options), epochs=4, batch_size=10)
    np.testing.assert_array_equal(net.parameters, expected.parameters)


def test_ctrl_c_within_a_python_function_passes_through():
    def interrupted(*arrays):
        raise KeyboardInterrupt

    net, expected = right("tanh", interrupted, good_calls=7), right("tanh")
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, epochs=4, batch_size=10)
    expected.fit(X, Y, epochs=1, batch_size=10)
    np.testing.assert_array_equal(net.parameters, expected.parameters)


def test_a_metric_or_a_schedule_that_fails_leaves_the_weights_after_its_epoch():
    net, expected = network(), network()
    with pytest.raises(PluginError, match="metric 'text': function must return a number, returned str"):
        net.fit(X, Y, epochs=2, metrics=[Metric("text", lambda y, y_hat: "good")])
    expected.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
