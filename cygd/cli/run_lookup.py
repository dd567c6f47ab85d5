"""Run folders by their path, or by the name of an experiment, which selects its newest run."""

from __future__ import annotations

import os
from pathlib import Path

from cygd.cli.output import UsageError, echo
from cygd.errors import did_you_mean
from cygd.tracking.run_folders import RUNS as RUNS
from cygd.tracking.run_folders import find_folders as find_folders
from cygd.tracking.run_folders import is_run as is_run
from cygd.tracking.run_folders import is_sweep as is_sweep
from cygd.tracking.run_folders import read_result as read_result
from cygd.tracking.run_folders import start_time as start_time


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
