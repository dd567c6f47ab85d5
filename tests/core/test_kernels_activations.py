"""Every activation and its derivative against formulas written here, on every CPU level."""

import numpy as np
import pytest
from mpmath import mp, mpf

INF, NAN = np.inf, np.nan


def sigmoid(h):
    return 1 / (1 + mp.exp(-h))


def piecewise(h, above, below):
    return above if h > 0 else below


def clip(h, low, high):
    return min(max(h, low), high)


def tanh_argument(h):
    return mp.sqrt(2 / mp.pi) * (h + mpf("0.044715") * h**3)


SELU = (mpf("1.0507009873554804934193349852946"), mpf("1.6732632423543772848170429916717"))
THIRD = mpf(1) / 3

FORMULAS = {
    "identity": lambda h: h,
    "step": lambda h: mpf(h >= 0),
    "sigmoid": sigmoid,
    "tanh": mp.tanh,
    "relu": lambda h: max(h, mpf(0)),
    "leaky_relu": lambda h, slope: piecewise(h, h, slope * h),
    "elu": lambda h, alpha: piecewise(h, h, alpha * mp.expm1(min(h, 0))),
    "selu": lambda h: SELU[0] * piecewise(h, h, SELU[1] * mp.expm1(min(h, 0))),
    "celu": lambda h, alpha: piecewise(h, h, alpha * mp.expm1(min(h / alpha, 0))),
    "softplus": lambda h: mp.log1p(mp.exp(h)),
    "softsign": lambda h: h / (1 + abs(h)),
    "gelu": lambda h: h * mp.erfc(-h / mp.sqrt(2)) / 2,
    "gelu_tanh": lambda h: h * sigmoid(2 * tanh_argument(h)),
    "silu": lambda h: h * sigmoid(h),
    "mish": lambda h: h * mp.tanh(mp.log1p(mp.exp(h))),
    "hard_sigmoid": lambda h: clip(h / 6 + mpf(1) / 2, mpf(0), mpf(1)),
    "hard_tanh": lambda h: clip(h, mpf(-1), mpf(1)),
    "hard_swish": lambda h: h * clip(h / 6 + mpf(1) / 2, mpf(0), mpf(1)),
    "sin": mp.sin,
    "gaussian": lambda h: mp.exp(-h * h),
}
DEFAULTS = {"leaky_relu": {"slope": 0.01}, "elu": {"alpha": 1}, "celu": {"alpha": 1}}
# f and f' at -inf, 0 and inf: the limits, and the conventions at kinks
LIMITS = {
    "identity": ((-INF, 0, INF), (1, 1, 1)),
    "step": ((0, 1, 1), (0, 0, 0)),
    "sigmoid": ((0, 0.5, 1), (0, 0.25, 0)),
    "tanh": ((-1, 0, 1), (0, 1, 0)),
    "relu": ((0, 0, INF), (0, 0, 1)),
    "leaky_relu": ((-INF, 0, INF), (0.01, 0.01, 1)),
    "elu": ((-1, 0, INF), (0, 1, 1)),
    "selu": ((-float(SELU[0] * SELU[1]), 0, INF), (0, float(SELU[0] * SELU[1]), float(SELU[0]))),
    "celu": ((-1, 0, INF), (0, 1, 1)),
    "softplus": ((0, np.log(2), INF), (0, 0.5, 1)),
    "softsign": ((-1, 0, 1), (0, 1, 0)),
    "gelu": ((0, 0, INF), (0, 0.5, 1)),
    "gelu_tanh": ((0, 0, INF), (0, 0.5, 1)),
    "silu": ((0, 0, INF), (0, 0.5, 1)),
    "mish": ((0, 0, INF), (0, 0.6, 1)),
    "hard_sigmoid": ((0, 0.5, 1), (0, 1 / 6, 0)),
    "hard_tanh": ((-1, 0, 1), (0, 1, 0)),
    "hard_swish": ((0, 0, INF), (0, 0.5, 1)),
    "sin": ((NAN, 0, NAN), (NAN, 1, NAN)),
    "gaussian": ((0, 1, 0), (0, 0, 0)),
}
KINKS = {
    "relu": {0: 0},
    "leaky_relu": {0: 0.01},
    "step": {0: 0},
    "hard_sigmoid": {-3: 0, 3: 0},
    "hard_tanh": {-1: 0, 1: 0},
    "hard_swish": {-3: 0, 3: 1},
}
# ulp of the value itself, also in the tails; the derivatives' bound is in ulp of max(|f'|, 1)
VALUE_ULP = {"gelu": 5, "mish": 6, "silu": 4, "selu": 4, "celu": 4}
ODD_ZERO = [
    "identity",
    "tanh",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "softsign",
    "gelu",
    "gelu_tanh",
    "silu",
    "mish",
    "hard_tanh",
    "hard_swish",
    "sin",
]

