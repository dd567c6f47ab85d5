"""`cygd list`: the runs with their status, duration and metrics."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from cygd.cli.output import DONE, UsageError, echo, format_number, print_json, print_table
from cygd.cli.run_lookup import RUNS, find_folders, is_run, is_sweep, read_result, start_time

USAGE = "[NAME_OR_FOLDER ...] [--json]"
MAX_METRICS = 3  # in a row


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="NAME_OR_FOLDER",
        help="only runs of these experiments, or below these folders (default: all under runs/)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """List runs with their status, duration and metrics, newest first."""
    folders = [folder for text in options.arguments or [None] for folder in _find(text)]
    newest_first = sorted(dict.fromkeys(folders), key=start_time, reverse=True)
    runs = [_describe(folder) for folder in newest_first]
    if options.json:
        print_json(runs)
    elif runs:
        print_table([_table_row(facts) for facts in runs])
    else:
        echo("no runs found", "`cygd run FILE` writes one under runs/")
    return DONE


def _find(text: str | None) -> list[Path]:
    """Return the run folders that an argument selects."""
    if text is None:
        return list(find_folders(RUNS)) if RUNS.is_dir() else []
    for folder in (Path(text).expanduser(), RUNS / text):
        if is_run(folder):
            folds = [path for path in find_folders(folder, 1) if path.name.startswith("fold-")]
            return folds or [folder]
        if folder.is_dir():
            return [path for path in find_folders(folder) if path.name != "best"]
    raise UsageError(f"no run and no folder named {text!r}", "`cygd list` shows all runs under runs/")


def _describe(folder: Path) -> dict[str, Any]:
    """Return the facts of a run as `--json` prints them."""
    path = folder.relative_to(RUNS) if folder.is_relative_to(RUNS) else folder
    began = time.strptime(start_time(folder)[0], "%Y%m%d-%H%M%S")
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


def _table_row(facts: dict[str, Any]) -> dict[str, str]:
    """Return a row of the table, with the validation metrics if there are any."""
    metrics, seconds = facts["metrics"], facts["seconds"]
    names = [name for name in metrics if name.startswith("validation_")]
    names = names or [name for name in metrics if not name.startswith("test_")]
    best = "" if facts["best_epoch"] is None else f" (best {facts['best_epoch']})"
    return {
        "run": facts["run"],
        "began": facts["began"],
        "status": str(facts["status"]),
        "epochs": "" if facts["epochs"] is None else f"{facts['epochs']}{best}",
        "time": "" if seconds is None else _format_duration(seconds),
        "metrics": ", ".join(f"{name} {format_number(metrics[name])}" for name in names[:MAX_METRICS]),
    }


def _format_duration(seconds: float) -> str:
    """Return a duration in one or two units.

    Examples
    --------
    >>> _format_duration(0.123), _format_duration(75), _format_duration(7300)
    ('0.12 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
