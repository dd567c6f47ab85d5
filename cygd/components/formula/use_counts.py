"""Use counts: how often each node of a graph is used, counted before lowering.

Lowering computes a node that is used several times only once, and fuses one that is used once into the
instruction that uses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cygd.components.formula.graph import Graph
from cygd.components.formula.nodes import Node, reachable


class UseCounts:
    """The nodes that some roots are computed from."""

    def __init__(self, graph: Graph, roots: Sequence[Node]) -> None:
        self.nodes = reachable(roots)
        self.uses = Counter(roots)  # being a root counts as one
        self.denominator_uses: Counter[Node] = Counter()  # as a factor x^-n; n > 1 counts as two
        for node in self.nodes:
            self.uses.update(node.operands)
            for factor, n in node.data[0] if node.op == "product" else ():
                if n < 0:
                    self.denominator_uses[factor] += 1 if n >= -1 else 2
        for node in sorted(
            self.nodes, key=lambda node: node.index
        ):  # a set has no order, but counts must be reproducible
            if node.op == "sigmoid" and is_second_logistic_result(graph, node, self.nodes):
                self._discount_operands(node)

    def _discount_operands(self, node: Node) -> None:
        """Remove the uses by a node that is not computed from its operands."""
        for operand in node.operands:
            self.uses[operand] -= 1
            if self.uses[operand] == 0:
                self._discount_operands(operand)


def reflected_sigmoid(graph: Graph, node: Node) -> Node:
    """Return sigmoid(-g) for sigmoid(g)."""
    return graph.intern("sigmoid", graph.scale(-1.0, node.data[0]))


def is_second_logistic_result(graph: Graph, node: Node, needed: set[Node]) -> bool:
    """Return True if sigmoid(g) is computed together with sigmoid(-g), from the argument of the latter.

    The instruction `logistic` gives both; its operand is the argument that was made first.
    """
    reflected = reflected_sigmoid(graph, node)
    return reflected in needed and reflected.data[0].index <= node.data[0].index
