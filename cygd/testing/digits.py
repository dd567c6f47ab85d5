"""Where a formula loses digits: its values and derivatives beside those of mpmath, if that is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from cygd.components import Activation, Loss
from cygd.testing.arrays import Array

POINTS = np.array([1e-6, 1e-3, 0.1, 0.7, 1.3, 3, 7, 15, 30, 60, 90, 200, 500])
TARGET = 0.25  # of a loss
TOLERANCE = 1e3  # in units of the last place, times |h| beyond 1: an argument is itself rounded


class LostDigits(NamedTuple):
    """The point where a formula keeps the fewest digits, if those are too few."""

    role: str  # f or f'
    at: float  # h, or y_hat
    found: float
    exact: float
    error: float  # relative


def is_available() -> bool:
    """Return True if mpmath is installed."""
    return find_spec("mpmath") is not None


def lost_digits(component: Activation | Loss, dtype: str) -> LostDigits | None:
    """Return where a formula loses most digits of a dtype, or None; mpmath must be installed."""
    mp = import_module("mpmath").mp
    at: Array = np.concatenate([-POINTS[::-1], [0.0], POINTS]).astype(dtype)
    if isinstance(component, Activation):
        y_hat = component.evaluate(at)
        results = {"f": y_hat, "f'": component.evaluate_derivative(at, y_hat)}
    else:
        y = np.full_like(at, TARGET)
        results = {"f": component.elements(y, at), "f'": component.evaluate_derivative(y, at)}
    worst: LostDigits | None = None
    for k, x in enumerate(at):
        exact = _exact(mp, component, float(x))
        for (role, values), want in zip(results.items(), exact, strict=True):
            error = _relative_error(float(values[k]), want, np.finfo(at.dtype))
            limit = TOLERANCE * float(np.finfo(at.dtype).eps) * max(1.0, abs(float(x)))
            if error > max(limit, 0.0 if worst is None else worst.error):
                worst = LostDigits(role, float(x), float(values[k]), float(want), error)
    return worst


def _relative_error(found: float, exact: Any, info: np.finfo[Any]) -> float:
    """Return the relative error; 0 where the exact value is undefined, too large or too small."""
    if exact is None or not float(info.tiny) <= abs(exact) <= float(info.max):
        return 0.0
    return float(abs(found - exact) / abs(exact)) if np.isfinite(found) else np.inf


def _exact(mp: Any, component: Activation | Loss, x: float) -> tuple[Any, Any]:
    """Return f and f' at x from many digits, f' by differences; None where they are undefined."""
    assert component.formula is not None
    digits = 50 + int(abs(x))
    names = {**_functions(mp), **component.parameters, "y": TARGET}
    code = compile(component.formula, "formula", "eval")  # which the parser has accepted
    variable = "h" if isinstance(component, Activation) else "y_hat"

    def f(value: Any) -> Any:
        return eval(code, {"__builtins__": {}}, {**names, variable: value})

    with mp.workdps(2 * digits):
        step = mp.mpf(10) ** -digits
        try:
            value, above, below = (f(mp.mpf(x) + k * step) for k in (0, 1, -1))
            slopes = (above - value) / step, (value - below) / step
        except (ArithmeticError, ValueError, TypeError):
            return None, None
        if not all(mp.im(each) == 0 and mp.isfinite(each) for each in (value, *slopes)):
            return None, None
        # at a kink the derivative is a convention
        is_smooth = abs(slopes[0] - slopes[1]) <= mp.mpf(10) ** -20 * max(abs(slopes[0]), abs(slopes[1]))
        return mp.mpf(value), (slopes[0] + slopes[1]) / 2 if is_smooth else None


def _functions(mp: Any) -> Mapping[str, Callable[..., Any]]:
    """Return the functions of formulas over numbers of mpmath."""
    names = ("exp", "expm1", "log", "log1p", "sqrt", "sign", "sin", "cos", "tan", "sinh", "cosh", "tanh")
    return {
        **{name: getattr(mp, name) for name in (*names, "erf", "erfc", "pi", "e")},
        "abs": abs,
        "arctan": mp.atan,
        "sigmoid": lambda a: 1 / (1 + mp.exp(-a)),
        "softplus": lambda a: mp.log1p(mp.exp(a)),
        "relu": lambda a: max(a, 0),
        "minimum": min,
        "maximum": max,
        "clip": lambda a, low, high: min(max(a, low), high),
        "where": lambda condition, a, b: a if condition else b,
    }
