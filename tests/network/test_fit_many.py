"""Networks that are trained in one call have the bits, histories and states of networks trained alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd import Activation, Network, Optimizer, fit_many
from cygd.components.optimizers import OPTIMIZERS
from cygd.core import dispatch
from cygd.network import side_by_side as together

RNG = np.random.default_rng(0)
ROWS = 150
X, NUMBERS = RNG.normal(size=(ROWS, 3)), RNG.normal(size=(ROWS, 2))
CLASSES = np.eye(2)[RNG.integers(0, 2, ROWS)]
LABELS = RNG.integers(0, 2, (ROWS, 2)).astype(float)
WEIGHT = RNG.choice([0.0, 0.5, 1.0, 2.0], ROWS)

NARROW = [(3, "tanh"), (2, "identity")]
WIDE = [(17, "relu"), (9, "silu"), (2, "identity")]
DROPOUT = [{"units": 12, "activation": "tanh", "dropout": 0.3}, {"units": 3, "dropout": 0.5}, 2]
PENALTIES = [{"units": 5, "activation": "gelu", "l1": 0.01, "l2": 0.1, "bias": False}, (2, "identity")]
FORMULA = [(6, {"formula": "h * sigmoid(1.5 * h)"}), (2, "identity")]

# layers, loss, targets, options of fit
CASES = {
    "narrow": (NARROW, "sse", NUMBERS, {}),
    "wide": (WIDE, "mse", NUMBERS, {"optimizer": "adam"}),
    "dropout": (DROPOUT, "mse", NUMBERS, {"optimizer": {"name": "sgd", "momentum": 0.9}}),
    "penalties": (PENALTIES, "huber", NUMBERS, {"shuffle": False}),
    "formula": (FORMULA, "mae", NUMBERS, {"optimizer": "rmsprop", "schedule": "cosine"}),
    "classes": ([(7, "tanh"), (2, "softmax")], "cross_entropy", CLASSES, {"sample_weight": WEIGHT}),
    "labels": ([(4, "tanh"), (2, "sigmoid")], "binary_cross_entropy", LABELS, {"metrics": ["accuracy"]}),
    "row-wise": ([(5, "softmax"), (2, "sigmoid")], "cross_entropy", CLASSES, {"optimizer": "nadam"}),
}


@pytest.fixture
def side_by_side(monkeypatch):
    """Train networks of any size side by side where it is supported; return the sizes of their blocks."""
    monkeypatch.setattr(together, "MOST_BYTES", 2**40)
    monkeypatch.setattr(together, "SMALL_BYTES", 2**40)
    sizes, train = [], together.train
    monkeypatch.setattr(
        together, "train", lambda blocks, *threads: sizes.extend(map(len, blocks)) or train(blocks, *threads)
    )
    return sizes


def networks(layers, loss="sse", dtype="float64", count=24, n_inputs=3):
    return [Network(n_inputs, layers, loss=loss, dtype=dtype, seed=seed) for seed in range(count)]


def results(net, history):
    """Return everything that a training leaves but the time that it took."""
    values = {name: values for name, values in dict.items(history) if name != "seconds"}
    updater = net._last_optimizer.updater
    state = {name: array.tobytes() for name, array in updater.state.items()}
    return (
        net.parameters.tobytes(),
        repr(values),
        (history.status, history.epochs, history.best_epoch),
        (net.epochs, net.updates),
        (state, updater.step, updater.scalars),
    )


def assert_as_alone(make, x, y, *, optimizers=None, rates=None, times=1, **options):
    """Train networks in one call and one by one; return the histories."""
    many, alone = make(), make()
    count = len(many)
    optimizers = optimizers or [options.pop("optimizer", "sgd")] * count
    rates = rates or [0.01 * (1 + k) for k in range(count)]
    for _ in range(times):
        histories = fit_many(many, x, y, optimizers, rates, **options)
    for k, net in enumerate(alone):
        for _ in range(times):
            history = net.fit(x, y, optimizers[k], rates[k], **options)
        assert results(many[k], histories[k]) == results(net, history), f"network {k}"
    return histories


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_size", [2, 3, 16, 31, 64, "full"])
@pytest.mark.parametrize("case", CASES)
def test_bits_are_those_of_each_alone(case, batch_size, dtype, side_by_side):
    layers, loss, y, options = CASES[case]
    options = {"epochs": 3, "evaluate_every": 2, "batch_size": batch_size, **options}
    assert_as_alone(lambda: networks(layers, loss, dtype), X, y, **options)
    assert sum(side_by_side) == 24


@pytest.mark.parametrize("options", [{}, {"centered": True}, {"amsgrad": True}, {"momentum": 0.5}])
@pytest.mark.parametrize("name", [row.name for row in OPTIMIZERS])
def test_every_optimizer_with_numbers_of_its_own(name, options, side_by_side):
    [optimizer] = [row for row in OPTIMIZERS if row.name == name]
    if not options.keys() <= optimizer.options.keys():
        pytest.skip("not an option of this optimizer")
    decays = [{"weight_decay": 0.01 * k} if "weight_decay" in optimizer.options else {} for k in range(12)]
    optimizers = [optimizer.configured({**options, **decay}) for decay in decays]
    # the second call continues with the state of the first
    assert_as_alone(
        lambda: networks(NARROW, count=12),
        X,
        NUMBERS,
        optimizers=optimizers,
        times=2,
        batch_size=20,
        epochs=2,
    )
    assert sum(side_by_side) == 24


def test_forms_of_an_optimizer_are_trained_apart(side_by_side):
    momentum = [{"name": "sgd", "momentum": k % 2 * 0.5} for k in range(24)]
    assert_as_alone(lambda: networks(NARROW), X, NUMBERS, optimizers=momentum, batch_size=4)
    assert side_by_side == [12, 12]


def random_case(rng):
    """Return a function that makes random networks of one architecture, and data for them."""
    dtype = rng.choice(["float32", "float64"])
    activations = rng.choice(["tanh", "relu", "sigmoid", "softplus", "leaky_relu", "softmax"], 3)
    layers = [
        {"units": int(units), "activation": str(activation), "bias": bool(rng.integers(2))}
        for units, activation in zip(rng.integers(2, 20, rng.integers(1, 4)), activations, strict=False)
    ]
    n_inputs, n_outputs, rows = rng.integers(1, 12), rng.integers(1, 4), rng.integers(2, 140)
    x, y = rng.normal(size=(rows, n_inputs)), rng.normal(size=(rows, n_outputs))
    options = {
        "batch_size": int(rng.integers(1, 65)),
        "epochs": int(rng.integers(1, 4)),
        "shuffle": bool(rng.integers(2)),
        "evaluate_every": int(rng.integers(3)),
        "optimizer": str(rng.choice(["sgd", "adam", "lion"])),
        "stop": [None, {"patience": 1, "min_delta": 0.01}][rng.integers(2)],
    }
    count, seed = int(rng.integers(2, 40)), int(rng.integers(100))

    def make():
        penalties = np.random.default_rng(seed).choice([0, 0.01], (count, 2))
        return [
            Network(
                int(n_inputs),
                [*({**layer, "l1": l1, "l2": l2} for layer in layers), int(n_outputs)],
                dtype=str(dtype),
                seed=k,
            )
            for k, (l1, l2) in enumerate(penalties.tolist())
        ]

    return make, x, y, options


@pytest.mark.parametrize("seed", range(40))
def test_random_networks(seed, side_by_side):
    make, x, y, options = random_case(np.random.default_rng(seed))
    assert_as_alone(make, x, y, **options)


SCRIPT = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import test_fit_many as tests
tests.together.SMALL_BYTES = tests.together.MOST_BYTES = 2**40
for seed in range(100, 112):
    make, x, y, options = tests.random_case(np.random.default_rng(seed))
    tests.assert_as_alone(make, x, y, **options)
print("equal")
"""


