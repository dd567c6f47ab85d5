"""When to stop early, and which weights to keep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.components import Metric
from cygd.errors import did_you_mean

if TYPE_CHECKING:
    from cygd.network import Network

__all__ = ["EarlyStopping", "EarlyStoppingMonitor", "EarlyStoppingState"]

Array = NDArray[Any]


@dataclass(frozen=True)
class EarlyStopping:
    """When to stop early.

    Attributes
    ----------
    monitor : str
        What is watched: loss, validation_loss, a metric or validation_<metric>; by default
        validation_loss where there are validation rows, else loss.
    patience : int or None
        Stop after so many measurements without improvement; None: never.
    min_delta : float
        What counts as an improvement.
    mode : {"auto", "min", "max"}
        Whether less or more is better; auto asks the metric.
    restore_best : bool
        Whether the best weights are kept in place of the last.
    loss_below : float or None
        Stop as soon as the loss is measured below this.
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
            wanted = "a whole number of at least 1, or None"
            raise ValueError(f"stop: patience must be {wanted}, got {self.patience!r}")
        if not (_is_finite(self.min_delta) and self.min_delta >= 0):
            raise ValueError(f"stop: min_delta must be a finite number of at least 0, got {self.min_delta!r}")
        if self.loss_below is not None and not _is_finite(self.loss_below):
            raise ValueError(f"stop: loss_below must be a finite number, got {self.loss_below!r}")

    @classmethod
    def read(cls, value: Mapping[str, Any] | EarlyStopping | None) -> EarlyStopping | None:
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
    """What early stopping knows so far.

    Attributes
    ----------
    best : float
        The best value, its sign turned where more is better.
    best_epoch : int or None
        When it was measured.
    waited : int
        Measurements since.
    best_parameters : array or None
        The weights that reached it, where they are wanted.
    """

    best: float
    best_epoch: int | None
    waited: int
    best_parameters: Array | None


class EarlyStoppingMonitor:
    """Early stopping: the best value so far, and the weights that reached it."""

    def __init__(self, stop: Any, metrics: Sequence[Metric], validated: bool) -> None:
        self.stop = stop
        self.name = stop.monitor or ("validation_loss" if validated else "loss")
        known = ["loss", *(metric.name for metric in metrics)]
        known += [f"validation_{name}" for name in known] if validated else []
        if self.name not in known:
            hint = did_you_mean(self.name, known) or f"one of {', '.join(known)}"
            raise ValueError(f"stop: monitor {self.name!r} is not measured: {hint}")
        plain = self.name.removeprefix("validation_")
        upward = any(metric.name == plain and metric.greater_is_better for metric in metrics)
        self.sign = -1.0 if stop.mode == "max" or (stop.mode == "auto" and upward) else 1.0
        self.best = math.inf
        self.best_epoch: int | None = None
        self.best_parameters: Array | None = None
        self.waited = 0

    @property
    def standing(self) -> EarlyStoppingState:
        """What is known so far; later measurements do not change it."""
        return EarlyStoppingState(self.best, self.best_epoch, self.waited, self.best_parameters)

    @standing.setter
    def standing(self, value: EarlyStoppingState) -> None:
        self.best, self.best_epoch, self.waited, self.best_parameters = value

    def see(self, epoch: int, values: Mapping[str, float], network: Network) -> bool:
        """Take a measurement; return whether to stop."""
        below, patience = self.stop.loss_below, self.stop.patience
        if patience is not None or self.stop.restore_best:
            value = self.sign * values[self.name]
            if value < self.best - self.stop.min_delta or (self.best_epoch is None and value == value):
                self.best, self.best_epoch, self.waited = value, epoch, 0
                if self.stop.restore_best:
                    self.best_parameters = network.parameters.copy()
            else:
                self.waited += 1
        if below is not None and values["loss"] < below:
            return True
        return patience is not None and self.waited >= patience

    def restore(self, network: Network) -> None:
        """Put the best weights back, where they are wanted."""
        if self.best_parameters is not None:
            network.parameters[...] = self.best_parameters


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
