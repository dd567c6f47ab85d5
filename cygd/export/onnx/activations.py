"""Activations as nodes: ONNX's own operators where they are exact enough, else compositions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cygd.components import Activation
from cygd.export.elementwise import check_expressible
from cygd.export.formula_steps import formula_steps
from cygd.export.onnx.functions import Functions
from cygd.export.onnx.graph import Graph, Operand, Value

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
GELU_TANH = (2 * math.sqrt(2 / math.pi), 0.044715)

# activation -> operator and attributes; attributes are float32, so those of float64 are composed
BOTH: Mapping[str, str] = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softsign": "Softsign",
    "sin": "Sin",
}
SINGLE: Mapping[str, tuple[str, dict[str, str | float]]] = {
    "leaky_relu": ("LeakyRelu", {"alpha": "slope"}),
    "elu": ("Elu", {"alpha": "alpha"}),
    "celu": ("Celu", {"alpha": "alpha"}),
    "selu": ("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_swish": ("HardSwish", {}),
    "softplus": ("Softplus", {}),  # of float64 it is inf beyond 709
}


def activate(graph: Graph, activation: Activation, h: Value) -> Value:
    """Return f(h), or raise an ExportError that names an activation which ONNX cannot express."""
    check_expressible(activation, "ONNX")
    if activation.kernel is None:
        return _formula(graph, activation, h)
    name = activation.kernel
    if name == "identity":
        return h
    if name == "softmax":
        return graph.node("Softmax", h, axis=1)
    if name in BOTH:
        return graph.node(BOTH[name], h)
    if name in SINGLE and graph.dtype == np.float32:
        op, attributes = SINGLE[name]
        values: dict[str, Any] = {
            key: activation.parameters[value] if isinstance(value, str) else value
            for key, value in attributes.items()
        }
        return graph.node(op, h, **values)
    parameters = {key: float(graph.dtype.type(value)) for key, value in activation.parameters.items()}
    composed: Value = getattr(_Composed(graph), name)(h, **parameters)
    return composed


class _Composed:
    """Built-in activations composed of other nodes."""

    def __init__(self, graph: Graph) -> None:
        self.where, self.f = graph.where, Functions(graph)

    def step(self, h: Value) -> Value:
        return self.f.keep_nan(h, self.where(h < 0.0, 0.0, 1.0))

    def leaky_relu(self, h: Value, slope: float) -> Value:
        return self.where(h > 0.0, h, slope * h)

    def elu(self, h: Value, alpha: float) -> Value:
        return self.where(h > 0.0, h, alpha * self.f.expm1(self.f.clamp(h, None, 0.0)))

    def selu(self, h: Value) -> Value:
        return SELU_SCALE * self.elu(h, SELU_ALPHA)

    def celu(self, h: Value, alpha: float) -> Value:
        return self.where(h > 0.0, h, alpha * self.f.expm1(self.f.clamp(h, None, 0.0) / alpha))

    def hard_sigmoid(self, h: Value) -> Value:
        return self.f.clamp(h * (1 / 6) + 0.5, 0.0, 1.0)

    def hard_tanh(self, h: Value) -> Value:
        return self.f.clamp(h, -1.0, 1.0)

    def hard_swish(self, h: Value) -> Value:
        return self.f.clamp(h, -3.0, None) * self.hard_sigmoid(h)

    def gelu(self, h: Value) -> Value:
        return self.f.clamp(h, -40.0, None) * (0.5 * self.f.erfc(h * -math.sqrt(0.5)))

    def gelu_tanh(self, h: Value) -> Value:
        factor, cubic = GELU_TANH
        c = self.f.clamp(h, -40.0, 40.0)
        return self.f.clamp(h, -40.0, None) * self.f.sigmoid(factor * (c + cubic * c * c * c))

    def softplus(self, h: Value) -> Value:
        return self.f.softplus(h)

    def silu(self, h: Value) -> Value:
        low = self.f.clamp(h, -1000.0, None)
        return low * self.f.sigmoid(low)

    def mish(self, h: Value) -> Value:
        low = self.f.clamp(h, -1000.0, None)
        e = self.f.exp(self.f.clamp(low, None, 22.0))
        n = e * (e + 2.0)
        return low * (n / (n + 2.0))

    def gaussian(self, h: Value) -> Value:
        return self.f.exp(-(h * h))


def _formula(graph: Graph, activation: Activation, h: Value) -> Value:
    """Return f(h) of a formula, step by step."""
    steps, result = formula_steps(activation, graph.dtype)
    values: dict[str, Value] = {"h": h}

    def operand(value: str | np.floating[Any]) -> Value:
        return values[value] if isinstance(value, str) else graph.operand(float(value))

    instructions = _Instructions(graph)
    for step in steps:
        results = instructions.run(step.op, [operand(value) for value in step.operands])
        values |= dict(zip(step.results, results, strict=True))
    return operand(result)


class _Instructions:
    """The instructions of formulas."""

    def __init__(self, graph: Graph) -> None:
        self.f = f = Functions(graph)
        smallest = float(np.finfo(graph.dtype).smallest_normal)
        self.table: Mapping[str, Callable[..., Operand]] = {
            "neg": lambda a: -a,
            "abs": abs,
            "inverse": lambda a: 1.0 / a,
            "flush_subnormal": lambda a: graph.where(abs(a) < smallest, 0.0, a),
            "add": lambda a, b: a + b,
            "sub": lambda a, b: a - b,
            "mul": lambda a, b: a * b,
            "div": lambda a, b: a / b,
            "fma": lambda a, b, c: a * b + c,
            "fms": lambda a, b, c: a * b - c,
            "fnma": lambda a, b, c: c - a * b,
            "mul3": lambda a, b, c: a * b * c,
            "add_mul": lambda a, b, c: (a + b) * c,
            "mul3_fma": lambda a, b, c, d, e: a * b * c * d + e,
            "finite_mul": lambda a, b: f.finite(a) * b,
            "fma_finite": lambda a, b, c: f.finite(a * b + c),
            "add_inverse": lambda a, b: 1.0 / (a + b),
            "div_add": lambda a, b, c: a / b + c,
            "div_add_mul": lambda a, b, c, d: (a / b + c) * d,
            "fma_mul": lambda a, b, c, d: (a * b + c) * d,
            "mul_fma": lambda a, b, c, d: a * b * c + d,
            "fma_sqrt": lambda a, b, c: f.sqrt(a * b + c),
            "root_sum": lambda b, r, d: self.root_sum(b, r, d)[0],
            "root_ratio": lambda b, r, d: self.root_sum(b, r, d)[1],
            "where_lt": lambda a, b, x, y: f.where_compared("lt", a, b, x, y),
            "where_le": lambda a, b, x, y: f.where_compared("le", a, b, x, y),
            "where_eq": lambda a, b, x, y: f.where_compared("eq", a, b, x, y),
            "exp_finite": lambda a: f.finite(f.exp(a)),
            "mul_exp": lambda a, b: f.exp(a * b),
            "mul_exp_finite": lambda a, b: f.finite(f.exp(a * b)),
            "tanh_log1p": lambda v: self.tanh_log1p(v)[0],
            "tanh_log1p_derivative": lambda v: self.tanh_log1p(v)[1],
        }
        self.where = graph.where
        self.most = 2.0**63 if graph.dtype == np.float32 else 2.0**511

    def run(self, op: str, operands: list[Value]) -> tuple[Any, ...]:
        """Return the results of an instruction."""
        pairs: Mapping[str, Callable[..., tuple[Any, ...]]] = {
            "logistic": self.f.sigmoid_parts,
            "root_sum_and_ratio": self.root_sum,
            "tanh_log1p_value_and_derivative": self.tanh_log1p,
        }
        if op in pairs:
            return pairs[op](*operands)
        function: Callable[..., Operand] = self.table.get(op) or getattr(self.f, op)
        return (function(*operands),)

    def tanh_log1p(self, v: Value) -> tuple[Value, Value]:
        """Return tanh(log(1 + v)) and its derivative."""
        c = self.f.clamp(v, None, math.sqrt(self.most))
        w = c * (c + 2.0)
        q = 1.0 / (w + 2.0)
        return self.where(c < 1.0, w * q, 1.0 - 2.0 * q), 4.0 * ((c + 1.0) * q) * q

    def root_sum(self, b: Value, r: Value, d: Value) -> tuple[Value, Value]:
        """Return r + b and 1 + b / r for r = sqrt(b^2 + d), without cancellation."""
        a = abs(b)
        root = self.f.clamp(r, 1 / self.most, self.most)
        low = self.f.clamp(a, None, self.most)
        q = 1.0 / (root + low)
        value = self.where(b < 0.0, d * q, r + a)
        return value, self.where(b < 0.0, d * q / root, 1.0 + low / root)
