"""Loggers that write from a thread, so that a slow or absent tracker does not slow the training.

The hooks of a run only put rows into a bounded queue. A thread takes them out and calls the tool:

- it works for at most SHARE of the time while the run is training, because it holds the lock of the
  interpreter that the training needs about every 20 ms;
- it retries what fails, with growing pauses;
- at the end of the run it works without pauses; the run waits for it, but not longer than `wait` seconds.

Rows that do not fit into the queue (the oldest are dropped) and rows that are still there in the end are
counted and reported. Nothing of this changes the training.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from cygd.errors import ConfigError, CygdError, describe_exception
from cygd.network.epoch_rows import EpochRows
from cygd.tracking.loggers.logged_rows import LoggedRows, Weights, read_logged_rows
from cygd.tracking.redaction import redact
from cygd.tracking.tracked_runs import TrackedRun, find_group, read_record, write_record

if TYPE_CHECKING:
    from cygd.tracking.results import Result, Run

log = logging.getLogger("cygd")

SHARE = 0.02  # of the time of a core, for all trackers of the process together
PIECE, LAST_PIECE = 100, 1000  # rows that the tool receives in one call during the training, and after it
PAUSE = 0.25  # seconds between calls
FIRST_RETRY, LAST_RETRY = 0.25, 30.0  # seconds between attempts
LAST_ATTEMPTS = 5  # in a row, after the training
INTERRUPTED_WAIT = 5.0  # seconds to wait at the end of an interrupted run
SHORT_WAIT = 1.0  # seconds to wait for what has failed before in this process
MAX_QUEUE = 20_000  # rows

_active: set[int] = set()  # the workers of this process
_failed: set[tuple[str, str]] = set()  # trackers that nothing could be written to, with their options
_open_records: set[tuple[Path, str]] = set()


@dataclass(frozen=True)
class RunEnd:
    """How a run ended."""

    status: str
    epochs: int
    best_epoch: int | None
    metrics: dict[str, float]


class BackgroundLogger(ABC):
    """A logger whose tool is called by a thread of its own.

    A subclass implements `connect`, `write` and `finish`, which the thread calls, and may raise any
    exception there; `prepare` is called before the training, in the thread of the run.

    Parameters
    ----------
    wait : float
        The seconds that the end of a run waits for the tool.
    rows : int
        About how many rows of a run are logged, evenly spread; 0 logs all.
    """

    name: ClassVar[str]
    max_queue: ClassVar[int] = MAX_QUEUE
    connect_seconds: ClassVar[float] = 5.0  # that the beginning of a run waits for `connect`

    def __init__(self, wait: float, rows: int = 0) -> None:
        self.check_option("wait", wait, wait >= 0, "a number of seconds")
        self.check_option("rows", rows, rows >= 0, "a number of rows, or 0 for all")
        self.wait, self.rows = float(wait), int(rows)
        self._waits = self.wait
        self.logged = self.delivered = 0  # rows
        self._queue: deque[LoggedRows | Weights] = deque()
        self._queued = 0
        self._mutex = threading.Lock()
        self._closing, self._abandoned, self._connected = (threading.Event() for _ in range(3))
        self._tried = threading.Event()  # to connect
        self._end: RunEnd | None = None
        self._error: BaseException | None = None
        self._warned = self._finished = False
        self._tail: EpochRows | None = None
        self._every = 1
        self.began: float | None = None  # the time of day at which `seconds` is 0
        self._thread: threading.Thread | None = None
        self._run: TrackedRun

    # -- for subclasses -----------------------------------------------------------------------------

    def prepare(self, run: Run) -> None:  # noqa: B027  # noqa: B027
        """Import the tool and what else must not happen beside the training."""

    @abstractmethod
    def connect(self, run: TrackedRun) -> None:
        """Open the run in the tool; what `run.record` receives is in trackers.json afterwards."""

    @abstractmethod
    def write(self, run: TrackedRun, rows: Sequence[tuple[int, dict[str, float]]]) -> None:
        """Write rows, all or none; after an exception the same rows come again."""

    @abstractmethod
    def finish(self, run: TrackedRun, end: RunEnd) -> None:
        """Write the result and close the run."""

    def write_weights(self, run: TrackedRun, weights: Weights) -> None:  # noqa: B027  # noqa: B027
        """Write what the tool shows of weights."""

    def time_of(self, row: Mapping[str, float]) -> float:
        """Return the time of day of a row, which does not change when the row is written again."""
        return (self.began or 0.0) + row.get("seconds", 0.0)

    def release(self) -> None:  # noqa: B027  # noqa: B027
        """Close what is open without writing anything, after the run was abandoned."""

    @property
    def target(self) -> str:
        """What failed before, if it fails again: the server or file."""
        return ""

    @classmethod
    def check_option(cls, option: str, value: object, valid: bool, expected: str) -> None:
        """Raise a ConfigError for an invalid value."""
        if not valid:
            raise ConfigError(f"log.{cls.name}: {option}: expected {expected}, got {value!r}")

    @classmethod
    def require(cls, *modules: str) -> None:
        """Raise a ConfigError if a module that the tool needs is not installed."""
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            raise ConfigError(
                f"log.{cls.name}: {missing[0]} is not installed", hint=f'pip install "cygd[{cls.name}]"'
            )

    # -- hooks, in the thread of the run ------------------------------------------------------------

    def cygd_run_start(self, run: Run) -> None:
        """Start the thread, and wait a few seconds until it has opened the run in the tool."""
        self.prepare(run)
        train = run.config["train"]
        group = find_group(run.directory)
        key = self._key(run.directory)
        self._run = TrackedRun(
            name=run.name,
            label=run.directory.name if group is not None else f"{run.name}/{run.directory.name}",
            directory=run.directory,
            config=run.config,
            seed=run.seed,
            epochs=int(train["epochs"]),
            first=getattr(run, "resumed", None) or 0,
            group=group,
            record=read_record(run.directory, key),
        )
        self._every = self._choose_every(int(train["epochs"]), int(train.get("evaluate_every") or 0))
        for outcome in ("missing", "finished", "error"):  # what is missing after the last row comes again
            self._run.record.pop(outcome, None)
        self._earlier_rows = self._run.record.get("rows", 0)
        self._dropped = self._run.record.get("dropped", 0)
        self._undelivered = self._read_undelivered()
        self._thread = threading.Thread(target=self._work, name=f"cygd-{key}", daemon=True)
        _active.add(id(self))
        self._thread.start()
        has_failed = (self.name, self.target) in _failed
        self._tried.wait(SHORT_WAIT if has_failed else self.connect_seconds)

    def cygd_epochs_end(self, run: Run, rows: EpochRows) -> None:
        """Queue rows for the thread."""
        if self.began is None:
            self.began = time.time() - float(rows.values[0, -1])
        self._put_undelivered()
        selected = LoggedRows.select(rows, self._every)
        self._tail = None if rows.last % self._every == 0 else rows
        if len(selected):
            self._put(selected)
        if self._error is not None and not self._warned:
            self._warned = True
            log.info("%s: %s; trying again", self.name, self._describe_error())

    def cygd_run_end(self, run: Run, result: Result) -> None:
        """Wait for the thread, and report what is missing."""
        self._close(RunEnd(result.status, result.epochs, result.best_epoch, dict(result.metrics)), run)

    def cygd_run_error(self, run: Run, error: BaseException) -> None:
        """Wait for the thread, and report what is missing."""
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        epoch = self._tail.last if self._tail is not None else self._last_epoch
        self._close(RunEnd(status, epoch, None, {}), run)

    # -- the queue ----------------------------------------------------------------------------------

    _last_epoch = 0

    def _read_undelivered(self) -> list[LoggedRows]:
        """Return the rows of metrics.csv that the stopped run did not deliver: it was killed, or gave up."""
        every = self._every
        start = self._run.record.get("last", -1) + 1
        epochs = range(start + -start % every, self._run.first, every)
        try:
            return read_logged_rows(self._run.directory, epochs)
        except (CygdError, OSError) as error:
            log.info("%s: %s", self.name, describe_exception(error))
            return []

    def _put_undelivered(self) -> None:
        for rows in self._undelivered:
            self._put(rows)
        self._undelivered = []

    def _put(self, item: LoggedRows | Weights) -> None:
        with self._mutex:
            self._queue.append(item)
            self._queued += len(item)
            self.logged += len(item)
            if isinstance(item, LoggedRows):
                self._last_epoch = item.epochs[-1]
            while self._queued > self.max_queue and len(self._queue) > 1:
                count = len(self._queue.popleft())
                self._queued -= count
                self._dropped += count

    def _take(self, count: int) -> list[LoggedRows | Weights]:
        """Remove up to `count` rows from the queue."""
        taken: list[LoggedRows | Weights] = []
        with self._mutex:
            while self._queue and count > 0:
                item = self._queue.popleft()
                if isinstance(item, LoggedRows) and len(item) > count:
                    item, rest = item.split(count)
                    self._queue.appendleft(rest)
                taken.append(item)
                self._queued -= len(item)
                count -= max(1, len(item))
        return taken

    def _put_back(self, items: Sequence[LoggedRows | Weights]) -> None:
        with self._mutex:
            self._queue.extendleft(reversed(items))
            self._queued += sum(map(len, items))

    def _choose_every(self, epochs: int, evaluate_every: int) -> int:
        """Return the distance of logged epochs, of which the measured ones are not left out."""
        if not self.rows:
            return 1
        every = max(1, -(-epochs // self.rows))
        return every if evaluate_every < 2 or every == 1 else -(-every // evaluate_every) * evaluate_every

    def _key(self, directory: Path) -> str:
        """Return the name in trackers.json; the second tracker of one kind is NAME-2."""
        number, key = 1, self.name
        while (directory, key) in _open_records:
            number += 1
            key = f"{self.name}-{number}"
        _open_records.add((directory, key))
        self.key = key
        return key

    # -- the thread ---------------------------------------------------------------------------------

    def _work(self) -> None:
        retry, last_attempts = FIRST_RETRY, 0
        try:
            while not self._abandoned.is_set() and last_attempts < LAST_ATTEMPTS:
                began, was_connected = time.thread_time(), self._connected.is_set()
                try:
                    if self._step():
                        return
                except BaseException as error:  # also SystemExit, which a tool may raise
                    self._error = error
                    last_attempts += self._closing.is_set()
                    retry = self._pause_after_error(retry)
                    continue
                finally:
                    self._tried.set()
                retry, last_attempts = FIRST_RETRY, 0
                pause = (time.thread_time() - began) * max(1, len(_active)) / SHARE
                if not was_connected:  # the run has waited for that
                    pause = 0.0
                self._closing.wait(pause if self._queue else max(pause, PAUSE))
        finally:
            if not self._finished:
                with contextlib.suppress(Exception):
                    self.release()

    def _pause_after_error(self, seconds: float) -> float:
        """Wait before the next attempt, and return how long to wait after that one."""
        if self._closing.is_set():
            self._abandoned.wait(seconds)
        elif self._closing.wait(seconds):
            return FIRST_RETRY
        return min(2 * seconds, LAST_RETRY)

    def _step(self) -> bool:
        """Write some rows, or the end of the run; return True after that."""
        is_last = self._closing.is_set()
        if not self._connected.is_set():
            self.connect(self._run)
            self._save()
            self._connected.set()
        items = self._take(LAST_PIECE if is_last else PIECE)
        is_empty = not items
        try:
            self._write_items(items)
        except BaseException:
            self._put_back(items)
            raise
        if not is_empty or not is_last or self._end is None:
            return False
        self.finish(self._run, self._end)
        self._finished = True
        return True

    def _write_items(self, items: list[LoggedRows | Weights]) -> None:
        """Write rows and weights, and remove from the list what was written."""
        rows = [row for item in items if isinstance(item, LoggedRows) for row in item]
        if rows:
            self.write(self._run, rows)
            self.delivered += len(rows)
            self._run.record.update(last=rows[-1][0], rows=self._earlier_rows + self.delivered)
            items[:] = [item for item in items if isinstance(item, Weights)]
            self._save()
        while items:
            weights = items[0]
            assert isinstance(weights, Weights)
            self.write_weights(self._run, weights)
            del items[0]

    def _save(self) -> None:
        if self._abandoned.is_set():  # the run has recorded what is missing
            return
        with contextlib.suppress(OSError):  # metrics.csv reports a full disk
            write_record(self._run.directory, self.key, self._run.record)

    # -- the end ------------------------------------------------------------------------------------

    def _close(self, end: RunEnd, run: Run) -> None:
        if self._thread is None:
            return
        self._put_undelivered()
        if self._tail is not None:
            self._put(LoggedRows.last(self._tail))
            self._tail = None
        self._end = end
        self._closing.set()
        if (self.name, self.target) in _failed:
            self._waits = min(self.wait, SHORT_WAIT)
        elif end.status == "interrupted":  # signals are ignored meanwhile
            self._waits = min(self.wait, INTERRUPTED_WAIT)
        try:
            self._thread.join(self._waits)
        except KeyboardInterrupt as interrupt:
            self._error = interrupt
            raise
        finally:
            self._abandoned.set()
            _active.discard(id(self))
            _open_records.discard((run.directory, self.key))
            if not self.delivered and not self._finished:
                _failed.add((self.name, self.target))
            else:
                _failed.discard((self.name, self.target))
            self._report()

    def _report(self) -> None:
        """Record how many rows the tool received, and warn if some or the end of the run are missing."""
        missing = self.logged - self.delivered
        record = {
            **self._run.record,
            "rows": self._earlier_rows + self.delivered,
            "missing": self._run.record.get("dropped", 0) + missing,
            "finished": self._finished,
        }
        if self._dropped:
            record["dropped"] = self._dropped
        problem = self._describe_error()
        if missing or not self._finished:
            record["error"] = problem
        with contextlib.suppress(OSError):
            write_record(self._run.directory, self.key, record)
        if not missing and self._finished:
            log.info("%s: %d rows", self.name, self.delivered)
            return
        what = f"{missing} of {self.logged} rows" if missing else ""
        if not self._finished:
            what += f"{' and ' if what else ''}the end of the run"
        is_one = what == "the end of the run" or (self._finished and missing == 1)
        log.warning(
            "%s: %s %s missing: %s; the run folder has them",
            self.name,
            what,
            "is" if is_one else "are",
            problem,
        )

    def _describe_error(self) -> str:
        if self._error is not None:
            return redact(describe_exception(self._error).splitlines()[0])[:300]
        if not self._finished:
            return f"it did not take them within {self._waits:g} s after the training"
        return "they came faster than it took them"
