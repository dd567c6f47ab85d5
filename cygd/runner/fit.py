"""Training and measuring what was assembled: the steps that every kind of run shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cygd.components import Metric
from cygd.network import training
from cygd.runner.assembly import Assembly

__all__ = ["evaluate", "fit"]


def fit(
    assembly: Assembly, threads: int, *, metrics: Sequence[Metric], evaluate_every: int, **more: Any
) -> training.History:
    """Train the network of an assembly in place, and return what was measured on the way.

    Parameters
    ----------
    assembly : Assembly
        The experiment with its data and its network.
    threads : int
        How many threads; never changes the result.
    metrics, evaluate_every
        What is measured on the way, and in which epochs.
    more
        Further arguments of `training.train`: who listens, and where to go on.
    """
    experiment, part = assembly.experiment, assembly.data.train
    return training.train(
        assembly.network,
        part.x,
        part.y,
        rows=part.rows,
        sample_weight=part.sample_weight,
        optimizer=experiment.optimizer.component,
        schedule=experiment.schedule.component,
        clip=experiment.clip,
        epochs=experiment.train.epochs,
        batch_size=experiment.train.batch_size,
        shuffle=experiment.train.shuffle,
        evaluate_every=evaluate_every,
        metrics=metrics,
        validation=assembly.data.validation,
        stop=experiment.stop,
        unscale=assembly.data.preprocessing.inverse_targets,
        threads=threads,
        **more,
    )


def evaluate(assembly: Assembly, threads: int) -> dict[str, float]:
    """Return the loss and the metrics of all parts of the data at the present weights."""
    prepared, found = assembly.data, {}
    parts = {"": prepared.train, "validation_": prepared.validation, "test_": prepared.test}
    metrics = [spec.component for spec in assembly.experiment.metrics]
    for prefix, part in parts.items():
        if part is not None:
            values = training.evaluate(
                assembly.network,
                part,
                metrics,
                unscale=prepared.preprocessing.inverse_targets,
                threads=threads,
            )
            found.update({prefix + name: value for name, value in values.items()})
    return found
