"""The loop over epochs: schedule, measurements, early stopping, callbacks.

Epochs run in the engine, as many in one call as nobody wants to see: up to the next measurement
where no callback listens and no schedule watches. A row of what was measured belongs to the weights
after its epoch; row 0 to the weights before the first update.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cygd.components import Metric, Optimizer, Schedule, constant
from cygd.network.early_stopping import EarlyStopping, EarlyStoppingMonitor, EarlyStoppingState
from cygd.network.history import UNMEASURED, History
from cygd.network.threads import choose_threads
from cygd.network.training_state import TrainingState

if TYPE_CHECKING:
    from cygd.network import Network

__all__ = ["EarlyStopping", "History", "Part", "Rows", "TrainingState", "evaluate", "train"]

Array = NDArray[Any]
OnEpoch = Callable[[int, dict[str, float]], bool | str | None]


class Part(Protocol):
    """Rows to measure on: the validation or test part of a data set, or `Rows`."""

    @property
    def x(self) -> Array: ...  # noqa: D102
    @property
    def y(self) -> Array: ...  # noqa: D102
    @property
    def sample_weight(self) -> Array | None: ...  # noqa: D102
    @property
    def rows(self) -> NDArray[np.integer[Any]] | None: ...  # noqa: D102


@dataclass(frozen=True)
class Rows:
    """Arrays in the network's dtype; `rows` are the indices that count, all by default."""

    x: Array
    y: Array
    sample_weight: Array | None = None
    rows: NDArray[np.integer[Any]] | None = None


def evaluate(
    network: Network,
    part: Part,
    metrics: Sequence[Metric] = (),
    *,
    unscale: Callable[[Array], Array] | None = None,
    threads: int = 1,
) -> dict[str, float]:
    """Return the loss and the metrics of some rows at the network's present weights.

    Parameters
    ----------
    part : Part
    metrics : sequence of Metric
        Measured on targets and outputs in original units.
    unscale : callable, optional
        Brings targets and outputs into original units.
    """
    return _Meter(network, part, metrics, unscale, threads).measure()


class _Meter:
    """Measures some rows as often as is asked: what stays the same is looked at once."""

    def __init__(
        self,
        network: Network,
        part: Part,
        metrics: Sequence[Metric],
        unscale: Callable[[Array], Array] | None,
        threads: int,
        prefix: str = "",
    ) -> None:
        self.network, self.metrics, self.unscale, self.threads = network, metrics, unscale, threads
        self.task = network._task(part.x, part.y, part.sample_weight, part.rows)
        self.names = [prefix + metric.name for metric in metrics]
        self.loss_name = f"{prefix}loss"
        if metrics:
            y = part.y if part.rows is None else part.y[part.rows]
            self.y = y if unscale is None else unscale(y)

    def measure(self) -> dict[str, float]:
        """Return the loss and the metrics at the present weights, by their names."""
        network = self.network
        if not self.metrics:
            return {self.loss_name: network._pass(self.task, threads=self.threads)}
        # fresh each time: a metric may keep what it was given
        out = np.empty((len(self.y), network.n_outputs), network.dtype)
        values = {self.loss_name: network._pass(self.task, out=out, threads=self.threads)}
        if self.unscale is not None:
            out = self.unscale(out)
        for name, metric in zip(self.names, self.metrics, strict=True):
            values[name] = metric.measure(self.y, out)
        return values


def train(
    network: Network,
    x: Array,
    y: Array,
    *,
    rows: NDArray[np.integer[Any]] | None = None,
    sample_weight: Array | None = None,
    optimizer: Optimizer,
    schedule: Schedule | None = None,
    clip: Any = None,
    epochs: int = 10,
    batch_size: int | str = 32,
    shuffle: bool = True,
    evaluate_every: int = 1,
    metrics: Sequence[Metric] = (),
    validation: Part | None = None,
    stop: Any = None,
    unscale: Callable[[Array], Array] | None = None,
    threads: int | None = None,
    on_epoch: OnEpoch | None = None,
    keep_state_of: Optimizer | None = None,
    start: TrainingState | None = None,
    on_start: Callable[[Callable[[], TrainingState | None]], None] | None = None,
) -> History:
    """Train a network in place; see `Network.fit` and DESIGN of the experiment file for the meanings.

    Parameters
    ----------
    x, y, sample_weight : arrays in the network's dtype, C-contiguous
    rows : array of int, optional
        The rows that take part; x is never copied, nor are they where they are uint32.
    clip : mapping or object with `norm` and `value`, optional
    stop : Stop or object with its attributes, optional
    on_epoch : callable, optional
        on_epoch(epoch, values) with epoch 0 before the first update; a true value stops.
    keep_state_of : Optimizer, optional
        Go on with the optimizer's state if the last training was given this same object.
    start : State, optional
        Where another training of the same kind stood: this one goes on from there, bit by bit as that
        one would have. The row of its epoch is measured, and told, once more.
    on_start : callable, optional
        Is given a function that returns where the training stands, whenever somebody wants to know;
        None behind the end.

    Raises
    ------
    PluginError
        If a component fails. The weights are those after the last whole epoch, as after a
        KeyboardInterrupt, which passes through.
    """
    if not network._fitting.acquire(blocking=False):
        raise RuntimeError("another fit of this network is running")
    try:
        loop = _Loop(
            network=network,
            part=Rows(x, y, sample_weight, rows),
            validation=validation,
            epochs=_count("epochs", epochs),
            batch_size=_batch(batch_size, len(x)),
            shuffle=bool(shuffle),
            every=_count("evaluate_every", evaluate_every),
            metrics=metrics,
            unscale=unscale,
            threads=choose_threads(threads, "auto"),
            on_epoch=on_epoch,
            stop=EarlyStoppingMonitor(stop, metrics, validation is not None) if stop is not None else None,
            optimizer=optimizer,
            schedule=schedule or Schedule("constant", constant),
            clip=_limits(clip),
            updater=_updater(network, optimizer, keep_state_of),
            start=start,
            on_start=on_start,
        )
        return loop.run()
    finally:
        network._fitting.release()