@pytest.mark.parametrize("level", dispatch.levels())
def test_random_networks_on_every_cpu_level(level):
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, str(Path(__file__).parent)],
        env={**os.environ, "CYGD_CPU": level},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("equal\n", "")


# each network by itself ---------------------------------------------------------------------------


def test_networks_stop_by_themselves(side_by_side):
    histories = assert_as_alone(
        lambda: networks(NARROW, "mse"),
        X,
        NUMBERS,
        rates=[0.001 * (1 + 3 * k) for k in range(24)],
        validation=(X[:20], NUMBERS[:20]),
        stop={"patience": 2},
        epochs=60,
    )
    assert sum(side_by_side) == 24
    assert len({history.epochs for history in histories}) > 3
    assert {history.status for history in histories} == {"stopped", "completed"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_diverging_networks_leave_the_others_alone(dtype, side_by_side):
    rates = [1e30 if k % 3 == 1 else 1e-3 for k in range(24)]
    histories = assert_as_alone(
        lambda: networks(WIDE, "mse", dtype), X, NUMBERS, rates=rates, epochs=4, evaluate_every=1
    )
    statuses = [history.status for history in histories]
    assert statuses == ["diverged" if k % 3 == 1 else "completed" for k in range(24)]
    assert sum(side_by_side) == 24


def test_nan_in_one_network_reaches_no_other():
    x = X.copy()
    x[7, 1] = np.nan  # every network meets it in its first epoch, at another step
    histories = assert_as_alone(lambda: networks(NARROW), x, NUMBERS, check_finite=False, evaluate_every=1)
    assert {history.status for history in histories} == {"diverged"}

    def one_overflows():
        nets = networks(NARROW)
        nets[4].parameters[:] = 1e300
        return nets

    histories = assert_as_alone(one_overflows, X, NUMBERS, rates=[1e-3] * 24)
    assert [k for k, history in enumerate(histories) if history.status != "completed"] == [4]


def test_underflow_keeps_the_signs_of_zeros():
    tiny = X * 1e-30
    assert_as_alone(
        lambda: networks([(3, "tanh"), (2, "identity")], "sse", "float32"),
        tiny,
        NUMBERS * 1e-20,
        batch_size=17,
    )


def test_later_fits_continue_counting(side_by_side):
    [adam] = [row for row in OPTIMIZERS if row.name == "adam"]
    assert_as_alone(lambda: networks(DROPOUT), X, NUMBERS, optimizer=adam, times=3, epochs=2)
    assert side_by_side


def test_schedules_that_watch_the_loss():
    options = {"schedule": {"name": "reduce_on_plateau", "patience": 1}, "epochs": 12}
    assert_as_alone(lambda: networks(NARROW), X, NUMBERS, **options)


# threads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_threads_change_no_bit(threads, side_by_side):
    def make():
        return networks(WIDE, "mse", count=40) + networks(WIDE, "mse", "float32", count=40)

    rates = [1e30 if k % 13 == 5 else 0.001 * (1 + k % 40) for k in range(80)]
    options = {"stop": {"patience": 2}, "validation": (X[:20], NUMBERS[:20]), "epochs": 30}
    histories = assert_as_alone(make, X, NUMBERS, rates=rates, threads=threads, **options)
    assert {history.status for history in histories} == {"diverged", "stopped", "completed"}
    assert sum(side_by_side) == 80
    assert len(side_by_side) >= 2 * min(threads, 2)


def test_an_interrupt_ends_all_threads(side_by_side):
    many, alone = networks(WIDE, count=48), networks(WIDE, count=48)
    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            fit_many(many, X, NUMBERS, "adam", epochs=10**6, threads=3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert len(side_by_side) > 2
    for net, other in zip(many, alone, strict=True):
        other.fit(X, NUMBERS, "adam", epochs=net.epochs)
        assert net.parameters.tobytes() == other.parameters.tobytes()


# networks that go alone ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "options"),
    [
        (NARROW, {"batch_size": 1}),
        (NARROW, {"clip": {"norm": 0.1}}),
        (NARROW, {"optimizer": Optimizer("mine", formula={"w": "w - learning_rate * g"})}),
        ([(3, {"formula": "tanh(a * h)", "a": 1.0, "trainable": ["a"]}), 2], {}),
        ([(3, Activation("mine", lambda h: np.tanh(h), lambda h: 1 - np.tanh(h) ** 2)), 2], {}),
        ([(200, "tanh"), (200, "tanh"), 2], {"batch_size": 64}),
    ],
)
def test_other_networks_are_trained_one_after_the_other(layers, options, side_by_side):
    assert_as_alone(lambda: networks(layers, count=9), X, NUMBERS, **{"epochs": 2, **options})
    assert side_by_side == []


def test_units_without_hidden_layers_are_trained_one_after_the_other(side_by_side):
    assert_as_alone(lambda: networks([(1, "identity")], count=9), X, NUMBERS[:, :1])
    assert side_by_side == []


def test_networks_of_several_kinds(side_by_side):
    def make():
        kinds = [(NARROW, "sse", "float64"), (NARROW, "sse", "float32"), (WIDE, "sse", "float64")]
        kinds += [(NARROW, "mse", "float64"), ([(200, "tanh"), (200, "tanh"), 2], "sse", "float64")]
        return [
            net for batch in zip(*(networks(*kind, count=16) for kind in kinds), strict=True) for net in batch
        ]

    assert_as_alone(make, X, NUMBERS, epochs=2, batch_size=4)
    assert sum(side_by_side) == 4 * 16


def test_large_networks_are_trained_one_after_the_other(monkeypatch):
    monkeypatch.setattr(together, "train", lambda *arguments: pytest.fail("side by side"))
    assert_as_alone(lambda: networks([(64, "tanh"), (64, "tanh"), 2], count=16), X, NUMBERS, batch_size=64)


def test_blocks_are_whole_vectors(side_by_side):
    assert_as_alone(lambda: networks(NARROW, count=140), X, NUMBERS, epochs=1, batch_size=4)
    assert sum(side_by_side) == 140
    assert len(side_by_side) > 1
    assert all(size == side_by_side[0] and size % 8 == 0 for size in side_by_side[:-1])


# arguments ----------------------------------------------------------------------------------------


def test_no_networks():
    assert fit_many([], X, NUMBERS) == []


def test_callbacks(side_by_side):
    seen = [[] for _ in range(16)]
    callbacks = [lambda epoch, values, k=k: seen[k].append(epoch) or epoch == k for k in range(16)]
    histories = fit_many(networks(NARROW, count=16), X, NUMBERS, callback=callbacks, epochs=5)
    assert seen == [list(range(min(k, 5) + 1)) for k in range(16)]
    assert [history.epochs for history in histories] == [min(k, 5) for k in range(16)]
    assert sum(side_by_side) == 16


def test_a_callback_that_raises_leaves_every_network_after_a_whole_epoch():
    def fail(epoch, values):
        if epoch == 2:
            raise RuntimeError("enough")

    many, alone = networks(NARROW, count=8), networks(NARROW, count=8)
    with pytest.raises(RuntimeError, match="enough"):
        fit_many(many, X, NUMBERS, callback=[None] * 4 + [fail] + [None] * 3, epochs=5)
    for net, other in zip(many, alone, strict=True):
        other.fit(X, NUMBERS, epochs=2)
        assert (net.epochs, net.parameters.tobytes()) == (2, other.parameters.tobytes())
    assert fit_many(many, X, NUMBERS, epochs=1)[0].epochs == 1  # no lock is left


def interrupt(number, frame):
    raise KeyboardInterrupt


@pytest.mark.parametrize("evaluate_every", [0, 1])
def test_an_interrupt_leaves_every_network_after_a_whole_epoch(evaluate_every, side_by_side):
    many, alone = networks(WIDE), networks(WIDE)
    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            fit_many(many, X, NUMBERS, "adam", epochs=10**6, evaluate_every=evaluate_every)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert side_by_side
    for net, other in zip(many, alone, strict=True):
        other.fit(X, NUMBERS, "adam", epochs=net.epochs)
        assert net.updates == other.updates
        assert net.parameters.tobytes() == other.parameters.tobytes()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"learning_rate": [0.1]}, ValueError, "learning_rate: expected one .* each of 3 networks, got 1"),
        ({"optimizer": ["sgd"] * 4}, ValueError, "optimizer: expected one for all networks, .* got 4"),
        ({"callback": [None]}, ValueError, "callback: expected one for all networks"),
        ({"learning_rate": [0.1, -1, 0.1]}, ValueError, "learning_rate"),
        ({"batch_size": 0}, ValueError, "batch_size must be"),
        ({"batchsize": 3}, TypeError, "batchsize"),
        ({"validation": X}, TypeError, "validation must be a pair"),
    ],
)
def test_arguments_are_checked_first(arguments, error, message):
    nets = networks(NARROW, count=3)
    before = [net.parameters.tobytes() for net in nets]
    with pytest.raises(error, match=message):
        fit_many(nets, X, NUMBERS, **arguments)
    assert [net.parameters.tobytes() for net in nets] == before


def test_networks_are_checked_first():
    net, other = networks(NARROW, count=2)
    with pytest.raises(TypeError, match="expected a sequence of networks, got one"):
        fit_many(net, X, NUMBERS)
    with pytest.raises(TypeError, match=r"networks\[1\]: expected a Network, got 3"):
        fit_many([net, 3], X, NUMBERS)
    with pytest.raises(ValueError, match=r"networks\[2\] is networks\[0\]"):
        fit_many([net, other, net], X, NUMBERS)
    with pytest.raises(ValueError, match=r"x must have shape \(n_samples, 3\)"):
        fit_many([net, other], X[:, :2], NUMBERS)
    other.parameters[1] = np.inf
    with pytest.raises(ValueError, match=r"networks\[1\].parameters\[1\] = inf"):
        fit_many([net, other], X, NUMBERS)
    with pytest.raises(ValueError, match="x: expected finite numbers"):
        fit_many([net], np.full_like(X, np.nan), NUMBERS)


def test_public_name():
    assert cygd.fit_many is fit_many
