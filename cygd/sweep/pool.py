"""The worker processes of a sweep, and who does which run.

Where a worker dies, the run at which it was is given out once more; the second time it counts as killed.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

from cygd.errors import CygdError
from cygd.sweep import worker
from cygd.sweep.worker import Outcome, Setup, Task
from cygd.tracking.signals import ignore_signals

__all__ = ["Pool", "Source"]

log = logging.getLogger("cygd")

ATTEMPTS = 2
MOST_STILLBORN = 3  # workers that end before they have begun, one after the other
# what a library would start beside the threads that a run is given
OTHER_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Source(Protocol):
    """Where runs come from: a list, or something that looks at the outcomes of those before."""

    def next(self) -> Task | None:
        """Return the next run, or None when there is none now."""

    def again(self, task: Task) -> None:
        """Take back a run that has to be made once more."""

    def done(self, task: Task, outcome: Outcome, attempts: int) -> None:
        """Hear what became of a run."""


@dataclass
class _Member:
    """A worker process as it is seen from here."""

    process: SpawnProcess
    connection: Connection
    task: Task | None = None
    ready: bool = False


class Pool:
    """Some worker processes.

    Parameters
    ----------
    size : int
        How many at most; there are never more than there are runs.
    setup : Setup
        What the runs share.
    """

    def __init__(self, size: int, setup: Setup) -> None:
        self.size = size
        self.setup = setup
        self.members: list[_Member] = []
        self.deaths: Counter[int] = Counter()
        self.stillborn = 0

    def run(self, source: Source, pause: float | None = None) -> Generator[None, None, None]:
        """Make all runs of a source; yield whenever something has happened, or after a pause.

        Raises
        ------
        CygdError
            If no worker can be started.
        """
        try:
            while True:
                self._hand_out(source)
                if not any(member.task for member in self.members):
                    return
                for member in self._heard(pause):
                    self._listen(member, source)
                yield
        finally:
            self._end()

    # -- giving out -----------------------------------------------------------------------------------

    def _hand_out(self, source: Source) -> None:
        """Give every idle worker a run; start workers while there are runs."""
        idle = [member for member in self.members if member.task is None]
        while idle or len(self.members) < self.size:
            task = source.next()
            if task is None:
                return
            member = idle.pop() if idle else self._start()
            member.task = task
            with contextlib.suppress(OSError):  # it has died; that is heard soon enough
                member.connection.send(task)

    def _start(self) -> _Member:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=worker.main, args=(theirs, self.setup), daemon=True)
        with ignore_signals(), _one_thread():  # a Ctrl-C is ignored from the first moment on
            process.start()
        theirs.close()  # so that its end is heard
        self.members.append(_Member(process, ours))
        return self.members[-1]

    # -- listening ------------------------------------------------------------------------------------

    def _heard(self, pause: float | None) -> list[_Member]:
        """Wait until a worker says something or dies; return those."""
        signs: dict[Any, _Member] = {}
        for member in self.members:
            signs[member.connection] = signs[member.process.sentinel] = member
        found = wait(list(signs), pause)
        return list({id(signs[sign]): signs[sign] for sign in found}.values())

    def _listen(self, member: _Member, source: Source) -> None:
        """Take what a worker says, and see whether it is still there."""
        heard: list[Any] = []
        alive = True
        try:
            while member.connection.poll():
                heard.append(member.connection.recv())
        except (EOFError, OSError):
            alive = False
        for said in heard:
            if said is None:
                member.ready, self.stillborn = True, 0
                continue
            number, outcome = said
            task, member.task = member.task, None
            assert task is not None
            assert task.number == number
            source.done(task, outcome, self.deaths[number] + 1)
        if not alive:
            self._bury(member, source)

    def _bury(self, member: _Member, source: Source) -> None:
        """Take leave of a worker that has died, and see to its runs."""
        member.process.join()
        member.connection.close()
        self.members.remove(member)
        if not member.ready:
            self.stillborn += 1
            if self.stillborn >= MOST_STILLBORN:
                code = member.process.exitcode
                raise CygdError(f"the workers of the sweep cannot be started: they end with code {code}")
        elif member.task:
            task, member.task = member.task, None
            self.deaths[task.number] += 1
            how = _how(member.process.exitcode)
            if self.deaths[task.number] < ATTEMPTS:
                log.warning("the worker at run %d %s; the run is made once more", task.number, how)
                source.again(task)
            else:
                error = f"the worker {how}, {ATTEMPTS} times"
                source.done(task, Outcome("killed", error=error), self.deaths[task.number])
        if member.task:
            source.again(member.task)

    def _end(self) -> None:
        """End all workers, wherever they are."""
        for member in self.members:
            if member.task:
                member.process.kill()
            member.connection.close()  # which is how an idle one knows that there is no more
        for member in self.members:
            member.process.join()
        self.members.clear()


def _how(code: int | None) -> str:
    """Say how a process has ended."""
    return f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep other libraries to one thread in a process that is started here, unless the user says more."""
    added = [name for name in OTHER_THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
