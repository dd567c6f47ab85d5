"""Formula programs in the core: every operation against NumPy and mpmath, at every size and in place."""

import threading

import numpy as np
import pytest
from mpmath import mp, mpf

from cygd.core import dispatch
from tests.helpers.program_cases import EXACT, FUNCTIONS, INF, NAN, Description, same

REGISTER = 32  # in widths of 64 bytes: 2 KB
FUSED = {"fma": (1, 1), "fms": (1, -1), "fnma": (-1, 1)}  # signs of a * b and of c
DOMAIN = {"log": 0, "log1p": -1}
BOUND = {np.float32: 2, np.float64: 4}
quiet = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def logistic(x):
    return np.where(x < 0, np.exp(x) / (1 + np.exp(np.minimum(x, 0))), 1 / (1 + np.exp(-np.abs(x))))


def one(op, operands, *, scalars=(), constants=()):
    """A program of one instruction: operand k is input k, but for those of `scalars`."""
    inputs = [k for k in range(operands) if k not in scalars]
    n = len(inputs)
    slots = [inputs.index(k) if k in inputs else n + 1 + list(scalars).index(k) for k in range(operands)]
    names = tuple(f"x{k}" for k in inputs)
    return Description(inputs=names, constants=tuple(constants), body=((op, n, *slots),))


def run(module, description, *inputs, uniforms=()):
    program = module.Program(description)
    n = len(inputs[0])
    out = [np.full(n, 7, inputs[0].dtype) for _ in program.outputs]
    program.run(list(inputs), out, uniforms)
    return out[0] if len(out) == 1 else out


def specials(kernels):
    info = kernels.info
    values = [0.0, -0.0, 1.0, -1.0, 1.5, -2.5, INF, -INF, NAN, info.max, -info.max, info.tiny, -info.tiny]
    return np.array([*values, info.smallest_subnormal, -3 * info.smallest_subnormal], kernels.dtype)


def combinations(kernels, operands):
    """Every combination of special values (of 4 operands: of two of them), and ordinary ones."""
    values = specials(kernels)
    grids = np.meshgrid(*[values] * min(operands, 3), indexing="ij")
    columns = [grid.ravel() for grid in grids]
    while len(columns) < operands:
        columns.append(columns[-1][::-1].copy())
    normal = kernels.rng.normal(size=(operands, 100)).astype(kernels.dtype)
    return [np.concatenate([column, rest]) for column, rest in zip(columns, normal, strict=True)]


@quiet
@pytest.mark.parametrize("op", EXACT)
def test_arithmetic(kernels, op):
    operands, function = EXACT[op]
    x = combinations(kernels, operands)
    expected = function(*x)
    for found in kernels.at_every_level(lambda: run(kernels.module, one(op, operands), *x)).values():
        if op in ("minimum", "maximum"):  # which zero is the smaller is left open
            np.testing.assert_array_equal(found, expected)
        else:
            same(found, expected)


@quiet
@pytest.mark.parametrize("op", FUSED)
def test_fused(kernels, op):
    x = combinations(kernels, 3)
    product, rest = FUSED[op]
    twice = product * (x[0] * x[1]) + rest * x[2]
    for level, found in kernels.at_every_level(lambda: run(kernels.module, one(op, 3), *x)).items():
        if level == "base":
            np.testing.assert_array_equal(found, twice)
            continue
        for a, b, c, got in zip(*x, found, strict=True):
            if not np.isfinite([a, b, c]).all():
                # next to infinity and NaN, a finite number is as good as its sign, and cannot overflow
                a, b, c = (np.sign(v) if np.isfinite(v) else v for v in (a, b, c))
                np.testing.assert_equal(got, product * a * b + rest * c)
                continue
            with mp.workprec(5000):
                exact = product * mpf(float(a)) * mpf(float(b)) + rest * mpf(float(c))
                assert kernels.ulps(got, exact) <= 0.5, (op, a, b, c, got)


def test_fma_rounds_once_where_the_level_has_it(kernels):
    eps = kernels.info.eps
    a = np.full(5, 1 + eps, kernels.dtype)
    c = np.full(5, -(1 + 2 * eps), kernels.dtype)
    for level, found in kernels.at_every_level(lambda: run(kernels.module, one("fma", 3), a, a, c)).items():
        np.testing.assert_array_equal(found, 0 if level == "base" else eps * eps)


@pytest.mark.parametrize("op", FUNCTIONS)
def test_functions(kernels, op):
    rng = kernels.rng
    x = np.concatenate([rng.normal(size=150) * 3, 10.0 ** rng.uniform(-20, 1, 60)])
    x = np.concatenate([x, -x]).astype(kernels.dtype)
    x = x[x > DOMAIN.get(op, -INF)]
    with mp.workprec(140):
        exact = [FUNCTIONS[op](mpf(float(value))) for value in x]
        for level, found in kernels.at_every_level(lambda: run(kernels.module, one(op, 1), x)).items():
            for value, got, expected in zip(x, found, exact, strict=True):
                assert kernels.ulps(got, expected) <= BOUND[kernels.dtype], (op, level, value)


