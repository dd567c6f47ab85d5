"""Symbolic differentiation of expression graphs.

Each node is differentiated once; the derivative is a node of the same graph, so that it shares subexpressions
with the value, and lowering computes both in one program.

At a kink the derivative is a convention: sign(0) = 0 for abs, 0 for relu and at both limits of clip. Where
two variable operands of minimum or maximum are equal, the derivative is that of the second.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from cygd.components.formula.conjugate_sums import arcsinh_derivative
from cygd.components.formula.exponential_quotients import quotient_derivative
from cygd.components.formula.exponential_sums import log_sum_exp_derivative
from cygd.components.formula.graph import Graph
from cygd.components.formula.nodes import Node, too_large

_MAX_FACTORS = 100  # the derivative of a longer product takes thousands of instructions
_MAX_MERGED_TERMS = 12  # a common denominator of more terms is slow to find and saves little


class Derivative:
    """The derivatives of the nodes of a graph with respect to one variable."""

    def __init__(self, graph: Graph, variable: Node) -> None:
        self.graph = graph
        self._derivatives: dict[Node, Node] = {variable: graph.one}

    def of(self, node: Node) -> Node:
        """Return the derivative of a node."""
        derivative = self._derivatives.get(node)
        if derivative is None:
            derivative = self._derivatives[node] = self._differentiate(node)
        return derivative

    def _differentiate(self, node: Node) -> Node:
        graph = self.graph
        if node.op in ("number", "variable"):
            return graph.zero
        if node.op == "sum":
            return graph.sum(0.0, [(k, self.of(term)) for k, term in node.data[1]])
        if node.op == "product":
            return self._product(node)
        if node.op == "where":
            comparison, a, b, x, y = node.data
            return graph.where(comparison, a, b, self.of(x), self.of(y))
        if node.op in ("minimum", "maximum"):
            return self._minimum_or_maximum(node)
        if node.op == "log_sum_exp":
            return log_sum_exp_derivative(graph, node, [self.of(exponent) for exponent in node.data])
        inner = self.of(node.data[0])
        return graph.zero if inner is graph.zero else CHAIN_RULES[node.op](graph, node, node.data[0], inner)

    def _product(self, node: Node) -> Node:
        """Return the sum over the factors x^n of n x^(n-1) x' times the other factors."""
        graph, factors = self.graph, node.data[0]
        terms = []
        if len(factors) > _MAX_FACTORS:
            raise too_large(f"expected a product of at most {_MAX_FACTORS} factors, got {len(factors)}")
        expanded = quotient_derivative(graph, node, self.of)
        if expanded is not None:
            return expanded
        for position, (factor, n) in enumerate(factors):
            inner = self.of(factor)
            if inner is not graph.zero:
                others = factors[:position] + factors[position + 1 :]
                terms.append(
                    (1.0, graph.product([*others, (graph.number(n), 1.0), (factor, n - 1), (inner, 1.0)]))
                )
        derivative = graph.sum(0.0, terms)
        is_short = 2 <= len(terms) <= _MAX_MERGED_TERMS
        if not is_short or derivative.op != "sum" or all(n > 0 for _, n in factors):
            return derivative
        return self._merge_denominators(derivative)

    def _merge_denominators(self, sum_: Node) -> Node:
        """Return a sum over its common denominator if that is shorter: (1 + |h| - |h|) / (1 + |h|)^2."""
        graph = self.graph
        lowest: dict[Node, float] = {}
        for _, term in sum_.data[1]:
            for factor, n in term.data[0] if term.op == "product" else ():
                if n < 0:
                    lowest[factor] = min(n, lowest.get(factor, 0.0))
        denominator = list(lowest.items())
        inverted = [(factor, -n) for factor, n in denominator]
        terms = [(k, graph.product([(term, 1.0), *inverted])) for k, term in sum_.data[1]]
        if sum_.data[0] != 0.0:
            terms.append((sum_.data[0], graph.product(inverted)))
        numerator = graph.sum(0.0, terms)
        n_terms = len(numerator.data[1]) if numerator.op == "sum" else 1
        if n_terms >= len(sum_.data[1]):
            return sum_
        return graph.product([(numerator, 1.0), *denominator])

    def _minimum_or_maximum(self, node: Node) -> Node:
        graph = self.graph
        a, b = node.data
        if a.op == "number":
            a, b = b, a  # at equality the second operand counts; make that the number, with derivative 0
        smaller, larger = (a, b) if node.op == "minimum" else (b, a)
        return graph.where("lt", smaller, larger, self.of(a), self.of(b))


