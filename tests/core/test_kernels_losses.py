"""Every loss, its derivative and the joint forms against formulas written here, on every CPU level."""

import numpy as np
import pytest
from mpmath import mp, mpf

INF, NAN = np.inf, np.nan


def xlog(x, z):
    return mpf(0) if x == 0 else x * mp.log(z)


FORMULAS = {
    "sse": lambda y, p: (y - p) ** 2 / 2,
    "squared_error": lambda y, p: (y - p) ** 2,
    "mse": lambda y, p: (y - p) ** 2,
    "mae": lambda y, p: abs(y - p),
    "huber": lambda y, p, delta: (
        (y - p) ** 2 / 2 if abs(y - p) <= delta else delta * (abs(y - p) - delta / 2)
    ),
    "log_cosh": lambda y, p: mp.log(mp.cosh(y - p)),
    "quantile": lambda y, p, tau: max(tau * (y - p), (tau - 1) * (y - p)),
    "poisson": lambda y, p: p - xlog(y, p),
    "binary_cross_entropy": lambda y, p: -xlog(y, p) - xlog(1 - y, 1 - p),
    "cross_entropy": lambda y, p: -xlog(y, p),
    "hinge": lambda y, p: max(mpf(0), 1 - y * p),
    "squared_hinge": lambda y, p: max(mpf(0), 1 - y * p) ** 2,
}
DEFAULTS = {"huber": {"delta": 1.0}, "quantile": {"tau": 0.5}}
REDUCTION = {"sse": "sum", "squared_error": "sum", "cross_entropy": "mean_rows"}
OTHER = {"huber": 0.3, "quantile": 0.8}
PROBABILITY = {"binary_cross_entropy", "cross_entropy"}

every_loss = pytest.mark.parametrize("name", FORMULAS)


def loss(kernels, name, y, y_hat, derivative=False, params=None):
    y, y_hat = (np.atleast_1d(np.asarray(v, kernels.dtype)) for v in (y, y_hat))
    out = np.empty_like(y)
    kernels.module.loss_block(name, y, y_hat, out, derivative, params)
    return out


