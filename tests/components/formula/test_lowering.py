"""Instructions: shared subexpressions, the scalar prologue, and the number of steps."""

from collections import Counter

import numpy as np
import pytest

from cygd.components.formula import compile_activation, compile_update
from tests.helpers.formula_interpreter import run

COSTLY = {
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "sigmoid",
    "softplus",
    "logistic",
    "root_sum_and_ratio",
    "erfc",
    "erf",
    "inverse",
    "div",
    "sqrt",
    "tanh_log1p",
    "tanh_log1p_value_and_derivative",
}
UNFUSED = {  # fused instruction -> the costly one in it
    "exp_finite": "exp",
    "mul_exp": "exp",
    "mul_exp_finite": "exp",
    "add_inverse": "inverse",
    "div_add": "div",
    "div_add_mul": "div",
    "fma_sqrt": "sqrt",
}


def costly(program):
    return dict(Counter(UNFUSED.get(op, op) for op, *_ in program.body if UNFUSED.get(op, op) in COSTLY))


@pytest.mark.parametrize(
    ("text", "costs", "steps"),
    [
        ("sigmoid(h)", {"logistic": 1}, 2),
        ("h * sigmoid(h)", {"logistic": 1}, 3),
        ("h * sigmoid(1.7 * h)", {"logistic": 1}, 4),
        ("h * tanh(log1p(exp(h)))", {"exp": 1, "tanh_log1p_value_and_derivative": 1}, 4),
        ("h * tanh(softplus(1.1 * h))", {"exp": 1, "tanh_log1p_value_and_derivative": 1}, 4),
        ("0.5 * h * (1 + tanh(sqrt(2 / pi) * (h + 0.044715 * h**3)))", {"logistic": 1}, 6),
        ("0.5 * h * (1 + erf(h / sqrt(2)))", {"erfc": 1, "exp": 1}, 10),
        ("h / (1 + abs(h))", {"inverse": 1}, 4),
        ("(h + sqrt(h * h + 4)) / 2", {"sqrt": 1, "root_sum_and_ratio": 1}, 4),
        ("where(h > 0, h, exp(h) - 1)", {"expm1": 1}, 4),
        ("exp(h)", {"exp": 1}, 2),
        ("tanh(h)", {"tanh": 1}, 2),
        ("log(1 + exp(h))", {"softplus": 1, "sigmoid": 1}, 2),
        ("h / sqrt(1 + h**2)", {"sqrt": 1, "inverse": 1}, 6),
        ("sigmoid(h) * sigmoid(-h)", {"logistic": 1}, None),
        ("sigmoid(2 - h) + sigmoid(h - 2)**2", {"logistic": 1}, None),
        ("exp(h) * sin(h) + exp(h) * cos(h)", {"exp": 1}, None),
        ("sin(h) / (1 + h**2) + cos(h) / (1 + h**2)", {"inverse": 1}, None),
    ],
)
def test_costly_instructions_are_shared_with_the_derivative(text, costs, steps):
    programs = compile_activation(text)
    assert costly(programs.value_and_derivative) == costs
    if steps is not None:
        assert len(programs.value_and_derivative.body) <= steps


@pytest.mark.parametrize(
    ("text", "ops"),
    [
        ("1 + h", ["add"]),
        ("h - 1", ["add"]),
        ("1 - h", ["sub"]),
        ("2 * h", ["mul"]),
        ("2 * h + 1", ["fma"]),
        ("h * h + 1", ["fma"]),
        ("1 - h * h", ["fnma"]),
        ("1 + 2 * h + 3 * h**2", ["fma", "fma"]),
        ("1 + h + h**2 + h**3", ["add", "fma", "fma"]),
        ("2 * h**2 + 3 * h**6", ["mul", "mul_fma", "mul"]),  # (3 h^4 + 2) h^2
        ("h**8", ["mul", "mul", "mul"]),
        ("h**-2", ["inverse", "mul"]),
        ("h**0.5", ["sqrt"]),
        ("1 / sqrt(h)", ["sqrt", "inverse"]),
        ("h**1.5", ["sqrt", "mul"]),
        ("-h", ["neg"]),
        ("h", ["copy"]),
    ],
)
def test_instructions_of_arithmetic(text, ops):
    assert [op for op, *_ in compile_activation(text).forward.body] == ops


def test_horners_scheme_equals_the_polynomial():
    h = np.linspace(-2, 2, 41)
    rng = np.random.default_rng(5)
    for _ in range(50):
        exponents = sorted(rng.choice(12, rng.integers(2, 6), replace=False))
        factors = [float(k) for k in rng.choice([1, -1, 2.5, -0.75], len(exponents))]
        text = " + ".join(f"({k}) * h**{n}" for k, n in zip(factors, exponents, strict=True))
        expected = sum(k * h**n for k, n in zip(factors, exponents, strict=True))
        [found] = run(compile_activation(text).forward, [h])
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=text)


def test_scalar_subexpressions_go_to_the_prologue():
    program = compile_update({"w": "w - learning_rate * sqrt(1 - beta**step) * g"}, parameters={"beta": 0.9})
    assert "sqrt" in {op for op, *_ in program.prologue}
    assert {op for op, *_ in program.body} <= {"fnma", "fma", "mul", "sub", "add"}
    programs = compile_activation("h * exp(a) * sin(b)", {"a": 1.0, "b": 2.0}, ["a"])
    assert [op for op, *_ in programs.forward.prologue] == ["exp", "mul"]
    assert [op for op, *_ in programs.forward.body] == ["mul"]
    np.testing.assert_allclose(
        run(programs.forward, [[3.0]], [0.5])[0], 3 * np.exp(0.5) * np.sin(2), rtol=1e-15
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sin(h) + cos(h)", "cos(h) + sin(h)"),
        ("sin(h) * tanh(h)", "tanh(h) * sin(h)"),
        ("h * exp(h) + h**2 * sin(h)", "sin(h) * h**2 + exp(h) * h"),
        ("(1 + h) * sigmoid(h) / (1 + h**2)", "sigmoid(h) / (h * h + 1) * (h + 1)"),
        ("1 + (2 + h)", "(h + 1) + 2"),
    ],
)
def test_commuted_formulas_cost_the_same(a, b):
    # instructions follow the order of the text, which may change their number by one
    one, other = compile_activation(a), compile_activation(b)
    assert costly(one.value_and_derivative) == costly(other.value_and_derivative)
    assert abs(len(one.value_and_derivative.body) - len(other.value_and_derivative.body)) <= 1
    assert abs(len(one.forward.body) - len(other.forward.body)) <= 1
    h = np.linspace(-5, 5, 101)
    for x, y in zip(run(one.value_and_derivative, [h]), run(other.value_and_derivative, [h]), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    "text",
    [
        "h**2 * sigmoid(-h)",
        "(h + h**3) * exp(-h**2)",
        "(1 + h**2) * h * sigmoid(h) * sigmoid(-h)",
        "h * (1 - tanh(h)**2) * (1 + h**4)",
        "0.5 * h * (1 + tanh(h**3))",
        "h**3 * erfc(h)",
    ],
)
def test_vanishing_factor_times_overflow_is_not_nan(text):
    h = np.array([1e160, 1e200, 1e308])
    for out in run(compile_activation(text).value_and_derivative, [h]):
        assert not np.isnan(out).any()


def test_small_coefficient_prevents_overflow():
    h = np.array([1.7e308, -1.7e308])
    np.testing.assert_array_equal(run(compile_activation("0.5 * h * (1 + sign(h)**2)").forward, [h])[0], h)
