"""Heat maps as SVG: a surface over two axes, with a path on it."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.display.axes import Axis
from cygd.display.charts import svg
from cygd.display.html import escape

WIDTH, HEIGHT = 380, 320
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 24, 40
PATH_COLOR = "#ff7f0e"
# a scale from low to high, even in lightness: dark blue, blue, green, yellow
SCALE = np.array([[42, 20, 84], [50, 82, 148], [32, 144, 140], [110, 200, 95], [250, 230, 60]], np.float64)
MAX_POINTS = 500

Floats = npt.NDArray[np.floating[Any]]


def heat_map(
    title: str,
    names: tuple[str, str],
    axes: tuple[Floats, Floats],
    surface: Floats,  # (n_x, n_y); what is not finite is transparent
    path: Floats,  # (n_points, 2)
) -> str:
    """Return a surface as colors, low values dark, with a path from its first to its last point."""
    x_axis = Axis.of(axes[0].tolist(), LEFT, WIDTH - RIGHT)
    y_axis = Axis.of(axes[1].tolist(), HEIGHT - BOTTOM, TOP)
    data = base64.b64encode(png(color_scale(surface.T[::-1]))).decode()
    place = f'x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}"'
    parts = [f'<image {place} preserveAspectRatio="none" href="data:image/png;base64,{data}"/>']
    parts.append(f'<rect {place} fill="none" stroke="currentColor" stroke-opacity=".6"/>')
    for at, label in x_axis.ticks(6):
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{label}</text>')
    for at, label in y_axis.ticks(6):
        parts.append(f'<text x="{LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
    parts += _path(path, x_axis, y_axis)
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:g}" y="{HEIGHT - 8}" text-anchor="middle">{escape(names[0])}</text>')
    turned = f'transform="rotate(-90 12 {HEIGHT / 2:g})" text-anchor="middle"'
    parts.append(f'<text x="12" y="{HEIGHT / 2:g}" {turned}>{escape(names[1])}</text>')
    parts.append(f'<text x="4" y="13" style="font-weight: 600">{escape(title, 60)}</text>')
    return svg(WIDTH, HEIGHT, title, parts)


def _path(path: Floats, x_axis: Axis, y_axis: Axis) -> list[str]:
    step = max(1, -(-len(path) // MAX_POINTS))
    points = [*path[::step].tolist(), path[-1].tolist()]
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in points]
    known = [f"{x:.1f},{y:.1f}" for x, y in places if x is not None and y is not None]
    if not known:
        return []
    parts = [f'<polyline points="{" ".join(known)}" fill="none" stroke="{PATH_COLOR}" stroke-width="1.6"/>']
    for point, fill in ((known[0], "#fff"), (known[-1], PATH_COLOR)):
        x, y = point.split(",")
        parts.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{fill}" stroke="{PATH_COLOR}"/>')
    return parts


def color_scale(values: Floats) -> npt.NDArray[np.uint8]:
    """Return red, green, blue and opacity of each value; the scale follows the ranks of the values.

    So the bottom of a bowl is seen however steep its walls are.
    """
    finite = np.isfinite(values)
    distinct, ranks = np.unique(values[finite], return_inverse=True)
    share = np.zeros(values.shape)
    share[finite] = ranks / max(len(distinct) - 1, 1)
    position = share * (len(SCALE) - 1)
    low = np.minimum(position.astype(int), len(SCALE) - 2)
    mixed = SCALE[low] + (position - low)[..., None] * (SCALE[low + 1] - SCALE[low])
    return np.concatenate([mixed, np.where(finite, 255, 0)[..., None]], axis=-1).round().astype(np.uint8)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an image of shape (height, width, 4) as PNG."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">2I5B", width, height, 8, 6, 0, 0, 0)
    content = zlib.compress(rows.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
