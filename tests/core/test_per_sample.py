"""Batches of one row: against one row at a time in NumPy, and against chunks."""

import signal
import threading

import numpy as np
import pytest

from cygd import Network, Optimizer
from cygd.components.activations import ACTIVATIONS
from cygd.components.losses import LOSSES
from cygd.components.optimizers import OPTIMIZERS
from cygd.core import dispatch
from tests.helpers.network_cases import draw_targets, fitting_output
from tests.helpers.reference import Reference
from tests.helpers.ulp import needs_both_fused_levels

WIDTHS = (1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 31, 32, 33, 47, 48, 63, 64, 65, 100, 129, 1000)
UNITS = [
    ("identity", "sse"),
    ("identity", "squared_error"),
    ("identity", "mse"),
    ("sigmoid", "sse"),
    ("sigmoid", "mse"),
    ("sigmoid", "binary_cross_entropy"),
    ("tanh", "huber"),
    ("softplus", "poisson"),
    ({"formula": "h * sigmoid(h)"}, "sse"),
]
both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


def descent():
    """Plain gradient descent as a Python function: it is given whole batches, which go through chunks."""

    def update(w, g, state, learning_rate, step):
        w -= learning_rate * g

    return Optimizer("descent", update)


def rows(n, width, seed=0, outputs=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)), rng.uniform(0.05, 0.95, size=(n, outputs))


def unit(width, activation="identity", loss="sse", dtype="float64", bias=True):
    layer = {"units": 1, "activation": activation, "bias": bias}
    return Network(width, [layer], loss=loss, dtype=dtype, seed=4)


def fitted(net, x, y, optimizer="sgd", rate=None, epochs=2, **options):
    rate = 0.05 / x.shape[1] ** 0.5 if rate is None else rate
    return net.fit(x, y, optimizer, rate, epochs=epochs, batch_size=1, **options)


def close(actual, expected, dtype, steps):
    """Compare parameters after so many updates, each of which rounds a few times."""
    tolerance = 4 * np.finfo(dtype).eps * np.sqrt(steps)
    size = max(
        np.abs(expected).max(), 0.05
    )  # that of a step, where steps have taken most of a parameter away
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * size)


def same_bits(call):
    """Return the results at v3 and v4, which must be the same."""
    found = []
    for name in ("v3", "v4"):
        dispatch.select(name)
        found.append(call())
    np.testing.assert_array_equal(*(array.view(np.uint8) for array in found))


def reference_epochs(net, x, y, rate, epochs, **options):
    reference = Reference(net)

    def update(w, g):
        w -= rate * g

    running = reference.train(x, y, update, epochs=epochs, batch_size=1, **options)
    return reference.parameters, running


# one unit -------------------------------------------------------------------------------------------


def test_one_row_by_hand():
    # h = 2 3 + 1 = 7, e = 5 - 7: w = 2 - 0.5 2 3, b = 1 - 0.5 2
    net = unit(1)
    net.parameters[...] = [2, 1]
    history = net.fit([[3.0]], [[5.0]], "sgd", 0.5, epochs=1, batch_size=1)
    np.testing.assert_array_equal(net.parameters, [-1, 0])
    assert history["running_loss"] == [2.0]


def test_two_rows_by_hand_the_second_sees_the_first():
    # the first row makes w = 1, b = 1 of zeros; the second has h = 2 + 1 = 3, e = 1 - 3: w = 1 - 4, b = 1 - 2
    net = unit(1)
    net.parameters[...] = 0
    history = net.fit([[1.0], [2.0]], [[1.0], [1.0]], "sgd", 1.0, epochs=1, batch_size=1, shuffle=False)
    np.testing.assert_array_equal(net.parameters, [-3, -1])
    assert history["running_loss"] == [0.5 + 2.0]


@both_types
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("activation", "loss"), UNITS[:6])
def test_a_unit_is_trained_as_one_row_at_a_time(width, activation, loss, dtype, level):
    x, y = rows(75, width)  # blocks of eight and of four, and what is left of a run
    x, y = x.astype(dtype).astype(float), y.astype(dtype).astype(float)
    net = unit(width, activation, loss, dtype)
    rate = 0.05 / width**0.5
    expected, running = reference_epochs(net, x, y, rate, 2)
    history = fitted(net, x, y, rate=rate)
    close(net.parameters, expected, dtype, 150)
    np.testing.assert_allclose(history["running_loss"], running, rtol=100 * np.finfo(dtype).eps)


@both_types
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129])
@pytest.mark.parametrize("width", [3, 90])
@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh"])
def test_any_number_of_rows(n, width, activation, dtype, level):
    x, y = rows(n, width)
    net, other = (unit(width, activation, "sse", dtype) for _ in range(2))
    first, second = fitted(net, x, y), fitted(other, x, y, descent())
    close(net.parameters, other.parameters, dtype, 2 * n)
    np.testing.assert_allclose(first["running_loss"], second["running_loss"], rtol=100 * np.finfo(dtype).eps)


