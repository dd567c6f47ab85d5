"""Curves drawn with characters: braille, eight dots a cell, or plain ASCII, two.

    for line in draw(x, y, width=60, height=10):
        print(line)

A curve is given as so many points that neighbours fall into the same dot or the next, so nothing has to be
joined up, and a jump is a gap. Everything here is a function of its arguments alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

__all__ = ["ASCII", "BRAILLE", "Style", "draw", "limits", "samples", "ticks", "usable"]

LARGEST = 1e307  # so that no difference overflows
PER_DOT = 16  # points for each column of dots: as steep as so many dots, a curve has no gaps


class Style:
    """The characters of a plot.

    Parameters
    ----------
    name : str
    columns, rows : int
        The dots of a cell.
    frame : sequence of str
        A line up, one with a tick, the corner, a line across, one with a tick, and the lines for 0 up, across
        and where they meet.
    """

    def __init__(self, name: str, columns: int, rows: int, frame: Sequence[str]) -> None:
        self.name, self.columns, self.rows = name, columns, rows
        self.up, self.up_tick, self.corner, self.across, self.across_tick = frame[:5]
        self.zero_up, self.zero_across, self.zero = frame[5:]

    def cell(self, dots: set[tuple[int, int]]) -> str:
        """Return the character with these dots, (column, row) from the upper left."""
        if self is BRAILLE:
            return chr(0x2800 + sum(BITS[column][row] for column, row in dots))
        return {(True, True): ":", (True, False): "'", (False, True): "."}[(0, 0) in dots, (0, 1) in dots]


BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a braille character, by column and row
BRAILLE = Style("braille", 2, 4, list("│┤└─┬╎╌┼"))
ASCII = Style("ascii", 1, 2, list("|+`-+|-+"))


def usable(encoding: str | None) -> Style:
    """Return the best style that an encoding can carry.

    Examples
    --------
    >>> usable("utf-8").name, usable("latin-1").name, usable(None).name
    ('braille', 'ascii', 'ascii')
    """
    try:
        "\u28ff│┤└─┬╎╌┼".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BRAILLE


def samples(low: float, high: float, columns: int) -> list[float]:
    """Return as many points of an interval as a plot of so many columns wants, both ends among them.

    Examples
    --------
    >>> samples(0, 1, 1)[:2], len(samples(0, 1, 10))
    ([0.0, 0.03125], 321)
    """
    count = columns * BRAILLE.columns * PER_DOT
    return [low + (high - low) * (k / count) for k in range(count + 1)]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return at most so many round numbers within an interval, evenly spaced.

    Examples
    --------
    >>> ticks(-4, 4), ticks(0.12, 0.98, 4), ticks(3, 3)
    ([-4.0, -2.0, 0.0, 2.0, 4.0], [0.2, 0.4, 0.6, 0.8], [3.0])
    """
    if not low < high:
        return [float(low)]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power * factor for factor in (1, 2, 5, 10, 20, 50)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
    return [float(low)]


def limits(y: Sequence[float]) -> tuple[float, float]:
    """Return the interval that a plot shows: all finite values, unless a few of them hide all others.

    Examples
    --------
    >>> limits([1.0, 3.0, float("nan")]), limits([2.0, 2.0]), limits([])
    ((1.0, 3.0), (1.0, 3.0), (-1.0, 1.0))
    >>> limits([*range(100), 1e6])
    (0.0, 140.0)
    """
    known = sorted(value for value in y if math.isfinite(value))
    if not known:
        return -1.0, 1.0
    low, high = max(float(known[0]), -LARGEST), min(float(known[-1]), LARGEST)
    # a pole: what lies far outside of the middle nine tenths is cut off
    first, last = (known[int(part * (len(known) - 1))] for part in (0.05, 0.95))
    if 0 < 10 * (last - first) < high - low:
        aside = (last - first) / 2
        low, high = max(low, first - aside), min(high, last + aside)
    size = max(abs(low), abs(high))
    if high - low > max(1e-9 * size, 1e-300):
        return low, high
    return low - max(1, size / 2), high + max(1, size / 2)  # a constant, but for rounding


