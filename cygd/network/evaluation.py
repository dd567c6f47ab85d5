"""Evaluation: the loss and the metrics of some rows at the current weights.

The engine measures the loss and the built-in metrics; metrics in Python get the predictions of its pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cygd.components import Loss, Metric, Targets
from cygd.components.metrics import build_scorer
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


class Units(NamedTuple):
    """The original units of the targets, in which metrics are measured: scale * y + shift."""

    scale: NDArray[np.float64]  # (n_outputs,)
    shift: NDArray[np.float64]

    def restore(self, y: Array) -> Array:
        """Return targets or outputs in original units, in their dtype."""
        return (y.astype(np.float64) * self.scale + self.shift).astype(y.dtype, copy=False)


def counted_targets(part: Part, units: Units | None) -> tuple[Array, NDArray[np.int64] | None]:
    """Return the targets that metrics compare, in original units, and the rows of the part that they are.

    A row of weight 0 takes no part; None means all rows of the part. A part with a `memo` keeps them for the
    other networks that are evaluated on it.
    """
    memo: dict[Any, Any] = getattr(part, "memo", {})
    key = "counted", units and (units.scale.tobytes(), units.shift.tobytes())
    if key not in memo:
        memo[key] = _count_targets(part, units)
    counted: tuple[Array, NDArray[np.int64] | None] = memo[key]
    return counted


def _count_targets(part: Part, units: Units | None) -> tuple[Array, NDArray[np.int64] | None]:
    y, weight = part.y, part.sample_weight
    if part.rows is not None:
        y, weight = y[part.rows], None if weight is None else weight[part.rows]
    counted = None if weight is None or weight.all() else np.flatnonzero(weight).astype(np.int64, copy=False)
    y = y if counted is None else y[counted]
    return y if units is None else units.restore(y), counted


def find_targets(metrics: Sequence[Metric], loss: Loss, train: Part, units: Units | None) -> Targets | None:
    """Return the kind of the training targets, if a metric depends on it."""
    if not any(metric.classification for metric in metrics):
        return None
    return Targets.of(counted_targets(train, units)[0], loss)


def evaluate(
    network: CompiledNetwork,
    part: Part,
    metrics: Sequence[Metric] = (),
    *,
    units: Units | None = None,
    targets: Targets | None = None,
    threads: int = 1,
) -> dict[str, float]:
    """Return the loss and the metrics of some rows at the current weights; NaN for an undefined metric.

    `targets` is the kind of the training targets, by default that of these rows.
    """
    evaluator = Evaluator(network, part, metrics, units, threads, targets=targets)
    return evaluator.evaluate() | dict.fromkeys(evaluator.undefined, math.nan)


class Evaluator:
    """Evaluates the same rows repeatedly; what does not change is prepared once.

    Attributes
    ----------
    names : list of str
        Of all values: the loss, and the metrics that have a value.
    compiled : list of str
        Those that the engine measures, in its order.
    undefined : dict of str to str
        Metrics without a value on these rows, and what they need.
    evaluation : Evaluation
        The engine's.
    """

    def __init__(
        self,
        network: CompiledNetwork,
        part: Part,
        metrics: Sequence[Metric],
        units: Units | None,
        threads: int,
        prefix: str = "",
        targets: Targets | None = None,
    ) -> None:
        self.network, self.units = network, units
        self.dataset = network._dataset(part.x, part.y, part.sample_weight, part.rows)
        self.names = [f"{prefix}loss"]
        self.undefined: dict[str, str] = {}
        self.in_python: dict[str, Metric] = {}
        built_in: dict[str, str] = {}  # name: kernel
        self.targets = targets or find_targets(metrics, network.loss_function, part, units)
        self.y, self.counted = counted_targets(part, units)
        for metric in metrics:
            name = prefix + metric.name
            metric.check_targets(self.y, self.targets)
            if not metric.is_defined(self.y, self.targets):
                self.undefined[name] = metric.needs
                continue
            self.names.append(name)
            if metric.kernel is None:
                self.in_python[name] = metric
            else:
                built_in[name] = metric.kernel
        self.compiled = [self.names[0], *built_in]
        self.evaluation = network._kernels.Evaluation(
            network._engine,
            self.dataset,
            threads,
            scorer=build_scorer(list(built_in.values()), self.y, self.targets) if built_in else None,
            counted=self.counted,
            scale=None if units is None else units.scale,
            shift=None if units is None else units.shift,
            predict=bool(self.in_python),
        )

    def evaluate(self) -> dict[str, float]:
        """Return the loss and the metrics at the current weights, by name."""
        measured = self.network._call_engine(self.evaluation.measure)
        values = dict(zip(self.compiled, measured, strict=True)) | self.measure_in_python()
        return {name: values[name] for name in self.names}

    def measure_in_python(self) -> dict[str, float]:
        """Return the metrics in Python of the last predictions of the engine."""
        if not self.in_python:
            return {}
        # a new array each time: a metric may keep the one that it was given
        out = self.evaluation.predictions.copy()
        out = out if self.counted is None else out[self.counted]
        if self.units is not None:
            out = self.units.restore(out)
        return {name: metric.measure(self.y, out, self.targets) for name, metric in self.in_python.items()}
