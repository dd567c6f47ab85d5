"""Networks of one layer, whose rows are read as they lie: every tile, tail and block against long doubles."""

import numpy as np
import pytest

from cygd import Activation, Loss, Network, core
from cygd.core import _f32, _f64, dispatch
from cygd.core.random import epoch_order

RNG = np.random.default_rng(0)
DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])
EPS = {"float64": 2.0**-53, "float32": 2.0**-24}
THREADS = (2, 3, 4, 8)
ACTIVATIONS = [row["name"] for row in core.names()["activations"]]
# targets in the domain of every loss, for outputs between 0 and 1
TARGETS = {"hinge": (-1.0, 1.0), "squared_hinge": (-1.0, 1.0)}
OF_SEVERAL_UNITS = {"softmax", "cross_entropy"}  # refused for one unit


def width(dtype):
    return 64 // np.dtype(dtype).itemsize


def make(d, m, dtype, activation="sigmoid", loss="sse", **layer):
    net = Network(d, [{"units": m, "activation": activation, **layer}], loss=loss, dtype=dtype, seed=d + m)
    if net.biases[0] is not None:
        net.biases[0][:] = RNG.normal(size=m)
    return net


def draw(n, d, m, dtype):
    return RNG.normal(size=(n, d)).astype(dtype), RNG.uniform(0.1, 0.9, (n, m)).astype(dtype)


def assert_exact(net, x, y, weight=None):
    """Compare sigmoid units and the sum of squared errors with long doubles."""
    eps, (n, d) = EPS[str(net.dtype)], x.shape
    given = np.ones(n) if weight is None else weight
    arrays = (x, y, *net.weights, *net.biases, given[:, None])
    xs, ys, w, b, factor = (np.asarray(a, np.longdouble) for a in arrays)
    y_hat = 1 / (1 + np.exp(-(xs @ w + b)))
    delta = factor * (y_hat - ys) * y_hat * (1 - y_hat)
    xs = np.hstack([xs, np.ones((n, 1))])
    off = (20 + d) * eps  # of an output, whose slope is at most 1/4
    np.testing.assert_allclose(net.predict(x), y_hat, atol=off, rtol=0)
    value, gradient = net.gradient(x, y, weight)
    assert value == net.loss(x, y, weight)
    expected = (factor * (ys - y_hat) ** 2).sum() / 2
    assert abs(value - expected) <= (off + (20 + n) * eps) * factor.sum() * y.shape[1]
    most = np.abs(xs.T) @ (n * eps * np.abs(delta) + off * factor)
    assert (np.abs(gradient.reshape(d + 1, -1) - xs.T @ delta) <= most).all()


@DTYPES
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 7, 10, 13, 15, 16, 17])
def test_every_number_of_outputs_and_of_inputs(m, dtype, level):
    line = width(dtype)
    for d in (1, 2, line - 1, line, line + 1, 2 * line, 3 * line - 1, 4 * line, 4 * line + 1, 100):
        assert_exact(make(d, m, dtype), *draw(37, d, m, dtype))


@DTYPES
@pytest.mark.parametrize("m", [1, 3])
def test_every_number_of_rows(m, dtype, level):
    for n in (1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257, 513, 1000):
        for d in (width(dtype) + 1, 100, 700):
            assert_exact(make(d, m, dtype), *draw(n, d, m, dtype))


@DTYPES
def test_no_rows(dtype, level):
    for m in (1, 3):
        net = make(9, m, dtype)
        x, y = draw(0, 9, m, dtype)
        assert net.predict(x).shape == (0, m)
        value, gradient = net.gradient(x, y)
        assert value == 0
        np.testing.assert_array_equal(gradient, np.zeros(10 * m))


@DTYPES
@pytest.mark.parametrize("m", [1, 3, 10])
def test_v3_and_v4_give_the_same_bits(m, dtype):
    if "v4" not in dispatch.levels():
        pytest.skip("this machine has one fused level")
    for n, d in ((1, 1), (33, 7), (100, 33), (300, 100)):
        x, y = draw(n, d, m, dtype)
        found = []
        for name in ("v3", "v4"):
            dispatch.select(name)
            net = Network(d, [(m, "tanh")], loss="mse", dtype=dtype, seed=1)
            found.append((net.predict(x).tobytes(), *(np.asarray(a).tobytes() for a in net.gradient(x, y))))
        assert found[0] == found[1]


