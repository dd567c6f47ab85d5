"""The worker processes of a sweep on this machine.

The pool executes submitted tasks in any order and reports each outcome once. If a worker dies during a task,
the pool reports that; the caller decides whether to submit the task again.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from cygd.errors import CygdError
from cygd.sweep import worker
from cygd.sweep.main_guard import EXIT_CODE, WORKER_NAME, missing_guard
from cygd.sweep.worker import Outcome, Setup, Task
from cygd.tracking.signals import ignore_signals

MAX_FAILED_STARTS = 3  # in a row
# environment variables that limit the threads of other libraries in a worker
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_environment_lock = threading.Lock()


@dataclass
class _WorkerProcess:
    process: SpawnProcess
    connection: Connection
    task: Task | None = None
    is_ready: bool = False


class Pool:
    """Executes tasks in at most `size` worker processes, started when there are tasks for them."""

    def __init__(self, size: int, setup: Setup) -> None:
        self._size = size
        self._setup = setup
        self._queue: deque[Task] = deque()
        self._workers: list[_WorkerProcess] = []
        self._failed_starts = 0

    def submit(self, task: Task) -> None:
        """Queue a task."""
        self._queue.append(task)

    def wait(self, timeout: float) -> list[tuple[Task, Outcome]]:
        """Wait until a worker reports or dies, or for a timeout in seconds; return finished tasks."""
        self._assign_tasks()
        owners: dict[Any, _WorkerProcess] = {}
        for member in self._workers:
            owners[member.connection] = owners[member.process.sentinel] = member
        ready = {id(owners[handle]): owners[handle] for handle in wait(list(owners), timeout)}
        return [finished for member in ready.values() for finished in self._receive(member)]

    def close(self) -> None:
        """Drop the queued tasks, kill the workers that execute one, and end the others."""
        self._queue.clear()
        for member in self._workers:
            if member.task is not None:
                member.process.kill()
            member.connection.close()  # an idle worker exits
        for member in self._workers:
            member.process.join()
        self._workers.clear()

    def _assign_tasks(self) -> None:
        """Send the queued tasks to idle workers, and start workers for the others up to the size."""
        idle = [member for member in self._workers if member.task is None]
        while self._queue and (idle or len(self._workers) < self._size):
            member = idle.pop() if idle else self._start_worker()
            member.task = self._queue.popleft()
            with contextlib.suppress(OSError):  # it has died, which `wait` reports
                member.connection.send(member.task)

    def _start_worker(self) -> _WorkerProcess:
        context = multiprocessing.get_context("spawn")
        connection, child_connection = context.Pipe()
        process = context.Process(
            target=worker.main, args=(child_connection, self._setup), name=WORKER_NAME, daemon=True
        )
        with ignore_signals(), _single_threaded_libraries():  # a worker must never see Ctrl-C
            process.start()
        child_connection.close()  # so that `recv` raises EOFError when the worker dies
        self._workers.append(_WorkerProcess(process, connection))
        return self._workers[-1]

    def _receive(self, member: _WorkerProcess) -> Iterator[tuple[Task, Outcome]]:
        """Yield the tasks that a worker has finished, and the one during which it died."""
        try:
            while member.connection.poll():
                message = member.connection.recv()
                if message is None:
                    member.is_ready, self._failed_starts = True, 0
                    continue
                number, outcome = message
                task, member.task = member.task, None
                assert task is not None
                assert task.number == number
                yield task, outcome
        except (EOFError, OSError):
            yield from self._remove(member)

    def _remove(self, member: _WorkerProcess) -> Iterator[tuple[Task, Outcome]]:
        """Remove a dead worker; yield its task, unless it died before it could begin."""
        member.process.join()
        member.connection.close()
        self._workers.remove(member)
        code = member.process.exitcode
        if member.is_ready:
            if member.task is not None:
                reason = f"was killed by signal {-code}" if code and code < 0 else f"exited with code {code}"
                yield member.task, Outcome("killed", error=f"the worker {reason}", worker_died=True)
            return
        if code == EXIT_CODE:
            raise missing_guard() from None
        self._failed_starts += 1
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise CygdError(f"cannot start the workers of the sweep: they exit with code {code}") from None
        if member.task is not None:
            self._queue.appendleft(member.task)


@contextlib.contextmanager
def _single_threaded_libraries() -> Iterator[None]:
    """Limit other libraries to one thread in a process started within a `with` block.

    A limit that the user set is kept.
    """
    with _environment_lock:  # a sweep in another thread would take the limits for those of the user
        added = [name for name in THREAD_LIMITS if name not in os.environ]
        os.environ.update(dict.fromkeys(added, "1"))
        try:
            yield
        finally:
            for name in added:
                del os.environ[name]