@pytest.mark.parametrize("op", [op for op in FUNCTIONS if op != "sigmoid"])
def test_functions_are_those_of_the_table(kernels, op):
    x = np.concatenate([specials(kernels), kernels.patterns(500)])

    def both():
        out = np.empty_like(x)
        kernels.module.block("function", op, x, out)
        same(run(kernels.module, one(op, 1), x), out)
        return out

    kernels.at_every_level(both)


LOGISTIC = Description(outputs=("y", "z"), body=(("logistic", 1, 2, 0),))


def test_sigmoid_is_one_side_of_logistic(kernels):
    """So that a forward pass has the same bits alone and with its derivative."""
    x = np.concatenate([specials(kernels), kernels.patterns(500)])

    def both():
        out = run(kernels.module, one("sigmoid", 1), x)
        same(out, run(kernels.module, LOGISTIC, x)[0])
        return out

    kernels.at_every_level(both)


def test_logistic_keeps_the_digits_of_both_sides(kernels):
    edge = 104 if kernels.dtype == np.float32 else 746
    rng = kernels.rng
    x = np.concatenate([rng.normal(size=1500), rng.uniform(-edge, edge, 700)]).astype(kernels.dtype)
    with mp.workprec(140):
        up = [1 / (1 + mp.exp(-mpf(float(value)))) for value in x]
        down = [1 / (1 + mp.exp(mpf(float(value)))) for value in x]
        for level, found in kernels.at_every_level(
            lambda: np.stack(run(kernels.module, LOGISTIC, x))
        ).items():
            for got, exact in zip(found, (up, down), strict=True):
                distance = [kernels.ulps(g, e) for g, e in zip(got, exact, strict=True)]
                assert max(distance) <= 2.5, (level, x[int(np.argmax(distance))])


def test_logistic_at_the_ends(kernels):
    x = np.array([-INF, -kernels.info.max, -0.0, 0.0, kernels.info.max, INF, NAN], kernels.dtype)
    for found in kernels.at_every_level(lambda: np.stack(run(kernels.module, LOGISTIC, x))).values():
        same(found, np.array([[0, 0, 0.5, 0.5, 1, 1, NAN], [1, 1, 0.5, 0.5, 0, 0, NAN]], kernels.dtype))


def test_logistic_into_its_own_operand(kernels):
    x = kernels.rng.normal(size=500).astype(kernels.dtype)
    up, down = run(kernels.module, LOGISTIC, x)
    for pair in ((1, 3), (3, 1)):
        body = (("copy", 3, 0), ("logistic", *pair, 3), ("copy", 2, 3))
        d = Description(outputs=("y", "z"), body=body, temporaries=1)
        if pair == (1, 3):
            np.testing.assert_array_equal(run(kernels.module, d, x), [up, down])
        else:
            np.testing.assert_array_equal(run(kernels.module, d, x), [down, up])


# ---- operands, sizes, memory ---------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("op", [*EXACT, *FUSED, "exp", "logistic"])
def test_a_scalar_in_every_position_is_a_block_of_equal_numbers(kernels, op):
    operands = EXACT[op][0] if op in EXACT else 3 if op in FUSED else 1
    n = 5 * kernels.width + 3
    x = kernels.rng.normal(size=(operands, n)).astype(kernels.dtype)

    def check():
        for mask in range(2**operands):
            scalars = [k for k in range(operands) if mask >> k & 1]
            constants = [float(x[k, 0]) for k in scalars]
            if op == "logistic":
                d = Description(inputs=("a",), constants=tuple(constants), outputs=("y", "z"))
                d = d._replace(body=((op, 1, 2, 3 if scalars else 0),))
                full = x[0] if not scalars else np.full(n, x[0, 0])
                np.testing.assert_array_equal(
                    np.stack(run(kernels.module, d, x[0])), np.stack(run(kernels.module, LOGISTIC, full))
                )
                continue
            d = one(op, operands, scalars=scalars, constants=constants)
            full = [np.full(n, x[k, 0]) if k in scalars else x[k] for k in range(operands)]
            expected = run(kernels.module, one(op, operands), *full)
            blocks = [x[k] for k in range(operands) if k not in scalars]
            if blocks:
                same(run(kernels.module, d, *blocks), expected)
            else:  # nothing but scalars: the length is the output's
                out = np.full(n, 7, kernels.dtype)
                kernels.module.Program(d).run([], [out])
                same(out, expected)
        return x

    kernels.at_every_level(check)


