"""Formulas: any text is compiled, and then evaluated on floats of both types, or refused with a FormulaError.

An input is UTF-8 text.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from cygd.components.formula import FUNCTIONS, compile_activation, compile_loss
from cygd.components.formula.compiler import _compile_activation, _compile_loss
from cygd.components.from_formula import component_from_formula
from cygd.errors import FormulaError
from cygd.network import Network
from tools.fuzz.mutations import mutate_bytes

TOKENS = [*FUNCTIONS, "h", "y", "y_hat", "beta", "pi", "e", "0", "1", "2", "0.5", "1e300", "1e-300", "9"]
TOKENS += [*"()+-*/,<>", "**", "==", "<=", " and ", " or ", "not ", " if ", " else ", "lambda ", "(h", "h)"]
CORPUS = [
    "h * sigmoid(h)",
    "log(1 + exp(h))",
    "h if h > 0 else 0.01 * h",
    "max(0, min(1, (h + 1) / 2))",
    "(sqrt(h**2 + 1) - 1) / 2 + h",
    "beta * tanh(h / beta) + 2 ** -abs(h)",
    "(y_hat - y) ** 2",
    "-y * log(y_hat) - (1 - y) * log(1 - y_hat)",
    "h ** 3 if -1 <= h < 1 and not h == 0 else sin(pi * h) - e",
]
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, -1e30, 3e38, -3e38, np.inf, -np.inf, np.nan]


def seeds() -> list[bytes]:
    """Return formulas."""
    return [formula.encode() for formula in CORPUS]


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Return a formula changed in its bytes, with tokens exchanged, or drawn from tokens alone."""
    kind = draw.randrange(4)
    if kind == 0:
        return mutate_bytes(data, draw, [formula.encode() for formula in CORPUS])
    if kind == 1:
        return "".join(draw.choices(TOKENS, k=draw.randint(1, 40))).encode()
    if kind == 2:  # nested as a parser dislikes it
        depth = draw.choice((10, 100, 1000))
        opening = draw.choice(["(", "-", "abs(", "not ", "h**"])
        return (opening * depth + data.decode() + ")" * (depth if "(" in opening else 0)).encode()
    text = data.decode()
    at = draw.randint(0, len(text))
    return (text[:at] + draw.choice(TOKENS) + text[at + draw.randint(0, 2) :]).encode()


def check(data: bytes, folder: Path) -> bool:
    """Compile a text as an activation and as a loss, and evaluate what compiles."""
    text = data.decode("utf-8", errors="replace")
    _compile_activation.cache_clear()
    _compile_loss.cache_clear()
    options = {"beta": 0.5} if "beta" in text else {}
    accepted = False
    try:
        compile_activation(text)
        activation = component_from_formula("activation", {"formula": text, **options})
    except FormulaError:
        pass
    else:
        accepted = True
        for dtype in ("float32", "float64"):
            net = Network(1, [(2, activation), (1, "identity")], dtype=dtype, seed=0)
            net.predict(np.array(EDGES, dtype)[:, None])
    try:
        compile_loss(text, options)
    except FormulaError:
        if not accepted:
            raise
    return True
