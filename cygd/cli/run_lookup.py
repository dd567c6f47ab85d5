"""Run folders by their path, or by the name of an experiment, which selects its newest run."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cygd.cli.output import UsageError, echo
from cygd.errors import CheckpointError, did_you_mean

log = logging.getLogger("cygd")

RUNS = Path("runs")
TIMESTAMP = re.compile(r"\d{8}-\d{6}", re.ASCII)
TIME_FORMAT = "%Y%m%d-%H%M%S"


def find_run(text: str) -> Path:
    """Return a run folder by its path, or the newest run of a name under runs/."""
    for folder in (Path(text).expanduser(), RUNS / text):
        if is_run(folder):
            return folder
        if not folder.is_dir():
            continue
        if is_sweep(folder):
            example = folder / "best" if (folder / "best").is_dir() else next(find_folders(folder), folder)
            raise UsageError(
                f"expected a run, got the sweep {text!r}", f"name one of its runs, such as {example}"
            )
        runs = [path for path in find_folders(folder) if not is_sweep(path)]
        if runs:
            return max(runs, key=start_time)
    names = sorted(path.name for path in RUNS.iterdir() if path.is_dir()) if RUNS.is_dir() else []
    hint = did_you_mean(text, names) or (f"runs/ contains {', '.join(names[:8])}" if names else None)
    raise UsageError(f"unknown run {text!r}", hint or "name the folder that `cygd run` printed")


def announce_plugins(folder: Path) -> None:
    """Print each plugin that loading a run will execute, unless plugins are forbidden."""
    from cygd.plugins.discovery import forbids_plugins
    from cygd.runner.run_plugins import check_plugin_paths

    if not forbids_plugins(os.environ):
        for request in check_plugin_paths(folder):
            code = f"the module {request.target}" if request.path is None else folder / request.target
            echo(f"executing {code}, a plugin of the run; --no-plugins forbids it")


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
