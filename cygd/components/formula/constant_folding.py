"""Constant folding: the functions of a formula, evaluated on numbers while the graph is built.

They follow float64 arithmetic: inf or nan instead of an exception.
"""

from __future__ import annotations

import math
from collections.abc import Callable


def _without_exceptions(
    function: Callable[[float], float], on_overflow: float = math.nan
) -> Callable[[float], float]:
    """Return a function that gives `on_overflow` for an OverflowError and nan for a domain error."""

    def folded(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return on_overflow
        except ValueError:
            return math.nan

    return folded


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _sinh(x: float) -> float:
    try:
        return math.sinh(x)
    except OverflowError:
        return math.copysign(math.inf, x)


FOLD_FUNCTIONS: dict[str, Callable[..., float]] = {
    "exp": _without_exceptions(math.exp, math.inf),
    "expm1": _without_exceptions(math.expm1, math.inf),
    "log": _without_exceptions(lambda x: -math.inf if x == 0 else math.log(x)),
    "log1p": _without_exceptions(lambda x: -math.inf if x == -1 else math.log1p(x)),
    "sqrt": _without_exceptions(math.sqrt),
    "abs": abs,
    "sign": lambda x: math.nan if x != x else float((x > 0) - (x < 0)),
    "sin": _without_exceptions(math.sin),
    "cos": _without_exceptions(math.cos),
    "tan": _without_exceptions(math.tan),
    "sinh": _sinh,
    "cosh": _without_exceptions(math.cosh, math.inf),
    "tanh": math.tanh,
    "arctan": math.atan,
    "sigmoid": _sigmoid,
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    "erf": math.erf,
    "erfc": math.erfc,
    "minimum": lambda a, b: math.nan if a != a or b != b else min(a, b),
    "maximum": lambda a, b: math.nan if a != a or b != b else max(a, b),
}
