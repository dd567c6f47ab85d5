"""Build the expression graph: one node per distinct subexpression, normalized when it is made.

A sum is a constant plus terms with coefficients, a product is factors with exponents, so that equal terms and
factors combine (x + 1 - x is 1) and common subexpressions are shared. After that, functions of constants are
folded, and rewrite rules replace numerically unstable forms.

The rules run here and not in a pass of their own because a derivative is built through the same methods: its
nodes are simplified too, and the derivative of a stable form shares the nodes of that form.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from cygd.components.formula.constant_folding import FOLD_FUNCTIONS
from cygd.components.formula.nodes import Factor, Node, Term, float_power, is_scaled
from cygd.components.formula.simplify import CALL_RULES, simplify_factors, simplify_sum

_COMPARISONS = {"lt": operator.lt, "le": operator.le, "eq": operator.eq}


class Graph:
    """The nodes of one compilation."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[Any, ...], Node] = {}
        self.zero = self.number(0.0)
        self.one = self.number(1.0)

    def intern(self, op: str, *data: Any) -> Node:
        """Return the node of an operation as given, without rewriting it."""
        key = (op, *data)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(op, data, len(self._nodes))
        return node

    def number(self, value: float) -> Node:
        """Return a constant."""
        return self.intern("number", value)

    def variable(self, name: str) -> Node:
        """Return a variable: h, y_hat, a trainable parameter, ..."""
        return self.intern("variable", name)

    # sums -----------------------------------------------------------------------------------------

    def sum(self, constant: float, terms: Iterable[Term]) -> Node:
        """Return constant + sum of k x, with equal terms combined."""
        coefficients: dict[Node, float] = {}
        for k, term in terms:
            if term.op == "number":
                constant += k * term.data[0]
            elif term.op == "sum" and (k in (1.0, -1.0) or is_scaled(term)):
                constant += k * term.data[0]
                for inner_k, inner in term.data[1]:
                    coefficients[inner] = coefficients.get(inner, 0.0) + k * inner_k
            else:
                coefficients[term] = coefficients.get(term, 0.0) + k
        combined = [(k, term) for term, k in coefficients.items() if k != 0.0]
        if not combined:
            return self.number(constant)
        if len(combined) == 1 and constant == 0.0 and combined[0][0] == 1.0:
            return combined[0][1]
        simplified = simplify_sum(self, constant, combined)
        if simplified is not None:
            return simplified
        combined.sort(key=lambda term: term[1].index)
        return self.intern("sum", constant, tuple(combined))

    def combine(self, terms: Iterable[Term]) -> Node:
        """Return the sum of k x, with k multiplied into an x that is a sum."""
        constant, parts = 0.0, []
        for k, term in terms:
            inner_constant, inner = term.data if term.op == "sum" else (0.0, ((1.0, term),))
            constant += k * inner_constant
            parts += [(k * inner_k, node) for inner_k, node in inner]
        return self.sum(constant, parts)

    def subtract(self, a: Node, b: Node) -> Node:
        """Return a - b."""
        return self.sum(0.0, ((1.0, a), (-1.0, b)))

    def scale(self, k: float, node: Node) -> Node:
        """Return k times a node."""
        return self.sum(0.0, ((k, node),))

    def add_constant(self, constant: float, node: Node) -> Node:
        """Return a node plus a number."""
        return self.sum(constant, ((1.0, node),))

    # products -------------------------------------------------------------------------------------

    def product(self, factors: Iterable[Factor]) -> Node:
        """Return the product of powers x^n, with equal bases combined."""
        exponents: dict[Node, float] = {}
        k = self._collect_exponents(exponents, factors)
        if k == 0.0:
            return self.zero
        if len(exponents) > 1 or (exponents and next(iter(exponents.values())) != 1.0):
            k *= simplify_factors(self, exponents)
        combined = [(factor, n) for factor, n in exponents.items() if n != 0.0]
        if not combined:
            return self.number(k)
        if len(combined) == 1 and combined[0][1] == 1.0:
            node = combined[0][0]
        else:
            combined.sort(key=lambda factor: factor[0].index)
            node = self.intern("product", tuple(combined))
        return node if k == 1.0 else self.scale(k, node)

    def _collect_exponents(self, exponents: dict[Node, float], factors: Iterable[Factor]) -> float:
        """Add up the exponents of each base; return the product of the numeric factors."""
        k = 1.0
        for factor, n in factors:
            if n == 0.0:
                continue
            if is_scaled(factor) and (n == int(n) or factor.data[1][0][0] > 0):
                coefficient = float_power(factor.data[1][0][0], n)
                if n == 1.0 or 1e-300 < abs(coefficient) < 1e300:  # 0.001^200 of (h / 1000)^200 underflows
                    k *= coefficient
                    factor = factor.data[1][0][1]
            if factor.op == "number":
                k *= float_power(factor.data[0], n)
            elif factor.op == "product" and n == int(n):
                for base, m in factor.data[0]:
                    exponents[base] = exponents.get(base, 0.0) + m * n
            elif factor.op == "product" and len(factor.data[0]) == 1:
                # (x^m)^n is |x|^(m n) for even m; for odd or fractional m both forms require x >= 0
                [(base, m)] = factor.data[0]
                base = self.call("abs", base) if m % 2 == 0 else base
                exponents[base] = exponents.get(base, 0.0) + m * n
            else:
                exponents[factor] = exponents.get(factor, 0.0) + n
        return k

    def multiply(self, *nodes: Node) -> Node:
        """Return the product of nodes."""
        return self.product([(node, 1.0) for node in nodes])

    def divide(self, a: Node, b: Node) -> Node:
        """Return a / b."""
        return self.product(((a, 1.0), (b, -1.0)))

    def power(self, base: Node, exponent: Node) -> Node:
        """Return base ** exponent; a variable exponent becomes e^(exponent log base)."""
        if exponent.op == "number":
            return self.product(((base, exponent.data[0]),))
        return self.call("exp", self.multiply(exponent, self.call("log", base)))

    # functions ------------------------------------------------------------------------------------

    def call(self, name: str, *arguments: Node) -> Node:
        """Return a function of nodes, folded or rewritten if possible."""
        if all(argument.op == "number" for argument in arguments):
            return self.number(FOLD_FUNCTIONS[name](*[argument.data[0] for argument in arguments]))
        rule = CALL_RULES.get(name)
        simplified = rule(self, *arguments) if rule is not None else None
        return simplified if simplified is not None else self.intern(name, *arguments)

    def where(self, comparison: str, a: Node, b: Node, x: Node, y: Node) -> Node:
        """Return x where a < b ("lt"), a <= b ("le") or a == b ("eq"), else y."""
        if x is y:
            return x
        if a.op == "number" and b.op == "number":
            return x if _COMPARISONS[comparison](a.data[0], b.data[0]) else y
        return self.intern("where", comparison, a, b, x, y)
