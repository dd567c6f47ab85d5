"""What a plugin may say to cygd: every hook on one screen.

A plugin is a module or an object with any of these functions, each marked with `hookimpl`. A hook
that gives components returns one of them or an iterable of them (so it may be a generator); a hook
of a run may take any of the arguments named here and leave out the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import pluggy

if TYPE_CHECKING:
    from cygd.components import Activation, Initializer, Loss, Metric, Optimizer, Schedule
    from cygd.components.loggers import Logger
    from cygd.data import DataSource
    from cygd.tracking.results import Result, Run

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("cygd")
hookimpl = pluggy.HookimplMarker("cygd")


@hookspec
def cygd_activations() -> Activation | Iterable[Activation]:  # type: ignore[empty-body]
    """Give activations: the functions f in y_hat = f(h)."""


@hookspec
def cygd_losses() -> Loss | Iterable[Loss]:  # type: ignore[empty-body]
    """Give losses: the functions E(y, y_hat) that training makes small."""


@hookspec
def cygd_optimizers() -> Optimizer | Iterable[Optimizer]:  # type: ignore[empty-body]
    """Give optimizers: how a gradient becomes a change of the weights."""


@hookspec
def cygd_schedules() -> Schedule | Iterable[Schedule]:  # type: ignore[empty-body]
    """Give schedules: the factor on the learning rate in each epoch."""


@hookspec
def cygd_initializers() -> Initializer | Iterable[Initializer]:  # type: ignore[empty-body]
    """Give initializers: the weights before the first update."""


@hookspec
def cygd_metrics() -> Metric | Iterable[Metric]:  # type: ignore[empty-body]
    """Give metrics: numbers that are measured beside the loss."""


@hookspec
def cygd_data_sources() -> DataSource | Iterable[DataSource]:  # type: ignore[empty-body]
    """Give data sources: where samples come from."""


@hookspec
def cygd_loggers() -> Logger | Iterable[Logger]:  # type: ignore[empty-body]
    """Give loggers: named factories of objects that have the run hooks below."""


@hookspec
def cygd_run_start(run: Run) -> None:
    """Look at a run before its first update: `run.name, directory, config, network, dataset, seed`."""


@hookspec
def cygd_epoch_end(run: Run, epoch: int, metrics: dict[str, float]) -> Literal["stop"] | None:
    """Look at the metrics of an epoch (0: before the first update); return "stop" to end the run."""


@hookspec
def cygd_run_end(run: Run, result: Result) -> None:
    """Look at a run that has ended, however it ended short of an error."""


@hookspec
def cygd_run_error(run: Run, error: BaseException) -> None:
    """Look at a run that ended with an error (KeyboardInterrupt among them)."""
