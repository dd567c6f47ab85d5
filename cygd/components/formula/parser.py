"""From the text of a formula to its graph: Python's own parser under a list of what is allowed.

Nothing is ever evaluated by Python: numbers, names from the list and arithmetic become nodes, and
everything else is an error that points into the text.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from keyword import iskeyword

from cygd.components.formula.graph import Graph
from cygd.components.formula.nodes import Node, power_of
from cygd.errors import FormulaError, did_you_mean

__all__ = ["CONSTANTS", "FUNCTIONS", "parse"]

MAX_LENGTH = 4000  # characters
MAX_DEPTH = 100  # of nested operations; a sum or product of many is one
MAX_EXPONENT = 1e9

# names whole, and numbers, which no name may follow: Python only warns of 1if
_TOKEN = re.compile(r"[^\W0-9]\w*|(?>[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?>(?:[eE][+-]?[0-9]+)?)(\w)?")

FUNCTIONS = {  # name -> how many arguments
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "sqrt", "abs", "sign"), 1),
    **dict.fromkeys(("sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan"), 1),
    **dict.fromkeys(("sigmoid", "softplus", "relu", "erf", "erfc"), 1),
    **dict.fromkeys(("minimum", "maximum"), 2),
    **dict.fromkeys(("clip", "where"), 3),
}
CONSTANTS = {"pi": math.pi, "e": math.e}

_MEANT = {  # what else people call it
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
_WRITTEN = {  # what is there in another form
    "pow": "a power is written h**2",
    "power": "a power is written h**2",
    "square": "a square is written h**2",
    "exp2": "a power is written 2**h",
    "log2": "write log(h) / log(2)",
    "log10": "write log(h) / log(10)",
    "nan": "a formula is made of numbers; where(condition, x, y) says what stands for what is undefined",
    "inf": "a formula is made of finite numbers; minimum and maximum set limits",
    "infinity": "a formula is made of finite numbers; minimum and maximum set limits",
}
_OPERATORS = ("and", "or", "not", "if", "else", "in", "is")  # keywords that are misplaced at most
TOO_DEEP = f"it is nested more than {MAX_DEPTH} deep"
SHALLOWER = "write it as a function in a plugin"


class _Reader:
    """One text on its way to a node."""

    def __init__(self, graph: Graph, text: str, names: Mapping[str, Node]) -> None:
        self.graph = graph
        self.text = "".join(" " if c.isspace() else c for c in text).strip()  # one line, whatever YAML made
        self.names = names
        self.used: set[str] = set()

    def fault(self, message: str, node: ast.AST | None = None, hint: str | None = None) -> FormulaError:
        """Return the error that points at a part of the text."""
        start, stop = 0, len(self.text)
        if node is not None:
            data = self.text.encode(errors="replace")  # the parser counts bytes
            start = len(data[: node.col_offset].decode(errors="ignore"))  # type: ignore[attr-defined]
            stop = len(data[: node.end_col_offset].decode(errors="ignore"))  # type: ignore[attr-defined]
        return error_at(self.text, start, stop, message, hint)

    def read(self) -> Node:
        """Return the node of the whole text."""
        if not self.text:
            raise FormulaError("the formula is empty")
        if len(self.text) > MAX_LENGTH:
            raise FormulaError(
                f"a formula of {len(self.text)} characters: at most {MAX_LENGTH} are allowed",
                hint="write it as a function in a plugin",
            )
        if "#" in self.text:
            raise error_at(self.text, self.text.index("#"), len(self.text), "a formula has no comments")
        self.check_tokens()
        try:
            tree = ast.parse(self.text, mode="eval")
        except SyntaxError as error:
            raise self.misread(error) from None
        except (RecursionError, MemoryError):
            raise self.fault(TOO_DEEP, hint=SHALLOWER) from None
        except ValueError:
            raise self.fault("it holds a character that no formula has") from None
        return self.node(tree.body, 0)

    def check_tokens(self) -> None:
        """Refuse what Python would warn of: strings with odd escapes, and numbers that run into names."""
        for quote in "'\"\\":
            if quote in self.text:
                at = self.text.index(quote)
                raise error_at(self.text, at, at + 1, "a formula has no quotes and no backslashes")
        for token in _TOKEN.finditer(self.text):
            if token[1] and token[1] not in "jJ":
                message = "a number and a name stand side by side"
                raise error_at(self.text, *token.span(), message, "write the sign of a product: 2 * h")
            if token[1] and self.text[token.end() :][:1].isidentifier():
                raise error_at(self.text, *token.span(), "a formula is made of real numbers")

    def misread(self, error: SyntaxError) -> FormulaError:
        """Say where the parser gave up."""
        # no place is said of a text that ends too early
        at = min(error.offset - 1 if error.offset else len(self.text), len(self.text) - 1)
        words = (error.msg or "").split(". ")[0].removeprefix("invalid syntax").strip(" .:")
        if "nested" in words or "complex" in words:
            return self.fault(TOO_DEEP, hint=SHALLOWER)
        for token in _TOKEN.finditer(self.text):
            if iskeyword(token[0]) and token[0] not in _OPERATORS:
                message = f"{token[0]!r} is a keyword of Python, which no formula can hold"
                return error_at(self.text, *token.span(), message, f"call it {token[0]}_")
        hint = None
        if "=" in self.text.replace("==", "").replace("<=", "").replace(">=", "").replace("!=", ""):
            hint = "a formula is only what stands to the right of the ="
        message = "it cannot be read here" + (f": {words}" if words else "")
        return error_at(self.text, at, at + 1, message, hint)

    def node(self, tree: ast.AST, depth: int) -> Node:
        """Return the node of a part of the tree."""
        if depth > MAX_DEPTH:
            raise self.fault(TOO_DEEP, tree, SHALLOWER)
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
        raise self.refusal(tree)

    def constant(self, tree: ast.Constant) -> Node:
        value = tree.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault("a formula is made of real numbers", tree)
        try:
            return self.graph.number(float(value))
        except OverflowError:
            return self.graph.number(math.inf)

    def name(self, tree: ast.Name) -> Node:
        found = self.names.get(tree.id)
        if found is not None:
            self.used.add(tree.id)
            return found
        if tree.id in CONSTANTS:
            return self.graph.number(CONSTANTS[tree.id])
        if tree.id in FUNCTIONS:
            raise self.fault(f"the function {tree.id!r} needs its argument in parentheses", tree)
        raise self.unknown(tree, [*self.names, *CONSTANTS, *FUNCTIONS], "name")

    def unknown(self, tree: ast.Name, known: list[str], what: str) -> FormulaError:
        meant = _MEANT.get(tree.id)
        near = f"did you mean {meant!r}?" if meant in known else _WRITTEN.get(tree.id.lower())
        near = near or did_you_mean(tree.id, known)
        variables = [name for name in known if name not in FUNCTIONS and name not in CONSTANTS]
        if near is None and what == "name":
            near = f"it knows {', '.join(variables)}; a parameter's value stands beside it: {tree.id}: 1.0"
        elif near is None:
            near = f"the functions are {', '.join(FUNCTIONS)}"
        return self.fault(f"unknown {what} {tree.id!r}", tree, near)

    def binary(self, tree: ast.BinOp, depth: int) -> Node:
        """Return a chain of sums or products, or a quotient or power."""
        if isinstance(tree.op, ast.Add | ast.Sub):
            return self.checked(self.graph.total(0.0, self.chain(tree, depth)), tree)
        if isinstance(tree.op, ast.Mult | ast.Div):
            factors = []
            for n, factor in self.chain(tree, depth):
                if n < 0 and factor.op == "number" and math.isinf(power_of(factor.value, -1.0)):
                    raise self.fault("division by zero", tree)  # or by next to nothing
                factors.append((factor, n))
            return self.checked(self.graph.product(factors), tree)
        if isinstance(tree.op, ast.Pow):
            base, exponent = self.node(tree.left, depth + 1), self.node(tree.right, depth + 1)
            return self.power(tree, base, exponent)
        if isinstance(tree.op, ast.BitXor):
            raise self.fault("'^' is not a power here", tree, "write h**2")
        raise self.refusal(tree)

    def chain(self, tree: ast.BinOp, depth: int) -> list[tuple[float, Node]]:
        """Return the members of a + b - c ... with 1 or -1 each, or of a * b / c ..."""
        pair = (ast.Add, ast.Sub) if isinstance(tree.op, ast.Add | ast.Sub) else (ast.Mult, ast.Div)
        members: list[tuple[float, ast.expr]] = []
        left: ast.expr = tree
        while isinstance(left, ast.BinOp) and isinstance(left.op, pair):
            members.append((-1.0 if isinstance(left.op, ast.Sub | ast.Div) else 1.0, left.right))
            left = left.left
        members.append((1.0, left))
        return [(sign, self.node(member, depth + 1)) for sign, member in reversed(members)]

    def power(self, tree: ast.BinOp, base: Node, exponent: Node) -> Node:
        if base.op == "number" and exponent.op == "number":
            if base.value == 0 and exponent.value < 0:
                raise self.fault("division by zero: 0 to a negative power", tree)
            if base.value < 0 and exponent.value != math.floor(exponent.value):
                raise self.fault("a negative number to a fraction is not a real number", tree)
        elif exponent.op == "number" and not math.isfinite(exponent.value):
            raise self.fault(f"the exponent is {exponent.value}", tree.right)
        elif base.op == "number" and base.value <= 0:
            raise self.fault(f"{base.value:g} to a power that varies is not a real number", tree)
        elif exponent.op == "number" and abs(exponent.value) > MAX_EXPONENT:
            raise self.fault(f"the exponent is {exponent.value:g}, at most {MAX_EXPONENT:g} can be", tree)
        return self.checked(self.graph.power(base, exponent), tree)

    def checked(self, node: Node, tree: ast.AST) -> Node:
        """Return a node without the nan of inf - inf, and without powers of powers beyond all bounds."""
        numbers: list[float] = []
        if node.op == "number":
            numbers = [node.value]
        elif node.op == "sum":
            numbers = [node.data[0], *[k for k, _ in node.data[1]]]
        elif node.op == "product" and max(abs(n) for _, n in node.data[0]) > MAX_EXPONENT:
            raise self.fault(f"a power above {MAX_EXPONENT:g}", tree)
        if any(number != number for number in numbers):
            raise self.fault("this is not a number (nan)", tree)
        return node

    def call(self, tree: ast.Call, depth: int) -> Node:
        function = tree.func
        if not isinstance(function, ast.Name):
            raise self.refusal(function)
        name = function.id
        if name not in FUNCTIONS:
            if name in self.names or name in CONSTANTS:
                raise self.fault(f"{name!r} is no function", tree, f"a product is written {name} * (...)")
            raise self.unknown(function, list(FUNCTIONS), "function")
        if tree.keywords or any(isinstance(argument, ast.Starred) for argument in tree.args):
            raise self.fault(f"{name} takes plain arguments", tree)
        if len(tree.args) != FUNCTIONS[name]:
            wanted = FUNCTIONS[name]
            plural = "" if wanted == 1 else "s"
            raise self.fault(f"{name} takes {wanted} argument{plural}, found {len(tree.args)}", tree)
        if name == "where":
            condition, *rest = tree.args
            x, y = (self.node(argument, depth + 1) for argument in rest)
            return self.choose(condition, x, y, depth + 1)
        arguments = [self.node(argument, depth + 1) for argument in tree.args]
        if name == "relu":
            return self.graph.call("maximum", arguments[0], self.graph.zero)
        if name == "clip":
            x, low, high = arguments
            if low.op == high.op == "number" and low.value > high.value:
                raise self.fault(
                    f"clip between {low.value:g} and {high.value:g}: the limits are turned around", tree
                )
            return self.graph.call("minimum", self.graph.call("maximum", x, low), high)
        if name == "log" and arguments[0] is self.graph.zero:
            raise self.fault("log(0) is -inf", tree)
        return self.checked(self.graph.call(name, *arguments), tree)

    def choose(self, condition: ast.AST, x: Node, y: Node, depth: int) -> Node:
        """Return x where a condition holds, else y."""
        if depth > MAX_DEPTH:
            raise self.fault(TOO_DEEP, condition, SHALLOWER)
        many = getattr(condition, "values", None) or getattr(condition, "comparators", [])
        if len(many) > MAX_DEPTH:  # each is a choice within the one before
            raise self.fault(f"more than {MAX_DEPTH} comparisons", condition)
        if isinstance(condition, ast.BoolOp):
            for part in reversed(condition.values):
                if isinstance(condition.op, ast.And):
                    x = self.choose(part, x, y, depth + 1)
                else:
                    y = self.choose(part, x, y, depth + 1)
            return x if isinstance(condition.op, ast.And) else y
        if isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not):
            return self.choose(condition.operand, y, x, depth + 1)
        if not isinstance(condition, ast.Compare):
            raise self.fault("where needs a comparison first", condition, "such as where(h > 0, h, 0.01 * h)")
        sides = [self.node(side, depth + 1) for side in (condition.left, *condition.comparators)]
        for place in range(len(condition.ops) - 1, -1, -1):
            x = self.compare(condition, condition.ops[place], sides[place], sides[place + 1], x, y)
        return x

    def compare(self, tree: ast.Compare, op: ast.cmpop, a: Node, b: Node, x: Node, y: Node) -> Node:
        where = self.graph.where
        if isinstance(op, ast.Lt):
            return where("lt", a, b, x, y)
        if isinstance(op, ast.LtE):
            return where("le", a, b, x, y)
        if isinstance(op, ast.Gt):
            return where("lt", b, a, x, y)
        if isinstance(op, ast.GtE):
            return where("le", b, a, x, y)
        if isinstance(op, ast.Eq):
            return where("eq", a, b, x, y)
        if isinstance(op, ast.NotEq):
            return where("eq", a, b, y, x)
        raise self.fault("a comparison is one of < <= > >= == !=", tree)

    def refusal(self, tree: ast.AST) -> FormulaError:
        """Say that a part has no place in a formula, and what to write instead."""
        if isinstance(tree, ast.Compare | ast.BoolOp):
            return self.fault("a comparison stands only in where(...)", tree, "write where(h > 0, h, 0)")
        if isinstance(tree, ast.IfExp):
            return self.fault("'if' has no place in a formula", tree, "write where(h > 0, h, 0)")
        if isinstance(tree, ast.Attribute):
            known = tree.attr in FUNCTIONS or tree.attr in CONSTANTS
            return self.fault("a formula has no '.'", tree, f"write {tree.attr}" if known else None)
        return self.fault(
            "this has no place in a formula", tree, "numbers, names, + - * / ** and functions do"
        )


def error_at(text: str, start: int, stop: int, message: str, hint: str | None = None) -> FormulaError:
    """Return the error whose message shows the text with carets below start ... stop.

    Examples
    --------
    >>> print(error_at("h * sigmod(h)", 4, 10, "unknown function 'sigmod'").message)
    unknown function 'sigmod'
      h * sigmod(h)
          ^^^^^^
    """
    flat = "".join(" " if c.isspace() or not c.isprintable() else c for c in text)
    first = max(0, min(start, len(flat)) - 30) if len(flat) > 72 else 0
    shown = flat[first : first + 72]
    carets = max(1, min(stop, first + len(shown)) - start)
    line = ("..." if first else "") + shown + ("..." if first + 72 < len(flat) else "")
    pointer = " " * (start - first + (3 if first else 0)) + "^" * carets
    return FormulaError(f"{message}\n  {line}\n  {pointer}", hint=hint)


def parse(graph: Graph, text: str, names: Mapping[str, Node]) -> tuple[Node, set[str]]:
    """Return the node of a formula, and which of the names stand in it.

    Parameters
    ----------
    graph : Graph
        Where its nodes are made.
    text : str
        The formula.
    names : mapping of str to Node
        What the names in it stand for, besides pi and e.

    Raises
    ------
    FormulaError
        If it is no formula; the message points into the text.

    Examples
    --------
    >>> graph = Graph()
    >>> parse(graph, "1 / (1 + exp(-h))", {"h": graph.variable("h")})
    (sigmoid(variable('h',),), {'h'})
    """
    if not isinstance(text, str):
        raise FormulaError(f"a formula is text, found {type(text).__name__}")
    reader = _Reader(graph, text, names)
    return reader.read(), reader.used