ChainRule = Callable[[Graph, Node, Node, Node], Node]  # graph, f(x), x, x' -> (f(x))'


def _chain(derivative: Callable[[Graph, Node, Node], Node]) -> ChainRule:
    """Return the chain rule of a function f, given (graph, f(x), x) -> f'(x)."""
    return lambda graph, node, x, inner: graph.multiply(derivative(graph, node, x), inner)


def _erf(graph: Graph, node: Node, x: Node) -> Node:
    # erf'(x) = -erfc'(x) = 2 / sqrt(pi) exp(-x^2)
    k = 2 / math.sqrt(math.pi) if node.op == "erf" else -2 / math.sqrt(math.pi)
    return graph.scale(k, graph.call("exp", graph.scale(-1.0, graph.product(((x, 2.0),)))))


def _root_ratio(graph: Graph, node: Node, b: Node) -> Node:
    # (1 + b / r)' = b' (r^2 - b^2) / r^3
    return graph.product(((node.data[2], 1.0), (node.data[1], -3.0)))


def _tanh_log(graph: Graph, node: Node, u: Node) -> Node:
    # T = (u^2 - 1) / (u^2 + 1), T' = 4 u / (u^2 + 1)^2
    denominator = graph.add_constant(1.0, graph.product(((u, 2.0),)))
    return graph.product(((graph.number(4.0), 1.0), (u, 1.0), (denominator, -2.0)))


CHAIN_RULES: dict[str, ChainRule] = {
    "exp": _chain(lambda graph, node, x: node),
    "expm1": _chain(lambda graph, node, x: graph.call("exp", x)),
    "exp_finite": _chain(lambda graph, node, x: node),
    "log": lambda graph, node, x, inner: graph.divide(inner, x),
    "log1p": lambda graph, node, x, inner: graph.divide(inner, graph.add_constant(1.0, x)),
    "sin": _chain(lambda graph, node, x: graph.call("cos", x)),
    "cos": _chain(lambda graph, node, x: graph.scale(-1.0, graph.call("sin", x))),
    "tan": _chain(lambda graph, node, x: graph.add_constant(1.0, graph.product(((node, 2.0),)))),
    "sinh": _chain(lambda graph, node, x: graph.call("cosh", x)),
    "cosh": _chain(lambda graph, node, x: graph.call("sinh", x)),
    "tanh": _chain(lambda graph, node, x: graph.sum(1.0, ((-1.0, graph.product(((node, 2.0),))),))),
    "arctan": lambda graph, node, x, inner: graph.divide(
        inner, graph.add_constant(1.0, graph.product(((x, 2.0),)))
    ),
    "sigmoid": _chain(
        lambda graph, node, x: graph.multiply(node, graph.call("sigmoid", graph.scale(-1.0, x)))
    ),
    "softplus": _chain(lambda graph, node, x: graph.call("sigmoid", x)),
    "erf": _chain(_erf),
    "erfc": _chain(_erf),
    "abs": _chain(lambda graph, node, x: graph.call("sign", x)),
    "sign": lambda graph, node, x, inner: graph.zero,
    "log_cosh": _chain(lambda graph, node, x: graph.call("tanh", x)),
    "tanh_log": _chain(_tanh_log),
    "arcsinh": _chain(lambda graph, node, x: arcsinh_derivative(graph, x)),
    "root_minus": lambda graph, node, r, inner: inner,
    "root_sum": _chain(lambda graph, node, b: graph.intern("root_ratio", *node.data)),
    "root_ratio": _chain(_root_ratio),
    "tanh_log1p": _chain(lambda graph, node, x: graph.intern("tanh_log1p_derivative", x)),
}
