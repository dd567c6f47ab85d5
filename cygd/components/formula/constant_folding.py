"""Functions of numbers, as float64 arithmetic has them: inf and nan, never an exception."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["FOLD"]


def _guarded(function: Callable[[float], float], beyond: float = math.nan) -> Callable[[float], float]:
    """Return a function that gives `beyond` where the math module raises an overflow, and nan outside."""

    def safe(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return beyond
        except ValueError:
            return math.nan

    return safe


def _log_number(x: float) -> float:
    return -math.inf if x == 0 else math.log(x)


def _sigmoid_number(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _sinh_number(x: float) -> float:
    try:
        return math.sinh(x)
    except OverflowError:
        return math.copysign(math.inf, x)


FOLD: dict[str, Callable[..., float]] = {
    "exp": _guarded(math.exp, math.inf),
    "expm1": _guarded(math.expm1, math.inf),
    "log": _guarded(_log_number),
    "log1p": _guarded(lambda x: -math.inf if x == -1 else math.log1p(x)),
    "sqrt": _guarded(math.sqrt),
    "abs": abs,
    "sign": lambda x: math.nan if x != x else float((x > 0) - (x < 0)),
    "sin": _guarded(math.sin),
    "cos": _guarded(math.cos),
    "tan": _guarded(math.tan),
    "sinh": _sinh_number,
    "cosh": _guarded(math.cosh, math.inf),
    "tanh": math.tanh,
    "arctan": math.atan,
    "sigmoid": _sigmoid_number,
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    "erf": math.erf,
    "erfc": math.erfc,
    "minimum": lambda a, b: math.nan if a != a or b != b else min(a, b),
    "maximum": lambda a, b: math.nan if a != a or b != b else max(a, b),
}
