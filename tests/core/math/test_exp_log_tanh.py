"""The elementary functions against mpmath: 2 ulp in float32, 4 in float64, on every CPU level."""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

from tests.helpers.ulp import BOUND

# name -> exact function, the interval where it is not constant (float32, float64), domain
FUNCTIONS = {
    "exp": (mp.exp, (-104, 89), (-746, 710), lambda x: True),
    "expm1": (mp.expm1, (-18, 89), (-38, 710), lambda x: True),
    "log": (mp.log, (0, 4), (0, 4), lambda x: x > 0),
    "log1p": (mp.log1p, (-1, 4), (-1, 4), lambda x: x > -1),
    "sqrt": (mp.sqrt, (0, 4), (0, 4), lambda x: x >= 0),
    "tanh": (mp.tanh, (-10, 10), (-20, 20), lambda x: True),
    "sinh": (mp.sinh, (-90, 90), (-711, 711), lambda x: True),
    "cosh": (mp.cosh, (-90, 90), (-711, 711), lambda x: True),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), (-104, 18), (-746, 38), lambda x: True),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), (-104, 20), (-746, 40), lambda x: True),
    "erf": (mp.erf, (-4, 4), (-6, 6), lambda x: True),
    "erfc": (mp.erfc, (-4, 10.1), (-6, 27.3), lambda x: True),
    "sin": (mp.sin, (-500, 500), (-2e6, 2e6), lambda x: True),
    "cos": (mp.cos, (-500, 500), (-2e6, 2e6), lambda x: True),
    "tan": (mp.tan, (-500, 500), (-2e6, 2e6), lambda x: True),
    "arctan": (mp.atan, (-4, 4), (-4, 4), lambda x: True),
}

INF, NAN = np.inf, np.nan
# at -inf, -0.0, 0.0, inf
SPECIAL = {
    "exp": (0.0, 1.0, 1.0, INF),
    "expm1": (-1.0, -0.0, 0.0, INF),
    "log": (NAN, -INF, -INF, INF),
    "log1p": (NAN, -0.0, 0.0, INF),
    "sqrt": (NAN, -0.0, 0.0, INF),
    "tanh": (-1.0, -0.0, 0.0, 1.0),
    "sinh": (-INF, -0.0, 0.0, INF),
    "cosh": (INF, 1.0, 1.0, INF),
    "sigmoid": (0.0, 0.5, 0.5, 1.0),
    "softplus": (0.0, None, None, INF),
    "erf": (-1.0, -0.0, 0.0, 1.0),
    "erfc": (2.0, 1.0, 1.0, 0.0),
    "sin": (NAN, -0.0, 0.0, NAN),
    "cos": (NAN, 1.0, 1.0, NAN),
    "tan": (NAN, -0.0, 0.0, NAN),
    "arctan": (-np.pi / 2, -0.0, 0.0, np.pi / 2),
}

every_function = pytest.mark.parametrize("name", FUNCTIONS)


def computed(kernels, name, x):
    out = np.empty_like(x)
    kernels.module.block("function", name, x, out)
    return out


def test_every_function_is_tested(kernels):
    assert set(kernels.module.names()["functions"]) == set(FUNCTIONS) == set(SPECIAL)


def exact_value(name, x):
    """Return f(x) as an mpf; far in a tail, where mpmath would take forever, the limit as it rounds."""
    if abs(x) > 1e4 and name == "softplus" and x > 0:
        return mpf(float(x))
    if abs(x) > 1e4 and name not in ("log", "log1p", "sqrt", "sin", "cos", "tan", "arctan"):
        return FUNCTIONS[name][0](mpf(1e4) if x > 0 else mpf(-1e4))
    return FUNCTIONS[name][0](mpf(float(x)))


