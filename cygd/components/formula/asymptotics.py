"""Which factors grow beyond all numbers where another one vanishes, as far as a graph shows it."""

from __future__ import annotations

from collections.abc import Sequence

from cygd.components.formula.nodes import Node

__all__ = ["Growth"]


class Growth:
    """The powers of their variables that nodes grow with."""

    def __init__(self) -> None:
        self._degrees: dict[Node, float] = {}

    def growing(self, factors: Sequence[tuple[Node, float]]) -> dict[Node, float]:
        """Return the degrees of factors that may overflow beside one that vanishes, which then comes first.

        Of h sigmoid(-h) (1 + h^2), for large h, the last is infinite and the others 0, as is the whole.
        """
        if len(factors) < 2 or not any(_vanishes(factor) for factor, n in factors if n > 0):
            return {}
        degrees = {factor: n * self._degree(factor) for factor, n in factors if n > 0}
        if sum(degrees.values()) < 2:
            return {}
        first = next((factor for factor, n in factors if n > 0), None)
        return {factor: n for factor, n in degrees.items() if n >= 2 or (n > 0 and factor is not first)}

    def _degree(self, node: Node) -> float:
        """Return the power of its variables that a node grows with."""
        known = self._degrees.get(node)
        if known is None:
            if node.op == "variable":
                known = 1.0
            elif node.op == "product":
                known = sum(n * self._degree(factor) for factor, n in node.data[0])
            elif node.op in (
                "sum",
                "abs",
                "log_cosh",
                "softplus",
                "minimum",
                "maximum",
                "where",
                "exp_finite",
            ):
                known = max(self._degree(part) for part in node.parts)
            else:
                known = 0.0
            self._degrees[node] = known
        return known


def _vanishes(node: Node) -> bool:
    """Return whether a factor is next to 0 for large arguments of a kind: 1 - tanh^2 is one too."""
    if node.op == "sum" and len(node.data[1]) == 1:
        node = node.data[1][0][1]
        return node.op == "product" and len(node.data[0]) == 1 and node.data[0][0][0].op == "tanh"
    return node.op in ("sigmoid", "exp", "erfc")
