"""Where a run runs: versions, CPU, host, and the hashes of what it reads.

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
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cygd import core

__all__ = ["OPTIONAL", "facts", "hashes", "version", "versions", "warn_if_changed"]

log = logging.getLogger("cygd")

PACKAGES = ("cygd", "numpy", "pyyaml", "pluggy")
OPTIONAL = ("rich", "pyarrow", "scikit-learn")


def facts(threads: int, files: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the content of environment.json.

    Parameters
    ----------
    threads : int
        The number of threads of the run.
    files : mapping
        `{"data": {path: SHA-256}, "plugins": {path: SHA-256}}`.
    """
    info = core.info()
    return {
        "versions": versions(),
        "cpu": {"level": info["level"], "model": _cpu_model(), "count": os.cpu_count()},
        "threads": threads,
        "openmp": info["openmp"],
        "host": {"name": platform.node(), "platform": _platform(), "machine": platform.machine()},
        "git_commit": _git_commit(),
        "sha256": files,
    }


def versions() -> dict[str, str | None]:
    """Return the versions of Python, cygd and the packages it needs."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


@cache
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


def _platform() -> str:
    """Return what `platform.platform()` says, which on Linux starts `uname` for a word that it leaves out."""
    here = platform.uname()
    if here.system != "Linux":
        return platform.platform()
    return f"{here.system}-{here.release}-{here.machine}-with-{''.join(platform.libc_ver())}"


@cache
def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git_commit() -> str | None:
    """Return the commit that is checked out where we are; read from git's files, for git starts slowly."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        try:
            return _head(folder / ".git")
        except OSError:
            continue
    return None


def _head(repository: Path) -> str | None:
    """Return the commit of a repository's HEAD; OSError where there is none."""
    if repository.is_file():  # of a worktree or a submodule: "gitdir: PATH"
        repository = repository.parent / repository.read_text().partition(":")[2].strip()
    head = (repository / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return head
    reference, common = head.removeprefix("ref: "), repository / "commondir"
    shared = repository / common.read_text().strip() if common.is_file() else repository
    for place in (repository, shared):
        if (place / reference).is_file():
            return (place / reference).read_text().strip()
    packed = shared / "packed-refs"
    lines = packed.read_text().splitlines() if packed.is_file() else []
    found = [line.split(" ")[0] for line in lines if line.endswith(f" {reference}")]
    return found[0] if found else None  # nothing was committed yet
