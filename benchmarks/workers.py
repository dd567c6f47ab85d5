"""Peers in processes of their own, on cores of their own, taking turns with each other.

A library reads its number of threads from the environment when it is loaded, and from the CPUs that it is
given. So every side of a comparison, ours too, works in a process of its own that was told both before it
imported anything, and waits for its turn on a pipe. A peer is a module of `benchmarks.peers` with

    build(case, threads) -> an object with epochs(n), which trains, and loss(), over all rows

and everything else is here: starting, waiting, timing.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pickle
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks import CHECKOUT

__all__ = ["PeerError", "Worker", "cores", "present"]

PATIENCE = 600  # seconds that a peer may take for one answer, compiling included
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE_THREAD_OF_XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


class PeerError(RuntimeError):
    """A peer could not do what it was asked for."""


def present(package: str) -> bool:
    """Return whether a package is installed here."""
    return importlib.util.find_spec(package) is not None


def cores() -> list[int]:
    """Return the CPUs that this process may use, one of each core."""
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))
    found, siblings = [], set()
    for cpu in sorted(os.sched_getaffinity(0)):
        try:
            core = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
        except OSError:
            core = str(cpu)
        if core not in siblings:
            siblings.add(core)
            found.append(cpu)
    return found


class Worker:
    """A process for one peer.

    Parameters
    ----------
    peer : str
        A module below `benchmarks.peers`; what stands behind a colon is given to its `build` as `form`.
    threads : int
        How many it may use.
    cpus : list of int, optional
        Where it is held; as many cores as it has threads by default.
    """

    def __init__(self, peer: str, threads: int = 1, cpus: list[int] | None = None) -> None:
        own = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        if threads == 1:
            own["XLA_FLAGS"] = ONE_THREAD_OF_XLA
        held = ",".join(map(str, cores()[-threads:] if cpus is None else cpus))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.workers", peer, str(threads), held],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=own,
            cwd=CHECKOUT,
        )

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the server and wait for what it returns."""
        self.tell(method, *arguments)
        return self.answer()

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method without waiting."""
        assert self._process.stdin is not None
        try:
            pickle.dump((method, arguments), self._process.stdin)
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:  # ended by itself, or closed
            raise PeerError("it ended") from error

    def answer(self) -> Any:
        """Return what the last call returned."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            self.close()
            raise PeerError(f"no answer in {PATIENCE} seconds")
        try:
            good, value = pickle.load(self._process.stdout)
        except EOFError as error:
            raise PeerError(f"it ended with {self._process.wait()}") from error
        if not good:
            raise PeerError(value)
        return value

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Server:
    """What a worker does when it is asked."""

    def __init__(self, peer: str, threads: int) -> None:
        name, _, self.form = peer.partition(":")
        self.module = importlib.import_module(f"benchmarks.peers.{name}")
        self.threads = threads
        self.training: Any = None
        self.count = 1

    def build(self, case: Any) -> tuple[float, float]:
        """Make a case ready; return the loss at its first weights and after its first epochs."""
        self.training = None  # the last one goes first
        options = {"form": self.form} if self.form else {}
        self.training = self.module.build(case, self.threads, **options)
        before = self.training.loss()
        self.training.epochs(case.checked)
        return float(before), float(self.training.loss())

    def calibrate(self, at_least: float) -> int:
        """Find how many epochs take so many seconds."""
        self.count = 1
        while (took := self._timed(self.count)) < at_least:
            self.count = max(2 * self.count, int(self.count * at_least / max(took, 1e-9)))
        return self.count

    def seconds(self) -> float:
        """Return the seconds of an epoch; short ones after a first, which wakes threads and fills caches."""
        if self.count > 1:
            self.training.epochs(1)
        return self._timed(self.count) / self.count

    def figure(self, name: str, *arguments: Any) -> Any:
        """Call a method of the peer's object that not every peer has."""
        return getattr(self.training, name)(*arguments)

    def _timed(self, count: int) -> float:
        began = time.perf_counter()
        self.training.epochs(count)
        return time.perf_counter() - began


def serve(peer: str, threads: int) -> None:
    """Answer until the pipe is closed. What libraries print goes to where errors go."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    server: Server | None = None
    while True:
        try:
            method, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            server = server or Server(peer, threads)
            reply = (True, getattr(server, method)(*arguments))
        except Exception as error:
            reply = (False, f"{type(error).__name__}: {error}".split("\n")[0])
        pickle.dump(reply, answers)
        answers.flush()


if __name__ == "__main__":
    if sys.argv[3] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(map(int, sys.argv[3].split(","))))
    serve(sys.argv[1], int(sys.argv[2]))
