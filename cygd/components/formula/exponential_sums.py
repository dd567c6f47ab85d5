"""Logarithms of sums of exponentials, in a form that neither overflows nor loses small results.

cosh, sinh and expm1 are such sums, and so are products and whole powers of them. With positive coefficients,

    log(c + sum_i e^b_i) = log(c) + softplus(L - log(c)),  L = log(sum_i e^b_i)

where c > 0. L is a + softplus(b - a) for two terms, log_cosh for e^a + e^-a (2 + e^a + e^-a is the square
of e^(a/2) + e^(-a/2)), and else the internal function
log_sum_exp(b_1, b_2, ...) = m + log(sum_i e^(b_i - m)), m = max b_i.

A sum with negative terms is e^p - e^n, p and n such logarithms. Its logarithm is p + log(1 - e^(n - p)) where
an exponent exceeds 1, that is before anything overflows, and else the logarithm as it is written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

from cygd.components.formula.nodes import Node, Term, float_power
from cygd.components.formula.protocols import Graph, Lowering, Value

_MAX_TERMS = 16
_MAX_POWER = 8
_MAX_EXACT_SHARES = 4  # terms whose derivative takes the logarithm of a sum for each
_LARGE = 1.0  # an exponent

Exponentials = dict[Node, float]  # a -> k: the sum of k e^a; a constant has the exponent 0


def log_of_sum(graph: Graph, x: Node, plus: float = 0.0) -> Node | None:
    """Return log(x + plus) if x is a sum of exponentials, else None."""
    terms = expand(graph, x)
    if terms is None or all(a is graph.zero for a in terms):
        return None
    if plus:
        terms = _add(terms, {graph.zero: plus})
    if not all(math.isfinite(k) for k in terms.values()):
        return None
    positive = {a: k for a, k in terms.items() if k > 0}
    negative = {a: -k for a, k in terms.items() if k < 0}
    if not positive:
        return None
    p = _log_of_positive_sum(graph, positive)
    if not negative and not (plus and 0 < terms.get(graph.zero, 0.0) < 1):
        return p
    if negative:
        difference = graph.subtract(_log_of_positive_sum(graph, negative), p)
        if difference.op == "number":
            return None
        rest = graph.intern("log", graph.scale(-1.0, graph.call("expm1", difference)))
        p = graph.sum(0.0, ((1.0, p), (1.0, rest)))
    largest = reduce(lambda a, b: graph.call("maximum", a, b), [a for a in terms if a is not graph.zero])
    return graph.where("lt", largest, graph.number(_LARGE), write_log(graph, x, plus), p)


def write_log(graph: Graph, x: Node, plus: float) -> Node:
    """Return log(x + plus), as log1p of what is added to 1."""
    if plus == 1.0:
        return graph.intern("log1p", x)
    if x.op == "sum" and x.data[0] == 1.0:
        return graph.intern("log1p", graph.add_constant(-1.0, x))
    return graph.intern("log", x)


def log_of_product(graph: Graph, x: Node) -> Node | None:
    """Return log(x) as a sum with a term n log(f) for each factor f^n where f is always positive."""
    if x.op != "product":
        return None
    positive = [(factor, n) for factor, n in x.data[0] if _is_positive(graph, factor)]
    if not positive:
        return None
    terms = [(n, graph.call("log", factor)) for factor, n in positive]
    rest = [(factor, n) for factor, n in x.data[0] if (factor, n) not in positive]
    if rest:
        terms.append((1.0, graph.call("log", graph.product(rest))))
    return graph.sum(0.0, terms)


def _is_positive(graph: Graph, node: Node) -> bool:
    if node.op in ("sigmoid", "exp", "cosh"):
        return True
    terms = expand(graph, node)
    return terms is not None and len(terms) > 1 and all(0 < k < math.inf for k in terms.values())


# sums of exponentials -----------------------------------------------------------------------------


def expand(graph: Graph, node: Node) -> Exponentials | None:
    """Return a node as a sum of exponentials, or None."""
    if node.op == "number":
        return {graph.zero: node.value}
    if node.op == "exp":
        return {node.data[0]: 1.0}
    if node.op == "expm1":
        return {node.data[0]: 1.0, graph.zero: -1.0}
    if node.op in ("cosh", "sinh"):
        return {node.data[0]: 0.5, graph.scale(-1.0, node.data[0]): 0.5 if node.op == "cosh" else -0.5}
    if node.op == "sum":
        total: Exponentials = {graph.zero: node.data[0]} if node.data[0] else {}
        for k, term in node.data[1]:
            terms = expand(graph, term)
            if terms is None:
                return None
            total = _add(total, {a: k * k_a for a, k_a in terms.items()})
        return total if 0 < len(total) <= _MAX_TERMS else None
    return _expand_product(graph, node) if node.op == "product" else None


def _expand_product(graph: Graph, node: Node) -> Exponentials | None:
    product: Exponentials = {graph.zero: 1.0}
    for factor, n in node.data[0]:
        terms = expand(graph, factor)
        if terms is None:
            return None
        if len(terms) == 1:
            [(a, k)] = terms.items()
            power = {graph.scale(n, a): float_power(k, n)}
        elif n % 1 == 0 and 0 < n <= _MAX_POWER:
            power = {graph.zero: 1.0}
            for _ in range(int(n)):
                power = _multiply(graph, power, terms)
        else:
            return None
        product = _multiply(graph, product, power)
        if len(product) > _MAX_TERMS:
            return None
    return product


def _add(a: Exponentials, b: Exponentials) -> Exponentials:
    total = dict(a)
    for exponent, k in b.items():
        total[exponent] = total.get(exponent, 0.0) + k
    return {exponent: k for exponent, k in total.items() if k != 0.0}


def _multiply(graph: Graph, a: Exponentials, b: Exponentials) -> Exponentials:
    product: Exponentials = {}
    for exponent, k in a.items():
        product = _add(
            product, {graph.sum(0.0, ((1.0, exponent), (1.0, other))): k * k_b for other, k_b in b.items()}
        )
    return product


# logarithms ---------------------------------------------------------------------------------------


def _log_of_positive_sum(graph: Graph, terms: Exponentials) -> Node:
    """Return the logarithm of a sum of exponentials with positive coefficients."""
    c = terms.get(graph.zero, 0.0)
    rest = [(a, k) for a, k in terms.items() if a is not graph.zero]
    if not rest:
        return graph.number(math.log(c))
    a, k = rest[0]
    if len(rest) == 2 and c == 2 * k and rest[1] == (graph.scale(-1.0, a), k):  # (e^(a/2) + e^(-a/2))^2
        half = graph.call("log", graph.call("cosh", graph.scale(0.5, a)))
        return graph.sum(math.log(4 * k), ((2.0, half),))
    result = _log_of_exponentials(graph, rest)
    if not c:
        return result
    log_c = math.log(c)
    return graph.add_constant(log_c, graph.call("softplus", graph.add_constant(-log_c, result)))


def _log_of_exponentials(graph: Graph, terms: Sequence[tuple[Node, float]]) -> Node:
    """Return log(sum of k e^a), k > 0, without constant terms."""
    if len(terms) == 2:
        (a, k_a), (b, k_b) = sorted(terms, key=lambda term: abs(_slope(term[0])[0]))
        if k_a == k_b and b is graph.scale(-1.0, a):
            return graph.add_constant(math.log(2 * k_a), graph.call("log", graph.call("cosh", a)))
        (slope_a, base_a), (slope_b, base_b) = _slope(a), _slope(b)
        if base_a is not base_b or slope_a * slope_b > 0:  # else a + softplus(b - a) may be -inf + inf
            difference = graph.add_constant(math.log(k_b) - math.log(k_a), graph.subtract(b, a))
            return graph.sum(math.log(k_a), ((1.0, a), (1.0, graph.call("softplus", difference))))
    exponents = [graph.add_constant(math.log(k), a) for a, k in terms]
    if len(exponents) == 1:
        return exponents[0]
    return graph.intern("log_sum_exp", *sorted(exponents, key=lambda node: node.index))


def _slope(node: Node) -> Term:
    """Return (k, x) of an exponent k x + c."""
    if node.op == "sum" and len(node.data[1]) == 1:
        k, x = node.data[1][0]
        return k, x
    return 1.0, node


def log_sum_exp_derivative(graph: Graph, node: Node, inner: Sequence[Node]) -> Node:
    """Return the sum of b_i' e^b_i / sum_j e^b_j, from the derivatives b_i'."""
    terms = []
    for exponent, derivative in zip(node.data, inner, strict=True):
        if derivative is graph.zero:
            continue
        if len(node.data) > _MAX_EXACT_SHARES:
            share = graph.call("exp", graph.subtract(exponent, node))
        else:  # by differences, in which nothing of the size of an exponent is lost
            others: Exponentials = {graph.zero: 1.0}
            for other in node.data:
                if other is not exponent:
                    others = _add(others, {graph.subtract(other, exponent): 1.0})
            share = graph.call("exp", graph.scale(-1.0, _log_of_positive_sum(graph, _fold(graph, others))))
        terms.append((1.0, graph.multiply(share, derivative)))
    return graph.sum(0.0, terms)


def _fold(graph: Graph, terms: Exponentials) -> Exponentials:
    """Return a sum with the exponentials of numbers as one constant."""
    folded: Exponentials = {}
    for a, k in terms.items():
        if a.op == "number":
            folded = _add(folded, {graph.zero: k * math.exp(min(a.value, 700.0))})
        else:
            folded = _add(folded, {a: k})
    return folded


def lower_log_sum_exp(lowering: Lowering, node: Node) -> Value:
    """Return m + log(sum of e^(b - m)); b - m with a finite m, since inf - inf would be NaN."""
    values = [lowering.value(exponent) for exponent in node.data]
    largest = reduce(lambda a, b: lowering.emit("maximum", a, b), values)
    finite = lowering.emit("finite", largest)
    shares = [lowering.emit("exp", lowering.emit("sub", value, finite)) for value in values]
    total = reduce(lambda a, b: lowering.emit("add", a, b), shares)
    return lowering.emit("add", largest, lowering.emit("log", total))
