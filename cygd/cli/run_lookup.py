"""Run folders as commands name them: by a path, or by the name of an experiment, which means its newest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cygd.cli.output import UsageError
from cygd.errors import did_you_mean

__all__ = ["RUNS", "find_folders", "find_run", "is_run", "is_sweep", "result_of", "run_time"]

RUNS = Path("runs")
STAMP = re.compile(r"\d{8}-\d{6}")


def find_run(text: str) -> Path:
    """Return the run folder that a text means: a folder, or the newest run of a name under runs/.

    Raises
    ------
    UsageError
        Where there is none.
    """
    for folder in (Path(text).expanduser(), RUNS / text):
        if is_run(folder):
            return folder
        if not folder.is_dir():
            continue
        if is_sweep(folder):
            where = folder / "best" if (folder / "best").is_dir() else next(find_folders(folder), folder)
            raise UsageError(f"{text!r} is a sweep of many runs", f"name one of them, such as {where}")
        found = [each for each in find_folders(folder) if not is_sweep(each)]
        if found:
            return max(found, key=run_time)
    names = sorted(path.name for path in RUNS.iterdir() if path.is_dir()) if RUNS.is_dir() else []
    hint = did_you_mean(text, names) or (f"there are {', '.join(names[:8])}" if names else None)
    raise UsageError(f"there is no run {text!r}", hint or "name the folder that `cygd run` printed")


def is_run(folder: Path) -> bool:
    """Return whether a folder is that of a run, or of the folds of one."""
    return (folder / "config.yaml").is_file() and not is_sweep(folder)


def is_sweep(folder: Path) -> bool:
    """Return whether a folder is that of a sweep."""
    return (folder / "sweep.json").is_file()


def find_folders(folder: Path, depth: int = 3) -> Iterator[Path]:
    """Yield the run folders and the sweeps below a folder, without what is in them."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.is_symlink() or not path.is_dir():
            continue
        if is_run(path) or is_sweep(path):
            yield path
        elif depth > 1:
            yield from find_folders(path, depth - 1)


def run_time(folder: Path) -> tuple[str, int]:
    """Return what sorts run folders by when they began."""
    stamp = STAMP.match(folder.name)
    began = folder.stat().st_mtime_ns
    return (stamp[0] if stamp else _local(began), began)


def _local(nanoseconds: int) -> str:
    import time

    return time.strftime("%Y%m%d-%H%M%S", time.localtime(nanoseconds / 1e9))


def result_of(folder: Path) -> dict[str, Any]:
    """Return the content of result.json, or what there is to say without it."""
    try:
        found = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"status": "unfinished"}
    except (OSError, ValueError):
        return {"status": "damaged"}
    return found if isinstance(found, dict) else {"status": "damaged"}
