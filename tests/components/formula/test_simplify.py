"""Rewrite rules: which formulas become equal, and that the results neither overflow nor lose digits."""

import numpy as np
import pytest
from mpmath import mp, mpf

from cygd.components.formula import compile_activation
from cygd.components.formula.graph import Graph
from cygd.components.formula.parser import parse
from tests.helpers.formula_interpreter import run

MAX = 1.7976931348623157e308
BIG = [710.0, 746.0, 1e3, 1e5, 1e154, 1e200, 1e308, MAX]
H = np.array([*(-np.array(BIG)), -30, -3.5, -1, -1e-9, -5e-324, 0, 5e-324, 1e-9, 0.7, 1, 3.5, 30, *BIG])


def node(text):
    graph = Graph()
    return parse(graph, text, {name: graph.variable(name) for name in ("h", "x", "y")})[0]


def same(text, other):
    """Return True if two formulas are the same node of a graph."""
    graph = Graph()
    names = {name: graph.variable(name) for name in ("h", "x", "y")}
    return parse(graph, text, names)[0] is parse(graph, other, names)[0]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("log(1 + exp(h))", "softplus(h)"),
        ("log1p(exp(h))", "softplus(h)"),
        ("log(exp(h) + 1)", "softplus(h)"),
        ("log(2 + 2 * exp(h))", "log(2) + softplus(h)"),
        ("log1p(3 * exp(h))", "softplus(h + log(3))"),
        ("h + log(1 + exp(-h))", "softplus(h)"),
        ("3 * softplus(-2 * h) + 6 * h", "3 * softplus(2 * h)"),
        ("-log(sigmoid(h))", "softplus(-h)"),
        ("log(1 - sigmoid(h))", "-softplus(h)"),
        ("log1p(-sigmoid(h))", "-softplus(h)"),
        ("1 / (1 + exp(-h))", "sigmoid(h)"),
        ("exp(h) / (1 + exp(h))", "sigmoid(h)"),
        ("exp(h) / (exp(h) + exp(-h))", "sigmoid(2 * h)"),
        ("exp(h) / (exp(h) + exp(x))", "sigmoid(h - x)"),
        ("exp(h) / (2 * cosh(h))", "sigmoid(2 * h)"),
        ("3 / (2 + 2 * exp(h))", "1.5 * sigmoid(-h)"),
        ("exp(-softplus(h))", "sigmoid(-h)"),
        ("1 - sigmoid(h)", "sigmoid(-h)"),
        ("sigmoid(h) - 1", "-sigmoid(-h)"),
        ("exp(-h) / (1 + exp(-h))**2", "sigmoid(h) * sigmoid(-h)"),
        ("exp(2 * h) / (1 + exp(h))**2", "sigmoid(h)**2"),
        ("exp(2 * h) / (1 + exp(h))", "exp(h) * sigmoid(h)"),
        ("exp(h) / (1 + exp(2 * h))", "sqrt(sigmoid(2 * h)) * sqrt(sigmoid(-2 * h))"),
        ("(exp(h) - exp(-h)) / (exp(h) + exp(-h))", "tanh(h)"),
        ("(exp(2 * h) - 1) / (exp(2 * h) + 1)", "tanh(h)"),
        ("(1 - exp(-h)) / (1 + exp(-h))", "tanh(h / 2)"),
        ("(exp(2 * h) - 1)**2 / (exp(2 * h) + 1)**2", "tanh(h)**2"),
        ("sinh(h) / cosh(h)", "tanh(h)"),
        ("sin(h) / cos(h)", "tan(h)"),
        ("1 + tanh(h)", "2 * sigmoid(2 * h)"),
        ("1 - tanh(h)", "2 * sigmoid(-2 * h)"),
        ("tanh(h) - 1", "-2 * sigmoid(-2 * h)"),
        ("exp(h) - 1", "expm1(h)"),
        ("2 - 2 * exp(h)", "-2 * expm1(h)"),
        ("expm1(h) + 1", "exp(h)"),
        ("exp(h) + exp(-h)", "2 * cosh(h)"),
        ("exp(-h) - exp(h)", "-2 * sinh(h)"),
        ("x + 3 * exp(h) + y + 3 * exp(-h)", "y + x + 6 * cosh(h)"),
        ("1 + erf(h)", "erfc(-h)"),
        ("1 - erf(h)", "erfc(h)"),
        ("1 - erfc(h)", "erf(h)"),
        ("erfc(h) - 1", "-erf(h)"),
        ("log((exp(h) + exp(-h)) / 2)", "log(cosh(h))"),
        ("log(exp(h))", "h"),
        ("exp(log(h))", "h"),
        ("exp(log1p(h))", "1 + h"),
        ("log1p(expm1(h))", "h"),
        ("exp(h) * exp(x)", "exp(h + x)"),
        ("exp(h)**3", "exp(3 * h)"),
        ("sqrt(exp(h))", "exp(h / 2)"),
        ("sqrt(h**2)", "abs(h)"),
        ("sqrt(h * h)", "abs(h)"),
        ("(h**2)**1.5", "abs(h)**3"),
        ("(h**-2)**0.5", "1 / abs(h)"),
        ("(h**3)**2", "h**6"),
        ("sqrt(h) * sqrt(h)", "h"),
        ("h * sign(h)", "abs(h)"),
        ("abs(h) * sign(h)", "h"),
        ("abs(h)**2", "h**2"),
        ("abs(-3 * h)", "3 * abs(h)"),
        ("sign(-3 * h)", "-sign(h)"),
        ("tanh(-h)", "-tanh(h)"),
        ("cos(-h)", "cos(h)"),
        ("cosh(abs(h))", "cosh(h)"),
        ("(h + 1) - h * 1", "1"),
        ("h / h", "1"),
        ("2 * h * 3 * h", "6 * h**2"),
        ("h / (2 * x)", "0.5 * h / x"),
        ("tanh(log(1 + exp(h)))", "tanh(softplus(h))"),
        ("tanh(log1p(exp(h)))", "tanh(softplus(h))"),
        ("where(h > 0, x, x)", "x"),
    ],
)
def test_equal_expressions_are_one_node(text, other):
    assert same(text, other)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("(h**3)**0.5", "abs(h)**1.5"),  # the root is nan where h < 0
        ("(h**2)**0.5", "h"),
        ("sqrt(-h)", "sqrt(h)"),
        ("h**2 * sign(h)", "abs(h)"),
        ("sign(h)**2", "1"),
        ("exp(2 * log(h))", "abs(h)**2"),
        ("2 - exp(h)", "-expm1(h)"),
        ("2 + tanh(h)", "sigmoid(h)"),
        ("sinh(h) / cosh(x)", "tanh(h)"),
        ("1 / (exp(h) - 1)", "sigmoid(h)"),
        ("1 / (1 - exp(h))", "sigmoid(-h)"),
        ("log(1 - exp(h))", "softplus(h)"),
        ("(-2 * h)**0.5", "sqrt(2) * h**0.5"),
    ],
)
def test_different_expressions_are_different_nodes(text, other):
    assert not same(text, other)


