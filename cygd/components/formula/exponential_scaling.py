"""Scaled form of products with sums of exponentials: nothing overflows before the product does.

The last step before lowering. Where all exponents are s_i x + c_i for one x, let u = |x| and z = e^(g x), g
the unit of their differences. For x >= 0 a sum is z^m times a polynomial in w = e^(-g u), m its highest power
of z, and for x < 0 likewise with its lowest: w <= 1, and all powers of z in front merge into one. A sum that
is 0 at x = 0 has a factor z - 1, which is computed as expm1. Other sums are divided by their largest
exponential.

Internal functions: exp_atom(g) = e^g and expm1_atom(g) = e^g - 1, which do not merge with other exponentials;
finite(x) = x, clamped to the largest finite number of the type.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

from cygd.components.formula.exponential_quotients import (
    Line,
    Quotient,
    SumPower,
    constant_of,
    match_quotient,
)
from cygd.components.formula.nodes import Factor, Node, Term, is_scaled
from cygd.components.formula.protocols import Graph

_MAX_CONSTANT = 30.0  # in an exponent, as a factor e^c
_MAX_UNITS = 64  # the highest power of w
_MAX_DIVISOR = 12  # of the smallest difference of exponents, by the unit
_MAX_EXPONENTS = 8
_MAX_POWER = 8  # of w, as a factor
_TOLERANCE = 1e-9  # of multiples of a unit


class Scaling:
    """The nodes of a graph with their products in scaled form."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._scaled: dict[Node, Node] = {}

    def of(self, node: Node) -> Node:
        """Return a node that computes the same."""
        scaled = self._scaled.get(node)
        if scaled is None:
            quotient = match_quotient(self.graph, node)
            scaled = None if quotient is None else scale_quotient(self.graph, quotient)
            scaled = self._scaled[node] = self._rebuild(node if scaled is None else scaled)
        return scaled

    def _rebuild(self, node: Node) -> Node:
        """Return a node over scaled operands; without simplification, which would undo them."""
        operands = [self.of(operand) for operand in node.operands]
        if all(a is b for a, b in zip(operands, node.operands, strict=True)):
            return node
        if node.op == "sum":
            constant, terms = node.data
            pairs = [(k, term) for (k, _), term in zip(terms, operands, strict=True)]
            return self.graph.intern("sum", constant, tuple(pairs))
        if node.op == "product":
            factors = [(factor, n) for (_, n), factor in zip(node.data[0], operands, strict=True)]
            return self.graph.intern("product", tuple(factors))
        comparison = node.data[:1] if node.op == "where" else ()
        return self.graph.intern(node.op, *comparison, *operands)


def scale_quotient(graph: Graph, quotient: Quotient) -> Node | None:
    """Return a quotient in scaled form, or None if it has too many exponents."""
    quotient = _move_coefficients(graph, quotient)
    exponents = dict.fromkeys(a for power in quotient.sums for a in power.terms if a is not graph.zero)
    if len(exponents) > 2 * _MAX_EXPONENTS:
        return None
    base = _common_shift(list(exponents))
    if base is None:
        return _divide_by_largest(graph, quotient)
    return _Linear(graph, quotient, *base).node()


def _move_coefficients(graph: Graph, quotient: Quotient) -> Quotient:
    """Move a factor that all terms of a sum share, and the only exponential of a sum, out of it."""
    exponents, sums, rest = list(quotient.exponents), [], list(quotient.rest)
    for power in quotient.sums:
        terms, n = power.terms, power.n
        common = _common_factor(terms.values())
        if common is not None and n % 1 == 0:
            rest.append((common, n))
            terms = {a: graph.number(q.data[1][0][0] if is_scaled(q) else 1.0) for a, q in terms.items()}
        if len(terms) == 1:
            [(a, q)] = terms.items()
            exponents.append((n, a))
            rest.append((q, n))
        else:
            sums.append(power._replace(terms=terms))
    return Quotient(exponents, sums, rest)


def _common_factor(coefficients: Iterable[Node]) -> Node | None:
    """Return x if all coefficients are numbers times x, which is not a number."""
    bases = {q.data[1][0][1] if is_scaled(q) else q for q in coefficients}
    base = bases.pop()
    return base if not bases and base.op != "number" else None


