"""The training loop: schedule, measurements, early stopping, callbacks.

Epochs run in the engine, which measures them, as many in one call as fit into about 20 ms, unless a callback
or a schedule that watches the loss needs each one. A row of measurements belongs to the weights after its
epoch; row 0 to the weights before the first update.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

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


class EpochListener(Protocol):
    """Follows a training from row 0 on."""

    @property
    def every_epoch(self) -> bool:
        """Whether `on_epoch` is to be called with each epoch, which then is one call of the engine."""

    @property
    def milliseconds(self) -> float:
        """How often `on_rows` is to be called with the rows that have come together."""

    @property
    def reads_hashes(self) -> bool:
        """Whether `on_rows` reads the hashes of the parameters."""

    def next_pause(self, epoch: int) -> int | None:
        """Return the next epoch at which `on_rows` must be called, if there is one."""

    def on_epoch(self, epoch: int, values: dict[str, float]) -> bool:
        """Follow one epoch; return True to stop."""

    def on_rows(self, rows: EpochRows) -> bool:
        """Follow consecutive epochs; return True to stop."""


class CallbackListener:
    """Calls a function with every epoch and its values."""

    every_epoch = True
    milliseconds = math.inf
    reads_hashes = False

    def __init__(self, callback: OnEpoch) -> None:
        self.callback = callback

    @classmethod
    def of(cls, callback: OnEpoch | None) -> Self | None:
        """Return a listener for a function, if there is one."""
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be a function, got {callback!r}")
        return None if callback is None else cls(callback)

    def next_pause(self, epoch: int) -> int | None:
        """Return None: there is nothing to do but for the callback."""
        return None

    def on_epoch(self, epoch: int, values: dict[str, float]) -> bool:
        """Call the function; return True to stop."""
        return bool(self.callback(epoch, values))

    def on_rows(self, rows: EpochRows) -> bool:
        """Return False: the callback has seen them."""
        return False


@dataclass
class TrainingLoop:
    """One training of a network, in place."""

    network: CompiledNetwork
    data: Part  # to train on; x, y and row numbers of dtype uint32 are never copied
    options: FitOptions
    validation: Part | None = None  # to measure on too
    units: Units | None = None  # the original units of the targets, in which metrics are measured
    listener: EpochListener | None = None
    critical: Callable[[], AbstractContextManager[None]] = nullcontext  # must not be interrupted halfway
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
        self.recording: Recording  # from `_prepare` on
        self.finished = False
        self.last: Mapping[str, float] = {}  # running loss and learning rate of the last epoch
        self.monitored: float | None = None  # for a schedule that watches the loss

    def run(self) -> History:
        """Train to the end and return the history.

        After a PluginError of a component, as after a KeyboardInterrupt, the weights are those after the
        last completed epoch.
        """
        with self.exclusive():
            running = self.start_training()
            while running:
                running = self.advance(self.next_rates())
            return self.finish()

    def steps(self) -> Generator[Update, None, History]:
        """Train like `run`, with the same bits, but yield each update; the generator returns the history.

        A generator that is closed early leaves the weights after the last update that it yielded.
        """
        with self.exclusive():
            self._prepare()
            runner = UpdateRunner(self.network, self.data, self.updater, self.options)
            running = self._begin()
            while running:
                [rate] = self.next_rates(most=1)
                loss = yield from runner.run_epoch(self.epoch + 1, rate)
                if loss is None:
                    self.history.status = "diverged"
                    break
                self.epoch += 1
                self.last = {"running_loss": loss, "learning_rate": rate}
                running = self._report_current()
            return self.finish()

    # before the first update ----------------------------------------------------------------------

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock of the network; raise a RuntimeError if another fit does."""
        if not self.network._fit_lock.acquire(blocking=False):
            raise RuntimeError("another fit of this network is running")
        try:
            yield
        finally:
            self.network._fit_lock.release()

    def start_training(self) -> bool:
        """Prepare everything and measure row 0; return whether to train."""
        self._prepare()
        options = self.options
        self.recording.recorder.start(self.history.epochs, self._seconds())
        if options.epochs:
            self.trainer = build_trainer(
                self.network,
                self.recording.evaluators[0].dataset,
                self.updater,
                options,
                options.rows_per_batch(len(self.data.x)),
                shuffle=options.shuffle,
            )
        return self._begin()

    def _prepare(self) -> None:
        """Create what lasts for the whole training, so that an epoch costs no more than its work."""
        network, options = self.network, self.options
        self.began = time.perf_counter()
        self.updater = _updater(network, options)
        self.schedule = options.schedule.start()
        if self.start is not None:
            self._restore(self.start)
        self.epoch = self.history.epochs  # completed in this training
        self.earlier_epochs = network.epochs - self.epoch  # of earlier fits
        self.reported = self.began  # when rows were last reported
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
        limit = math.inf if self.listener is None else self.listener.milliseconds
        hashed = self.listener is not None and self.listener.reads_hashes
        self.recording.prepare(self.evaluate_every, options.epochs, limit, hashed)

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
        self.last = state.last
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

    def next_rates(self, most: int | None = None) -> list[float]:
        """Return the learning rates of the epochs up to the next one that Python must see."""
        epoch, epochs = self.epoch, self.options.epochs
        count = min(epochs - epoch, most or self.recording.capacity)
        listener = self.listener
        if self.evaluate_every and self.recording.in_python:
            count = min(count, self.evaluate_every - epoch % self.evaluate_every)
        if self.schedule.watches or (listener is not None and listener.every_epoch):
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
        try:
            _, diverged = self.network._call_engine(self.trainer.run, rates, self.recording.recorder)
        except BaseException:
            self.flush()
            raise
        finally:
            self.sync()
        return self.end_call(diverged)

    def end_call(self, diverged: bool) -> bool:
        """Follow the epochs of a call of the engine; return whether to continue."""
        recorder = self.recording.recorder
        if diverged:
            self.history.status = "diverged"
        stopped = self._follow_last() if recorder.n_rows and not diverged else False
        if self._reports_now(stopped or diverged):
            stopped = self.flush() or stopped
        return self._continues(stopped) and not diverged

    def sync(self) -> None:
        """Take over what the engine has counted."""
        if self.trainer is not None:
            network, trainer = self.network, self.trainer
            network.epochs, network.updates = trainer.epochs, trainer.updates
            self.epoch = trainer.epochs - self.earlier_epochs
            if trainer.last_loss == trainer.last_loss:
                self.last = {"running_loss": trainer.last_loss, "learning_rate": trainer.last_rate}

    def _follow_last(self) -> bool:
        """Show the last epoch to all that follow each one; return whether it ends the training."""
        recording, listener = self.recording, self.listener
        stopped = bool(recording.recorder.stopped)
        every_epoch = listener is not None and listener.every_epoch
        if not (recording.in_python or self.schedule.watches or every_epoch):
            return stopped
        values = recording.complete()
        if recording.stops_here:
            stopped = recording.stops_after(self.epoch, values)
        self.monitored = _monitored(values)
        if every_epoch and listener is not None:
            stopped = listener.on_epoch(self.epoch, values) or stopped
        return stopped

    def _reports_now(self, ends: bool) -> bool:
        """Return whether it is time to report the rows that have come together."""
        now, last = time.perf_counter(), self.epoch == self.options.epochs
        waited = math.inf if self.listener is None else 1e3 * (now - self.reported)
        due = self.listener is not None and waited >= self.listener.milliseconds
        pauses = self.listener is not None and self.listener.next_pause(self.epoch - 1) == self.epoch
        if ends or last or due or pauses or self.recording.is_full:
            self.reported = now
            return True
        return False

    def flush(self) -> bool:
        """Report the rows that have come together; return whether the listener stops the training."""
        with self.critical():
            rows = self.recording.take()
            return rows is not None and self._report(rows)

    def _report_current(self) -> bool:
        """Measure the current weights if it is time to, report them, and return whether to continue."""
        rows = self.recording.current(self.epoch, self.last, self._seconds())
        values = rows.last_values()
        self.monitored = _monitored(values)
        stopped = self.recording.stops_after(self.epoch, values)
        if self.listener is not None and self.listener.every_epoch:
            stopped = self.listener.on_epoch(self.epoch, values) or stopped
        with self.critical():
            stopped = self._report(rows) or stopped
        return self._continues(stopped)

    def _report(self, rows: EpochRows) -> bool:
        """Add rows to the history and show them to the listener; return whether it stops the training."""
        self.history.extend(rows, self.recording.undefined)
        return self.listener is not None and self.listener.on_rows(rows)

    def _continues(self, stopped: bool) -> bool:
        """Return whether another epoch follows."""
        last = self.epoch == self.options.epochs
        if stopped and not last:
            self.history.status = "stopped"
        return not stopped and not last

    def _seconds(self) -> float:
        return time.perf_counter() - self.began

    # the end ----------------------------------------------------------------------------------------

    def finish(self) -> History:
        """Measure the last epoch if it was not measured, restore the best weights, return the history."""
        history = self.history
        if self.epoch not in history.get("epoch", [])[-1:]:
            rows = self.recording.current(self.epoch, self.last, self._seconds(), due=True)
            history.extend_measured(rows, self.recording.undefined)
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
        self.sync()  # an interrupt may have come before
        early_stopping = None if self.stop is None else self.stop.state_before(self.epoch)
        return TrainingState.of(
            self.network,
            self.updater,
            last=self.last,
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
