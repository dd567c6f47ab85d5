"""The error surface over one or two weights, with the path of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cygd.display.html import Table
from cygd.errors import format_count
from cygd.inspection.surface import (
    CURVE_POINTS,
    LARGEST,
    SURFACE_POINTS,
    LossSurface,
    compute_loss_surface,
    parse_weight,
)
from cygd.inspection.surface_plot import plot_surface
from cygd.network import Network
from cygd.report.page import Figure, Part
from cygd.report.run_record import RunRecord
from cygd.runner.assembly import Assembly, assemble
from cygd.runner.fit import fit_options

MAX_UPDATES = 20_000  # of the training that is repeated
MAX_POINTS = 400  # of the path
MAX_TABLE = 20
OPERATIONS = 4e9  # rows times parameters that the surface, or the path, may take: seconds
SIZE = (4.6, 4.0)
KEPT_COLOR = "#e7298a"


class _Kept(NamedTuple):
    """The place of the kept weights."""

    weights: list[float]
    error: float
    epoch: int | None

    @property
    def label(self) -> str:
        return "kept" if self.epoch is None else f"kept, epoch {self.epoch}"


def surface_parts(record: RunRecord, network: Network, weights: Sequence[str]) -> list[Part]:
    """Return the parts of the section on the error surface.

    Without weights, networks of one or two parameters show all of them, and others nothing.

    Raises
    ------
    CygdError
        If the network has no such weight, or a layer has dropout.
    """
    names = list(weights) or _all_parameters(network)
    if not names:
        return []
    assembly = assemble(record.folder / "config.yaml")
    kept = _kept(record, assembly, network, names)
    surface = _compute(record, assembly, names)
    if not np.isfinite(surface.path).any() or not np.isfinite(surface.surface).any():
        return [f"The error over {' and '.join(names)} is nowhere finite: training diverged."]
    return [_figure(surface, kept), _explanation(surface, network)]


def _compute(record: RunRecord, assembly: Assembly, names: Sequence[str]) -> LossSurface:
    """Return the surface, coarser for large data and networks so that a page takes seconds."""
    data = assembly.data.train
    once = max(1, len(data) * assembly.network.parameters.size)  # operations of one error
    most = OPERATIONS / once
    side, least = (CURVE_POINTS, 61) if len(names) == 1 else (SURFACE_POINTS, 15)
    points = min(side, max(least, int(most if len(names) == 1 else math.sqrt(most))))
    rows = min(len(data), fit_options(assembly.experiment, 1).rows_per_batch(len(data)))
    updates = min(MAX_UPDATES, max(20, int(OPERATIONS / (max(1, rows) * assembly.network.parameters.size))))
    planned = min(updates, max(1, record.epochs) * math.ceil(len(data) / max(1, rows)))
    every = max(1, math.ceil(planned / min(MAX_POINTS, max(20, int(most)))))
    return compute_loss_surface(assembly, names, updates, every=every, points=points)


def _kept(record: RunRecord, assembly: Assembly, network: Network, names: Sequence[str]) -> _Kept:
    x, y, sample_weight = assembly.data.train.take()
    values = [float(network.parameters[parse_weight(network, name).index]) for name in names]
    error = float(network.loss(x, y, sample_weight=sample_weight)) + network.penalty()
    return _Kept(values, error, record.best_epoch)


def _all_parameters(network: Network) -> list[str]:
    """Return the names of the parameters of a network that has at most two."""
    if network.parameters.size > 2:
        return []
    names = []
    for k, views in enumerate(network.layer_views(np.arange(network.parameters.size))):
        for letter, indices in zip("wba", views, strict=True):
            if indices is not None:
                names += [f"{letter}{k}[{','.join(map(str, place))}]" for place in np.ndindex(indices.shape)]
    return names


def _is_apart(surface: LossSurface, kept: _Kept) -> bool:
    """Return whether the kept weights are in the chart, but not at the end of the path."""
    inside = all(axis[0] <= w <= axis[-1] for axis, w in zip(surface.axes, kept.weights, strict=True))
    return inside and math.isfinite(kept.error) and not np.array_equal(kept.weights, surface.path[-1])


def _figure(surface: LossSurface, kept: _Kept) -> Figure:
    names = [weight.name for weight in surface.weights]
    updates, last = surface.n_updates, len(surface.path) - 1
    start, end = surface.path[0], surface.path[-1]
    places = [
        ", ".join(f"{name} = {value:.4g}" for name, value in zip(names, point, strict=True))
        for point in (start, end)
    ]
    alt = (
        f"E over {' and '.join(names)}, with the path of {format_count(updates, 'update')} from {places[0]} "
        f"(E = {surface.errors[0]:.4g}) to {places[1]} (E = {surface.errors[-1]:.4g})."
    )
    is_apart = _is_apart(surface, kept)
    if is_apart:
        place = ", ".join(f"{name} = {value:.4g}" for name, value in zip(names, kept.weights, strict=True))
        alt += f" A cross marks the weights that were kept, {place} (E = {kept.error:.4g})."

    def draw(axes: Any) -> None:
        plot_surface(axes, surface)
        if is_apart:
            height = [kept.error] if len(names) == 1 else []
            style = {"marker": "X", "markersize": 8, "color": KEPT_COLOR, "markeredgecolor": "white"}
            axes.plot(*kept.weights, *height, linestyle="none", label=kept.label, zorder=5, **style)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=3)

    shown = np.unique(np.linspace(0, last, min(last + 1, MAX_TABLE)).round().astype(int))
    rows = [
        [int(surface.steps[i]), *(float(value) for value in surface.path[i]), float(surface.errors[i])]
        for i in shown
    ]
    return Figure("error surface", alt, draw, Table(["update", *names, "E"], rows), SIZE, caption=alt)


def _explanation(surface: LossSurface, network: Network) -> str:
    text = "E is the loss of all training rows with its penalties."
    others = network.parameters.size - len(surface.weights)
    if others:
        text += (
            f" On the surface, the {format_count(others, 'other parameter')} have the values of the end "
            "of the path, which touches it there; the points of the path have the errors of the whole "
            "network at that time."
        )
    thinned = surface.n_updates + 1 - len(surface.path)
    if thinned:
        text += f" The path has {len(surface.path)} points, evenly chosen from {surface.n_updates} updates."
    if not surface.complete:
        text += f" The path ends after {surface.n_updates} updates, before the end of training."
    blank = int((~(np.abs(surface.surface) <= LARGEST)).sum())
    if blank:
        share = blank / surface.surface.size
        text += f" E is not finite in {share:.1%} of the chart, which is left blank there."
    beyond = int((~(np.abs(surface.path) <= LARGEST).all(axis=1)).sum())
    if beyond:
        text += f" {format_count(beyond, 'point')} of the path that diverged cannot be drawn."
    return text
