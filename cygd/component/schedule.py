"""Schedules: how the learning rate changes over the epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar, Protocol

from cygd.component.base import Component, Function, declared_by
from cygd.component.options import check_number
from cygd.errors import PluginError

__all__ = ["RunningSchedule", "Schedule", "Watcher", "constant"]


class Watcher(Protocol):
    """What a watching schedule builds for a run: the newest measurement in, the factor out."""

    def __call__(self, monitored: float | None, /) -> float:
        """Return the factor for the coming epoch; None: nothing was measured since the last call."""
        ...


def constant(epoch: int, epochs: int) -> float:
    """Return 1."""
    return 1.0


@dataclass(frozen=True, eq=False, repr=False)
class Schedule(Component):
    """How the learning rate changes over the epochs.

    Parameters
    ----------
    name : str
        What an experiment calls it.
    function : callable
        function(epoch, epochs, **options) -> the factor on the learning rate in an epoch, counted
        from 0. Its keyword parameters with their defaults are the schedule's options.
    watcher : callable
        In place of `function`, for a schedule that reacts to what is measured: watcher(**options)
        builds one `Watcher` for each run.

    Notes
    -----
    Every schedule takes `warmup: N`: in the first N epochs the rate rises linearly to where the
    schedule begins, by the factors 1/(N + 1), ..., N/(N + 1), and the schedule takes over with its
    own epoch 0 behind them.

    Examples
    --------
    >>> schedule = Schedule("halve", lambda epoch, epochs, rate=0.5: rate**epoch)
    >>> run = schedule.configured({"warmup": 1}).start()
    >>> [run.factor(epoch, 4) for epoch in range(4)]
    [0.5, 1.0, 0.5, 0.25]
    """

    kind: ClassVar[str] = "schedule"
    _own: ClassVar[Mapping[str, str]] = {"warmup": "[0, inf)"}

    function: Function | None = None
    watcher: Callable[..., Watcher] | None = field(default=None, kw_only=True)
    parameters: Mapping[str, Any] = field(init=False)
    warmup: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if (self.function is None) == (self.watcher is None):
            raise TypeError(f"{self} needs a function or a watcher, and not both")
        if self.watcher is not None:
            self._declare(declared_by(self, "watcher", self.watcher, ()))
        else:
            self._declare(declared_by(self, "function", self.function, ("epoch", "epochs")))
        self._set(_integers=self._integers | {"warmup"})

    def start(self) -> RunningSchedule:
        """Return the schedule of one run, from its beginning."""
        return RunningSchedule(self)


class RunningSchedule:
    """A schedule within one run, asked once before each epoch.

    Attributes
    ----------
    watches : bool
        Whether it wants to know what was measured (the validation loss, or else the loss).
    steady : bool
        Whether the factor is 1 from beginning to end, so that nobody has to ask.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._watcher = None if schedule.watcher is None else schedule.watcher(**schedule.parameters)
        self.watches = self._watcher is not None
        self.steady = schedule.function is constant and not schedule.warmup

    def factor(self, epoch: int, epochs: int, monitored: float | None = None) -> float:
        """Return the factor on the learning rate in an epoch.

        Parameters
        ----------
        epoch, epochs : int
            The coming epoch, counted from 0, of how many.
        monitored : float, optional
            What was measured since the last call; None when nothing was. What stands before the
            first epoch of the schedule proper is not counted as an observation.
        """
        warmup = self._schedule.warmup
        epochs = max(epochs - warmup, 1)
        if epoch < warmup:
            return (epoch + 1) / (warmup + 1) * self._behind_warmup(0, epochs, None)
        return self._behind_warmup(epoch - warmup, epochs, monitored if epoch > warmup else None)

    def _behind_warmup(self, epoch: int, epochs: int, monitored: float | None) -> float:
        schedule = self._schedule
        if self._watcher is not None:
            factor = self._watcher(monitored)
        else:
            assert schedule.function is not None
            factor = schedule.function(epoch, epochs, **schedule.parameters)
        if type(factor) is float and 0 <= factor < inf:
            return factor  # asked before every epoch: what is right goes through at once
        number = check_number(factor)
        if isinstance(number, float) and number < 0:
            number = f"must not be negative, found {number}"
        if isinstance(number, str):
            raise PluginError(f"{schedule}: the factor of epoch {epoch} {number}")
        return number
