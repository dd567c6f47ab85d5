"""Where a run runs: versions, CPU, host, hashes of what it reads, and how many threads it may use.

None of this changes a result (but for the CPU level base, and for files that somebody edits): it is
written down so that a difference between two runs can be explained later.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cygd
from cygd.errors import ConfigError

__all__ = ["available_threads", "choose_threads", "facts", "hashes", "versions", "warn_if_changed"]

log = logging.getLogger("cygd")

PACKAGES = ("numpy", "pyyaml", "pluggy", "pydantic")
OPTIONAL = ("rich",)
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def facts(threads: int, files: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the content of environment.json.

    Parameters
    ----------
    threads : int
        The number of threads of the run.
    files : mapping
        `{"data": {path: SHA-256}, "plugins": {path: SHA-256}}`.
    """
    info = cygd.core.info()
    return {
        "versions": versions(),
        "cpu": {"level": info["level"], "model": _cpu_model(), "count": os.cpu_count()},
        "threads": threads,
        "openmp": info["openmp"],
        "host": {"name": platform.node(), "platform": platform.platform(), "machine": platform.machine()},
        "git_commit": _git_commit(),
        "sha256": files,
    }


def versions() -> dict[str, str | None]:
    """Return the versions of Python, cygd and the packages it needs."""
    return {
        "python": platform.python_version(),
        "cygd": cygd.__version__,
        **{package: version(package) for package in PACKAGES},
    }


def version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def hashes(paths: Iterable[Path], base: Path | None = None) -> dict[str, str]:
    """Return the SHA-256 of files by their names; files below `base` are named relative to it."""
    found = {}
    for path in paths:
        inside = base is not None and path.is_relative_to(base)
        name = path.relative_to(base).as_posix() if inside and base else str(path)
        with path.open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def warn_if_changed(folder: Path, data: Mapping[str, str], plugins: Mapping[str, str]) -> None:
    """Warn about every file that is no longer what it was when the run in `folder` read it.

    Where there is no environment.json, this is no rerun and nothing is said.
    """
    try:
        then = json.loads((folder / "environment.json").read_text())["sha256"]
        pairs = [(kind, then[kind], now) for kind, now in (("data", data), ("plugins", plugins))]
    except (OSError, ValueError, KeyError, TypeError):
        return
    for kind, before, now in pairs:
        for name in sorted(before.keys() & now.keys()):
            if before[name] != now[name]:
                what = "data file" if kind == "data" else "plugin file"
                log.warning(
                    "%s %s has changed since the run in %s: the result will not be the same",
                    *(what, name, folder),
                )


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
            for folder in (CGROUPS / controllers / name.lstrip("/"), CGROUPS / "cpu"):
                numbers = [_read(folder / f"cpu.cfs_{what}_us").strip() for what in ("quota", "period")]
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


def _cpu_model() -> str:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _git_commit() -> str | None:
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
