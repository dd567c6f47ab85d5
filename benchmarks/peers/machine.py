"""The peak rates of the machine, and a busy loop that occupies a core, with the interface of a peer."""

from __future__ import annotations

import time
from typing import Any

from benchmarks import peaks


class Machine:
    """The peak rates and the busy loop; `epochs` and `loss` do nothing."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def epochs(self, n: int) -> None:
        pass

    def loss(self) -> float:
        return 0.0

    def rate(self) -> float:
        """Return the peak of float32 operations per second."""
        return peaks.multiply_adds("float32", self.threads)

    def read_rate(self, megabytes: int) -> float:
        """Return the bytes per second read from memory."""
        return peaks.read_rate(self.threads, megabytes)

    def spin(self, seconds: float) -> None:
        """Keep a core busy for some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peaks.multiply_adds("float32")


def build(case: Any, threads: int) -> Machine:
    """Return the machine; it has no case."""
    return Machine(threads)
