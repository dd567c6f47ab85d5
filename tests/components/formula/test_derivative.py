"""Derivatives: every function, compositions, and the conventions at kinks."""

import numpy as np
import pytest
from mpmath import mp, mpf

from cygd.components.formula import compile_activation, compile_loss
from tests.helpers.formula_interpreter import exact, run

POINTS = [-2.3, -0.9, -0.31, 0.27, 0.83, 1.7, 4.1]
POSITIVE = [0.27, 0.83, 1.7, 4.1]


def check(text, points, parameters=None):
    """Compare derivatives in 50 digits, so that rounding cannot hide a wrong term."""
    programs = compile_activation(text, parameters or {})
    with mp.workdps(50):
        for h in points:
            y_hat, derivative = exact(programs.value_and_derivative, [h])
            expected = mp.diff(lambda x: exact(programs.forward, [x])[0], mpf(h), h=mpf(10) ** -20)
            assert abs(derivative - expected) <= mpf(10) ** -13 * max(1, abs(expected)), f"{text} at {h}"
            [from_output] = exact(programs.derivative, [h, y_hat])
            assert abs(from_output - derivative) <= mpf(10) ** -13 * max(1, abs(derivative))


@pytest.mark.parametrize(
    "name",
    "exp expm1 sin cos tan sinh cosh tanh arctan sigmoid softplus erf erfc abs sign relu".split(),  # noqa: SIM905
)
def test_derivatives_of_functions(name):
    check(f"{name}(h)" if name != "sign" else "h + sign(h)", POINTS)
    check(f"h * {name}(1 - 2 * h)", POINTS)


@pytest.mark.parametrize("name", ["log", "log1p", "sqrt"])
def test_derivatives_of_functions_of_positive_numbers(name):
    check(f"{name}(h)", POSITIVE)
    check(f"h * {name}(1 + h**2)", POINTS)


@pytest.mark.parametrize(
    "text",
    [
        "minimum(h, h**2)",
        "maximum(h, 1 - h)",
        "minimum(0.5, h)",
        "clip(h**2, 0.5, 2)",
        "where(h > 1 and h < 3, h**2, sin(h))",
        "h**5 - 3 * h**3 + 2 * h - 1",
        "h**3 / (1 + h**2)",
        "1 / (h * (1 + h**2)**2)",
        "(h + 2) / (h**2 + abs(h) + 1)**1.5",
        "h**-3",
        "abs(h)**0.3",
        "abs(h)**-2.5",
        "abs(h)**h",
        "2**h * h**2",
        "e**sin(h)",
        "tanh(log(1 + h**2)) * h",
        "tanh(log(3 + sin(h)))",
        "tanh(log1p(h**2))",
        "h * tanh(log(1 + exp(h)))",
        "log(cosh(h**2))",
        "log(exp(h) + exp(0.1 * h))",
        "exp(h) / (1 + exp(2 * h))",
        "exp(1.5 * h) / (3 + exp(h))**2",
        "exp(-h) * sinh(h) / cosh(h)",
        "sin(cos(tanh(h) + h) * h)",
        "0.5 * h * (1 + tanh(sqrt(2 / pi) * (h + 0.044715 * h**3)))",
        "h * clip(h / 6 + 0.5, 0, 1)",
        "sigmoid(h) * sigmoid(-h) * (h + h**2)",
        "h * arctan(h) / (1 + exp(-h**2))",
        "softplus(softplus(h) - 1)",
        "sqrt(1 + sqrt(1 + h**2))",
    ],
)
def test_derivatives_of_compositions(text):
    check(text, POINTS)


def test_gradients_of_trainable_parameters():
    values = {"a": 0.7, "b": 1.3}
    text = "a * h * sigmoid(b * h) + b**2 * maximum(h, a)"
    programs = compile_activation(text, values, ["b", "a"])
    assert programs.gradient.uniforms == ("b", "a")
    assert programs.gradient.outputs == ("derivative", "derivative by b", "derivative by a")
    with mp.workdps(50):
        for h in POINTS:
            f = lambda h, b, a: exact(programs.forward, [h], [b, a])[0]  # noqa: E731
            at = [mpf(h), mpf(1.3), mpf(0.7)]
            found = exact(programs.gradient, [h, f(*at)], [1.3, 0.7])
            for n, got in enumerate(found):
                order = tuple(int(n == k) for k in range(3))
                assert abs(got - mp.diff(f, tuple(at), order)) < 1e-12


def test_a_trainable_parameter_may_be_named_derivative():
    text = "where(h > 0, h, derivative * h)"
    programs = compile_activation(text, {"derivative": 0.25}, ["derivative"])
    h = np.array([-2.0, 3.0])
    derivative, gradient = run(programs.gradient, [h, np.array([-0.5, 3.0])], [0.25])
    np.testing.assert_array_equal(derivative, [0.25, 1])
    np.testing.assert_array_equal(gradient, [-2, 0])


@pytest.mark.parametrize(
    ("text", "at", "derivative"),
    [
        ("abs(h)", 0, 0),
        ("sqrt(h**2)", 0, 0),
        ("relu(h)", 0, 0),
        ("minimum(h, 0)", 0, 0),
        ("maximum(0, h)", 0, 0),
        ("clip(h, -1, 1)", -1, 0),
        ("clip(h, -1, 1)", 1, 0),
        ("h + sign(h)", 0, 1),
        ("minimum(2 * h, 3 * h)", 0, 3),  # at equality the second operand counts
        ("minimum(3 * h, 2 * h)", 0, 2),
        ("maximum(2 * h, 3 * h)", 0, 3),
        ("maximum(3 * h, 2 * h)", 0, 2),
        ("where(h > 0, 5 * h, 7 * h)", 0, 7),
        ("where(h >= 0, 5 * h, 7 * h)", 0, 5),
    ],
)
def test_conventions_at_kinks(text, at, derivative):
    programs = compile_activation(text)
    h = np.array([at, np.nan])
    y_hat, found = run(programs.value_and_derivative, [h])
    np.testing.assert_array_equal(found, [derivative, np.nan if "sign" not in text else 1])
    np.testing.assert_array_equal(run(programs.derivative, [h, y_hat])[0], found)


def test_derivative_is_computed_from_the_output():
    assert [op for op, *_ in compile_activation("tanh(h)").derivative.body] == ["fnma"]
    assert [op for op, *_ in compile_activation("exp(h)").derivative.body] == ["copy"]
    assert [op for op, *_ in compile_activation("sigmoid(h)").derivative.body] == ["sub", "mul"]
    for text in ("tanh(h)", "exp(h)", "sigmoid(h)"):
        assert all(0 not in slots[1:] for _, *slots in compile_activation(text).derivative.body)


def test_losses_are_differentiated_by_y_hat():
    programs = compile_loss("y**3 * y_hat**2 + y")
    assert programs.derivative.inputs == ("y", "y_hat")
    np.testing.assert_array_equal(run(programs.derivative, [[2.0], [5.0]])[0], [80])