def _write_sum(graph: Graph, terms: Sequence[tuple[Node, Node, Node]], decays: bool = False) -> Node:
    """Return the sum of q e^a, a <= 0, from (q, a, e^a); with expm1(a) if the numbers in q add up to 0.

    All q are clamped if the sum is a factor of something that decays.
    """
    numbers = [constant_of(q) for q, _, _ in terms]
    cancels = any(numbers) and math.fsum(numbers) == 0.0
    parts: list[Term] = []
    for k, (q, a, exponential) in zip(numbers, terms, strict=True):
        variable = graph.add_constant(-k, q)
        if a is graph.zero:
            coefficient = variable if cancels else q
            is_number = variable is graph.zero
            clamped = coefficient if is_number or not decays else graph.intern("finite", coefficient)
            parts.append((1.0, clamped))
            continue
        if variable is not graph.zero:
            coefficient = variable if cancels else q
            parts.append((1.0, graph.multiply(graph.intern("finite", coefficient), exponential)))
        elif not cancels:
            parts.append((k, exponential))
        if cancels:
            parts.append((k, graph.intern("expm1_atom", a)))
    return graph.sum(0.0, parts)


# exponents of several variables -------------------------------------------------------------------


def _divide_by_largest(graph: Graph, quotient: Quotient) -> Node | None:
    """Return a quotient with each sum divided by its largest exponential m, times e^(sum of n m)."""
    exponents, factors = list(quotient.exponents), list(quotient.rest)
    for _, terms, n in quotient.sums:
        if len(terms) > _MAX_EXPONENTS:
            return None
        largest = reduce(lambda a, b: graph.call("maximum", a, b), terms)
        exponents.append((n, largest))
        shares = []
        for a, q in terms.items():
            share = graph.subtract(a, largest)
            shares.append((q, share, graph.intern("exp_atom", share)))
        factors.append((_write_sum(graph, shares), n))
    total = graph.sum(0.0, exponents)
    return graph.product([*factors, (graph.intern("exp_atom", total), 1.0)])


# exponents of one variable ------------------------------------------------------------------------


def _common_shift(exponents: Sequence[Node]) -> tuple[Node, float] | None:
    """Return (x, b) if all exponents are s (x + b) + c, each c 0 or small enough for a factor e^c."""
    lines = [Line.of(a) for a in exponents]
    if len({line.x for line in lines}) != 1:
        return None
    b = lines[0].c / lines[0].s
    if all(abs(line.c - line.s * b) <= 1e-12 * abs(line.c) for line in lines):
        return lines[0].x, b
    return (lines[0].x, 0.0) if all(abs(line.c) <= _MAX_CONSTANT for line in lines) else None


class _Powers(NamedTuple):
    """S^n, S = e^(lowest x) times the sum of q e^(d x) over (d, q), d from 0 to the last, the span."""

    n: float
    lowest: float
    terms: list[tuple[float, Node]]

    @property
    def span(self) -> float:
        return self.terms[-1][0]


