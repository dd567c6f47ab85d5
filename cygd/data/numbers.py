"""Cells as numbers: how a source writes them, which words mean a missing value, and exact labels.

A label never passes through float64: 9007199254740993 stays apart from 9007199254740992, and the same value
has the same label in every container.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from cygd.data.dataset import Label
from cygd.errors import DataError

MISSING_VALUES = frozenset({"", "NA", "NaN", "nan", "null", "?"})
# pandas' list: missing in a column of numbers, where they cannot be anything else
MISSING_NUMBERS = MISSING_VALUES | {
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NULL", "None", "n/a",
}  # fmt: skip
# words that often mean a missing value: they never turn a column of numbers into categories
PLACEHOLDERS = MISSING_NUMBERS | {
    "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "*", "na", "n.a.", "N.A.", "NAN", "Null",
    "none", "NONE", "nil", "missing", "Missing", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?",
}  # fmt: skip
BLANKS = "\u00a0\u202f\u2009\u2007"  # that separate thousands, besides the usual one
# of the sources: how texts write numbers and missing values, with the defaults; None: no words
CELL_OPTIONS: dict[str, str | bool | None] = {
    "decimal": ".", "thousands": "", "percent": False, "units": None, "missing_values": None,
}  # fmt: skip
MAX_DIGITS = 309  # of an integer label: all that a float64 can hold


class Cell(NamedTuple):
    """A distinct value of a column."""

    text: str | None  # as the source writes it; None in an array of numbers
    number: Label | None = None  # its exact value, a text if neither an int nor a float holds it
    is_missing: bool = False  # a text that means a missing value, unless it is a known label

    def label(self, *, among_texts: bool) -> Label | None:
        """Return the label; among texts only plain digits are a number, so that 1E2 may be a name."""
        if self.is_missing:
            return None
        if self.number is None and not among_texts and math.isnan(infinity_or_nan(self.text or "") or 0):
            return None
        if among_texts and self.text is not None and not is_plain(self.text):
            return self.text
        return self.text if self.number is None else self.number


@dataclass(frozen=True)
class CellFormat:
    """How the cells of a source write numbers and missing values.

    Examples
    --------
    >>> CellFormat(thousands=",").parse("1,200.5"), CellFormat(thousands=",").parse("1,2")
    (1200.5, None)
    >>> CellFormat(percent=True, units=("$", "kg")).parse("5%"), CellFormat(units=("$",)).parse("-$5")
    (0.05, -5.0)
    """

    decimal: str = "."
    thousands: str = ""
    percent: bool = False
    units: tuple[str, ...] = ()
    missing: frozenset[str] = MISSING_VALUES
    missing_numbers: tuple[float, ...] = ()
    text_if_quoted: frozenset[str] = MISSING_VALUES - {""}  # words that are missing only without quotes

    @classmethod
    def of_options(
        cls,
        decimal: str = ".",
        thousands: str = "",
        percent: bool = False,
        units: object = None,
        missing_values: object = None,
    ) -> CellFormat:
        """Return the format that the options of a source describe, or raise a DataError."""
        if len(thousands) > 1 or thousands.isalnum() or thousands in ("+", "-"):
            expected = "expected one character, such as ',' or '.' or ' ', or '' for none"
            raise DataError(f"thousands: {expected}, got {thousands!r}")
        if thousands == decimal:
            raise DataError(f"thousands and decimal are both {decimal!r}")
        words = list_of_words("missing_values", missing_values)
        usual = MISSING_VALUES if missing_values is None or words else {""}
        numbers = tuple(value for word in words if (value := parse_number(word, decimal)) is not None)
        unit_words = tuple(sorted(list_of_words("units", units), key=len, reverse=True))
        if any(not word or word[0].isdigit() for word in unit_words):
            raise DataError(f"units: expected texts such as '$' or kg, got {list(unit_words)!r}")
        missing, if_quoted = frozenset(usual) | set(words), usual - {"", *words}
        return cls(decimal, thousands, percent, unit_words, missing, numbers, frozenset(if_quoted))

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as usual, but for the decimal separator."""
        return not (self.thousands or self.percent or self.units)

    def plain(self, cell: str) -> tuple[str, bool]:
        """Return a cell as Python writes numbers, without units, and whether it is a percentage."""
        is_percentage = False
        if not self.is_plain:
            if self.percent and cell.endswith("%"):
                cell, is_percentage = cell[:-1].rstrip(), True
            sign, cell = (cell[0], cell[1:].lstrip()) if cell[:1] in ("-", "+", "\u2212") else ("", cell)
            for unit in self.units:
                if cell.startswith(unit):
                    cell = cell.removeprefix(unit).lstrip()
                elif cell.endswith(unit):
                    cell = cell.removesuffix(unit).rstrip()
                else:
                    continue
                break
            cell = self._join_thousands(cell) if sign == "" or cell[:1] not in ("-", "+") else "invalid"
            cell = sign + cell
        return python_notation(cell, self.decimal), is_percentage

    def _join_thousands(self, cell: str) -> str:
        if not self.thousands:
            return cell
        blanks = BLANKS + " " if self.thousands.isspace() else ""
        separator = f"[{blanks}]" if blanks else re.escape(self.thousands)
        whole, point, rest = cell.partition(self.decimal)
        if self.thousands in rest or (blanks and any(blank in rest for blank in blanks)):
            return "invalid"
        parts = re.split(separator, whole)
        if len(parts) == 1:
            return cell
        first = parts[0].lstrip("+-\u2212")
        is_grouped = first.isdecimal() and first[0] != "0" and len(first) <= 3 and len(parts[-1]) == 3
        is_grouped = is_grouped and all(part.isdecimal() and len(part) in (2, 3) for part in parts[1:])
        return "".join(parts) + point + rest if is_grouped else "invalid"

    def parse(self, cell: str) -> float | None:
        """Return the number that a cell represents, or None."""
        text, is_percentage = self.plain(cell)
        try:
            value = float(text)
        except ValueError:
            return None
        return value / 100 if is_percentage else value

    def cell(self, text: str, *, quoted: bool = False) -> Cell:
        """Return what a cell holds; a quoted one is a text even if the word means a missing value."""
        value = self.parse(text)
        if value is None or not math.isfinite(value):
            return Cell(text, None, not quoted and text in self.missing)
        number, is_percentage = self.plain(text)
        label = exact_number(f"{Decimal(number) / 100}" if is_percentage else number)
        return Cell(text, label, (not quoted and text in self.missing) or value in self.missing_numbers)


