"""Times as texts write them: ISO 8601, or one declared format in the notation of `strptime`.

Texts of the same shape, `0000-00-00 0:00` for `2026-01-31 9:05`, have their digits in the same places, so
that NumPy reads all of them at once. A time becomes two integers, minutes and the rest of the minute: they
hold every year from 1 to 9999, fifteen digits of a second, 24:00 and leap seconds, in the right order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

FRACTION_DIGITS = 15
SECOND = 10**FRACTION_DIGITS
MINUTES_PER_DAY = 1440
MAX_LENGTH = 64  # a longer text is not a time
ZERO, ONE = np.zeros(1, np.int64), np.ones(1, np.int64)

OFFSET = r"(?P<offset>Z| ?UTC| ?(?P<sign>[+-])(?P<offset_hour>00)(?::?(?P<offset_minute>00))?)"
# of shapes, in which every digit is a 0
ISO_DATE = (
    r"(?P<year>0000)-(?:(?P<month>00?)(?:-(?P<day>00?))?|(?P<ordinal>000)|W(?P<week>00)(?:-(?P<weekday>0))?)"
)
ISO_TIME = r"(?P<hour>00?):(?P<minute>00)(?::(?P<second>00)(?:[.,](?P<fraction>0{1,15}))?)?"
ISO_8601 = (
    rf"{ISO_DATE}(?:(?P<separator>[T ]){ISO_TIME}{OFFSET}?)?",
    r"(?P<year>0000)(?P<month>00)(?P<day>00)T(?P<hour>00)(?P<minute>00)"
    rf"(?:(?P<second>00)(?:[.,](?P<fraction>0{{1,15}}))?)?{OFFSET}?",
    ISO_TIME,
)
# what all times of a column must have in common; digits may be omitted, as in 9:05 and 10:00:30.5
STYLE = ("month", "day", "ordinal", "week", "weekday", "hour", "offset")

NUMERIC_DIRECTIVES = {
    "Y": "(?P<year>0000)",
    "y": "(?P<short_year>00)",
    "m": "(?P<month>00?)",
    "d": "(?P<day>00?)",
    "H": "(?P<hour>00?)",
    "I": "(?P<hour_of_half>00?)",
    "p": "(?P<half>[AP]M)",
    "M": "(?P<minute>00?)",
    "S": "(?P<second>00?)",
    "f": "(?P<fraction>0{1,9})",
    "z": OFFSET,
}
COMMON_DATES = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y-%m-%d", "%Y.%m.%d",
    "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
COMMON_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", ", %H:%M", "T%I:%M %p")


class InvalidTime(NamedTuple):
    """The first text that is not a time, or not one like the texts before it."""

    position: int
    reason: str  # not_a_time | out_of_range | other_format | offset


@dataclass(frozen=True)
class Times:
    """The times of texts, or the first invalid one."""

    minutes: Integers
    rest: Integers  # of the minute, in 1e-15 seconds
    invalid: InvalidTime | None = None

    def sort_keys(self, codes: npt.NDArray[Any]) -> tuple[Integers, Integers]:
        """Return the keys of rows for `np.lexsort`; `codes` are indices of texts."""
        return self.rest[codes], self.minutes[codes]


def parse_times(texts: Sequence[str], time_format: str | None = None) -> Times:
    """Return the times of texts in ISO 8601, or in a declared format."""
    if time_format is None:
        return _parse_shapes(texts, ISO_8601)
    pattern = _numeric_pattern(time_format)
    return _parse_each(texts, time_format) if pattern is None else _parse_shapes(texts, (pattern,))


def fitting_formats(texts: Sequence[str]) -> list[str]:
    """Return the common formats that fit all texts."""
    is_ascii = all(text.isascii() for text in texts)  # strptime reads other digits too
    formats = [date + time for date, time in product(COMMON_DATES, COMMON_TIMES)] if is_ascii else []
    for text in texts:
        formats = [time_format for time_format in formats if _strptime(text, time_format) is not None]
    return formats


def _strptime(text: str, time_format: str) -> datetime | None:
    try:
        return datetime.strptime(text, time_format)
    except ValueError:
        return None


def _numeric_pattern(time_format: str) -> str | None:
    """Return the pattern of the shapes of a format; None if only `strptime` itself can read it."""
    directives = re.findall(r"%(.)", time_format)
    literals = re.split(r"%.", time_format)
    # without a character between them, the values decide where one number ends
    is_numeric = all(name in NUMERIC_DIRECTIVES for name in directives) and all(
        literal or name == "p" for name, literal in zip(directives[1:], literals[1:-1], strict=True)
    )
    is_numeric &= len(set(directives)) == len(directives) and ("I" in directives) == ("p" in directives)
    if not is_numeric or {"y", "Y"} <= set(directives) or re.search(r"[\d%]", "".join(literals)):
        return None
    parts = [re.sub(r"(\\ )+", " +", re.escape(literal)) for literal in literals]
    groups = [NUMERIC_DIRECTIVES[name] for name in directives]
    return parts[0] + "".join(group + part for group, part in zip(groups, parts[1:], strict=True))


def _parse_each(texts: Sequence[str], time_format: str) -> Times:
    """Return the times of texts that `strptime` reads one by one."""
    keys = np.zeros((2, len(texts)), np.int64)
    for i, text in enumerate(texts):
        time = _strptime(text, time_format)
        if time is None:
            return Times(keys[0], keys[1], InvalidTime(i, "not_a_time"))
        offset = time.utcoffset()
        clock = time.replace(tzinfo=None) - datetime.min
        if offset is not None:
            clock -= offset
        minutes, seconds = divmod(clock.seconds, 60)
        keys[:, i] = clock.days * MINUTES_PER_DAY + minutes, seconds * SECOND
        keys[1, i] += clock.microseconds * (SECOND // 10**6)
    return Times(keys[0], keys[1])


def _parse_shapes(texts: Sequence[str], patterns: Sequence[str]) -> Times:
    """Return the times of texts whose shapes match one of the patterns, shape by shape."""
    keys = np.zeros((2, len(texts)), np.int64)
    chars = _character_matrix(texts)
    is_digit = (chars >= ord("0")) & (chars <= ord("9"))
    shapes = np.where(is_digit, np.uint8(ord("0")), chars).view(f"S{chars.shape[1]}")[:, 0]
    chars -= ord("0")
    remaining, style, found = np.arange(len(texts)), None, list[InvalidTime]()
    while len(remaining):
        first = int(remaining[0])
        shape = shapes[first].decode("ascii")
        matches = (re.fullmatch(pattern, shape, re.IGNORECASE) for pattern in patterns)
        match = next(filter(None, matches), None)
        if match is None:
            found.append(InvalidTime(first, "not_a_time"))
            break
        present = match.groupdict()
        has_offset = present.get("offset") is not None
        own_style = [present.get("separator"), *(present.get(name) is not None for name in STYLE)]
        if style is not None and own_style != style:
            found.append(InvalidTime(first, "offset" if style[:-1] == own_style[:-1] else "other_format"))
            break
        style = own_style
        is_same = shapes[remaining] == shapes[first]
        rows = remaining[is_same]
        minutes, rest, is_valid = _times_of(_read_fields(chars[rows], match), has_offset)
        keys[0, rows], keys[1, rows] = minutes, rest
        if not is_valid.all():
            found.append(InvalidTime(int(rows[np.argmin(is_valid)]), "out_of_range"))
        remaining = remaining[~is_same]
    return Times(keys[0], keys[1], min(found, default=None))


def _character_matrix(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return the characters of texts, a row for each; a text that cannot be a time becomes a `?`."""
    cells = [t if t.isascii() and t.isprintable() and 0 < len(t) <= MAX_LENGTH else "?" for t in texts]
    array = np.array(cells, dtype="S")
    return array.view(np.uint8).reshape(len(texts), array.itemsize).copy()


