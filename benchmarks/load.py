"""Measure how much of the machine other processes used meanwhile."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["OtherProcesses"]

IDLE = (3, 4)  # the columns of /proc/stat for idle and waiting for a disk
GUEST = 8  # from here on, times that the columns before contain already


class OtherProcesses:
    """The share of all cores that other processes used within a `with` block.

    Attributes
    ----------
    share : float or None
        None if the system does not tell.
    """

    share: float | None = None

    def __enter__(self) -> Self:
        self._began = self._now()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = self._now()
        if self._began is None or ended is None:
            return
        wall, busy, own = (b - a for a, b in zip(self._began, ended, strict=True))
        self.share = min(1.0, max(0.0, (busy - own) / (wall * (os.cpu_count() or 1))))

    @staticmethod
    def _now() -> tuple[float, float, float] | None:
        """Return seconds: the clock, busy cores, and those of this process with the processes it awaited."""
        try:
            fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        except OSError:
            return None
        ticks = sum(int(n) for k, n in enumerate(fields[:GUEST]) if k not in IDLE)
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        own = sum(usage.ru_utime + usage.ru_stime for usage in usages)
        return time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), own
