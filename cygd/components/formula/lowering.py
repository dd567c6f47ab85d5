"""Lowering: translate an expression graph into instructions over values.

Sums become chains of fused multiply-adds, polynomials Horner's scheme; a denominator that several products
share is inverted once, and sigmoid(g) and sigmoid(-g) come from one exponential. What depends on scalars
alone goes to the prologue, which runs once per call.

Values are numbered in order of creation (static single assignment), and an instruction that was already
emitted is reused. Fusion comes later, on the finished instructions: only then is it known that a value has no
other use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cygd.components.formula.asymptotics import CLAMPED_DEGREE, GrowthAnalysis
from cygd.components.formula.conjugate_sums import (
    lower_arcsinh,
    lower_root_minus,
    lower_root_ratio,
    lower_root_sum,
)
from cygd.components.formula.exponential_sums import lower_log_sum_exp
from cygd.components.formula.graph import Graph
from cygd.components.formula.nodes import Factor, Node, Term, is_scaled, too_large
from cygd.components.formula.protocols import Value
from cygd.components.formula.use_counts import UseCounts, is_second_logistic_result, reflected_sigmoid

Instruction = tuple[str, tuple[Value, ...], tuple[Value, ...]]  # operation, results, operands

MAX_INSTRUCTIONS = 2000
_MAX_INTEGER_POWER = 1 << 20  # the largest exponent computed by repeated squaring


class Lowering:
    """The instructions that compute some nodes."""

    def __init__(self, graph: Graph, inputs: Sequence[Node], uniforms: Sequence[Node]) -> None:
        self.graph = graph
        self.constants: list[float] = []  # in the order of their scalars
        self.prologue: list[Instruction] = []  # over scalars
        self.body: list[Instruction] = []  # over blocks
        self._values: dict[Node, Value] = {}
        self._constant_values: dict[float, Value] = {}
        self._emitted: dict[tuple[object, ...], Value] = {}
        self._n_blocks = 0
        self._growth = GrowthAnalysis()
        for node in inputs:
            self._values[node] = self._new_block()
        for index, node in enumerate(uniforms):
            self._values[node] = ("uniform", index)

    def lower(self, roots: Iterable[Node], companions: Iterable[Node] = ()) -> list[Value]:
        """Return the values of nodes, with the bits of a program that computes the companions too."""
        roots = list(roots)
        self._needed = UseCounts(self.graph, roots).nodes
        counts = UseCounts(self.graph, [*roots, *companions])
        self._reached, self._uses, self._denominator_uses = counts.nodes, counts.uses, counts.denominator_uses
        return [self.value(root) for root in roots]

    def bind(self, node: Node, other: Node) -> None:
        """Use the value of another node for a node, which is then not computed."""
        self._values[node] = self.value(other)

    # instructions ---------------------------------------------------------------------------------

    def _new_block(self) -> Value:
        self._n_blocks += 1
        return ("block", self._n_blocks - 1)

    def number(self, value: float) -> Value:
        """Return the value of a constant."""
        constant = self._constant_values.get(value)
        if constant is None:
            constant = self._constant_values[value] = ("constant", len(self.constants))
            self.constants.append(value)
        return constant

    def emit(self, op: str, *operands: Value) -> Value:
        """Return the result of an instruction, emitted to the prologue if no operand is a block."""
        key = (op, *operands)
        result = self._emitted.get(key)
        if result is None:
            if all(operand[0] != "block" for operand in operands):
                result = ("prologue", len(self.prologue))
                self.prologue.append((op, (result,), operands))
            else:
                result = self._new_block()
                self.body.append((op, (result,), operands))
                if len(self.body) > MAX_INSTRUCTIONS:
                    raise too_large(f"the formula compiles to more than {MAX_INSTRUCTIONS} instructions")
            self._emitted[key] = result
        return result

    def _emit_pair(self, op: str, *operands: Value) -> tuple[Value, Value]:
        """Return the results of an instruction that has two."""
        first, second = self._new_block(), self._new_block()
        self.body.append((op, (first, second), operands))
        return first, second

    def lower_pair(self, op: str, nodes: Sequence[Node], operands: Sequence[Value]) -> tuple[Value, Value]:
        """Return the values of two nodes, from an instruction that has two results."""
        pair = self._emit_pair(op, *operands)
        self._values.update(zip(nodes, pair, strict=True))
        return pair

    def is_pending(self, node: Node) -> bool:
        """Return True if a node is needed and has no value yet."""
        return node in self._needed and node not in self._values

    # nodes ----------------------------------------------------------------------------------------

    def value(self, node: Node) -> Value:
        """Return the value of a node, lowered once."""
        value = self._values.get(node)
        if value is None:
            value = self._values[node] = self._lower(node)
        return value

    def _lower(self, node: Node) -> Value:
        if node.op == "number":
            return self.number(node.data[0])
        if node.op == "sum":
            return self._sum(node)
        if node.op == "product":
            return self._product(node.data[0])
        if node.op == "where":
            return self.emit(f"where_{node.data[0]}", *[self.value(operand) for operand in node.operands])
        if node.op in _EXPANSIONS:
            return _EXPANSIONS[node.op](self, node)
        return self.emit(node.op, *[self.value(operand) for operand in node.operands])

    # sums -----------------------------------------------------------------------------------------

    def _sum(self, node: Node) -> Value:
        constant, terms = node.data
        if is_scaled(node):
            return self._scaled(*terms[0])
        base = _polynomial_base(terms)
        if base is not None:
            return self._horner(base, constant, terms)
        # a term with coefficient 1 comes first, so that no instruction is needed to negate or scale one
        terms = sorted(terms, key=lambda term: term[0] != 1.0) if constant == 0.0 else terms
        result = self.number(constant) if constant != 0.0 else None
        for k, term in terms:
            result = self._scaled(k, term) if result is None else self._accumulate(result, k, term)
        assert result is not None
        return result

    def _scaled(self, k: float, term: Node) -> Value:
        """Return k term."""
        if abs(k) < 1.0 and term.op == "product" and self._is_mergeable(term):
            pair = self._as_two_factors(term.data[0])
            if pair is not None:  # a (b k), because (a b) k overflows for the largest numbers
                return self.emit("mul", pair[0], self.emit("mul", pair[1], self.number(k)))
        scaled = self._scale_polynomial(k, term)
        if scaled is not None:
            return self.value(scaled)
        value = self.value(term)
        if k == 1.0:
            return value
        return self.emit("neg", value) if k == -1.0 else self.emit("mul", value, self.number(k))

    def _scale_polynomial(self, k: float, node: Node) -> Node | None:
        """Return k times a node, with k multiplied into the coefficients of a polynomial in it, or None."""
        if k in (1.0, -1.0) or not self._is_mergeable(node):
            return None
        if node.op == "sum" and _polynomial_base(node.data[1]) is not None:
            constant, terms = node.data
            return self.graph.intern("sum", k * constant, tuple([(k * c, term) for c, term in terms]))
        for position, (factor, n) in enumerate(node.data[0] if node.op == "product" else ()):
            scaled = self._scale_polynomial(k, factor) if n == 1.0 else None
            if scaled is not None:
                factors = node.data[0]
                return self.graph.intern(
                    "product", (*factors[:position], (scaled, n), *factors[position + 1 :])
                )
        return None

    def _is_mergeable(self, node: Node) -> bool:
        """Return True if a node has one use and no value yet, so that it may merge with what uses it."""
        return self._uses.get(node, 0) < 2 and node not in self._values

    def _accumulate(self, sum_: Value, k: float, term: Node) -> Value:
        """Return sum + k term, with a product as the factors of a fused multiply-add."""
        if term.op == "product" and k in (1.0, -1.0) and self._is_mergeable(term):
            pair = self._as_two_factors(term.data[0])
            if pair is not None:
                return self.emit("fma" if k > 0 else "fnma", *pair, sum_)
        scaled = self._scale_polynomial(k, term)
        if scaled is not None:
            return self._accumulate(sum_, 1.0, scaled)
        value = self.value(term)
        if k == 1.0:
            return self.emit("add", value, sum_)
        if k == -1.0:
            return self.emit("sub", sum_, value)
        return self.emit("fma", value, self.number(k), sum_)

    def _as_two_factors(self, factors: Sequence[Factor]) -> tuple[Value, Value] | None:
        """Return two values whose product this is, or None for a quotient or a power other than x^2."""
        for position, (factor, n) in enumerate(factors):
            if n == 1.0 and len(factors) > 1:
                rest = (*factors[:position], *factors[position + 1 :])
                is_clamped = self._growth.clamped(factors) <= self._growth.clamped(rest)
                if is_clamped and not self._needs_division(rest):
                    other = rest[0][0] if len(rest) == 1 and rest[0][1] == 1.0 else None
                    return self.value(factor), self.value(other) if other else self._product(rest)
        if len(factors) == 1 and factors[0][1] == 2.0:
            value = self.value(factors[0][0])
            return value, value
        return None

    def _horner(self, base: Node, constant: float, terms: Sequence[Term]) -> Value:
        """Evaluate c0 + c1 x + c2 x^2 + ... from the highest power down; a gap is one step too."""
        coefficients = {0: constant} if constant != 0.0 else {}
        for k, term in terms:
            coefficients[1 if term is base else int(term.data[0][0][1])] = k
        x = self.value(base)
        exponents = sorted(coefficients, reverse=True)
        result: Value | None = None
        for exponent, next_exponent in zip(exponents, [*exponents[1:], 0], strict=True):
            if exponent == 0:
                break
            n = exponent - next_exponent
            c = self.number(coefficients[next_exponent]) if next_exponent in coefficients else None
            if result is None:
                result = self._leading_step(x, coefficients[exponent], n, c)
            else:
                x_n = self._integer_power(x, n)
                result = self.emit("mul", result, x_n) if c is None else self.emit("fma", result, x_n, c)
        assert result is not None
        return result

    def _leading_step(self, x: Value, k: float, n: int, c: Value | None) -> Value:
        """Return k x^n + c, the first step of Horner's scheme."""
        if n == 2 and c is not None and k in (1.0, -1.0):
            return self.emit("fma" if k > 0 else "fnma", x, x, c)
        x_n = self._integer_power(x, n)
        if k not in (1.0, -1.0):
            coefficient = self.number(k)
            return self.emit("mul", coefficient, x_n) if c is None else self.emit("fma", coefficient, x_n, c)
        if c is None:
            return x_n if k > 0 else self.emit("neg", x_n)
        return self.emit("add", x_n, c) if k > 0 else self.emit("sub", c, x_n)

    # products -------------------------------------------------------------------------------------

    def _needs_division(self, factors: Iterable[Factor]) -> bool:
        """Return True if a factor is a denominator that no other product shares."""
        return any(n < 0 and self._denominator_uses.get(factor, 0) < 2 for factor, n in factors)

    def _product(self, factors: Sequence[Factor]) -> Value:
        """Return a product; reciprocals come first, so that an infinite denominator gives 0, not nan."""
        result: Value | None = None
        denominator: Value | None = None
        for factor, n in factors:
            if n >= 0:
                continue
            if self._denominator_uses.get(factor, 0) < 2:
                value = self._power(factor, -n)
                denominator = value if denominator is None else self.emit("mul", denominator, value)
            else:
                value = self._inverse_power(factor, -n)
                result = value if result is None else self.emit("mul", result, value)
        degrees = self._growth.overflow_degrees(factors)
        for factor, n in sorted(factors, key=lambda pair: degrees.get(pair[0], 0.0)) if degrees else factors:
            if n > 0:
                value = self._power(factor, n)
                if degrees.get(factor, 0.0) >= CLAMPED_DEGREE:
                    value = self.emit("finite", value)
                result = value if result is None else self.emit("mul", result, value)
        if denominator is None:
            assert result is not None
            return result
        return self.emit("inverse", denominator) if result is None else self.emit("div", result, denominator)

    def _inverse_power(self, factor: Node, n: float) -> Value:
        """Return x^-n from a reciprocal that other products can share."""
        if n % 1 == 0:
            return self._integer_power(self.emit("inverse", self.value(factor)), int(n))
        if n % 0.5 == 0:  # x^-(k + 1/2) from 1 / sqrt(x)
            root = self.emit("inverse", self.emit("sqrt", self.value(factor)))
            return self._integer_power(root, int(2 * n))
        return self._power(factor, -n)

    def _power(self, factor: Node, n: float) -> Value:
        """Return x^n, n > 0: by multiplication, by a square root, or as e^(n log x)."""
        x = self.value(factor)
        if n == 1.0:
            return x
        if n % 1 == 0 and 0 < n <= _MAX_INTEGER_POWER:
            return self._integer_power(x, int(n))
        if n % 1 == 0:
            # too large for repeated squaring to keep a digit: compute |x|^n and the sign
            abs_x_n = self.emit(
                "exp", self.emit("mul", self.emit("log", self.emit("abs", x)), self.number(n))
            )
            return abs_x_n if n % 2 == 0 else self.emit("mul", abs_x_n, self.emit("sign", x))
        if n % 0.5 == 0 and 0 < n <= _MAX_INTEGER_POWER:
            root = self.emit("sqrt", x)
            return root if n == 0.5 else self.emit("mul", self._integer_power(x, int(n)), root)
        return self.emit("exp", self.emit("mul", self.emit("log", x), self.number(n)))

    def _integer_power(self, x: Value, n: int) -> Value:
        """Return x^n by repeated squaring, n >= 1."""
        if n == 1:
            return x
        half = self._integer_power(x, n // 2)
        square = self.emit("mul", half, half)
        return square if n % 2 == 0 else self.emit("mul", square, x)

    # functions of more than one instruction -------------------------------------------------------

    def _sigmoid(self, node: Node) -> Value:
        """Return sigmoid(g), from the same instruction as sigmoid(-g) if that is needed too."""
        reflected = reflected_sigmoid(self.graph, node)
        if reflected not in self._needed or reflected in self._values:
            return self.emit("sigmoid", self.value(node.data[0]))
        first, second = (
            (reflected, node)
            if is_second_logistic_result(self.graph, node, self._needed)
            else (node, reflected)
        )
        argument = self.value(first.data[0])
        if argument[0] != "block":
            return self.emit("sigmoid", self.value(node.data[0]))
        self._values[first], self._values[second] = self._emit_pair("logistic", argument)
        return self._values[node]

    def _exp(self, node: Node) -> Value:
        """Return e^g as expm1(g) + 1 if expm1(g) is computed anyway."""
        expm1 = self.graph.intern("expm1", node.data[0])
        if expm1 in self._reached:
            return self.emit("add", self.value(expm1), self.number(1.0))
        return self.emit("exp", self.value(node.data[0]))

    def _tanh_log1p(self, node: Node) -> Value:
        """Return T = tanh(log(1 + v)), from the same instruction as T' if that is needed too."""
        graph, v = self.graph, node.data[0]
        derivative, argument = graph.intern("tanh_log1p_derivative", v), self.value(v)
        if argument[0] == "block":
            if derivative not in self._needed:
                return self.emit("tanh_log1p", argument)
            self._values[node], self._values[derivative] = self._emit_pair(
                "tanh_log1p_value_and_derivative", argument
            )
            return self._values[node]
        # T = n / (n + 2) for small v, 1 - 2 / (n + 2) for large, n = v (v + 2)
        n = self.value(graph.multiply(v, graph.add_constant(2.0, v)))
        return self._tanh_quotient(argument, n, self.emit("add", n, self.number(2.0)))

    def _tanh_log1p_derivative(self, node: Node) -> Value:
        """Return T' for T = tanh(log(1 + v))."""
        graph, v = self.graph, node.data[0]
        value, argument = graph.intern("tanh_log1p", v), self.value(v)
        if argument[0] == "block":
            if value not in self._needed:
                return self.emit("tanh_log1p_derivative", argument)
            self.value(value)
            return self._values[node]
        # T' = 4 (1 + v) / (v (v + 2) + 2)^2
        denominator = graph.add_constant(2.0, graph.multiply(v, graph.add_constant(2.0, v)))
        one_plus_v = graph.add_constant(1.0, v)
        return self.value(graph.product(((graph.number(4.0), 1.0), (one_plus_v, 1.0), (denominator, -2.0))))

    def _tanh_log(self, node: Node) -> Value:
        # T = (u - 1) (u + 1) / (u^2 + 1) for small u, 1 - 2 / (u^2 + 1) for large
        graph, u = self.graph, node.data[0]
        x = self.value(u)
        n = self.emit("mul", self.value(graph.add_constant(-1.0, u)), self.value(graph.add_constant(1.0, u)))
        denominator = self.value(graph.add_constant(1.0, graph.product(((u, 2.0),))))
        return self._tanh_quotient(self.emit("sub", x, self.number(1.0)), n, denominator)

    def _tanh_quotient(self, v: Value, n: Value, denominator: Value) -> Value:
        """Return n / denominator where v < 1, else 1 - 2 / denominator: both may be infinite there."""
        inverse = self.emit("inverse", denominator)
        one, two = self.number(1.0), self.number(2.0)
        return self.emit(
            "where_lt", v, one, self.emit("mul", n, inverse), self.emit("fnma", inverse, two, one)
        )

    def _log_cosh(self, node: Node) -> Value:
        # with a = |g| and u = e^a - 1: log(cosh a) = log1p(u^2 / (2 (u + 1))), and a - log(2) for large a
        a = self.emit("abs", self.value(node.data[0]))
        limit = self.number(20.0)
        u = self.emit("expm1", self.emit("minimum", a, limit))
        half = self.emit("mul", u, self.number(0.5))
        small = self.emit("mul", half, self.emit("div", u, self.emit("add", u, self.number(1.0))))
        large = self.emit("sub", a, self.number(0.6931471805599453))
        return self.emit("where_lt", limit, a, large, self.emit("log1p", small))


_EXPANSIONS: dict[str, Callable[[Lowering, Node], Value]] = {
    "sigmoid": Lowering._sigmoid,
    "exp": Lowering._exp,
    "exp_atom": lambda self, node: self.emit("exp", self.value(node.data[0])),
    "expm1_atom": lambda self, node: self.emit("expm1", self.value(node.data[0])),
    "exp_finite": lambda self, node: self.emit("finite", self.emit("exp", self.value(node.data[0]))),
    "tanh_log1p": Lowering._tanh_log1p,
    "tanh_log1p_derivative": Lowering._tanh_log1p_derivative,
    "tanh_log": Lowering._tanh_log,
    "log_cosh": Lowering._log_cosh,
    "log_sum_exp": lower_log_sum_exp,
    "arcsinh": lower_arcsinh,
    "root_minus": lower_root_minus,
    "root_sum": lower_root_sum,
    "root_ratio": lower_root_ratio,
}


def _polynomial_base(terms: Sequence[Term]) -> Node | None:
    """Return x if all terms are positive integer powers of x, at least one of them above the first."""
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
