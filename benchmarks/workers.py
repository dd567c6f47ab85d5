"""Run each library in a separate process that is pinned to its cores.

A library reads its number of threads from the environment and from its CPU affinity when it is imported.
Therefore each side of a comparison, cygd included, runs in a process that sets both before any import and
then answers requests on a pipe. A peer is a module of `benchmarks.peers` with

    build(case, threads) -> an object with epochs(n), which trains, and loss(), over all rows

This module starts the processes, exchanges messages and times the epochs.
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
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks import CHECKOUT

__all__ = ["PeerError", "Worker", "cores", "present", "xla_flags"]

TIMEOUT = 600  # seconds for one answer of a peer, compilation included
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE_THREAD_OF_XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


class PeerError(RuntimeError):
    """Raised if a peer fails, exits or does not answer."""


def present(package: str) -> bool:
    """Return whether a package is installed."""
    return importlib.util.find_spec(package) is not None


def xla_flags(flags: str, environment: Mapping[str, str]) -> str:
    """Return the flags of an environment for XLA, and `flags` after them."""
    return f"{environment.get('XLA_FLAGS', '')} {flags}".strip()


def cores() -> list[int]:
    """Return the CPUs that this process may use, one per core."""
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))
    cpus, siblings = [], set()
    for cpu in sorted(os.sched_getaffinity(0)):
        try:
            core = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
        except OSError:
            core = str(cpu)
        if core not in siblings:
            siblings.add(core)
            cpus.append(cpu)
    return cpus


class Worker:
    """A process that runs one peer.

    Parameters
    ----------
    peer : str
        A module of `benchmarks.peers`, optionally followed by a colon and the `form` argument of its `build`.
    threads : int
        Number of threads.
    cpus : list of int, optional
        CPUs to which the process is pinned; by default one core per thread.
    """

    def __init__(self, peer: str, threads: int = 1, cpus: list[int] | None = None) -> None:
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        if threads == 1:
            environment["XLA_FLAGS"] = xla_flags(ONE_THREAD_OF_XLA, environment)
        affinity = ",".join(map(str, cores()[-threads:] if cpus is None else cpus))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.workers", peer, str(threads), affinity],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=CHECKOUT,
        )

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the server and return its result."""
        self.send(method, *arguments)
        return self.answer()

    def send(self, method: str, *arguments: Any) -> None:
        """Call a method of the server without waiting for its result."""
        assert self._process.stdin is not None
        try:
            pickle.dump((method, arguments), self._process.stdin)
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:  # the process exited, or was closed
            raise PeerError("the process ended") from error

    def answer(self) -> Any:
        """Wait for the result of the last call and return it."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], TIMEOUT)[0]:
            self.close()
            raise PeerError(f"no answer in {TIMEOUT} seconds")
        try:
            succeeded, value = pickle.load(self._process.stdout)
        except EOFError as error:
            raise PeerError(f"the process ended with exit code {self._process.wait()}") from error
        if not succeeded:
            raise PeerError(value)
        return value

    def close(self) -> None:
        """Kill the process."""
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
    """The methods that a worker process calls on request."""

    def __init__(self, peer: str, threads: int) -> None:
        name, _, self.form = peer.partition(":")
        self.module = importlib.import_module(f"benchmarks.peers.{name}")
        self.threads = threads
        self.training: Any = None
        self.count = 1

    def build(self, case: Any) -> tuple[float, float]:
        """Build a case; return the losses at its initial weights and after `case.checked` epochs."""
        self.training = None  # free the previous one first
        options = {"form": self.form} if self.form else {}
        self.training = self.module.build(case, self.threads, **options)
        before = self.training.loss()
        self.training.epochs(case.checked)
        return float(before), float(self.training.loss())

    def calibrate(self, at_least: float) -> int:
        """Set and return the number of epochs that takes `at_least` seconds."""
        self.count = 1
        while (took := self._timed(self.count)) < at_least:
            self.count = max(2 * self.count, int(self.count * at_least / max(took, 1e-9)))
        return self.count

    def seconds(self) -> float:
        """Return the seconds per epoch; a warm-up epoch wakes threads and fills caches for short ones."""
        if self.count > 1:
            self.training.epochs(1)
        return self._timed(self.count) / self.count

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the peer's object."""
        return getattr(self.training, name)(*arguments)

    def _timed(self, count: int) -> float:
        began = time.perf_counter()
        self.training.epochs(count)
        return time.perf_counter() - began


def serve(peer: str, threads: int) -> None:
    """Answer requests until the pipe is closed; stdout of the libraries is redirected to stderr."""
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
