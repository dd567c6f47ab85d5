"""The training loop: schedule, measurements, early stopping, callbacks.

Epochs run in the engine, which measures them, as many in one call as fit into about 20 ms, unless a callback
or a schedule that watches the loss needs each one. A row of measurements belongs to the weights after its
epoch; row 0 to the weights before the first update.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from cygd.errors import DataError
from cygd.network.compiled import CompiledNetwork
from cygd.network.early_stopping import EarlyStoppingMonitor
from cygd.network.epoch_rows import EpochRows
from cygd.network.evaluation import Part, Units
from cygd.network.fit_options import FitOptions
from cygd.network.history import History
from cygd.network.last_optimizer import LastOptimizer
from cygd.network.recording import Recording
from cygd.network.training_state import TrainingState
from cygd.network.updates import Update, UpdateRunner, build_trainer

log = logging.getLogger("cygd")

OnEpoch = Callable[[int, dict[str, float]], bool | str | None]
MAX_EPOCHS_PER_CALL = 1024


class EpochListener(Protocol):
    """Follows a training from row 0 on."""

    @property
    def milliseconds(self) -> float:
        """After which a call of the engine ends; 0: after each epoch."""

    def next_pause(self, epoch: int) -> int | None:
        """Return the next epoch after which a call of the engine must end, if there is one."""

    def on_rows(self, rows: EpochRows) -> bool:
        """Follow consecutive epochs; return True to stop."""


class CallbackListener:
    """Calls a function with every epoch and its values."""

    milliseconds = 0.0

    def __init__(self, callback: OnEpoch) -> None:
        self.callback = callback

    def next_pause(self, epoch: int) -> int | None:
        """Return None: every epoch is one."""
        return None

    def on_rows(self, rows: EpochRows) -> bool:
        """Call the function; return True to stop."""
        stopped = False
        for epoch, values in rows:
            stopped = bool(self.callback(epoch, values)) or stopped
        return stopped


@dataclass
class TrainingLoop:
    """One training of a network, in place."""

    network: CompiledNetwork
    data: Part  # to train on; x, y and row numbers of dtype uint32 are never copied
    options: FitOptions
    validation: Part | None = None  # to measure on too
    units: Units | None = None  # the original units of the targets, in which metrics are measured
    listener: EpochListener | None = None
    # continue a training with the same options from this state, with the same bits; the row of its epoch is
    # measured, and reported, once more
    start: TrainingState | None = None
    # is given a function that returns the current state at any time; None after the end
    on_start: Callable[[Callable[[], TrainingState | None]], None] | None = None
    history: History = field(init=False, default_factory=History)

    def __post_init__(self) -> None:
        options = self.options
        self.stop: EarlyStoppingMonitor | None = None
        if options.stop is not None:
            validated = self.validation is not None
            self.stop = EarlyStoppingMonitor(options.stop, options.metrics, validated, self.network)
        # what is never measured can neither stop the training nor reduce its rate
        watched = self.stop is not None or options.schedule.watcher is not None
        self.evaluate_every = options.evaluate_every or (1 if watched else 0)
        self.trainer: Any = None  # the engine's
        self.finished = False
        self.pending_rates: list[float] = []  # of the current call of the engine
        self.monitored: float | None = None  # for a schedule that watches the loss

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
                    self.recording.evaluators[0].dataset,
                    self.updater,
                    options,
                    options.rows_per_batch(len(self.data.x)),
                    shuffle=options.shuffle,
                )
            running = self._begin()
            while running:
                running = self.advance(self._next_rates())
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
                if loss is None:
                    self.history.status = "diverged"
                    break
                self._append_epoch(loss, rate)
                running = self._report_current()
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
        self.recording = Recording(
            network,
            self.data,
            self.validation,
            options.metrics,
            self.units,
            options.threads or 1,
            self.stop,
        )
        self._report_undefined()
        limit = None if self.listener is None else self.listener.milliseconds
        self.recording.prepare(self.evaluate_every, options.epochs, limit)

    def _report_undefined(self) -> None:
        """Warn of metrics without a value; raise a DataError if early stopping monitors one."""
        for name, needs in self.recording.undefined.items():
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
        return self._report_current()

    # epochs -----------------------------------------------------------------------------------------

    def _next_rates(self, most: int | None = None) -> list[float]:
        """Return the learning rates of the epochs up to the next one that Python must see."""
        epoch, epochs = self.history.epochs, self.options.epochs
        count = min(epochs - epoch, most or MAX_EPOCHS_PER_CALL)
        listener = self.listener
        if self.evaluate_every and self.recording.in_python:
            count = min(count, self.evaluate_every - epoch % self.evaluate_every)
        if self.schedule.watches or (listener is not None and not listener.milliseconds):
            count = 1
        pause = None if listener is None else listener.next_pause(epoch)
        if pause is not None:
            count = min(count, pause - epoch)
        rate = float(self.options.optimizer.learning_rate)
        if self.schedule.steady:
            return [rate] * count
        monitored, self.monitored = self.monitored, None  # the schedule sees every measurement once
        return [rate * self.schedule.factor(epoch, epochs, monitored)] + [
            rate * self.schedule.factor(k, epochs) for k in range(epoch + 1, epoch + count)
        ]

    def advance(self, rates: list[float]) -> bool:
        """Run epochs in the engine and report them; return whether to continue."""
        self.pending_rates = rates
        recorder = self.recording.recorder
        recorder.begin(self.history.epochs, self._seconds())
        try:
            _, diverged = self.network._call_engine(self.trainer.run, rates, recorder)
            self._sync_from_engine()
        except BaseException:
            self._sync_from_engine()  # with the epochs before the one that failed
            self._report(self.recording.take())
            raise
        if diverged:
            self.history.status = "diverged"
        rows = self.recording.take()
        stopped = recorder.stopped or (self.recording.stops_here and self.recording.stops_after(rows))
        return self._continues(self._report(rows) or stopped) and not diverged

    def _append_epoch(self, loss: float, rate: float) -> None:
        """Append a completed epoch to the history."""
        self.history["running_loss"].append(loss)
        self.history["learning_rate"].append(rate)
        self.history.epochs += 1

    def _sync_from_engine(self) -> None:
        """Append the epochs that the engine has completed, all or those that an interrupt left out."""
        trainer, network, history = self.trainer, self.network, self.history
        if trainer is None:
            return
        network.epochs, network.updates = trainer.epochs, trainer.updates
        history.epochs = network.epochs - self.earlier_epochs
        losses = trainer.running_losses
        for name, values in (("running_loss", losses), ("learning_rate", self.pending_rates[: len(losses)])):
            missing = history.epochs - len(history[name])
            history[name] += values[-missing:] if missing else []

    def _report_current(self) -> bool:
        """Measure the current weights if it is time to, report them, and return whether to continue."""
        rows = self.recording.current(self.history.epochs, self._last_update(), self._seconds())
        stopped = self.recording.stops_after(rows)
        return self._continues(self._report(rows) or stopped)

    def _report(self, rows: EpochRows) -> bool:
        """Add rows to the history and show them to the listener; return whether it stops the training."""
        if not len(rows):
            return False
        self.history.extend(rows, self.recording.undefined)
        if rows.measured[-1] and self.schedule.watches:
            self.monitored = _monitored(rows.last_values())
        return self.listener is not None and self.listener.on_rows(rows)

    def _continues(self, stopped: bool) -> bool:
        """Return whether another epoch follows."""
        last = self.history.epochs == self.options.epochs
        if stopped and not last:
            self.history.status = "stopped"
        return not stopped and not last

    def _seconds(self) -> float:
        return time.perf_counter() - self.began

    def _last_update(self) -> dict[str, float]:
        """Return the running loss and the learning rate of the last epoch; nothing before the first."""
        losses, rates = self.history["running_loss"], self.history["learning_rate"]
        return {"running_loss": losses[-1], "learning_rate": rates[-1]} if losses else {}

    # the end ----------------------------------------------------------------------------------------

    def _finish(self) -> History:
        """Measure the last epoch if it was not measured, restore the best weights, return the history."""
        history = self.history
        if history.epochs not in history.get("epoch", [])[-1:]:
            last, seconds = self._last_update(), self._seconds()
            rows = self.recording.current(history.epochs, last, seconds, due=True)
            history.extend(rows, self.recording.undefined)
        if self.stop is not None:
            history.best_epoch = self.stop.state.best_epoch
            self.finished = True
            self.stop.restore(self.network)
        history.seconds = self._seconds()
        return history

    def state(self) -> TrainingState | None:
        """Return the state before the row of the last completed epoch; None once weights are restored."""
        if self.finished:
            return None
        self._sync_from_engine()  # an interrupt may have come before the history was updated
        early_stopping = None if self.stop is None else self.stop.state_before(self.history.epochs)
        return TrainingState.of(
            self.network,
            self.updater,
            last=self._last_update(),
            seconds=self._seconds(),
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
