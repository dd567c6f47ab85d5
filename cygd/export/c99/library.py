"""Elementary functions and activations as C text: the operations of the kernels, one number at a time.

The files `*.c.txt` hold one text for both dtypes, function by function with an empty line between them. Where
the dtypes differ it says `@{float | double}`, and a number with a point or an exponent is one of the dtype,
or with a D before it always a double. A source file gets the functions that it uses, and those that they use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

import numpy as np

from cygd.export.c99.literals import real_literal

FILES = ("elementary", "error_function", "trigonometric", "activations", "operations", "network")
NUMBER = re.compile(r"(?<![\w.])(D?)(\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+)(?![\w.])")
NAMES = (r"^static [\w *]*?(\w+)\(", r"^\} (\w+);", r"^static const \w+ (\w+)\[")
WORD = re.compile(r"[A-Za-z_]\w*")


@cache
def functions(dtype: str) -> dict[str, str]:
    """Return the text of each function and type of the library by its name, in the order of definition."""
    found: dict[str, str] = {}
    for file in FILES:
        text = resources.files("cygd.export.c99").joinpath(f"{file}.c.txt").read_text(encoding="utf-8")
        for part in text.strip().split("\n\n"):
            names = (re.search(pattern, part, re.MULTILINE) for pattern in NAMES)
            name = next(match[1] for match in names if match)
            found[name] = specialize(part, dtype)
    return found


def specialize(text: str, dtype: str) -> str:
    """Return a text of the library for one dtype.

    Examples
    --------
    >>> specialize("x * @{0.1 | 0.25} + D0.1", "float32")
    'x * 0.1f + 0.1'
    """
    parts = []
    while "@{" in text:
        before, _, rest = text.partition("@{")
        single, double, text = split_choice(rest)
        parts += [before, single if dtype == "float32" else double]
    chosen = "".join([*parts, text])

    def number(match: re.Match[str]) -> str:
        return match[2] if match[1] else real_literal(np.dtype(dtype).type(float(match[2])))

    return NUMBER.sub(number, chosen)


def split_choice(text: str) -> tuple[str, str, str]:
    """Return the two alternatives at the beginning of a text, and what follows them."""
    depth, bar = 0, -1
    for at, character in enumerate(text):
        if character == "|" and depth == 0 and bar < 0:
            bar = at
        elif character == "}" and depth == 0:
            return text[:bar].strip(), text[bar + 1 : at].strip(), text[at + 1 :]
        depth += {"{": 1, "}": -1}.get(character, 0)
    raise ValueError(f"no end of the choice {text[:40]!r}")


def needed(names: Iterable[str], dtype: str) -> list[str]:
    """Return the texts of some functions and of all that they use, in the order of definition."""
    known = functions(dtype)
    wanted, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name in known and name not in wanted:
            wanted.add(name)
            waiting += WORD.findall(known[name])
    return [text for name, text in known.items() if name in wanted]
