"""Python values as C: numbers, texts and names."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

# of C and C++, and a name that has a meaning
RESERVED = """
auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile
while asm bool catch class delete explicit export false friend mutable namespace new operator private
protected public template this throw true try typename using virtual and or not xor main
"""
KEYWORDS = frozenset(RESERVED.split())
LINE = 110  # characters


def real_literal(value: np.floating[Any] | float) -> str:
    """Return a number as a literal of its type, in the shortest decimal form that restores its bits.

    Examples
    --------
    >>> real_literal(np.float32(0.1)), real_literal(2.0), real_literal(float("-inf"))
    ('0.1f', '2.0', '-INFINITY')
    """
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = str(value) if isinstance(value, np.float32) else repr(float(value))
    if "." not in text and "e" not in text:
        text += ".0"
    return f"{text}f" if isinstance(value, np.float32) else text


def text_literal(text: str) -> str:
    r"""Return a text as a C string in ASCII; other characters are octal escapes of their UTF-8.

    Examples
    --------
    >>> text_literal('a "ü"??=')
    '"a \\"\\303\\274\\"\\?\\?="'
    """
    escapes = {0x22: '\\"', 0x5C: "\\\\", 0x3F: "\\?", 0x40: "\\100"}  # @ marks a placeholder
    characters = (
        escapes.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}")
        for byte in text.encode("utf-8", "surrogatepass")
    )
    return f'"{"".join(characters)}"'


def comment_text(text: str) -> str:
    r"""Return a text that neither begins nor ends a comment, in ASCII on one line.

    Examples
    --------
    >>> comment_text("a*/b/*\n")
    'a* /b/ * '
    """
    plain = text.encode("ascii", "backslashreplace").decode()
    plain = re.sub(r"[\x00-\x1f\x7f]", " ", plain).rstrip("\\")
    return re.sub(r"(?<=[*?/])(?=[*?/])", " ", plain)


def identifier(text: str) -> str:
    """Return a C name that resembles a text.

    Examples
    --------
    >>> identifier("my-model.v2"), identifier("2fast"), identifier("double")
    ('my_model_v2', 'model_2fast', 'model_double')
    """
    name = re.sub(r"\W", "_", text, flags=re.ASCII).strip("_") or "model"
    return f"model_{name}" if name[0].isdigit() or name.lower() in KEYWORDS else name


def number_rows(values: npt.NDArray[Any], indent: str = "    ") -> str:
    """Return the initializer of an array of numbers, in lines of limited length."""
    lines, line = [], indent
    for value in values.ravel():
        text = f"{real_literal(value)},"
        if len(line) + len(text) + 1 > LINE and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += f"{text} "
    lines.append(line.rstrip().removesuffix(","))
    return "{\n" + "\n".join(lines) + "}"
