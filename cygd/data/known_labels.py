"""Spellings of one value: booleans and times as containers write them, and the labels that they match."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from cygd.data.dataset import Label
from cygd.data.numbers import Cell

TRUE_WORDS, FALSE_WORDS = ("True", "true", "TRUE"), ("False", "false", "FALSE")
MIDNIGHT = " 00:00:00"
TIME_ZERO = re.compile(r"(\.\d*?)0+(?=$|[+\-Z])")
NANOSECONDS = {"W": 604_800 * 10**9, "D": 86_400 * 10**9, "h": 3600 * 10**9, "m": 60 * 10**9,
               "s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}  # fmt: skip
OFFSET = re.compile(r"([+-]\d\d):?(\d\d)$")
WITHOUT_SECONDS = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d)(?=$|[+\-Z])")


def boolean_word(text: str | None) -> bool | None:
    """Return the boolean that a text represents, or None."""
    return True if text in TRUE_WORDS else False if text in FALSE_WORDS else None


def tidy_time(text: str) -> str:
    """Return a time as all containers write it: 2026-01-31 09:05:00.5+01:00, and Z for UTC."""
    text = TIME_ZERO.sub(lambda match: match[1].rstrip("."), text.replace("T", " "))
    return OFFSET.sub(r"\1:\2", text).replace("+00:00", "Z") if ":" in text else text


def duration_text(value: Any) -> str:
    """Return a timedelta of Python, NumPy or pandas as pandas writes it to a text file.

    Examples
    --------
    >>> duration_text(datetime.timedelta(1, 60)), duration_text(np.timedelta64(-1500, "ms"))
    ('1 days 00:01:00', '-1 days +23:59:58.500000')
    """
    if isinstance(value, np.timedelta64):
        unit, count = np.datetime_data(value.dtype)
        if unit not in NANOSECONDS:  # a number of months, or of attoseconds
            return str(value)
        time = int(value.astype(np.int64)) * count * NANOSECONDS[unit]
    else:
        whole = (value.days * 86_400 + value.seconds) * 10**6 + value.microseconds
        time = whole * 1000 + getattr(value, "nanoseconds", 0)
    days, time = divmod(time, NANOSECONDS["D"])
    seconds, rest = divmod(time, 10**9)
    fraction = "" if not rest else f".{rest:09d}" if rest % 1000 else f".{rest // 1000:06d}"
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"
    return f"{days} days {'+' if days < 0 else ''}{clock}"


def time_key(text: str) -> str | None:
    """Return the one spelling of a date or time, a date for its midnight; None for other texts.

    Times with an offset from UTC are instants.

    Examples
    --------
    >>> time_key("2026-01-31T09:05+0200"), time_key("2026-01-31 00:00:00"), time_key("a")
    ('2026-01-31 07:05:00Z', '2026-01-31', None)
    """
    if not text[:4].isdecimal() or text[4:5] != "-":
        return None
    text = WITHOUT_SECONDS.sub(r"\1:00", tidy_time(text))
    if OFFSET.search(text) and ":" in text:
        try:
            text = tidy_time(str(datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)))
        except (ValueError, OverflowError):
            return None
    return text.removesuffix(MIDNIGHT)


class KnownLabels:
    """The labels of a column, in which the cells of other containers are found."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self.index = {label: i for i, label in enumerate(labels)}
        self.are_bits = self.index.keys() <= {0, 1}
        self.times: dict[str, int] = {}
        for label, i in self.index.items():
            if isinstance(label, str) and (key := time_key(label)) is not None:
                self.times.setdefault(key, i)

    def find(self, cell: Cell) -> int:
        """Return the position of a cell among the labels, or -1.

        A known text comes first, then the number. A boolean is the label True, true or TRUE, or 1 among 0
        and 1; a date is its midnight.
        """
        candidates: list[Label] = [] if cell.text is None else [cell.text]
        if cell.number is not None and not cell.is_missing:
            candidates.append(cell.number)
        boolean = boolean_word(cell.text)
        if boolean is not None:
            candidates += TRUE_WORDS if boolean else FALSE_WORDS
            candidates += [int(boolean)] if self.are_bits else []
        position = next((self.index[label] for label in candidates if label in self.index), -1)
        if position < 0 and self.times and cell.text is not None:
            position = self.times.get(time_key(cell.text) or "", -1)
        return position
