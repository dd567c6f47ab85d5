"""Networks of Python functions, and errors in these functions."""

import numpy as np
import pytest

from cygd import Activation, Loss, Network, PluginError
from tests.helpers.network_cases import X, assert_close, swish, swish_derivative


def row_softmax(h):
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def row_softmax_backward(h, y_hat, g):
    return y_hat * (g - (g * y_hat).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rows", [1, 5, 300])
def test_python_components_equal_the_built_in_ones(rows, dtype):
    ours = [
        (4, Activation("swish", swish, swish_derivative)),
        (3, Activation("row_softmax", row_softmax, backward=row_softmax_backward)),
    ]
    loss = Loss("square", lambda y, y_hat: (y - y_hat) ** 2, lambda y, y_hat: 2 * (y_hat - y))
    plugin = Network(2, ours, loss=loss, dtype=dtype, seed=2)
    built_in = Network(2, [(4, "silu"), (3, "softmax")], loss="mse", dtype=dtype, seed=2)
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=(rows, 2)), rng.normal(size=(rows, 3))
    tolerance = {"float64": 1e-13, "float32": 1e-5}[dtype]
    np.testing.assert_allclose(plugin.predict(x), built_in.predict(x), rtol=tolerance, atol=tolerance)
    assert plugin.loss(x, y) == pytest.approx(built_in.loss(x, y), rel=tolerance)
    assert_close(plugin.gradient(x, y)[1], built_in.gradient(x, y)[1], 10 * tolerance)


def fail(*arrays):
    raise ZeroDivisionError("no such number")


def write(h, *others):
    h[...] = 0
    return h


MISTAKES = [
    (fail, "ZeroDivisionError: no such number"),
    (lambda *a: None, "TypeError: it returned None"),
    (lambda *a: a[-1][:1], r"ValueError: it returned shape \(1,\) for input of shape \(\d+,\)"),
    (lambda *a: a[-1] * 1j, "TypeError: it returned dtype complex128, not real numbers"),
    (lambda *a: a[-1].astype(object), "TypeError: it returned dtype object, not real numbers"),
    (write, "ValueError: assignment destination is read-only"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_the_error_of_an_activation_names_it_and_its_layer(mistake, message):
    net = Network(2, [(2, "tanh"), (2, Activation("mine", mistake, np.ones_like))])
    for call in (net.predict, lambda x: net.loss(x, x), lambda x: net.numerical_gradient(x, x)):
        with pytest.raises(PluginError, match=f"activation 'mine' of layer 1: {message}"):
            call(X)


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_the_error_of_a_derivative_names_the_activation_and_its_layer(mistake, message):
    net = Network(2, [(2, Activation("mine", np.tanh, mistake)), 2])
    net.predict(X)
    with pytest.raises(PluginError, match=f"activation 'mine' of layer 0: {message}"):
        net.gradient(X, X)


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_the_error_of_a_loss_names_it(mistake, message):
    for functions in ((mistake, lambda y, y_hat: y), (lambda y, y_hat: y, mistake)):
        net = Network(2, [2], loss=Loss("mine", *functions))
        with pytest.raises(PluginError, match=f"loss 'mine': {message}") as caught:
            net.gradient(X, X)
        assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (fail, "ZeroDivisionError: no such number"),
        (lambda h, y_hat, g: g[:, :1], r"ValueError: it returned shape \(\d+, 1\) for input of shape"),
    ],
)
def test_the_error_of_a_rowwise_activation_names_it_and_its_layer(backward, message):
    net = Network(2, [(2, Activation("mine", row_softmax, backward=backward))])
    with pytest.raises(PluginError, match=f"activation 'mine' of layer 0: {message}"):
        net.gradient(X, X)


def test_a_network_works_after_a_failed_call():
    def moody(h):
        if h.max() > 10:
            raise ValueError("too large")
        return h

    net = Network(2, [(2, Activation("moody", moody, np.ones_like))])
    expected = net.predict(X)
    with pytest.raises(PluginError, match="too large"):
        net.predict(X * 1000)
    np.testing.assert_array_equal(net.predict(X), expected)
