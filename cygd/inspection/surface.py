"""Loss surfaces: the error over one weight or two, and the path of gradient descent on it.

    E(w) = loss of all training rows + penalties, all other weights as at the end of the path.

The path is that of the run: the updates of `Network.steps`, up to the end of the run or a maximum.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.errors import CygdError, format_count
from cygd.inspection.experiment import ExperimentOrRun, assemble_experiment, check_no_dropout
from cygd.network import Network
from cygd.runner.assembly import Assembly
from cygd.runner.fit import fit_options, training_loop

if TYPE_CHECKING:
    from cygd.display.plot import Plot

Array = NDArray[Any]

CURVE_POINTS = 241
SURFACE_POINTS = 61  # along each side
LARGEST = 1e100  # that is shown of a path that diverges
MARGIN = 0.5  # on each side of the path, in proportion to its extent


@dataclass(frozen=True)
class Weight:
    """One parameter of a network.

    w0[1,2] is the weight from input 1 to unit 2 of layer 0, b0[2] the bias of that unit, a0[0] a trainable
    parameter of its activation.
    """

    name: str
    index: int  # in `Network.parameters`


@dataclass(frozen=True, eq=False)
class LossSurface:
    """The error over one weight or two, and the path of training."""

    weights: tuple[Weight, ...]  # one or two
    steps: Array  # the number of updates before each point of the path, from 0: (n_points,)
    epochs: Array  # the epoch of the last of them, from 1
    path: Array  # the weights after these updates: (n_points, n_weights)
    errors: Array  # E of the whole network there
    axes: tuple[Array, ...]  # the values of each weight at which the surface was evaluated
    surface: Array  # E there: [i] or [i, j] at axes[0][i] and axes[1][j]
    complete: bool  # whether the path ends at the end of the run

    @property
    def n_updates(self) -> int:
        """The number of updates from the first to the last point of the path."""
        return int(self.steps[-1])

    def plot(self) -> Plot:
        """Return a curve over one weight, or colors over two, with the path of the updates."""
        from cygd.display.charts import Series, line_chart  # imported here: the command `bowl` needs none
        from cygd.display.heat_map import heat_map
        from cygd.display.plot import Plot

        updates = format_count(self.n_updates, "update")
        title = f"E over {' and '.join(weight.name for weight in self.weights)}, {updates}"
        first = self.weights[0].name
        if len(self.weights) == 2:
            names, axes = (first, self.weights[1].name), (self.axes[0], self.axes[1])
            return Plot(title, (heat_map("E", names, axes, self.surface, self.path),))
        finite = self.surface[np.isfinite(self.surface)]
        on_path = self.errors[np.isfinite(self.errors)]
        highest = max(np.median(finite), on_path.max()) if finite.size and on_path.size else np.inf
        limits = [value for value in [*finite.tolist(), *on_path.tolist()] if value <= 1.5 * abs(highest)]
        lines = [
            Series("E", self.axes[0].tolist(), self.surface.tolist()),
            Series(updates, self.path[:, 0].tolist(), self.errors.tolist(), dots=len(self.path) <= 200),
        ]
        return Plot(title, (line_chart("E", lines, x_label=first, log=False, limits=limits),))

    def _repr_html_(self) -> str:
        return self.plot()._repr_html_()


def loss_surface(
    experiment_or_run: ExperimentOrRun,
    weights: Sequence[str] = ("w0[0,0]",),
    steps: int = 1000,
    threads: int | None = None,
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
) -> LossSurface:
    """Return the error over one weight or two, and the path of training on it.

    Parameters
    ----------
    experiment_or_run : path, mapping or Result
        An experiment, or a run, whose training is repeated.
    weights : sequence of str
        One or two names such as w0[1,2], b0[2] or a0[0].
    steps : int
        The maximum number of updates.
    threads : int, optional
        Never changes the result.
    overrides, plugins : sequence of str
        As for `cygd.run`.

    Raises
    ------
    ConfigError
        If a layer has dropout.
    CygdError
        If the network has no such weight.
    """
    assembly = assemble_experiment(experiment_or_run, overrides, plugins)
    return compute_loss_surface(assembly, weights, steps, threads)


def compute_loss_surface(
    assembly: Assembly,
    names: Sequence[str],
    max_updates: int = 1000,
    threads: int | None = None,
    *,
    every: int = 1,
    points: int | None = None,
) -> LossSurface:
    """Return what `loss_surface` does for an assembled experiment; its network is trained.

    The path has a point after each `every` updates and after the last one, the surface `points` along each
    axis.
    """
    check_no_dropout(assembly, "dropout has no loss surface: its masks change the error from step to step")
    network = assembly.network
    weights = tuple(parse_weight(network, name) for name in names)
    if len({w.index for w in weights}) < len(weights):
        raise CygdError(
            f"the weight {weights[0].name} is given twice", hint="name two different weights, or one"
        )
    x, y, sample_weight = assembly.data.train.take()

    def error() -> float:
        loss = network.loss(x, y, sample_weight=sample_weight, threads=threads or 1)
        return float(loss) + network.penalty()

    indices = [w.index for w in weights]
    path, complete = _follow(assembly, indices, max_updates, every, threads or 1, error)
    places = np.array([point.weights for point in path], np.float64)
    count = points or (CURVE_POINTS if len(weights) == 1 else SURFACE_POINTS)
    axes = tuple(_axis(places[:, k], count) for k in range(len(weights)))
    return LossSurface(
        weights=weights,
        steps=np.array([point.step for point in path]),
        epochs=np.array([point.epoch for point in path]),
        path=places,
        errors=np.array([point.error for point in path]),
        axes=axes,
        surface=_evaluate(network, indices, axes, error),
        complete=complete,
    )


def parse_weight(network: Network, name: str) -> Weight:
    """Return the weight that a name means.

    Examples
    --------
    >>> parse_weight(Network(2, [3, 1]), "w1[2,0]")
    Weight(name='w1[2,0]', index=11)
    """
    match = re.fullmatch(r"\s*([wba])(\d+)\s*\[\s*(\d+)\s*(?:,\s*(\d+)\s*)?\]\s*", name)
    example = "w0[0,0]" + (", or b0[0] for a bias" if network.biases[0] is not None else "")
    if match is None:
        ranges = _nearest_ranges(network, name)
        raise CygdError(f"unknown weight {name!r}", hint=f"for example {example}{ranges}")
    kind, layer = match[1], int(match[2])
    views = network.layer_views(np.arange(network.parameters.size))
    if layer >= len(views):
        hint = f"the layers are 0 to {len(views) - 1}" if len(views) > 1 else "the only layer is 0"
        raise CygdError(f"{name}: the network has no layer {layer}", hint=hint)
    indices = views[layer]["wba".index(kind)]
    if indices is None:
        what = "bias" if kind == "b" else "trainable parameter of its activation"
        raise CygdError(f"{name}: layer {layer} has no {what}", hint=f"for example {example}")
    place = tuple(int(part) for part in match.groups()[2:] if part is not None)
    if len(place) != indices.ndim or any(i >= n for i, n in zip(place, indices.shape, strict=True)):
        ranges = ",".join(f"0..{n - 1}" for n in indices.shape)
        raise CygdError(f"{name}: out of range", hint=f"layer {layer} has {kind}{layer}[{ranges}]")
    return Weight(f"{kind}{layer}[{','.join(map(str, place))}]", int(indices[place]))


def _nearest_ranges(network: Network, name: str) -> str:
    """Return the names that begin as a wrong one does, such as w0 or w0[1; an empty text if none does."""
    match = re.match(r"\s*([wba])(\d+)", name)
    views = network.layer_views(np.arange(network.parameters.size))
    if match is None or int(match[2]) >= len(views):
        return ""
    kind, layer = match[1], int(match[2])
    indices = views[layer]["wba".index(kind)]
    if indices is None:
        return ""
    return f"; layer {layer} has {kind}{layer}[{','.join(f'0..{n - 1}' for n in indices.shape)}]"


class _Point(NamedTuple):
    """A point of the path."""

    step: int
    epoch: int
    weights: Array
    error: float


def _follow(
    assembly: Assembly,
    indices: Sequence[int],
    max_updates: int,
    every: int,
    threads: int,
    error: Callable[[], float],
) -> tuple[list[_Point], bool]:
    """Train; return the points of the path, and whether the run ends with the last of them.

    The network is then at the end of the path.
    """
    network = assembly.network
    end = epoch_start = network.parameters.copy()
    step, epoch, epoch_step, complete = 0, 1, 0, True
    path = [_Point(step, epoch, end[indices], error())]
    loop = training_loop(assembly, fit_options(assembly.experiment, threads))
    for update in loop.steps():
        if step == max_updates:
            complete = False
            break
        if update.epoch > epoch:
            epoch, epoch_start, epoch_step = update.epoch, update.before, step
        step, end = step + 1, update.after
        if step % every == 0:
            path.append(_Point(step, epoch, end[indices], error()))
    kept = loop.history.epochs
    if complete and loop.history.status == "diverged" and epoch > kept:
        # the run does not keep the updates of the epoch that diverged
        end, step, epoch = epoch_start, epoch_step, kept
        path = path[:1] + [point for point in path[1:] if point.epoch <= kept]
    network.parameters[...] = end
    if path[-1].step < step:
        path.append(_Point(step, epoch, end[indices], error()))
    return path, complete


def _axis(values: Array, count: int) -> Array:
    """Return evenly spaced points from half the extent of the path before it to half beyond it."""
    finite = values[np.abs(values) <= LARGEST]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (-1.0, 1.0)
    margin = MARGIN * (high - low) or max(abs(low), 1.0)
    return np.linspace(low - margin, high + margin, count)


def _evaluate(
    network: Network, indices: Sequence[int], axes: Sequence[Array], error: Callable[[], float]
) -> Array:
    """Return E with the weights at each point of the axes, all others unchanged."""
    parameters = network.parameters.copy()
    surface = np.empty([axis.size for axis in axes])
    for point in np.ndindex(*surface.shape):
        network.parameters[indices] = [axis[i] for axis, i in zip(axes, point, strict=True)]
        surface[point] = error()
    network.parameters[...] = parameters
    return surface
