"""A worker of a sweep: a process of its own that trains one configuration after the other.

It is spawned, never forked: a process with threads, as one that has trained is, must not be. What is common
to all configurations, the base experiment, the plugins and the data, is read once. A run that fails,
however it does, is an outcome like any other; a worker that is killed costs nothing but the run at which it
was.
"""

from __future__ import annotations

import errno
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

from cygd import config
from cygd.errors import CygdError, RunError
from cygd.network.threads import choose_threads
from cygd.plugins.discovery import Request, environment_requests
from cygd.plugins.manager import Plugins
from cygd.runner import runner
from cygd.runner.assembly import Assembly, build, read_document
from cygd.runner.fit import evaluate, fit
from cygd.sweep.configurations import Changes, check_one_run
from cygd.sweep.shared_data import SharedData
from cygd.tracking import files
from cygd.tracking.log_file import LogFile

__all__ = ["Outcome", "Setup", "Task", "Worker", "main"]

OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True)
class Setup:
    """What all runs of a sweep share.

    Attributes
    ----------
    document : Document
        The base experiment.
    plugins : tuple of str
        Those that the command line asks for.
    directory : Path
        The folder of the sweep.
    shared : Path
        The folder of the data.
    threads : int or None
        How many threads a run has, where somebody said so.
    folders : bool
        Whether each run leaves a folder.
    """

    document: config.Document
    plugins: tuple[str, ...]
    directory: Path
    shared: Path
    threads: int | None = None
    folders: bool = True


@dataclass(frozen=True)
class Task:
    """One run that is to be made.

    Attributes
    ----------
    number : int
        Which one of the sweep.
    configuration : int
        The number of its configuration, which the repetitions share.
    changes : Changes
        What it changes in the base experiment, its seed among them where runs are repeated.
    values : dict
        The same as plain values, without the seed of a repetition.
    folder : str
        Its folder below that of the sweep; empty where it leaves none.
    epochs : int
        Those of its round, where the sweep has rounds.
    goes_on : bool
        Whether its folder holds the beginning of it: a round before, or a run that was killed.
    """

    number: int
    configuration: int
    changes: Changes
    values: dict[str, Any]
    folder: str = ""
    epochs: int = 0
    goes_on: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a run; the attributes are those of `Result`, and the message of an error."""

    status: str
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    best_epoch: int | None = None
    seconds: float = 0.0
    error: str = ""


class Worker:
    """Makes runs, one after the other."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.data = SharedData(setup.shared)
        self._registries: dict[tuple[str, ...], Plugins] = {}

    def perform(self, task: Task) -> Outcome:
        """Make a run and return what became of it, whatever that is."""
        try:
            with files.deferred_fsync():
                return self.go_on(task) if task.goes_on else self.begin(task)
        except RunError as error:
            lost = _lost(error)
            if error.result is None or lost:
                return lost or Outcome("failed", error=_said(error))
            return _outcome(error.result, error.message)
        except (Exception, SystemExit) as error:
            return _lost(error) or Outcome("failed", error=_said(error))

    def begin(self, task: Task) -> Outcome:
        """Make a run from its beginning."""
        with LogFile() as journal:
            assembly = self.assemble(task)
            threads = self.threads(assembly)
            if not self.setup.folders:
                return _in_memory(assembly, threads)
            folder = self.setup.directory / task.folder
            return _outcome(runner.execute(assembly, journal, folder, threads))

    def go_on(self, task: Task) -> Outcome:
        """Let a run go on from its folder."""
        more = [f"train.epochs={task.epochs}"] if task.epochs else []
        return _outcome(runner.resume(self.setup.directory / task.folder, more, threads=self.setup.threads))

    def assemble(self, task: Task) -> Assembly:
        """Return the experiment of a task with its data and its network."""
        document = self.setup.document.changed(task.changes)
        reading = read_document(document, self.setup.plugins, load=self.registry)
        check_one_run(reading.experiment)
        return build(reading, prepare=self.data.prepare)

    def registry(self, asked: Sequence[Request]) -> Plugins:
        """Return the components there are; plugin files are run anew for each run, as `cygd run` does."""
        everyone = [*environment_requests(os.environ), *asked]
        if any(request.path is not None for request in everyone):
            return Plugins.load(asked)
        key = tuple(request.name_or_path for request in everyone)
        if key not in self._registries:
            self._registries[key] = Plugins.load(asked)
        return self._registries[key]

    def threads(self, assembly: Assembly) -> int:
        """Return how many threads a run has: one, unless somebody says otherwise."""
        configured = assembly.experiment.threads
        return choose_threads(self.setup.threads, 1 if configured == "auto" else configured)


def _in_memory(assembly: Assembly, threads: int) -> Outcome:
    """Train without a folder, and measure on the way only what decides when training ends."""
    experiment = assembly.experiment
    watched = experiment.stop is not None or experiment.schedule.component.watcher is not None
    monitor = "" if experiment.stop is None else experiment.stop.monitor
    metrics = [
        spec.component
        for spec in experiment.metrics
        if spec.component.name == monitor.removeprefix("validation_")
    ]
    listens = assembly.plugins.listens  # a plugin may want to stop it, or just to see it
    if listens:
        return Outcome("failed", error=LISTENS)
    every = experiment.train.evaluate_every if watched else 0
    history = fit(assembly, threads, metrics=metrics, evaluate_every=every)
    return Outcome(
        status=history.status,
        metrics=evaluate(assembly, threads),
        epochs=history.epochs,
        best_epoch=history.best_epoch,
        seconds=history.seconds,
    )


LISTENS = "a plugin listens to epochs, which sweep.runs: summary does not tell of; take sweep.runs: folders"


def _outcome(result: runner.Result, error: str = "") -> Outcome:
    return Outcome(
        status=result.status,
        metrics={name: float(value) for name, value in result.metrics.items()},
        epochs=result.epochs,
        best_epoch=result.best_epoch,
        seconds=result.seconds,
        error=error,
    )


def _lost(error: BaseException) -> Outcome | None:
    """Return what is said of a run that the machine has failed, and that another time will go well."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in OF_THE_MACHINE:
            return Outcome("killed", error=os.strerror(cause.errno))
        cause = cause.__cause__
    return None


def _said(error: BaseException) -> str:
    """Return an error as one text; a user's mistake with its place and its hint."""
    if isinstance(error, CygdError):
        return str(error)
    return (
        f"unexpected {type(error).__name__}: {error}" if str(error) else f"unexpected {type(error).__name__}"
    )


# -- the process --------------------------------------------------------------------------------------


def main(connection: Connection, setup: Setup) -> None:
    """Take tasks from a connection until it is closed, and send back (number, outcome)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the sweep, which then ends its workers
    os.dup2(2, 1)  # what plugins print is talk
    logging.getLogger("cygd").addHandler(logging.NullHandler())  # warnings are in the log.txt of each run
    threading.Thread(target=_die_with_parent, daemon=True).start()
    worker = Worker(setup)
    connection.send(None)  # at work
    while True:
        try:
            task = connection.recv()
            connection.send((task.number, worker.perform(task)))
        except EOFError:
            return
        except KeyboardInterrupt:  # a request to end, which is that of the sweep, too
            os._exit(1)


def _die_with_parent() -> None:
    """End this process when the sweep is gone, in the middle of a run if need be."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
