"""Schedules: the factor on the learning rate in each epoch.

A built-in is a row of `SCHEDULES`: a function of the epoch (from 0) and the number of epochs. `Schedule`
adds the option `warmup` to each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import cos, inf, pi
from typing import Any, ClassVar, Protocol

from cygd.components.base import Component, Function, declared_by
from cygd.components.options import check_number
from cygd.errors import PluginError


class MetricSchedule(Protocol):
    """The state of a metric-driven schedule within one run: takes measurements, returns factors."""

    def __call__(self, monitored: float | None, /) -> float:
        """Return the factor for the next epoch; None means no measurement since the last call."""
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
        The name in an experiment.
    function : callable
        function(epoch, epochs, **options) -> the factor on the learning rate in an epoch, counted from 0. Its
        keyword parameters with their defaults are the options.
    watcher : callable
        Instead of `function`, for a schedule that depends on the monitored loss: watcher(**options) returns a
        new `MetricSchedule` for each run.

    Notes
    -----
    Every schedule has the option `warmup: N`: in the first N epochs the rate rises linearly, by the factors
    1/(N + 1), ..., N/(N + 1), to where the schedule begins, which then starts with its own epoch 0.

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
    watcher: Callable[..., MetricSchedule] | None = field(default=None, kw_only=True)
    parameters: Mapping[str, Any] = field(init=False)
    warmup: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if (self.function is None) == (self.watcher is None):
            raise TypeError(f"{self}: expected either function= or watcher=")
        if self.watcher is not None:
            self._declare(declared_by(self, "watcher", self.watcher, ()))
        else:
            self._declare(declared_by(self, "function", self.function, ("epoch", "epochs")))
        self._set(_integers=self._integers | {"warmup"})

    def start(self) -> RunningSchedule:
        """Return the state of the schedule at the start of a run."""
        return RunningSchedule(self)


class RunningSchedule:
    """A schedule within one run, evaluated once before each epoch."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._watcher = None if schedule.watcher is None else schedule.watcher(**schedule.parameters)
        self.watches = self._watcher is not None  # needs the monitored loss
        self.steady = schedule.function is constant and not schedule.warmup  # the factor is always 1

    def factor(self, epoch: int, epochs: int, monitored: float | None = None) -> float:
        """Return the factor on the learning rate in an epoch, counted from 0.

        `monitored` is the loss measured since the last call, if any; measurements of the warmup are ignored.
        """
        warmup = self._schedule.warmup
        epochs = max(epochs - warmup, 1)
        if epoch < warmup:
            return (epoch + 1) / (warmup + 1) * self._after_warmup(0, epochs, None)
        return self._after_warmup(epoch - warmup, epochs, monitored if epoch > warmup else None)

    def _after_warmup(self, epoch: int, epochs: int, monitored: float | None) -> float:
        schedule = self._schedule
        if self._watcher is not None:
            factor = self._watcher(monitored)
        else:
            assert schedule.function is not None
            factor = schedule.function(epoch, epochs, **schedule.parameters)
        if type(factor) is float and 0 <= factor < inf:
            return factor  # fast path
        number = check_number(factor)
        if isinstance(number, float) and number < 0:
            number = f"expected a number of at least 0, got {number}"
        if isinstance(number, str):
            raise PluginError(f"{schedule}: factor of epoch {epoch}: {number}")
        return number


