"""Single updates: one epoch, update by update, with the bits of a whole epoch in the engine.

A batch is a call of the engine on its rows alone. Its chunks, its dropout masks and the state of the
optimizer are those of the same batch within an epoch, because they depend on the batch and on the counts
of epochs and updates only.

One exception: with batches of one row, plain gradient descent on a single unit resolves blocks of rows
together (kernels/per_sample_unit.pxi), so the weights within a block depend on where the block begins.
There an update trains on the rows since the last multiple of RUN_ROWS again, from the state that was kept.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.core.random import epoch_order
from cygd.network.compiled import CompiledNetwork
from cygd.network.evaluation import Part
from cygd.network.fit_options import FitOptions
from cygd.network.training_state import TrainingState

Array = NDArray[Any]

RUN_ROWS = 256  # as in core/engine/per_sample_layout.pxi: rows of one call of the single-unit kernel


@dataclass(frozen=True, eq=False)
class Update:
    """One update of the weights."""

    number: int  # from 1, over the whole training
    epoch: int  # from 1
    rows: NDArray[np.integer[Any]]  # of x in the batch, in its order
    learning_rate: float  # with the factor of the schedule
    before: Array  # `Network.parameters` before and after the update
    after: Array


def build_trainer(
    network: CompiledNetwork,
    dataset: Any,
    updater: Any,
    options: FitOptions,
    batch_size: int,
    *,
    shuffle: bool,
    whole: Any = None,
) -> Any:
    """Return the engine's trainer for a network on the rows of a dataset, all rows or some of `whole`."""
    clip = options.clip or {}
    return network._kernels.Trainer(
        network._engine,
        dataset,
        network.parameters,
        updater,
        batch_size=batch_size,
        shuffled=shuffle,
        seed=network.seed,
        epochs=network.epochs,
        updates=network.updates,
        clip_norm=clip.get("norm", 0.0),
        clip_value=clip.get("value", 0.0),
        threads=options.threads,
        whole=whole,
    )


def mean_weight(data: Part) -> float:
    """Return the mean sample weight of some rows, by which an update divides, times the rows of its batch."""
    if data.sample_weight is None:
        return 1.0
    weight = data.sample_weight if data.rows is None else data.sample_weight[data.rows]
    return float(weight.mean(dtype=np.float64))


class UpdateRunner:
    """Runs epochs update by update; each one changes the parameters and counts of the network."""

    def __init__(self, network: CompiledNetwork, data: Part, updater: Any, options: FitOptions) -> None:
        self.network, self.data, self.updater, self.options = network, data, updater, options
        self.rows = np.arange(len(data.x)) if data.rows is None else np.asarray(data.rows)
        if not len(self.rows):
            raise ValueError("no rows to train on")
        self.whole = network._dataset(data.x, data.y, data.sample_weight, data.rows)
        self.mean_weight = mean_weight(data)
        self.batch_size = options.rows_per_batch(len(data.x))
        self.in_blocks = (
            self.batch_size == 1
            and len(network.layers) == network.n_outputs == 1
            and options.optimizer.kernel == "sgd"
        )
        self.number = 0

    def run_epoch(self, epoch: int, learning_rate: float) -> Generator[Update, None, float | None]:
        """Run one epoch and yield each update; return its running loss, or None if it diverged.

        Then, and if the engine raises, network and optimizer are as they were before the epoch.
        """
        network, n = self.network, len(self.rows)
        order = self.rows
        if self.options.shuffle:
            order = order[epoch_order(network.seed, network.epochs, n)]
        epoch_start = block_start = self._state()
        losses: dict[int, tuple[float, float]] = {}  # first row: loss and weight of an engine call
        for batch_start in range(0, n, self.batch_size):
            batch = order[batch_start : batch_start + self.batch_size]
            before, start = network.parameters.copy(), batch_start
            if self.in_blocks:
                start = batch_start // RUN_ROWS * RUN_ROWS
                if start == batch_start:
                    block_start = self._state()
                block_start.load_into(network, self.updater)
            try:
                loss = self._run(order[start : batch_start + len(batch)], learning_rate)
            except BaseException:
                epoch_start.load_into(network, self.updater)
                raise
            if loss is None:
                break
            losses[start] = loss, self._weight(batch_start + len(batch) - start)
            self.number += 1
            yield Update(self.number, epoch, batch, learning_rate, before, network.parameters.copy())
        else:
            running_loss = _mean(list(losses.values()))
            if math.isfinite(running_loss):
                network.epochs += 1
                return running_loss
        epoch_start.load_into(network, self.updater)
        return None

    def _state(self) -> TrainingState:
        return TrainingState.of(self.network, self.updater).copy()

    def _run(self, rows: NDArray[np.integer[Any]], learning_rate: float) -> float | None:
        """Train on some rows in their order; return their loss, or None if it or a weight is not finite."""
        network, data = self.network, self.data
        dataset = network._dataset(data.x, data.y, data.sample_weight, rows)
        trainer = build_trainer(
            network, dataset, self.updater, self.options, self.batch_size, shuffle=False, whole=self.whole
        )
        losses, diverged = network._call_engine(trainer.run, [learning_rate])
        network.updates = trainer.updates
        return None if diverged else float(losses[0])

    def _weight(self, n_rows: int) -> float:
        """Return the weight of rows in the running loss, which is 0 for a loss that is a sum."""
        return 0.0 if self.network.loss_function.reduction == "sum" else n_rows * self.mean_weight


def _mean(losses: list[tuple[float, float]]) -> float:
    """Return the weighted mean of (loss, weight) pairs, or their sum if no weight is above 0."""
    total = sum(loss * weight if weight > 0 else loss for loss, weight in losses)
    weight = sum(weight for _, weight in losses)
    return total / weight if weight > 0 else total
