"""Draw charts with matplotlib, if it is installed, and write them as SVG files.

A section holds functions that draw its charts, so that matplotlib is imported only when a chart is written.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Chart", "DrawnChart", "bars", "curves", "drawable", "panels", "roofline"]

OURS = "#c8102e"
COLORS = {
    "cygd": OURS,
    "JAX": "#3b6fb6",
    "JAX (cached)": "#9dbde6",
    "PyTorch": "#e08a2e",
    "torch.compile": "#f0c05a",
    "scikit-learn": "#6a9f58",
    "NumPy": "#8c8c8c",
}
OTHERS = ["#3b6fb6", "#e08a2e", "#6a9f58", "#8c6bb1", "#8c8c8c", "#3fa0a0"]
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "cygd",  # makes the files reproducible
}


@dataclass(frozen=True)
class Chart:
    """A chart of a section.

    Attributes
    ----------
    name : str
        Name of the file, without its suffix.
    caption : str
    draw : callable
        Returns the figure.
    """

    name: str
    caption: str
    draw: Callable[[], Any]

    def write(self, folder: Path) -> Path:
        """Draw the chart, write it to `folder` and return the path."""
        path = folder / f"{self.name}.svg"
        folder.mkdir(parents=True, exist_ok=True)
        figure = self.draw()
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
        # matplotlib writes trailing spaces
        path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
        return path


@dataclass(frozen=True)
class DrawnChart:
    """A chart that another process has drawn.

    Attributes
    ----------
    name : str
        Name of the file, without its suffix.
    caption : str
    svg : str
        The content of the file.
    """

    name: str
    caption: str
    svg: str

    def write(self, folder: Path) -> Path:
        """Write the chart to `folder` and return the path."""
        path = folder / f"{self.name}.svg"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(self.svg)
        return path


def drawable() -> bool:
    """Return whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def _figure(columns: int = 1, rows: int = 1, size: tuple[float, float] = (7.2, 3.6), **options: Any) -> Any:
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(STYLE)
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _color(label: str, index: int) -> str:
    return COLORS.get(label.partition(",")[0], OTHERS[index % len(OTHERS)])


def _dashes(labels: Sequence[str]) -> dict[str, str]:
    """Return the line style of each label: solid for the first curve of a library, then dashed and dotted."""
    previous: list[str] = []
    styles = {}
    for label in labels:
        library = label.partition(",")[0]
        styles[label] = ("-", "--", ":")[min(2, previous.count(library))]
        previous.append(library)
    return styles


def bars(groups: Mapping[str, Mapping[str, float]], title: str, unit: str = "time, cygd = 1") -> Any:
    """Draw the ratios of each group as bars from a line at 1, labeled with their values."""
    labels = list(dict.fromkeys(label for group in groups.values() for label in group))
    figure, [[axes]] = _figure(size=(1.2 + 1.5 * len(groups), 3.4))
    width = 0.84 / max(1, len(labels))
    for index, label in enumerate(labels):
        shown = [(k, group[label]) for k, group in enumerate(groups.values()) if label in group]
        at = [k + (index - (len(labels) - 1) / 2) * width for k, _ in shown]
        values = [value for _, value in shown]
        # bars start at 1, so that ratios below 1 point down
        axes.bar(at, [v - 1 for v in values], width * 0.92, bottom=1, color=_color(label, index), label=label)
        for x, value in zip(at, values, strict=True):
            above = value >= 1
            axes.annotate(
                f"{value:.2g}" if value < 1 else f"{value:.3g}" if value < 100 else f"{value:.0f}",
                (x, value),
                xytext=(0, 2 if above else -2),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize=7,
            )
    axes.axhline(1, color=OURS, linewidth=1.4)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.7 * low, 0.7), high * 1.3)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xticks(range(len(groups)), list(groups))
    axes.grid(axis="x", visible=False)
    axes.set_ylabel(unit)
    axes.set_title(title)
    axes.legend(ncols=len(labels), loc="upper center", bbox_to_anchor=(0.5, -0.1))
    return figure


