"""Activations: arguments, evaluation and invalid results."""

import logging

import numpy as np
import pytest

from cygd.components import Activation
from cygd.components.activations import ACTIVATIONS
from cygd.errors import PluginError
from tests.helpers.component_cases import SWISH, double, softmax, softmax_backward, square, swish


def test_activation_of_numpy_functions():
    h = np.linspace(-3, 3, 12).reshape(4, 3)
    y_hat = SWISH.evaluate(h)
    assert SWISH.tier == "numpy"
    assert SWISH.derivative_takes_y_hat
    np.testing.assert_array_equal(y_hat, swish(h, 1.0))
    measured = (swish(h + 1e-6, 1.0) - swish(h - 1e-6, 1.0)) / 2e-6
    np.testing.assert_allclose(SWISH.evaluate_derivative(h), measured, rtol=1e-8)
    np.testing.assert_array_equal(SWISH.evaluate_derivative(h), SWISH.evaluate_derivative(h, y_hat))
    np.testing.assert_array_equal(SWISH.backpropagate(h, y_hat, h), h * SWISH.evaluate_derivative(h))


@pytest.mark.parametrize(
    ("derivative", "parameters", "takes"),
    [
        (lambda h: h, {}, False),
        (lambda h, beta: h, {"beta": 1.0}, False),
        (lambda h, y_hat: h, {}, True),
        (lambda h, y, beta: h, {"beta": 1.0}, True),
        (lambda h, *, beta: h, {"beta": 1.0}, False),
        (lambda h, y_hat=None: h, {}, True),
        (lambda h, out=None: h, {}, False),
        (np.cos, {}, False),
        (np.multiply, {}, True),
    ],
)
def test_derivative_takes_y_hat_by_its_signature(derivative, parameters, takes):
    activation = Activation("a", lambda h, **p: h, derivative, parameters)
    assert activation.derivative_takes_y_hat is takes


def test_missing_derivative_is_numerical_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING, "cygd"):
        activation = Activation("cube", lambda h, scale: scale * h**3, parameters={"scale": 1.0})
    assert "activation 'cube' has no derivative: it is computed by central differences" in caplog.text
    assert "give derivative=df(h)" in caplog.text
    assert activation.numerical
    h = np.linspace(-30, 30, 25)
    np.testing.assert_allclose(activation.evaluate_derivative(h), 3 * h**2, rtol=1e-9, atol=1e-9)
    caplog.clear()
    twice = activation.configured({"scale": 2})
    assert not caplog.records
    narrow = twice.evaluate_derivative(h.astype(np.float32))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, 6 * h**2, rtol=1e-6, atol=1e-9)


def test_derivative_without_warning(caplog):
    assert not Activation("square", square, double).numerical
    assert not caplog.records


def test_row_wise_activation():
    activation = Activation("mine", softmax, backward=softmax_backward)
    assert activation.rowwise
    h, g = np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([[1.0, 2.0], [0.5, 0.0]])
    y_hat = activation.evaluate(h)
    delta = activation.backpropagate(h, y_hat, g)
    np.testing.assert_array_equal(delta, softmax_backward(h, y_hat, g))
    [built_in] = [row for row in ACTIVATIONS if row.name == "softmax"]
    assert built_in.rowwise
    np.testing.assert_allclose(built_in.backpropagate(h, y_hat, g), delta, rtol=1e-14)
    with pytest.raises(TypeError, match=r"activation 'mine' is row-wise: .* so f'\(h\) does not exist"):
        activation.evaluate_derivative(h)


def test_built_in_activation_runs_in_the_core():
    [leaky] = [row for row in ACTIVATIONS if row.name == "leaky_relu"]
    leaky = leaky.configured({"slope": 0.5})
    np.testing.assert_array_equal(leaky.evaluate([-2.0, 2.0]), [-1.0, 2.0])
    np.testing.assert_array_equal(leaky.evaluate_derivative([-2.0, 2.0]), [0.5, 1.0])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "^activation 'a': no function; give function=, formula= or pointer=$"),
        ({"function": None}, "activation 'a': no function"),
        ({"derivative": double}, "activation 'a': no function"),
        ({"function": 3}, r"function: expected a function of \(h\), got int"),
        ({"function": lambda: 1}, r"function: expected a function of \(h\), got one of \(\)"),
        ({"function": lambda x, y: x}, r"function: expected a function of \(h\), got one of \(x, y\)"),
        (
            {"function": square, "derivative": double, "parameters": {"beta": 1.0}},
            r"function: expected a function of \(h, beta\), got one of \(h\)",
        ),
        ({"function": square, "derivative": lambda: 1}, r"derivative: expected a function of \(h\)"),
        ({"function": square, "derivative": lambda a, b, c: 1}, r"derivative: expected a function of \(h\)"),
        ({"function": square, "derivative": "double"}, r"derivative: expected a function of \(h\), got str"),
        ({"function": square, "backward": double}, r"backward: expected a function of \(h, y_hat, g\)"),
        (
            {"function": square, "derivative": double, "backward": double},
            "give derivative= or backward=",
        ),
        (
            {"function": square, "surrogate": True},
            "surrogate=True needs a derivative",
        ),
    ],
)
def test_invalid_activation(arguments, text):
    with pytest.raises(TypeError, match=text):
        Activation("a", **arguments)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, r"activation 'a': function: expected an array of shape \(2, 3\) of float64, got None"),
        (np.zeros(3), r"function: expected an array of shape \(2, 3\) of float64, got shape \(3,\)"),
        (1.0, r"got shape \(\)"),
        (np.zeros((2, 3), complex), "of float64, got dtype complex128"),
        (np.full((2, 3), "x"), "got dtype <U1"),
    ],
)
def test_invalid_activation_result(result, text):
    activation = Activation("a", lambda h: result, double)
    with pytest.raises(PluginError, match=text):
        activation.evaluate(np.zeros((2, 3)))


def test_activation_input_is_read_only():
    def careless(h):
        h *= 2
        return h

    h = np.ones(3)
    with pytest.raises(ValueError, match="read-only"):
        Activation("careless", careless, double).evaluate(h)
    np.testing.assert_array_equal(h, 1)
