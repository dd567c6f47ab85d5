"""Logarithms of sums of exponentials, and roots that cancel: digits in both dtypes, on both sides."""

import numpy as np
import pytest
from mpmath import mp, mpf

from cygd import Activation, Loss
from cygd.components.formula import compile_activation

H = [
    -1e5,
    -1e3,
    -200,
    -95,
    -50,
    -12.3,
    -3.1,
    -1.2,
    -0.3,
    -1e-3,
    1e-6,
    0.4,
    0.9,
    1.3,
    2.7,
    9,
    40,
    91,
    300,
    1e5,
]
FUNCTIONS = {name: getattr(mp, name) for name in ("exp", "expm1", "log", "log1p", "sqrt", "sinh", "cosh")}

SUMS_OF_EXPONENTIALS = [
    "log(2 + exp(h) + exp(-h))",
    "log(cosh(h) + 1)",
    "log(cosh(h) / 2 + 0.5)",
    "log1p(cosh(h) - 1)",
    "log(1 + exp(-2 * h))",
    "log(exp(2 * h) + exp(h) + 1)",
    "log1p(exp(h) + exp(-h))",
    "log(exp(2 * h) - exp(h) + 3)",
    "log(cosh(h) - 0.5)",
    "log(cosh(h)**2 * exp(h))",
    "log((1 + exp(h))**2 + 1)",
    "log((exp(h) + 1) * (exp(2 * h) + 1))",
    "log(sqrt(1 + exp(h)))",
    "log((1 + exp(h)) / (3 + exp(2 * h)))",
    "log(exp(h) + exp(2 * h) + exp(3 * h))",
    "log(2 * cosh(h) + 2 * exp(3 * h + 1))",
    "log(1 + exp(h) + exp(h / 2) + exp(h / 3) + exp(h / 4))",
    "log(7 * exp(h))",
    "0.5 * h * log(1 + exp(2 * h) + exp(-h))",
    "log1p(0.5 * expm1(h))",
    "log(exp(h) + h**2 + 1)",
    "log(2 * cosh(h) + h**2)",
    "log1p(exp(h) + sqrt(h**2 + 3))",
    "log(exp(-h) + exp(2 * h) + h**2 + 0.1)",
    "log(0.5 + exp(h) * h**2)",
    "log((1 + exp(h)) * (2 + h**2) + 3)",
    "log(3 + exp(2 * h) - exp(h) + h**2)",
    "log(2 + h * sinh(h))",
    "sqrt(exp(2 * h) + 1) - exp(h)",
    "exp(h) - sqrt(exp(2 * h) + 3)",
    "sqrt(exp(h) + 1) - exp(h / 2)",
    "3 * sqrt(4 * exp(-2 * h) + 1) - 6 * exp(-h)",
]
# logarithms whose terms cancel where the result is small
DIFFERENCES = {"log(cosh(h)**2 * exp(h))", "log((1 + exp(h)) / (3 + exp(2 * h)))"}
ROOTS = [
    "(sqrt(h**2 + 4) + h) / 2",
    "(h + sqrt(h * h + 1)) * 3",
    "sqrt(1 + h * h) - h",
    "sqrt(4 * h**2 + 9) + 2 * h",
    "sqrt((h + 1)**2 + 3) - h - 1",
    "sqrt(h**2 + 4) + h + exp(h)",
    "1 / (sqrt(h**2 + 4) + h)",
    "0.25 * (sqrt(h**2 + 1) + h)**2",
    "1 + h / sqrt(h**2 + 1)",
    "1 - 2 * h / sqrt(4 * h**2 + 1)",
    "h * (1 + h / sqrt(1 + h**2)) / 2",
    "sqrt(h**2 + 1) - 1",
    "2 - sqrt(h**2 + 4)",
    "log(h + sqrt(h**2 + 1))",
    "log(sqrt(1 + h * h) - h)",
    "log(h / 3 + sqrt(h**2 / 9 + 1)) * h",
    "log(2 * h + sqrt(4 * h**2 + 9))",
]


