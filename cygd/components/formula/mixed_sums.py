"""Logarithms of sums of exponentials with factors and other terms, as log(e^h + h^2 + 1) or log(sinh(h) / h).

Where the largest exponent m of log(sum_i q_i e^a_i), a_i = 0 for a term without exponential, exceeds 1, that
is before anything overflows, the logarithm is m + log(sum_i q_i e^(a_i - m)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

from cygd.components.formula.exponential_quotients import Line, collect, constant_of
from cygd.components.formula.exponential_sums import expand, write_log
from cygd.components.formula.nodes import Node, Term, is_scaled
from cygd.components.formula.protocols import Graph

_MAX_EXPONENTS = 8
_LARGE = 1.0  # an exponent
_SMALL = 0.5  # an exponent

Mixed = dict[Node, list[Node]]  # exponent -> the terms of its factor


def log_of_mixed_sum(graph: Graph, x: Node, plus: float = 0.0) -> Node | None:
    """Return log(x + plus) if exponentials that may overflow are terms or factors of x, else None."""
    mixed = _collect(graph, x)
    exponents = [a for a in mixed if a is not graph.zero]
    if not exponents or len(exponents) > _MAX_EXPONENTS:
        return None
    if plus:
        mixed.setdefault(graph.zero, []).append(graph.number(plus))
    largest = reduce(lambda a, b: graph.call("maximum", a, b), exponents)
    ends = _largest_at_ends(list(mixed))
    if ends is None:
        stable = _log_divided(graph, mixed, largest)
    else:
        x_0, low, high = ends
        stable = graph.where(
            "lt", x_0, graph.zero, _log_divided(graph, mixed, low), _log_divided(graph, mixed, high)
        )
    return graph.where("lt", largest, graph.number(_LARGE), write_log(graph, x, plus), stable)


def _largest_at_ends(exponents: Sequence[Node]) -> tuple[Node, Node, Node] | None:
    """Return (x, a, b) for exponents that are lines of x: a is largest for x to -inf, b for x to inf."""
    lines = {a: Line.of(a) for a in exponents if a.op != "number"}
    if len({line.x for line in lines.values()}) != 1:
        return None
    slopes = {a: lines[a].s if a in lines else 0.0 for a in exponents}
    low, high = min(exponents, key=slopes.__getitem__), max(exponents, key=slopes.__getitem__)
    # where an exponent exceeds 1, the only end at which one grows is the right one
    if slopes[low] >= 0:
        low = high
    if slopes[high] <= 0:
        high = low
    return next(iter(lines.values())).x, low, high


def _log_divided(graph: Graph, mixed: Mixed, m: Node) -> Node:
    """Return m + log(sum_i q_i e^(a_i - m))."""
    terms = [
        (1.0, graph.multiply(q, graph.call("exp", graph.subtract(a, m))))
        for a, factor in mixed.items()
        for q in factor
    ]
    return graph.sum(0.0, ((1.0, m), (1.0, graph.intern("log", graph.sum(0.0, terms)))))


def log_near_one(graph: Graph, x: Node, log: Node) -> Node:
    """Return log(x), from log1p near the point where all exponents are 0 if x may be 1 there."""
    terms = collect(graph, x) if x.op == "sum" else None
    if terms is None or len(terms) > _MAX_EXPONENTS:
        return log
    numbers = {a: constant_of(q) for a, q in terms.items()}
    exponents = [a for a in terms if a is not graph.zero]
    is_log_cosh = is_scaled(log) and log.data[1][0][1].op == "log_cosh"  # which has these digits
    if is_log_cosh or math.fsum(numbers.values()) != 1.0 or not any(numbers[a] for a in exponents):
        return log
    parts = _minus_one(graph, {a: k for a, k in numbers.items() if k and a is not graph.zero})
    for a, q in terms.items():
        parts.append((1.0, graph.multiply(graph.add_constant(-numbers[a], q), graph.call("exp", a))))
    near = graph.intern("log1p", graph.sum(0.0, parts))
    sizes = [graph.call("abs", a) for a in exponents]
    largest = reduce(lambda a, b: graph.call("maximum", a, b), sizes)
    return graph.where("lt", largest, graph.number(_SMALL), near, log)


def _minus_one(graph: Graph, numbers: dict[Node, float]) -> list[Term]:
    """Return the sum of k (e^a - 1) as terms; the pair of a and -a as 4 k sinh(a / 2)^2."""
    parts: list[Term] = []
    for a in list(numbers):
        k, opposite = numbers[a], graph.scale(-1.0, a)
        other = numbers.get(opposite, 0.0)
        if k * other > 0:
            shared = min(k, other, key=abs)
            numbers[a], numbers[opposite] = k - shared, other - shared
            sinh = graph.call("sinh", graph.scale(0.5, a))
            parts.append((4 * shared, graph.product(((sinh, 2.0),))))
    return [*parts, *[(k, graph.call("expm1", a)) for a, k in numbers.items() if k]]


def _collect(graph: Graph, x: Node) -> Mixed:
    """Return a sum, or one term, by the exponents of its terms."""
    mixed: Mixed = {}
    constant, terms = x.data if x.op == "sum" else (0.0, [(1.0, x)])
    if constant:
        mixed[graph.zero] = [graph.number(constant)]
    for k, term in terms:
        factors = term.data[0] if term.op == "product" else ((term, 1.0),)
        exponential = [factor for factor in factors if factor[0].op != "number" and expand(graph, factor[0])]
        rest = [factor for factor in factors if factor not in exponential]
        sums = expand(graph, graph.product(exponential))
        if sums is None:
            sums, rest = {graph.zero: 1.0}, list(factors)
        for a, k_a in sums.items():
            mixed.setdefault(a, []).append(graph.product([(graph.number(k * k_a), 1.0), *rest]))
    return mixed
