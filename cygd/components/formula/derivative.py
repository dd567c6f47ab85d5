"""Derivatives of expression graphs, by the rules of calculus.

Where a function has a kink the derivative there is a convention: sign(0) = 0 for abs, 0 for relu and at both
ends of clip; of two things that vary, minimum and maximum take the second where they are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from cygd.components.formula.graph import Graph
from cygd.components.formula.nodes import Node
from cygd.errors import FormulaError

__all__ = ["Derivative"]

_FEW_FACTORS = 12
_MANY_FACTORS = 100  # the terms of whose derivative take thousands of steps


class Derivative:
    """The derivatives of the nodes of a graph with respect to one variable.

    Examples
    --------
    >>> graph = Graph()
    >>> h = graph.variable("h")
    >>> Derivative(graph, h).of(graph.multiply(h, h)) is graph.scale(2.0, h)
    True
    """

    def __init__(self, graph: Graph, variable: Node) -> None:
        self.graph = graph
        self._known: dict[Node, Node] = {variable: graph.one}

    def of(self, node: Node) -> Node:
        """Return the derivative of a node."""
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._derive(node)
        return known

    def _derive(self, node: Node) -> Node:
        graph = self.graph
        if node.op in ("number", "variable"):
            return graph.zero
        if node.op == "sum":
            return graph.total(0.0, [(k, self.of(term)) for k, term in node.data[1]])
        if node.op == "product":
            return self._product(node)
        if node.op == "where":
            comparison, a, b, x, y = node.data
            return graph.where(comparison, a, b, self.of(x), self.of(y))
        if node.op in ("minimum", "maximum"):
            return self._extreme(node)
        inner = self.of(node.data[0])
        return graph.zero if inner is graph.zero else CHAIN[node.op](graph, node, node.data[0], inner)

    def _product(self, node: Node) -> Node:
        """Sum over the factors x^n of n x^(n-1) x' times the others."""
        graph, factors = self.graph, node.data[0]
        terms = []
        if len(factors) > _MANY_FACTORS:
            raise FormulaError(
                f"the formula has a product of {len(factors)} factors, at most {_MANY_FACTORS} are possible",
                hint="write it as a function in a plugin",
            )
        for place, (factor, n) in enumerate(factors):
            inner = self.of(factor)
            if inner is not graph.zero:
                others = factors[:place] + factors[place + 1 :]
                terms.append(
                    (1.0, graph.product([*others, (graph.number(n), 1.0), (factor, n - 1), (inner, 1.0)]))
                )
        plain = graph.total(0.0, terms)
        few = 2 <= len(terms) <= _FEW_FACTORS  # of many it takes long, and is hardly shorter
        if not few or plain.op != "sum" or all(n > 0 for _, n in factors):
            return plain
        return self._over_one_denominator(plain)

    def _over_one_denominator(self, plain: Node) -> Node:
        """Return a sum over its common denominator if that is shorter: (1 + |h| - |h|) / (1 + |h|)^2."""
        graph = self.graph
        lowest: dict[Node, float] = {}
        for _, term in plain.data[1]:
            for factor, n in term.data[0] if term.op == "product" else ():
                if n < 0:
                    lowest[factor] = min(n, lowest.get(factor, 0.0))
        denominator = list(lowest.items())
        raised = [(factor, -n) for factor, n in denominator]
        terms = [(k, graph.product([(term, 1.0), *raised])) for k, term in plain.data[1]]
        if plain.data[0] != 0.0:
            terms.append((plain.data[0], graph.product(raised)))
        numerator = graph.total(0.0, terms)
        size = len(numerator.data[1]) if numerator.op == "sum" else 1
        if size >= len(plain.data[1]):
            return plain
        return graph.product([(numerator, 1.0), *denominator])

    def _extreme(self, node: Node) -> Node:
        graph = self.graph
        a, b = node.data
        if a.op == "number":
            a, b = b, a  # the one that varies first: where they are equal the number counts, whose slope is 0
        less, more = (a, b) if node.op == "minimum" else (b, a)
        return graph.where("lt", less, more, self.of(a), self.of(b))


Rule = Callable[[Graph, Node, Node, Node], Node]  # graph, f(x), x, x' -> (f(x))'


def _by(slope: Callable[[Graph, Node, Node], Node]) -> Rule:
    """Return the chain rule of a function, given its own derivative."""
    return lambda graph, node, x, inner: graph.multiply(slope(graph, node, x), inner)


def _exp(graph: Graph, node: Node, x: Node) -> Node:
    return graph.call("exp", x)


def _bell(factor: float) -> Callable[[Graph, Node, Node], Node]:
    # erf'(x) = 2 / sqrt(pi) exp(-x^2)
    def slope(graph: Graph, node: Node, x: Node) -> Node:
        return graph.scale(factor, graph.call("exp", graph.scale(-1.0, graph.product(((x, 2.0),)))))

    return slope


def _tanh_log(graph: Graph, node: Node, u: Node) -> Node:
    # T = (u^2 - 1) / (u^2 + 1), T' = 4 u / (u^2 + 1)^2
    denominator = graph.plus(1.0, graph.product(((u, 2.0),)))
    return graph.product(((graph.number(4.0), 1.0), (u, 1.0), (denominator, -2.0)))


CHAIN: dict[str, Rule] = {
    "exp": _by(_exp),
    "expm1": _by(_exp),
    "exp_finite": _by(lambda graph, node, x: node),
    "log": lambda graph, node, x, inner: graph.divide(inner, x),
    "log1p": lambda graph, node, x, inner: graph.divide(inner, graph.plus(1.0, x)),
    "sin": _by(lambda graph, node, x: graph.call("cos", x)),
    "cos": _by(lambda graph, node, x: graph.scale(-1.0, graph.call("sin", x))),
    "tan": _by(lambda graph, node, x: graph.plus(1.0, graph.product(((node, 2.0),)))),
    "sinh": _by(lambda graph, node, x: graph.call("cosh", x)),
    "cosh": _by(lambda graph, node, x: graph.call("sinh", x)),
    "tanh": _by(lambda graph, node, x: graph.total(1.0, ((-1.0, graph.product(((node, 2.0),))),))),
    "arctan": lambda graph, node, x, inner: graph.divide(inner, graph.plus(1.0, graph.product(((x, 2.0),)))),
    "sigmoid": _by(lambda graph, node, x: graph.multiply(node, graph.call("sigmoid", graph.scale(-1.0, x)))),
    "softplus": _by(lambda graph, node, x: graph.call("sigmoid", x)),
    "erf": _by(_bell(2 / math.sqrt(math.pi))),
    "erfc": _by(_bell(-2 / math.sqrt(math.pi))),
    "abs": _by(lambda graph, node, x: graph.call("sign", x)),
    "sign": lambda graph, node, x, inner: graph.zero,
    "log_cosh": _by(lambda graph, node, x: graph.call("tanh", x)),
    "tanh_log": _by(_tanh_log),
    "tanh_log1p": _by(lambda graph, node, x: graph.make("tanh_log1p_slope", x)),
}