@both_types
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("width", [1, 8, 16, 31, 200])
@pytest.mark.parametrize(("activation", "loss"), UNITS)
def test_a_unit_against_the_chunks(activation, loss, width, bias, dtype, level):
    x, y = rows(77, width)
    weight = np.random.default_rng(1).exponential(size=77)
    weight[5] = weight[40] = 0
    net, other = (unit(width, activation, loss, dtype, bias) for _ in range(2))
    first = fitted(net, x, y, sample_weight=weight)
    second = fitted(other, x, y, descent(), sample_weight=weight)
    close(net.parameters, other.parameters, dtype, 300)
    np.testing.assert_allclose(first["running_loss"], second["running_loss"], rtol=100 * np.finfo(dtype).eps)
    assert net.updates == other.updates == 154


@pytest.mark.parametrize(
    ("dtype", "rate"),  # at 20 the rounding of float32 grows with every step
    [("float32", 0.5), ("float32", 3000.0), ("float64", 0.5), ("float64", 20.0), ("float64", 3000.0)],
)
@pytest.mark.parametrize("loss", ["sse", "binary_cross_entropy"])
@pytest.mark.parametrize("width", [5, 120])
def test_a_sigmoid_far_from_where_its_block_began(width, loss, dtype, rate, level):
    # what the rows before add to a net input leaves the range of the short polynomial, and of 2^n
    x, y = rows(96, width)
    y = np.round(y)
    net, other = (unit(width, "sigmoid", loss, dtype) for _ in range(2))
    first = fitted(net, x, y, rate=rate, epochs=1)
    second = fitted(other, x, y, descent(), rate=rate, epochs=1)
    np.testing.assert_allclose(net.parameters, other.parameters, rtol=1e-3, atol=1e-3 * rate)
    np.testing.assert_allclose(first["running_loss"], second["running_loss"], rtol=1e-3)


@both_types
@pytest.mark.parametrize(
    "h", [0.0, -0.0, 0.3, -0.35, 5, -40, 79.9, -80.1, 87.5, -100, 699, -701, 708.5, -740, 3000]
)
def test_the_outputs_behind_a_sigmoid_are_those_of_the_kernel(h, dtype, level):
    # with a rate of 0 the loss shows y_hat: (0 - y_hat)^2 / 2 in a block of equal rows
    x = np.full((8, 1), h, dtype)
    net = unit(1, "sigmoid", "sse", dtype)
    net.parameters[...] = [1, 0]
    got = fitted(net, x, np.zeros((8, 1)), rate=1e-30, epochs=1)["running_loss"][0]
    expected = 4 * net.predict(x[:1])[0, 0].astype(float) ** 2
    np.testing.assert_allclose(got, expected, rtol=30 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).tiny)


@both_types
@pytest.mark.parametrize("width", [4, 120])
def test_products_of_rows_that_overflow_do_no_harm_where_the_rows_do_not(width, dtype, level):
    # x_i . x_j is inf, and 0 times it would be NaN: errors are 0, so nothing moves
    x = np.full((16, width), 1e30 if dtype == "float32" else 1e200)
    net = unit(width, dtype=dtype)
    net.parameters[...] = 0
    history = fitted(net, x, np.zeros((16, 1)))
    np.testing.assert_array_equal(net.parameters, 0)
    assert history["running_loss"] == [0, 0]


@both_types
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 7, 30, 76])
@pytest.mark.parametrize(
    "layers", [[(1, "identity")], [(1, "sigmoid")], [(1, "softsign")], [(5, "tanh"), (1, "identity")]]
)
def test_a_row_that_is_not_finite_diverges_as_through_chunks(layers, where, bad, dtype, level):
    for width in (3, 90):
        x, y = rows(77, width)
        kept = Network(width, layers, loss="sse", dtype=dtype, seed=4).parameters.copy()
        x[where, width - 1] = bad
        results = []
        for optimizer in ("sgd", descent()):
            net = Network(width, layers, loss="sse", dtype=dtype, seed=4)
            history = fitted(net, x, y, optimizer, check_finite=False)
            results.append((net.parameters.copy(), history.status, net.epochs))
        np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-3)
        assert results[0][1:] == results[1][1:]
        if np.isnan(bad):
            np.testing.assert_array_equal(results[0][0], kept)
            assert results[0][2] == 0


# any network ----------------------------------------------------------------------------------------


