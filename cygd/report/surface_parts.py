"""The error surface over one or two weights, with the path of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cygd.display.html import Table
from cygd.errors import format_count
from cygd.inspection.surface import LossSurface, compute_loss_surface
from cygd.inspection.surface_plot import plot_surface
from cygd.network import Network
from cygd.report.page import Figure, Part
from cygd.report.run_record import RunRecord
from cygd.runner.assembly import assemble

MAX_UPDATES = 2000  # of the training that is repeated
MAX_TABLE = 20
SIZE = (4.6, 4.0)


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
    surface = compute_loss_surface(assemble(record.folder / "config.yaml"), names, MAX_UPDATES)
    if not np.isfinite(surface.path).any() or not np.isfinite(surface.surface).any():
        return [f"The error over {' and '.join(names)} is nowhere finite: training diverged."]
    return [_figure(surface), _explanation(surface, network)]


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


def _figure(surface: LossSurface) -> Figure:
    names = [weight.name for weight in surface.weights]
    updates = len(surface.path) - 1
    start, end = surface.path[0], surface.path[-1]
    places = [
        ", ".join(f"{name} = {value:.4g}" for name, value in zip(names, point, strict=True))
        for point in (start, end)
    ]
    alt = (
        f"E over {' and '.join(names)}, with the path of {format_count(updates, 'update')} from {places[0]} "
        f"(E = {surface.errors[0]:.4g}) to {places[1]} (E = {surface.errors[-1]:.4g})."
    )

    def draw(axes: Any) -> None:
        plot_surface(axes, surface)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=3)

    shown = np.unique(np.linspace(0, updates, min(updates + 1, MAX_TABLE)).round().astype(int))
    rows = [[int(i), *(float(value) for value in surface.path[i]), float(surface.errors[i])] for i in shown]
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
    if not surface.complete:
        text += f" The path ends after {len(surface.path) - 1} updates, before the end of training."
    return text
