"""Runs of one worker that are trained side by side, each as it would be alone.

Every run of a group has its own log, listeners, run folder, early stopping and outcome. Only the training is
common: all runs are prepared, then trained in lockstep, and each is completed as soon as its training ends.
What happens to one of them, an error or the end of its training, does not reach the others.
"""

from __future__ import annotations

import resource
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from contextvars import copy_context
from typing import TypeVar

from cygd import files
from cygd.network import side_by_side
from cygd.network.side_by_side import Limits
from cygd.runner.assembly import Assembly
from cygd.runner.execution import Execution
from cygd.runner.fit import fit_options
from cygd.runner.runner import execute, new_execution
from cygd.sweep.in_memory import loop_in_memory, outcome_in_memory
from cygd.sweep.tasks import Message, Outcome, Returned, Setup, Task, outcome_of, outcome_of_error
from cygd.tracking.log_file import LogFile

MAX_RUNS = 64  # of a group
DESCRIPTORS = 8  # of a run: its folder, log.txt, metrics.csv, hashes.csv, and files of other loggers
OTHER_DESCRIPTORS = 64  # of the process
MEMORY = 2**29  # bytes of the histories and the orders of rows of a group
VALUE_BYTES = 32  # of a number in a history

Value = TypeVar("Value")

Assemble = Callable[[Task], tuple[Assembly, int]]  # read an experiment: with its data, network, and threads
Send = Callable[[Message], None]