@DTYPES
@pytest.mark.parametrize("m", [1, 4])
def test_threads_change_no_bit(m, dtype):
    x, y = draw(5003, 40, m, dtype)
    weight = RNG.exponential(size=5003).astype(dtype)

    def results(threads):
        net = Network(40, [(m, "sigmoid")], loss="mse", dtype=dtype, seed=1)
        value, gradient = net.gradient(x, y, weight, threads=threads)
        outputs = net.predict(x, threads=threads)
        history = net.fit(x, y, epochs=3, batch_size=1700, sample_weight=weight, threads=threads)
        return [value, *gradient, *outputs.ravel(), *history["running_loss"], *net.parameters]

    alone = results(1)
    for threads in THREADS:
        assert results(threads) == alone


@DTYPES
@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_row(special, m, dtype, level):
    for d in (width(dtype) - 1, width(dtype) + 3):
        n = 40
        buffer = np.full((n + 1) * d, np.nan, dtype)  # what follows the rows is NaN
        x = buffer[: n * d].reshape(n, d)
        x[:] = RNG.normal(size=(n, d))
        net = make(d, m, dtype)
        expected = net.predict(x)
        x[17, d - 1] = special
        found = net.predict(x)
        limit = special * np.sign(net.weights[0][d - 1])
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(found[17], 1 / (1 + np.exp(-limit)))
        np.testing.assert_array_equal(np.delete(found, 17, 0), np.delete(expected, 17, 0))


@DTYPES
def test_a_nan_reaches_the_gradient_of_its_column_and_of_its_row(dtype, level):
    d, m = width(dtype) + 3, 3
    x, y = draw(40, d, m, dtype)
    net = make(d, m, dtype)
    y[39, 1] = np.nan  # the last row, which the padding repeats
    value, gradient = net.gradient(x, y)
    assert np.isnan(value)
    broken = np.isnan(gradient).reshape(d + 1, m)
    np.testing.assert_array_equal(broken, np.broadcast_to([False, True, False], (d + 1, m)))


@DTYPES
@pytest.mark.parametrize("m", [1, 5])
def test_sample_weights(m, dtype, level):
    net = make(30, m, dtype)
    x, y = draw(301, 30, m, dtype)
    assert_exact(net, x, y, RNG.integers(0, 4, 301).astype(dtype))
    assert_exact(net, x, y, np.zeros(301, dtype))


@DTYPES
@pytest.mark.parametrize("m", [1, 5])
def test_a_subset_is_the_same_as_its_copy(m, dtype, level):
    net = make(30, m, dtype)
    x, y = draw(500, 30, m, dtype)
    weight = RNG.exponential(size=500).astype(dtype)
    rows = RNG.integers(0, 500, 333)
    found, gradient = np.empty((333, m), dtype), np.empty_like(net.parameters)
    value = net._pass(net._dataset(x, y, weight, rows), out=found, gradient=gradient)
    expected, slopes = np.empty((333, m), dtype), np.empty_like(net.parameters)
    assert value == net._pass(net._dataset(x[rows], y[rows], weight[rows]), out=expected, gradient=slopes)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(gradient, slopes)


@DTYPES
@pytest.mark.parametrize("batch", [1, 7, 32, 100, 333])
def test_shuffled_batches_take_the_rows_of_their_order(batch, dtype):
    x, y = draw(333, 20, 2, dtype)
    shuffled, ordered = make(20, 2, dtype), make(20, 2, dtype)
    ordered.parameters[:] = shuffled.parameters
    shuffled.fit(x, y, epochs=1, batch_size=batch, shuffle=True, learning_rate=0.01)
    order = epoch_order(shuffled.seed, 0, 333)
    ordered.fit(x[order], y[order], epochs=1, batch_size=batch, shuffle=False, learning_rate=0.01)
    np.testing.assert_array_equal(shuffled.parameters, ordered.parameters)


@pytest.mark.parametrize("m", [1, 3])
def test_an_epoch_of_batches_is_the_rule_step_by_step(m):
    x, y = draw(100, 12, m, "float64")
    net = make(12, m, "float64", "identity")
    w, b = net.weights[0].copy(), net.biases[0].copy()
    net.fit(x, y, epochs=1, batch_size=32, shuffle=False, learning_rate=0.01)
    for first in range(0, 100, 32):
        rows = slice(first, first + 32)
        error = x[rows] @ w + b - y[rows]
        w, b = w - 0.01 * x[rows].T @ error, b - 0.01 * error.sum(0)
    np.testing.assert_allclose(net.weights[0], w, rtol=1e-12)
    np.testing.assert_allclose(net.biases[0], b, rtol=1e-12)


