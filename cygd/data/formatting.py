"""Lists, counts, locations and suggestions as error messages show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cygd.errors import did_you_mean


def format_list(items: Iterable[object], limit: int = 8) -> str:
    """Return items separated by commas; an ellipsis replaces those after the first `limit`."""
    words = [str(item) for item in items]
    return ", ".join(words[:limit] + ["..."] * (len(words) > limit)) or "none"


def format_location(
    where: str, row: int, column: str, line_number: Callable[[int], int] | None = None
) -> str:
    """Return the location of a value; rows count from 1 in text files and from 0 in arrays."""
    if line_number is not None:
        return f"{where}:{line_number(row)}: row {row + 1}, column {column!r}"
    return f"{where + ': ' if where else ''}row {row} (from 0), column {column!r}"


def command_line_option(name: str, value: str) -> str:
    """Return an option and its value in YAML as the shell needs them.

    Examples
    --------
    >>> print(command_line_option("comment", "'#'"), command_line_option("missing_values", '["-"]'))
    comment='#' missing_values='["-"]'
    """
    return f"{name}='{value}'" if '"' in value else f"{name}={value}"


def suggest_delimiter(names: Sequence[str]) -> str | None:
    """Return a hint for a text file of one column whose name holds the delimiter, or None."""
    if len(names) == 1 and any(character in names[0] for character in ";\t|"):
        return f"the only column is {names[0]!r}; set data.delimiter if cells are separated otherwise"
    return None


def suggest_name(name: str, known: Sequence[str], noun: str) -> str:
    """Return a hint with the known name closest to an unknown one, or with all known names."""
    return did_you_mean(name, known) or f"the {noun} are {format_list(known)}"
