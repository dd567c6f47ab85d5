"""Products with quotients and roots of sums of exponentials, as e^h / (e^h + e^(2 h) + 1).

A sum is sum_i q_i e^(a_i), where q_i is a number or has no exponential. Its derivative is such a sum too, and

    (e^L prod_k S_k^n_k)' = e^L prod_k S_k^(n_k - 1) P,  P = L' prod_k S_k + sum_k n_k S_k' prod_(l != k) S_l.

P is multiplied out, so that terms that cancel are gone before anything is computed. `exponential_scaling`
writes each such product in a form that does not overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cygd.components.formula.nodes import Factor, Node, Term, is_scaled
from cygd.components.formula.protocols import Graph

_MAX_TERMS = 16  # of a sum that is multiplied out
_MAX_POWER = 8
_SUMS = ("sum", "cosh", "sinh", "expm1")
_MAX_DEPTH = 6  # of sums and products in each other

Sum = dict[Node, Node]  # a -> q: the sum of q e^a; what has no exponential has the exponent 0


class Line(NamedTuple):
    """An exponent s x + c."""

    s: float
    x: Node
    c: float

    @classmethod
    def of(cls, node: Node) -> Line:
        """Return a node as a line; of itself if it is not k x + c."""
        if node.op != "sum" or len(node.data[1]) > 1:
            return cls(1.0, node, 0.0)
        s, term = node.data[1][0]
        inner = cls.of(term)
        return cls(s * inner.s, inner.x, node.data[0] + s * inner.c)


class SumPower(NamedTuple):
    """S^n: the node of a sum, its terms and its exponent."""

    node: Node
    terms: Sum
    n: float


class Quotient(NamedTuple):
    """A product e^L prod_k S_k^n_k times other factors."""

    exponents: list[Term]  # L
    sums: list[SumPower]
    rest: list[Factor]


def match_quotient(graph: Graph, node: Node) -> Quotient | None:
    """Return a product as a quotient if sums of exponentials in it may overflow where it does not."""
    if node.op != "product":
        return None
    sigmoids = [n for factor, n in node.data[0] if factor.op == "sigmoid"]
    sums = [(factor, n) for factor, n in node.data[0] if factor.op in _SUMS]
    if not _is_unstable(sums, sigmoids):
        return None
    quotient = Quotient([], [], [])
    for factor, n in node.data[0]:
        terms = collect(graph, factor) if factor.op in _SUMS else None
        if factor.op == "exp":
            quotient.exponents.append((n, factor.data[0]))
        elif factor.op == "sigmoid":  # 1 / (1 + e^-g)
            minus_g = graph.scale(-1.0, factor.data[0])
            base = graph.add_constant(1.0, graph.call("exp", minus_g))
            quotient.sums.append(SumPower(base, {graph.zero: graph.one, minus_g: graph.one}, -n))
        elif terms is None:
            quotient.rest.append((factor, n))
        else:
            quotient.sums.append(SumPower(factor, terms, n))
    # without the sums that have no exponential
    sums = [(node, n) for node, _, n in quotient.sums if node.op in _SUMS and (node, n) in sums]
    return quotient if _is_unstable(sums, sigmoids) else None


def _is_unstable(sums: Sequence[Factor], sigmoids: Sequence[float]) -> bool:
    """Return True for a root or a denominator; powers of sigmoid and of cosh have rules of their own."""
    if any(n % 1 for n in sigmoids):
        return True
    if len(sums) == 1 and sums[0][0].op == "cosh" and not sigmoids:
        return False
    return bool(sums) and (bool(sigmoids) or any(n < 0 or n % 1 for _, n in sums))


def collect(graph: Graph, node: Node, depth: int = 0) -> Sum | None:
    """Return a node with exponentials among its terms as a sum, or None."""
    terms = _collect(graph, node, depth)
    has_exponential = terms is not None and any(a is not graph.zero for a in terms)
    return terms if has_exponential else None


def _collect(graph: Graph, node: Node, depth: int) -> Sum | None:
    """Return a node as a sum, which may have no exponential; None if it has too many terms."""
    zero, one = graph.zero, graph.one
    if depth > _MAX_DEPTH:
        return None
    if node.op == "exp":
        return {node.data[0]: one}
    if node.op == "expm1":
        return {node.data[0]: one, zero: graph.number(-1.0)}
    if node.op in ("cosh", "sinh"):
        other = graph.number(0.5 if node.op == "cosh" else -0.5)
        return {node.data[0]: graph.number(0.5), graph.scale(-1.0, node.data[0]): other}
    if node.op == "sum":
        total: Sum = {zero: graph.number(node.data[0])} if node.data[0] else {}
        for k, term in node.data[1]:
            terms = _collect(graph, term, depth + 1)
            if terms is None:
                return None
            total = add(graph, total, {a: graph.scale(k, q) for a, q in terms.items()})
        return total if len(total) <= _MAX_TERMS else None
    return _collect_product(graph, node, depth + 1) if node.op == "product" else {zero: node}


def _collect_product(graph: Graph, node: Node, depth: int) -> Sum | None:
    product: Sum | None = {graph.zero: graph.one}
    for factor, n in node.data[0]:
        terms = collect(graph, factor, depth)
        if terms is not None and len(terms) == 1:
            [(a, q)] = terms.items()
            power: Sum | None = {graph.combine([(n, a)]): graph.product(((q, n),))}
        elif terms is not None and n % 1 == 0 and 0 < n <= _MAX_POWER:
            power = multiply(graph, [terms] * int(n))
        else:
            power = {graph.zero: graph.product(((factor, n),))}
        product = power and product and multiply(graph, [product, power])
        if product is None:
            return None
    return product


def add(graph: Graph, a: Sum, b: Sum) -> Sum:
    """Return a + b."""
    total = dict(a)
    for exponent, q in b.items():
        total[exponent] = graph.sum(0.0, ((1.0, total.get(exponent, graph.zero)), (1.0, q)))
    return {exponent: q for exponent, q in total.items() if q is not graph.zero}


def multiply(graph: Graph, sums: Sequence[Sum]) -> Sum | None:
    """Return a product of sums, multiplied out, or None if it has too many terms."""
    product: Sum = {graph.zero: graph.one}
    for terms in sums:
        result: Sum = {}
        for a, q in product.items():
            shifted = {
                graph.sum(0.0, ((1.0, a), (1.0, other))): _multiply_out(graph, q, other_q)
                for other, other_q in terms.items()
            }
            result = add(graph, result, shifted)
        if len(result) > _MAX_TERMS:
            return None
        product = result
    return product


def _multiply_out(graph: Graph, a: Node, b: Node) -> Node:
    """Return the product of two coefficients, of a number with each term of a sum."""
    if a.op == "number" and b.op == "sum":
        a, b = b, a
    if b.op == "number" and a.op == "sum" and not is_scaled(a):
        return graph.sum(b.value * a.data[0], [(b.value * k, term) for k, term in a.data[1]])
    return graph.multiply(a, b)


def constant_of(q: Node) -> float:
    """Return the constant term of a coefficient."""
    return float(q.data[0]) if q.op in ("number", "sum") else 0.0


def write_sum(graph: Graph, terms: Sum) -> Node:
    """Return a sum as a node."""
    return graph.sum(0.0, [(1.0, graph.multiply(q, graph.call("exp", a))) for a, q in terms.items()])


def quotient_derivative(graph: Graph, node: Node, derivative: Callable[[Node], Node]) -> Node | None:
    """Return the derivative of a product by its expanded numerator, or None for the product rule."""
    quotient = match_quotient(graph, node)
    if quotient is None:
        return None
    numerator = _expand_numerator(graph, quotient, derivative)
    if numerator is None:
        return None
    factors = [(graph.call("exp", a), n) for n, a in quotient.exponents]
    value = [*factors, *[(base, n) for base, _, n in quotient.sums]]
    slope = [(write_sum(graph, numerator), 1.0), *factors, *[(base, n - 1) for base, _, n in quotient.sums]]
    rest_derivative = derivative(graph.product(quotient.rest))
    return graph.sum(
        0.0,
        [
            (1.0, graph.product([*quotient.rest, *slope])),
            (1.0, graph.product([(rest_derivative, 1.0), *value])),
        ],
    )


def _expand_numerator(graph: Graph, quotient: Quotient, derivative: Callable[[Node], Node]) -> Sum | None:
    """Return P, multiplied out."""
    sums = [power.terms for power in quotient.sums]
    exponent = graph.sum(0.0, [(n, derivative(a)) for n, a in quotient.exponents])
    parts: list[tuple[Node, Sequence[Sum]]] = [(exponent, sums)] if exponent is not graph.zero else []
    for k, (_, terms, n) in enumerate(quotient.sums):
        slopes: Sum = {}
        for a, q in terms.items():
            slope = graph.sum(0.0, ((1.0, derivative(q)), (1.0, graph.multiply(q, derivative(a)))))
            slopes = add(graph, slopes, {a: slope})
        parts.append((graph.number(n), [*sums[:k], slopes, *sums[k + 1 :]]))
    numerator: Sum = {}
    for factor, part in parts:
        product = multiply(graph, part)
        if product is None:
            return None
        numerator = add(graph, numerator, {a: _multiply_out(graph, factor, q) for a, q in product.items()})
    return numerator if len(numerator) <= _MAX_TERMS else None