class _Linear:
    """A quotient whose exponents are lines of one x."""

    def __init__(self, graph: Graph, quotient: Quotient, x: Node, shift: float) -> None:
        self.graph = graph
        self.base, self.shift = x, shift
        self.x = graph.add_constant(shift, x)
        self.u = graph.call("abs", self.x)
        self.slope = 0.0  # of the exponentials that are factors
        self.others: list[Term] = []  # exponents in something else
        self.constant = 0.0  # an exponent
        for n, a in quotient.exponents:
            self._add_exponent(n, a)
        self.rest = list(quotient.rest)
        self.powers = [self._order(power) for power in quotient.sums]
        self.unit = _unit({d for power in self.powers for d, _ in power.terms if d})
        self.zeros = 0.0  # the exponent of z - 1
        self.powers = [reduced for power in self.powers for reduced in self._divide_by_zeros(power)]

    def _add_exponent(self, n: float, a: Node) -> None:
        line = Line.of(a)
        if a is self.graph.zero:
            return
        if line.x is self.base:
            self.slope += n * line.s
            self.constant += n * (line.c - line.s * self.shift)
        else:
            self.others.append((n, a))

    def _order(self, power: SumPower) -> _Powers:
        """Return a sum with the constants of its exponents as factors, in the order of the slopes."""
        slopes: dict[float, Node] = {}
        for a, q in power.terms.items():
            line = Line(0.0, self.base, 0.0) if a is self.graph.zero else Line.of(a)
            c = line.c - line.s * self.shift
            q = self.graph.scale(math.exp(c), q) if abs(c) > 1e-12 * abs(line.c) else q
            slopes[line.s] = self.graph.sum(0.0, ((1.0, slopes.get(line.s, self.graph.zero)), (1.0, q)))
        lowest = min(slopes)
        return _Powers(power.n, lowest, [(s - lowest, slopes[s]) for s in sorted(slopes)])

    def _divide_by_zeros(self, power: _Powers) -> list[_Powers]:
        """Divide a polynomial in z by z - 1 as often as possible; move what remains of one term."""
        if self.unit is None or power.n % 1 or any(q.op != "number" for _, q in power.terms):
            return [power]
        coefficients = [0.0] * (round(power.span / self.unit) + 1)
        for d, q in power.terms:
            coefficients[round(d / self.unit)] = q.value
        while len(coefficients) > 1 and math.fsum(coefficients) == 0.0:
            quotient = [coefficients[-1]]
            for k in coefficients[-2:0:-1]:
                quotient.append(quotient[-1] + k)
            coefficients = quotient[::-1]
            self.zeros += power.n
        terms = [(d * self.unit, self.graph.number(k)) for d, k in enumerate(coefficients) if k]
        if len(terms) > 1:
            return [power._replace(terms=terms)]
        self.rest.append((terms[0][1], power.n))
        self.slope += power.n * power.lowest
        return []

    def node(self) -> Node:
        """Return the quotient: one form for x >= 0, one for x < 0."""
        graph = self.graph
        scaled = graph.where("lt", self.x, graph.zero, self._side(-1.0), self._side(1.0))
        return graph.product([*self.rest, (scaled, 1.0)])

    def _side(self, sign: float) -> Node:
        """Return the quotient without the other factors, where x has a sign."""
        graph, is_upper = self.graph, sign > 0
        factors: list[Factor] = []
        slope = self.slope + sum(n * (lowest + is_upper * terms[-1][0]) for n, lowest, terms in self.powers)
        for power in self.powers:
            terms = [(q, power.span - d if is_upper else d) for d, q in power.terms]
            written = [(q, graph.scale(-d, self.u), self._decay(d)) for q, d in terms]
            decays = sign * slope < 0 and power.n > 0
            factors.append((_write_sum(graph, written, decays), power.n))
        if self.zeros:
            assert self.unit is not None
            slope += self.zeros * self.unit if is_upper else 0.0
            root = graph.intern("expm1_atom", graph.scale(-self.unit, self.u))
            factors.append((graph.scale(-1.0, root) if is_upper else root, self.zeros))
        factors.append((self._exponential(sign * slope), 1.0))
        return graph.product(factors)

    def _decay(self, d: float) -> Node:
        """Return e^(-d u), as a power of w if there is a unit."""
        if self.unit is None or not d:
            return self.graph.intern("exp_atom", self.graph.scale(-d, self.u)) if d else self.graph.one
        w = self.graph.intern("exp_atom", self.graph.scale(-self.unit, self.u))
        return self.graph.product(((w, float(round(d / self.unit))),))

    def _is_power(self, d: float) -> bool:
        """Return True if e^(-d u) is a low power of w."""
        n = math.nan if self.unit is None else d / self.unit
        return 0 <= n <= _MAX_POWER and abs(n - round(n)) < _TOLERANCE

    def _exponential(self, slope: float) -> Node:
        """Return e^(slope u) times the other exponentials."""
        graph = self.graph
        if not self.others and abs(self.constant) <= _MAX_CONSTANT:
            if self._is_power(-slope):
                return graph.scale(math.exp(self.constant), self._decay(-slope))
            exponent, factor = graph.scale(slope, self.u), math.exp(self.constant)
        else:
            exponent, factor = graph.sum(self.constant, [*self.others, (slope, self.u)]), 1.0
        return graph.scale(factor, graph.intern("exp_atom", exponent))


def _unit(differences: set[float]) -> float | None:
    """Return the number of which all differences are multiples, or None."""
    smallest, largest = min(differences, default=1.0), max(differences, default=1.0)
    for divisor in range(1, _MAX_DIVISOR + 1):
        unit = smallest / divisor
        if largest <= _MAX_UNITS * unit * (1 + _TOLERANCE) and all(
            abs(d / unit - round(d / unit)) < _TOLERANCE for d in differences
        ):
            return unit
    return None
