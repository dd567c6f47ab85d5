"""Descriptions of programs, and operations in NumPy and mpmath, for the tests of programs."""

from typing import NamedTuple

import numpy as np
from mpmath import mp

INF, NAN = np.inf, np.nan


class Description(NamedTuple):
    inputs: tuple = ("h",)
    uniforms: tuple = ()
    outputs: tuple = ("y",)
    constants: tuple = ()
    prologue: tuple = ()
    body: tuple = (("copy", 1, 0),)
    temporaries: int = 0


def where(condition):
    def of(a, b, x, y):
        return np.where(np.isnan(a) | np.isnan(b), a.dtype.type(NAN), np.where(condition(a, b), x, y))

    return of


# name: (operands, function in NumPy) of operations that are exact or rounded once, so that all bits agree
EXACT = {
    "copy": (1, lambda a: a.copy()),
    "neg": (1, np.negative),
    "abs": (1, np.abs),
    "sign": (1, lambda a: np.where(a == 0, a, np.sign(a))),
    "sqrt": (1, np.sqrt),
    "inverse": (1, lambda a: a.dtype.type(1) / a),
    "add": (2, np.add),
    "sub": (2, np.subtract),
    "mul": (2, np.multiply),
    "div": (2, np.divide),
    "minimum": (2, np.minimum),
    "maximum": (2, np.maximum),
    "where_lt": (4, where(np.less)),
    "where_le": (4, where(np.less_equal)),
    "where_eq": (4, where(np.equal)),
}
FUNCTIONS = {
    "exp": mp.exp,
    "expm1": mp.expm1,
    "log": mp.log,
    "log1p": mp.log1p,
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "arctan": mp.atan,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "erf": mp.erf,
    "erfc": mp.erfc,
}


def same(got, expected):
    """Check that arrays are equal, including NaN and the sign of zero."""
    np.testing.assert_array_equal(got, expected)
    numbers = ~np.isnan(np.asarray(expected))
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(expected)[numbers])