# h sigmoid(b h) with a prologue: u = (b, 2, b + 2 - 2)
SWISH = Description(
    uniforms=("b",),
    outputs=("y_hat", "slope"),
    constants=(2.0,),
    prologue=(("add", 0, 1), ("sub", 2, 1)),
    body=(
        ("mul", 3, 0, 8),
        ("logistic", 3, 4, 3),
        ("mul", 1, 0, 3),
        ("mul", 5, 1, 4),
        ("mul", 5, 5, 8),
        ("add", 2, 5, 3),
    ),
    temporaries=3,
)
# slots: h 0, y_hat 1, slope 2, temporaries 3 4 5, scalars b 6, 2 7, b + 2 8, and the last 9
SWISH = SWISH._replace(body=tuple(tuple(9 if v == 8 else v for v in line) for line in SWISH.body))


def swish(h, b):
    h = h.astype(np.float64)
    s = logistic(b * h)
    return h * s, s + b * h * s * logistic(-b * h)


def sizes(width):
    register = REGISTER * width
    around = [n + d for n in (width, register, 3 * register) for d in (-1, 0, 1)]
    return [0, 1, *around, 2 * register + width + 5]


def test_every_size_and_nothing_behind_it(kernels):
    largest = max(sizes(kernels.width))
    h = kernels.rng.normal(size=largest).astype(kernels.dtype)

    def check():
        program = kernels.module.Program(SWISH)
        whole = [np.empty_like(h), np.empty_like(h)]
        program.run([h], whole, [1.5])
        for got, exact in zip(whole, swish(h, 1.5), strict=True):
            np.testing.assert_allclose(got, exact, rtol=8 * kernels.info.eps, atol=4 * kernels.info.eps)
        for n in sizes(kernels.width):
            y, s = np.full((2, n + 9), 7, kernels.dtype)
            program.run([h[:n].copy()], [y[:n], s[:n]], [1.5])
            for got, expected in zip((y, s), whole, strict=True):
                np.testing.assert_array_equal(got[:n], expected[:n])
                assert (got[n:] == 7).all()
        return whole[1]

    kernels.at_every_level(check)


def test_the_padding_of_the_end_does_not_overflow_into_a_trap(kernels):
    """The padding repeats the last element, so it raises no floating-point flag of its own."""
    h = np.full(3, 2, kernels.dtype)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(run(kernels.module, one("inverse", 1), h), [0.5] * 3)


@pytest.mark.parametrize("in_place", [0, 1])
def test_an_output_may_be_the_input(kernels, in_place):
    for n in sizes(kernels.width):
        h = kernels.rng.normal(size=n).astype(kernels.dtype)
        if in_place == 0:  # y_hat is written before h was read last, so through a temporary
            d = SWISH._replace(body=(*SWISH.body[:2], ("mul", 5, 0, 3), ("copy", 1, 5), *SWISH.body[3:]))
        else:
            d = SWISH
        expected = run(kernels.module, SWISH, h, uniforms=[0.7])
        other = np.empty_like(h)
        out = [h, other] if in_place == 0 else [other, h]
        kernels.module.Program(d).run([h], out, [0.7])
        np.testing.assert_array_equal(out, expected)


def test_all_temporaries_keep_their_numbers(kernels):
    """t_k = h + k, then the sum of k t_k from the last to the first: 32 live registers."""
    most = 32
    constants = tuple(float(k) for k in range(most))
    body = [("add", 2 + k, 0, 2 + most + k) for k in range(most)]
    body.append(("copy", 1, 2 + most))
    body += [("fma", 1, 2 + k, 2 + most + k, 1) for k in reversed(range(most))]
    d = Description(constants=constants, body=tuple(body), temporaries=most)
    h = np.arange(3 * REGISTER * kernels.width + 5).astype(kernels.dtype) % 50
    expected = sum(k * (h + k) for k in range(most))
    for found in kernels.at_every_level(lambda: run(kernels.module, d, h)).values():
        np.testing.assert_array_equal(found, expected)


def test_eight_inputs_and_outputs(kernels):
    inputs, outputs = tuple("abcdefgh"), tuple("ABCDEFGH")
    body = tuple(("neg", 8 + k, 7 - k) for k in range(8))
    x = kernels.rng.normal(size=(8, 1000)).astype(kernels.dtype)
    found = run(kernels.module, Description(inputs=inputs, outputs=outputs, body=body), *x)
    np.testing.assert_array_equal(found, -x[::-1])


def test_a_program_keeps_its_level(kernels, level):
    h = kernels.rng.normal(size=100).astype(kernels.dtype)
    program = kernels.module.Program(one("tanh", 1))
    before, after = np.empty_like(h), np.empty_like(h)
    program.run([h], [before])
    for other in dispatch.levels():
        dispatch.select(other)
        program.run([h], [after])
        np.testing.assert_array_equal(after, before)


def test_threads_share_a_program(kernels):
    program = kernels.module.Program(SWISH)
    h = kernels.rng.normal(size=60_001).astype(kernels.dtype)
    slopes = [0.5, 1.0, -2.0, 3.0]
    expected = [run(kernels.module, SWISH, h, uniforms=[b]) for b in slopes]
    wrong = []

    def work(k):
        out = [np.empty_like(h), np.empty_like(h)]
        for _ in range(30):
            program.run([h], out, [slopes[k]])
            if not np.array_equal(out, expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
