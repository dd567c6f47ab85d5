"""Mermaid flowcharts of the guides as SVG, without the script of mermaid.

GitHub draws the block itself. Here its nodes are in rows by the longest path to them, as the layers of the
package are.
"""

from __future__ import annotations

import re

from cygd_site.plots import FIRST, GRAY, Picture, figure, svg

BLOCK = re.compile(r"^```mermaid\n(flowchart BT\n.*?)^```\n", re.MULTILINE | re.DOTALL)
NODE = re.compile(r'^\s*(\w+)\["(.*)"\]$', re.MULTILINE)
ARROW = re.compile(r"^\s*(\w+) --> (\w+)$", re.MULTILINE)


def layers(chart: str) -> dict[str, int]:
    """Return the row of each node, from 0 at the bottom."""
    arrows = ARROW.findall(chart)
    rows = dict.fromkeys((name for name, _ in NODE.findall(chart)), 0)
    for _ in rows:
        for low, high in arrows:
            rows[high] = max(rows[high], rows[low] + 1)
    if any(rows[high] <= rows[low] for low, high in arrows):
        raise ValueError("a flowchart has a circle of arrows")
    return rows


def draw(chart: str) -> Picture:
    """Return the picture of a flowchart, from the bottom to the top."""
    labels = dict(NODE.findall(chart))
    rows = layers(chart)
    places = {}
    for row in range(max(rows.values()) + 1):
        names = [name for name in labels if rows[name] == row]
        for number, name in enumerate(names):
            places[name] = ((number + 0.5) / len(names), row)
    drawing, axes = figure(0.9 * (max(rows.values()) + 1))
    drawing.set_figwidth(9)
    for low, high in ARROW.findall(chart):
        (x0, y0), (x1, y1) = places[low], places[high]
        axes.annotate(
            "", (x1, y1 - 0.28), (x0, y0 + 0.28), arrowprops={"arrowstyle": "->", "color": GRAY, "alpha": 0.8}
        )
    for name, (x, y) in places.items():
        text = re.sub("<b>|</b>", "", labels[name]).replace("<br>", "\n")
        axes.text(x, y, text, ha="center", va="center", fontsize=8, color="white",
                  bbox={"boxstyle": "round,pad=0.4", "facecolor": FIRST, "edgecolor": "none"})  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.5, max(rows.values()) + 0.5)
    axes.set_axis_off()
    count = f"{len(labels)} boxes in {max(rows.values()) + 1} rows"
    return Picture(svg(drawing), f"A diagram of {count}; arrows lead from the lower to the higher ones")
