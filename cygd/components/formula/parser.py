"""Parse the text of a formula to a graph: Python's parser with a whitelist of syntax.

Three stages: reject tokens that Python would warn about, parse the text to Python's AST, and convert the AST
to nodes. Numbers, known names, arithmetic and function calls become nodes; everything else is an error that
points into the text. Python evaluates nothing.

The grammar is Python's because users know its operators and precedence, and `ast.parse` locates errors.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from keyword import iskeyword

from cygd.components.formula.graph import Graph
from cygd.components.formula.nodes import USE_PLUGIN, Node, float_power, too_large
from cygd.errors import FormulaError, did_you_mean

MAX_LENGTH = 4000  # characters
MAX_DEPTH = 100  # levels of nested operations; a sum or a product of any length is one level
MAX_EXPONENT = 1e9

# a name, or a number with the letter after it: Python only warns about 1if
_TOKEN = re.compile(r"[^\W0-9]\w*|(?>[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?>(?:[eE][+-]?[0-9]+)?)(\w)?")

FUNCTIONS = {  # name -> number of arguments
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "sqrt", "abs", "sign"), 1),
    **dict.fromkeys(("sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan"), 1),
    **dict.fromkeys(("sigmoid", "softplus", "relu", "erf", "erfc"), 1),
    **dict.fromkeys(("minimum", "maximum"), 2),
    **dict.fromkeys(("clip", "where"), 3),
}
CONSTANTS = {"pi": math.pi, "e": math.e}

_SYNONYMS = {  # a common name elsewhere -> the name here
    "max": "maximum",
    "min": "minimum",
    "ln": "log",
    "atan": "arctan",
    "tg": "tan",
    "fabs": "abs",
    "sgn": "sign",
    "logistic": "sigmoid",
    "expit": "sigmoid",
    "softp": "softplus",
    "if": "where",
    "x": "h",
    "z": "h",
    "yhat": "y_hat",
    "y_pred": "y_hat",
    "y_true": "y",
    "lr": "learning_rate",
    "grad": "g",
}
_REPLACEMENTS = {  # an unknown name -> how to write it here
    "pow": "write a power as h**2",
    "power": "write a power as h**2",
    "square": "write a square as h**2",
    "exp2": "write a power as 2**h",
    "log2": "write log(h) / log(2)",
    "log10": "write log(h) / log(10)",
    "nan": "nan is not a number; use where(condition, x, y) to replace undefined values",
    "inf": "numbers must be finite; use minimum and maximum to set limits",
    "infinity": "numbers must be finite; use minimum and maximum to set limits",
}
_COMPARISONS = {ast.Lt: "lt", ast.Gt: "lt", ast.LtE: "le", ast.GtE: "le", ast.Eq: "eq"}
_OPERATORS = ("and", "or", "not", "if", "else", "in", "is")  # keywords that may be part of an expression
_EXPONENT_LIMIT = f"expected an exponent of magnitude at most {MAX_EXPONENT:g}"


class _Parser:
    """The parser of one text."""

    def __init__(self, graph: Graph, text: str, names: Mapping[str, Node]) -> None:
        self.graph = graph
        self.text = "".join(" " if c.isspace() else c for c in text).strip()  # YAML may break lines
        self.names = names
        self.used: set[str] = set()

    def error(self, message: str, node: ast.AST | None = None, hint: str | None = None) -> FormulaError:
        """Return an error that points to the text of a node of the AST, or to all of it."""
        start, stop = 0, len(self.text)
        if node is not None:
            data = self.text.encode(errors="replace")  # the parser counts bytes
            start = len(data[: node.col_offset].decode(errors="ignore"))  # type: ignore[attr-defined]
            stop = len(data[: node.end_col_offset].decode(errors="ignore"))  # type: ignore[attr-defined]
        return error_at(self.text, start, stop, message, hint)

    def too_deep(self, node: ast.AST | None = None) -> FormulaError:
        """Return the error for too many levels of nested operations."""
        return self.error(f"the formula is nested more than {MAX_DEPTH} levels deep", node, USE_PLUGIN)

    def parse(self) -> Node:
        """Return the node of the text."""
        if not self.text:
            raise FormulaError("the formula is empty")
        if len(self.text) > MAX_LENGTH:
            raise too_large(f"expected a formula of at most {MAX_LENGTH} characters, got {len(self.text)}")
        if "#" in self.text:
            raise error_at(self.text, self.text.index("#"), len(self.text), "comments are not supported")
        self.check_tokens()
        try:
            tree = ast.parse(self.text, mode="eval")
        except SyntaxError as error:
            raise self.syntax_error(error) from None
        except (RecursionError, MemoryError):
            raise self.too_deep() from None
        except ValueError:
            raise self.error("the formula has an invalid character") from None
        return self.node(tree.body, 0)

    def check_tokens(self) -> None:
        """Reject what Python would warn about: invalid escapes in strings, and a number next to a name."""
        for quote in "'\"\\":
            if quote in self.text:
                at = self.text.index(quote)
                raise error_at(self.text, at, at + 1, "quotes and backslashes are not supported")
        for token in _TOKEN.finditer(self.text):
            if token[1] and token[1] not in "jJ":
                message = "missing operator between a number and a name"
                raise error_at(self.text, *token.span(), message, "write a product as 2 * h")
            if token[1] and self.text[token.end() :][:1].isidentifier():
                raise error_at(self.text, *token.span(), f"expected a real number, got {token[0]}")

    def syntax_error(self, error: SyntaxError) -> FormulaError:
        """Return the error that says where Python's parser stopped, and why."""
        # the offset is 0 or missing if the text ends too early
        at = min(error.offset - 1 if error.offset else len(self.text), len(self.text) - 1)
        reason = (error.msg or "").split(". ")[0].removeprefix("invalid syntax").strip(" .:")
        if "nested" in reason or "complex" in reason:
            return self.too_deep()
        for token in _TOKEN.finditer(self.text):
            if iskeyword(token[0]) and token[0] not in _OPERATORS:
                message = f"{token[0]!r}: a Python keyword cannot be a name"
                return error_at(self.text, *token.span(), message, f"rename it to {token[0]}_")
        hint = None
        if "=" in self.text.replace("==", "").replace("<=", "").replace(">=", "").replace("!=", ""):
            hint = "write only the right-hand side of the ="
        message = "invalid syntax" + (f": {reason}" if reason else "")
        return error_at(self.text, at, at + 1, message, hint)

    def node(self, tree: ast.AST, depth: int) -> Node:
        """Return the node of a node of the AST."""
        if depth > MAX_DEPTH:
            raise self.too_deep(tree)
        if isinstance(tree, ast.Constant):
            return self.constant(tree)
        if isinstance(tree, ast.Name):
            return self.name(tree)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub | ast.UAdd):
            operand = self.node(tree.operand, depth + 1)
            return self.graph.scale(-1.0, operand) if isinstance(tree.op, ast.USub) else operand
        if isinstance(tree, ast.BinOp):
            return self.binary(tree, depth)
        if isinstance(tree, ast.Call):
            return self.call(tree, depth)
        raise self.unsupported(tree)

    def constant(self, tree: ast.Constant) -> Node:
        """Return the node of a number."""
        value = tree.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"expected a real number, got {ast.unparse(tree)}", tree)
        try:
            return self.graph.number(float(value))
        except OverflowError:
            return self.graph.number(math.inf)

    def name(self, tree: ast.Name) -> Node:
        """Return the node of a variable, a parameter or a constant."""
        node = self.names.get(tree.id)
        if node is not None:
            self.used.add(tree.id)
            return node
        if tree.id in CONSTANTS:
            return self.graph.number(CONSTANTS[tree.id])
        if tree.id in FUNCTIONS:
            raise self.error(f"expected arguments in parentheses after the function {tree.id!r}", tree)
        raise self.unknown(tree, [*self.names, *CONSTANTS, *FUNCTIONS], "name")

    def unknown(self, tree: ast.Name, known: list[str], what: str) -> FormulaError:
        """Return the error for an unknown name or function, with the closest match as the hint."""
        synonym = _SYNONYMS.get(tree.id)
        hint = f"did you mean {synonym!r}?" if synonym in known else _REPLACEMENTS.get(tree.id.lower())
        hint = hint or did_you_mean(tree.id, known)
        if hint is None and what == "name":
            variables = ", ".join(name for name in known if name not in FUNCTIONS and name not in CONSTANTS)
            hint = f"the names are {variables}; if it is a parameter, give its value: {tree.id}: 1.0"
        elif hint is None:
            hint = f"the functions are {', '.join(FUNCTIONS)}"
        return self.error(f"unknown {what} {tree.id!r}", tree, hint)

    def binary(self, tree: ast.BinOp, depth: int) -> Node:
        """Return a sum, a product, a quotient or a power."""
        if isinstance(tree.op, ast.Add | ast.Sub):
            return self.check_numbers(self.graph.sum(0.0, self.chain(tree, depth)), tree)
        if isinstance(tree.op, ast.Mult | ast.Div):
            factors = []
            for n, factor in self.chain(tree, depth):
                if n < 0 and factor.op == "number" and math.isinf(float_power(factor.value, -1.0)):
                    raise self.error("division by zero", tree)  # or by a subnormal number
                factors.append((factor, n))
            return self.check_numbers(self.graph.product(factors), tree)
        if isinstance(tree.op, ast.Pow):
            base, exponent = self.node(tree.left, depth + 1), self.node(tree.right, depth + 1)
            return self.power(tree, base, exponent)
        if isinstance(tree.op, ast.BitXor):
            raise self.error("'^' is not the power operator", tree, "write h**2")
        raise self.unsupported(tree)

    def chain(self, tree: ast.BinOp, depth: int) -> list[tuple[float, Node]]:
        """Return the terms of a + b - c ... with coefficients 1 and -1, or the factors of a * b / c ..."""
        pair = (ast.Add, ast.Sub) if isinstance(tree.op, ast.Add | ast.Sub) else (ast.Mult, ast.Div)
        members: list[tuple[float, ast.expr]] = []
        left: ast.expr = tree
        while isinstance(left, ast.BinOp) and isinstance(left.op, pair):
            members.append((-1.0 if isinstance(left.op, ast.Sub | ast.Div) else 1.0, left.right))
            left = left.left
        members.append((1.0, left))
        return [(sign, self.node(member, depth + 1)) for sign, member in reversed(members)]

    def power(self, tree: ast.BinOp, base: Node, exponent: Node) -> Node:
        """Return a power, or raise an error for one that is not a real number."""
        if base.op == "number" and exponent.op == "number":
            if base.value == 0 and exponent.value < 0:
                raise self.error("division by zero: 0 to a negative power", tree)
            if base.value < 0 and exponent.value != math.floor(exponent.value):
                raise self.error("a negative number to a fractional power is not a real number", tree)
        elif exponent.op == "number" and not math.isfinite(exponent.value):
            raise self.error(f"expected a finite exponent, got {exponent.value}", tree.right)
        elif base.op == "number" and base.value <= 0:
            raise self.error(
                f"expected a positive base for an exponent that varies, got {base.value:g}", tree
            )
        elif exponent.op == "number" and abs(exponent.value) > MAX_EXPONENT:
            raise self.error(f"{_EXPONENT_LIMIT}, got {exponent.value:g}", tree)
        return self.check_numbers(self.graph.power(base, exponent), tree)

    def check_numbers(self, node: Node, tree: ast.AST) -> Node:
        """Return a node, or raise an error for nan, as in inf - inf, and for too large an exponent."""
        numbers: list[float] = []
        if node.op == "number":
            numbers = [node.value]
        elif node.op == "sum":
            numbers = [node.data[0], *[k for k, _ in node.data[1]]]
        elif node.op == "product":
            largest = max([n for _, n in node.data[0]], key=abs)
            if abs(largest) > MAX_EXPONENT:
                raise self.error(f"{_EXPONENT_LIMIT}, got {largest:g}", tree)
        if any(number != number for number in numbers):
            raise self.error("the result is not a number (nan)", tree)
        return node

    def call(self, tree: ast.Call, depth: int) -> Node:
        """Return a function call."""
        function = tree.func
        if not isinstance(function, ast.Name):
            raise self.unsupported(function)
        name = function.id
        if name not in FUNCTIONS:
            if name in self.names or name in CONSTANTS:
                raise self.error(f"{name!r} is not a function", tree, f"write a product as {name} * (...)")
            raise self.unknown(function, list(FUNCTIONS), "function")
        if tree.keywords or any(isinstance(argument, ast.Starred) for argument in tree.args):
            raise self.error(f"{name} takes positional arguments only", tree)
        if len(tree.args) != FUNCTIONS[name]:
            n_arguments = f"{FUNCTIONS[name]} argument{'' if FUNCTIONS[name] == 1 else 's'}"
            raise self.error(f"{name} expected {n_arguments}, got {len(tree.args)}", tree)
        if name == "where":
            condition, *rest = tree.args
            x, y = (self.node(argument, depth + 1) for argument in rest)
            return self.where(condition, x, y, depth + 1)
        arguments = [self.node(argument, depth + 1) for argument in tree.args]
        if name == "relu":
            return self.graph.call("maximum", arguments[0], self.graph.zero)
        if name == "clip":
            x, low, high = arguments
            if low.op == high.op == "number" and low.value > high.value:
                raise self.error(
                    f"clip expected low <= high, got low = {low.value:g} and high = {high.value:g}", tree
                )
            return self.graph.call("minimum", self.graph.call("maximum", x, low), high)
        if name == "log" and arguments[0] is self.graph.zero:
            raise self.error("log(0) is -inf", tree)
        return self.check_numbers(self.graph.call(name, *arguments), tree)

    def where(self, condition: ast.AST, x: Node, y: Node, depth: int) -> Node:
        """Return x where a condition holds, else y: and, or, not and chains become nested comparisons."""
        if depth > MAX_DEPTH:
            raise self.too_deep(condition)
        parts = getattr(condition, "values", None) or getattr(condition, "comparators", [])
        if len(parts) > MAX_DEPTH:  # each is nested in the one before
            raise self.error(f"expected at most {MAX_DEPTH} comparisons, got {len(parts)}", condition)
        if isinstance(condition, ast.BoolOp):
            for part in reversed(condition.values):
                if isinstance(condition.op, ast.And):
                    x = self.where(part, x, y, depth + 1)
                else:
                    y = self.where(part, x, y, depth + 1)
            return x if isinstance(condition.op, ast.And) else y
        if isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not):
            return self.where(condition.operand, y, x, depth + 1)
        if not isinstance(condition, ast.Compare):
            raise self.error(
                "expected a comparison as the first argument", condition, "such as where(h > 0, h, 0.01 * h)"
            )
        sides = [self.node(side, depth + 1) for side in (condition.left, *condition.comparators)]
        for op, a, b in reversed(list(zip(condition.ops, sides[:-1], sides[1:], strict=True))):
            x = self.compare(condition, op, a, b, x, y)
        return x

    def compare(self, tree: ast.Compare, op: ast.cmpop, a: Node, b: Node, x: Node, y: Node) -> Node:
        """Return x where a op b holds, else y."""
        if isinstance(op, ast.NotEq):
            return self.graph.where("eq", a, b, y, x)
        if isinstance(op, ast.Gt | ast.GtE):
            a, b = b, a
        comparison = _COMPARISONS.get(type(op))
        if comparison is None:
            raise self.error("expected one of the comparisons < <= > >= == !=", tree)
        return self.graph.where(comparison, a, b, x, y)

    def unsupported(self, tree: ast.AST) -> FormulaError:
        """Return the error for syntax that is not part of the language, with what to write instead."""
        if isinstance(tree, ast.Compare | ast.BoolOp):
            return self.error(
                "a comparison is only supported in where(...)", tree, "write where(h > 0, h, 0)"
            )
        if isinstance(tree, ast.IfExp):
            return self.error("'if' is not supported", tree, "write where(h > 0, h, 0)")
        if isinstance(tree, ast.Attribute):
            known = tree.attr in FUNCTIONS or tree.attr in CONSTANTS
            return self.error("'.' is not supported", tree, f"write {tree.attr}" if known else None)
        return self.error(
            "unsupported syntax", tree, "a formula has numbers, names, + - * / **, parentheses and functions"
        )


def error_at(text: str, start: int, stop: int, message: str, hint: str | None = None) -> FormulaError:
    """Return an error whose message shows the text with carets below start ... stop."""
    flat = "".join(" " if c.isspace() or not c.isprintable() else c for c in text)
    first = max(0, min(start, len(flat)) - 30) if len(flat) > 72 else 0
    excerpt = flat[first : first + 72]
    carets = max(1, min(stop, first + len(excerpt)) - start)
    line = ("..." if first else "") + excerpt + ("..." if first + 72 < len(flat) else "")
    pointer = " " * (start - first + (3 if first else 0)) + "^" * carets
    return FormulaError(f"{message}\n  {line}\n  {pointer}", hint=hint)


def parse(graph: Graph, text: str, names: Mapping[str, Node]) -> tuple[Node, set[str]]:
    """Return the node of a formula, and the names that it uses; `names` are the known ones besides pi and e.

    Examples
    --------
    >>> graph = Graph()
    >>> parse(graph, "1 / (1 + exp(-h))", {"h": graph.variable("h")})
    (sigmoid(variable('h',),), {'h'})
    """
    parser = _Parser(graph, text, names)
    return parser.parse(), parser.used
