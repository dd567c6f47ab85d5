"""Formula programs in the core: the prologue, and random programs against an interpreter in NumPy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf

from cygd.core import _f32, _f64, dispatch
from tests.helpers.program_cases import EXACT, FUNCTIONS, INF, NAN, Description, same

# ---- the prologue --------------------------------------------------------------------------------

PROLOGUE = {
    "copy": lambda a: a,
    "neg": lambda a: -a,
    "abs": abs,
    "sign": lambda a: math.copysign(1, a),
    "sqrt": lambda a: math.sqrt(abs(a)),
    "inverse": lambda a: 1 / a,
    **{name: (lambda a, f=function: float(f(mpf(a)))) for name, function in FUNCTIONS.items()},
}
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "minimum": min,
    "maximum": max,
}


def scalar(module, op, *values):
    """Evaluate one prologue instruction, on uniforms and on constants; both must agree."""
    n = len(values)
    names = tuple(f"u{k}" for k in range(n))
    d = Description(inputs=(), prologue=((op, *range(n)),), body=(("copy", 0, 1 + n),))
    dtype = np.float64 if module is _f64 else np.float32
    out, folded = np.empty((2, 19), dtype)
    module.Program(d._replace(uniforms=names)).run([], [out], values)
    module.Program(d._replace(constants=values)).run([], [folded])
    same(out, folded)
    same(out, np.full(19, out[0]))
    return out[0]


@pytest.mark.parametrize("op", PROLOGUE)
@pytest.mark.parametrize("a", [0.3, 2.5])
def test_prologue_functions(op, a):
    np.testing.assert_allclose(scalar(_f64, op, a), PROLOGUE[op](a), rtol=1e-15)
    assert np.isnan(scalar(_f64, op, NAN))


@pytest.mark.parametrize("op", BINARY)
def test_prologue_arithmetic(op):
    assert scalar(_f64, op, 0.3, -0.7) == BINARY[op](0.3, -0.7)
    assert np.isnan(scalar(_f64, op, NAN, 1.0))
    assert np.isnan(scalar(_f64, op, 1.0, NAN))


def test_prologue_at_the_ends():
    cases = [
        ("sign", 0.0, -0.0),
        ("sign", -1.0, -3.0),
        ("sigmoid", 0.0, -INF),
        ("sigmoid", 1.0, INF),
        ("softplus", INF, INF),
        ("softplus", 0.0, -INF),
        ("softplus", 1e300, 1e300),
        ("exp", INF, 1000.0),
        ("log", -INF, 0.0),
        ("inverse", -INF, -0.0),
    ]
    for op, expected, a in cases:
        got = scalar(_f64, op, a)
        assert got == expected, (op, a)
    assert np.signbit(scalar(_f64, "sign", -0.0))
    assert not np.signbit(scalar(_f64, "sign", 0.0))
    np.testing.assert_allclose(scalar(_f64, "sigmoid", -40.0), math.exp(-40), rtol=1e-15)
    np.testing.assert_allclose(scalar(_f64, "softplus", -40.0), math.exp(-40), rtol=1e-15)


def test_prologue_fused_and_where():
    eps = 2.0**-52
    assert scalar(_f64, "fma", 1 + eps, 1 + eps, -(1 + 2 * eps)) == eps * eps
    assert scalar(_f64, "fms", 2.0, 3.0, 1.0) == 5
    assert scalar(_f64, "fnma", 2.0, 3.0, 1.0) == -5
    for a, b, lt, le, equal in ((1.0, 2.0, 10, 10, 20), (2.0, 2.0, 20, 10, 10), (3.0, 2.0, 20, 20, 20)):
        assert scalar(_f64, "where_lt", a, b, 10.0, 20.0) == lt
        assert scalar(_f64, "where_le", a, b, 10.0, 20.0) == le
        assert scalar(_f64, "where_eq", a, b, 10.0, 20.0) == equal
    for op in ("where_lt", "where_le", "where_eq"):
        assert np.isnan(scalar(_f64, op, NAN, 1.0, 10.0, 20.0))
        assert np.isnan(scalar(_f64, op, 1.0, NAN, 10.0, 20.0))
        assert scalar(_f64, op, 1.0, 3.0, 10.0, NAN) != 20


def test_the_prologue_is_in_double_and_its_result_rounded_once():
    assert scalar(_f32, "sub", 1 + 2.0**-40, 1.0) == np.float32(2.0**-40)
    assert scalar(_f32, "copy", 1e300) == INF


# ---- random programs against an interpreter in NumPy -----------------------------------------------

STEPS = {**EXACT, "fma": (3, lambda a, b, c: a * b + c), "fnma": (3, lambda a, b, c: c - a * b)}


@st.composite
def random_programs(draw):
    """Programs whose arithmetic is exact in both types: small whole numbers, products kept small."""
    n_in, n_out, n_temporaries = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(0, 5))
    uniforms = draw(st.lists(st.integers(-3, 3), max_size=2))
    constants = draw(st.lists(st.integers(-3, 3), min_size=1, max_size=3))
    blocks = n_in + n_out + n_temporaries
    n_scalars = len(uniforms) + len(constants)
    prologue = []
    for _ in range(draw(st.integers(0, 2))):
        index = st.integers(0, n_scalars - 1)
        prologue.append((draw(st.sampled_from(["add", "minimum", "sub"])), draw(index), draw(index)))
        n_scalars += 1
    readable = [*range(n_in), *range(blocks, blocks + n_scalars)]
    names = [
        "copy",
        "neg",
        "abs",
        "sign",
        "add",
        "sub",
        "minimum",
        "maximum",
        "where_lt",
        "where_le",
        "where_eq",
    ]
    body = []
    targets = [draw(st.integers(n_in, blocks - 1)) for _ in range(draw(st.integers(0, 12)))]
    for target in [*targets, *range(n_in, n_in + n_out)]:
        op = draw(st.sampled_from(names))
        operands = [draw(st.sampled_from(readable)) for _ in range(STEPS[op][0])]
        body.append((op, target, *operands))
        if target not in readable:
            readable.append(target)
    return (
        Description(
            inputs=tuple(f"i{k}" for k in range(n_in)),
            uniforms=tuple(f"u{k}" for k in range(len(uniforms))),
            outputs=tuple(f"o{k}" for k in range(n_out)),
            constants=tuple(map(float, constants)),
            prologue=tuple(prologue),
            body=tuple(body),
            temporaries=n_temporaries,
        ),
        uniforms,
    )


def interpreted(d, inputs, uniforms):
    u = [np.float64(value) for value in (*uniforms, *d.constants)]
    for op, *operands in d.prologue:
        u.append(STEPS[op][1](*(u[k] for k in operands)))
    blocks = len(d.inputs) + len(d.outputs) + d.temporaries
    slots = [*inputs, *[None] * (blocks - len(inputs))]
    slots += [np.full_like(inputs[0], value) for value in u]
    for op, target, *operands in d.body:
        slots[target] = np.asarray(STEPS[op][1](*(slots[k] for k in operands)))
    return slots[len(inputs) : len(inputs) + len(d.outputs)]


@settings(max_examples=300, deadline=None)
@given(made=random_programs(), n=st.sampled_from([0, 1, 7, 16, 33, 300, 1030]), seed=st.integers(0, 99))
def test_random_programs(made, n, seed):
    d, uniforms = made
    before = dispatch.level()
    for module, dtype in ((_f32, np.float32), (_f64, np.float64)):
        inputs = list(np.random.default_rng(seed).integers(-4, 5, (len(d.inputs), n)).astype(dtype))
        expected = interpreted(d, inputs, uniforms)
        for level in dispatch.levels():
            dispatch.select(level)
            try:
                out = [np.full(n, 7, dtype) for _ in d.outputs]
                module.Program(d).run(inputs, out, uniforms)
            finally:
                dispatch.select(before)
            for got, values in zip(out, expected, strict=True):
                np.testing.assert_array_equal(got, values)
