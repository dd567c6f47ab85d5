"""Sums r + b of a root r = sqrt(b^2 + d), which cancel where b < 0; d is a number.

Such a sum is d / (r - b), in which nothing cancels. Since r r' = b b', its derivative is b' (1 + b / r),
which cancels too, and the derivative of that is b' d / r^3. Internal functions of (b, r, d):

- root_sum = r + b
- root_ratio = 1 + b / r

For b = -k e^a, k > 0, both overflow where a is large. There

    r + b = d e^-a / k / (1 + sqrt(1 + d e^(-2 a) / k^2)).

The logarithm of b + sqrt(b^2 + 1) is arcsinh(b), another internal function.

A root that cancels against a number, as sqrt(1 + h^2) - 1 does near 0, is
root_minus(r, c, r^2 - c^2) = r - c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from cygd.components.formula.nodes import Node, Term, is_scaled
from cygd.components.formula.protocols import Graph, Lowering, Value

_MAX_TERMS = 6  # of a sum that is searched
_MAX_PARTS = 4  # of b


def simplify_roots(graph: Graph, constant: float, terms: Sequence[Term]) -> Node | None:
    """Return a sum with a root and what it cancels against as one function, or None."""
    if len(terms) > _MAX_TERMS:
        return None
    for position, (k, term) in enumerate(terms):
        if term.op != "product":
            continue
        others = [*terms[:position], *terms[position + 1 :]]
        if len(term.data[0]) == 1 and term.data[0][0][1] == 0.5:
            simplified = _root_and_rest(graph, k, term, constant, others)
        else:
            simplified = _one_and_ratio(graph, k, term, constant, others)
        if simplified is not None:
            return simplified
    return None


def _root_and_rest(
    graph: Graph, k: float, root: Node, constant: float, others: Sequence[Term]
) -> Node | None:
    """Return k sqrt(a) + b + rest with root_sum, where k^2 a - b^2 is a number."""
    square = _expand_squares(graph, graph.scale(k * k, root.data[0][0][0]))
    candidates: list[Term] = [*others, *([(constant, graph.one)] if constant else [])]
    for size in range(min(len(candidates), _MAX_PARTS), 0, -1):
        for parts in combinations(candidates, size):
            if all(term.op == "number" for _, term in parts):
                continue
            d = graph.subtract(square, _square(graph, parts))
            if d.op != "number" or d.value == 0.0:
                continue
            sign = 1.0 if k > 0 else -1.0
            b = graph.sum(0.0, [(sign * part_k, part) for part_k, part in parts])
            merged = _without_overflow(graph, graph.intern("root_sum", b, graph.scale(abs(k), root), d))
            rest = [term for term in candidates if term not in parts]
            return graph.sum(0.0, [(sign, merged), *rest])
    return _root_and_number(graph, k, root, constant, others, square)


def _without_overflow(graph: Graph, root_sum: Node) -> Node:
    """Return r - k e^a in a form without e^a where a > 0; another sum as it is."""
    b, _, d = root_sum.data
    k, exponential = b.data[1][0] if is_scaled(b) else (1.0, b)
    if k > 0 or exponential.op != "exp":
        return root_sum
    a = exponential.data[0]
    small = graph.scale(d.value / k**2, graph.call("exp", graph.scale(-2.0, a)))
    root = graph.call("sqrt", graph.add_constant(1.0, small))
    inverse = graph.scale(-d.value / k, graph.call("exp", graph.scale(-1.0, a)))
    large = graph.product(((inverse, 1.0), (graph.add_constant(1.0, root), -1.0)))
    return graph.where("lt", a, graph.zero, root_sum, large)


def log_of_root_sum(graph: Graph, x: Node) -> Node | None:
    """Return log(sqrt(b^2 + d) + b), d > 0, as log(d) / 2 + arcsinh(b / sqrt(d))."""
    if x.op != "root_sum" or x.data[2].value <= 0:
        return None
    d = x.data[2].value
    arcsinh = graph.intern("arcsinh", graph.scale(1 / math.sqrt(d), x.data[0]))
    return graph.add_constant(0.5 * math.log(d), arcsinh)


def _root_and_number(
    graph: Graph, k: float, root: Node, constant: float, others: Sequence[Term], square: Node
) -> Node | None:
    """Return k sqrt(a) - c with root_minus, if k^2 a - c^2 has no constant and so is 0 where they cancel."""
    if others or not k * constant < 0 or square.op != "sum" or square.data[0] != constant * constant:
        return None
    difference = graph.add_constant(-constant * constant, square)
    merged = graph.intern("root_minus", graph.scale(abs(k), root), graph.number(abs(constant)), difference)
    return graph.scale(1.0 if k > 0 else -1.0, merged)


def _one_and_ratio(
    graph: Graph, k: float, term: Node, constant: float, others: Sequence[Term]
) -> Node | None:
    """Return c + k b / sqrt(a) + rest with root_ratio, where a - (k b / c)^2 is a number."""
    for position, (a, n) in enumerate(term.data[0]):
        if n != -0.5 or not constant:
            continue
        numerator = graph.product([*term.data[0][:position], *term.data[0][position + 1 :]])
        b = graph.scale(k / constant, numerator)
        d = graph.subtract(_expand_squares(graph, a), _square(graph, _terms(graph, b)))
        if d.op == "number" and d.value != 0.0 and b.op != "number":
            merged = graph.intern("root_ratio", b, graph.product(((a, 0.5),)), d)
            return graph.sum(0.0, [(constant, merged), *others])
    return None


def _square(graph: Graph, parts: Sequence[Term]) -> Node:
    """Return the square of a sum, multiplied out."""
    return graph.sum(0.0, [(k * m, graph.multiply(x, y)) for k, x in parts for m, y in parts])


def _expand_squares(graph: Graph, node: Node) -> Node:
    """Return a node with the squares of sums among its terms multiplied out."""
    terms: list[Term] = []
    constant, parts = node.data if node.op == "sum" else (0.0, [(1.0, node)])
    for k, term in parts:
        base, n = term.data[0][0] if term.op == "product" and len(term.data[0]) == 1 else (term, 1.0)
        if n == 2.0 and base.op == "sum" and len(base.data[1]) < _MAX_PARTS:
            terms.append((k, _square(graph, _terms(graph, base))))
        else:
            terms.append((k, term))
    return graph.sum(
        constant, [(k * inner_k, inner) for k, term in terms for inner_k, inner in _terms(graph, term)]
    )


def _terms(graph: Graph, node: Node) -> list[Term]:
    """Return a node as terms, its constant among them; k times a sum is one term of a sum."""
    if node.op != "sum":
        return [(1.0, node)]
    constant, terms = node.data
    return [*terms, (constant, graph.one)] if constant else list(terms)


def lower_root_sum(lowering: Lowering, node: Node) -> Value:
    """Return r + b, from the same instruction as 1 + b / r if that is needed too."""
    operands = [lowering.value(operand) for operand in node.data]
    if all(operand[0] != "block" for operand in operands):
        b, _, d = operands
        total = _total(lowering, node)
        return lowering.emit("where_lt", b, lowering.number(0.0), lowering.emit("div", d, total), total)
    ratio = lowering.graph.intern("root_ratio", *node.data)
    if not lowering.is_pending(ratio):
        return lowering.emit("root_sum", *operands)
    return lowering.lower_pair("root_sum_and_ratio", (node, ratio), operands)[0]


def lower_root_ratio(lowering: Lowering, node: Node) -> Value:
    """Return 1 + b / r, from the same instruction as r + b if that is needed too."""
    operands = [lowering.value(operand) for operand in node.data]
    if all(operand[0] != "block" for operand in operands):
        b, r, d = operands
        left = lowering.emit("div", d, lowering.emit("mul", _total(lowering, node), r))
        right = lowering.emit("add", lowering.emit("div", b, r), lowering.number(1.0))
        return lowering.emit("where_lt", b, lowering.number(0.0), left, right)
    total = lowering.graph.intern("root_sum", *node.data)
    if not lowering.is_pending(total):
        return lowering.emit("root_ratio", *operands)
    return lowering.lower_pair("root_sum_and_ratio", (total, node), operands)[1]


def lower_arcsinh(lowering: Lowering, node: Node) -> Value:
    """Return log1p(|b| + sqrt(1 + b^2) - 1) with the sign of b."""
    graph = lowering.graph
    b = graph.call("abs", node.data[0])
    root_minus_one = graph.add_constant(-1.0, _hypotenuse(graph, b))
    total = graph.call("log1p", graph.sum(0.0, ((1.0, b), (1.0, root_minus_one))))
    return lowering.value(graph.where("lt", node.data[0], graph.zero, graph.scale(-1.0, total), total))


def arcsinh_derivative(graph: Graph, b: Node) -> Node:
    """Return 1 / sqrt(1 + b^2)."""
    return graph.product(((_hypotenuse(graph, b), -1.0),))


def _hypotenuse(graph: Graph, b: Node) -> Node:
    return graph.call("sqrt", graph.add_constant(1.0, graph.product(((b, 2.0),))))


def lower_root_minus(lowering: Lowering, node: Node) -> Value:
    """Return (r^2 - c^2) / (r + c) where r < 2 c, else r - c."""
    r, c, difference = (lowering.value(operand) for operand in node.data)
    near = lowering.emit("div", difference, lowering.emit("add", r, c))
    limit = lowering.number(2 * node.data[1].value)
    return lowering.emit("where_lt", r, limit, near, lowering.emit("sub", r, c))


def _total(lowering: Lowering, node: Node) -> Value:
    """Return r + |b|."""
    b, r = lowering.value(node.data[0]), lowering.value(node.data[1])
    return lowering.emit("add", r, lowering.emit("abs", b))
