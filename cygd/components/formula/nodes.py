"""Node, the unit of an expression graph, and what every stage needs to know about nodes.

An expression is a directed acyclic graph. Its graph interns nodes (one node per distinct subexpression), so
two subexpressions are equal if and only if they are the same object, and a common subexpression is computed
once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol


class Node:
    """A subexpression; nodes of one graph are compared by identity.

    Attributes
    ----------
    op : str
        "number", "variable", "sum", "product", "where" or the name of a function.
    data : tuple
        (value,), (name,), (constant, terms), (factors,), (comparison, a, b, x, y), or the arguments.
    index : int
        The position in order of creation: operands come before the nodes that use them.
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


class NodeBuilder(Protocol):
    """The methods of Graph that rewrite rules call.

    The graph applies the rules whenever it makes a node, so the rules cannot import the graph.
    """

    zero: Node

    def intern(self, op: str, *data: Any) -> Node:
        """Return the node of an operation as given, without rewriting it."""

    def call(self, name: str, *arguments: Node) -> Node:
        """Return a function of nodes."""

    def sum(self, constant: float, terms: Iterable[Term]) -> Node:
        """Return constant + sum of k x."""

    def subtract(self, a: Node, b: Node) -> Node:
        """Return a - b."""

    def scale(self, k: float, node: Node) -> Node:
        """Return k times a node."""

    def add_constant(self, constant: float, node: Node) -> Node:
        """Return a node plus a number."""

    def product(self, factors: Iterable[Factor]) -> Node:
        """Return the product of powers x^n."""


def is_scaled(node: Node) -> bool:
    """Return True if a node is a number times one term."""
    return node.op == "sum" and node.data[0] == 0.0 and len(node.data[1]) == 1


def float_power(base: float, exponent: float) -> float:
    """Return base ** exponent in float64 arithmetic: inf or nan instead of an exception.

    Examples
    --------
    >>> float_power(9.0, 387420489.0), float_power(0.0, -1.0), float_power(-8.0, 1 / 3)
    (inf, inf, nan)
    """
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:  # 0 to a negative power, or a negative number to a fractional power
        return math.inf if base == 0 else math.nan
