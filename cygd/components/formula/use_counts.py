"""What an expression graph uses how often, counted before it becomes instructions."""

from __future__ import annotations

from collections.abc import Sequence

from cygd.components.formula.graph import Graph
from cygd.components.formula.nodes import Node

__all__ = ["Survey", "comes_second", "mirrored_sigmoid"]


class Survey:
    """The nodes that some roots are made of.

    Attributes
    ----------
    nodes : set of Node
    uses : dict of Node to int
        How often each of them is used, the roots once more.
    inverted : dict of Node to int
        How often a factor stands below a line.
    """

    def __init__(self, graph: Graph, roots: Sequence[Node]) -> None:
        self.nodes: set[Node] = set()
        self.uses: dict[Node, int] = {}
        self.inverted: dict[Node, int] = {}
        stack = list(roots)
        while stack:
            node = stack.pop()
            if node not in self.nodes:
                self.nodes.add(node)
                self._count(node)
                stack += node.parts
        for root in roots:
            self.uses[root] = self.uses.get(root, 0) + 1
        for node in sorted(self.nodes, key=_by_index):  # what is made in one order has the same numbers
            if node.op == "sigmoid" and comes_second(graph, node, self.nodes):
                self._discount(node)

    def _count(self, node: Node) -> None:
        for part in node.parts:
            self.uses[part] = self.uses.get(part, 0) + 1
        for factor, n in node.data[0] if node.op == "product" else ():
            if n < 0:
                self.inverted[factor] = self.inverted.get(factor, 0) + (1 if n >= -1 else 2)

    def _discount(self, node: Node) -> None:
        """Take away what a node that is not computed from its parts uses."""
        for part in node.parts:
            self.uses[part] -= 1
            if self.uses[part] == 0:
                self._discount(part)


def mirrored_sigmoid(graph: Graph, node: Node) -> Node:
    """Return sigmoid(-g) of sigmoid(g)."""
    return graph.make("sigmoid", graph.scale(-1.0, node.data[0]))


def comes_second(graph: Graph, node: Node, needed: set[Node]) -> bool:
    """Return whether sigmoid(g) is had from the argument of sigmoid(-g), the one that stood there first."""
    mirrored = mirrored_sigmoid(graph, node)
    return mirrored in needed and mirrored.data[0].index <= node.data[0].index


def _by_index(node: Node) -> int:
    return node.index
