"""Node, the unit of an expression graph, and what every stage needs to know about nodes.

An expression is a directed acyclic graph. Its graph interns nodes (one node per distinct subexpression), so
two subexpressions are equal if and only if they are the same object, and a common subexpression is computed
once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from cygd.errors import FormulaError

USE_PLUGIN = "write it as a function in a plugin"


class Node:
    """A subexpression; nodes of one graph are compared by identity."""

    __slots__ = ("data", "index", "op")

    def __init__(self, op: str, data: tuple[Any, ...], index: int) -> None:
        self.op = op  # "number", "variable", "sum", "product", "where" or the name of a function
        # (value,), (name,), (constant, terms), (factors,), (comparison, a, b, x, y), or the arguments
        self.data = data
        self.index = index  # in order of creation: operands come before the nodes that use them

    def __repr__(self) -> str:
        return f"{self.op}{self.data}"

    @property
    def value(self) -> float:
        """The value of a number."""
        return float(self.data[0])

    @property
    def operands(self) -> tuple[Node, ...]:
        """The nodes that this one is computed from."""
        if self.op == "sum":
            return tuple([term for _, term in self.data[1]])
        if self.op == "product":
            return tuple([factor for factor, _ in self.data[0]])
        if self.op in ("number", "variable"):
            return ()
        return self.data[1:] if self.op == "where" else self.data


Term = tuple[float, Node]  # (k, x) in a sum: k x
Factor = tuple[Node, float]  # (x, n) in a product: x^n


def reachable(roots: Iterable[Node]) -> set[Node]:
    """Return the nodes that some roots are computed from, and the roots."""
    nodes: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in nodes:
            nodes.add(node)
            stack += node.operands
    return nodes


def is_scaled(node: Node) -> bool:
    """Return True if a node is a number times one term."""
    return node.op == "sum" and node.data[0] == 0.0 and len(node.data[1]) == 1


def float_power(base: float, exponent: float) -> float:
    """Return base ** exponent in float64 arithmetic: inf or nan instead of an exception."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:  # 0 to a negative power, or a negative number to a fractional power
        return math.inf if base == 0 else math.nan


def too_large(message: str) -> FormulaError:
    """Return the error for a formula that exceeds a limit of the compiler."""
    return FormulaError(message, hint=USE_PLUGIN)
