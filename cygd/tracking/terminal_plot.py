"""Curves drawn with characters: braille with eight dots per cell, or ASCII with two.

A curve is sampled so densely that neighboring points fall into the same dot or the next one, so points are
not joined by lines and a jump shows as a gap.

Libraries were tried against tests/tracking/test_terminal_plot.py first. plotille 6.0 raises on NaN and
infinity, labels its ticks -0.1, 0.2, 0.5, adds 22 columns to the requested width and has no ASCII style.
plotext 5.3 raises on infinity and near 1e308, has no ASCII frame and no round ticks, and keeps the figure in
global state; plotext 6 dropped that interface and takes 0.24 s to import.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from cygd.display.axes import ticks

LARGEST = 1e307  # so that no difference overflows
POINTS_PER_DOT = 16  # a curve has no gaps until it is steeper than 16 dots per dot


class Style(NamedTuple):
    """Characters of a plot."""

    bits: tuple[tuple[int, ...], ...]  # of each dot of a cell, by row and column
    glyphs: str  # the character of each combination of bits
    y_axis: str
    y_tick: str
    corner: str
    x_axis: str
    x_tick: str
    zero_x: str  # the line x = 0
    zero_y: str
    origin: str  # where both lines meet


BRAILLE = Style(
    ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80)),
    "".join(map(chr, range(0x2800, 0x2900))),
    *"│┤└─┬╎╌┼",
)
ASCII = Style(((1,), (2,)), " '.:", *"|+`-+|-+")


def best_style(encoding: str | None) -> Style:
    """Return the best style that an encoding can represent."""
    try:
        "".join(BRAILLE[1:]).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BRAILLE


def sample_points(low: float, high: float, columns: int) -> list[float]:
    """Return the points of an interval at which a plot of a given width samples a curve."""
    intervals = columns * len(BRAILLE.bits[0]) * POINTS_PER_DOT
    return [low + (high - low) * (k / intervals) for k in range(intervals + 1)]


def y_limits(y: Sequence[float]) -> tuple[float, float]:
    """Return the range of y to show: all finite values, unless a few outliers would flatten the others."""
    finite = sorted(value for value in y if math.isfinite(value))
    if not finite:
        return -1.0, 1.0
    low, high = max(float(finite[0]), -LARGEST), min(float(finite[-1]), LARGEST)
    # cut off a pole: values far outside the middle 90 percent
    first, last = (finite[int(part * (len(finite) - 1))] for part in (0.05, 0.95))
    if 0 < 10 * (last - first) < high - low:
        margin = (last - first) / 2
        low, high = max(low, first - margin), min(high, last + margin)
    size = max(abs(low), abs(high))
    if high - low > max(1e-9 * size, 1e-300):
        return low, high
    return low - max(1, size / 2), high + max(1, size / 2)  # constant up to rounding


def draw(
    x: Sequence[float],  # increasing
    y: Sequence[float],  # points that are not finite are left out
    *,
    width: int,  # maximum length of a line, at least 20
    height: int,  # rows of the plot, at least 3; the x axis takes two more
    style: Style = BRAILLE,
    y_range: tuple[float, float] | None = None,  # without lines at 0; None: y_limits(y), with lines at 0
    y_label: Callable[[float], str] = "{:.6g}".format,
) -> list[str]:
    """Return the lines of a plot with labeled axes.

    >>> x = sample_points(0, 1, 20)
    >>> for line in draw(x, [1 - v for v in x], width=20, height=4, style=ASCII):
    ...     print(line)
      1 +':..
        |   '':..
    0.5 +       '':..
      0 +-----------'':.
        `+------+------+
         0     0.5     1
    """
    low, high = y_limits(y) if y_range is None else y_range
    width, height = max(20, width), max(3, height)
    dot_rows, dot_columns = len(style.bits), len(style.bits[0])
    labels = {
        _cell(high - value, high - low, height, dot_rows): y_label(value)
        for value in ticks(low, high, max(3, height // 2))
    }
    margin = max(3, *map(len, labels.values()))
    columns = width - margin - 2

    canvas = np.full((height, columns), " ")
    zero_row = _cell(high, high - low, height, dot_rows) if y_range is None and low <= 0 <= high else None
    if zero_row is not None:
        canvas[zero_row] = style.zero_y
    if x[0] < 0 < x[-1]:
        zero_column = _cell(-x[0], x[-1] - x[0], columns, dot_columns)
        canvas[:, zero_column] = style.zero_x
        if zero_row is not None:
            canvas[zero_row, zero_column] = style.origin

    px, py = np.asarray(x, np.float64), np.asarray(y, np.float64)
    visible = (low <= py) & (py <= high)
    column = np.rint((px[visible] - x[0]) / (x[-1] - x[0]) * (columns * dot_columns - 1)).astype(int)
    row = np.rint((high - py[visible]) / (high - low) * (height * dot_rows - 1)).astype(int)
    bits = np.zeros((height, columns), int)
    bit = np.array(style.bits)[row % dot_rows, column % dot_columns]
    np.bitwise_or.at(bits, (row // dot_rows, column // dot_columns), bit)
    canvas = np.where(bits, np.array(list(style.glyphs))[bits], canvas)

    lines = []
    for index, cells in enumerate(canvas):
        axis = style.y_tick if index in labels else style.y_axis
        lines.append(f"{labels.get(index, ''):>{margin}} {axis}{''.join(cells)}".rstrip())
    return [*lines, *_x_axis(x[0], x[-1], margin, columns, style)]


def _cell(distance: float, span: float, cells: int, dots: int) -> int:
    """Return the cell at a distance from the first one, on an axis of `cells` cells of `dots` dots."""
    return round(distance / span * (cells * dots - 1)) // dots


def _x_axis(low: float, high: float, margin: int, columns: int, style: Style) -> list[str]:
    """Return the line of the x axis and the line of its labels, with as many labels as fit."""
    for most in (9, 7, 5, 4, 3, 2, 1):
        places = [
            (_cell(v - low, high - low, columns, len(style.bits[0])), f"{v:.6g}")
            for v in ticks(low, high, most)
        ]
        spans = [(cell - len(text) // 2, cell - len(text) // 2 + len(text)) for cell, text in places]
        if all(first[1] + 2 <= second[0] for first, second in pairwise(spans)):
            break
    axis = [style.x_axis] * columns
    labels = ""
    for (cell, text), (start, _) in zip(places, spans, strict=True):
        axis[cell] = style.x_tick
        labels = labels.ljust(min(start, columns - len(text)) + margin + 2) + text
    return [f"{'':>{margin}} {style.corner}{''.join(axis)}", labels]
