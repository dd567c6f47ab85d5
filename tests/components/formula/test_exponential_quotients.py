"""Quotients and roots of sums of exponentials, and logarithms near 1, in both dtypes."""

import numpy as np
import pytest
from mpmath import mp, mpf

from cygd import Activation, Loss, Network
from cygd.components.formula import compile_activation

SMALL = [1e-12, 1e-6, 1e-3, 0.3, 0.9, 1.2, 2.7, 12.3]
LARGE = [20, 43.9, 88, 95, 355, 709, 800]
H = [-h for h in reversed(SMALL + LARGE)] + SMALL + LARGE
FUNCTIONS = {name: getattr(mp, name) for name in ("exp", "expm1", "log", "sqrt", "sinh", "cosh")}
FUNCTIONS["sigmoid"] = lambda x: 1 / (1 + mp.exp(-x))

QUOTIENTS = [
    "exp(h) / (exp(h) + exp(2 * h) + 1)",
    "(1 + exp(h))**2 / (1 + exp(2 * h))",
    "exp(2 * h) / (1 + exp(h) + exp(3 * h))",
    "(1 + exp(h)) * (1 + exp(-h)) / (3 + exp(2 * h) + exp(-2 * h))",
    "((1 + exp(h))**2 - 1) / ((1 + exp(h))**2 + 1)",
    "sinh(h) / (2 * cosh(h) + 1)",
    "cosh(h) / cosh(2 * h)",
    "1 / (1 + exp(h) + exp(h / 2))**1.5",
    "expm1(h)**2 / (1 + exp(3 * h))",
    "(2 + exp(h)) * sigmoid(h) / (3 + exp(h))",
    "(exp(0.3 * h) + 1) / (exp(1.1 * h) + 2)",
    "(exp(h - 3) + 1) / (exp(2 * h - 6) + 2)",
    "(exp(h) + 1) / (exp(2 * h - 6) + 2)",
    "exp(h - 3)**2 / (1 + exp(h - 3) + exp(2 * (h - 3)))",
    "expm1(3 * h) / expm1(5 * h)",
    "1 / (exp(h) + exp(h + 1))**1.5",
    "(exp(h) + exp(h + 1)) / (1 + exp(h))",
]
MIXED_QUOTIENTS = [
    "h * exp(h) / (exp(h) + exp(2 * h) + 1)",
    "(exp(h) + h) / (exp(h) + 1)",
    "1 / (exp(h) + h**2 + 1)",
    "h**2 * exp(h) / (exp(2 * h) + 2)",
    "(exp(h) - 1 + h) / (1 + exp(2 * h))",
    "exp(-h**2) / (1 + exp(h) + exp(2 * h))",
    "(exp(h) + exp(h / 2 + h**2 / 40)) / (2 + exp(h) + exp(h**2 / 20))",
]
ROOTS = [
    "sqrt(exp(2 * h) + 1)",
    "sqrt(exp(h) + exp(-h) + 3)",
    "(1 + exp(3 * h))**0.25",
    "sqrt(exp(2 * h) + exp(-h) + h**2)",
    "exp(h) / sqrt(1 + exp(2 * h))",
    "sigmoid(h)**0.3",
]
LOGARITHMS_NEAR_ONE = [
    "log(exp(h) + h**2)",
    "log(0.5 + 0.5 * exp(h))",
    "log(2 * exp(h) - 1 + 3 * h**2)",
    "log(cosh(h) + h**2)",
    "log(exp(h) + sinh(h)**2)",
    "log(exp(h) / 4 + exp(-h) / 4 + 0.5 + h**4)",
]


def exact(text, h):
    """Return f(h) and f'(h), by differences in numbers of many digits."""
    size = 60 + int(2 * abs(h))
    with mp.workdps(2 * size):

        def f(x):
            return eval(text, {**FUNCTIONS, "h": x})

        step = mpf(10) ** -size
        x = mpf(float(h))
        return f(x), (f(x + step) - f(x - step)) / (2 * step)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("text", QUOTIENTS + MIXED_QUOTIENTS + ROOTS + LOGARITHMS_NEAR_ONE)
