"""The number of threads: from the caller's setting down to the limits of the machine.

It never changes a result.
"""

from __future__ import annotations

import os
from pathlib import Path

from cygd.errors import ConfigError

MAX_THREADS = 1024  # as in an experiment
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def choose_threads(asked: int | None, configured: int | str) -> int:
    """Return the first of: `asked`, CYGD_THREADS, `configured`, OMP_NUM_THREADS, the available threads.

    `asked` comes from the command line or from Python, `configured` from the experiment, where it is a
    number or "auto".
    """
    if asked is not None:
        if isinstance(asked, bool) or not isinstance(asked, int) or asked < 1:
            raise ConfigError(f"threads must be a whole number of at least 1, got {asked!r}")
        return _check_maximum("threads", asked)
    variable = os.environ.get("CYGD_THREADS", "").strip()
    if variable:
        if _parse(variable) < 1:
            raise ConfigError(f"CYGD_THREADS must be a whole number of at least 1, got {variable!r}")
        return _check_maximum("CYGD_THREADS", _parse(variable))
    if isinstance(configured, int):
        return configured
    # OpenMP allows a list, one number for each level of nesting; this is the outermost
    outermost = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if _parse(outermost) >= 1:
        return min(_parse(outermost), MAX_THREADS)
    return available_threads()


def _parse(text: str) -> int:
    """Return a count; 0 for another text. More than 20 digits make no difference, and `int` has a limit."""
    return int(text.lstrip("0")[:20] or "0") if text.isascii() and text.isdecimal() else 0


def _check_maximum(name: str, threads: int) -> int:
    if threads > MAX_THREADS:
        raise ConfigError(f"{name} must be at most {MAX_THREADS}, got {threads}")
    return threads


def available_threads() -> int:
    """Return the number of threads that the affinity mask and the cgroup quota allow."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(count, int(quota))) if quota else count


def _cgroup_quota() -> float | None:
    """Return the CPU quota of this process's cgroups in CPUs, or None if unlimited."""
    try:
        lines = OWN_CGROUP.read_text().splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":  # version 2: a limit holds for all descendants
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
        return None  # no limit: "max" or -1
    return int(numbers[0]) / max(1, int(numbers[1]))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
