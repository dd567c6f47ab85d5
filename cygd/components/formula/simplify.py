"""Identities that keep an expression stable or make it shorter, applied as its nodes are made.

All of them are algebra that holds for any argument: log(1 + e^g) is softplus(g), 1 / (1 + e^-g) is
sigmoid(g), 1 + tanh(g) is 2 sigmoid(2 g), e^g - 1 is expm1(g), log(cosh(g)) has no cosh that overflows,
and tanh(log(u)) needs no logarithm. A domain may widen (sqrt(x) sqrt(x) is x), never shrink.

Besides the functions that a formula may use there are some of our own, which `lowering.py` spells out:

- log_cosh(g) = log(cosh(g))
- tanh_log(u) = (u^2 - 1) / (u^2 + 1), u > 0
- tanh_log1p(v) = v (v + 2) / (v (v + 2) + 2), v > -1, and its slope 4 (1 + v) / (v (v + 2) + 2)^2
- exp_finite(g) = e^g, at most the largest number of its type
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from cygd.components.formula.nodes import Node, is_scaled, power_of

if TYPE_CHECKING:
    from cygd.components.formula.graph import Graph

__all__ = ["RULES", "known_factors", "known_sum"]

Sum = list[tuple[float, Node]]


# sums ---------------------------------------------------------------------------------------------


def known_sum(graph: Graph, constant: float, terms: Sum) -> Node | None:
    """Return what constant + sum of k t is by an identity, or None."""
    for place, (k, term) in enumerate(terms):
        rule = _BESIDE_A_NUMBER.get(term.op)
        if rule is not None and constant != 0.0 and constant in (k, -k):
            known = rule(graph, k, constant == k, term.data[0])
            if known is not None:
                return graph.total(0.0, [(1.0, known), *terms[:place], *terms[place + 1 :]])
        if term.op == "exp" and len(terms) > 1:
            known = _with_its_inverse(graph, k, term, constant, terms)
            if known is not None:
                return known
        if term.op == "softplus" and len(terms) > 1:
            known = _softplus_and_line(graph, k, term, constant, terms)
            if known is not None:
                return known
    return None


# k f(g) + k ("same") or k f(g) - k
def _tanh_and_one(graph: Graph, k: float, same: bool, g: Node) -> Node | None:
    # 1 + tanh g = 2 sigmoid(2 g); tanh g - 1 = -2 sigmoid(-2 g)
    return graph.scale(2 * k if same else -2 * k, graph.call("sigmoid", graph.scale(2 if same else -2, g)))


def _sigmoid_and_one(graph: Graph, k: float, same: bool, g: Node) -> Node | None:
    # sigmoid(g) - 1 = -sigmoid(-g)
    return None if same else graph.scale(-k, graph.call("sigmoid", graph.scale(-1, g)))


def _exp_and_one(graph: Graph, k: float, same: bool, g: Node) -> Node | None:
    return None if same else graph.scale(k, graph.call("expm1", g))


def _expm1_and_one(graph: Graph, k: float, same: bool, g: Node) -> Node | None:
    return graph.scale(k, graph.call("exp", g)) if same else None


def _erf_and_one(graph: Graph, k: float, same: bool, g: Node) -> Node | None:
    # 1 + erf(g) = erfc(-g); erf(g) - 1 = -erfc(g)
    return graph.scale(k if same else -k, graph.call("erfc", graph.scale(-1, g) if same else g))


def _erfc_and_one(graph: Graph, k: float, same: bool, g: Node) -> Node | None:
    return None if same else graph.scale(-k, graph.call("erf", g))


_BESIDE_A_NUMBER: dict[str, Callable[[Graph, float, bool, Node], Node | None]] = {
    "tanh": _tanh_and_one,
    "sigmoid": _sigmoid_and_one,
    "exp": _exp_and_one,
    "expm1": _expm1_and_one,
    "erf": _erf_and_one,
    "erfc": _erfc_and_one,
}


def _with_its_inverse(graph: Graph, k: float, term: Node, constant: float, terms: Sum) -> Node | None:
    """Join k e^g + k e^-g = 2 k cosh(g) and k e^g - k e^-g = 2 k sinh(g)."""
    g = term.data[0]
    inverse = graph.call("exp", graph.scale(-1.0, g))
    for other_k, other in terms:
        if other is inverse and other_k in (k, -k):
            rest = [pair for pair in terms if pair[1] is not term and pair[1] is not inverse]
            name = "cosh" if other_k == k else "sinh"
            return graph.total(constant, [(2 * k, graph.call(name, g)), *rest])
    return None


def _softplus_and_line(graph: Graph, k: float, term: Node, constant: float, terms: Sum) -> Node | None:
    """Join k softplus(g) - k g = k softplus(-g), of which nothing is cancelled."""
    g = term.data[0]
    beside = {other: other_k for other_k, other in terms if other is not term}
    line = terms_of(g)
    if any(beside.get(part) != -k * inner for inner, part in line):
        return None
    for _, part in line:
        del beside[part]
    rest = [(other_k, other) for other, other_k in beside.items()]
    if g.op == "sum":
        constant += k * g.data[0]
    return graph.total(constant, [(k, graph.call("softplus", graph.scale(-1.0, g))), *rest])


# products -----------------------------------------------------------------------------------------


def known_factors(graph: Graph, factors: dict[Node, float]) -> float:
    """Bring the factors of a product into their shortest stable form; return a number for before them."""
    k = 1.0
    ops = {factor.op for factor in factors}
    if "cosh" in ops and "sinh" in ops:
        _join_quotient(graph, factors, "sinh", "cosh", "tanh")
    if "cos" in ops and "sin" in ops:
        _join_quotient(graph, factors, "sin", "cos", "tan")
    if "sum" in ops or ("cosh" in ops and "exp" in ops):
        k = _logistic_denominators(graph, factors, "exp" in ops)
        ops = {factor.op for factor in factors}
    if "exp" in ops:
        _join_exponentials(graph, factors)
    if "sigmoid" in ops and "exp" in ops:
        k *= _join_sigmoids(graph, factors)
    if "sigmoid" in ops and "expm1" in ops:
        k *= _join_tanh(graph, factors)
    if "abs" in ops or "sign" in ops:
        _join_signs(graph, factors)
    return k


def _count(factors: dict[Node, float], factor: Node, n: float) -> None:
    """Multiply the factors by factor^n."""
    factors[factor] = factors.get(factor, 0.0) + n
    if factors[factor] == 0.0:
        del factors[factor]


def terms_of(node: Node) -> Sum:
    """Return what varies in a node as terms with factors."""
    return list(node.data[1]) if node.op == "sum" else [(1.0, node)]


def logistic_of(graph: Graph, node: Node) -> tuple[float, Node, Node] | None:
    """Return (c, a, g) where a node is c e^a (1 + e^g) with c > 0, or None."""
    if node.op != "sum" or len(node.data[1]) > 2:
        return None
    c, ((k, term), *others) = node.data
    if others:
        [(c_other, other)] = others
        if c != 0.0 or term.op != "exp" or other.op != "exp":
            return None
        c, k, a, g = k, c_other, term.data[0], graph.subtract(other.data[0], term.data[0])
    elif term.op in ("exp", "expm1"):
        a, g = graph.zero, term.data[0]
        c = c - k if term.op == "expm1" else c
    else:
        return None
    if not (0 < c < math.inf and 0 < k < math.inf):
        return None
    return c, a, graph.plus(math.log(k) - math.log(c) if k != c else 0.0, g)


def _logistic_denominators(graph: Graph, factors: dict[Node, float], beside_exp: bool) -> float:
    """(c e^a (1 + e^g))^-n = c^-n e^(-n a) sigmoid(-g)^n, also for a cosh beside an exponential."""
    k = 1.0
    for factor, n in list(factors.items()):
        found = None
        if n < 0 and factor.op == "cosh" and beside_exp:
            found = 0.5, factor.data[0], graph.scale(-2.0, factor.data[0])
        elif n < 0:
            found = logistic_of(graph, factor)
        if found is None:
            continue
        c, a, g = found
        outside = power_of(c, n)
        if 0.0 < outside < math.inf:
            del factors[factor]
            k *= outside
            _count(factors, graph.call("sigmoid", graph.scale(-1.0, g)), -n)
            if a is not graph.zero:
                _count(factors, graph.call("exp", a), n)
    return k


def _join_exponentials(graph: Graph, factors: dict[Node, float]) -> None:
    """(e^a)^m (e^b)^n = e^(m a + n b)."""
    found = [(factor, n) for factor, n in factors.items() if factor.op == "exp"]
    if len(found) == 1 and found[0][1] == 1.0:
        return
    for factor, _ in found:
        del factors[factor]
    joined = graph.call("exp", graph.total(0.0, [(n, factor.data[0]) for factor, n in found]))
    if joined.op != "number" or joined.data[0] != 1.0:
        _count(factors, joined, 1.0)


def _join_sigmoids(graph: Graph, factors: dict[Node, float]) -> float:
    """e^(t g) sigmoid(-g)^n = sigmoid(g)^t sigmoid(-g)^(n - t), 0 < t <= n, of which none grows beyond 1."""
    k = 1.0
    exponential = next((factor for factor in factors if factor.op == "exp"), None)
    for sigmoid, n in list(factors.items()):
        if exponential is None or sigmoid.op != "sigmoid" or n <= 0:
            continue
        minus, a = sigmoid.data[0], exponential.data[0]
        inner, part = terms_of(minus)[0]
        t = min(n, next((-outer / inner for outer, other in terms_of(a) if other is part), 0.0))
        rest = graph.total(0.0, [(1.0, a), (t, minus)])
        if t <= 0 or (rest.op == "number" and abs(rest.data[0]) > 700):
            continue
        _count(factors, exponential, -1.0)
        _count(factors, sigmoid, -t)
        _count(factors, graph.call("sigmoid", graph.scale(-1.0, minus)), t)
        exponential = None
        if rest.op == "number":
            k *= math.exp(rest.data[0])
        else:
            left = graph.call("exp", rest)
            _count(factors, left, 1.0)
            exponential = left if left.op == "exp" else None
    return k


def _join_tanh(graph: Graph, factors: dict[Node, float]) -> float:
    """(e^g - 1) sigmoid(-g) = tanh(g / 2)."""
    k = 1.0
    for factor, n in list(factors.items()):
        if factor.op == "expm1" and n > 0:
            sigmoid = graph.call("sigmoid", graph.scale(-1.0, factor.data[0]))
            times = min(n, factors.get(sigmoid, 0.0))
            if times > 0 and times % 1 == 0:
                _count(factors, factor, -times)
                _count(factors, sigmoid, -times)
                tanh = graph.call("tanh", graph.scale(0.5, factor.data[0]))
                if is_scaled(tanh):  # tanh(-g) = -tanh(g)
                    k *= tanh.data[1][0][0] ** times
                    tanh = tanh.data[1][0][1]
                _count(factors, tanh, times)
    return k


def _join_quotient(graph: Graph, factors: dict[Node, float], over: str, under: str, name: str) -> None:
    """sinh(g) / cosh(g) = tanh(g), and alike."""
    for factor, n in list(factors.items()):
        if factor.op == over and n > 0:
            other = graph.call(under, factor.data[0])
            times = min(n, -factors.get(other, 0.0))
            if times > 0:
                _count(factors, factor, -times)
                _count(factors, other, times)
                _count(factors, graph.call(name, factor.data[0]), times)


def _join_signs(graph: Graph, factors: dict[Node, float]) -> None:
    """|x|^2 = x^2, |x| sign(x) = x and x sign(x) = |x|."""
    for factor, n in list(factors.items()):
        if factor.op == "abs" and n % 2 == 0:
            del factors[factor]
            _count(factors, factor.data[0], n)
        if factor.op == "sign" and n == 1.0:
            x = factor.data[0]
            size = graph.call("abs", x)
            if factors.get(size) == 1.0:
                del factors[factor], factors[size]
                _count(factors, x, 1.0)
            elif factors.get(x) == 1.0:
                del factors[factor], factors[x]
                _count(factors, size, 1.0)


# functions ----------------------------------------------------------------------------------------


def _exp(graph: Graph, x: Node) -> Node | None:
    if x.op == "log":
        return x.parts[0]
    if x.op == "log1p":
        return graph.plus(1.0, x.data[0])
    if is_scaled(x) and x.data[1][0][0] == -1.0 and x.data[1][0][1].op == "softplus":
        return graph.call("sigmoid", graph.scale(-1.0, x.data[1][0][1].data[0]))
    return None


def _log(graph: Graph, x: Node) -> Node | None:
    if x.op == "exp":
        return x.parts[0]
    if x.op == "sigmoid":
        return graph.scale(-1.0, graph.call("softplus", graph.scale(-1.0, x.data[0])))
    if x.op == "cosh":
        return graph.make("log_cosh", x.data[0])
    found = logistic_of(graph, x)
    if found is not None:
        c, a, g = found
        return graph.total(math.log(c), [(1.0, a), (1.0, graph.call("softplus", g))])
    if is_scaled(x):
        k, term = x.data[1][0]
        if k > 0 and (term.op == "cosh" or logistic_of(graph, term) is not None):
            return graph.plus(math.log(k), graph.call("log", term))
    if x.op == "sum" and x.data[0] == 1.0:
        return graph.call("log1p", graph.plus(-1.0, x))
    return None


def _log1p(graph: Graph, x: Node) -> Node | None:
    if x.op == "exp":
        return graph.call("softplus", x.data[0])
    if x.op == "expm1":
        return x.parts[0]
    if is_scaled(x):
        k, term = x.data[1][0]
        if term.op == "exp" and k > 0:
            return graph.call("softplus", graph.plus(math.log(k), term.data[0]))
        if term.op == "sigmoid" and k == -1.0:
            return graph.scale(-1.0, graph.call("softplus", term.data[0]))
    return None


def _tanh(graph: Graph, x: Node) -> Node | None:
    if x.op == "softplus":
        return graph.make("tanh_log1p", graph.make("exp_finite", x.data[0]))
    if x.op == "log1p":
        return graph.make("tanh_log1p", x.data[0])
    if x.op == "log":
        return graph.make("tanh_log", x.data[0])
    return _odd("tanh")(graph, x)


def _odd(name: str) -> Callable[[Graph, Node], Node | None]:
    """f(-x) = -f(x)."""

    def rule(graph: Graph, x: Node) -> Node | None:
        if is_scaled(x) and x.data[1][0][0] < 0:
            return graph.scale(-1.0, graph.call(name, graph.scale(-1.0, x)))
        return None

    return rule


def _even(name: str) -> Callable[[Graph, Node], Node | None]:
    """f(-x) = f(x)."""

    def rule(graph: Graph, x: Node) -> Node | None:
        if is_scaled(x) and x.data[1][0][0] < 0:
            return graph.call(name, graph.scale(-1.0, x))
        return graph.call(name, x.data[0]) if x.op == "abs" else None

    return rule


def _abs(graph: Graph, x: Node) -> Node | None:
    if is_scaled(x):
        return graph.scale(abs(x.data[1][0][0]), graph.call("abs", x.data[1][0][1]))
    return x if x.op == "abs" else None


def _sign(graph: Graph, x: Node) -> Node | None:
    if is_scaled(x):
        return graph.scale(math.copysign(1.0, x.data[1][0][0]), graph.call("sign", x.data[1][0][1]))
    return None


def _sqrt(graph: Graph, x: Node) -> Node | None:
    return graph.product(((x, 0.5),))


def _extreme(graph: Graph, a: Node, b: Node) -> Node | None:
    return a if a is b else None


RULES: dict[str, Callable[..., Node | None]] = {
    "exp": _exp,
    "log": _log,
    "log1p": _log1p,
    "sqrt": _sqrt,
    "abs": _abs,
    "sign": _sign,
    "tanh": _tanh,
    "sinh": _odd("sinh"),
    "erf": _odd("erf"),
    "arctan": _odd("arctan"),
    "sin": _odd("sin"),
    "tan": _odd("tan"),
    "cos": _even("cos"),
    "cosh": _even("cosh"),
    "minimum": _extreme,
    "maximum": _extreme,
}