class GroupedRun(side_by_side.Member):
    """A run of a group, from the reading of its experiment to its outcome."""

    log_file: LogFile
    assembly: Assembly
    threads: int

    def __init__(self, task: Task, setup: Setup, assemble: Assemble, send: Send) -> None:
        self.task, self._setup, self._assemble, self._send = task, setup, assemble, send
        self._context = copy_context()  # a log file belongs to one
        self._stack = ExitStack()
        self._execution: Execution | None = None
        self.is_open = True

    def call(self, step: Callable[..., Value], *arguments: object) -> Value:
        """Call a step of this run in its own context."""
        return self._context.run(step, *arguments)

    def read(self) -> bool:
        """Read the experiment and build its network; return False if that ended the run."""
        return self._attempt(self._read)

    def begin(self) -> bool:
        """Prepare the training; return False if that ended the run."""
        return self._attempt(self._begin)

    def train_alone(self) -> None:
        """Train without a group, and complete the run."""
        self._attempt(self._train_alone)

    def ended(self) -> None:
        """Complete the run after its training."""
        self._attempt(self._complete)

    def failed(self, error: BaseException) -> None:
        """Complete the run after an error of its training."""
        self._attempt(self._fail, error)

    def abandon(self) -> None:
        """Forget that the experiment was read."""
        self.is_open = False
        self.call(self._stack.close)

    def form(self) -> tuple[object, ...] | None:
        """Return what runs that go side by side have in common; None if this one must go alone."""
        if self.assembly.plugins.shared_listeners:  # one that keeps a run in mind would mix them up
            return None
        try:
            options = fit_options(self.assembly.experiment, self.threads)
        except Exception:  # which ends the run, when it begins
            return None
        return side_by_side.form(self.assembly.network, self.assembly.data.train, options)

    def limits(self) -> Limits:
        """Return how many runs of this form go side by side, at least and at most."""
        data, network = self.assembly.data, self.assembly.network
        options = fit_options(self.assembly.experiment, self.threads)
        limits = side_by_side.limits(network, data.train, options)
        parts = [part for part in (data.train, data.validation) if part is not None]
        history = (options.epochs + 1) * (4 + len(parts) * (1 + len(options.metrics))) * VALUE_BYTES
        rows = sum(map(len, parts)) * (4 + network.n_outputs * network.dtype.itemsize)
        most = min(limits.most, MEMORY // (history + rows), _open_files() // DESCRIPTORS, MAX_RUNS)
        return limits._replace(most=max(1, most))

    def _read(self) -> None:
        self.log_file = self._stack.enter_context(LogFile())
        self.assembly, self.threads = self._assemble(self.task)

    def _begin(self) -> None:
        setup = self._setup
        if not setup.folders:
            self.loop = loop_in_memory(self.assembly, self.threads)
            return
        folder = setup.directory / self.task.folder
        opened = new_execution(self.assembly, self.log_file, folder, self.threads)
        self._execution = self._stack.enter_context(opened)
        try:
            self.loop = self._execution.begin()
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            self._execution.fail(error)

    def _train_alone(self) -> Outcome:
        setup = self._setup
        if not setup.folders:
            history = loop_in_memory(self.assembly, self.threads).run()
            return outcome_in_memory(self.assembly, history, self.threads)
        folder = setup.directory / self.task.folder
        return outcome_of(execute(self.assembly, self.log_file, folder, self.threads))

    def _complete(self) -> Outcome:
        execution = self._execution
        if execution is None:
            return outcome_in_memory(self.assembly, self.loop.history, self.threads)
        try:
            result = execution.finish(self.loop.history)
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            execution.fail(error)
        execution.end(result)
        return outcome_of(result)

    def _fail(self, error: BaseException) -> None:
        if self._execution is not None:
            self._execution.fail(error)
        raise error

    def _attempt(self, step: Callable[..., Outcome | None], *arguments: object) -> bool:
        """Take a step of the run, which its outcome or an error ends; return whether it is still open."""
        try:
            outcome = self.call(step, *arguments)
        except (Exception, SystemExit) as error:
            outcome = outcome_of_error(error)
        if outcome is not None:
            self._close(outcome)
        return self.is_open

    def _close(self, outcome: Outcome) -> None:
        """Close the files of the run and send its outcome."""
        self.is_open = False
        try:
            self.call(self._stack.close)
        except (Exception, SystemExit) as error:
            outcome = outcome_of_error(error)
        self._send((self.task.number, outcome))


def _open_files() -> int:
    """Return how many files the runs of a group may open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - OTHER_DESCRIPTORS


class Group:
    """Executes as many tasks side by side as go together, and returns the others."""

    def __init__(self, setup: Setup, assemble: Assemble, send: Send) -> None:
        self._setup, self._assemble, self._send = setup, assemble, send

    def execute(self, tasks: Sequence[Task]) -> None:
        """Execute tasks, at least the first one, and send their outcomes."""
        waiting = deque(tasks)
        first: GroupedRun | None = None
        while waiting and first is None:
            first = self._read(waiting.popleft())
        if first is None:
            return
        runs, most = self._gather(first, waiting)
        if waiting:
            numbers = {task.number for task in waiting}
            self._send(Returned(tuple(task.number for task in tasks if task.number in numbers), most))
        with files.deferred_fsync(seconds=float(len(runs))):
            if len(runs) == 1:
                first.train_alone()
            else:
                self._train(runs)

    def _gather(self, first: GroupedRun, waiting: deque[Task]) -> tuple[list[GroupedRun], int]:
        """Take the tasks that go with the first run out of those that wait; return the runs, and the most."""
        form = first.form() if waiting else None
        if form is None:
            return [first], 1
        _, least, most = first.limits()
        if min(1 + len(waiting), most) < least:
            return [first], most
        runs = [first, *self._read_others(waiting, form, most - 1)]
        if len(runs) >= least:
            return runs, most
        for run in runs[1:]:
            waiting.append(run.task)
            run.abandon()
        return [first], 1  # so that the others are not read again for each one that is executed

    def _read(self, task: Task) -> GroupedRun | None:
        """Read the experiment of a task; return None if that ended the run."""
        run = GroupedRun(task, self._setup, self._assemble, self._send)
        return run if run.read() else None

    def _read_others(self, waiting: deque[Task], form: tuple[object, ...], count: int) -> list[GroupedRun]:
        """Read experiments of a form, at most so many, and take their tasks out of those that wait."""
        runs: list[GroupedRun] = []
        for task in list(waiting):
            if len(runs) == count:
                break
            run = self._read(task)
            if run is not None and run.form() != form:
                run.abandon()
                continue
            waiting.remove(task)
            if run is not None:
                runs.append(run)
        return runs

    def _train(self, runs: Sequence[GroupedRun]) -> None:
        """Train runs side by side, each to its end."""
        started: list[GroupedRun] = []
        try:
            started.extend(run for run in runs if run.begin())
            side_by_side.train([started])
        except BaseException as error:
            for run in started:
                if run.is_open:
                    with suppress(KeyboardInterrupt):  # of a run that completes its folder after one
                        run.failed(error)
            if isinstance(error, KeyboardInterrupt):
                raise