def exact(text, h):
    """Return f(h) and f'(h), by differences in numbers of many digits."""
    size = 60 if abs(h) < 20 else min(int(2 * abs(h)), 1200)
    with mp.workdps(size):

        def f(x):
            return eval(text, {**FUNCTIONS, "h": x})

        with mp.workdps(2 * size):
            step = mpf(10) ** (-size // 2)
            x = mpf(float(h))
            return f(x), (f(x + step) - f(x - step)) / (2 * step)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("text", SUMS_OF_EXPONENTIALS + ROOTS)
def test_values_and_derivatives_keep_their_digits(text, dtype):
    activation = Activation("f", formula=text)
    h = np.array(H if text in ROOTS else H[1:-1], dtype)
    y_hat = activation.evaluate(h)
    eps, tiny, most = (float(getattr(np.finfo(dtype), name)) for name in ("eps", "tiny", "max"))
    for x, *found in zip(h, y_hat, activation.evaluate_derivative(h, y_hat), strict=True):
        for got, want in zip(found, exact(text, x), strict=True):
            if abs(want) > most:
                continue
            assert np.isfinite(got), (x, got, float(want))
            # an exponent of size |h| is itself rounded
            error = abs(mpf(float(got)) - want) / max(abs(want), 1 if text in DIFFERENCES else tiny) / eps
            assert error < 30 * max(1, abs(float(x))), (x, got, float(want))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("text", "at", "value", "slope"),
    [
        ("log(2 + exp(h) + exp(-h))", np.inf, np.inf, 1),
        ("log(exp(h) + exp(2 * h) + exp(3 * h))", -np.inf, -np.inf, 1),
        ("log(exp(2 * h) + exp(h) + 1)", -np.inf, 0, 0),
        ("(sqrt(h**2 + 4) + h) / 2", -np.inf, 0, 0),
        ("log(exp(-h) + exp(h) + exp(3 * h))", np.inf, np.inf, 3),
        ("(sqrt(h**2 + 4) + h) / 2", np.inf, np.inf, 1),
        ("sqrt(1 + h * h) - h", np.inf, 0, 0),
    ],
)
def test_limits(text, at, value, slope, dtype):
    activation = Activation("f", formula=text)
    h = np.array([at, np.nan], dtype)
    y_hat = activation.evaluate(h)
    derivative = activation.evaluate_derivative(h, y_hat)
    np.testing.assert_allclose(y_hat, np.array([value, np.nan]), atol=1e-18)
    np.testing.assert_allclose(derivative, np.array([slope, np.nan]), atol=1e-18)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "text", ["log(sinh(h) / h)", "log((exp(h) - 1) / h)", "log(expm1(2 * h) / h + h**2)"]
)
def test_a_quotient_overflows_nowhere_before_its_logarithm(text, dtype):
    activation = Activation("f", formula=f"where(h == 0, 0, {text})")
    h = np.array([-1e4, -300, -92, -3, 2, 92, 300, 1e4], dtype)
    y_hat = activation.evaluate(h)
    for x, *found in zip(h, y_hat, activation.evaluate_derivative(h, y_hat), strict=True):
        for got, want in zip(found, exact(text, x), strict=True):
            assert abs(got - want) < 60 * np.finfo(dtype).eps * abs(want)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("text", ["log(sinh({}))", "log(exp({}) - 1)", "log(exp(2 * ({})) - exp({}))"])
def test_a_logarithm_of_a_difference_is_nan_where_that_is_negative(text, dtype):
    loss = Loss("l", formula=text.replace("{}", "y_hat - y"), reduction="sum")
    h = np.array([-40.0, -2.0, 0.5, 3.0, 300.0], dtype)
    found = loss.elements(np.zeros_like(h), h)
    assert np.isnan(found[:2]).all()
    for x, got in zip(h[2:], found[2:], strict=True):
        with mp.workdps(400):
            want = eval(text.replace("{}", "h"), {**FUNCTIONS, "h": mpf(float(x))})
        assert abs(got - want) < 8 * np.finfo(dtype).eps * max(1, abs(float(x)))


def test_a_root_and_what_it_cancels_against_cost_one_instruction_more():
    body = compile_activation("(sqrt(h**2 + 4) + h) / 2").value_and_derivative.body
    assert [op for op, *_ in body].count("root_sum_and_ratio") == 1
    assert len(body) <= 4
    for text in ("h / sqrt(1 + h**2)", "sqrt(h**2 + 4) + 2 * h", "sqrt(h) + h", "log(1 + h**2)"):
        program = compile_activation(text.replace("sqrt(h)", "sqrt(abs(h))")).forward
        assert not any(op.startswith("root") for op, *_ in program.body)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_pseudo_huber_loss_keeps_the_digits_of_small_errors(dtype):
    loss = Loss("pseudo_huber", formula="sqrt(1 + (y_hat - y)**2) - 1", reduction="sum")
    e = np.array([1e-12, 1e-6, 1e-3, 0.5, 10], dtype)
    found = loss.elements(np.zeros_like(e), e)
    expected = e.astype(float) ** 2 / (np.sqrt(1 + e.astype(float) ** 2) + 1)
    np.testing.assert_allclose(found, expected, rtol=8 * np.finfo(dtype).eps)