@dataclass
class _Loop:
    """One training on its way."""

    network: Network
    part: Rows
    validation: Part | None
    epochs: int
    batch_size: int
    shuffle: bool
    every: int
    metrics: Sequence[Metric]
    unscale: Callable[[Array], Array] | None
    threads: int
    on_epoch: OnEpoch | None
    stop: EarlyStoppingMonitor | None
    optimizer: Optimizer
    schedule: Schedule
    clip: tuple[float, float]
    updater: Any
    start: TrainingState | None = None
    on_start: Callable[[Callable[[], TrainingState | None]], None] | None = None
    history: History = field(default_factory=History)

    def run(self) -> History:
        """Go from row 0 to the end, or to where something ends it."""
        self.began = time.perf_counter()
        self.prepare()
        history = self.history
        if self.on_start is not None:
            self.on_start(self.state)
        going = self.row(history.epochs, self.last)
        while going and history.epochs < self.epochs:
            if self.advance(self.rates()):
                history.status = "diverged"
                break
            going = self.row(history.epochs, self.last)
        if history.epochs not in history.get("epoch", [])[-1:]:
            self.note(history.epochs, self.measure())  # it ended before its time
        if self.stop is not None:
            history.best_epoch = self.stop.best_epoch
            self.over = True
            self.stop.restore(self.network)
        history.seconds = time.perf_counter() - self.began
        return history

    def prepare(self) -> None:
        """Make what lasts for the whole training, so that an epoch takes nothing but its work."""
        network, part = self.network, self.part
        self.rate = self.schedule.start()
        self.judged: tuple[int, EarlyStoppingState] | None = None
        self.over = False  # the weights may no longer be those of the last epoch
        if self.start is not None:
            self.go_on_from(self.start)
        self.before = network.epochs - self.history.epochs  # of an earlier fit
        self.coming: list[float] = []  # the rates of the call of the engine
        self.penalised = any(layer.l1 or layer.l2 for layer in network.layers)
        self.watched: float | None = None
        if self.stop is not None and not self.every:
            self.every = 1  # what is never measured cannot stop anything
        shared = (self.metrics, self.unscale, self.threads)
        self.meters = [_Meter(network, part, *shared)]
        if self.validation is not None:
            self.meters.append(_Meter(network, self.validation, *shared, prefix="validation_"))
        self.training: Any = None
        if self.epochs:
            self.training = network._kernels.Training(
                network._engine,
                self.meters[0].task,
                network.parameters,
                self.updater,
                batch_size=self.batch_size,
                shuffled=self.shuffle,
                seed=network.seed,
                epochs=network.epochs,
                updates=network.updates,
                clip_norm=self.clip[0],
                clip_value=self.clip[1],
                threads=self.threads,
            )

    def go_on_from(self, state: TrainingState) -> None:
        """Bring everything to where another training stood."""
        state.put_back(self.network, self.updater)
        self.history.go_on_from(state)
        self.began -= state.seconds
        if self.stop is not None and state.standing is not None:
            self.stop.standing = state.standing
        if self.rate.watches:  # it is shown again what it has seen
            for epoch, row in enumerate(state.rows):
                self.rate.factor(epoch, self.epochs, _watched(row))

    @property
    def last(self) -> dict[str, float]:
        """What the updates of the last epoch have brought; nothing before the first."""
        losses, rates = self.history["running_loss"], self.history["learning_rate"]
        return {"running_loss": losses[-1], "learning_rate": rates[-1]} if losses else {}

    def state(self) -> TrainingState | None:
        """Return where the training stands, before the last row was judged; None where that is gone."""
        network, history = self.network, self.history
        if self.over:
            return None
        self.book()  # an interrupt may have come between the updates of an epoch and their entry
        standing = None if self.stop is None else self.stop.standing
        if self.judged is not None and self.judged[0] == history.epochs:
            standing = self.judged[1]
        seconds = time.perf_counter() - self.began
        return TrainingState.of(network, self.updater, last=self.last, seconds=seconds, standing=standing)

    def rates(self) -> list[float]:
        """Return the learning rates of the epochs that can run without anybody looking."""
        epoch = self.history.epochs
        block = self.epochs - epoch
        if self.every:
            block = min(block, self.every - epoch % self.every)
        if self.on_epoch is not None or self.rate.watches:
            block = 1
        if self.rate.steady:
            return [float(self.optimizer.learning_rate)] * block
        rate, factor, epochs = float(self.optimizer.learning_rate), self.rate.factor, self.epochs
        watched, self.watched = self.watched, None  # every measurement is seen once
        return [rate * factor(epoch, epochs, watched)] + [
            rate * factor(k, epochs) for k in range(epoch + 1, epoch + block)
        ]

    def advance(self, rates: list[float]) -> bool:
        """Run epochs in the engine; return whether one diverged."""
        self.coming = rates
        try:
            losses, diverged = self.network._guarded(self.training.run, rates)
        except BaseException:
            self.book()  # the epochs before the one that broke off, which has left nothing behind
            raise
        history, network = self.history, self.network
        network.epochs, network.updates = self.training.epochs, self.training.updates
        history["running_loss"] += losses
        history["learning_rate"] += rates[: len(losses)]
        history.epochs += len(losses)
        return bool(diverged)

    def book(self) -> None:
        """Enter what the engine has made and nobody has entered, wherever an interrupt broke in."""
        training, network, history = self.training, self.network, self.history
        if training is None:
            return
        network.epochs, network.updates = training.epochs, training.updates
        epochs, losses = network.epochs - self.before, training.running_losses
        _fill_up(history["running_loss"], losses, epochs)
        _fill_up(history["learning_rate"], self.coming[: len(losses)], epochs)
        history.epochs = epochs

    def row(self, epoch: int, values: dict[str, float]) -> bool:
        """Measure where it is time to, tell who listens, and say whether to go on."""
        last = epoch == self.epochs
        measured = last or (self.every > 0 and epoch % self.every == 0)
        if measured:
            values = self.measure() | values
        values["seconds"] = time.perf_counter() - self.began
        stopped = False
        if measured:
            self.note(epoch, values)
            self.watched = _watched(values)
            if self.stop is not None:
                self.judged = (epoch, self.stop.standing)
                stopped = self.stop.see(epoch, values, self.network)
        if self.on_epoch is not None:
            stopped = bool(self.on_epoch(epoch, dict(values))) or stopped
        if stopped and not last:
            self.history.status = "stopped"
        return not stopped

    def note(self, epoch: int, values: Mapping[str, float]) -> None:
        """Add what was measured at an epoch to the history."""
        row = {"epoch": epoch, "seconds": time.perf_counter() - self.began, **values}
        self.history.append({name: row[name] for name in row if name not in UNMEASURED})

    def measure(self) -> dict[str, float]:
        """Return what the present weights achieve on the training and validation rows."""
        values = self.meters[0].measure()
        for meter in self.meters[1:]:
            values |= meter.measure()
        if self.penalised:
            values["penalty"] = self.network.penalty()
        return values


