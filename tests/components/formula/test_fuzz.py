"""Generated formulas: the right value and derivative, or one FormulaError, within seconds."""

import ast
import math
import time
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from cygd.components.formula import FUNCTIONS, compile_activation, compile_loss, compile_update
from cygd.errors import FormulaError
from tests.helpers.formula_interpreter import EXACT, exact, run

SECONDS = 5.0  # ten times the slowest formula, so that a busy machine passes
UNARY = [name for name, count in FUNCTIONS.items() if count == 1]
NUMBERS = ["0.5", "1", "2", "3", "0.25", "1.5", "-1", "-0.7", "pi", "10"]
EXPONENTS = ["2", "3", "-1", "-2", "0.5", "1.5", "0", "1", "-0.5", "4"]
POINTS = [-1.7, -0.6, 0.35, 1.2, 2.9]

leaves = st.sampled_from(["h", "h", "h", *NUMBERS])


def composed(inner):
    def form(shape):
        return st.tuples(*[inner] * 4).map(lambda parts: shape.format(*parts))

    shapes = [
        "({} + {})",
        "({} - {})",
        "({} * {})",
        "({} / {})",
        "(-{})",
        "minimum({}, {})",
        "maximum({}, {})",
    ]
    shapes += ["where({} < {}, {}, {})", "where({} >= {}, {}, {})", "clip({}, -1, 2)"]
    return st.one_of(
        st.sampled_from(shapes).flatmap(form),
        st.tuples(st.sampled_from(UNARY), inner).map(lambda pair: f"{pair[0]}({pair[1]})"),
        st.tuples(inner, st.sampled_from(EXPONENTS)).map(lambda pair: f"({pair[0]})**({pair[1]})"),
    )


formulas = st.recursive(leaves, composed, max_leaves=8)


def fuzz(examples, *strategies):
    """Call a check with generated arguments: a fifth of the examples, or all in an exhaustive run."""
    counts = [examples // 5, pytest.param(examples, marks=pytest.mark.exhaustive)]

    def decorate(check):
        @pytest.mark.parametrize("max_examples", counts)
        def test(max_examples):
            settings(max_examples=max_examples, deadline=None)(given(*strategies)(check))()

        return test

    return decorate


REFERENCE = {name: EXACT[name] for name in UNARY if name in EXACT} | {
    "abs": abs,
    "minimum": min,
    "maximum": max,
}
REFERENCE |= {"relu": lambda x: max(x, mpf(0)), "clip": lambda x, a, b: min(max(x, mpf(a)), mpf(b))}
REFERENCE |= {"where": lambda holds, x, y: x if holds else y, "pi": mpf(math.pi)}


def real(x):
    if isinstance(x, mp.mpc):
        raise ValueError("a root of a negative number")
    return x


def real_valued(function):
    return lambda *arguments: real(function(*arguments))


REFERENCE = {name: real_valued(value) if callable(value) else value for name, value in REFERENCE.items()}


def compiled(text):
    try:
        return compile_activation(text)
    except FormulaError:
        return None


def power(x, n):
    if x < 0 and n != int(n):
        raise ValueError("a root of a negative number")
    return x**n


class Powers(ast.NodeTransformer):
    """Replace a ** b by a call of `power`, which rejects complex results."""

    def visit_BinOp(self, tree):
        self.generic_visit(tree)
        if not isinstance(tree.op, ast.Pow):
            return tree
        return ast.Call(ast.Name("power", ast.Load()), [tree.left, tree.right], [])


def evaluate(text, h):
    """Evaluate a generated text with Python in mpmath's numbers."""
    tree = ast.fix_missing_locations(Powers().visit(ast.parse(text, mode="eval")))
    names = REFERENCE | {"h": mpf(h), "power": power, "__builtins__": {}}
    value = eval(compile(tree, "formula", "eval"), names)
    return real(mpf(value) if isinstance(value, int | float) else value)


@fuzz(250, formulas)
def test_values_and_derivatives(text):
    programs = compiled(text)
    assume(programs is not None)
    with mp.workdps(40):
        for h in POINTS:
            try:
                f0 = evaluate(text, h)
                step = mpf(10) ** -12
                around = [evaluate(text, mpf(h) + k * step) for k in (-2, -1, 1, 2)]
            except (ValueError, ZeroDivisionError, OverflowError):
                continue
            if (
                not mp.isfinite(f0)
                or abs(f0) > 1e30
                or any(abs(f0 - f) > 1e-9 * (1 + abs(f0)) for f in around)
            ):
                continue  # a jump, or too steep to compare
            try:
                y_hat, derivative = exact(programs.value_and_derivative, [h])
            except ZeroDivisionError:
                continue  # a pole of the derivative
            # constants are rounded to float64, which an ill-conditioned formula amplifies
            assert abs(y_hat - f0) <= 1e-9 * (1 + abs(f0)), f"{text} at {h}"
            wide, narrow = (around[3] - around[0]) / (4 * step), (around[2] - around[1]) / (2 * step)
            if abs(wide - narrow) <= 1e-9 * (1 + abs(narrow)):  # smooth here
                assert abs(derivative - narrow) <= 1e-6 * (1 + abs(narrow)), f"derivative of {text} at {h}"


@fuzz(200, formulas, st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=8))
def test_value_does_not_depend_on_the_program_or_memory(text, values):
    programs = compiled(text)
    assume(programs is not None)
    h = np.array(values)
    [y_hat] = run(programs.forward, [h])
    value, derivative = run(programs.value_and_derivative, [h], alias=[(1, 0)])
    np.testing.assert_array_equal(y_hat, value)
    np.testing.assert_array_equal(run(programs.value_and_derivative, [h])[1], derivative)