def _read_fields(digits: npt.NDArray[np.uint8], match: re.Match[str]) -> dict[str, Integers]:
    """Return the numbers in the places of a match, the sign of the offset, and 1 for PM."""
    fields: dict[str, Integers] = {}
    for name, text in match.groupdict().items():
        if text is None or name in ("separator", "offset"):
            continue
        if name in ("sign", "half"):
            fields[name] = {"+": ONE, "-": -ONE, "A": ZERO, "P": ONE}[text[0].upper()]
            continue
        number = np.zeros(len(digits), np.int64)
        for column in range(*match.span(name)):
            number = number * 10 + digits[:, column]
        fields[name] = number * 10 ** (FRACTION_DIGITS - len(text)) if name == "fraction" else number
    return fields


def _times_of(
    fields: Mapping[str, Integers], has_offset: bool
) -> tuple[Integers, Integers, npt.NDArray[np.bool_]]:
    """Return minutes, the rest of the minute, and whether such a time exists."""
    days, is_valid = _days_of(fields)
    names = ("hour", "minute", "second", "offset_hour", "offset_minute")
    hour, minute, second, offset_hour, offset_minute = (fields.get(name, ZERO) for name in names)
    if "half" in fields:
        half_hour = fields.get("hour_of_half", ZERO)
        is_valid = is_valid & (half_hour >= 1) & (half_hour <= 12)
        hour = half_hour % 12 + 12 * fields["half"]
    rest = second * SECOND + fields.get("fraction", ZERO)
    offset = fields.get("sign", ONE) * (offset_hour * 60 + offset_minute)
    minutes = days * MINUTES_PER_DAY + hour * 60 + minute - offset
    is_end_of_day = (hour == 24) & (minute == 0) & (rest == 0)
    # a leap second ends a day of UTC, elsewhere a quarter of an hour
    ends_day = (minutes + 1) % MINUTES_PER_DAY == 0 if has_offset else np.isin(minute, (14, 29, 44, 59))
    is_leap = (second == 60) & ends_day
    is_valid = is_valid & ((hour < 24) | is_end_of_day) & (minute < 60) & ((second < 60) | is_leap)
    return minutes, rest, is_valid & (offset_hour < 24) & (offset_minute < 60)