every_activation = pytest.mark.parametrize("name", FORMULAS)


def f(kernels, name, h, params=None):
    out = np.empty_like(h)
    kernels.module.block("activation", name, h, out, params)
    return out


def df(kernels, name, h, params=None):
    out = np.empty_like(h)
    kernels.module.derivative_block(name, h, f(kernels, name, h, params), out, params)
    return out


def ordinary(kernels, spread=3.0, n=150):
    h = kernels.rng.normal(size=n) * spread
    return h[np.abs(np.abs(h) % 1) > 1e-3].astype(kernels.dtype)  # away from kinks at whole numbers


def given(name, params):
    return [mpf(float(v)) for v in params] if params else [mpf(v) for v in DEFAULTS.get(name, {}).values()]


def test_every_activation_is_tested(kernels):
    rows = {row["name"]: row for row in kernels.module.names()["activations"]}
    assert set(rows) == {*FORMULAS, "softmax"}
    for name in FORMULAS:
        assert rows[name]["parameters"] == pytest.approx(DEFAULTS.get(name, {}), rel=1e-7)


@every_activation
def test_values(kernels, name):
    h = ordinary(kernels)
    exact_slope = float(np.float32(0.01)) if kernels.dtype == np.float32 else 0.01
    with mp.workprec(140):
        arguments = [mpf(exact_slope)] if name == "leaky_relu" else given(name, None)
        exact = [FORMULAS[name](mpf(float(v)), *arguments) for v in h]
        for level, found in kernels.at_every_level(lambda: f(kernels, name, h)).items():
            if name == "gelu_tanh":  # what h^3 loses is multiplied by the argument of the exponential
                allowed = [4 + 4 * abs(float(2 * tanh_argument(mpf(float(v))))) for v in h]
            elif name.startswith("hard_"):
                allowed = [3 / max(abs(float(v)), 1e-3) for v in exact]
            else:
                allowed = [VALUE_ULP.get(name, 3)] * h.size
            for got, value, v, bound in zip(found, exact, h, allowed, strict=True):
                assert kernels.ulps(got, value) <= bound, f"{name}({v!r}) at {level}"


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "gelu", "silu", "mish", "gaussian"])
def test_the_left_tail_keeps_its_digits(kernels, name):
    end = {np.float32: {"gelu": 12, "gaussian": 9}, np.float64: {"gelu": 37, "gaussian": 26}}[kernels.dtype]
    h = -np.linspace(3, end.get(name, 80 if kernels.dtype == np.float32 else 690), 150).astype(kernels.dtype)
    with mp.workprec(1400):
        exact = [FORMULAS[name](mpf(float(v))) for v in h]
        for level, found in kernels.at_every_level(lambda: f(kernels, name, h)).items():
            for got, value, v in zip(found, exact, h, strict=True):
                assert kernels.ulps(got, value) <= 6, f"{name}({v!r}) at {level}"


@every_activation
def test_derivatives(kernels, name):
    h = ordinary(kernels)
    with mp.workprec(140):
        exact = [
            float(mp.diff(lambda x: FORMULAS[name](x, *given(name, None)), mpf(float(v)), h=mpf(2) ** -40))
            for v in h
        ]
    for level, found in kernels.at_every_level(lambda: df(kernels, name, h)).items():
        error = np.abs(found - np.array(exact)) / np.maximum(np.abs(exact), 1) / kernels.info.eps
        worst = int(np.argmax(error))
        assert error[worst] <= 10, f"{name}'({h[worst]!r}) at {level}: {error[worst]:.1f}"


@every_activation
def test_limits_nan_and_kinks(kernels, name):
    h = np.array([-INF, 0, INF, NAN], kernels.dtype)
    tiny = 8 * kernels.info.eps
    for values, results in zip(
        LIMITS[name],
        (
            kernels.at_every_level(lambda: f(kernels, name, h)),
            kernels.at_every_level(lambda: df(kernels, name, h)),
        ),
        strict=True,
    ):
        for found in results.values():
            np.testing.assert_allclose(found, [*values, NAN], rtol=tiny)
    kinks = np.array(list(KINKS.get(name, {})), kernels.dtype)
    for found in kernels.at_every_level(lambda: df(kernels, name, kinks)).values():
        np.testing.assert_allclose(found, list(KINKS.get(name, {}).values()), rtol=tiny)


