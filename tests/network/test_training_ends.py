"""Fits that end early: divergence and Ctrl-C; and what runs in parallel."""

import signal
import sys
import threading

import numpy as np
import pytest

from cygd import Metric, Network
from cygd.components.optimizers import OPTIMIZERS
from cygd.core import _f32, _f64
from tests.helpers.training_cases import PLAIN, WITH_EVERYTHING, X, Y, network, optimizer, train

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


def test_an_epoch_with_a_finite_loss_and_non_finite_weights_diverges():
    net = Network(1, [{"units": 1, "weights": [[1.0]]}], dtype="float32")
    history = net.fit([[1.0]], [[-10.0]], "sgd", 3e38, epochs=3)
    assert (history.status, history.epochs, history["running_loss"]) == ("diverged", 0, [])
    assert net.parameters.tolist() == [1, 0]
    assert (net.epochs, net.updates) == (0, 0)


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_a_non_finite_row_that_is_not_refused_is_a_divergence(spoilt):
    x = np.where(np.arange(50)[:, None] == 7, spoilt, X)
    net = network([(2, "relu"), 2])
    before = net.parameters.copy()
    assert net.fit(x, Y, epochs=3, check_finite=False).status == "diverged"
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

        class Counted(module.Trainer):
            def run(self, rates, recorder):
                calls.append(rates)
                return super().run(rates, recorder)

        monkeypatch.setattr(module, "Trainer", Counted)
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

        class Announced(module.Trainer):
            def run(self, rates, recorder):
                entered.set()
                return super().run(rates, recorder)

        monkeypatch.setattr(module, "Trainer", Announced)
    # no thread switch on time: the sender runs only if the engine releases the GIL
    sys.setswitchinterval(1000)
    thread = threading.Thread(target=send)
    thread.start()
    yield
    entered.set()
    thread.join(60)
    sys.setswitchinterval(interval)


RNG = np.random.default_rng(1)
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
def test_ctrl_c_raises_and_leaves_a_complete_epoch(case, dtype, threads, interrupt):
    layers, options = HEAVY[case]
    net, expected = network(layers, dtype=dtype), network(layers, dtype=dtype)
    net._engine.force_parallel = True  # also on busy cores, so that the other thread is interrupted too
    with pytest.raises(KeyboardInterrupt):
        net.fit(MANY_X, MANY_Y, "sgd", 1e-4, epochs=MANY_EPOCHS, threads=threads, **options)
    assert net.epochs < MANY_EPOCHS
    expected.fit(MANY_X, MANY_Y, "sgd", 1e-4, epochs=net.epochs, threads=threads, **options)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    assert net.updates == expected.updates


@pytest.mark.parametrize("case", HEAVY)
@pytest.mark.parametrize("name", [row.name for row in OPTIMIZERS])
def test_built_in_components_train_without_the_gil(name, case, interrupt):
    # a Python thread comes to run while the engine trains, and it is the one to end it
    layers, options = HEAVY[case]
    net = network(layers)
    with pytest.raises(KeyboardInterrupt):
        net.fit(MANY_X, MANY_Y, name, 1e-5, epochs=MANY_EPOCHS, **options)
    assert not net._engine.has_python_components


@pytest.mark.parametrize("case", HEAVY)
@pytest.mark.parametrize("name", [row.name for row in OPTIMIZERS])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_unobserved_epochs_are_one_engine_call(name, case, dtype, engine_calls):
    layers, options = HEAVY[case]
    net = network(layers, dtype=dtype)
    net.fit(MANY_X, MANY_Y, name, 1e-5, epochs=7, schedule="cosine", **options)
    assert len(engine_calls) == 1
    assert net.epochs == 7


def test_python_metrics_and_callbacks_return_to_python(engine_calls):
    network().fit(X, Y, epochs=7, evaluate_every=3)
    assert len(engine_calls) == 1
    worst = Metric("worst", lambda y, y_hat: abs(y - y_hat).max(), greater_is_better=False)
    network().fit(X, Y, epochs=7, evaluate_every=3, metrics=[worst])
    assert len(engine_calls) == 1 + 3
    network().fit(X, Y, epochs=7, callback=lambda epoch, values: None)
    assert len(engine_calls) == 1 + 3 + 7


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.int8, ">u4"])
def test_row_numbers_of_any_dtype(dtype, shuffle):
    chosen = np.array([3, 1, 4, 0, 9, 2, 6], dtype)
    nets = [network(), network()]
    options = {"epochs": 3, "batch_size": 2, "shuffle": shuffle, "threads": 1}
    for net, (x, y, rows) in zip(nets, [(X, Y, chosen), (X[chosen], Y[chosen], None)], strict=True):
        history = train(net, x, y, rows=rows, optimizer=optimizer("adam"), **options)
        assert len(history["loss"]) == 4
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)
    assert [net.updates for net in nets] == [12, 12]


@pytest.mark.parametrize("rows", [[-1], [0, len(X)], [2**32]])
def test_row_numbers_out_of_range_are_errors(rows):
    net = network()
    with pytest.raises(IndexError, match="rows out of range"):
        train(net, X, Y, rows=np.array(rows), optimizer=optimizer("sgd"))
    net.fit(X, Y, epochs=1)


def test_a_training_continues_the_counts_of_the_network():
    net = network()
    net.fit(X, Y, epochs=2, batch_size=5)
    steps = -(-len(X) // 5)
    dataset = net._dataset(X, Y)
    options = {
        "batch_size": 5,
        "shuffled": True,
        "seed": 1,
        "clip_norm": 0.0,
        "clip_value": 0.0,
        "threads": 1,
    }
    updater = net._kernels.Optimizer(optimizer("sgd"), net._engine)
    training = _f64.Trainer(
        net._engine, dataset, net.parameters, updater, epochs=2, updates=2 * steps, **options
    )
    assert (training.epochs, training.updates) == (2, 2 * steps)
    assert training.run([]) == ([], False)
    losses, diverged = training.run([0.1, 0.1, 0.1])
    assert (len(losses), diverged) == (3, False)
    assert (training.epochs, training.updates) == (5, 5 * steps)
    losses, diverged = training.run([0.1, float("inf"), 0.1])
    assert (len(losses), diverged) == (1, True)
    assert (training.epochs, training.updates) == (6, 6 * steps)


def test_a_second_fit_at_the_same_time_is_an_error():
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


def test_predictions_in_parallel_to_a_fit():
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