def assert_as_in_two_layers(net, x, y):
    """Compare with the same layer under one that hands its outputs on, which goes the ordinary way."""
    m = net.n_outputs
    last = {"units": m, "activation": "identity", "weights": np.eye(m), "bias": False}
    first = {"units": m, "activation": net.layers[0].activation}
    other = Network(net.n_inputs, [first, last], loss=net.loss_function, dtype=net.dtype)
    other.parameters[: net.parameters.size] = net.parameters
    near = {"rtol": 1e-9, "atol": 1e-12} if net.dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-5}
    np.testing.assert_allclose(net.predict(x), other.predict(x), **near)
    value, gradient = net.gradient(x, y)
    expected, slopes = other.gradient(x, y)
    np.testing.assert_allclose(value, expected, **near)
    np.testing.assert_allclose(gradient, slopes[: gradient.size], **near)


@DTYPES
@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation, m, dtype):
    if activation in OF_SEVERAL_UNITS:
        m = max(m, 2)
    assert_as_in_two_layers(make(20, m, dtype, activation, "mse"), *draw(77, 20, m, dtype))


@DTYPES
@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("loss", [row["name"] for row in core.names()["losses"]])
def test_every_loss(loss, m, dtype):
    if loss in OF_SEVERAL_UNITS:
        m = max(m, 2)
    x, y = draw(77, 20, m, dtype)
    if loss in TARGETS:
        y = np.where(y > 0.5, *TARGETS[loss]).astype(dtype)
    assert_as_in_two_layers(make(20, m, dtype, "sigmoid", loss), x, y)
    if m > 1:
        assert_as_in_two_layers(make(20, m, dtype, "softmax", loss), x, y)


@pytest.mark.parametrize("m", [1, 3])
def test_components_of_ones_own(m):
    x, y = draw(77, 20, m, "float64")
    bent = Activation("bent", lambda h: np.sqrt(h * h + 1) + h, lambda h: h / np.sqrt(h * h + 1) + 1)
    cubed = Loss("cubed", lambda y, o: np.abs(o - y) ** 3, lambda y, o: 3 * (o - y) * np.abs(o - y))
    swish = {"formula": "h * sigmoid(beta * h)", "beta": 1.2, "trainable": ["beta"]}
    for activation, loss in ((bent, "mse"), ("tanh", cubed), (swish, "mse"), ({"formula": "h**3"}, cubed)):
        assert_as_in_two_layers(make(20, m, "float64", activation, loss), x, y)


@pytest.mark.parametrize("m", [1, 3, 10])
@pytest.mark.parametrize("pair", [("sigmoid", "sse"), ("softmax", "cross_entropy"), ("tanh", "mse")])
def test_the_gradient_is_the_limit_of_differences(pair, m, level):
    if pair[0] in OF_SEVERAL_UNITS:
        m = max(m, 2)
    x, y = draw(70, 13, m, "float64")
    net = make(13, m, "float64", *pair, l2=0.1)
    weight = RNG.exponential(size=70)
    expected = net.numerical_gradient(x, y, sample_weight=weight)
    np.testing.assert_allclose(net.gradient(x, y, weight)[1], expected, rtol=1e-5, atol=1e-6)


@DTYPES
@pytest.mark.parametrize("m", [1, 3])
def test_without_bias(m, dtype, level):
    net, other = make(20, m, dtype, bias=False), make(20, m, dtype)
    other.weights[0][:], other.biases[0][:] = net.weights[0], 0
    x, y = draw(50, 20, m, dtype)
    np.testing.assert_array_equal(net.predict(x), other.predict(x))
    np.testing.assert_array_equal(net.gradient(x, y)[1], other.gradient(x, y)[1][:-m])


@pytest.mark.parametrize(("module", "dtype"), [(_f64, "float64"), (_f32, "float32")])
def test_reading_reads_everything_once(module, dtype):
    x = np.arange(1, 2500, dtype=dtype)
    for threads in (1, 2, 8):
        seconds, total = module.read_seconds(x, threads)
        assert seconds >= 0
        np.testing.assert_allclose(total, np.sum(x.astype(float) ** 2), rtol=1e-5)
    for wrong in (0, 9):
        with pytest.raises(ValueError, match="threads"):
            module.read_seconds(x, wrong)
