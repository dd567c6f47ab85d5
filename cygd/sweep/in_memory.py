"""Runs of `sweep.runs: summary`, which write no run folder."""

from __future__ import annotations

from dataclasses import replace

from cygd.errors import CygdError
from cygd.network import FitOptions, History
from cygd.network.training import TrainingLoop
from cygd.runner.assembly import Assembly
from cygd.runner.fit import evaluate, fit_options, training_loop
from cygd.sweep.tasks import Outcome


def loop_in_memory(assembly: Assembly, threads: int) -> TrainingLoop:
    """Return a training without a run folder, which measures only what decides when to stop."""
    if assembly.plugins.listens:
        message = "a plugin implements cygd_epoch_end, which sweep.runs: summary does not call"
        raise CygdError(f"{message}; use runs: folders")
    return training_loop(assembly, _options(assembly, threads))


def outcome_in_memory(assembly: Assembly, history: History, threads: int) -> Outcome:
    """Return the outcome of a training without a run folder."""
    metrics = evaluate(assembly, threads)
    return Outcome(history.status, metrics, history.epochs, history.best_epoch, history.seconds)


def _options(assembly: Assembly, threads: int) -> FitOptions:
    experiment = assembly.experiment
    monitor = "" if experiment.stop is None else experiment.stop.monitor.removeprefix("validation_")
    is_watched = experiment.stop is not None or experiment.schedule.component.watcher is not None
    return replace(
        fit_options(experiment, threads),
        metrics=[spec.component for spec in experiment.metrics if spec.component.name == monitor],
        evaluate_every=experiment.train.evaluate_every if is_watched else 0,
    )