@every_activation
def test_no_finite_input_makes_nan(kernels, name):
    big = float(kernels.info.max)
    h = np.concatenate(
        [
            kernels.patterns(2000),
            np.array([big, -big, 1e30, -1e30, 90, -104, 710, -746, 40, -40], kernels.dtype),
        ]
    )
    for values in (lambda: f(kernels, name, h), lambda: df(kernels, name, h)):
        for found in kernels.at_every_level(values).values():
            assert not np.isnan(found).any()


@pytest.mark.parametrize("name", ODD_ZERO)
def test_the_sign_of_zero_and_subnormals(kernels, name):
    tiny = kernels.info.smallest_subnormal
    h = np.array([-0.0, 0.0, 16 * tiny, -16 * tiny], kernels.dtype)
    for found in kernels.at_every_level(lambda: f(kernels, name, h)).values():
        np.testing.assert_array_equal(np.signbit(found), np.signbit(h))
        if name not in ("leaky_relu",):
            assert (found[2:] != 0).all()


@pytest.mark.parametrize(("name", "value"), [("leaky_relu", 0.3), ("elu", 0.7), ("celu", 2.5)])
def test_parameters(kernels, name, value):
    h = ordinary(kernels)
    params = np.array([value], kernels.dtype)
    with mp.workprec(140):
        exact = [FORMULAS[name](mpf(float(v)), *given(name, params)) for v in h]
        slopes = [
            float(mp.diff(lambda x: FORMULAS[name](x, *given(name, params)), mpf(float(v)), h=mpf(2) ** -40))
            for v in h
        ]
    for found in kernels.at_every_level(lambda: f(kernels, name, h, params)).values():
        assert max(kernels.ulps(got, e) for got, e in zip(found, exact, strict=True)) <= 5
    for found in kernels.at_every_level(lambda: df(kernels, name, h, params)).values():
        np.testing.assert_allclose(found, slopes, rtol=10 * kernels.info.eps, atol=10 * kernels.info.eps)


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_is_what_the_row_says(kernels, name):
    h = ordinary(kernels)
    row = next(row for row in kernels.module.names()["activations"] if row["name"] == name)
    default = np.array(list(row["parameters"].values()), kernels.dtype)

    def both():
        np.testing.assert_array_equal(f(kernels, name, h, default), f(kernels, name, h))
        return f(kernels, name, h)

    kernels.at_every_level(both)


@every_activation
def test_every_length_aliasing_and_nothing_behind_it(kernels, name):
    n_all = 3 * kernels.width + 1
    h = (kernels.rng.normal(size=n_all) * 3).astype(kernels.dtype)

    def everything():
        y_hat, slope = f(kernels, name, h), df(kernels, name, h)
        for n in range(n_all + 1):
            out = np.full(n_all + 5, 7, kernels.dtype)
            kernels.module.block("activation", name, h[:n], out[:n])
            np.testing.assert_array_equal(out[:n], y_hat[:n])
            assert (out[n:] == 7).all()
            out[:] = 7
            kernels.module.derivative_block(name, h[:n], y_hat[:n], out[:n])
            np.testing.assert_array_equal(out[:n], slope[:n])
            assert (out[n:] == 7).all()
        over_h, over_y = h.copy(), y_hat.copy()
        kernels.module.block("activation", name, over_h, over_h)
        np.testing.assert_array_equal(over_h, y_hat)
        over_h = h.copy()
        kernels.module.derivative_block(name, over_h, y_hat, over_h)
        kernels.module.derivative_block(name, h, over_y, over_y)
        np.testing.assert_array_equal(over_h, slope)
        np.testing.assert_array_equal(over_y, slope)
        return y_hat

    kernels.at_every_level(everything)


# f and f' in one pass ------------------------------------------------------------------------------

ONE_PASS = ["softplus", "softsign", "gelu", "gelu_tanh", "silu", "mish", "sin"]


def in_one_pass(kernels, name, h):
    y_hat, slope = np.empty_like(h), np.empty_like(h)
    assert kernels.module.value_and_derivative_block(name, h, y_hat, slope)
    return np.stack([y_hat, slope])


def test_which_have_one_pass(kernels):
    empty = np.empty(0, kernels.dtype)
    rows = [row["name"] for row in kernels.module.names()["activations"]]
    assert [
        name for name in rows if kernels.module.value_and_derivative_block(name, empty, empty, empty)
    ] == ONE_PASS


