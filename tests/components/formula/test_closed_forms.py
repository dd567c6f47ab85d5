"""Built-ins written as formulas, compared with mpmath over all finite numbers."""

import math

import numpy as np
import pytest
from mpmath import mp, mpf

from cygd.components.formula import compile_activation, compile_loss
from tests.core import test_kernels_activations as activations
from tests.core import test_kernels_losses as losses
from tests.helpers.closed_forms import ACTIVATIONS, LOSSES, SELU
from tests.helpers.formula_interpreter import run

MAX, TINY, EPS = 1.7976931348623157e308, 5e-324, 2.0**-52

# where f' does not exist
KINKS = {"relu": (0,), "leaky_relu": (0,), "step": (0,), "elu": (0,), "selu": (0,), "celu": (0,)}
KINKS |= {"hard_sigmoid": (-3, 3), "hard_tanh": (-1, 1), "hard_swish": (-3, 3)}


def derivative_of(name, h, args):
    """Return f' in mpmath: a difference quotient for piecewise functions, else the derivative by hand."""
    s = activations.sigmoid
    if name in ("relu", "leaky_relu", "step", "identity", "hard_tanh", "hard_sigmoid", "hard_swish"):
        step = mpf(2) ** -1100
        f = activations.FORMULAS[name]
        with mp.workprec(4000):
            return (f(h + step, *args) - f(h - step, *args)) / (2 * step)
    return {
        "sigmoid": lambda: s(h) * s(-h),
        "tanh": lambda: mp.sech(h) ** 2,
        "elu": lambda: mpf(1) if h > 0 else args[0] * mp.exp(h),
        "selu": lambda: mpf(SELU["scale"]) * (1 if h > 0 else mpf(SELU["alpha"]) * mp.exp(h)),
        "celu": lambda: mpf(1) if h > 0 else mp.exp(h / args[0]),
        "softplus": lambda: s(h),
        "softsign": lambda: 1 / (1 + abs(h)) ** 2,
        "gelu": lambda: mp.ncdf(h) + h * mp.npdf(h),
        "gelu_tanh": lambda: gelu_tanh_derivative(h),
        "silu": lambda: s(h) * (1 + h * s(-h)),
        "mish": lambda: mp.tanh(mp.log1p(mp.exp(h))) + h * s(h) * mp.sech(mp.log1p(mp.exp(h))) ** 2,
        "sin": lambda: mp.cos(h),
        "gaussian": lambda: -2 * h * mp.exp(-h * h),
    }[name]()


def gelu_tanh_derivative(h):
    a = 2 * activations.tanh_argument(h)
    inner = 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * mpf("0.044715") * h * h)
    return activations.sigmoid(a) * (1 + h * inner * activations.sigmoid(-a))


def points(name):
    rng = np.random.default_rng(7)
    h = np.concatenate(
        [
            rng.normal(size=60) * 3,
            rng.uniform(-40, 40, 30),
            [-745.2, -700.5, 700.5, 709.7, 710.1, 746.0, 1e3, -1e3, 1e5, -1e5],
            10.0 ** rng.uniform(-300, 300, 30) * rng.choice([-1, 1], 30),
            [MAX, -MAX, 1e308, -1e308, 1e-310, -1e-310, TINY, -TINY, 2e-308, -2e-308, 1e-8, -1e-8, 0.0],
            *[k + np.array([-1e-14, 1e-14]) for k in KINKS.get(name, ())],
        ]
    )
    if name == "sin":
        h = h[np.abs(h) < 1e15]  # the reference `run` uses NumPy's reduction of larger arguments
    return h[~np.isin(h, KINKS.get(name, ()))]


def exact_numbers(name, h):
    """Return values and derivatives, at a precision that represents 1 + 1e308."""
    args = [mpf(float(v)) for v in activations.DEFAULTS.get(name, {}).values()]
    f = activations.FORMULAS[name]
    values, derivatives = [], []
    for v in h:
        with mp.workprec(1200 if abs(v) < 1e4 else 300):
            x = mpf(float(v))
            clipped = x if name in UNBOUNDED else max(min(x, mpf(3000)), mpf(-3000))
            values.append(f(x, *args) if clipped == x else beyond(name, x)[0])
            derivatives.append(derivative_of(name, x, args) if clipped == x else beyond(name, x)[1])
    return values, derivatives


UNBOUNDED = {"identity", "step", "relu", "leaky_relu", "softsign", "sin"}
UNBOUNDED |= {"hard_sigmoid", "hard_tanh", "hard_swish"}


