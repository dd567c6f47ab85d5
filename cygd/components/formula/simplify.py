"""Rewrite rules: identities that make an expression numerically stable or shorter.

Every rule holds for any argument: log(1 + e^g) is softplus(g), and tanh(log(u)) needs no logarithm. A rule
may widen the domain (sqrt(x) sqrt(x) is x) but never shrinks it. Rules also introduce internal functions,
which `lowering.py` expands:

- log_cosh(g) = log(cosh(g))
- tanh_log(u) = (u^2 - 1) / (u^2 + 1), u > 0
- tanh_log1p(v) = v (v + 2) / (v (v + 2) + 2), v > -1, with the derivative 4 (1 + v) / (v (v + 2) + 2)^2
- exp_finite(g) = e^g, clamped to the largest finite number of the type

Logarithms of longer sums are in `exponential_sums` and `mixed_sums`, roots that cancel in `conjugate_sums`,
quotients of sums in `exponential_quotients`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from cygd.components.formula.conjugate_sums import log_of_root_sum, simplify_roots
from cygd.components.formula.exponential_sums import log_of_product, log_of_sum
from cygd.components.formula.mixed_sums import log_near_one, log_of_mixed_sum
from cygd.components.formula.nodes import Node, Term, float_power, is_scaled
from cygd.components.formula.protocols import Graph

# sums ---------------------------------------------------------------------------------------------


def simplify_sum(graph: Graph, constant: float, terms: list[Term]) -> Node | None:
    """Return the node that an identity gives for constant + sum of k x, or None."""
    for position, (k, term) in enumerate(terms):
        rule = _PLUS_MINUS_ONE.get((term.op, (constant == k) - (constant == -k)))
        if rule is not None:
            c, name, s = rule
            merged = graph.scale(c * k, graph.call(name, graph.scale(s, term.data[0])))
            return graph.sum(0.0, [(1.0, merged), *terms[:position], *terms[position + 1 :]])
        if term.op == "exp" and len(terms) > 1:
            simplified = _exponential_pair(graph, k, term, constant, terms)
            if simplified is not None:
                return simplified
        if term.op == "softplus" and len(terms) > 1:
            simplified = _softplus_minus_argument(graph, k, term, constant, terms)
            if simplified is not None:
                return simplified
    return simplify_roots(graph, constant, terms)


# (f, 1 or -1) -> (c, name, s) where f(g) + 1 or f(g) - 1 is c name(s g)
_PLUS_MINUS_ONE = {
    ("tanh", 1): (2.0, "sigmoid", 2.0),
    ("tanh", -1): (-2.0, "sigmoid", -2.0),
    ("sigmoid", -1): (-1.0, "sigmoid", -1.0),
    ("exp", -1): (1.0, "expm1", 1.0),
    ("expm1", 1): (1.0, "exp", 1.0),
    ("erf", 1): (1.0, "erfc", -1.0),
    ("erf", -1): (-1.0, "erfc", 1.0),
    ("erfc", -1): (-1.0, "erf", 1.0),
}


def _exponential_pair(graph: Graph, k: float, term: Node, constant: float, terms: list[Term]) -> Node | None:
    """Return k e^g + k e^-g as 2 k cosh(g), and k e^g - k e^-g as 2 k sinh(g)."""
    g = term.data[0]
    inverse = graph.call("exp", graph.scale(-1.0, g))
    for other_k, other in terms:
        if other is inverse and other_k in (k, -k):
            rest = [pair for pair in terms if pair[1] is not term and pair[1] is not inverse]
            name = "cosh" if other_k == k else "sinh"
            return graph.sum(constant, [(2 * k, graph.call(name, g)), *rest])
    return None


def _softplus_minus_argument(
    graph: Graph, k: float, term: Node, constant: float, terms: list[Term]
) -> Node | None:
    """Return k softplus(g) - k g as k softplus(-g), in which nothing cancels."""
    g = term.data[0]
    coefficients = {other: other_k for other_k, other in terms if other is not term}
    argument = _terms(g)
    if any(coefficients.get(inner) != -k * inner_k for inner_k, inner in argument):
        return None
    for _, inner in argument:
        del coefficients[inner]
    rest = [(other_k, other) for other, other_k in coefficients.items()]
    if g.op == "sum":
        constant += k * g.data[0]
    return graph.sum(constant, [(k, graph.call("softplus", graph.scale(-1.0, g))), *rest])


# products -----------------------------------------------------------------------------------------


def simplify_factors(graph: Graph, factors: dict[Node, float]) -> float:
    """Rewrite factors (base -> exponent) in place to a stable form; return the number to multiply by."""
    k = 1.0
    ops = {factor.op for factor in factors}
    if "cosh" in ops and "sinh" in ops:
        _merge_quotient(graph, factors, "sinh", "cosh", "tanh")
    if "cos" in ops and "sin" in ops:
        _merge_quotient(graph, factors, "sin", "cos", "tan")
    if "sum" in ops or ("cosh" in ops and "exp" in ops):
        k = _rewrite_logistic_denominators(graph, factors, "exp" in ops)
        ops = {factor.op for factor in factors}
    if "exp" in ops:
        _merge_exponentials(graph, factors)
    if "sigmoid" in ops and "exp" in ops:
        k *= _merge_sigmoids(graph, factors)
    if "sigmoid" in ops and "expm1" in ops:
        k *= _merge_into_tanh(graph, factors)
    if "abs" in ops or "sign" in ops:
        _merge_signs(graph, factors)
    return k


def _multiply_by(factors: dict[Node, float], factor: Node, n: float) -> None:
    """Multiply the product by factor^n."""
    factors[factor] = factors.get(factor, 0.0) + n
    if factors[factor] == 0.0:
        del factors[factor]


def _terms(node: Node) -> list[Term]:
    """Return a node without its constant as a list of terms."""
    return list(node.data[1]) if node.op == "sum" else [(1.0, node)]


def _match_logistic(graph: Graph, node: Node) -> tuple[float, Node, Node] | None:
    """Return (c, a, g) if a node is c e^a (1 + e^g) with c > 0, else None."""
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
    return c, a, graph.add_constant(math.log(k) - math.log(c) if k != c else 0.0, g)


def _rewrite_logistic_denominators(graph: Graph, factors: dict[Node, float], has_exp: bool) -> float:
    """Rewrite (c e^a (1 + e^g))^-n as c^-n e^(-n a) sigmoid(-g)^n, so that no denominator overflows.

    Next to an exponential, cosh(a) = 0.5 e^a (1 + e^(-2 a)) is such a denominator too.
    """
    k = 1.0
    for factor, n in list(factors.items()):
        match = None
        if n < 0 and factor.op == "cosh" and has_exp:
            match = 0.5, factor.data[0], graph.scale(-2.0, factor.data[0])
        elif n < 0:
            match = _match_logistic(graph, factor)
        if match is None:
            continue
        c, a, g = match
        coefficient = float_power(c, n)
        if 0.0 < coefficient < math.inf:
            del factors[factor]
            k *= coefficient
            _multiply_by(factors, graph.call("sigmoid", graph.scale(-1.0, g)), -n)
            if a is not graph.zero:
                _multiply_by(factors, graph.call("exp", a), n)
    return k


def _merge_exponentials(graph: Graph, factors: dict[Node, float]) -> None:
    """Merge (e^a)^m (e^b)^n into e^(m a + n b)."""
    exponentials = [(factor, n) for factor, n in factors.items() if factor.op == "exp"]
    if len(exponentials) == 1 and exponentials[0][1] == 1.0:
        return
    for factor, _ in exponentials:
        del factors[factor]
    merged = graph.call("exp", graph.combine([(n, factor.data[0]) for factor, n in exponentials]))
    if merged.op != "number" or merged.data[0] != 1.0:
        _multiply_by(factors, merged, 1.0)


def _merge_sigmoids(graph: Graph, factors: dict[Node, float]) -> float:
    """Rewrite e^(t g) sigmoid(-g)^n as sigmoid(g)^t sigmoid(-g)^(n - t), 0 < t <= n.

    No factor of the result exceeds 1, so none overflows.
    """
    k = 1.0
    exponential = next((factor for factor in factors if factor.op == "exp"), None)
    for sigmoid, n in list(factors.items()):
        if exponential is None or sigmoid.op != "sigmoid" or n <= 0:
            continue
        minus_g, a = sigmoid.data[0], exponential.data[0]
        inner_k, inner = _terms(minus_g)[0]
        t = min(n, next((-k_a / inner_k for k_a, other in _terms(a) if other is inner), 0.0))
        rest = graph.combine([(1.0, a), (t, minus_g)])
        if t <= 0 or (rest.op == "number" and abs(rest.data[0]) > 700):
            continue
        _multiply_by(factors, exponential, -1.0)
        _multiply_by(factors, sigmoid, -t)
        _multiply_by(factors, graph.call("sigmoid", graph.scale(-1.0, minus_g)), t)
        exponential = None
        if rest.op == "number":
            k *= math.exp(rest.data[0])
        else:
            remainder = graph.call("exp", rest)
            _multiply_by(factors, remainder, 1.0)
            exponential = remainder if remainder.op == "exp" else None
    return k


def _merge_into_tanh(graph: Graph, factors: dict[Node, float]) -> float:
    """Merge (e^g - 1) sigmoid(-g) into tanh(g / 2)."""
    k = 1.0
    for factor, n in list(factors.items()):
        if factor.op == "expm1" and n > 0:
            sigmoid = graph.call("sigmoid", graph.scale(-1.0, factor.data[0]))
            times = min(n, factors.get(sigmoid, 0.0))
            if times > 0 and times % 1 == 0:
                _multiply_by(factors, factor, -times)
                _multiply_by(factors, sigmoid, -times)
                tanh = graph.call("tanh", graph.scale(0.5, factor.data[0]))
                if is_scaled(tanh):  # tanh(-g) = -tanh(g)
                    k *= tanh.data[1][0][0] ** times
                    tanh = tanh.data[1][0][1]
                _multiply_by(factors, tanh, times)
    return k


def _merge_quotient(
    graph: Graph, factors: dict[Node, float], numerator: str, denominator: str, quotient: str
) -> None:
    """Merge sinh(g) / cosh(g) into tanh(g), and sin(g) / cos(g) into tan(g)."""
    for factor, n in list(factors.items()):
        if factor.op == numerator and n > 0:
            other = graph.call(denominator, factor.data[0])
            times = min(n, -factors.get(other, 0.0))
            if times > 0:
                _multiply_by(factors, factor, -times)
                _multiply_by(factors, other, times)
                _multiply_by(factors, graph.call(quotient, factor.data[0]), times)


def _merge_signs(graph: Graph, factors: dict[Node, float]) -> None:
    """Replace |x|^2 by x^2, |x| sign(x) by x, and x sign(x) by |x|."""
    for factor, n in list(factors.items()):
        if factor.op == "abs" and n % 2 == 0:
            del factors[factor]
            _multiply_by(factors, factor.data[0], n)
        if factor.op == "sign" and n == 1.0:
            x = factor.data[0]
            abs_x = graph.call("abs", x)
            if factors.get(abs_x) == 1.0:
                del factors[factor], factors[abs_x]
                _multiply_by(factors, x, 1.0)
            elif factors.get(x) == 1.0:
                del factors[factor], factors[x]
                _multiply_by(factors, abs_x, 1.0)


# functions ----------------------------------------------------------------------------------------


def _exp(graph: Graph, x: Node) -> Node | None:
    if x.op == "log":
        return x.operands[0]
    if x.op == "log1p":
        return graph.add_constant(1.0, x.data[0])
    if is_scaled(x) and x.data[1][0][0] == -1.0 and x.data[1][0][1].op == "softplus":
        return graph.call("sigmoid", graph.scale(-1.0, x.data[1][0][1].data[0]))
    return None


def _log(graph: Graph, x: Node) -> Node | None:
    log = _log_of_sums(graph, x)
    return None if log is None else log_near_one(graph, x, log)


def _log_of_sums(graph: Graph, x: Node) -> Node | None:
    if x.op == "exp":
        return x.operands[0]
    if x.op == "sigmoid":
        return graph.scale(-1.0, graph.call("softplus", graph.scale(-1.0, x.data[0])))
    if x.op == "cosh":
        return graph.intern("log_cosh", x.data[0])
    simplified = log_of_root_sum(graph, x)
    if simplified is not None:
        return simplified
    match = _match_logistic(graph, x)
    if match is not None:
        c, a, g = match
        return graph.sum(math.log(c), [(1.0, a), (1.0, graph.call("softplus", g))])
    if is_scaled(x):
        k, term = x.data[1][0]
        if k > 0 and (term.op in ("exp", "cosh") or _match_logistic(graph, term) is not None):
            return graph.add_constant(math.log(k), graph.call("log", term))
        simplified = log_of_product(graph, term) if k > 0 else None
        if simplified is not None:
            return graph.add_constant(math.log(k), simplified)
    simplified = log_of_product(graph, x) or log_of_sum(graph, x) or log_of_mixed_sum(graph, x)
    if simplified is not None:
        return simplified
    if x.op == "sum" and x.data[0] == 1.0:
        return graph.call("log1p", graph.add_constant(-1.0, x))
    return None


def _log1p(graph: Graph, x: Node) -> Node | None:
    if x.op == "exp":
        return graph.call("softplus", x.data[0])
    if x.op == "expm1":
        return x.operands[0]
    if is_scaled(x):
        k, term = x.data[1][0]
        if term.op == "exp" and k > 0:
            return graph.call("softplus", graph.add_constant(math.log(k), term.data[0]))
        if term.op == "sigmoid" and k == -1.0:
            return graph.scale(-1.0, graph.call("softplus", term.data[0]))
    return log_of_sum(graph, x, plus=1.0) or log_of_mixed_sum(graph, x, plus=1.0)


def _tanh(graph: Graph, x: Node) -> Node | None:
    if x.op == "softplus":
        return graph.intern("tanh_log1p", graph.intern("exp_finite", x.data[0]))
    if x.op == "log1p":
        return graph.intern("tanh_log1p", x.data[0])
    if x.op == "log":
        return graph.intern("tanh_log", x.data[0])
    return _odd("tanh")(graph, x)


def _odd(name: str) -> Callable[[Graph, Node], Node | None]:
    """Return the rule f(-x) = -f(x) of an odd function."""

    def rule(graph: Graph, x: Node) -> Node | None:
        if is_scaled(x) and x.data[1][0][0] < 0:
            return graph.scale(-1.0, graph.call(name, graph.scale(-1.0, x)))
        return None

    return rule


def _even(name: str) -> Callable[[Graph, Node], Node | None]:
    """Return the rules f(-x) = f(x) and f(|x|) = f(x) of an even function."""

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


CALL_RULES: dict[str, Callable[..., Node | None]] = {
    "exp": _exp,
    "log": _log,
    "log1p": _log1p,
    "sqrt": lambda graph, x: graph.product(((x, 0.5),)),
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
    "minimum": lambda graph, a, b: a if a is b else None,
    "maximum": lambda graph, a, b: a if a is b else None,
}
