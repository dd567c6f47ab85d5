"""The nodes of an expression graph: what an expression is made of, and what a number of it is."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["Node", "is_scaled", "power_of"]


class Node:
    """A subexpression; two of one graph are equal only if they are the same object.

    Attributes
    ----------
    op : str
        "number", "variable", "sum", "product", "where" or the name of a function.
    data : tuple
        (value,), (name,), (constant, terms), (factors,), (comparison, a, b, x, y), or the arguments.
    index : int
        Its place in the order of making: parts come before what they are parts of.
    """

    __slots__ = ("data", "index", "op")

    def __init__(self, op: str, data: tuple[Any, ...], index: int) -> None:
        self.op = op
        self.data = data
        self.index = index

    def __repr__(self) -> str:
        return f"{self.op}{self.data}"

    @property
    def value(self) -> float:
        """The value of a number."""
        return float(self.data[0])

    @property
    def parts(self) -> tuple[Node, ...]:
        """The nodes it is made of."""
        if self.op == "sum":
            return tuple([term for _, term in self.data[1]])
        if self.op == "product":
            return tuple([factor for factor, _ in self.data[0]])
        if self.op in ("number", "variable"):
            return ()
        return self.data[1:] if self.op == "where" else self.data


def is_scaled(node: Node) -> bool:
    """Return whether a node is a number times one term."""
    return node.op == "sum" and node.data[0] == 0.0 and len(node.data[1]) == 1


def power_of(base: float, exponent: float) -> float:
    """Return base ** exponent as float64 arithmetic has it: inf and nan, never an exception.

    Examples
    --------
    >>> power_of(9.0, 387420489.0), power_of(0.0, -1.0), power_of(-8.0, 1 / 3)
    (inf, inf, nan)
    """
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:  # 0 to a negative power, a negative number to a fraction
        return math.inf if base == 0 else math.nan