@every_function
def test_accuracy(kernels, name):
    _, single, double, inside = FUNCTIONS[name]
    low, high = single if kernels.dtype == np.float32 else double
    rng = kernels.rng
    near = np.concatenate(
        [
            low + (high - low) * rng.random(700),
            10.0 ** rng.uniform(-20, 0.5, 300),
            -(10.0 ** rng.uniform(-20, 0.5, 300)),
            rng.normal(size=700),
        ]
    )
    near = np.concatenate([near, 1 + rng.normal(size=200) * 1e-4]).astype(kernels.dtype)
    x = np.concatenate([near, kernels.patterns(500)])
    x = x[np.array([bool(inside(value)) for value in x])]
    with mp.workprec(140):
        exact = [exact_value(name, value) for value in x]
        for level, found in kernels.at_every_level(lambda: computed(kernels, name, x)).items():
            distance = [kernels.ulps(got, value) for got, value in zip(found, exact, strict=True)]
            worst = int(np.argmax(distance))
            message = f"{name}({x[worst]!r}) = {found[worst]!r} at {level}"
            assert distance[worst] <= BOUND[kernels.dtype], message


@every_function
def test_special_values(kernels, name):
    x = np.array([-INF, -0.0, 0.0, INF, NAN], kernels.dtype)
    for level, found in kernels.at_every_level(lambda: computed(kernels, name, x)).items():
        for got, expected, at in zip(found, [*SPECIAL[name], NAN], x, strict=True):
            if expected is not None:
                np.testing.assert_equal(got, kernels.dtype(expected), f"{name}({at}) at {level}")
                if expected == 0:
                    assert np.signbit(got) == np.signbit(expected), f"sign of {name}({at}) at {level}"


@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "sinh", "sin", "tan", "arctan"])
def test_subnormal_arguments_stay_themselves(kernels, name):
    tiny = kernels.info.smallest_subnormal
    x = np.concatenate([tiny * np.arange(1, 40), kernels.info.tiny * np.array([0.25, 0.5, 1])])
    x = np.concatenate([x, -x]).astype(kernels.dtype)
    for found in kernels.at_every_level(lambda: computed(kernels, name, x)).values():
        np.testing.assert_array_equal(found, x)


def test_outside_of_the_domain(kernels):
    for name, x in (("log", -1.0), ("log", -kernels.info.tiny), ("log1p", -1.5), ("sqrt", -1.0)):
        below = np.full(3, x, kernels.dtype)
        for found in kernels.at_every_level(lambda n=name, v=below: computed(kernels, n, v)).values():
            assert np.isnan(found).all()
    x = np.full(3, -1, kernels.dtype)
    for found in kernels.at_every_level(lambda: computed(kernels, "log1p", x)).values():
        assert (found == -INF).all()


@pytest.mark.parametrize("name", ["exp", "expm1"])
def test_overflow_is_where_it_belongs(kernels, name):
    edge = kernels.dtype(np.log(np.float64(kernels.info.max)))
    x = np.array([np.nextafter(edge, kernels.dtype(k), dtype=kernels.dtype) for k in (0, 1e4)] + [edge])
    x = np.concatenate([x, np.array([edge * 0.99, edge * 1.01, kernels.info.max], kernels.dtype)])
    with mp.workprec(140):
        finite = [mpmath.exp(mpf(float(v))) < mpf(float(kernels.info.max)) for v in x[:-1]] + [False]
    for found in kernels.at_every_level(lambda: computed(kernels, name, x)).values():
        np.testing.assert_array_equal(np.isfinite(found), finite)


@every_function
def test_every_length_and_nothing_behind_it(kernels, name):
    n_all = 3 * kernels.width + 1
    x = np.abs(kernels.rng.normal(size=n_all)).astype(kernels.dtype)

    def everything():
        whole = computed(kernels, name, x)
        for n in range(n_all + 1):
            out = np.full(n_all + 5, 7, kernels.dtype)
            kernels.module.block("function", name, x[:n], out[:n])
            np.testing.assert_array_equal(out[:n], whole[:n])
            assert (out[n:] == 7).all()
        inside = x.copy()
        kernels.module.block("function", name, inside, inside)
        np.testing.assert_array_equal(inside, whole)
        return whole

    kernels.at_every_level(everything)