def curves(
    parts: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    unit: str,
    title: str,
    linear: bool = False,
) -> Any:
    """Draw one panel of curves per x axis, over powers of two; the y axis is logarithmic or from 0 to 1."""
    figure, [axes] = _figure(len(parts), size=(max(2.4 * len(parts), 6.4) + 0.6, 3.2), sharey=True)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    for one, (across, lines) in zip(axes, parts.items(), strict=True):
        dashes = _dashes(list(lines))
        for index, (label, points) in enumerate(lines.items()):
            x, y = zip(*points, strict=True)
            one.plot(x, y, dashes[label], marker="o", color=_color(label, index), label=label)
        _powers(one, across, linear)
    axes[0].set_ylabel(unit)
    axes[0].legend()
    return figure


def _powers(axes: Any, label: str, linear: bool = False) -> None:
    axes.set_xscale("log", base=2)
    if linear:
        axes.set_ylim(0, 1.02)
    else:
        axes.set_yscale("log")
    # long numbers would overlap
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if value < 10_000 else f"{value / 1024:g} k")
    axes.set_xlabel(label)


def panels(
    parts: Mapping[str, Mapping[int, Sequence[tuple[float, float]]]],
    across: str,
    unit: str,
    line: str,
    title: str,
) -> Any:
    """Draw one panel per part, all with the same scale, and one curve per number, darkest for the largest."""
    from matplotlib import colormaps

    columns = min(3, len(parts))
    rows = -(-len(parts) // columns)
    figure, axes = _figure(columns, rows, (3.0 * columns + 1, 2.8 * rows), sharey=True, sharex=True)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    spare = [one for row in axes for one in row]
    for one, (name, lines) in zip(spare, parts.items(), strict=False):
        for index, (number, points) in enumerate(sorted(lines.items())):
            x, y = zip(*points, strict=True)
            shade = colormaps["viridis_r"](0.1 + 0.9 * index / max(1, len(lines) - 1))
            one.plot(x, y, marker=".", color=shade, label=f"{number}")
        _powers(one, across)
        one.tick_params(labelbottom=True)
        one.set_title(name)
    for one in spare[len(parts) :]:
        one.set_visible(False)
    for row in axes:
        row[0].set_ylabel(unit)
    figure.legend(*spare[0].get_legend_handles_labels(), title=line, loc="outside right center", reverse=True)
    return figure


def roofline(
    points: Mapping[str, tuple[float, float]], peak: Mapping[int, float], read: Mapping[int, float]
) -> Any:
    """Draw the roofline of memory and arithmetic, and points (operations per byte, operations per second)."""
    figure, [[axes]] = _figure(size=(8.4, 3.6))
    low = min([0.25, *(x / 2 for x, _ in points.values())])
    high = max([1024.0, *(2 * x for x, _ in points.values())])
    roofs = []
    for threads, style in zip(sorted(peak), ("-", "--"), strict=False):
        ridge = peak[threads] / read[threads]
        x = [low, ridge, high]
        label = f"{threads} core{'s' if threads > 1 else ''}: {read[threads] / 1e9:.0f} GB/s, "
        y = [low * read[threads] / 1e9, peak[threads] / 1e9, peak[threads] / 1e9]
        label += f"{peak[threads] / 1e9:.0f} GFLOP/s"
        roofs += axes.plot(x, y, style, color="#555555", label=label)
    marks = [
        axes.plot([x], [rate / 1e9], "o", color=OTHERS[index % len(OTHERS)], markersize=6, label=name)[0]
        for index, (name, (x, rate)) in enumerate(points.items())
    ]
    figure.legend(handles=marks, loc="outside right upper")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("operations per byte from memory")
    axes.set_ylabel("GFLOP/s")
    axes.legend(handles=roofs, loc="lower right")
    return figure
