"""Sniffing of the first record of a text file: names of columns, or the first row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cygd.data.numbers import PLACEHOLDERS, parse_number
from cygd.data.sources.csv_header import are_names, are_row_names, are_types
from cygd.data.text_guess import TextGuess

GAPS = {word.lower() for word in PLACEHOLDERS} | {"unknown"}
VALUE = re.compile(r"[^a-z]*\d[^a-z]*|\d{4}-\d\d-\d\dT[\d:.+-]+Z?", re.IGNORECASE)  # numbers, dates, money
YEARS = range(1900, 2100)
RULE = re.compile(r"[-=+_|:*]{3,}")  # a line of ----, **** or |---|---|
MAX_HEADING = 8  # records: names, units, ...


def sniff_header(where: str, records: list[list[str]], guess: TextGuess) -> None:
    """Set whether the first record holds names; `where` is its place and text."""
    first, rows = records[0], records[1:]
    if rows and len(first) < len(rows[0]):
        return  # names without one for the row names, or with additional delimiters in the rows
    names, values, repeated = header_votes(first, rows)
    above_row_names = not first[0].strip() and all(map(str.strip, first[1:])) and len(first) > 1
    above_row_names = above_row_names and are_row_names([row[0].strip() for row in rows if row])
    if is_sequence(first, rows) or (above_row_names and values > names):
        guess.add(
            "header",
            True,
            f"{where} may be names or a row and is taken for names; change `header` if it is a row",
        )
    elif names and values:
        kind = "names" if names > values else "a row"
        other = "a row" if names > values else "names"
        note = f"{where} may be names or a row and is taken for {kind}; change `header` if it is {other}"
        guess.add("header", names > values, note)
    elif values:
        guess.add("header", False, f"{where} is taken for a row, not for names")
    elif not names and rows:
        kind, other = ("a row, as values recur below", "names") if repeated else ("names", "a row")
        note = f"{where}: every cell is text; taken for {kind}; change `header` if it is {other}"
        guess.add("header", not repeated, note)


def heading_size(records: Sequence[Sequence[str]]) -> int:
    """Return the number of records above the first row: names, and lines of units or a rule below them."""
    for i in reversed(range(1, min(MAX_HEADING, len(records) - 2))):
        if is_heading(records[i], records[i + 1 :]):
            return i + 1
    return 2 if len(records) > 2 and is_rule(records[1]) else 1


def is_heading(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return True if a record has no value, but texts, in the columns that hold only values below it."""
    texts, n_columns = 0, 0
    for i, cell in enumerate(map(str.strip, cells)):
        below = [row[i].strip() for row in rows if i < len(row)]
        present = [other for other in below if other.lower() not in GAPS]
        if not present or not all(map(is_value, present)):
            continue
        if is_value(cell):
            return False
        n_columns += 1
        texts += cell.lower() not in GAPS
    return n_columns > 1 and 2 * texts >= n_columns


def is_rule(cells: Sequence[str]) -> bool:
    """Return True for a line of dashes, which separates the names from the rows."""
    present = [cell.strip() for cell in cells if cell.strip()]
    return bool(present) and all(map(RULE.fullmatch, present))


def are_complete_names(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return True for distinct names of all columns that hold something; the first may hold row names."""
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()  # after a delimiter at the end of each line
    is_wide = any(cell.strip() for row in rows for cell in row[len(names) :])
    is_distinct = len(set(names)) == len(names) > 1 and all(names[1:]) and not all(map(is_value, names[1:]))
    return is_distinct and not is_wide and not is_rule(cells)


def has_names_below(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Return True if the second row holds the names rather than the first: texts above all numbers."""
    if len(rows) < 4 or len(rows[1]) != width or are_types(rows[1]):
        return False
    names, values, _ = header_votes(rows[1], rows[2:])
    votes = header_votes([f"c{i}x" for i in range(width)], rows[2:])  # of texts above all columns
    if names or values:
        own = header_votes(rows[0], rows[2:])  # the second row may hold units, below names
        is_complete = len(rows[0]) == width and own[0] == votes[0] and not own[1]
        return names == votes[0] and not values and not is_complete
    return len(rows[0]) != width and are_names(rows[1][1:], [row[1:] for row in rows[2:]])


def header_votes(first: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[int, int, int]:
    """Return how many cells are names above values, values above values, and texts that recur below."""
    names = values = repeated = 0
    for i, cell in enumerate(cell.strip() for cell in first):
        below = [row[i].strip() for row in rows if i < len(row)]
        present = [other for other in below if other.lower() not in GAPS]
        n_values = sum(map(is_value, present))
        holds_values = not present or 2 * n_values > len(present)
        if cell.lower() in GAPS:
            continue
        if is_value(cell):
            values += holds_values
        elif present and holds_values:
            names += 1
        else:
            repeated += cell in present
    return names, values, repeated


def is_value(cell: str) -> bool:
    """Return True for a number, a date, an amount of money: what is rarely the name of a column."""
    return VALUE.fullmatch(cell) is not None or parse_number(cell) is not None


def is_sequence(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return True for names that count: 0, 1, 2, ... as pandas writes them, or years."""

    def numbers(cells: Sequence[str]) -> Iterator[int]:
        return (int(cell) for cell in map(str.strip, cells) if cell.isdecimal() and cell.isascii())

    def counts(cells: Sequence[str]) -> bool:
        found = list(numbers(cells))
        return len(found) > 1 and found == list(range(found[0], found[0] + len(found)))

    found = list(numbers(first))
    named = [cell for cell in first if cell.strip()]
    is_range = counts(first) and (
        (found[0] == 0 and len(found) == len(named)) or all(number in YEARS for number in found)
    )
    return is_range and not all(map(counts, rows))
