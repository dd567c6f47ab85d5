"""The commands that come after a run: what a trained network is for."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from cygd.runner.provenance import relative_path

__all__ = ["next_steps"]

FRESH = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")  # the name of a folder that a run makes for itself


def next_steps(directory: Path) -> list[str]:
    """Return the command lines that a user may want next, given a run folder."""
    here = shlex.quote(relative_path(str(directory)))
    steps = [f"cygd predict {here} DATA"]
    earlier = _earlier(directory)
    if earlier is not None:
        steps.append(f"cygd compare {shlex.quote(relative_path(str(earlier)))} {here}")
    return steps


def _earlier(directory: Path) -> Path | None:
    """Return the newest of the experiment's other runs that came to its end; none beside an --out folder."""
    if not FRESH.fullmatch(directory.name):
        return None
    names = sorted(
        (path.name for path in directory.parent.iterdir() if FRESH.fullmatch(path.name)), reverse=True
    )
    others = (directory.with_name(name) for name in names if name != directory.name)
    return next((other for other in others if _whole(other / "result.json")), None)


def _whole(result: Path) -> bool:
    try:
        return json.loads(result.read_text(encoding="utf-8"))["status"] in {"completed", "stopped"}
    except (OSError, ValueError, KeyError, TypeError):
        return False