def _fill_up(entries: list[float], values: list[float], count: int) -> None:
    """Add so many of the last values that there are `count` entries."""
    lacking = count - len(entries)
    if lacking:
        entries.extend(values[-lacking:])


def _watched(row: Mapping[str, float]) -> float | None:
    """Return what a schedule that watches sees of a row; None where nothing was measured."""
    return row.get("validation_loss", row.get("loss"))


def _updater(network: Network, optimizer: Optimizer, same: Optimizer | None) -> Any:
    """Return the optimizer at work: with the state it had, if it is the same object as last time."""
    if same is not None and network._optimizer is not None and network._optimizer[0] is same:
        return network._optimizer[1]
    updater = network._kernels.Updater(optimizer, network._engine)
    network._optimizer = None if same is None else (same, updater)
    return updater


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ValueError(f"{name} must be a whole number of at least 0, got {value!r}")
    return int(value)


def _batch(value: object, n_rows: int) -> int:
    if value == "full":
        return max(n_rows, 1)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f'batch_size must be a whole number of at least 1, or "full", got {value!r}')
    return int(value)


def _limits(clip: Any) -> tuple[float, float]:
    """Return the limits on the gradient's norm and on its values; 0 is none."""
    if clip is None:
        return 0.0, 0.0
    given = (
        clip if isinstance(clip, Mapping) else {key: getattr(clip, key, None) for key in ("norm", "value")}
    )
    limits = {key: limit for key, limit in given.items() if limit is not None}
    if len(limits) != 1 or not set(limits) <= {"norm", "value"}:
        raise ValueError(f'clip must be {{"norm": limit}} or {{"value": limit}}, got {clip!r}')
    [(key, limit)] = limits.items()
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < math.inf:
        raise ValueError(f"clip: {key} must be a finite number above 0, got {limit!r}")
    return (float(limit), 0.0) if key == "norm" else (0.0, float(limit))