def draw(
    x: Sequence[float],
    y: Sequence[float],
    *,
    width: int,
    height: int,
    style: Style = BRAILLE,
    span: tuple[float, float] | None = None,
    label: Callable[[float], str] = "{:.6g}".format,
) -> list[str]:
    """Return the lines of a plot, with numbers at both axes.

    Parameters
    ----------
    x, y : sequence of float
        The points of a curve, x rising; what is not finite is left out.
    width : int
        Columns that the lines may take, at least 20.
    height : int
        Rows of the plot, at least 3; the axis below takes two more.
    style : Style
    span : tuple of two floats, optional
        The lowest and the highest y that is shown, without a line for 0; by default `limits(y)`, with one.
    label : callable
        What is written beside a row for a value of y.

    Examples
    --------
    >>> x = samples(0, 1, 20)
    >>> for line in draw(x, [1 - v for v in x], width=20, height=4, style=ASCII):
    ...     print(line)
      1 +':..
        |   '':..
    0.5 +       '':..
      0 +-----------'':.
        `+------+------+
         0     0.5     1
    """
    low, high = limits(y) if span is None else span
    width, height = max(20, width), max(3, height)
    marks = _marks(low, high, height, style, label)
    margin = max(3, *(len(label) for label in marks.values()))
    columns = width - margin - 2
    dots = _dots(x, y, (low, high), columns, height, style)
    zero_row = _cell(high, high - low, height, style.rows) if span is None and low <= 0 <= high else None
    zero_column = _cell(-x[0], x[-1] - x[0], columns, style.columns) if x[0] < 0 < x[-1] else None
    lines = []
    for row in range(height):
        cells = [
            style.cell(dots[row, column]) if (row, column) in dots else _empty(
                row == zero_row, column == zero_column, style
            )
            for column in range(columns)
        ]  # fmt: skip
        frame = style.up_tick if row in marks else style.up
        lines.append(f"{marks.get(row, ''):>{margin}} {frame}{''.join(cells)}".rstrip())
    return [*lines, *_below(x[0], x[-1], margin, columns, style)]


def _empty(across: bool, up: bool, style: Style) -> str:
    """Return what stands where the curve is not: the lines of 0, or nothing."""
    return {(True, True): style.zero, (True, False): style.zero_across, (False, True): style.zero_up}.get(
        (across, up), " "
    )


def _dots(
    x: Sequence[float],
    y: Sequence[float],
    span: tuple[float, float],
    columns: int,
    height: int,
    style: Style,
) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """Return which dots of which cells are set: (row, column) -> {(column, row)} within the cell."""
    low, high = span
    across, down = columns * style.columns - 1, height * style.rows - 1
    found: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for at, value in zip(x, y, strict=True):
        if not low <= value <= high:  # not a number either
            continue
        i = round((at - x[0]) / (x[-1] - x[0]) * across)
        j = round((high - value) / (high - low) * down)
        cell = (j // style.rows, i // style.columns)
        found.setdefault(cell, set()).add((i % style.columns, j % style.rows))
    return found


def _cell(distance: float, span: float, cells: int, dots: int) -> int:
    """Return the cell that lies at a distance from the first one, where so many dots make a cell."""
    return round(distance / span * (cells * dots - 1)) // dots


def _marks(
    low: float, high: float, height: int, style: Style, label: Callable[[float], str]
) -> dict[int, str]:
    """Return the numbers beside the rows."""
    found = {}
    for value in ticks(low, high, max(3, height // 2)):
        found[_cell(high - value, high - low, height, style.rows)] = label(value)
    return found


def _below(low: float, high: float, margin: int, columns: int, style: Style) -> list[str]:
    """Return the axis below the plot, and its numbers."""
    for most in (9, 7, 5, 4, 3, 2, 1):
        values = ticks(low, high, most)
        places = {_cell(value - low, high - low, columns, style.columns): f"{value:.6g}" for value in values}
        spans = [(at - len(text) // 2, at - len(text) // 2 + len(text)) for at, text in places.items()]
        if all(first[1] + 2 <= second[0] for first, second in pairwise(spans)):
            break
    line = "".join(style.across_tick if column in places else style.across for column in range(columns))
    numbers = ""
    for (start, _), text in zip(spans, places.values(), strict=True):
        start = min(start + margin + 2, margin + 2 + columns - len(text))
        numbers = numbers.ljust(start) + text
    return [f"{'':>{margin}} {style.corner}{line}", numbers]