def test_tanh_of_a_logarithm_computes_no_logarithm():
    assert node("tanh(log(h))").op == "tanh_log"
    assert node("tanh(log(1 + h))").op == "tanh_log1p"
    assert node("tanh(softplus(h))").data[0].op == "exp_finite"
    for text in ("tanh(log(2 + h**2))", "tanh(log1p(h))", "tanh(log(1 + exp(h)))"):
        assert {"log", "log1p", "tanh"}.isdisjoint(
            op for op, *_ in compile_activation(text).value_and_derivative.body
        )


def s(h):
    return 1 / (1 + mp.exp(-h))


# formula -> f, f' in mpmath
STABLE = {
    "log(1 + exp(h))": (lambda h: h + mp.log1p(mp.exp(-h)) if h > 0 else mp.log1p(mp.exp(h)), s),
    "1 / (1 + exp(-h))": (s, lambda h: s(h) * s(-h)),
    "exp(h) / (1 + exp(h))": (s, lambda h: s(h) * s(-h)),
    "3 / (2 + exp(h))": (lambda h: 3 / (2 + mp.exp(h)), lambda h: -3 / (4 * mp.exp(-h) + 4 + mp.exp(h))),
    "exp(h) / (exp(h) + exp(-h))": (lambda h: s(2 * h), lambda h: 2 * s(2 * h) * s(-2 * h)),
    "exp(2 * h) / (1 + exp(h))**2": (lambda h: s(h) ** 2, lambda h: 2 * s(h) ** 2 * s(-h)),
    "exp(-h) / (1 + exp(-h))**2": (lambda h: s(h) * s(-h), lambda h: s(h) * s(-h) * (s(-h) - s(h))),
    "exp(h) / (1 + exp(2 * h))": (lambda h: mp.sech(h) / 2, lambda h: -mp.tanh(h) * mp.sech(h) / 2),
    "(exp(h) - exp(-h)) / (exp(h) + exp(-h))": (mp.tanh, lambda h: mp.sech(h) ** 2),
    "1 + tanh(h)": (lambda h: 2 * s(2 * h), lambda h: mp.sech(h) ** 2),
    "1 - sigmoid(h)": (lambda h: s(-h), lambda h: -s(h) * s(-h)),
    "log(cosh(h))": (lambda h: abs(h) + mp.log1p(mp.exp(-2 * abs(h))) - mp.log(2), mp.tanh),
    "log((exp(h) + exp(-h)) / 2)": (lambda h: abs(h) + mp.log1p(mp.exp(-2 * abs(h))) - mp.log(2), mp.tanh),
    "tanh(log(1 + exp(h)))": (
        lambda h: mp.tanh(mp.log1p(mp.exp(h))),
        lambda h: s(h) * mp.sech(mp.log1p(mp.exp(h))) ** 2,
    ),
    "tanh(log(1 + h**2))": (
        lambda h: 1 - 2 / ((1 + h * h) ** 2 + 1),
        lambda h: 8 * h * (1 + h * h) / ((1 + h * h) ** 2 + 1) ** 2,
    ),
    "sqrt(h**2)": (abs, mp.sign),
    "h * sign(h)": (abs, mp.sign),
    "log(exp(h) + exp(-h))": (lambda h: abs(h) + mp.log1p(mp.exp(-2 * abs(h))), mp.tanh),
    "h * sigmoid(h)": (lambda h: h * s(h), lambda h: s(h) * (1 + h * s(-h))),
    "exp(-h**2) * h": (lambda h: h * mp.exp(-h * h), lambda h: (1 - 2 * h * h) * mp.exp(-h * h)),
}
# the formulas that mpmath evaluates at any h, without e^-|h| of billions of digits
EXACT_ANYWHERE = {
    "log(cosh(h))",
    "log((exp(h) + exp(-h)) / 2)",
    "tanh(log(1 + h**2))",
    "sqrt(h**2)",
    "h * sign(h)",
}
MAX_H = {"tanh(log(1 + h**2))": 1e75}  # (1 + h^2)^2 overflows beyond


