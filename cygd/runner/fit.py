"""Fit and evaluate the network of an assembled experiment, for every kind of run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cygd import config
from cygd.network import EarlyStopping, FitOptions, History, evaluation
from cygd.network.training import TrainingLoop
from cygd.runner.assembly import Assembly, target_units


def fit(assembly: Assembly, threads: int, **options: Any) -> History:
    """Train the network of an assembly in place; `options` replace those of the experiment."""
    return training_loop(assembly, replace(fit_options(assembly.experiment, threads), **options)).run()


def training_loop(assembly: Assembly, options: FitOptions, **callbacks: Any) -> TrainingLoop:
    """Return the training of an assembly's network on its data."""
    return TrainingLoop(
        network=assembly.network,
        data=assembly.data.train,
        options=options,
        validation=assembly.data.validation,
        units=target_units(assembly.data.preprocessing),
        **callbacks,
    )


def fit_options(experiment: config.Experiment, threads: int) -> FitOptions:
    """Return the options of the fit that an experiment describes."""
    return FitOptions(
        **experiment.train.plain(),
        optimizer=experiment.optimizer.component,
        schedule=experiment.schedule.component,
        clip=experiment.clip,
        stop=None if experiment.stop is None else EarlyStopping(**experiment.stop.plain()),
        metrics=[spec.component for spec in experiment.metrics],
        threads=threads,
    )


def evaluate(assembly: Assembly, threads: int) -> dict[str, float]:
    """Return the loss and the metrics of all parts of the data at the current weights."""
    data = assembly.data
    metrics = [spec.component for spec in assembly.experiment.metrics]
    units = target_units(data.preprocessing)
    targets = evaluation.find_targets(metrics, assembly.network.loss_function, data.train, units)
    values: dict[str, float] = {}
    for prefix, part in (("", data.train), ("validation_", data.validation), ("test_", data.test)):
        if part is not None:
            measured = evaluation.evaluate(
                assembly.network,
                part,
                metrics,
                units=units,
                targets=targets,
                threads=threads,
            )
            values |= {prefix + name: value for name, value in measured.items()}
    return values
