"""The hooks of cygd: one specification each.

A plugin is a module or an object that implements any of these functions, each marked with `hookimpl`. A
component hook returns a component or an iterable of components (it may be a generator); a run hook accepts
any subset of the arguments of its specification.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import pluggy

if TYPE_CHECKING:
    from cygd.components import Activation, Initializer, Loss, Metric, Optimizer, Schedule
    from cygd.components.loggers import Logger
    from cygd.data import DataSource
    from cygd.network.epoch_rows import EpochRows
    from cygd.tracking.results import Result, Run

hookspec = pluggy.HookspecMarker("cygd")
hookimpl = pluggy.HookimplMarker("cygd")


@hookspec
def cygd_activations() -> Activation | Iterable[Activation]:  # type: ignore[empty-body]
    """Return activations: the functions f in y_hat = f(h)."""


@hookspec
def cygd_losses() -> Loss | Iterable[Loss]:  # type: ignore[empty-body]
    """Return losses: the functions E(y, y_hat) that training minimizes."""


@hookspec
def cygd_optimizers() -> Optimizer | Iterable[Optimizer]:  # type: ignore[empty-body]
    """Return optimizers: the update rules, from a gradient to a change of the weights."""


@hookspec
def cygd_schedules() -> Schedule | Iterable[Schedule]:  # type: ignore[empty-body]
    """Return schedules: the factor on the learning rate in each epoch."""


@hookspec
def cygd_initializers() -> Initializer | Iterable[Initializer]:  # type: ignore[empty-body]
    """Return initializers: the weights before the first update."""


@hookspec
def cygd_metrics() -> Metric | Iterable[Metric]:  # type: ignore[empty-body]
    """Return metrics: numbers reported beside the loss."""


@hookspec
def cygd_data_sources() -> DataSource | Iterable[DataSource]:  # type: ignore[empty-body]
    """Return data sources: functions that load samples."""


@hookspec
def cygd_loggers() -> Logger | Iterable[Logger]:  # type: ignore[empty-body]
    """Return loggers: named factories of objects with the run hooks below."""


@hookspec
def cygd_run_start(run: Run) -> None:
    """Called before the first update; `cygd.tracking.results.Run` describes `run`."""


@hookspec
def cygd_epoch_end(run: Run, epoch: int, metrics: dict[str, float]) -> Literal["stop"] | None:
    """Called with the metrics of an epoch (0: before the first update); return "stop" to end the run."""


@hookspec
def cygd_epochs_end(run: Run, rows: EpochRows) -> Literal["stop"] | None:
    """Called with consecutive epochs, about every 20 ms; return "stop" to end the run after them.

    Unlike `cygd_epoch_end` it lets many short epochs run in one call of the core.
    """


@hookspec
def cygd_run_end(run: Run, result: Result) -> None:
    """Called when a run ends without an error: completed, stopped early or diverged."""


@hookspec
def cygd_run_error(run: Run, error: BaseException) -> None:
    """Called when a run ends with an error, including KeyboardInterrupt."""
