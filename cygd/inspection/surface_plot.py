"""Plots of loss surfaces with matplotlib (the extra `report`): a curve over one weight, contours over two."""

from __future__ import annotations

import errno
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cygd.errors import CygdError, format_count
from cygd.files import write_user_file
from cygd.inspection.surface import LARGEST, Array, LossSurface

LEVELS = 24
DECADES = 1e3  # the highest level over the lowest from which the levels are logarithmic
MAX_RANGE = 1e6  # beyond which lower errors have no levels of their own
CURVE_COLOR = "#000000"  # which a page in dark colors replaces
PATH_COLOR, START_COLOR, END_COLOR = "#d95f02", "#7570b3", "#1b9e77"


def draw(data: LossSurface, title: str, file: Path) -> None:
    """Write a plot, whole, in the format that the suffix of the file names."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise CygdError(
            "matplotlib is not installed",
            hint='pip install "cygd[report]", or --csv for the numbers',
        ) from None
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11)
    plot_surface(axes, data)
    axes.legend(fontsize=9, framealpha=0.85, edgecolor="none")
    # reproducible files: neither random ids nor a date
    with matplotlib.rc_context({"svg.hashsalt": "cygd", "svg.fonttype": "none"}):
        metadata = {"Date": None} if file.suffix == ".svg" else None
        try:
            if not file.parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
            content = io.BytesIO()
            figure.savefig(content, format=file.suffix[1:] or None, metadata=metadata, dpi=150)
            write_user_file(file, content.getvalue())
        except ValueError as error:
            raise CygdError(f"{file}: {error}", hint="use the suffix .svg, .png or .pdf") from None


def plot_surface(axes: Any, data: LossSurface) -> None:
    """Draw a curve or contours, the path and its ends on axes of matplotlib, without a legend."""
    data = replace(data, path=_within(data.path), errors=_within(data.errors), surface=_within(data.surface))
    (_curve if len(data.weights) == 1 else _contours)(axes, data)
    _mark_ends(axes, data)


def _within(values: Array) -> Array:
    """Replace values that overflow in matplotlib by NaN."""
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def _curve(axes: Any, data: LossSurface) -> None:
    """Plot E over one weight, and E of the network after every update."""
    axes.plot(
        data.axes[0], data.surface, color=CURVE_COLOR, linewidth=1.5, label="E, other weights as at the end"
    )
    axes.plot(
        data.path[:, 0],
        data.errors,
        "o-",
        color=PATH_COLOR,
        linewidth=0.8,
        markersize=_marker_size(data),
        label=_path_label(data),
    )
    axes.set_xlabel(data.weights[0].name)
    axes.set_ylabel("E")
    axes.spines[["top", "right"]].set_visible(False)
    _limit(axes, data)


def _limit(axes: Any, data: LossSurface) -> None:
    """Limit the axis of E to the path and a margin."""
    finite = np.concatenate([data.errors, data.surface])
    finite = finite[np.isfinite(finite)]
    on_path = data.errors[np.isfinite(data.errors)]
    if finite.size and on_path.size:
        low, high = float(finite.min()), float(max(on_path.max(), np.median(finite)))
        margin = 0.15 * (high - low) or 1.0
        axes.set_ylim(low - margin / 2, high + margin)


def _contours(axes: Any, data: LossSurface) -> None:
    """Plot contours of E over two weights, dense at low E, and the path."""
    from matplotlib.colors import LogNorm

    surface = np.ma.masked_invalid(data.surface.T)
    if surface.count():
        levels, is_log = _levels(surface.compressed())
        if levels.size > 1:
            norm = LogNorm(levels[0], levels[-1]) if is_log else None
            extend = "both" if is_log else "max"
            filled = axes.contourf(
                *data.axes, surface, levels=levels, cmap="viridis", alpha=0.85, extend=extend, norm=norm
            )
            axes.contour(*data.axes, surface, levels=levels, colors="white", linewidths=0.4)
            axes.figure.colorbar(filled, label="E, other weights as at the end", format="%.3g")
    style = {"color": PATH_COLOR, "linewidth": 1.0, "markersize": _marker_size(data), "zorder": 3}
    axes.plot(*data.path.T, "o-", label=_path_label(data), **style)
    axes.set_xlabel(data.weights[0].name)
    axes.set_ylabel(data.weights[1].name)


def _levels(values: Array) -> tuple[Array, bool]:
    """Return the levels of the contours, and whether they are spaced logarithmically.

    Over a few powers of ten they are; else their distances grow quadratically from the minimum.
    """
    low, high = float(values.min()), float(np.quantile(values, 0.98))
    if 0 < low * DECADES < high:
        return np.geomspace(max(low, high / MAX_RANGE), high, LEVELS), True
    return np.unique(low + (high - low) * np.linspace(0, 1, LEVELS) ** 2), False


def _mark_ends(axes: Any, data: LossSurface) -> None:
    heights = data.errors[:, None] if len(data.weights) == 1 else np.empty((len(data.path), 0))
    places = np.hstack([data.path, heights])
    ends = ((0, "s", START_COLOR, "start"), (-1, "o", END_COLOR, f"after {data.n_updates}"))
    for at, marker, color, name in ends:
        if np.isfinite(places[at]).all():
            axes.plot(*places[at], marker, color=color, markersize=7, label=name, zorder=4)


def _marker_size(data: LossSurface) -> float:
    return 3.5 if len(data.path) <= 100 else 1.5


def _path_label(data: LossSurface) -> str:
    return format_count(data.n_updates, "update") + ("" if data.complete else ", the first of the run")