def samples(kernels, name, n=200):
    rng = kernels.rng
    if name in PROBABILITY:
        y = np.concatenate([rng.integers(0, 2, n // 2), rng.random(n - n // 2)])
        y_hat = np.concatenate([rng.random(n // 2), 1 / (1 + np.exp(rng.normal(size=n - n // 2) * 5))])
    elif name == "poisson":
        y, y_hat = rng.poisson(2.0, n), rng.gamma(2.0, size=n) + 0.01
    elif "hinge" in name:
        y, y_hat = rng.choice([-1, 1], n), rng.normal(size=n) * 2
    else:
        y = rng.normal(size=n)
        y_hat = y + rng.normal(size=n) * 10.0 ** rng.uniform(-4, 2, n)
    y, y_hat = y.astype(kernels.dtype), y_hat.astype(kernels.dtype)
    keep = (y_hat > 0) & (y_hat < 1) if name in PROBABILITY else np.isfinite(y_hat)
    return y[keep], y_hat[keep]


def arguments(name, params):
    return [mpf(float(v)) for v in (params if params is not None else DEFAULTS.get(name, {}).values())]


def test_every_loss_is_tested(kernels):
    names = kernels.module.names()
    rows = {row["name"]: row for row in names["losses"]}
    assert set(rows) == set(FORMULAS)
    for name, row in rows.items():
        assert row["parameters"] == DEFAULTS.get(name, {})
        assert row["reduction"] == REDUCTION.get(name, "mean")
    assert set(names["joints"]) == {("sigmoid", "binary_cross_entropy"), ("softmax", "cross_entropy")}


@pytest.mark.parametrize(
    ("name", "own"), [(name, False) for name in FORMULAS] + [(name, True) for name in OTHER]
)
def test_values_and_derivatives(kernels, name, own):
    params = np.array([OTHER[name]], kernels.dtype) if own else None
    y, y_hat = samples(kernels, name)
    with mp.workprec(200):
        pairs = [(mpf(float(a)), mpf(float(b))) for a, b in zip(y, y_hat, strict=True)]
        exact = np.array([float(FORMULAS[name](a, b, *arguments(name, params))) for a, b in pairs])
        step = mpf(2) ** -60
        slope = np.array(
            [
                float(mp.diff(lambda p, a=a: FORMULAS[name](a, p, *arguments(name, params)), b, h=step))
                for a, b in pairs
            ]
        )
    # y - y_hat is rounded once; beside that the terms of one sign keep their digits
    scale = np.maximum(np.abs(exact), kernels.info.tiny)
    if name == "poisson":
        scale = np.maximum(scale, 10)
    elif name in ("hinge", "squared_hinge"):
        scale = np.maximum(scale, 1 + np.abs(y_hat))
    for level, found in kernels.at_every_level(lambda: loss(kernels, name, y, y_hat, params=params)).items():
        error = np.abs(found - exact) / scale / kernels.info.eps
        worst = int(np.argmax(error))
        assert error[worst] <= 8, f"{name}({y[worst]!r}, {y_hat[worst]!r}) at {level}: {error[worst]:.1f}"
    for level, found in kernels.at_every_level(lambda: loss(kernels, name, y, y_hat, True, params)).items():
        error = (
            np.abs(found - slope)
            / np.maximum(np.abs(slope), 1e-3 if "log_cosh" in name else 1)
            / kernels.info.eps
        )
        worst = int(np.argmax(error))
        assert error[worst] <= 12, f"{name}'({y[worst]!r}, {y_hat[worst]!r}) at {level}: {error[worst]:.1f}"


# name, y, y_hat, l, dl/dy_hat
POINTS = [
    ("mae", 2, 2, 0, 0),
    ("huber", 0, 1, 0.5, 1),
    ("huber", 0, -1, 0.5, -1),
    ("huber", 0, INF, INF, 1),
    ("huber", 0, -INF, INF, -1),
    ("quantile", 2, 2, 0, 0),
    ("quantile", 3, 2, 0.5, -0.5),
    ("quantile", 1, 2, 0.5, 0.5),
    ("log_cosh", 0, 0, 0, 0),
    ("log_cosh", 0, INF, INF, 1),
    ("log_cosh", 0, 1e30, 1e30, 1),
    ("poisson", 0, 0, 0, 1),
    ("poisson", 0, 3, 3, 1),
    ("poisson", 2, 0, INF, -INF),
    ("binary_cross_entropy", 0, 0, 0, 1),
    ("binary_cross_entropy", 1, 1, 0, -1),
    ("binary_cross_entropy", 1, 0, INF, -INF),
    ("binary_cross_entropy", 0, 1, INF, INF),
    ("cross_entropy", 0, 0, 0, 0),
    ("cross_entropy", 0, 0.5, 0, 0),
    ("cross_entropy", 1, 1, 0, -1),
    ("cross_entropy", 1, 0, INF, -INF),
    ("hinge", 1, 1, 0, 0),
    ("hinge", -1, -1, 0, 0),
    ("hinge", 1, 0.5, 0.5, -1),
    ("hinge", -1, 0.5, 1.5, 1),
    ("hinge", 1, 3, 0, 0),
    ("squared_hinge", 1, 1, 0, 0),
    ("squared_hinge", -1, 1, 4, 4),
]


@pytest.mark.parametrize(("name", "y", "y_hat", "value", "slope"), POINTS)
def test_kinks_and_limits(kernels, name, y, y_hat, value, slope):
    for found in kernels.at_every_level(lambda: loss(kernels, name, y, y_hat)).values():
        np.testing.assert_allclose(found, value, rtol=4 * kernels.info.eps)
    for found in kernels.at_every_level(lambda: loss(kernels, name, y, y_hat, True)).values():
        np.testing.assert_allclose(found, slope, rtol=4 * kernels.info.eps)


@every_loss
def test_nan_stays(kernels, name):
    for y, y_hat in ((0, NAN), (1, NAN), (NAN, 0.5), (NAN, NAN)):
        for derivative in (False, True):
            for found in kernels.at_every_level(
                lambda a=y, b=y_hat, d=derivative: loss(kernels, name, a, b, d)
            ).values():
                assert np.isnan(found).all()


@every_loss
def test_every_length_aliasing_and_nothing_behind_it(kernels, name):
    n_all = 3 * kernels.width + 1
    y, y_hat = (v[:n_all] for v in samples(kernels, name))

    def everything():
        for derivative in (False, True):
            whole = loss(kernels, name, y, y_hat, derivative)
            for n in range(n_all + 1):
                out = np.full(n_all + 5, 7, kernels.dtype)
                kernels.module.loss_block(name, y[:n], y_hat[:n], out[:n], derivative)
                np.testing.assert_array_equal(out[:n], whole[:n])
                assert (out[n:] == 7).all()
            over = y_hat.copy()
            kernels.module.loss_block(name, y, over, over, derivative)
            np.testing.assert_array_equal(over, whole)
        return whole

    kernels.at_every_level(everything)


# joint forms -------------------------------------------------------------------------------------


def joint(kernels, activation, name, h, y):
    out = np.empty_like(h)
    kernels.module.fused_loss(activation, name, h, y, out)
    return out


def joint_delta(kernels, activation, name, y, y_hat):
    delta = np.empty_like(y)
    kernels.module.fused_delta(activation, name, y, y_hat, delta)
    return delta


def test_sigmoid_with_binary_cross_entropy(kernels):
    h = (kernels.rng.normal(size=(3, 2 * kernels.width)) * 20).astype(kernels.dtype)
    y = kernels.rng.random(h.shape).round(1).astype(kernels.dtype)
    h[0, :6], y[0, :6] = [INF, -INF, 1e4, -1e4, INF, NAN], [1, 0, 1, 0, 0, 1]
    with mp.workprec(200):
        exact = np.array(
            [
                [
                    float(b * mp.log1p(mp.exp(-a)) + (1 - b) * mp.log1p(mp.exp(a)))
                    for a, b in zip(*rows, strict=True)
                ]
                for rows in zip(h[1:].astype(float).tolist(), y[1:].astype(float).tolist(), strict=True)
            ]
        )
    for found in kernels.at_every_level(
        lambda: joint(kernels, "sigmoid", "binary_cross_entropy", h, y)
    ).values():
        np.testing.assert_array_equal(found[0, :6], [0, 0, 0, 0, INF, NAN])
        np.testing.assert_allclose(found[1:], exact, rtol=6 * kernels.info.eps)
    y_hat = kernels.rng.random(h.shape).astype(kernels.dtype)
    for found in kernels.at_every_level(
        lambda: joint_delta(kernels, "sigmoid", "binary_cross_entropy", y, y_hat)
    ).values():
        np.testing.assert_array_equal(found, y - y_hat)


@pytest.mark.parametrize("units", [1, 2, 7])
def test_softmax_with_cross_entropy(kernels, units):
    h = (kernels.rng.normal(size=(units, 2 * kernels.width)) * 5).astype(kernels.dtype)
    h[:, 0] *= 100
    y = kernels.rng.random(h.shape).astype(kernels.dtype)
    y[:, : kernels.width] = np.eye(units, dtype=kernels.dtype)[
        :, kernels.rng.integers(0, units, kernels.width)
    ]
    exact = np.empty(h.shape)
    with mp.workprec(1200):
        for r in range(h.shape[1]):
            lse = mp.log(mp.fsum(mp.exp(mpf(float(v))) for v in h[:, r]))
            exact[:, r] = [float(-mpf(float(y[j, r])) * (mpf(float(h[j, r])) - lse)) for j in range(units)]
    for found in kernels.at_every_level(lambda: joint(kernels, "softmax", "cross_entropy", h, y)).values():
        np.testing.assert_allclose(found, exact, rtol=20 * kernels.info.eps, atol=8 * kernels.info.eps)
    y_hat = kernels.rng.random(h.shape).astype(kernels.dtype)
    for found in kernels.at_every_level(
        lambda: joint_delta(kernels, "softmax", "cross_entropy", y, y_hat)
    ).values():
        np.testing.assert_allclose(found, y - y_hat * y.sum(axis=0), atol=4 * units * kernels.info.eps)


def test_softmax_with_cross_entropy_at_infinity(kernels):
    h = np.zeros((2, kernels.width), kernels.dtype)
    y = np.zeros_like(h)
    y[0] = 1
    h[:, 0], h[:, 1], h[:, 2], h[:, 3] = [INF, 0], [0, -INF], [-INF, 0], [NAN, 0]
    for found in kernels.at_every_level(lambda: joint(kernels, "softmax", "cross_entropy", h, y)).values():
        np.testing.assert_array_equal(found.sum(axis=0)[:4], [0, 0, INF, NAN])


def test_a_batch_with_nan_stays_nan_in_the_other_class(kernels):
    h = np.zeros((2, kernels.width), kernels.dtype)
    y = np.zeros_like(h)
    y[0] = 1
    h[1, 0] = NAN
    for found in kernels.at_every_level(lambda: joint(kernels, "softmax", "cross_entropy", h, y)).values():
        assert np.isnan(found[:, 0].sum())
