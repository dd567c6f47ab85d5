"""Compare every built-in activation and its derivative with the fastest NumPy and SciPy expression."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from benchmarks.measure import Comparison, compare
from benchmarks.report import Section, Table, ratio_cell, verdict
from cygd import Network, core
from cygd.components.activations import ACTIVATIONS

SIZE = 4096
# minimum speedup over NumPy in float64; 1 for all other activations, and in float32
TARGETS = {"sigmoid": 2.5, "silu": 2.5, "mish": 2.5, "gelu": 5.0}

# What a careful NumPy user would write, step by step and in place: from h to o, with the float buffers t, u
# and v and the bool buffer b. Of several expressions, the fastest counts.
SIGMOID = [
    "negative(h, o); exp(o, o); add(o, 1, o); reciprocal(o, o)",
    "multiply(h, 0.5, o); tanh(o, o); multiply(o, 0.5, o); add(o, 0.5, o)",
    "expit(h, o)",
]
SIGMOID_DERIVATIVE = [
    *(f"{text}; subtract(1, o, t); multiply(o, t, o)" for text in SIGMOID),
    "multiply(h, 0.5, o); tanh(o, o); multiply(o, o, o); subtract(1, o, o); multiply(o, 0.25, o)",
]
ELU = ["minimum(h, 0, out=t); expm1(t, t); maximum(h, t, out=o)"]
ELU_DERIVATIVE = ["minimum(h, 0, out=o); exp(o, o)"]
HARD_SIGMOID = [
    "multiply(h, 1 / 6, o); add(o, 0.5, o); clip(o, 0, 1, out=o)",
    "multiply(h, 1 / 6, o); add(o, 0.5, o); maximum(o, 0, out=o); minimum(o, 1, out=o)",
]
# the argument of the exponential, -2 sqrt(2 / pi) (h + 0.044715 h^3)
MINUS_GELU_ARGUMENT = (
    "multiply(h, h, o); multiply(o, -0.07135481627260025, o); subtract(o, 1.5957691216057308, o); "
    "multiply(o, h, o)"
)
DENSITY = (
    "multiply(h, h, t); multiply(t, -0.5, t); exp(t, t); multiply(t, 0.3989422804014327, t); "
    "multiply(t, h, t); add(o, t, o)"
)
SILU_END = "subtract(1, o, t); multiply(t, h, t); add(t, 1, t); multiply(o, t, o)"

EXPRESSIONS: dict[str, tuple[list[str], list[str]]] = {
    "step": (
        ["greater_equal(h, 0, b); copyto(o, b)", "greater_equal(h, 0, o)", "heaviside(h, 1, o)"],
        ["o.fill(0)", "copyto(o, 0)"],
    ),
    "sigmoid": (SIGMOID, SIGMOID_DERIVATIVE),
    "tanh": (["tanh(h, o)"], ["tanh(h, o); multiply(o, o, o); subtract(1, o, o)"]),
    "relu": (
        ["maximum(h, 0, out=o)", "clip(h, 0, None, out=o)", "greater(h, 0, b); multiply(h, b, o)"],
        ["greater(h, 0, b); copyto(o, b)", "greater(h, 0, o)", "heaviside(h, 0, o)"],
    ),
    "leaky_relu": (
        ["multiply(h, 0.01, o); maximum(h, o, out=o)"],
        [
            "greater(h, 0, b); copyto(o, b); multiply(o, 0.99, o); add(o, 0.01, o)",
            "greater(h, 0, b); copyto(o, b); maximum(o, 0.01, out=o)",
            "greater(h, 0, b); o.fill(0.01); copyto(o, 1, where=b)",
        ],
    ),
    "elu": (ELU, ELU_DERIVATIVE),
    "selu": (
        [
            "minimum(h, 0, out=t); expm1(t, t); multiply(t, 1.7580993408473766, t); "
            "maximum(h, 0, out=o); multiply(o, 1.0507009873554805, o); add(o, t, o)"
        ],
        [
            "minimum(h, 0, out=o); exp(o, o); multiply(o, 1.7580993408473766, o); "
            "greater(h, 0, b); copyto(o, 1.0507009873554805, where=b)"
        ],
    ),
    "celu": (ELU, ELU_DERIVATIVE),
    "softplus": (
        [
            "absolute(h, t); negative(t, t); exp(t, t); log1p(t, t); maximum(h, 0, out=o); add(o, t, o)",
            "exp(h, o); log1p(o, o)",
            "exp(h, o); add(o, 1, o); log(o, o)",
            "logaddexp(h, 0, o)",
        ],
        SIGMOID,
    ),
    "softsign": (
        ["absolute(h, t); add(t, 1, t); divide(h, t, o)"],
        ["absolute(h, o); add(o, 1, o); multiply(o, o, o); reciprocal(o, o)"],
    ),
    "gelu": (
        [
            "ndtr(h, o); multiply(o, h, o)",
            "multiply(h, 0.7071067811865476, o); erf(o, o); add(o, 1, o); multiply(o, h, o); "
            "multiply(o, 0.5, o)",
        ],
        [
            f"ndtr(h, o); {DENSITY}",
            "multiply(h, 0.7071067811865476, o); erf(o, o); multiply(o, 0.5, o); add(o, 0.5, o); " + DENSITY,
        ],
    ),
    "gelu_tanh": (
        [
            f"{MINUS_GELU_ARGUMENT}; exp(o, o); add(o, 1, o); divide(h, o, o)",
            f"{MINUS_GELU_ARGUMENT}; multiply(o, -0.5, o); tanh(o, o); add(o, 1, o); multiply(o, h, o); "
            "multiply(o, 0.5, o)",
        ],
        [
            f"{MINUS_GELU_ARGUMENT}; exp(o, o); add(o, 1, o); reciprocal(o, o); multiply(h, h, t); "
            "multiply(t, 0.21406444881780076, t); add(t, 1.5957691216057308, t); multiply(t, h, t); "
            "subtract(1, o, u); multiply(t, u, t); add(t, 1, t); multiply(o, t, o)"
        ],
    ),
    "silu": (
        [
            "negative(h, o); exp(o, o); add(o, 1, o); divide(h, o, o)",
            "expit(h, o); multiply(o, h, o)",
        ],
        [f"{text}; {SILU_END}" for text in SIGMOID],
    ),
    "mish": (
        [
            "exp(h, t); add(t, 2, o); multiply(t, o, t); add(t, 2, o); divide(t, o, t); multiply(t, h, o)",
            "exp(h, o); log1p(o, o); tanh(o, o); multiply(o, h, o)",
        ],
        [
            "exp(h, t); add(t, 2, u); multiply(u, t, u); add(u, 2, o); reciprocal(o, o); "
            "multiply(t, t, v); add(v, t, t); multiply(t, h, t); multiply(t, 4, t); "
            "multiply(t, o, t); add(t, u, t); multiply(o, t, o)"
        ],
    ),
    "hard_sigmoid": (
        HARD_SIGMOID,
        [
            "absolute(h, o); less(o, 3, b); copyto(o, b); multiply(o, 1 / 6, o)",
            "absolute(h, o); less(o, 3, b); multiply(b, 1 / 6, o)",
        ],
    ),
    "hard_tanh": (
        ["clip(h, -1, 1, out=o)", "maximum(h, -1, out=o); minimum(o, 1, out=o)"],
        ["absolute(h, o); less(o, 1, b); copyto(o, b)", "absolute(h, o); less(o, 1, o)"],
    ),
    "hard_swish": (
        [f"{text}; multiply(o, h, o)" for text in HARD_SIGMOID],
        [
            "multiply(h, 1 / 3, o); add(o, 0.5, o); less_equal(h, -3, b); copyto(o, 0, where=b); "
            "greater_equal(h, 3, b); copyto(o, 1, where=b)"
        ],
    ),
    "sin": (["sin(h, o)"], ["cos(h, o)"]),
    "gaussian": (
        ["multiply(h, h, o); negative(o, o); exp(o, o)"],
        ["multiply(h, h, o); negative(o, o); exp(o, o); multiply(o, h, o); multiply(o, -2, o)"],
    ),
}


def run(quick: bool = False) -> Section:
    """Measure every elementwise built-in except identity."""
    text = f"""