def step(epoch: int, epochs: int, *, every: int = 30, factor: float = 0.1) -> float:
    """Return factor^k after k times `every` epochs."""
    return factor ** (epoch // every)


def exponential(epoch: int, epochs: int, *, rate: float = 0.95) -> float:
    """Return rate^epoch."""
    return rate**epoch


def inverse_time(epoch: int, epochs: int, *, rate: float = 0.1) -> float:
    """Return 1 / (1 + rate epoch)."""
    return 1 / (1 + rate * epoch)


def cosine(epoch: int, epochs: int, *, minimum: float = 0.0) -> float:
    """Return half a cosine wave from 1 at epoch 0 to `minimum` at the end (Loshchilov & Hutter 2017)."""
    return _anneal(1.0, minimum, epoch / epochs)


def one_cycle(
    epoch: int,
    epochs: int,
    *,
    warm_fraction: float = 0.3,
    start_divisor: float = 25.0,
    end_divisor: float = 1e4,
) -> float:
    """Return a rise from 1/start_divisor to 1, then a fall to 1/(start_divisor end_divisor).

    Both are half cosine waves, as in PyTorch's OneCycleLR (Smith & Topin 2018); the peak is at epoch
    warm_fraction epochs - 1, which may lie between two epochs, or before the first one: then the run begins
    on the way down. A single epoch has the factor 1.
    """
    start = 1 / start_divisor
    peak, last = warm_fraction * epochs - 1, epochs - 1
    if epoch < peak:
        return _anneal(start, 1.0, epoch / peak)
    if last > max(peak, 0):
        return _anneal(1.0, start / end_divisor, (epoch - peak) / (last - peak))
    return 1.0


def _anneal(start: float, end: float, progress: float) -> float:
    """Return the point of a half cosine wave from start to end, and end from progress 1 on."""
    return end + (start - end) * (1 + cos(pi * min(progress, 1.0))) / 2


@dataclass(kw_only=True, eq=False)
class ReduceOnPlateau:
    """Reduce the factor when the monitored loss stops falling, as PyTorch's ReduceLROnPlateau does.

    Examples
    --------
    >>> plateau = ReduceOnPlateau(factor=0.5, patience=1)
    >>> [plateau(loss) for loss in (None, 1.0, 1.0, 1.0, 0.5)]
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    factor: float = 0.1  # multiplier of the rate
    patience: int = 10  # successive measurements without improvement that are tolerated
    threshold: float = 1e-4  # a loss below best (1 - threshold) is an improvement
    cooldown: int = 0  # measurements after a reduction that do not count against the patience
    minimum: float = 0.0  # the smallest factor

    current: float = field(init=False, default=1.0)
    best: float = field(init=False, default=inf)
    bad: int = field(init=False, default=0)  # successive measurements without improvement
    cooling: int = field(init=False, default=0)  # remaining measurements of the cooldown

    def __call__(self, monitored: float | None) -> float:
        """Return the factor after a measurement (None: no measurement)."""
        if monitored is None:
            return self.current
        if monitored < self.best * (1 - self.threshold):
            self.best = monitored
            self.bad = 0
        else:
            self.bad += 1
        if self.cooling:
            self.cooling -= 1
            self.bad = 0
        if self.bad > self.patience:
            # the minimum may exceed the current factor, which must not rise
            self.current = min(self.current, max(self.current * self.factor, self.minimum))
            self.cooling = self.cooldown
            self.bad = 0
        return self.current


SCHEDULES: tuple[Schedule, ...] = (
    Schedule("constant", constant, summary="1"),
    Schedule(
        "step", step, summary="factor^(epoch // every)", bounds={"every": "[1, inf)", "factor": "[0, inf)"}
    ),
    Schedule("exponential", exponential, summary="rate^epoch", bounds={"rate": "[0, inf)"}),
    Schedule("inverse_time", inverse_time, summary="1 / (1 + rate epoch)", bounds={"rate": "[0, inf)"}),
    Schedule(
        "cosine", cosine, summary="half a cosine wave from 1 to minimum", bounds={"minimum": "[0, inf)"}
    ),
    Schedule(
        "one_cycle",
        one_cycle,
        summary="half a cosine wave up, a longer one down",
        bounds={"warm_fraction": "[0, 1]", "start_divisor": "[1, inf)", "end_divisor": "[1, inf)"},
    ),
    Schedule(
        "reduce_on_plateau",
        watcher=ReduceOnPlateau,
        summary="times factor where the loss no longer falls",
        bounds={
            "factor": "[0, 1)",
            "patience": "[0, inf)",
            "threshold": "[0, 1)",
            "cooldown": "[0, inf)",
            "minimum": "[0, 1]",
        },
    ),
)
