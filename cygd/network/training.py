"""The training loop: schedule, measurements, early stopping, callbacks.

Epochs run in the engine, as many in one call as possible: up to the next measurement, unless a callback
or a schedule that watches the loss needs each one. A row of measurements belongs to the weights after its
epoch; row 0 to the weights before the first update.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from cygd.errors import DataError
from cygd.network.compiled import CompiledNetwork
from cygd.network.early_stopping import EarlyStoppingMonitor, EarlyStoppingState
from cygd.network.evaluation import Evaluator, Part, find_targets
from cygd.network.fit_options import FitOptions
from cygd.network.history import UNMEASURED, History
from cygd.network.last_optimizer import LastOptimizer
from cygd.network.training_state import TrainingState
from cygd.network.updates import Update, UpdateRunner, build_trainer

log = logging.getLogger("cygd")

Array = NDArray[Any]
OnEpoch = Callable[[int, dict[str, float]], bool | str | None]


@dataclass
class TrainingLoop:
    """One training of a network, in place."""

    network: CompiledNetwork
    data: Part  # to train on; x, y and row numbers of dtype uint32 are never copied
    options: FitOptions
    validation: Part | None = None  # to measure on too
    unscale: Callable[[Array], Array] | None = None  # to original units, in which metrics are measured
    on_epoch: OnEpoch | None = None  # on_epoch(epoch, values), from epoch 0 on; a true value stops
    # continue a training with the same options from this state, with the same bits; the row of its epoch is
    # measured, and passed to on_epoch, once more
    start: TrainingState | None = None
    # is given a function that returns the current state at any time; None after the end
    on_start: Callable[[Callable[[], TrainingState | None]], None] | None = None
    history: History = field(init=False, default_factory=History)

    def __post_init__(self) -> None:
        options = self.options
        self.stop: EarlyStoppingMonitor | None = None
        if options.stop is not None:
            self.stop = EarlyStoppingMonitor(options.stop, options.metrics, self.validation is not None)
        # what is never measured can neither stop the training nor reduce its rate
        watched = self.stop is not None or options.schedule.watcher is not None
        self.evaluate_every = options.evaluate_every or (1 if watched else 0)
        self.trainer: Any = None  # the engine's
        self.finished = False
        self.pending_rates: list[float] = []  # of the current call of the engine
        self.monitored: float | None = None  # for a schedule that watches the loss
        self.stop_state: tuple[int, EarlyStoppingState] | None = None  # before the row of an epoch

    def run(self) -> History:
        """Train to the end and return the history.

        After a PluginError of a component, as after a KeyboardInterrupt, the weights are those after the
        last completed epoch.
        """
        with self._exclusive():
            self._prepare()
            options = self.options
            if options.epochs:
                self.trainer = build_trainer(
                    self.network,
                    self.evaluators[0].dataset,
                    self.updater,
                    options,
                    options.rows_per_batch(len(self.data.x)),
                    shuffle=options.shuffle,
                )
            running = self._begin()
            while running:
                running = self.advance(self._next_rates()) and self._end_epoch()
            return self._finish()

    def steps(self) -> Generator[Update, None, History]:
        """Train like `run`, with the same bits, but yield each update; the generator returns the history.

        A generator that is closed early leaves the weights after the last update that it yielded.
        """
        with self._exclusive():
            self._prepare()
            runner = UpdateRunner(self.network, self.data, self.updater, self.options)
            running = self._begin()
            while running:
                [rate] = self._next_rates(most=1)
                loss = yield from runner.run_epoch(self.history.epochs + 1, rate)
                self._append_epochs([] if loss is None else [loss], [rate], diverged=loss is None)
                running = loss is not None and self._end_epoch()
            return self._finish()

    # before the first update ----------------------------------------------------------------------

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        if not self.network._fit_lock.acquire(blocking=False):
            raise RuntimeError("another fit of this network is running")
        try:
            yield
        finally:
            self.network._fit_lock.release()

    def _prepare(self) -> None:
        """Create what lasts for the whole training, so that an epoch costs no more than its work."""
        network, options = self.network, self.options
        self.began = time.perf_counter()
        self.updater = _updater(network, options)
        self.schedule = options.schedule.start()
        if self.start is not None:
            self._restore(self.start)
        self.earlier_epochs = network.epochs - self.history.epochs  # of earlier fits
        self.penalized = any(layer.l1 or layer.l2 for layer in network.layers)
        shared = (options.metrics, self.unscale, options.threads or 1)
        targets = find_targets(options.metrics, network.loss_function, self.data, self.unscale)
        parts = {"": self.data, "validation_": self.validation}
        self.evaluators = [
            Evaluator(network, part, *shared, prefix=prefix, targets=targets)
            for prefix, part in parts.items()
            if part is not None
        ]
        self.undefined = {name: needs for each in self.evaluators for name, needs in each.undefined.items()}
        self._report_undefined()

    def _report_undefined(self) -> None:
        """Warn of metrics without a value; raise a DataError if early stopping monitors one."""
        for name, needs in self.undefined.items():
            if self.stop is not None and name == self.stop.name:
                raise DataError(f"stop: monitor {name!r} cannot be computed: it needs {needs}")
            log.warning("%s cannot be computed and stays empty: it needs %s", name, needs)

    def _restore(self, state: TrainingState) -> None:
        """Set everything to the state of another training."""
        state.load_into(self.network, self.updater)
        self.history.restore(state)
        self.began -= state.seconds
        if self.stop is not None and state.early_stopping is not None:
            self.stop.state = state.early_stopping
        if self.schedule.watches:  # show it the same measurements again
            for epoch, row in enumerate(state.rows):
                self.schedule.factor(epoch, self.options.epochs, _monitored(row))

    def _begin(self) -> bool:
        """Measure row 0, or the row of the state to continue from; return whether to train."""
        if self.on_start is not None:
            self.on_start(self.state)
        return self._end_epoch()

    # epochs -----------------------------------------------------------------------------------------

    def _next_rates(self, most: int | None = None) -> list[float]:
        """Return the learning rates of the epochs up to the next one that Python must see."""
        epoch, epochs = self.history.epochs, self.options.epochs
        count = min(epochs - epoch, most or epochs)
        if self.evaluate_every:
            count = min(count, self.evaluate_every - epoch % self.evaluate_every)
        if self.on_epoch is not None or self.schedule.watches:
            count = 1
        rate = float(self.options.optimizer.learning_rate)
        if self.schedule.steady:
            return [rate] * count
        monitored, self.monitored = self.monitored, None  # the schedule sees every measurement once
        return [rate * self.schedule.factor(epoch, epochs, monitored)] + [
            rate * self.schedule.factor(k, epochs) for k in range(epoch + 1, epoch + count)
        ]

    def advance(self, rates: list[float]) -> bool:
        """Run epochs in the engine; return False if one diverged."""
        self.pending_rates = rates
        try:
            losses, diverged = self.network._call_engine(self.trainer.run, rates)
        except BaseException:
            self._sync_from_engine()  # with the epochs before the one that failed
            raise
        self.network.epochs, self.network.updates = self.trainer.epochs, self.trainer.updates
        self._append_epochs(losses, rates, diverged)
        return not diverged

    def _append_epochs(self, losses: list[float], rates: list[float], diverged: bool) -> None:
        """Append completed epochs to the history."""
        history = self.history
        history["running_loss"] += losses
        history["learning_rate"] += rates[: len(losses)]
        history.epochs += len(losses)
        if diverged:
            history.status = "diverged"

    def _sync_from_engine(self) -> None:
        """Append epochs that the engine has completed and the history lacks because of an interrupt."""
        trainer, network, history = self.trainer, self.network, self.history
        if trainer is None:
            return
        network.epochs, network.updates = trainer.epochs, trainer.updates
        history.epochs = network.epochs - self.earlier_epochs
        losses = trainer.running_losses
        for name, values in (("running_loss", losses), ("learning_rate", self.pending_rates[: len(losses)])):
            missing = history.epochs - len(history[name])
            history[name] += values[-missing:] if missing else []

    def _end_epoch(self) -> bool:
        """Measure if it is time to, call the callback, and return whether to continue."""
        history, last = self.history, self._last_update()
        epoch, is_last = history.epochs, history.epochs == self.options.epochs
        measured = is_last or (self.evaluate_every > 0 and epoch % self.evaluate_every == 0)
        values = self.measure() | last if measured else last
        values["seconds"] = time.perf_counter() - self.began
        stopped = False
        if measured:
            self._append_row(epoch, values)
            self.monitored = _monitored(values)
            if self.stop is not None:
                self.stop_state = (epoch, self.stop.state)
                stopped = self.stop.update(epoch, values, self.network)
        if self.on_epoch is not None:
            stopped = bool(self.on_epoch(epoch, dict(values))) or stopped
        if stopped and not is_last:
            history.status = "stopped"
        return not stopped and epoch < self.options.epochs

    def _last_update(self) -> dict[str, float]:
        """Return the running loss and the learning rate of the last epoch; nothing before the first."""
        losses, rates = self.history["running_loss"], self.history["learning_rate"]
        return {"running_loss": losses[-1], "learning_rate": rates[-1]} if losses else {}

    def _append_row(self, epoch: int, values: Mapping[str, float]) -> None:
        """Append the measurements of an epoch to the history."""
        row = {"epoch": epoch, "seconds": time.perf_counter() - self.began, **values}
        row |= dict.fromkeys(self.undefined, math.nan)
        self.history.append({name: row[name] for name in row if name not in UNMEASURED})

    def measure(self) -> dict[str, float]:
        """Return loss, metrics and penalty at the current weights, for training and validation rows."""
        values: dict[str, float] = {}
        for evaluator in self.evaluators:
            values |= evaluator.evaluate()
        if self.penalized:
            values["penalty"] = self.network.penalty()
        return values

    # the end ----------------------------------------------------------------------------------------

    def _finish(self) -> History:
        """Measure the last epoch if it was not measured, restore the best weights, return the history."""
        history = self.history
        if history.epochs not in history.get("epoch", [])[-1:]:
            self._append_row(history.epochs, self.measure())
        if self.stop is not None:
            history.best_epoch = self.stop.state.best_epoch
            self.finished = True
            self.stop.restore(self.network)
        history.seconds = time.perf_counter() - self.began
        return history

    def state(self) -> TrainingState | None:
        """Return the state before the row of the last completed epoch; None once weights are restored."""
        if self.finished:
            return None
        self._sync_from_engine()  # an interrupt may have come before the history was updated
        early_stopping = None if self.stop is None else self.stop.state
        if self.stop_state is not None and self.stop_state[0] == self.history.epochs:
            early_stopping = self.stop_state[1]
        return TrainingState.of(
            self.network,
            self.updater,
            last=self._last_update(),
            seconds=time.perf_counter() - self.began,
            early_stopping=early_stopping,
        )


def _monitored(row: Mapping[str, float]) -> float | None:
    """Return what a schedule that watches the loss sees of a row; None if nothing was measured."""
    return row.get("validation_loss", row.get("loss"))


def _updater(network: CompiledNetwork, options: FitOptions) -> Any:
    """Return the updater of the last fit if it had the same optimizer, else a new one."""
    key, last = options.state_key, network._last_optimizer
    if last is not None and last.continues(key, options.optimizer):
        network._last_optimizer = LastOptimizer(key or options.optimizer, last.updater)
        return last.updater
    updater = network._new_updater(options.optimizer)
    network._last_optimizer = LastOptimizer(key or options.optimizer, updater)
    return updater
