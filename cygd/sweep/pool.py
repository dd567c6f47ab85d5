"""The worker processes of a sweep on this machine.

The pool executes submitted tasks in any order and reports each outcome once. A worker gets several tasks at
once if they may be trained side by side, and returns those that it does not. If a worker dies, the pool
reports its tasks; the caller decides whether to submit them again.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from cygd.errors import CygdError
from cygd.sweep import worker
from cygd.sweep.group import MAX_RUNS
from cygd.sweep.main_guard import EXIT_CODE, WORKER_NAME, missing_guard
from cygd.sweep.tasks import Outcome, Returned, Setup, Task, kind_of
from cygd.tracking.signals import ignore_signals

MAX_FAILED_STARTS = 3  # in a row
SMALL_GROUP = 16  # tasks: two vectors of float64, one of float32
# environment variables that limit the threads of other libraries in a worker
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_environment_lock = threading.Lock()


@dataclass
class _WorkerProcess:
    process: SpawnProcess
    connection: Connection
    tasks: dict[int, Task] = field(default_factory=dict)  # that it has not finished, by number
    is_ready: bool = False


class TaskQueue:
    """The tasks that wait for a worker, by what those that may go side by side have in common."""

    def __init__(self) -> None:
        self._tasks: dict[str | None, deque[Task]] = {}
        self._most: dict[str | None, int] = {}  # tasks of a kind that go side by side, as far as known

    def __len__(self) -> int:
        return sum(map(len, self._tasks.values()))

    def add(self, tasks: Sequence[Task]) -> None:
        """Add tasks at the end."""
        for task in tasks:
            self._tasks.setdefault(kind_of(task), deque()).append(task)

    def put_back(self, tasks: Sequence[Task], most: int | None = None) -> None:
        """Put tasks of a kind back in front, of which so many go side by side."""
        kind = kind_of(tasks[0])
        self._tasks.setdefault(kind, deque()).extendleft(reversed(tasks))
        if most is not None:
            self._most[kind] = most

    def take(self, free: int, busy: int) -> list[Task]:
        """Return the next tasks for one of the workers that are free, beside those that are busy.

        Every free worker gets an equal share. A busy one is left a share too, unless that would make a small
        group.
        """
        kind, queue = next(iter(self._tasks.items()))
        share = -(-len(self) // (free + busy))
        if busy and free == 1:
            share = max(share, SMALL_GROUP)
        most = 1 if kind is None else self._most.get(kind, MAX_RUNS)
        tasks = [queue.popleft() for _ in range(min(share, most, len(queue)))]
        if not queue:
            del self._tasks[kind]
        return tasks


class Pool:
    """Executes tasks in at most `size` worker processes, started when there are tasks for them."""

    def __init__(self, size: int, setup: Setup) -> None:
        self._size = size
        self._setup = setup
        self._queue = TaskQueue()
        self._workers: list[_WorkerProcess] = []
        self._failed_starts = 0

    def submit(self, task: Task) -> None:
        """Queue a task."""
        self._queue.add([task])

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
        self._queue = TaskQueue()
        for member in self._workers:
            if member.tasks:
                member.process.kill()
            member.connection.close()  # an idle worker exits
        for member in self._workers:
            member.process.join()
        self._workers.clear()

    def _assign_tasks(self) -> None:
        """Send the queued tasks to idle workers, and start workers for the others up to the size."""
        idle = [member for member in self._workers if not member.tasks]
        free = len(idle) + self._size - len(self._workers)
        busy = self._size - free
        while self._queue and free:
            member = idle.pop() if idle else self._start_worker()
            tasks = self._queue.take(free, busy)
            member.tasks = {task.number: task for task in tasks}
            free -= 1
            with contextlib.suppress(OSError):  # it has died, which `wait` reports
                member.connection.send(tasks)

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
                if isinstance(message, Returned):
                    returned = [member.tasks.pop(number) for number in message.numbers]
                    self._queue.put_back(returned, message.most)
                    continue
                number, outcome = message
                yield member.tasks.pop(number), outcome
        except (EOFError, OSError):
            yield from self._remove(member)

    def _remove(self, member: _WorkerProcess) -> Iterator[tuple[Task, Outcome]]:
        """Remove a dead worker; yield its task, unless it died before it could begin."""
        member.process.join()
        member.connection.close()
        self._workers.remove(member)
        code = member.process.exitcode
        if member.is_ready:
            reason = f"was killed by signal {-code}" if code and code < 0 else f"exited with code {code}"
            for task in member.tasks.values():
                yield task, Outcome("killed", error=f"the worker {reason}", worker_died=True)
            return
        if code == EXIT_CODE:
            raise missing_guard() from None
        self._failed_starts += 1
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise CygdError(f"cannot start the workers of the sweep: they exit with code {code}") from None
        if member.tasks:
            self._queue.put_back(list(member.tasks.values()))


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
