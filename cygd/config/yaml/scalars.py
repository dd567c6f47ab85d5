"""Read and write plain YAML scalars by the core schema of YAML 1.2.

PyYAML follows YAML 1.1, where `no` is false, `1:30` is ninety, `2024-01-01` is a date, `010` is
eight and `1e-3` is text. Here `no`, dates and `1:30` are text, `010` is ten and `1e-3` a number.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_CONSTANTS: dict[str, Scalar] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
    **{
        sign + infinity: float(sign + "inf")
        for sign in ("", "+", "-")
        for infinity in (".inf", ".Inf", ".INF")
    },
}
_DECIMAL = re.compile(r"[-+]?[0-9]+", re.ASCII)
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)

_MAX_DIGITS = 400  # more than the largest float has, far fewer than make int() slow


def read_scalar(text: str) -> Scalar:
    """Return the value of a scalar written without quotes.

    Raises
    ------
    ValueError
        If it is an integer of more than 400 digits.

    Examples
    --------
    >>> [read_scalar(text) for text in ("1e-3", "010", "0o17", "no", "1:30", "~")]
    [0.001, 10, 15, 'no', '1:30', None]
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    decimal = _DECIMAL.fullmatch(text)
    if decimal or _BASED.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise ValueError(f"a number of {len(text)} digits is too large")
        return int(text) if decimal else int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def format_float(value: float) -> str:
    """Return a float as text that YAML 1.1 and 1.2 readers read back exactly.

    Examples
    --------
    >>> [format_float(value) for value in (1e-05, 0.1, float("inf"))]
    ['1.0e-05', '0.1', '.inf']
    """
    if value != value:
        return ".nan"
    if value in (float("inf"), -float("inf")):
        return ".inf" if value > 0 else "-.inf"
    text = repr(float(value))
    return text.replace("e", ".0e", 1) if "e" in text and "." not in text else text