@both_types
@pytest.mark.parametrize("loss", [row.name for row in LOSSES])
@pytest.mark.parametrize("activation", [row.name for row in ACTIVATIONS])
def test_every_activation_and_loss_against_the_chunks(activation, loss, dtype):
    x, _ = rows(21, 3)
    y = draw_targets(loss, np.random.default_rng(2), 21, 3)
    layers = [(4, activation), (9, activation), (3, fitting_output(activation, loss))]
    net, other = (Network(3, layers, loss=loss, dtype=dtype, seed=6) for _ in range(2))
    first, second = fitted(net, x, y, rate=1e-3), fitted(other, x, y, descent(), rate=1e-3)
    tolerance = 1e-11 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(net.parameters, other.parameters, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(first["running_loss"], second["running_loss"], rtol=tolerance)


SHAPES = [(1, 1, 1), (3, 2, 5), (7, 8, 9), (15, 16, 17), (33, 1, 31), (2, 70, 2), (100, 40, 10), (5, 300, 1)]


@both_types
@pytest.mark.parametrize("shape", SHAPES)
def test_layers_of_any_width_are_trained_as_one_row_at_a_time(shape, dtype, level):
    inputs, units, outputs = shape
    x, y = rows(19, inputs, outputs=outputs)
    x, y = x.astype(dtype).astype(float), y.astype(dtype).astype(float)
    layers = [(units, "tanh"), (units + 1, "sigmoid"), (outputs, "identity")]
    net = Network(inputs, layers, loss="mse", dtype=dtype, seed=4)
    rate = 0.1 / units**0.5 if units < 100 else 0.001
    expected, running = reference_epochs(net, x, y, rate, 2)
    history = fitted(net, x, y, rate=rate)
    close(net.parameters, expected, dtype, 400)
    np.testing.assert_allclose(history["running_loss"], running, rtol=1e3 * np.finfo(dtype).eps)


@both_types
@pytest.mark.parametrize("clip", [None, {"norm": 0.1}, {"value": 0.01}])
@pytest.mark.parametrize("name", [row.name for row in OPTIMIZERS])
def test_every_optimizer_against_its_formula_on_chunks(name, clip, dtype, level):
    x, y = rows(30, 5, outputs=3)
    # the second goes through the chunks: it has one more parameter that is trained, and never moves
    still = {"formula": "h * sigmoid(h) + 0 * a", "a": 0, "trainable": ["a"]}
    nets = []
    for last in ({"formula": "h * sigmoid(h)"}, still):
        layers = [
            {"units": 9, "activation": "tanh", "dropout": 0.3, "l1": 1e-3, "l2": 1e-2},
            {"units": 3, "activation": last, "bias": False},
        ]
        nets.append(Network(5, layers, loss="mse", dtype=dtype, seed=4))
        optimizer = next(row for row in OPTIMIZERS if row.name == name)
        nets[-1].fit(x, y, optimizer, 1e-3, epochs=2, batch_size=1, clip=clip)
    tolerance = 1e-9 if dtype == "float64" else 2e-3
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters[:-1], rtol=tolerance, atol=tolerance)


@both_types
def test_a_run_in_pieces_is_the_run_in_one(dtype):
    x, y = rows(30, 5, outputs=3)
    for name in ("sgd", "adam"):
        optimizers = [next(row for row in OPTIMIZERS if row.name == name).configured({}) for _ in range(2)]
        nets = [Network(5, [(9, "tanh"), (3, "identity")], dtype=dtype, seed=4) for _ in range(2)]
        fitted(nets[0], x, y, optimizers[0], epochs=4)
        for _ in range(4):
            fitted(nets[1], x, y, optimizers[1], epochs=1)
        np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


# the bits -------------------------------------------------------------------------------------------


@needs_both_fused_levels
@both_types
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("activation", "loss"), UNITS)
def test_v3_and_v4_train_a_unit_to_the_same_bits(activation, loss, width, dtype):
    x, y = rows(77, width)

    def trained():
        net = unit(width, activation, loss, dtype)
        history = fitted(net, x, y, epochs=3)
        return np.append(net.parameters, history["running_loss"])

    same_bits(trained)


@needs_both_fused_levels
@both_types
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("shape", SHAPES)
def test_v3_and_v4_train_a_network_to_the_same_bits(shape, optimizer, dtype):
    inputs, units, outputs = shape
    x, y = rows(19, inputs, outputs=outputs)

    def trained():
        output, loss = ("softmax", "cross_entropy") if outputs > 1 else ("sigmoid", "mse")
        layers = [(units, "gelu"), (2 * units, "relu"), (outputs, output)]
        net = Network(inputs, layers, loss=loss, dtype=dtype, seed=4)
        history = fitted(net, x, y, optimizer, rate=1e-3)
        return np.append(net.parameters, history["running_loss"])

    same_bits(trained)


@pytest.mark.parametrize("layers", [[(1, "sigmoid")], [(30, "tanh"), (1, "identity")]])
def test_threads_change_nothing(layers):
    x, y = rows(100, 40)
    found = []
    for threads in (1, 2, 8):
        net = Network(40, layers, loss="sse", seed=4)
        fitted(net, x, y, threads=threads)
        found.append(net.parameters)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


# interrupts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [[(1, "identity")], [(1, "tanh")], [(400, "tanh"), (1, "identity")]])
def test_ctrl_c_within_an_epoch_leaves_the_weights_of_the_last_whole_one(layers):
    x, y = rows(10_000, 300)
    net = Network(300, layers, loss="sse", seed=4)
    main = threading.main_thread().ident
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            net.fit(x, y, "sgd", 1e-9, epochs=1_000_000, batch_size=1, shuffle=False)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    expected = Network(300, layers, loss="sse", seed=4)
    if net.epochs:
        expected.fit(x, y, "sgd", 1e-9, epochs=net.epochs, batch_size=1, shuffle=False)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
