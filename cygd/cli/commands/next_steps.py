"""Commands that `cygd run` suggests after training."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from cygd.cli.run_lookup import read_result
from cygd.runner.provenance import relative_path

__all__ = ["next_steps"]

DEFAULT_NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")  # of a run folder without --out


def next_steps(directory: Path) -> list[str]:
    """Return command lines that use a run: predict, and compare with the previous run."""
    run = shlex.quote(relative_path(str(directory)))
    steps = [f"cygd predict {run} DATA"]
    previous = _previous_run(directory)
    if previous is not None:
        steps.append(f"cygd compare {shlex.quote(relative_path(str(previous)))} {run}")
    return steps


def _previous_run(directory: Path) -> Path | None:
    """Return the newest other run of the experiment that ended well; None for an --out folder."""
    if not DEFAULT_NAME.fullmatch(directory.name):
        return None
    paths = [path for path in directory.parent.iterdir() if DEFAULT_NAME.fullmatch(path.name)]
    for path in sorted(paths, key=lambda path: path.name, reverse=True):
        if path != directory and read_result(path).get("status") in ("completed", "stopped"):
            return path
    return None
