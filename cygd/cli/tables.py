"""Tables on stdout: aligned columns under a header, in colors where they are wanted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

from cygd.cli.colors import painter
from cygd.errors import escape_controls
from cygd.tracking.terminal import display_width, encodable, fit, shorten, writing_to_stdout

MAX_CELL = 200  # characters of a cell
GAP = 2  # blanks between columns
HEADER_STYLE = "bold"

Row = dict[str, str]
StyleOf = Callable[[str, Row], str]


def print_table(rows: Sequence[Row], style_of: StyleOf | None = None, room: int | None = None) -> None:
    """Print rows on stdout as aligned columns under a header.

    Parameters
    ----------
    rows : sequence of dict
        The cells by column; all rows have the columns of the first one.
    style_of : callable, optional
        Returns the rich style of a cell, or "", for its column and its row.
    room : int, optional
        The widest that a cell may be; unlimited by default.
    """
    names = list(rows[0])
    lines = [[name.upper() for name in names], *([row[name] for name in names] for row in rows)]
    with writing_to_stdout() as stdout:
        cells = [[encodable(format_cell(text, room), stdout) for text in line] for line in lines]
        widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
        paint = painter(stdout)
        for number, line in enumerate(cells):
            styles = [_style(number, name, rows, style_of) for name in names]
            painted = [
                paint(text, style) + " " * (width - display_width(text))
                for text, width, style in zip(line, widths, styles, strict=True)
            ]
            stdout.write((" " * GAP).join(painted).rstrip() + "\n")


def _style(number: int, name: str, rows: Sequence[Row], style_of: StyleOf | None) -> str:
    """Return the style of a cell of the header, which is line 0, or of a row."""
    if number == 0:
        return HEADER_STYLE
    return style_of(name, rows[number - 1]) if style_of else ""


def format_cell(text: str, room: int | None = None) -> str:
    """Return the text of a cell as it is printed, in at most `room` terminal columns."""
    shown = shorten(escape_controls(text, one_line=True), MAX_CELL)
    return shown if room is None else fit(shown, room)


def column_width(name: str, rows: Sequence[Row]) -> int:
    """Return the terminal columns that a column of a table takes."""
    return max(display_width(format_cell(text)) for text in (name.upper(), *(row[name] for row in rows)))


def table_room() -> int | None:
    """Return the columns of the terminal that shows stdout, or None if it is not one."""
    with writing_to_stdout() as stdout:
        return shutil.get_terminal_size().columns if stdout.isatty() else None
