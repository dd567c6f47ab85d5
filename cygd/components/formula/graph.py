"""Expressions as a graph: one node per distinct subexpression, brought into a normal form when made.

A sum is a constant and terms with factors, a product is factors with exponents, so that equal parts meet
(x + 1 - x is 1, and h sign(h) is |h|) and an expression that is written twice is computed once. What is
unstable as written is replaced when its node is made; those identities stand in `rewriting.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cygd.components.formula.constant_folding import FOLD
from cygd.components.formula.nodes import Node, is_scaled, power_of
from cygd.components.formula.simplify import RULES, known_factors, known_sum

__all__ = ["Graph"]


class Graph:
    """The nodes of one compilation."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[Any, ...], Node] = {}
        self.zero = self.number(0.0)
        self.one = self.number(1.0)

    def make(self, op: str, *data: Any) -> Node:
        """Return the node of an operation as it is, without any rule."""
        key = (op, *data)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(op, data, len(self._nodes))
        return node

    def number(self, value: float) -> Node:
        """Return a constant."""
        return self.make("number", value)

    def variable(self, name: str) -> Node:
        """Return a variable: h, y_hat, a trainable parameter, ..."""
        return self.make("variable", name)

    # sums -----------------------------------------------------------------------------------------

    def total(self, constant: float, terms: Iterable[tuple[float, Node]]) -> Node:
        """Return constant + sum of k t, equal terms gathered."""
        gathered: dict[Node, float] = {}
        for k, term in terms:
            if term.op == "number":
                constant += k * term.data[0]
            elif term.op == "sum" and (k in (1.0, -1.0) or is_scaled(term)):
                constant += k * term.data[0]
                for inner, part in term.data[1]:
                    gathered[part] = gathered.get(part, 0.0) + k * inner
            else:
                gathered[term] = gathered.get(term, 0.0) + k
        kept = [(k, term) for term, k in gathered.items() if k != 0.0]
        if not kept:
            return self.number(constant)
        if len(kept) == 1 and constant == 0.0 and kept[0][0] == 1.0:
            return kept[0][1]
        known = known_sum(self, constant, kept)
        if known is not None:
            return known
        kept.sort(key=_by_index)
        return self.make("sum", constant, tuple(kept))

    def add(self, *nodes: Node) -> Node:
        """Return the sum of nodes."""
        return self.total(0.0, [(1.0, node) for node in nodes])

    def subtract(self, a: Node, b: Node) -> Node:
        """Return a - b."""
        return self.total(0.0, ((1.0, a), (-1.0, b)))

    def scale(self, k: float, node: Node) -> Node:
        """Return k times a node."""
        return self.total(0.0, ((k, node),))

    def plus(self, constant: float, node: Node) -> Node:
        """Return a node plus a number."""
        return self.total(constant, ((1.0, node),))

    # products -------------------------------------------------------------------------------------

    def product(self, factors: Iterable[tuple[Node, float]]) -> Node:
        """Return the product of powers, equal factors gathered."""
        gathered: dict[Node, float] = {}
        k = self._gather(gathered, factors)
        if k == 0.0:
            return self.zero
        if len(gathered) > 1 or (gathered and next(iter(gathered.values())) != 1.0):
            k *= known_factors(self, gathered)
        kept = [(factor, n) for factor, n in gathered.items() if n != 0.0]
        if not kept:
            return self.number(k)
        if len(kept) == 1 and kept[0][1] == 1.0:
            node = kept[0][0]
        else:
            kept.sort(key=_by_node)
            node = self.make("product", tuple(kept))
        return node if k == 1.0 else self.scale(k, node)

    def _gather(self, gathered: dict[Node, float], factors: Iterable[tuple[Node, float]]) -> float:
        """Gather powers by their base; return the factor that is a number."""
        k = 1.0
        for factor, n in factors:
            if n == 0.0:
                continue
            if is_scaled(factor) and (n == int(n) or factor.data[1][0][0] > 0):
                outside = power_of(factor.data[1][0][0], n)
                if n == 1.0 or 1e-300 < abs(outside) < 1e300:  # (h / 1000)^200 has no such number
                    k *= outside
                    factor = factor.data[1][0][1]
            if factor.op == "number":
                k *= power_of(factor.data[0], n)
            elif factor.op == "product" and n == int(n):
                for base, m in factor.data[0]:
                    gathered[base] = gathered.get(base, 0.0) + m * n
            elif factor.op == "product" and len(factor.data[0]) == 1:
                # (x^m)^n is |x|^(m n) for even m; where m is odd or a fraction both want x >= 0
                [(base, m)] = factor.data[0]
                base = self.call("abs", base) if m % 2 == 0 else base
                gathered[base] = gathered.get(base, 0.0) + m * n
            else:
                gathered[factor] = gathered.get(factor, 0.0) + n
        return k

    def multiply(self, *nodes: Node) -> Node:
        """Return the product of nodes."""
        return self.product([(node, 1.0) for node in nodes])

    def divide(self, a: Node, b: Node) -> Node:
        """Return a / b."""
        return self.product(((a, 1.0), (b, -1.0)))

    def power(self, base: Node, exponent: Node) -> Node:
        """Return base ** exponent; for an exponent that varies, e^(exponent log base)."""
        if exponent.op == "number":
            return self.product(((base, exponent.data[0]),))
        return self.call("exp", self.multiply(exponent, self.call("log", base)))

    # functions ------------------------------------------------------------------------------------

    def call(self, name: str, *arguments: Node) -> Node:
        """Return a function of nodes, by the rule of its name where it has one."""
        if all(argument.op == "number" for argument in arguments):
            return self.number(FOLD[name](*[argument.data[0] for argument in arguments]))
        rule = RULES.get(name)
        known = rule(self, *arguments) if rule is not None else None
        return known if known is not None else self.make(name, *arguments)

    def where(self, comparison: str, a: Node, b: Node, x: Node, y: Node) -> Node:
        """Return x where a < b ("lt"), a <= b ("le") or a == b ("eq"), else y."""
        if x is y:
            return x
        if a.op == "number" and b.op == "number":
            p, q = a.data[0], b.data[0]
            holds = {"lt": p < q, "le": p <= q, "eq": p == q}[comparison]
            return x if holds else y
        return self.make("where", comparison, a, b, x, y)


def _by_index(term: tuple[float, Node]) -> int:
    return term[1].index


def _by_node(factor: tuple[Node, float]) -> int:
    return factor[0].index
