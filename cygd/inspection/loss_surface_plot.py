"""Pictures of a bowl, by matplotlib (the extra `report`): a curve over one weight, contours over two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cygd.errors import CygdError
from cygd.inspection.loss_surface import LARGEST, Array, LossSurface

__all__ = ["draw"]

LEVELS = 24
INK, WAY, START, END = "#3b4252", "#d95f02", "#7570b3", "#1b9e77"


def draw(bowl: LossSurface, title: str, file: Path) -> None:
    """Write a picture; the suffix of its name says in which format.

    Raises
    ------
    CygdError
        If matplotlib is not installed, or does not know the format.
    OSError
        If the file cannot be written.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise CygdError(
            "a picture needs matplotlib, which is not installed",
            hint='pip install "cygd[report]", or --csv for the numbers',
        ) from None
    bowl = replace(bowl, path=_within(bowl.path), errors=_within(bowl.errors), surface=_within(bowl.surface))
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11)
    (_curve if len(bowl.weights) == 1 else _contours)(axes, bowl)
    _mark_ends(axes, bowl)
    axes.legend(fontsize=9, framealpha=0.85, edgecolor="none")
    # the same numbers give the same file
    with matplotlib.rc_context({"svg.hashsalt": "cygd", "svg.fonttype": "none"}):
        metadata = {"Date": None} if file.suffix == ".svg" else None
        try:
            figure.savefig(file, metadata=metadata, dpi=150)
        except ValueError as error:
            raise CygdError(f"{file}: {error}", hint="name it .svg, .png or .pdf") from None


def _within(values: Array) -> Array:
    """Leave out what matplotlib's own arithmetic cannot bear."""
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def _curve(axes: Any, bowl: LossSurface) -> None:
    """E over one weight, and E of the network at every step."""
    axes.plot(
        bowl.axes[0], bowl.surface, color=INK, linewidth=1.5, label="E, the other weights as at the end"
    )
    way = bowl.path[:, 0], bowl.errors
    axes.plot(*way, "o-", color=WAY, linewidth=0.8, markersize=_size(bowl), label=_steps(bowl))
    axes.set_xlabel(bowl.weights[0].name)
    axes.set_ylabel("E")
    axes.spines[["top", "right"]].set_visible(False)
    _limit(axes, bowl)


def _limit(axes: Any, bowl: LossSurface) -> None:
    """Leave out what rises far beyond the way, and before the beginning."""
    finite = np.concatenate([bowl.errors, bowl.surface])
    finite = finite[np.isfinite(finite)]
    on_way = bowl.errors[np.isfinite(bowl.errors)]
    if finite.size and on_way.size:
        low, high = float(finite.min()), float(max(on_way.max(), np.median(finite)))
        margin = 0.15 * (high - low) or 1.0
        axes.set_ylim(low - margin / 2, high + margin)


def _contours(axes: Any, bowl: LossSurface) -> None:
    """Lines of equal E over two weights, dense where E is small, and the way across them."""
    surface = np.ma.masked_invalid(bowl.surface.T)
    if surface.count():
        levels = _levels(surface.compressed())
        if levels.size > 1:
            filled = axes.contourf(
                *bowl.axes, surface, levels=levels, cmap="viridis", alpha=0.85, extend="max"
            )
            axes.contour(*bowl.axes, surface, levels=levels, colors="white", linewidths=0.4)
            axes.figure.colorbar(filled, label="E, the other weights as at the end", format="%.3g")
    look = {"color": WAY, "linewidth": 1.0, "markersize": _size(bowl), "zorder": 3}
    axes.plot(*bowl.path.T, "o-", label=_steps(bowl), **look)
    axes.set_xlabel(bowl.weights[0].name)
    axes.set_ylabel(bowl.weights[1].name)


def _levels(values: Array) -> Array:
    """Return levels whose distances grow from the minimum as those of a parabola's equal steps do."""
    low, high = float(values.min()), float(np.quantile(values, 0.98))
    return np.unique(low + (high - low) * np.linspace(0, 1, LEVELS) ** 2)


def _mark_ends(axes: Any, bowl: LossSurface) -> None:
    last = len(bowl.path) - 1
    heights = bowl.errors[:, None] if len(bowl.weights) == 1 else np.empty((last + 1, 0))
    places = np.hstack([bowl.path, heights])
    for at, color, name in ((0, START, "start"), (last, END, f"after {last}")):
        if np.isfinite(places[at]).all():
            axes.plot(*places[at], "o", color=color, markersize=7, label=name, zorder=4)


def _size(bowl: LossSurface) -> float:
    return 3.5 if len(bowl.path) <= 100 else 1.5


def _steps(bowl: LossSurface) -> str:
    count = len(bowl.path) - 1
    return f"{count} update{'s' * (count != 1)}" + ("" if bowl.complete else ", the first of the run")
