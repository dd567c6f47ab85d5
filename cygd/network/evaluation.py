"""Evaluation: the loss and the metrics of some rows at the current weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cygd.components import Metric
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


def evaluate(
    network: CompiledNetwork,
    part: Part,
    metrics: Sequence[Metric] = (),
    *,
    unscale: Callable[[Array], Array] | None = None,
    threads: int = 1,
) -> dict[str, float]:
    """Return the loss and the metrics of some rows at the network's current weights."""
    return Evaluator(network, part, metrics, unscale, threads).evaluate()


class Evaluator:
    """Evaluates the same rows repeatedly; what does not change is prepared once."""

    def __init__(
        self,
        network: CompiledNetwork,
        part: Part,
        metrics: Sequence[Metric],
        unscale: Callable[[Array], Array] | None,  # to original units, in which metrics are measured
        threads: int,
        prefix: str = "",
    ) -> None:
        self.network, self.metrics, self.unscale, self.threads = network, metrics, unscale, threads
        self.dataset = network._dataset(part.x, part.y, part.sample_weight, part.rows)
        self.names = [prefix + metric.name for metric in metrics]
        self.loss_name = f"{prefix}loss"
        if metrics:
            y = part.y if part.rows is None else part.y[part.rows]
            self.y = y if unscale is None else unscale(y)

    def evaluate(self) -> dict[str, float]:
        """Return the loss and the metrics at the current weights, by name."""
        network = self.network
        if not self.metrics:
            return {self.loss_name: network._pass(self.dataset, threads=self.threads)}
        # a new array each time: a metric may keep the one that it was given
        out = np.empty((len(self.y), network.n_outputs), network.dtype)
        values = {self.loss_name: network._pass(self.dataset, out=out, threads=self.threads)}
        if self.unscale is not None:
            out = self.unscale(out)
        for name, metric in zip(self.names, self.metrics, strict=True):
            values[name] = metric.measure(self.y, out)
        return values
