"""Reference interpreters of formula programs, in NumPy and in mpmath, independent of the core.

`run` executes a program over float64 arrays, whose outputs may share memory with inputs as in the core.
`exact` executes it in mpmath's numbers, so that the difference between the two is rounding.
"""

import math

import numpy as np
from mpmath import mp, mpf

MAX = float(np.finfo(np.float64).max)


@np.vectorize
def _erf(x):
    return math.erf(x)


@np.vectorize
def _erfc(x):
    return math.erfc(x)


def sigmoid(a):
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1 / (1 + e), e / (1 + e)) + 0 * np.sign(a)


def where(holds, a, b, x, y):
    return np.where(np.isnan(a) | np.isnan(b), np.nan, np.where(holds, x, y))


def tanh_log1p(v):
    return np.tanh(np.log1p(v))


def tanh_log1p_derivative(v):
    v = np.minimum(v, 1e150)
    q = 1 / (v * (v + 2) + 2)
    return 4 * ((1 + v) * q) * q


def root_sum(b, r, d):
    return np.where(b < 0, d / (r + np.abs(b)), r + np.abs(b))


def root_ratio(b, r, d):
    return np.where(b < 0, d / ((r + np.abs(b)) * r), 1 + b / r)


OPS = {
    "copy": lambda a: a,
    "flush_subnormal": lambda a: np.where(np.abs(a) < np.finfo(np.float64).tiny, 0.0, a),
    "finite": lambda a: np.clip(a, -MAX, MAX),
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "inverse": lambda a: 1 / a,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "sigmoid": sigmoid,
    "softplus": lambda a: np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a))),
    "erf": _erf,
    "erfc": _erfc,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "fma": lambda a, b, c: a * b + c,
    "fms": lambda a, b, c: a * b - c,
    "fnma": lambda a, b, c: c - a * b,
    "mul3": lambda a, b, c: a * b * c,
    "add_mul": lambda a, b, c: (a + b) * c,
    "finite_mul": lambda a, b: np.clip(a, -MAX, MAX) * b,
    "fma_mul": lambda a, b, c, d: (a * b + c) * d,
    "mul_fma": lambda a, b, c, d: a * b * c + d,
    "fma_sqrt": lambda a, b, c: np.sqrt(a * b + c),
    "add_inverse": lambda a, b: 1 / (a + b),
    "div_add": lambda a, b, c: a / b + c,
    "div_add_mul": lambda a, b, c, d: (a / b + c) * d,
    "mul3_fma": lambda a, b, c, d, e: a * b * c * d + e,
    "fma_finite": lambda a, b, c: np.clip(a * b + c, -MAX, MAX),
    "exp_finite": lambda a: np.clip(np.exp(a), -MAX, MAX),
    "mul_exp": lambda a, b: np.exp(a * b),
    "mul_exp_finite": lambda a, b: np.clip(np.exp(a * b), -MAX, MAX),
    "tanh_log1p": tanh_log1p,
    "tanh_log1p_derivative": tanh_log1p_derivative,
    "root_sum": root_sum,
    "root_ratio": root_ratio,
    "where_lt": lambda a, b, x, y: where(a < b, a, b, x, y),
    "where_le": lambda a, b, x, y: where(a <= b, a, b, x, y),
    "where_eq": lambda a, b, x, y: where(a == b, a, b, x, y),
}

# instructions with two results -> (first operation, second function of (operations, *operands))
PAIR_OPS = {
    "logistic": ("sigmoid", lambda ops, a: ops["sigmoid"](-a)),
    "tanh_log1p_value_and_derivative": ("tanh_log1p", lambda ops, v: ops["tanh_log1p_derivative"](v)),
    "root_sum_and_ratio": ("root_sum", lambda ops, b, r, d: ops["root_ratio"](b, r, d)),
}

EXACT = {
    **OPS,
    "flush_subnormal": lambda a: a,
    "finite": lambda a: a,
    "sign": mp.sign,
    "sqrt": mp.sqrt,
    "abs": abs,
    "neg": lambda a: -a,
    **{
        name: getattr(mp, name)
        for name in ("exp", "expm1", "log", "log1p", "sin", "cos", "tan", "sinh", "cosh")
    },
    **{name: getattr(mp, name) for name in ("tanh", "erf", "erfc")},
    "arctan": mp.atan,
    "sigmoid": lambda a: 1 / (1 + mp.exp(-a)),
    "softplus": lambda a: mp.log1p(mp.exp(a)),
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "finite_mul": lambda a, b: a * b,
    "fma_sqrt": lambda a, b, c: mp.sqrt(a * b + c),
    "fma_finite": lambda a, b, c: a * b + c,
    "exp_finite": mp.exp,
    "mul_exp": lambda a, b: mp.exp(a * b),
    "mul_exp_finite": lambda a, b: mp.exp(a * b),
    "tanh_log1p": lambda v: mp.tanh(mp.log1p(v)),
    "tanh_log1p_derivative": lambda v: 4 * (1 + v) / (v * (v + 2) + 2) ** 2,
    "root_sum": lambda b, r, d: r + b,
    "root_ratio": lambda b, r, d: 1 + b / r,
    "minimum": min,
    "maximum": max,
    "where_lt": lambda a, b, x, y: x if a < b else y,
    "where_le": lambda a, b, x, y: x if a <= b else y,
    "where_eq": lambda a, b, x, y: x if a == b else y,
}


def scalars(program, uniforms, ops, number):
    """Return uniforms, constants and the results of the prologue."""
    u = [number(value) for value in (*uniforms, *program.constants)]
    for op, *operands in program.prologue:
        u.append(ops[op](*[u[operand] for operand in operands]))
    return u


def run(program, inputs, uniforms=(), alias=()):
    """Return the outputs; `alias` holds pairs (output, input) that share memory."""
    shape = np.shape(inputs[0])
    slots = [np.array(np.broadcast_to(values, shape), np.float64) for values in inputs]
    slots += [np.full(shape, np.nan) for _ in range(len(program.outputs) + program.temporaries)]
    for k_output, k_input in alias:
        slots[len(inputs) + k_output] = slots[k_input]
    n = len(slots)
    with np.errstate(all="ignore"):
        slots += [np.full(shape, value) for value in scalars(program, uniforms, OPS, np.float64)]
        for op, result, *operands in program.body:
            if op in PAIR_OPS:
                second_result, *operands = operands
                first, second = PAIR_OPS[op]
                # the core reads the operands before it writes the results: they may overlap
                values = [slots[operand].copy() for operand in operands]
                slots[result][...] = OPS[first](*values)
                slots[second_result][...] = second(OPS, *values)
            else:
                assert len(inputs) <= result < n, "a program writes only outputs and temporaries"
                slots[result][...] = OPS[op](*[slots[operand] for operand in operands])
    return slots[len(inputs) : len(inputs) + len(program.outputs)]


def exact(program, inputs, uniforms=()):
    """Return the outputs for one number per input, at the working precision of mpmath."""
    slots = [mpf(value) for value in inputs]
    slots += [None] * (len(program.outputs) + program.temporaries)
    slots += scalars(program, uniforms, EXACT, mpf)
    for op, result, *operands in program.body:
        if op in PAIR_OPS:
            second_result, *operands = operands
            first, second = PAIR_OPS[op]
            values = [slots[operand] for operand in operands]
            slots[result], slots[second_result] = EXACT[first](*values), second(EXACT, *values)
        else:
            slots[result] = EXACT[op](*[slots[operand] for operand in operands])
    return slots[len(inputs) : len(inputs) + len(program.outputs)]