@fuzz(150, formulas, formulas, st.sampled_from(["+", "*"]))
def test_sums_and_products_commute(a, b, sign):
    one, other = compiled(f"({a}) {sign} ({b})"), compiled(f"({b}) {sign} ({a})")
    assert (one is None) == (other is None)
    assume(one is not None)
    for h in POINTS:
        with mp.workdps(40):
            try:
                x, y = exact(one.forward, [h])[0], exact(other.forward, [h])[0]
            except (ValueError, ZeroDivisionError, OverflowError, TypeError):
                continue
            if not isinstance(x, mp.mpc) and mp.isfinite(x):
                assert abs(x - y) <= 1e-9 * (1 + abs(x)), f"{a} {sign} {b} at {h}"


def check_compiles_or_formula_error(text):
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for attempt in (compile_activation, compile_loss, lambda text: compile_update({"w": text})):
            message = "compiled"
            try:
                attempt(text)
            except FormulaError as error:
                message = error.message
            assert message
            assert all(line.isprintable() for line in message.split("\n"))
    assert time.perf_counter() - start < SECONDS, text


@fuzz(300, st.text(max_size=60))
def test_random_text(text):
    check_compiles_or_formula_error(text)


TOKENS = [
    *FUNCTIONS,
    *"hyeg()+-*/,<>=.^~@%&|:;[]{}!#'\"\\",
    "**",
    "//",
    "==",
    "!=",
    "1",
    "0",
    "2.5",
    "1e308",
    "9",
]
TOKENS += [
    " and ",
    " or ",
    " not ",
    " if ",
    " else ",
    "lambda ",
    "y_hat",
    "pi",
    "None",
    "__class__",
    "\n",
    "1j",
    "w",
]


@fuzz(400, st.lists(st.sampled_from(TOKENS), max_size=25).map("".join))
def test_random_tokens(text):
    check_compiles_or_formula_error(text)


@fuzz(300, formulas, st.data())
def test_mutated_formulas(text, data):
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 3))
        text = text[:at] + data.draw(st.sampled_from([*TOKENS, ""])) + text[at + cut :]
    check_compiles_or_formula_error(text)


def many(form, join, n=4000):
    """Join numbered copies of a form to a text of at most n characters."""
    parts, length = [], 0
    while length < n:
        parts.append(form.replace("{}", str(len(parts) + 1)))
        length += len(parts[-1]) + len(join)
    return join.join(parts[:-1])


def nested(before, after, n=4000):
    depth = min((n - 1) // (len(before) + len(after)), 98)
    return before * depth + "h" + after * depth


@pytest.mark.parametrize(
    "text",
    [
        *[
            many(form, join)
            for form in (
                "(h+{})",
                "sin({}*h)",
                "exp({}*h)",
                "(1+exp({}*h))",
                "(2+cosh({}*h))",
                "h**{}",
                "h**.{}",
            )
            for join in ("+", "*", "/", "**", "-")
        ],
        *[many(form, "+") for form in ("1/(h+{})", "h/(1+exp({}*h))", "softplus({}*h)", "where(h>{},h,0)")],
        *[
            many(form, "*")
            for form in ("expm1({}*h)*sigmoid(-{}*h)", "sinh({}*h)/cosh({}*h)", "abs(h-{})*sign(h-{})")
        ],
        many("exp({}*h)+exp(-{}*h)", "+"),
        many("exp({}*h)", "*", 3900) + "/(1+exp(h))",
        "where(" + many("h>{}", " and ", 3900) + ",h,0)",
        "where(" + many("h", "<", 3900) + ",h,0)",
        *[
            nested(before, after)
            for before, after in [
                ("sin(", ")"),
                ("exp(", ")"),
                ("h*(1+", ")"),
                ("h/(1+", ")"),
                ("1/(h+", ")"),
                ("(h+", ")**2"),
                ("(h*", ")**1.5"),
                ("(1+", ")**h"),
                ("h**(", ")"),
                ("2**(", ")"),
                ("sqrt(1+", ")"),
                ("where(h>1,h*", ",0)"),
                ("where(h>1,sin(h)*", ",h)"),
                ("maximum(h*", ",1-h)"),
                ("abs(1-", ")"),
                ("tanh(log(2+", "))"),
                ("log(1+exp(", "))"),
                ("(h-1/", ")"),
                ("h+h*sin(", ")"),
                ("h*sigmoid(", ")"),
            ]
        ],
    ],
)
def test_long_and_deep_formulas_compile_in_seconds(text):
    assert len(text) <= 4000
    check_compiles_or_formula_error(text)


def test_states_that_grow_exponentially_compile_in_seconds():
    names = [f"s{n}" for n in range(40)]
    doubled = {
        name: f"{before} * {before} + sin({before})"
        for name, before in zip(names, ["w", *names], strict=False)
    }
    start = time.perf_counter()
    with suppress(FormulaError):
        compile_update(doubled | {"w": "w + s39"}, names)
    assert time.perf_counter() - start < SECONDS
