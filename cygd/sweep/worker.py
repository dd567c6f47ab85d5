"""A worker process of a sweep: it executes its tasks one after the other, or side by side.

Workers are spawned, not forked: a process that has trained has threads, and must not be forked. A worker
reads what all configurations share, the base experiment, plugins and data, only once. The outcome of a run
is sent for errors of any kind; if the worker is killed, only its current runs are lost.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from cygd import config, files
from cygd.network.threads import choose_threads
from cygd.plugins.discovery import Request, environment_requests
from cygd.plugins.manager import Plugins
from cygd.runner import runner
from cygd.runner.assembly import Assembly, build, read_document
from cygd.sweep.configurations import check_single_run
from cygd.sweep.group import Group
from cygd.sweep.shared_data import SharedData
from cygd.sweep.tasks import Message, Outcome, Setup, Task, outcome_of, outcome_of_error


class Worker:
    """Executes the tasks of a sweep."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.data = SharedData(setup.shared)
        self.valid_sections = config.ValidSections()
        self._registries: dict[tuple[str, ...], Plugins] = {}

    def execute(self, tasks: Sequence[Task], send: Callable[[Message], None]) -> None:
        """Execute tasks and send their outcomes; those that do not go side by side are returned."""
        if tasks[0].resumes:
            [task] = tasks
            send((task.number, self._resume(task)))
        else:
            Group(self.setup, self.assemble, send).execute(tasks)

    def assemble(self, task: Task) -> tuple[Assembly, int]:
        """Return the experiment of a task, with its data and network, and its number of threads."""
        document = self.setup.document.changed(task.changes)
        reading = read_document(
            document, self.setup.plugins, load=self._load_plugins, valid_sections=self.valid_sections
        )
        check_single_run(reading.experiment)
        assembly = build(reading, prepare=self.data.prepare)
        configured = assembly.experiment.threads
        return assembly, choose_threads(self.setup.threads, 1 if configured == "auto" else configured)

    def _resume(self, task: Task) -> Outcome:
        overrides = [f"train.epochs={task.epochs}"] if task.epochs else []
        folder = self.setup.directory / task.folder
        try:
            with files.deferred_fsync():
                return outcome_of(runner.resume(folder, overrides, threads=self.setup.threads))
        except (Exception, SystemExit) as error:
            return outcome_of_error(error)

    def _load_plugins(self, requests: Sequence[Request]) -> Plugins:
        """Load plugins, or return those loaded before; plugin files are executed for each run."""
        everything = [*environment_requests(os.environ), *requests]
        if any(request.path is not None for request in everything):
            return Plugins.load(requests)
        key = tuple(request.name_or_path for request in everything)
        if key not in self._registries:
            self._registries[key] = Plugins.load(requests)
        return self._registries[key].for_run()


# -- the process --------------------------------------------------------------------------------------


def main(connection: Connection, setup: Setup) -> None:
    """Execute the tasks that a connection delivers until it is closed, and send back their outcomes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep handles Ctrl-C and ends its workers
    os.dup2(2, 1)  # send what plugins print to stderr
    logging.getLogger("cygd").addHandler(logging.NullHandler())  # warnings are in the log.txt of each run
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    worker = Worker(setup)
    gc.freeze()  # the modules, which live as long as the process; each collection would look at them again
    connection.send(None)  # ready
    while True:
        try:
            worker.execute(connection.recv(), connection.send)
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
