"""Early stopping: when to stop training, and which weights to keep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.components import Metric
from cygd.core.early_stopping import StopRule
from cygd.errors import did_you_mean
from cygd.network.checks import is_finite
from cygd.network.compiled import CompiledNetwork

Array = NDArray[Any]


@dataclass(frozen=True)
class EarlyStopping:
    """When to stop early."""

    monitor: str = ""  # a measured value; default: validation_loss if there are validation rows, else loss
    patience: int | None = 20  # measurements without improvement before the stop; None: never stop
    min_delta: float = 0.0  # the smallest change that counts as an improvement
    mode: str = "auto"  # whether lower ("min") or higher ("max") is better; "auto" asks the metric
    restore_best: bool = True  # end with the best weights instead of the last
    loss_below: float | None = None  # stop as soon as the measured loss is below this

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
    """The state of early stopping between two measurements."""

    best: float = math.inf  # with the opposite sign if higher is better
    best_epoch: int | None = None
    wait: int = 0  # measurements since the best one
    best_parameters: Array | None = None  # kept only if they are to be restored


class EarlyStoppingMonitor:
    """Early stopping during one training, with or without (`validated`) validation rows."""

    def __init__(
        self, stop: EarlyStopping, metrics: Sequence[Metric], validated: bool, network: CompiledNetwork
    ) -> None:
        self.stop = stop
        self.name = stop.monitor or ("validation_loss" if validated else "loss")
        known = ["loss", *(metric.name for metric in metrics)]
        known += [f"validation_{name}" for name in known] if validated else []
        if self.name not in known:
            hint = did_you_mean(self.name, known) or f"one of {', '.join(known)}"
            raise ValueError(f"stop: monitor {self.name!r} is not measured: {hint}")
        metric_name = self.name.removeprefix("validation_")
        higher = any(metric.name == metric_name and metric.greater_is_better for metric in metrics)
        self.rule = StopRule(
            -1.0 if stop.mode == "max" or (stop.mode == "auto" and higher) else 1.0,
            stop.min_delta,
            stop.patience,
            stop.loss_below,
            stop.restore_best,
            network.parameters,
        )

    @property
    def state(self) -> EarlyStoppingState:
        """The state after the last measurement."""
        return EarlyStoppingState(*self.rule.state())

    @state.setter
    def state(self, state: EarlyStoppingState) -> None:
        self.rule.restore(*state)

    def state_before(self, epoch: int) -> EarlyStoppingState:
        """Return the state before the measurement of an epoch, the last one or one to come."""
        return EarlyStoppingState(*self.rule.state(epoch))

    def restore(self, network: CompiledNetwork) -> None:
        """Restore the best weights, if they were kept."""
        if self.state.best_parameters is not None:
            network.parameters[...] = self.state.best_parameters
