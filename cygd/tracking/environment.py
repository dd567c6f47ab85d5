"""The environment of a run: versions, CPU, host, and the hashes of the files that it reads.

Results do not depend on it, except for the CPU level `base` and for files edited between runs. It is recorded
to explain differences between two runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cygd import core
from cygd.data.sources.pipes import content_hash
from cygd.errors import CheckpointError
from cygd.tracking.distributions import version
from cygd.tracking.stored_files import HASHES, TEXT, read_json

log = logging.getLogger("cygd")

PACKAGES = ("cygd", "numpy", "pyyaml", "pluggy")
OPTIONAL = ("rich", "pyarrow", "scikit-learn")
NEW, MISSING = "is new", "is missing"  # changes of files


def describe_environment(threads: int, hashes: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the content of environment.json; `hashes` are those of "data" and "plugins", by path."""
    info = core.info()
    return {
        "versions": versions(),
        "cpu": {"level": info["level"], "model": _cpu_model(), "count": os.cpu_count()},
        "threads": threads,
        "openmp": info["openmp"],
        "host": {"name": platform.node(), "platform": _platform(), "machine": platform.machine()},
        "git_commit": _git_commit(),
        "sha256": hashes,
    }


def versions() -> dict[str, str | None]:
    """Return the versions of Python, cygd and its required packages."""
    return {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}


def provenance(name: str, folder: Path, config_sha256: str) -> dict[str, str]:
    """Return what an exported model says about its run.

    The run is the name of its folder, which may move; of a fold, after that of the cross-validation.
    """
    folder = folder.absolute()
    run = f"{folder.parent.name}/{folder.name}" if folder.name.startswith("fold-") else folder.name
    return {"experiment": name, "run": run, "config_sha256": config_sha256}


def read_provenance(name: str, folder: Path) -> dict[str, str]:
    """Return the provenance of a run in a folder, or nothing if environment.json is missing or damaged."""
    try:
        content = read_json(folder / "environment.json", {"config_sha256": TEXT})
    except CheckpointError:
        return {}
    return provenance(name, folder, content["config_sha256"])


def file_hashes(paths: Iterable[Path], base: Path | None = None) -> dict[str, str]:
    """Return the SHA-256 of files by name; files below `base` are named relative to it."""
    found = {}
    for path in paths:
        inside = base is not None and path.is_relative_to(base)
        name = path.relative_to(base).as_posix() if inside and base else str(path)
        found[name] = content_hash(path)
    return found


def warn_if_changed(folder: Path, data: Mapping[str, str], plugins: Mapping[str, str]) -> None:
    """Warn about every file that differs from those of the earlier run in the experiment's folder.

    Does nothing if the folder has no environment.json, that is, if this is not a rerun.
    """
    try:
        content = read_json(folder / "environment.json", {"sha256": {"data": HASHES, "plugins": HASHES}})
    except CheckpointError:
        return
    recorded = content["sha256"]
    kinds = [("data", recorded["data"], data), ("plugin", recorded["plugins"], plugins)]
    for kind, before, now in kinds:
        for name, change in changed_files(before, now):
            if kind == "data" or change not in (NEW, MISSING):  # a further plugin may change nothing
                relation = link_change(change, moved="during")
                message = "%s file %s %s %s the run in %s: the result will not be the same"
                log.warning(message, kind, name, change, relation, folder)


def changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the change of each file that differs between two results of `file_hashes`.

    Equal contents in the same order are the same files, wherever they are. If no name is the same, files
    that were moved are compared in order.
    """
    if list(before.values()) == list(now.values()):
        return
    if len(before) == len(now) and not before.keys() & now.keys():
        for (old_name, old), (name, new) in zip(before.items(), now.items(), strict=True):
            if old != new:
                yield name, f"has other content than {old_name} had"
        return
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield name, NEW if name not in before else MISSING if name not in now else "has changed"


def link_change(change: str, *, moved: str = "when") -> str:
    """Return the word between a change of `changed_files` and the time of the earlier result.

    Examples
    --------
    >>> f"has changed {link_change('has changed')} the run began"
    'has changed since the run began'
    """
    return moved if change.endswith("had") else "since"


def _platform() -> str:
    """Return `platform.platform()`, without the `uname` process that it starts on Linux."""
    uname = platform.uname()
    if uname.system != "Linux":
        return platform.platform()
    return f"{uname.system}-{uname.release}-{uname.machine}-with-{''.join(platform.libc_ver())}"


@cache
def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git_commit() -> str | None:
    """Return the commit checked out in the current folder; reads git's files, as the command is slow."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        repository = folder / ".git"
        if os.path.exists(repository):  # noqa: PTH110 (False for a folder that may not be read)
            with contextlib.suppress(OSError):
                return _head(repository)
    return None


def _head(repository: Path) -> str | None:
    """Return the commit of a repository's HEAD; raise an OSError if this is not a repository."""
    if repository.is_file():  # a worktree or submodule: "gitdir: PATH"
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
    return found[0] if found else None  # None: no commit yet
