"""Line charts as SVG: metrics over epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cygd.display.axes import Axis
from cygd.display.html import escape

WIDTH, HEIGHT = 380, 230
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 34, 36
COLORS = ("#2f7ed8", "#e07b00", "#2a9d5c", "#b5508f", "#8a7a00", "#5b6ee1")  # on white and on black
MAX_POINTS = 400  # of a line; more are thinned, extremes kept
LOG_RATIO = 20  # the scale is logarithmic if the largest value exceeds the smallest by this factor


class Series(NamedTuple):
    """A line."""

    name: str
    x: Sequence[float]
    y: Sequence[float]  # a value that is not finite is a gap
    dots: bool = False


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str = "epoch",
    log: bool = True,
    limits: Sequence[float] | None = None,
) -> str:
    """Return a chart of lines; `log` allows a logarithmic scale, and `limits` are the values that it shows.

    >>> chart = line_chart("loss", [Series("training", [0, 1, 2], [4.0, 2.0, float("nan")])])
    >>> chart.startswith("<svg ") and "polyline" in chart
    True
    """
    shown = [value for line in series for value in line.y] if limits is None else limits
    x_axis = Axis.of([value for line in series for value in line.x], LEFT, WIDTH - RIGHT)
    y_axis = Axis.of(shown, HEIGHT - BOTTOM, TOP, margin=0.04, log_ratio=LOG_RATIO if log else 0)
    parts = [*_frame(x_axis, y_axis, x_label)]
    for i, line in enumerate(series):
        color = COLORS[i % len(COLORS)]
        parts += _line(line, x_axis, y_axis, color)
    title = f"{title}, log scale" if y_axis.logarithmic else title
    parts.append(f'<text x="4" y="13" style="font-weight: 600">{escape(title, 60)}</text>')
    parts += _legend(series)
    return svg(WIDTH, HEIGHT, title, parts)


def svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """Return an SVG element."""
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
    return f"{head}<title>{escape(title)}</title>{''.join(parts)}</svg>"


def _frame(x_axis: Axis, y_axis: Axis, x_label: str) -> list[str]:
    """Return axes, grid and labels."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for place, label in y_axis.ticks(5):
        parts.append(
            f'<line x1="{LEFT}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}" stroke="currentColor" '
            'stroke-opacity=".15"/>'
        )
        parts.append(f'<text x="{LEFT - 5}" y="{place + 4:.1f}" text-anchor="end">{escape(label)}</text>')
    for place, label in x_axis.ticks(6):
        parts.append(
            f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{bottom}" y2="{bottom + 4}" stroke="currentColor"/>'
        )
        parts.append(f'<text x="{place:.1f}" y="{bottom + 16}" text-anchor="middle">{escape(label)}</text>')
    axes = f"M{LEFT} {TOP}V{bottom}H{right}"
    parts.append(f'<path d="{axes}" fill="none" stroke="currentColor" stroke-opacity=".6"/>')
    middle = (LEFT + right) / 2
    parts.append(f'<text x="{middle:g}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    return parts


def _line(line: Series, x_axis: Axis, y_axis: Axis, color: str) -> list[str]:
    """Return a line, with gaps where a value has no place."""
    parts, piece = [], list[str]()
    points = [*thin(list(zip(line.x, line.y, strict=True))), None]
    for point in points:
        place = None if point is None else (x_axis.place(point[0]), y_axis.place(point[1]))
        if place is not None and place[0] is not None and place[1] is not None:
            piece.append(f"{place[0]:.1f},{min(max(place[1], TOP - 2), HEIGHT - BOTTOM + 2):.1f}")
            continue
        if len(piece) > 1:
            text = " ".join(piece)
            parts.append(f'<polyline points="{text}" fill="none" stroke="{color}" stroke-width="1.6"/>')
        for dot in piece if line.dots or len(piece) == 1 else ():
            x, y = dot.split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="2.2" fill="{color}"/>')
        piece = []
    return parts


def _legend(series: Sequence[Series]) -> list[str]:
    parts, x = [], float(LEFT)
    for i, line in enumerate(series):
        if len(series) == 1 and not line.name:
            break
        color = COLORS[i % len(COLORS)]
        parts.append(f'<line x1="{x}" x2="{x + 14}" y1="24" y2="24" stroke="{color}" stroke-width="2.5"/>')
        parts.append(f'<text x="{x + 18}" y="28">{escape(line.name, 28)}</text>')
        x += 30 + 6.2 * min(len(line.name), 28)
    return parts


def thin(points: list[tuple[float, float]], most: int = MAX_POINTS) -> list[tuple[float, float]]:
    """Return at most about `most` points of a line: of each run of neighbors the lowest and the highest.

    A value that is not finite stays, so that the gap is seen.
    """
    if len(points) <= most:
        return points
    length = -(-len(points) // (most // 4))
    kept: dict[int, None] = {}
    for start in range(0, len(points), length):
        run = range(start, min(start + length, len(points)))
        finite = [i for i in run if points[i][1] == points[i][1]]
        chosen = {run[0], run[-1]}
        if finite:
            chosen |= {min(finite, key=lambda i: points[i][1]), max(finite, key=lambda i: points[i][1])}
        if len(finite) < len(run):
            chosen.add(next(i for i in run if points[i][1] != points[i][1]))
        kept |= dict.fromkeys(sorted(chosen))
    return [points[i] for i in kept]