Blocks of {SIZE} numbers, called from Python: `cygd.core.activate(h, name, out)` and
`cygd.core.derivative(h, name, out)` against the fastest of several NumPy and SciPy expressions, which work
step by step and in place, with precomputed constants. Both give the same numbers (checked). Times are
medians; the speedup is the median over interleaved rounds, with the interquartile range in brackets.
"""
    names = [activation.name for activation in ACTIVATIONS if activation.name in EXPRESSIONS]
    missing = {a.name for a in ACTIVATIONS if not a.rowwise} - {"identity", *names}
    assert not missing, f"no expression for {missing}"
    tables = [_against_numpy(names, dtype, quick) for dtype in ("float64", "float32")]
    return Section("activations", "Activations", text, [*tables, _engine_table(names, quick)])


def _against_numpy(names: list[str], dtype: str, quick: bool) -> Table:
    head = ["activation", "", "us", "best expression, us", "speedup", "target", "expression"]
    table = Table(f"Activations and derivatives, {SIZE} elements, {dtype}", head)
    h = (2 * np.random.default_rng(0).normal(size=SIZE)).astype(dtype)
    for name in names:
        calls = (core.activate, core.derivative)
        for label, call, texts in zip(("f", "f'"), calls, EXPRESSIONS[name], strict=True):
            comparison, text = _compare_expressions(name, call, texts, h, quick)
            least = TARGETS.get(name, 1.0) if dtype == "float64" else 1.0
            ratio = comparison.ratios[text]
            times = [f"{1e6 * comparison.seconds[side]:.2f}" for side in ("cygd", text)]
            target = verdict(f"at least {least:g}", ratio >= least)
            cells = [name, label, *times, ratio_cell(comparison, text), target, f"`{text}`"]
            table.rows.append(cells)
    return table


def _compare_expressions(
    name: str, call: Any, texts: list[str], h: Any, quick: bool
) -> tuple[Comparison, str]:
    """Time a call and the equivalent expressions; return the comparison and the fastest expression."""
    out = np.empty_like(h)
    close = {"rtol": 1e-9, "atol": 1e-12} if h.dtype == np.float64 else {"rtol": 2e-5, "atol": 2e-6}
    works = {}
    for text in texts:
        works[text], result = compile_expression(text, h)
        works[text]()
        call(h, name, out)
        np.testing.assert_allclose(result, out, err_msg=f"{name}: {text}", **close)
    # timings far shorter than a time slice of the scheduler
    comparison = compare({"cygd": lambda: call(h, name, out), **works}, 5 if quick else 151, 0.0003)
    return comparison, min(works, key=lambda text: comparison.ratios[text])


class _Constants(ast.NodeTransformer):
    """Replace numbers by zero-dimensional arrays, because NumPy converts a number in every call."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.constants: dict[str, Any] = {}

    def _replace(self, node: ast.expr) -> ast.expr:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.array(eval(compile(ast.Expression(node), "constant", "eval")), self.dtype)
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Replace a number."""
        return node if node.value is None else self._replace(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Replace a quotient of two numbers."""
        return self._replace(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Replace a negative number."""
        return self._replace(node)


def compile_expression(text: str, h: Any) -> tuple[Callable[[], object], Any]:
    """Return a function that evaluates an expression and the array to which it writes."""
    transformer = _Constants(h.dtype)
    body = transformer.visit(ast.parse(text)).body
    blocks = {name: np.empty_like(h) for name in ("o", "t", "u", "v")}
    names = {**vars(np), **{n: getattr(special, n) for n in ("expit", "erf", "ndtr")}, "h": h, **blocks}
    names |= {"b": np.empty(h.shape, bool), **transformer.constants}
    module = ast.parse("def work(): pass")
    module.body[0].body = body  # type: ignore[attr-defined]
    exec(compile(ast.fix_missing_locations(module), text, "exec"), names)
    return names["work"], blocks["o"]


def _engine_table(names: list[str], quick: bool) -> Table:
    """Time f, f' and both as the engine calls them."""
    columns = [f"{call}, {dtype}" for dtype in ("float64", "float32") for call in ("f", "f'", "both")]
    head = ["activation", *columns]
    table = Table(f"Inside the engine: us for {SIZE} elements", head)
    table.note = (
        "A forward pass computes only f; a training step computes both, in one pass where that is cheaper."
    )
    for name in names:
        cells = [name]
        for dtype in ("float64", "float32"):
            kernels: Any = core._f64 if dtype == "float64" else core._f32
            h = (2 * np.random.default_rng(0).normal(size=SIZE)).astype(dtype)
            engine: Any = Network(1, [(1, name)], dtype=dtype)._engine
            until = time.perf_counter() + (0.01 if quick else 0.1)
            each = [kernels.activation_seconds(engine, h, 20)]
            while time.perf_counter() < until:
                each.append(kernels.activation_seconds(engine, h, 20))
            cells += [f"{1e6 * t:.2f}" for t in np.median(each, axis=0)]
        table.rows.append(cells)
    return table