USUAL_CELLS = CellFormat()


def list_of_words(option: str, value: object) -> list[str]:
    """Return the words that an option lists; one word may stand alone."""
    words = [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
    for word in words:
        if isinstance(word, bool) or not isinstance(word, str | int | float):
            hint = f"write {option}: [...], each word in quotes"
            raise DataError(f"{option}: expected a list of words, got {word!r}", hint=hint)
    return [str(word).strip() for word in words]


def python_notation(text: str, decimal: str) -> str:
    """Return a number as Python writes it, or "invalid"; unlike `float`, reject 1_000."""
    if "_" in text or (decimal != "." and "." in text):
        return "invalid"
    return text.replace(decimal, ".").replace("\u2212", "-")


def parse_number(text: str, decimal: str = ".") -> float | None:
    """Return the number that a text represents, or None."""
    try:
        return float(python_notation(text, decimal))
    except ValueError:
        return None


def infinity_or_nan(text: str) -> float | None:
    """Return the number that a word is in a column of numbers, NaN if it is a missing value, or None."""
    if text in MISSING_NUMBERS:
        return math.nan
    digits = text.lstrip("+-\u2212")
    if not digits[:1].isdecimal() and digits[:1] not in (".", "i", "I", "n", "N"):
        return None  # most texts
    value = parse_number(text)
    return None if value is None or math.isfinite(value) else value


def is_plain(text: str) -> bool:
    """Return True for a number without an exponent."""
    return not any(character.isalpha() for character in text)


def exact_number(text: str | Decimal) -> Label:
    """Return the value of a number in Python's notation: an int, a float, or its digits if neither holds it.

    Examples
    --------
    >>> exact_number("01"), exact_number("1E2"), exact_number("2.10"), exact_number("9007199254740993")
    (1, 100, 2.1, 9007199254740993)
    >>> exact_number("0.10000000000000000001")
    '0.10000000000000000001'
    """
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        return str(text)
    if not isinstance(exponent, int):  # inf or nan
        return float(text)
    while digits and not digits[-1]:
        digits, exponent = digits[:-1], exponent + 1
    if not digits:
        return 0
    value = Decimal((sign, digits, exponent))
    if exponent >= 0:
        return int(value) if len(digits) + exponent <= MAX_DIGITS else str(value)
    number = float(value)
    return number if math.isfinite(number) and Decimal(repr(number)) == value else str(value)


def as_float(number: Label) -> float:
    """Return the float closest to an exact number, which may be infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf  # type: ignore[operator]


def float_label(value: float) -> Label:
    """Return the label of a float, which is the number that it prints."""
    if value.is_integer() and abs(value) < 2**53:
        return int(value)
    return exact_number(repr(value))  # inf remains a float
