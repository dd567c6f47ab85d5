"""A worker process of a sweep: it executes one run after the other.

Workers are spawned, not forked: a process that has trained has threads, and must not be forked. A worker
reads what all configurations share, the base experiment, plugins and data, only once. The outcome of a run
is returned for errors of any kind; if the worker is killed, only its current run is lost.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from cygd import config, files
from cygd.errors import CygdError, RunError
from cygd.network.threads import choose_threads
from cygd.plugins.discovery import Request, environment_requests
from cygd.plugins.manager import Plugins
from cygd.runner import runner
from cygd.runner.assembly import Assembly, build, read_document
from cygd.runner.fit import evaluate, fit
from cygd.sweep.configurations import Changes, check_single_run
from cygd.sweep.shared_data import SharedData
from cygd.tracking.log_file import LogFile
from cygd.tracking.results import Result

# errors of the machine, not of the run: the run is recorded as killed, and resuming executes it again
MACHINE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True)
class Setup:
    """What all runs of a sweep share."""

    document: config.Document  # the base experiment
    plugins: tuple[str, ...]  # those named on the command line
    directory: Path  # the folder of the sweep
    shared: Path  # the folder of the shared data
    threads: int | None  # of each run, if the user set a number
    folders: bool  # whether each run writes a run folder


@dataclass(frozen=True)
class Task:
    """A run to execute."""

    number: int
    configuration: int  # the number of its configuration, which repetitions share
    changes: Changes  # what it changes in the base experiment, including the seed of a repetition
    values: dict[str, Any]  # the same as plain values, without the seed of a repetition
    folder: str  # its run folder, relative to that of the sweep; empty for none
    epochs: int = 0  # in successive halving, the epochs of its rung
    resumes: bool = False  # whether its folder holds a checkpoint, of the previous rung or a killed run


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run: attributes of its `Result`, and its error message."""

    status: str  # as in `Result`, or "killed"
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    best_epoch: int | None = None
    seconds: float = 0.0
    error: str = ""  # the message of a failed or killed run
    worker_died: bool = False  # whether its worker process ended during the run


class Worker:
    """Executes the tasks of a sweep, one after the other."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.data = SharedData(setup.shared)
        self.valid_sections = config.ValidSections()
        self._registries: dict[tuple[str, ...], Plugins] = {}

    def execute(self, task: Task) -> Outcome:
        """Execute a run and return its outcome; exceptions become outcomes, too."""
        try:
            with files.deferred_fsync():
                return self._resume(task) if task.resumes else self._start(task)
        except RunError as error:
            failure = _machine_failure(error)
            if failure is None and error.result is not None:
                return _to_outcome(error.result, error.message)
            return failure or Outcome("failed", error=_describe(error))
        except (Exception, SystemExit) as error:
            return _machine_failure(error) or Outcome("failed", error=_describe(error))

    def _start(self, task: Task) -> Outcome:
        with LogFile() as log_file:
            document = self.setup.document.changed(task.changes)
            reading = read_document(
                document, self.setup.plugins, load=self._load_plugins, valid_sections=self.valid_sections
            )
            check_single_run(reading.experiment)
            assembly = build(reading, prepare=self.data.prepare)
            configured = assembly.experiment.threads
            threads = choose_threads(self.setup.threads, 1 if configured == "auto" else configured)
            if not self.setup.folders:
                return _run_in_memory(assembly, threads)
            folder = self.setup.directory / task.folder
            return _to_outcome(runner.execute(assembly, log_file, folder, threads))

    def _resume(self, task: Task) -> Outcome:
        overrides = [f"train.epochs={task.epochs}"] if task.epochs else []
        folder = self.setup.directory / task.folder
        return _to_outcome(runner.resume(folder, overrides, threads=self.setup.threads))

    def _load_plugins(self, requests: Sequence[Request]) -> Plugins:
        """Load plugins, or return those loaded before; plugin files are executed for each run."""
        everything = [*environment_requests(os.environ), *requests]
        if any(request.path is not None for request in everything):
            return Plugins.load(requests)
        key = tuple(request.name_or_path for request in everything)
        if key not in self._registries:
            self._registries[key] = Plugins.load(requests)
        return self._registries[key]


def _run_in_memory(assembly: Assembly, threads: int) -> Outcome:
    """Train without a run folder; during training, measure only what decides when to stop."""
    if assembly.plugins.listens:
        error = (
            "a plugin implements cygd_epoch_end, which sweep.runs: summary does not call; use runs: folders"
        )
        return Outcome("failed", error=error)
    experiment = assembly.experiment
    monitor = "" if experiment.stop is None else experiment.stop.monitor.removeprefix("validation_")
    is_watched = experiment.stop is not None or experiment.schedule.component.watcher is not None
    history = fit(
        assembly,
        threads,
        metrics=[spec.component for spec in experiment.metrics if spec.component.name == monitor],
        evaluate_every=experiment.train.evaluate_every if is_watched else 0,
    )
    metrics = evaluate(assembly, threads)
    return Outcome(history.status, metrics, history.epochs, history.best_epoch, history.seconds)


def _to_outcome(result: Result, error: str = "") -> Outcome:
    metrics = {name: float(value) for name, value in result.metrics.items()}
    return Outcome(result.status, metrics, result.epochs, result.best_epoch, result.seconds, error)


def _machine_failure(error: BaseException) -> Outcome | None:
    """Return the outcome "killed" if the machine caused an error, else None."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in MACHINE_ERRORS:
            return Outcome("killed", error=os.strerror(cause.errno))
        cause = cause.__cause__
    return None


def _describe(error: BaseException) -> str:
    """Return the message of an error, with the hint if it is one of cygd's."""
    if isinstance(error, CygdError):
        return str(error)
    name = f"unexpected {type(error).__name__}"
    return f"{name}: {error}" if str(error) else name


# -- the process --------------------------------------------------------------------------------------


def main(connection: Connection, setup: Setup) -> None:
    """Execute the tasks that a connection delivers until it is closed, and send back (number, outcome)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep handles Ctrl-C and ends its workers
    os.dup2(2, 1)  # send what plugins print to stderr
    logging.getLogger("cygd").addHandler(logging.NullHandler())  # warnings are in the log.txt of each run
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    worker = Worker(setup)
    gc.freeze()  # the modules, which live as long as the process; each collection would look at them again
    connection.send(None)  # ready
    while True:
        try:
            task = connection.recv()
            connection.send((task.number, worker.execute(task)))
        except EOFError:
            return
        except KeyboardInterrupt:  # SIGTERM, which the sweep handles, too
            os._exit(1)


def _exit_with_parent() -> None:
    """Exit as soon as the parent process has ended, even during a run."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