@pytest.mark.parametrize("text", STABLE)
def test_values_and_derivatives_do_not_overflow(text):
    h = H[np.abs(H) <= MAX_H.get(text, MAX)]
    programs = compile_activation(text)
    y_hat, derivative = run(programs.value_and_derivative, [h], alias=[(1, 0)])
    with mp.workdps(700):
        for x, *found in zip(h, y_hat, derivative, strict=True):
            # for the others e^-|h| counts as 0 beyond 1e4
            at = mpf(float(x)) if abs(x) < 1e4 or text in EXACT_ANYWHERE else mp.sign(x) * 10000
            for got, function in zip(found, STABLE[text], strict=True):
                want = function(at)
                if at != x and abs(want) > 2:
                    want = mpf(float(x)) * mp.sign(want * x)
                assert np.isfinite(got)
                assert abs(got - want) <= 4 * 2.0**-52 * max(abs(want), 1), (
                    f"{x!r}: {got!r}, not {float(want)!r}"
                )


@pytest.mark.parametrize(
    "text",
    [
        "(1e-300 + 1e-300 * exp(h))**-2",
        "exp(h + 1000) * sigmoid(-h)",
        "log(1e300 + 1e-300 * exp(h))",
        "1 / (1e-300 + 1e300 * exp(h))",
        "(1e300 + 1e300 * exp(h))**-3",
    ],
)
def test_constants_that_overflow_still_compile(text):
    assert compile_activation(text).value_and_derivative.body


def test_coefficient_that_overflows_is_not_moved_out_of_a_power():
    h = np.array([999.0, 1000.0, 1001.0])
    [found] = run(compile_activation("(0.001 * h)**200").forward, [h])
    np.testing.assert_allclose(found, (h / 1000) ** 200, rtol=1e-13)
    [found] = run(compile_activation("(1000 * h)**200").forward, [1 / h])
    np.testing.assert_allclose(found, (1000 / h) ** 200, rtol=1e-13)
