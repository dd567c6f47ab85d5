"""Asymptotic growth: which factors of a product may overflow while another one vanishes.

For large h, h sigmoid(-h) (1 + h^2) tends to 0, but computed from left to right it can be 0 times inf, which
is nan. Lowering multiplies the factors in the order of the degrees found here and clamps the fast ones to
finite numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from cygd.components.formula.nodes import Factor, Node, is_scaled

_GROWS_WITH_OPERANDS = {
    "sum", "abs", "log_cosh", "log_sum_exp", "root_minus", "root_sum", "softplus",
    "minimum", "maximum", "where", "exp_finite",
}  # fmt: skip


CLAMPED_DEGREE = 2.0  # a factor that grows so fast is clamped to finite numbers


class GrowthAnalysis:
    """The degrees of nodes: the powers of their variables that they grow with, as far as a graph shows."""

    def __init__(self) -> None:
        self._degrees: dict[Node, float] = {}

    def overflow_degrees(self, factors: Sequence[Factor]) -> dict[Node, float]:
        """Return the degrees of the factors that may overflow next to a vanishing one; usually none."""
        if len(factors) < 2 or not any(_vanishes(factor) for factor, n in factors if n > 0):
            return {}
        degrees = {factor: n * self._degree(factor) for factor, n in factors if n > 0}
        if sum(degrees.values()) < 2:
            return {}
        first = next(iter(degrees))
        return {factor: n for factor, n in degrees.items() if n >= 2 or (n > 0 and factor is not first)}

    def clamped(self, factors: Sequence[Factor]) -> set[Node]:
        """Return the factors that a product clamps."""
        degrees = self.overflow_degrees(factors)
        return {factor for factor, degree in degrees.items() if degree >= CLAMPED_DEGREE}

    def _degree(self, node: Node) -> float:
        degree = self._degrees.get(node)
        if degree is None:
            if node.op == "variable":
                degree = 1.0
            elif node.op == "product":
                degree = sum(n * self._degree(factor) for factor, n in node.data[0])
            elif node.op in _GROWS_WITH_OPERANDS:
                degree = max(self._degree(operand) for operand in node.operands)
            else:
                degree = 0.0
            self._degrees[node] = degree
        return degree


def _vanishes(node: Node) -> bool:
    """Return True if a factor tends to 0 for large arguments of one sign; 1 - tanh^2 does too."""
    if node.op == "sum" and len(node.data[1]) == 1:
        node = node.data[1][0][1]
        return node.op == "product" and len(node.data[0]) == 1 and node.data[0][0][0].op == "tanh"
    if node.op == "where":  # of the scaled form of a quotient
        return any(_decays(branch) for branch in node.data[3:])
    return node.op in ("sigmoid", "exp", "exp_atom", "erfc")


def _decays(node: Node) -> bool:
    """Return True for a product with an exponential of `exponential_scaling`."""
    if is_scaled(node):
        node = node.data[1][0][1]
    factors = node.data[0] if node.op == "product" else ((node, 1.0),)
    return any(factor.op == "exp_atom" and n > 0 for factor, n in factors)
