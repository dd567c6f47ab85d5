"""Logarithms of sums of exponentials with factors and other terms, as log(e^h + h^2 + 1) or log(sinh(h) / h).

Where the largest exponent m of log(sum_i q_i e^a_i), a_i = 0 for a term without exponential, exceeds 1, that
is before anything overflows, the logarithm is m + log(sum_i q_i e^(a_i - m)).
"""

from __future__ import annotations

from functools import reduce

from cygd.components.formula.exponential_sums import expand, write_log
from cygd.components.formula.nodes import Node
from cygd.components.formula.protocols import Graph

_MAX_EXPONENTS = 8
_LARGE = 1.0  # an exponent

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
    scaled = graph.sum(
        0.0,
        [
            (1.0, graph.multiply(q, graph.call("exp", graph.subtract(a, largest))))
            for a, factor in mixed.items()
            for q in factor
        ],
    )
    stable = graph.sum(0.0, ((1.0, largest), (1.0, graph.intern("log", scaled))))
    return graph.where("lt", largest, graph.number(_LARGE), write_log(graph, x, plus), stable)


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
