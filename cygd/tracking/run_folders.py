"""Run folders on disk: which folders are runs and sweeps, when they began, how they ended."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cygd.errors import CheckpointError

log = logging.getLogger("cygd")

RUNS = Path("runs")
TIMESTAMP = re.compile(r"\d{8}-\d{6}", re.ASCII)
TIME_FORMAT = "%Y%m%d-%H%M%S"


def is_run(folder: Path) -> bool:
    """Return True for the folder of a run, or of a cross-validation."""
    return (folder / "config.yaml").is_file() and not is_sweep(folder)


def is_sweep(folder: Path) -> bool:
    """Return True for the folder of a sweep."""
    return (folder / "sweep.json").is_file()


def find_folders(folder: Path, depth: int = 3) -> Iterator[Path]:
    """Yield the runs and sweeps below a folder, but not the runs inside them.

    A folder that cannot be read is left out, with a warning.
    """
    try:
        paths = [path for path in sorted(folder.iterdir()) if _is_visible_folder(path)]
    except OSError as error:
        log.warning("cannot read the folder %s: %s", folder, error.strerror or error)
        return
    for path in paths:
        try:
            is_found = is_run(path) or is_sweep(path)
        except OSError as error:
            log.warning("cannot read the folder %s: %s", path, error.strerror or error)
            continue
        if is_found:
            yield path
        elif depth > 1:
            yield from find_folders(path, depth - 1)


def _is_visible_folder(path: Path) -> bool:
    return not path.name.startswith(".") and not path.is_symlink() and path.is_dir()


def start_time(folder: Path) -> tuple[str, int]:
    """Return the start of a run as `YYYYmmdd-HHMMSS`, and the modification time to order equal ones."""
    modified = folder.stat().st_mtime_ns
    timestamp = TIMESTAMP.match(folder.name)
    if timestamp:
        with contextlib.suppress(ValueError):  # digits that are no time
            time.strptime(timestamp[0], TIME_FORMAT)
            return timestamp[0], modified
    return time.strftime(TIME_FORMAT, time.localtime(modified / 1e9)), modified


def read_result(folder: Path) -> dict[str, Any]:
    """Return result.json, or only a status if it is missing or, with a warning, damaged."""
    from cygd.tracking.stored_files import RESULT, read_json

    file = folder / "result.json"
    if not file.exists():
        return {"status": "unfinished"}
    try:
        result: dict[str, Any] = read_json(file, RESULT)
    except CheckpointError as error:
        log.warning("%s", error.message)
        return {"status": "damaged"}
    return result


def describe_folder(folder: Path) -> dict[str, Any]:
    """Return what is listed of a run or sweep: path, start, status, epochs, seconds and metrics.

    The metrics of a sweep are those of its best run.
    """
    path = folder.relative_to(RUNS) if folder.is_relative_to(RUNS) else folder
    began = time.strptime(start_time(folder)[0], TIME_FORMAT)
    if is_sweep(folder):
        best = read_result(folder / "best") if (folder / "best").is_dir() else {}
        result: dict[str, Any] = {"metrics": best.get("metrics"), "status": "sweep"}
    else:
        result = read_result(folder)
    return {
        "run": str(path),
        "began": time.strftime("%Y-%m-%d %H:%M:%S", began),
        "status": result.get("status"),
        "epochs": result.get("epochs"),
        "best_epoch": result.get("best_epoch"),
        "seconds": result.get("seconds"),
        "metrics": result.get("metrics") or {},
    }