def _days_of(fields: Mapping[str, Integers]) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """Return the days since 1970 of dates by month, week or day of the year, and whether they exist."""
    year = fields.get("year", ZERO + 1970)
    if "short_year" in fields:  # as POSIX reads it
        year = fields["short_year"] + np.where(fields["short_year"] < 69, 2000, 1900)
    new_year, next_new_year = _first_days((year - 1970) * 12), _first_days((year - 1969) * 12)
    if "ordinal" in fields:
        day, first, n_days = fields["ordinal"], new_year, next_new_year - new_year
        is_valid = year > 0
    elif "week" in fields:
        week, day, first = fields["week"], fields.get("weekday", ONE), _first_monday(new_year)
        n_days = 7 * ONE
        first, is_valid = first + 7 * (week - 1), (year > 0) & (week >= 1)
        is_valid = is_valid & (first < _first_monday(next_new_year))
    else:
        month, day = fields.get("month", ONE), fields.get("day", ONE)
        first = _first_days((year - 1970) * 12 + month - 1)
        n_days = _first_days((year - 1970) * 12 + month) - first
        is_valid = (year > 0) & (month >= 1) & (month <= 12)
    return first + day - 1, is_valid & (day >= 1) & (day <= n_days)


def _first_days(months: Integers) -> Integers:
    """Return the days since 1970 of the first days of months, which count from January 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _first_monday(new_year: Integers) -> Integers:
    """Return the Monday of week 1, which is that of January 4; 1970-01-05 was a Monday."""
    return (new_year + 3 - 4) // 7 * 7 + 4