@pytest.mark.parametrize("name", ONE_PASS)
def test_one_pass_gives_the_bits_of_two(kernels, name):
    edges = [0.0, -0.0, INF, -INF, NAN, -NAN, 22, 40, -40, -106, 1e30, -1e30, kernels.info.max]
    ends = np.array([*edges, kernels.info.smallest_subnormal], kernels.dtype)
    h = np.concatenate([ends, ordinary(kernels, 10), kernels.patterns(5000)])

    def compared():
        found = in_one_pass(kernels, name, h)
        expected = np.stack([f(kernels, name, h), df(kernels, name, h)])
        assert found.tobytes() == expected.tobytes()
        return found

    kernels.at_every_level(compared)


@pytest.mark.parametrize("name", ONE_PASS)
def test_one_pass_of_every_length_over_h_and_nothing_behind_it(kernels, name):
    n_all = 4 * kernels.width + 3
    h = (kernels.rng.normal(size=n_all) * 3).astype(kernels.dtype)

    def everything():
        whole = in_one_pass(kernels, name, h)
        for n in range(n_all + 1):
            y_hat, slope = np.full(n_all + 5, 7, kernels.dtype), np.full(n_all + 5, 7, kernels.dtype)
            slope[:n] = h[:n]  # the slope takes the place of h, as in training
            assert kernels.module.value_and_derivative_block(name, slope[:n], y_hat[:n], slope[:n])
            np.testing.assert_array_equal(y_hat[:n], whole[0, :n])
            np.testing.assert_array_equal(slope[:n], whole[1, :n])
            assert (y_hat[n:] == 7).all()
            assert (slope[n:] == 7).all()
        return whole

    kernels.at_every_level(everything)


@every_activation
def test_levels_agree_on_the_sign_of_nan(kernels, name):
    h = np.array([NAN, -NAN, 1.0] * kernels.width, kernels.dtype)
    for values in (lambda: f(kernels, name, h), lambda: df(kernels, name, h)):
        for found in kernels.at_every_level(values).values():
            np.testing.assert_array_equal(np.isnan(found), np.isnan(h))


# softmax -----------------------------------------------------------------------------------------


def softmax(kernels, h):
    out = np.empty_like(h)
    kernels.module.rowwise("softmax", h, out)
    return out


@pytest.mark.parametrize("units", [1, 2, 3, 10])
def test_softmax(kernels, units):
    h = (kernels.rng.normal(size=(units, 3 * kernels.width)) * 5).astype(kernels.dtype)
    h[:, 0] *= 100
    with mp.workprec(140):
        exact = []
        for row in h.T:
            terms = [mp.exp(mpf(float(v)) - mpf(float(row.max()))) for v in row]
            exact.append([float(t / mp.fsum(terms)) for t in terms])
    for found in kernels.at_every_level(lambda: softmax(kernels, h)).values():
        # h - max loses half an ulp of the difference, which the exponential multiplies
        rtol = kernels.info.eps * (4 + np.abs(h - h.max(axis=0)))
        assert (
            np.abs(found - np.array(exact).T) <= rtol * np.array(exact).T + kernels.info.smallest_subnormal
        ).all()


def test_softmax_of_infinities_and_nan(kernels):
    h = np.zeros((3, kernels.width), kernels.dtype)
    h[:, 0] = [INF, 0, 1]
    h[:, 1] = [-INF, 0, 0]
    h[:, 2] = [INF, INF, -INF]
    h[:, 3] = [-INF, -INF, -INF]
    for unit in range(3):
        h[unit, 4 + unit] = NAN
    for found in kernels.at_every_level(lambda: softmax(kernels, h)).values():
        expected = np.array([[1, 0, 0], [0, 0.5, 0.5], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]]).T
        np.testing.assert_allclose(found[:, :4], expected, rtol=kernels.info.eps)
        assert np.isnan(found[:, 4:7]).all()


@pytest.mark.parametrize("units", [1, 4])
def test_softmax_backward(kernels, units):
    shape = (units, 2 * kernels.width)
    h, g = (kernels.rng.normal(size=shape).astype(kernels.dtype) for _ in range(2))

    def backward():
        y_hat, delta = softmax(kernels, h), np.empty_like(h)
        kernels.module.rowwise_backward("softmax", h, y_hat, g, delta)
        over = g.copy()
        kernels.module.rowwise_backward("softmax", h, y_hat, over, over)
        np.testing.assert_array_equal(over, delta)
        return delta

    e = np.exp(h.astype(np.float64))
    y_hat = e / e.sum(axis=0)
    expected = y_hat * (g - (g * y_hat).sum(axis=0))
    for found in kernels.at_every_level(backward).values():
        np.testing.assert_allclose(found, expected, atol=20 * kernels.info.eps)
