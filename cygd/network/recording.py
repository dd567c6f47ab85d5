"""What a training records after each epoch: its row, from the engine and from metrics in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cygd.components import Metric
from cygd.network.compiled import CompiledNetwork
from cygd.network.early_stopping import EarlyStoppingMonitor
from cygd.network.epoch_rows import UNMEASURED, EpochRows
from cygd.network.evaluation import Evaluator, Part, Units, find_targets

MAX_ROWS = 1024  # that the engine records before they are taken


class Recording:
    """Measures training and validation rows, and early stopping, after each epoch.

    The engine does all of it for many epochs in one call, unless a metric is a Python function: then a call
    ends with each measurement, and early stopping follows it here.
    """

    def __init__(
        self,
        network: CompiledNetwork,
        data: Part,
        validation: Part | None,
        metrics: Sequence[Metric],
        units: Units | None,
        threads: int,
        stop: EarlyStoppingMonitor | None,
    ) -> None:
        targets = find_targets(metrics, network.loss_function, data, units)
        self.evaluators = [
            Evaluator(network, part, metrics, units, threads, prefix, targets)
            for prefix, part in (("", data), ("validation_", validation))
            if part is not None
        ]
        self.network, self.stop = network, stop
        self.undefined = {name: needs for each in self.evaluators for name, needs in each.undefined.items()}
        self.names = tuple(name for each in self.evaluators for name in each.names)
        self.penalized = any(layer.l1 or layer.l2 for layer in network.layers)
        if self.penalized:
            self.names += ("penalty",)
        self.n_measured = len(self.names)
        self.names += UNMEASURED
        self.in_python = any(each.in_python for each in self.evaluators)
        self.stops_here = stop is not None and self.in_python
        self.recorder: Any = None  # the engine's

    def prepare(self, evaluate_every: int, epochs: int, milliseconds: float, hashed: bool) -> None:
        """Create the engine's recorder for a training up to so many epochs, in calls of at most so long.

        `hashed` adds the hash of the parameters after each epoch.
        """
        network, stop, column = self.network, self.stop, self.names.index
        self.evaluate_every, self.epochs = evaluate_every, epochs
        self.capacity = max(1, min(epochs, MAX_ROWS))
        compiled = stop is not None and not self.stops_here
        self.recorder = network._kernels.Recorder(
            network._engine,
            network.parameters,
            [each.evaluation for each in self.evaluators],
            [[column(name) for name in each.compiled] for each in self.evaluators],
            penalty=column("penalty") if self.penalized else -1,
            n_columns=len(self.names),
            every=evaluate_every,
            epochs=epochs,
            capacity=self.capacity,
            milliseconds=milliseconds,
            hashed=hashed,
            stop=stop.rule if compiled and stop is not None else None,
            monitored=column(stop.name) if compiled and stop is not None else 0,
        )

    def is_due(self, epoch: int) -> bool:
        """Return whether an epoch is to be measured."""
        return epoch == self.epochs or (self.evaluate_every > 0 and epoch % self.evaluate_every == 0)

    @property
    def is_full(self) -> bool:
        """Whether the engine can record no further epoch before its rows are taken."""
        return bool(self.recorder.n_rows == self.capacity)

    def complete(self) -> dict[str, float]:
        """Complete the last row of the engine with the metrics in Python; return its values by name."""
        row, measured = self.recorder.last()
        if measured and self.in_python:
            self._measure_in_python(row)
        names = self.names if measured else UNMEASURED
        return dict(zip(names, row.tolist()[-len(names) :], strict=True))

    def take(self) -> EpochRows | None:
        """Return the rows that the engine has recorded since they were last taken."""
        values, measured, hashes = self.recorder.take()
        if not len(values):
            return None
        first = self.recorder.epoch - len(values) + 1
        return EpochRows(first, self.names, self.n_measured, values, measured, hashes)

    def current(
        self, epoch: int, last: Mapping[str, float], seconds: float, *, due: bool | None = None
    ) -> EpochRows:
        """Return the row of the current weights after an epoch; `last` are the values of its updates."""
        due = self.is_due(epoch) if due is None else due
        row, crc = self.network._call_engine(self.recorder.current, due)
        if due and self.in_python:
            self._measure_in_python(row)
        updates = [name for name in UNMEASURED if name in last or name == "seconds"]
        measured = row[: self.n_measured]
        row = np.append(measured, [{**last, "seconds": seconds}[name] for name in updates])
        names = (*self.names[: self.n_measured], *updates)
        return EpochRows.of_row(epoch, names, self.n_measured, row, measured=due, crc=crc)

    def stops_after(self, epoch: int, values: Mapping[str, float]) -> bool:
        """Show the values of an epoch to early stopping, unless the engine has; return whether it stops."""
        if self.stop is None or "loss" not in values:
            return False
        monitored, loss = values[self.stop.name], values["loss"]
        return self.stop.rule.add(epoch, monitored, loss, self.network.parameters)

    def _measure_in_python(self, row: Any) -> None:
        """Add the metrics in Python to a row that the engine has measured."""
        for evaluator in self.evaluators:
            for name, value in evaluator.measure_in_python().items():
                row[self.names.index(name)] = value
