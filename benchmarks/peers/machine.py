"""Not a peer but the machine: what its cores can do at most, and a neighbour that keeps one of them busy."""

from __future__ import annotations

import time
from typing import Any

from benchmarks import peaks


class Machine:
    """What a peer's object is, as far as it is asked."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def epochs(self, n: int) -> None:
        pass

    def loss(self) -> float:
        return 0.0

    def rate(self) -> float:
        """Return float32 operations per second."""
        return peaks.multiply_adds("float32", self.threads)

    def read_rate(self, megabytes: int) -> float:
        """Return bytes per second."""
        return peaks.read_rate(self.threads, megabytes)

    def spin(self, seconds: float) -> None:
        """Keep a core busy."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peaks.multiply_adds("float32")


def build(case: Any, threads: int) -> Machine:
    """Return the machine."""
    return Machine(threads)
