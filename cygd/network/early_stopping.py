"""Early stopping: when to stop training, and which weights to keep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.components import Metric
from cygd.errors import did_you_mean
from cygd.network.checks import is_finite
from cygd.network.compiled import CompiledNetwork

__all__ = ["EarlyStopping", "EarlyStoppingMonitor", "EarlyStoppingState"]

Array = NDArray[Any]


@dataclass(frozen=True)
class EarlyStopping:
    """When to stop early.

    Attributes
    ----------
    monitor : str
        The measured value to monitor: loss, validation_loss, a metric or validation_<metric>; by default
        validation_loss if there are validation rows, else loss.
    patience : int or None
        Stop after this many measurements without improvement; None: never.
    min_delta : float
        The smallest change that counts as an improvement.
    mode : {"auto", "min", "max"}
        Whether a lower or a higher value is better; auto asks the metric.
    restore_best : bool
        Whether training ends with the best weights instead of the last.
    loss_below : float or None
        Stop as soon as the measured loss is below this.
    """

    monitor: str = ""
    patience: int | None = 20
    min_delta: float = 0.0
    mode: str = "auto"
    restore_best: bool = True
    loss_below: float | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "min", "max"):
            raise ValueError(f"stop: mode must be auto, min or max, got {self.mode!r}")
        whole = isinstance(self.patience, int | np.integer) and not isinstance(self.patience, bool)
        if self.patience is not None and not (whole and self.patience >= 1):
            expected = "a whole number of at least 1, or None"
            raise ValueError(f"stop: patience must be {expected}, got {self.patience!r}")
        if not (is_finite(self.min_delta) and self.min_delta >= 0):
            raise ValueError(f"stop: min_delta must be a finite number of at least 0, got {self.min_delta!r}")
        if self.loss_below is not None and not is_finite(self.loss_below):
            raise ValueError(f"stop: loss_below must be a finite number, got {self.loss_below!r}")

    @classmethod
    def from_mapping(cls, value: Mapping[str, Any] | EarlyStopping | None) -> EarlyStopping | None:
        """Build from a mapping; with `loss_below` alone no value is monitored."""
        if value is None or isinstance(value, EarlyStopping):
            return value
        if not isinstance(value, Mapping):
            raise TypeError(f'stop must be a mapping such as {{"patience": 20}}, got {value!r}')
        for key in value:
            if key not in cls.__dataclass_fields__:
                hint = did_you_mean(key, list(cls.__dataclass_fields__))
                raise ValueError(f"stop: unknown key {key!r}" + (f": {hint}" if hint else ""))
        if set(value) == {"loss_below"}:
            return cls(patience=None, restore_best=False, loss_below=value["loss_below"])
        return cls(**value)


class EarlyStoppingState(NamedTuple):
    """The state of early stopping between two measurements.

    Attributes
    ----------
    best : float
        The best value, with the opposite sign if higher is better.
    best_epoch : int or None
        The epoch of the best value.
    wait : int
        Measurements since then.
    best_parameters : array or None
        The parameters that reached the best value, if they are to be restored.
    """

    best: float
    best_epoch: int | None
    wait: int
    best_parameters: Array | None


class EarlyStoppingMonitor:
    """Early stopping during one training.

    Parameters
    ----------
    stop : EarlyStopping
    metrics : sequence of Metric
        The metrics that are measured.
    validated : bool
        Whether they are measured on validation rows too.
    """

    def __init__(self, stop: EarlyStopping, metrics: Sequence[Metric], validated: bool) -> None:
        self.stop = stop
        self.name = stop.monitor or ("validation_loss" if validated else "loss")
        known = ["loss", *(metric.name for metric in metrics)]
        known += [f"validation_{name}" for name in known] if validated else []
        if self.name not in known:
            hint = did_you_mean(self.name, known) or f"one of {', '.join(known)}"
            raise ValueError(f"stop: monitor {self.name!r} is not measured: {hint}")
        metric_name = self.name.removeprefix("validation_")
        higher = any(metric.name == metric_name and metric.greater_is_better for metric in metrics)
        self.sign = -1.0 if stop.mode == "max" or (stop.mode == "auto" and higher) else 1.0
        self.best = math.inf
        self.best_epoch: int | None = None
        self.best_parameters: Array | None = None
        self.wait = 0

    @property
    def state(self) -> EarlyStoppingState:
        """The current state; later measurements do not change it."""
        return EarlyStoppingState(self.best, self.best_epoch, self.wait, self.best_parameters)

    @state.setter
    def state(self, value: EarlyStoppingState) -> None:
        self.best, self.best_epoch, self.wait, self.best_parameters = value

    def update(self, epoch: int, values: Mapping[str, float], network: CompiledNetwork) -> bool:
        """Add a measurement; return whether to stop."""
        below, patience = self.stop.loss_below, self.stop.patience
        if patience is not None or self.stop.restore_best:
            value = self.sign * values[self.name]
            # the first value that is not NaN is an improvement, even if it is infinite
            if value < self.best - self.stop.min_delta or (self.best_epoch is None and value == value):
                self.best, self.best_epoch, self.wait = value, epoch, 0
                if self.stop.restore_best:
                    self.best_parameters = network.parameters.copy()
            else:
                self.wait += 1
        if below is not None and values["loss"] < below:
            return True
        return patience is not None and self.wait >= patience

    def restore(self, network: CompiledNetwork) -> None:
        """Restore the best weights, if they were kept."""
        if self.best_parameters is not None:
            network.parameters[...] = self.best_parameters
