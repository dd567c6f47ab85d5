"""From expression graphs to instructions: which operations, in which order, over which values.

Sums become chains of fused steps, polynomials Horner's scheme, a denominator that several products
share is inverted once, and sigmoid(g) and sigmoid(-g) come from one exponential. What depends on
scalars alone goes to the prologue. Values are numbered as they come; equal instructions are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cygd.components.formula.asymptotics import Growth
from cygd.components.formula.fusion import Instruction, Value
from cygd.components.formula.graph import Graph
from cygd.components.formula.nodes import Node, is_scaled
from cygd.components.formula.use_counts import Survey, comes_second, mirrored_sigmoid
from cygd.errors import FormulaError

__all__ = ["Lowering"]

MAX_INSTRUCTIONS = 2000
_LARGEST_POWER = 1 << 20  # of a whole exponent that is multiplied out


class Lowering:
    """The instructions of some outputs.

    Attributes
    ----------
    constants : list of float
        The numbers, in the order of their scalars, behind the uniforms.
    prologue, body : list of (op, results, operands)
        Operations over scalars, and over blocks.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Node], uniforms: Sequence[Node]) -> None:
        self.graph = graph
        self.constants: list[float] = []
        self.prologue: list[Instruction] = []
        self.body: list[Instruction] = []
        self._values: dict[Node, Value] = {}
        self._numbers: dict[float, Value] = {}
        self._emitted: dict[tuple[object, ...], Value] = {}
        self._blocks = 0
        self._growth = Growth()
        for node in inputs:
            self._values[node] = self._block()
        for index, node in enumerate(uniforms):
            self._values[node] = ("uniform", index)

    def lower(self, roots: Iterable[Node], beside: Iterable[Node] = ()) -> list[Value]:
        """Return the values of nodes, computed as they would be beside others, to the same bits."""
        roots = list(roots)
        self._needed = Survey(self.graph, roots).nodes
        survey = Survey(self.graph, [*roots, *beside])
        self._reached, self._uses, self._inverted = survey.nodes, survey.uses, survey.inverted
        return [self.value(root) for root in roots]

    def give(self, node: Node, other: Node) -> None:
        """Let the value of a node be that of another."""
        self._values[node] = self.value(other)

    # instructions ---------------------------------------------------------------------------------

    def _block(self) -> Value:
        self._blocks += 1
        return ("block", self._blocks - 1)

    def number(self, value: float) -> Value:
        """Return a constant."""
        known = self._numbers.get(value)
        if known is None:
            known = self._numbers[value] = ("constant", len(self.constants))
            self.constants.append(value)
        return known

    def emit(self, op: str, *operands: Value) -> Value:
        """Return the value of an operation."""
        key = (op, *operands)
        known = self._emitted.get(key)
        if known is None:
            if all(operand[0] != "block" for operand in operands):
                known = ("prologue", len(self.prologue))
                self.prologue.append((op, (known,), operands))
            else:
                known = self._block()
                self.body.append((op, (known,), operands))
                if len(self.body) > MAX_INSTRUCTIONS:
                    raise FormulaError(
                        f"the formula takes more than {MAX_INSTRUCTIONS} steps",
                        hint="write it as a function in a plugin",
                    )
            self._emitted[key] = known
        return known

    # nodes ----------------------------------------------------------------------------------------

    def value(self, node: Node) -> Value:
        """Return the value of a node."""
        known = self._values.get(node)
        if known is None:
            known = self._values[node] = self._lower(node)
        return known

    def _lower(self, node: Node) -> Value:
        if node.op == "number":
            return self.number(node.data[0])
        if node.op == "sum":
            return self._sum(node)
        if node.op == "product":
            return self._product(node.data[0])
        if node.op == "where":
            comparison, *parts = node.data
            return self.emit(f"where_{comparison}", *[self.value(part) for part in parts])
        special = _SPECIAL.get(node.op)
        if special is not None:
            return special(self, node)
        return self.emit(node.op, *[self.value(part) for part in node.data])

    # sums -----------------------------------------------------------------------------------------

    def _sum(self, node: Node) -> Value:
        constant, terms = node.data
        if is_scaled(node):
            return self._scaled(*terms[0])
        base = _polynomial(terms)
        if base is not None:
            return self._horner(base, constant, terms)
        # what is added comes before what is subtracted, so that nothing has to be negated first
        terms = sorted(terms, key=lambda term: term[0] != 1.0) if constant == 0.0 else terms
        result = self.number(constant) if constant != 0.0 else None
        for k, term in terms:
            result = self._scaled(k, term) if result is None else self._accumulate(result, k, term)
        assert result is not None
        return result

    def _scaled(self, k: float, term: Node) -> Value:
        if abs(k) < 1.0 and term.op == "product" and self._uses.get(term, 0) < 2 and term not in self._values:
            split = self._split(term.data[0])
            if split is not None:  # k (a b) would overflow for the largest numbers
                return self.emit("mul", split[0], self.emit("mul", split[1], self.number(k)))
        absorbed = self._absorbed(k, term)
        if absorbed is not None:
            return self.value(absorbed)
        value = self.value(term)
        if k == 1.0:
            return value
        return self.emit("neg", value) if k == -1.0 else self.emit("mul", value, self.number(k))

    def _absorbed(self, k: float, node: Node) -> Node | None:
        """Return k times what nothing else needs, k multiplied into the numbers of a polynomial, or None."""
        if k in (1.0, -1.0) or self._uses.get(node, 0) > 1 or node in self._values:
            return None
        if node.op == "sum" and _polynomial(node.data[1]) is not None:
            constant, terms = node.data
            return self.graph.make("sum", k * constant, tuple([(k * factor, term) for factor, term in terms]))
        for place, (factor, n) in enumerate(node.data[0] if node.op == "product" else ()):
            absorbed = self._absorbed(k, factor) if n == 1.0 else None
            if absorbed is not None:
                factors = node.data[0]
                return self.graph.make("product", (*factors[:place], (absorbed, n), *factors[place + 1 :]))
        return None

    def _accumulate(self, sum_: Value, k: float, term: Node) -> Value:
        """Return sum + k term in one instruction more than the term's parts need."""
        if (
            term.op == "product"
            and self._uses.get(term, 0) < 2
            and k in (1.0, -1.0)
            and term not in self._values
        ):
            split = self._split(term.data[0])
            if split is not None:
                return self.emit("fma" if k > 0 else "fnma", *split, sum_)
        absorbed = self._absorbed(k, term)
        if absorbed is not None:
            return self._accumulate(sum_, 1.0, absorbed)
        value = self.value(term)
        if k == 1.0:
            return self.emit("add", value, sum_)
        if k == -1.0:
            return self.emit("sub", sum_, value)
        return self.emit("fma", value, self.number(k), sum_)

    def _split(self, factors: Sequence[tuple[Node, float]]) -> tuple[Value, Value] | None:
        """Return a product as two values, or None where it is a quotient or a power."""
        for place, (factor, n) in enumerate(factors):
            if n == 1.0 and len(factors) > 1:
                rest = (*factors[:place], *factors[place + 1 :])
                if not self._is_divided(rest):
                    other = rest[0][0] if len(rest) == 1 and rest[0][1] == 1.0 else None
                    return self.value(factor), self.value(other) if other else self._product(rest)
        if len(factors) == 1 and factors[0][1] == 2.0:
            value = self.value(factors[0][0])
            return value, value
        return None

    def _horner(self, base: Node, constant: float, terms: Sequence[tuple[float, Node]]) -> Value:
        """c0 + c1 x + c2 x^2 + ...: from the highest power down, gaps in one step."""
        powers = {0: constant} if constant != 0.0 else {}
        for k, term in terms:
            powers[1 if term is base else int(term.data[0][0][1])] = k
        x = self.value(base)
        exponents = sorted(powers, reverse=True)
        result: Value | None = None
        for exponent, below in zip(exponents, [*exponents[1:], 0], strict=True):
            if exponent == 0:
                break
            low = self.number(powers[below]) if below in powers else None
            if result is None:
                result = self._highest(x, powers[exponent], exponent - below, low)
            else:
                step = self._whole_power(x, exponent - below)
                result = (
                    self.emit("mul", result, step) if low is None else self.emit("fma", result, step, low)
                )
        assert result is not None
        return result

    def _highest(self, x: Value, k: float, n: int, low: Value | None) -> Value:
        """Return k x^n + low, the first step of Horner's scheme."""
        if k not in (1.0, -1.0):
            step = self._whole_power(x, n)
            number = self.number(k)
            return self.emit("mul", number, step) if low is None else self.emit("fma", number, step, low)
        if low is None:
            step = self._whole_power(x, n)
            return step if k > 0 else self.emit("neg", step)
        if n == 2:
            return self.emit("fma" if k > 0 else "fnma", x, x, low)
        step = self._whole_power(x, n)
        return self.emit("add", step, low) if k > 0 else self.emit("sub", low, step)

    # products -------------------------------------------------------------------------------------

    def _is_divided(self, factors: Iterable[tuple[Node, float]]) -> bool:
        """Return whether one of the factors wants a division of its own."""
        return any(n < 0 and self._inverted.get(factor, 0) < 2 for factor, n in factors)

    def _product(self, factors: Sequence[tuple[Node, float]]) -> Value:
        """What is inverted first: a denominator beyond all numbers makes 0, whatever is above it."""
        result: Value | None = None
        below: Value | None = None
        for factor, n in factors:
            if n >= 0:
                continue
            if self._inverted.get(factor, 0) < 2:
                value = self._power(factor, -n)
                below = value if below is None else self.emit("mul", below, value)
            else:
                value = self._inverse_power(factor, -n)
                result = value if result is None else self.emit("mul", result, value)
        growing = self._growth.growing(factors)
        for factor, n in sorted(factors, key=lambda pair: growing.get(pair[0], 0.0)) if growing else factors:
            if n > 0:
                value = self._power(factor, n)
                if growing.get(factor, 0.0) >= 2:
                    value = self.emit("finite", value)
                result = value if result is None else self.emit("mul", result, value)
        if below is None:
            assert result is not None
            return result
        return self.emit("inverse", below) if result is None else self.emit("div", result, below)

    def _inverse_power(self, factor: Node, n: float) -> Value:
        if n % 1 == 0:
            return self._whole_power(self.emit("inverse", self.value(factor)), int(n))
        if n % 0.5 == 0:  # x^-(k + 1/2) from 1 / sqrt(x)
            root = self.emit("inverse", self.emit("sqrt", self.value(factor)))
            return self._whole_power(root, int(2 * n))
        return self._power(factor, -n)

    def _power(self, factor: Node, n: float) -> Value:
        """Return x^n: by multiplying, by a root, or as e^(n log x)."""
        x = self.value(factor)
        if n == 1.0:
            return x
        if n % 1 == 0 and 0 < n <= _LARGEST_POWER:
            return self._whole_power(x, int(n))
        if n % 1 == 0:
            # far too many factors for rounding to mean anything: the sign and the size
            size = self.emit("exp", self.emit("mul", self.emit("log", self.emit("abs", x)), self.number(n)))
            return size if n % 2 == 0 else self.emit("mul", size, self.emit("sign", x))
        if n % 0.5 == 0 and 0 < n <= _LARGEST_POWER:
            root = self.emit("sqrt", x)
            return root if n == 0.5 else self.emit("mul", self._whole_power(x, int(n)), root)
        return self.emit("exp", self.emit("mul", self.emit("log", x), self.number(n)))

    def _whole_power(self, x: Value, n: int) -> Value:
        """Return x^n by squaring, n >= 1."""
        if n == 1:
            return x
        half = self._whole_power(x, n // 2)
        square = self.emit("mul", half, half)
        return square if n % 2 == 0 else self.emit("mul", square, x)

    # functions that are more than an instruction ------------------------------------------------

    def _sigmoid(self, node: Node) -> Value:
        mirrored = mirrored_sigmoid(self.graph, node)
        if mirrored not in self._needed or mirrored in self._values:
            return self.emit("sigmoid", self.value(node.data[0]))
        first, second = (mirrored, node) if comes_second(self.graph, node, self._needed) else (node, mirrored)
        argument = self.value(first.data[0])
        if argument[0] != "block":
            return self.emit("sigmoid", self.value(node.data[0]))
        self._values[first], self._values[second] = self._two("logistic", argument)
        return self._values[node]

    def _exp(self, node: Node) -> Value:
        """e^g is expm1(g) + 1 where that is there anyway."""
        relative = self.graph.make("expm1", node.data[0])
        if relative in self._reached:
            return self.emit("add", self.value(relative), self.number(1.0))
        return self.emit("exp", self.value(node.data[0]))

    def _exp_finite(self, node: Node) -> Value:
        return self.emit("finite", self.emit("exp", self.value(node.data[0])))

    def _tanh_log1p(self, node: Node) -> Value:
        graph, v = self.graph, node.data[0]
        slope, argument = graph.make("tanh_log1p_slope", v), self.value(v)
        if argument[0] == "block":
            if slope not in self._needed:
                return self.emit("tanh_log1p", argument)
            self._values[node], self._values[slope] = self._two("tanh_log1p_both", argument)
            return self._values[node]
        # T = n / (n + 2) for small v, 1 - 2 / (n + 2) for large, n = v (v + 2)
        n = self.value(graph.multiply(v, graph.plus(2.0, v)))
        return self._share(v, n, self.emit("add", n, self.number(2.0)))

    def _tanh_log1p_slope(self, node: Node) -> Value:
        graph, v = self.graph, node.data[0]
        value, argument = graph.make("tanh_log1p", v), self.value(v)
        if argument[0] == "block":
            if value not in self._needed:
                return self.emit("tanh_log1p_slope", argument)
            self.value(value)
            return self._values[node]
        # T' = 4 (1 + v) / (v (v + 2) + 2)^2
        below = graph.plus(2.0, graph.multiply(v, graph.plus(2.0, v)))
        return self.value(graph.product(((graph.number(4.0), 1.0), (graph.plus(1.0, v), 1.0), (below, -2.0))))

    def _two(self, op: str, argument: Value) -> tuple[Value, Value]:
        """Return the values of an operation with two results."""
        one, other = self._block(), self._block()
        self.body.append((op, (one, other), (argument,)))
        return one, other

    def _tanh_log(self, node: Node) -> Value:
        # T = (u - 1) (u + 1) / (u^2 + 1) for small u, 1 - 2 / (u^2 + 1) for large
        graph, u = self.graph, node.data[0]
        x = self.value(u)
        n = self.emit("mul", self.value(graph.plus(-1.0, u)), self.value(graph.plus(1.0, u)))
        below = self.value(graph.plus(1.0, graph.product(((u, 2.0),))))
        return self._share(u, n, below, self.emit("sub", x, self.number(1.0)))

    def _share(self, v: Node, n: Value, below: Value, small: Value | None = None) -> Value:
        """Return n / below where v < 1, and 1 - 2 / below beyond, where both may be infinite."""
        inverse = self.emit("inverse", below)
        size = self.value(v) if small is None else small
        one, two = self.number(1.0), self.number(2.0)
        return self.emit(
            "where_lt", size, one, self.emit("mul", n, inverse), self.emit("fnma", inverse, two, one)
        )

    def _log_cosh(self, node: Node) -> Value:
        # log(cosh a) = log1p(u^2 / (2 (u + 1))), u = e^a - 1, and a - log(2) for large a = |g|
        size = self.emit("abs", self.value(node.data[0]))
        limit = self.number(20.0)
        u = self.emit("expm1", self.emit("minimum", size, limit))
        half = self.emit("mul", u, self.number(0.5))
        small = self.emit("mul", half, self.emit("div", u, self.emit("add", u, self.number(1.0))))
        large = self.emit("sub", size, self.number(0.6931471805599453))
        return self.emit("where_lt", limit, size, large, self.emit("log1p", small))


_SPECIAL = {
    "sigmoid": Lowering._sigmoid,
    "exp": Lowering._exp,
    "exp_finite": Lowering._exp_finite,
    "tanh_log1p": Lowering._tanh_log1p,
    "tanh_log1p_slope": Lowering._tanh_log1p_slope,
    "tanh_log": Lowering._tanh_log,
    "log_cosh": Lowering._log_cosh,
}


def _polynomial(terms: Sequence[tuple[float, Node]]) -> Node | None:
    """Return the x of which all terms are whole positive powers, two of them or one above the first."""
    base: Node | None = None
    highest = 0.0
    for _, term in terms:
        x, n = term, 1.0
        if term.op == "product":
            if len(term.data[0]) != 1:
                return None
            x, n = term.data[0][0]
        if n < 1 or n % 1 != 0 or n > 64 or (base is not None and x is not base):
            return None
        base, highest = x, max(highest, n)
    return base if highest > 1 else None
