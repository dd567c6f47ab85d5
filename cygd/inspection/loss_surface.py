"""The error over one weight or two, and the way that training takes down it.

    E(w) = loss of all training rows + penalties, every other weight as it is at the end of the way.

The way is that of the run: every update is one of the network's own, over the run's batches in their order,
as far as the run goes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.components import Schedule
from cygd.errors import ConfigError, CygdError
from cygd.inspection.trace import batches
from cygd.network import Network
from cygd.network.threads import choose_threads
from cygd.runner.assembly import Assembly, build_network
from cygd.runner.fit import fit

__all__ = ["LARGEST", "LossSurface", "Weight", "compute_loss_surface", "weight"]

Array = NDArray[Any]

CURVE_POINTS = 241
SURFACE_POINTS = 61  # along each side
LARGEST = 1e100  # of what a way that diverges shows
MARGIN = 0.5  # of the way's extent, on each side of it


@dataclass(frozen=True)
class Weight:
    """One number of a network, by its name: w0[1,2] from input 1 to unit 2 of layer 0, b0[2], a0[0].

    Attributes
    ----------
    name : str
    at : int
        Its place in `Network.parameters`.
    """

    name: str
    at: int


@dataclass(frozen=True, eq=False)
class LossSurface:
    """What is drawn.

    Attributes
    ----------
    weights : tuple of Weight
        One or two.
    steps, epochs : array of int, shape (n_updates + 1,)
        The updates, row 0 before the first; and the epochs that they belong to, from 1.
    path : array of shape (n_updates + 1, n_weights)
        The weights after each.
    errors : array of shape (n_updates + 1,)
        E of the whole network after each.
    axes : tuple of arrays
        Where the surface was evaluated, for each weight.
    surface : array of shape (n,) or (n, n)
        E there; [i, j] at axes[0][i] and axes[1][j].
    complete : bool
        Whether the way goes to the end of the run.
    """

    weights: tuple[Weight, ...]
    steps: Array
    epochs: Array
    path: Array
    errors: Array
    axes: tuple[Array, ...]
    surface: Array
    complete: bool


def compute_loss_surface(
    assembly: Assembly, names: Sequence[str], most: int = 1000, threads: int | None = None
) -> LossSurface:
    """Follow an experiment's first updates, and measure the error around their way.

    Parameters
    ----------
    assembly : Assembly
        The experiment; its network is trained.
    names : sequence of str
        One weight or two.
    most : int
        After how many updates the way ends at the latest.
    threads : int, optional

    Raises
    ------
    ConfigError
        For dropout, with which no two errors could be compared.
    CygdError
        For weights that there are not.
    """
    _refuse_dropout(assembly)
    weights = tuple(weight(assembly.network, name) for name in names)
    if len({w.at for w in weights}) < len(weights):
        raise CygdError(f"the weight {weights[0].name} is named twice", hint="name two, or one alone")
    length, complete = _length(assembly, most, threads)
    error = _Error(assembly, threads)
    steps, epochs, path, errors = _follow(assembly, weights, length, error)
    count = CURVE_POINTS if len(weights) == 1 else SURFACE_POINTS
    axes = tuple(_axis(path[:, k], count) for k in range(len(weights)))
    surface = _surface(assembly.network, weights, axes, error)
    return LossSurface(weights, steps, epochs, path, errors, axes, surface, complete)


# weights ------------------------------------------------------------------------------------------


def weight(network: Network, name: str) -> Weight:
    """Return the weight of a name.

    Examples
    --------
    >>> weight(Network(2, [3, 1]), "w1[2,0]")
    Weight(name='w1[2,0]', at=11)
    """
    found = re.fullmatch(r"\s*([wba])(\d+)\s*\[\s*(\d+)\s*(?:,\s*(\d+)\s*)?\]\s*", name)
    if found is None:
        raise CygdError(f"{name!r} names no weight", hint=f"write it so: {_first(network)}")
    kind, layer = found[1], int(found[2])
    if layer >= len(network.weights):
        last = len(network.weights) - 1
        hint = f"the layers are numbered from 0 to {last}" if last else "there is one, layer 0"
        raise CygdError(f"{name}: there is no layer {layer}", hint=hint)
    arrays: dict[str, Sequence[Array | None]]
    arrays = {"w": network.weights, "b": network.biases, "a": network.trainable_values}
    array = arrays[kind][layer]
    if array is None:
        what = "bias" if kind == "b" else "trainable parameter of its activation"
        raise CygdError(f"{name}: layer {layer} has no {what}", hint=f"for example {_first(network)}")
    index = tuple(int(part) for part in found.groups()[2:] if part is not None)
    if len(index) != array.ndim or any(i >= n for i, n in zip(index, array.shape, strict=False)):
        ends = ",".join(f"0..{n - 1}" for n in array.shape)
        raise CygdError(f"{name}: out of range", hint=f"layer {layer} has {kind}{layer}[{ends}]")
    # a view of the flat vector: how far its element lies behind the beginning
    element = array[index[0] : index[0] + 1] if array.ndim == 1 else array[index[0], index[1] :]
    start = network.parameters.__array_interface__["data"][0]
    at = (element.__array_interface__["data"][0] - start) // network.parameters.itemsize
    return Weight(f"{kind}{layer}[{','.join(map(str, index))}]", at)


def _first(network: Network) -> str:
    return "w0[0,0]" + (", or b0[0] for a bias" if network.biases[0] is not None else "")


def _refuse_dropout(assembly: Assembly) -> None:
    for index, layer in enumerate(assembly.experiment.model.layers):
        if layer.dropout:
            key = f"model.layers.{index}.dropout"
            what = "a bowl shows no dropout: with it the error changes from step to step"
            raise ConfigError([assembly.experiment.problem(key, what, f"leave it out for the bowl: {key}=0")])


# the way ------------------------------------------------------------------------------------------


class _Error:
    """E of a network over all training rows, penalties included."""

    def __init__(self, assembly: Assembly, threads: int | None) -> None:
        self.x, self.y, self.weight = assembly.data.train.take()
        self.threads = threads or 1

    def __call__(self, network: Network) -> float:
        loss = network.loss(self.x, self.y, sample_weight=self.weight, threads=self.threads)
        return float(loss) + network.penalty()


def _length(assembly: Assembly, most: int, threads: int | None) -> tuple[int, bool]:
    """Return after how many updates the run ends, or `most`, and whether it is its end."""
    experiment, rows = assembly.experiment, len(assembly.data.train)
    size = experiment.train.batch_size
    per_epoch = 1 if size == "full" else -(-rows // size)
    network = build_network(experiment, assembly.network.n_inputs, assembly.plugins)
    history = fit(
        replace(assembly, network=network),
        choose_threads(threads, experiment.threads),
        metrics=[spec.component for spec in experiment.metrics],
        evaluate_every=experiment.train.evaluate_every if experiment.stop is not None else 1,
        on_epoch=lambda epoch, values: epoch * per_epoch >= most,
    )
    length = history.epochs * per_epoch
    return min(length, most), length < most or (length == most and history.epochs == experiment.train.epochs)


def _follow(
    assembly: Assembly, weights: Sequence[Weight], length: int, error: _Error
) -> tuple[Array, Array, Array, Array]:
    """Train step by step; return the numbers of steps and epochs, the weights' values and the errors."""
    network, part, experiment = assembly.network, assembly.data.train, assembly.experiment
    optimizer = experiment.optimizer.component
    at = [w.at for w in weights]
    epochs, path, errors = [1], [network.parameters[at].copy()], [error(network)]
    for (epoch, factor, batch), _ in zip(batches(assembly), range(length), strict=False):
        samples = batch if part.rows is None else part.rows[batch]
        weight = None if part.sample_weight is None else part.sample_weight[samples]
        network.fit(
            part.x[samples],
            part.y[samples],
            optimizer=optimizer,  # the same object each time, by which it finds its state again
            schedule=Schedule("as_followed", lambda epoch, epochs, factor=factor: factor),
            clip=experiment.clip,
            epochs=1,
            batch_size="full",
            shuffle=False,
            sample_weight=weight,
            threads=1,
        )
        if not np.isfinite(network.parameters[at]).all():  # it has diverged
            break
        epochs.append(epoch)
        path.append(network.parameters[at].copy())
        errors.append(error(network))
    return np.arange(len(path)), np.array(epochs), np.array(path, np.float64), np.array(errors)


# the surface ----------------------------------------------------------------------------------------


def _axis(values: Array, count: int) -> Array:
    """Return points around a way: half its extent beyond either end, and its own points' ends among them."""
    finite = values[np.abs(values) <= LARGEST]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (-1.0, 1.0)
    margin = MARGIN * (high - low) or max(abs(low), 1.0)
    return np.linspace(low - margin, high + margin, count)


def _surface(network: Network, weights: Sequence[Weight], axes: Sequence[Array], error: _Error) -> Array:
    """Return E with the weights at each point of the axes; the others stay."""
    kept = network.parameters.copy()
    at = [w.at for w in weights]
    found = np.empty([axis.size for axis in axes])
    for index in np.ndindex(*found.shape):
        network.parameters[at] = [axis[i] for axis, i in zip(axes, index, strict=True)]
        found[index] = error(network)
    network.parameters[...] = kept
    return found
