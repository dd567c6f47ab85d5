"""How many threads to use, from who asks down to what the machine grants.

The number never changes a result.
"""

from __future__ import annotations

import os
from pathlib import Path

from cygd.errors import ConfigError

__all__ = ["available_threads", "choose_threads"]

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def choose_threads(asked: int | None, configured: int | str) -> int:
    """Return the number of threads: asked for, CYGD_THREADS, the YAML's, OMP_NUM_THREADS, or what is there.

    Parameters
    ----------
    asked : int, optional
        From the command line or from Python.
    configured : int or "auto"
        `threads` of the experiment.
    """
    if asked is not None:
        if isinstance(asked, bool) or not isinstance(asked, int) or asked < 1:
            raise ConfigError(f"threads must be a whole number from 1 up, found {asked!r}")
        return asked
    own = os.environ.get("CYGD_THREADS", "").strip()
    if own:
        if not own.isdecimal() or int(own) < 1:
            raise ConfigError(f"CYGD_THREADS must be a whole number from 1 up, found {own!r}")
        return int(own)
    if isinstance(configured, int):
        return configured
    # OpenMP allows a list, one number for each level of nesting: ours is the outermost
    outermost = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if outermost.isdecimal() and int(outermost) >= 1:
        return int(outermost)
    return available_threads()


def available_threads() -> int:
    """Return how many threads may run at once by the affinity mask and the quota of the cgroup."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(count, int(quota))) if quota else count


def _cgroup_quota() -> float | None:
    """Return the CPUs' worth of time that this process's cgroups grant, or None where there is no limit."""
    try:
        lines = OWN_CGROUP.read_text().splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":  # version 2: a limit holds for everything below it
            for folder in (name, *map(str, Path(name).parents)):
                limits.append(_ratio(_read(CGROUPS / folder.lstrip("/") / "cpu.max").split()))
        elif "cpu" in controllers.split(","):
            for place in (CGROUPS / controllers / name.lstrip("/"), CGROUPS / "cpu"):
                numbers = [_read(place / f"cpu.cfs_{what}_us").strip() for what in ("quota", "period")]
                limits.append(_ratio(numbers))
    known = [limit for limit in limits if limit]
    return min(known) if known else None


def _ratio(numbers: list[str]) -> float | None:
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        return None  # "max", or -1: no limit
    return int(numbers[0]) / max(1, int(numbers[1]))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