def beyond(name, x):
    """Return the limits of f and f' where e^-|x| is negligible."""
    up = x > 0
    flat = {
        "sigmoid": (mpf(up), 0),
        "tanh": (mp.sign(x), 0),
        "gaussian": (mpf(0), 0),
        "selu": (mpf(SELU["scale"]) * x, SELU["scale"]) if up else (-mpf(SELU["scale"]) * SELU["alpha"], 0),
        "elu": (x, 1) if up else (mpf(-1), 0),
        "celu": (x, 1) if up else (mpf(-1), 0),
    }
    value, derivative = flat.get(name, (x, 1) if up else (mpf(0), 0))
    return value, mpf(derivative)


def distance(found, exact, scale_floor):
    """Return |found - exact| in ulp of max(|exact|, floor); infinite for nan and for a wrong infinity."""
    worst = []
    for got, want in zip(found, exact, strict=True):
        if not np.isfinite(got):
            worst.append(0.0 if abs(want) > mpf(MAX) and (got > 0) == (want > 0) else math.inf)
            continue
        scale = max(abs(want), mpf(scale_floor))
        unit = mp.ldexp(1, max(mp.frexp(scale)[1] - 1, -1022) - 52)
        worst.append(float(abs(mpf(float(got)) - want) / unit))
    return np.array(worst)


def spellings(closed_forms):
    """Parametrize by (name, text, values); spellings after the first are exhaustive."""
    return pytest.mark.parametrize(
        ("name", "text", "values"),
        [
            pytest.param(
                name, text, values, id=f"{name}: {text}", marks=[pytest.mark.exhaustive] if position else []
            )
            for name, forms in closed_forms.items()
            for position, (text, values) in enumerate(forms)
        ],
    )


def test_every_built_in_has_a_closed_form():
    assert set(ACTIVATIONS) == set(activations.FORMULAS)
    assert set(LOSSES) == set(losses.FORMULAS)


@spellings(ACTIVATIONS)
def test_activations_and_derivatives_within_4_ulp(name, text, values):
    h = points(name)
    programs = compile_activation(text, values)
    values_of_f, derivatives = exact_numbers(name, h)
    [y_hat] = run(programs.forward, [h])
    value, derivative = run(programs.value_and_derivative, [h], alias=[(1, 0)])
    [from_output] = run(programs.derivative, [h, y_hat])
    for found, want in (
        (y_hat, values_of_f),
        (value, values_of_f),
        (derivative, derivatives),
        (from_output, derivatives),
    ):
        error = distance(found, want, 1.0)
        at = int(np.argmax(error))
        assert error[at] <= 4, f"{h[at]!r}: {found[at]!r}, not {float(want[at])!r}: {error[at]:.3g} ulp"


def loss_points(name):
    rng = np.random.default_rng(3)
    n = 80
    if name in losses.PROBABILITY:
        y = np.concatenate([rng.integers(0, 2, n // 2), rng.random(n // 2)]).astype(float)
        return y, np.concatenate([rng.random(n - 6), [1e-300, TINY, 1e-9, 0.5, 1 - EPS / 2, 1 - 1e-9]])
    if name == "poisson":
        return rng.poisson(2.0, n).astype(float), np.append(
            rng.gamma(2.0, size=n - 2) + 0.01, [1e-300, 1e300]
        )
    if "hinge" in name:
        return rng.choice([-1.0, 1.0], n), np.append(rng.normal(size=n - 4) * 2, [1e300, -1e300, 1e150, TINY])
    y = rng.normal(size=n)
    y_hat = y + rng.normal(size=n) * 10.0 ** rng.uniform(-4, 2, n)
    y[:6], y_hat[:6] = 0, [MAX, -MAX, 1e-310, TINY, 1e154, 800.0]
    return y, y_hat


@spellings(LOSSES)
def test_losses_and_derivatives_within_4_ulp(name, text, values):
    y, y_hat = loss_points(name)
    args = [mpf(v) for v in losses.DEFAULTS.get(name, {}).values()]
    programs = compile_loss(text, values)
    exact, derivatives = [], []
    for a, b in zip(y, y_hat, strict=True):
        with mp.workprec(2400):
            t, p = mpf(float(a)), mpf(float(b))
            if name == "log_cosh":
                with mp.workprec(300):
                    d = abs(t - p)
                    exact.append(d + mp.log1p(mp.exp(-2 * d)) - mp.log(2))
                    derivatives.append(mp.tanh(p - t))
                continue
            step = mpf(2) ** -1200
            f = losses.FORMULAS[name]
            exact.append(f(t, p, *args))
            derivatives.append((f(t, p + step, *args) - f(t, p - step, *args)) / (2 * step))
    for program, want in ((programs.forward, exact), (programs.derivative, derivatives)):
        [found] = run(program, [y, y_hat], alias=[(0, 1)])
        error = distance(found, want, 1.0)
        at = int(np.argmax(error))
        where = f"y = {y[at]!r}, y_hat = {y_hat[at]!r}"
        assert error[at] <= 4, f"{where}: {found[at]!r}, not {float(want[at])!r}: {error[at]:.3g} ulp"
