"""Evaluation: the loss and the metrics of some rows at the current weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cygd.components import Loss, Metric, Targets
from cygd.network.compiled import CompiledNetwork

Array = NDArray[Any]


class Part(Protocol):
    """Rows to train or evaluate on: the training, validation or test part of a data set, or `Rows`."""

    @property
    def x(self) -> Array: ...  # noqa: D102
    @property
    def y(self) -> Array: ...  # noqa: D102
    @property
    def sample_weight(self) -> Array | None: ...  # noqa: D102
    @property
    def rows(self) -> NDArray[np.integer[Any]] | None: ...  # noqa: D102


@dataclass(frozen=True)
class Rows:
    """C-contiguous arrays in the network's dtype; `rows` are the indices that belong to the part, or None."""

    x: Array
    y: Array
    sample_weight: Array | None = None
    rows: NDArray[np.integer[Any]] | None = None


Unscale = Callable[[Array], Array]  # from targets of the network to original units


def counted_targets(part: Part, unscale: Unscale | None) -> tuple[Array, Array | None]:
    """Return the targets that metrics compare, in original units, and the rows of the part that they are.

    A row of weight 0 takes no part; None means all rows of the part.
    """
    y, weight = part.y, part.sample_weight
    if part.rows is not None:
        y, weight = y[part.rows], None if weight is None else weight[part.rows]
    counted = None if weight is None or weight.all() else np.flatnonzero(weight)
    y = y if counted is None else y[counted]
    return y if unscale is None else unscale(y), counted


def find_targets(
    metrics: Sequence[Metric], loss: Loss, train: Part, unscale: Unscale | None
) -> Targets | None:
    """Return the kind of the training targets, if a metric depends on it."""
    if not any(metric.classification for metric in metrics):
        return None
    return Targets.of(counted_targets(train, unscale)[0], loss)


def evaluate(
    network: CompiledNetwork,
    part: Part,
    metrics: Sequence[Metric] = (),
    *,
    unscale: Unscale | None = None,
    targets: Targets | None = None,
    threads: int = 1,
) -> dict[str, float]:
    """Return the loss and the metrics of some rows at the current weights; NaN for an undefined metric.

    `targets` is the kind of the training targets, by default that of these rows.
    """
    evaluator = Evaluator(network, part, metrics, unscale, threads, targets=targets)
    return evaluator.evaluate() | dict.fromkeys(evaluator.undefined, math.nan)


class Evaluator:
    """Evaluates the same rows repeatedly; what does not change is prepared once."""

    def __init__(
        self,
        network: CompiledNetwork,
        part: Part,
        metrics: Sequence[Metric],
        unscale: Unscale | None,  # to original units, in which metrics are measured
        threads: int,
        prefix: str = "",
        targets: Targets | None = None,
    ) -> None:
        self.network, self.unscale, self.threads = network, unscale, threads
        self.dataset = network._dataset(part.x, part.y, part.sample_weight, part.rows)
        self.n_rows = len(part.y) if part.rows is None else len(part.rows)
        self.loss_name = f"{prefix}loss"
        self.metrics: dict[str, Metric] = {}
        self.undefined: dict[str, str] = {}  # the names of metrics without a value: what they need
        if not metrics:
            return
        self.targets = targets or find_targets(metrics, network.loss_function, part, unscale)
        self.y, self.counted = counted_targets(part, unscale)
        for metric in metrics:
            metric.check_targets(self.y, self.targets)
            if metric.is_defined(self.y, self.targets):
                self.metrics[prefix + metric.name] = metric
            else:
                self.undefined[prefix + metric.name] = metric.needs

    def evaluate(self) -> dict[str, float]:
        """Return the loss and the metrics at the current weights, by name."""
        network = self.network
        if not self.metrics:
            return {self.loss_name: network._pass(self.dataset, threads=self.threads)}
        # a new array each time: a metric may keep the one that it was given
        out = np.empty((self.n_rows, network.n_outputs), network.dtype)
        values = {self.loss_name: network._pass(self.dataset, out=out, threads=self.threads)}
        out = out if self.counted is None else out[self.counted]
        if self.unscale is not None:
            out = self.unscale(out)
        for name, metric in self.metrics.items():
            values[name] = metric.measure(self.y, out, self.targets)
        return values