def test_values_and_derivatives_keep_their_digits(text, dtype):
    activation = Activation("f", formula=text)
    h = np.array([x for x in H if "h**2 /" not in text or abs(x) < 100], dtype)
    h = h[h != 0] if "expm1(5" in text else h
    y_hat = activation.evaluate(h)
    eps, tiny, most = (float(getattr(np.finfo(dtype), name)) for name in ("eps", "tiny", "max"))
    for x, *found in zip(h, y_hat, activation.evaluate_derivative(h, y_hat), strict=True):
        for got, want in zip(found, exact(text, x), strict=True):
            if abs(want) > most:
                assert got == np.copysign(np.inf, float(mp.sign(want))), (x, got)
                continue
            error = abs(mpf(float(got)) - want) / max(abs(want), tiny) / eps
            # an exponent of size |h| is itself rounded
            assert error < 40 * max(1, abs(float(x))), (x, got, float(want))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("exp(h) / (exp(h) + exp(2 * h) + 1)", (0, 0), (0, 0)),
        ("(1 + exp(h))**2 / (1 + exp(2 * h))", (1, 0), (1, 0)),
        ("sinh(h) / (2 * cosh(h) + 1)", (-0.5, 0), (0.5, 0)),
        ("(exp(h) + h) / (exp(h) + 1)", (-np.inf, 1), (1, 0)),
        ("sqrt(exp(2 * h) + 1)", (1, 0), (np.inf, np.inf)),
        ("exp(h) / sqrt(1 + exp(2 * h))", (0, 0), (1, 0)),
        ("log(0.5 + 0.5 * exp(h))", (np.log(0.5), 0), (np.inf, 1)),
        ("log(exp(h) + h**2 + 1)", (np.inf, None), (np.inf, 1)),
        ("log(2 * cosh(h) + h**2 - 1)", (np.inf, -1), (np.inf, 1)),
        ("log1p(exp(h) + exp(2 * h) + h**2)", (np.inf, None), (np.inf, 2)),
    ],
)
def test_limits(text, low, high, dtype):
    activation = Activation("f", formula=text)
    h = np.array([-np.inf, np.inf, np.nan], dtype)
    y_hat = activation.evaluate(h)
    derivative = activation.evaluate_derivative(h, y_hat)
    for k, (value, slope) in enumerate((low, high)):
        assert y_hat[k] == np.dtype(dtype).type(value)
        assert slope is None or derivative[k] == slope  # None: a quotient of polynomials
    assert np.isnan(y_hat[2])
    assert np.isnan(derivative[2])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("h", [-1e30, 1e30])
def test_polynomials_that_overflow_beside_exponentials(h, dtype):
    for text in ("h**2 * exp(h) / (exp(2 * h) + 2)", "1 / (exp(h) + h**2 + 1)", "1 - h**4 * exp(-abs(h))"):
        value = Activation("f", formula=text).evaluate(np.array([h], dtype))
        np.testing.assert_allclose(value, [1.0 if text[:3] == "1 -" else 0.0], atol=1e-50)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "text",
    [
        "exp(beta * h) / (exp(beta * h) + exp(2 * beta * h) + 1)",
        "sqrt(exp(2 * beta * h) + 1)",
        "h * (1 + exp(beta * h))**2 / (1 + exp(2 * beta * h))",
        "exp(h) / (beta + exp(h) + exp(2 * h))",
        "exp(h) / (1 + exp(beta * h) + exp(2 * h))",
    ],
)
def test_derivatives_by_a_parameter_keep_their_digits(text, dtype):
    activation = Activation("f", formula=text, parameters={"beta": 1.25}, trainable=["beta"])
    layer = {"units": 1, "activation": activation, "weights": [[1.0]], "bias": False}
    net = Network(1, [layer], loss={"name": "sse"}, dtype=dtype)
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    for h in (-500.0, -90.0, -40.0, -3.0, -(2.0**-10), 2.0**-20, 0.5, 2.0, 30.0, 60.0):
        y_hat = net.predict([[h]])
        target = y_hat - 1
        _, (_, found) = net.gradient([[h]], target)
        with mp.workdps(700):
            step = mpf(10) ** -300
            above, below = (
                eval(text, {**FUNCTIONS, "h": mpf(h), "beta": mpf(1.25) + k * step}) for k in (1, -1)
            )
            want = (above - below) / (2 * step) * (mpf(float(y_hat[0, 0])) - mpf(float(target[0, 0])))
        assert abs(mpf(float(found)) - want) / max(abs(want), tiny) / eps < 40 * max(1, abs(h)), h


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_exponents_of_two_variables(dtype):
    text = "(exp(y_hat) + 2 * exp(2 * y_hat)) / (exp(2 * y_hat) + exp(y) + exp(-3 * y) + 2)"
    loss = Loss("l", formula=text, reduction="sum")
    y, y_hat = (np.array(values, dtype) for values in zip(*CORNERS, strict=True))
    found = loss.elements(y, y_hat), loss.evaluate_derivative(y, y_hat)
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    for t, p, *values in zip(y, y_hat, *found, strict=True):
        with mp.workdps(900):
            step, names = mpf(10) ** -400, {**FUNCTIONS, "y": mpf(float(t))}
            f, above, below = (eval(text, {**names, "y_hat": mpf(float(p)) + k * step}) for k in (0, 1, -1))
        for got, want in zip(values, (f, (above - below) / (2 * step)), strict=True):
            assert abs(mpf(float(got)) - want) / max(abs(want), tiny) / eps < 40 * max(1, abs(t), abs(p))


CORNERS = [(0, 0), (50, 0), (0, 50), (-60, 80), (80, -60), (100, 100), (-100, -100), (0.5, 100), (100, 0.25)]


def test_a_quotient_costs_one_exponential():
    programs = compile_activation("exp(h) / (exp(h) + exp(2 * h) + 1)")
    assert [op for op, *_ in programs.forward.body].count("exp") == 1
    assert len(programs.forward.body) <= 7
    assert [op for op, *_ in programs.derivative.body].count("exp") == 1


@pytest.mark.parametrize(
    "text", ["1 / cosh(h)", "h * sigmoid(h)", "exp(h) / (1 + exp(h))", "(1 + exp(h))**2"]
)
def test_other_products_stay_as_they_are(text):
    assert not {"abs", "where_lt"} & {op for op, *_ in compile_activation(text).forward.body}
