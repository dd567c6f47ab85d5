"""Recognition of numbers written for people, 1,200,000 and 5% and $5.00 and 5 kg, that are read as texts.

Nothing is read differently: the options that would read such texts as numbers become the hint of a message.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cygd.data.formatting import command_line_option
from cygd.data.numbers import PLACEHOLDERS, CellFormat

MAX_TEXTS = 500  # distinct ones that are looked at
SHARE = 0.8  # of the distinct texts must be numbers under one format
FORMATS: tuple[dict[str, str], ...] = (
    {},
    {"thousands": ","},
    {"decimal": ","},
    {"thousands": " "},
    {"decimal": ",", "thousands": "."},
    {"decimal": ",", "thousands": " "},
    {"thousands": "'"},
    {"thousands": "\u2019"},
    {"thousands": "_"},
)
CURRENCY = r"(?:[A-Z]{0,3}[$\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba]|[A-Z]{3}\b|Rs\.?|kr\.?|Fr\.?)"
NUMBER = re.compile(
    rf"[+\-\u2212]?\s*(?P<before>{CURRENCY})?\s*[+\-\u2212]?"
    r"(?P<digits>[.,]?\d(?:[\d.,'\u2019_\s]*\d)?[.,]?)"
    rf"\s*(?P<after>{CURRENCY}|[%\u2030\u00b0\u00b5\u03bc\u03a9a-zA-Z\u00b2\u00b3/]{{1,12}}\.?)?"
)
CURRENCY_SIGN = re.compile(r"[$\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba]")
ACCOUNTING = re.compile(
    r"\((.*)\)|(.*\d)\s*-|[\u2013\u2014]\s*(.*)"
)  # (5), 5- and a dash are negative numbers


def describe_texts(texts: Sequence[str], *, text_file: bool = True, in_experiment: bool = True) -> str | None:
    """Return what to do about texts that look like numbers, or None if they do not.

    Examples
    --------
    >>> describe_texts(["1,200", "2,350"])
    "'1,200' may be 1200 (data.thousands: ',') or 1.2 (data.decimal: ','): set the one that is meant"
    >>> describe_texts(["5%", "10%"])
    'set data.percent: true if 5% is 0.05'
    """
    words = [text for text in texts if text not in PLACEHOLDERS][:MAX_TEXTS]
    if not words:
        return None
    rewritten = [rewrite_sign(word) for word in words]
    options = number_options(rewritten)
    if not options:
        return None
    example = next(
        word for word, text in zip(words, rewritten, strict=True) if parse(text, options[0]) is not None
    )
    if not text_file:
        return f"convert the column to numbers if {example!r} is one"
    if sum(map(str.__ne__, words, rewritten)) * 2 > len(words) or not options[0]:
        return f"write negative numbers as -5 if {example!r} is one"
    if len(options) > 1 and {"thousands": ","}.items() <= options[0].items():
        readings = [
            f"{parse(example, choice):.12g} ({format_options(choice, in_experiment)})"
            for choice in options[:2]
        ]
        return f"{example!r} may be {' or '.join(readings)}: set the one that is meant"
    chosen = options[0]
    setting = format_options(chosen, in_experiment)
    if chosen == {"decimal": ","}:
        return f"set {setting} if commas are decimal points"
    return f"set {setting} if {example} is {parse(example, chosen):.12g}"


def number_options(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the options under each of which most texts are numbers; the fewest first."""
    matches = [match for text in texts if (match := NUMBER.fullmatch(text))]
    if len(matches) < SHARE * len(texts):
        return []
    affixes = Counter(match["after"] or match["before"] for match in matches)
    extra: dict[str, Any] = {}
    del affixes[None]
    if affixes:
        affix = affixes.most_common(1)[0][0]
        extra = {"percent": True} if affix == "%" else {"units": [affix]}
    fitting = []
    for option in FORMATS:
        choice = {**option, **extra}
        n_numbers = sum(parse(text, choice) is not None for text in texts)
        if n_numbers >= SHARE * len(texts):
            fitting.append((n_numbers, choice))
    best = max((n_numbers for n_numbers, _ in fitting), default=0)
    return [choice for n_numbers, choice in fitting if n_numbers == best]


def only_options(texts: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return the options under which all texts are numbers, and a text, if there is no other reading.

    Examples
    --------
    >>> only_options(["1.299,99", "850,00"])
    ({'decimal': ',', 'thousands': '.'}, '1.299,99')
    >>> only_options(["1,200", "2,350"])
    ({}, '')
    """
    words = [text for text in texts if text not in PLACEHOLDERS]
    options = number_options(words[:MAX_TEXTS]) if words else []
    if not options or any(parse(word, options[0]) is None for word in words):
        return {}, ""
    has_readings = len(options) > 1 and {"thousands": ","}.items() <= options[0].items()
    if has_readings or not all(map(CURRENCY_SIGN.search, options[0].get("units", ()))):
        return {}, ""
    return options[0], max(words, key=len)


def parse(text: str, options: dict[str, Any]) -> float | None:
    """Return the number that a text is under some options."""
    return CellFormat.of_options(**options).parse(text)


def rewrite_sign(text: str) -> str:
    """Return a text with the sign of a negative number in front, as -5."""
    match = ACCOUNTING.fullmatch(text)
    if match is None:
        return text
    return "-" + next(group for group in match.groups() if group is not None).strip()


def format_options(options: dict[str, Any], in_experiment: bool) -> str:
    """Return options as an experiment or a command line gives them."""
    words = []
    for name, value in options.items():
        text = "true" if value is True else f"[{value[0]}]" if isinstance(value, list) else repr(value)
        text = text if value != ["$"] else "['$']"
        words.append(f"data.{name}: {text}" if in_experiment else command_line_option(name, text))
    return " and ".join(words)
