"""Fit and evaluate the network of an assembled experiment, for every kind of run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cygd import config
from cygd.components import Metric
from cygd.network import EarlyStopping, FitOptions, History, evaluation
from cygd.network.training import TrainingLoop
from cygd.runner.assembly import Assembly

__all__ = ["evaluate", "fit", "fit_options", "training_loop"]


def fit(
    assembly: Assembly,
    threads: int,
    *,
    metrics: Sequence[Metric] | None = None,
    evaluate_every: int | None = None,
    **hooks: Any,
) -> History:
    """Train the network of an assembly in place, and return the history.

    Parameters
    ----------
    assembly : Assembly
        The experiment with its data and its network.
    threads : int
        Never changes the result.
    metrics, evaluate_every
        What to measure and at which epochs; the experiment's by default.
    hooks
        on_epoch, start and on_start of `TrainingLoop`.
    """
    options = fit_options(assembly.experiment, threads, metrics, evaluate_every)
    return training_loop(assembly, options, **hooks).run()


def training_loop(assembly: Assembly, options: FitOptions, **hooks: Any) -> TrainingLoop:
    """Return the training of an assembly's network on its data."""
    return TrainingLoop(
        network=assembly.network,
        data=assembly.data.train,
        options=options,
        validation=assembly.data.validation,
        unscale=assembly.data.preprocessing.inverse_targets,
        **hooks,
    )


def fit_options(
    experiment: config.Experiment,
    threads: int,
    metrics: Sequence[Metric] | None = None,
    evaluate_every: int | None = None,
) -> FitOptions:
    """Return the options of the fit that an experiment describes."""
    train, stop = experiment.train, experiment.stop
    if metrics is None:
        metrics = [spec.component for spec in experiment.metrics]
    return FitOptions(
        optimizer=experiment.optimizer.component,
        epochs=train.epochs,
        batch_size=train.batch_size,
        shuffle=train.shuffle,
        evaluate_every=train.evaluate_every if evaluate_every is None else evaluate_every,
        schedule=experiment.schedule.component,
        clip=experiment.clip,
        stop=None
        if stop is None
        else EarlyStopping(
            monitor=stop.monitor,
            patience=stop.patience,
            min_delta=stop.min_delta,
            mode=stop.mode,
            restore_best=stop.restore_best,
            loss_below=stop.loss_below,
        ),
        metrics=metrics,
        threads=threads,
    )


def evaluate(assembly: Assembly, threads: int) -> dict[str, float]:
    """Return the loss and the metrics of all parts of the data at the current weights."""
    data = assembly.data
    metrics = [spec.component for spec in assembly.experiment.metrics]
    values: dict[str, float] = {}
    for prefix, part in (("", data.train), ("validation_", data.validation), ("test_", data.test)):
        if part is not None:
            measured = evaluation.evaluate(
                assembly.network,
                part,
                metrics,
                unscale=data.preprocessing.inverse_targets,
                threads=threads,
            )
            values |= {prefix + name: value for name, value in measured.items()}
    return values
