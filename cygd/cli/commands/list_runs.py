"""`cygd list`: the runs that there are, how they ended and how good they are."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from cygd.cli.output import DONE, UsageError, echo, print_table
from cygd.cli.run_lookup import RUNS, find_folders, is_run, is_sweep, result_of, run_time

__all__ = ["USAGE", "declare", "run"]

USAGE = "[NAME_OR_FOLDER ...] [--json]"
MOST = 3  # metrics in a row


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    words = "the runs of these names, or below these folders (default: all under runs/)"
    parser.add_argument("arguments", nargs="*", metavar="NAME_OR_FOLDER", help=words)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """List runs with their status, time and metrics, the newest first."""
    folders = [folder for text in options.arguments or [None] for folder in below(text)]
    found = sorted(dict.fromkeys(folders), key=run_time, reverse=True)
    rows = [row(folder) for folder in found]
    if options.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print_table([spoken(facts) for facts in rows])
    else:
        echo("there are no runs here", "cygd run FILE makes one under runs/")
    return DONE


def below(text: str | None) -> list[Path]:
    """Return the run folders that an argument means."""
    if text is None:
        return list(find_folders(RUNS)) if RUNS.is_dir() else []
    for folder in (Path(text).expanduser(), RUNS / text):
        if is_run(folder):
            folds = [each for each in find_folders(folder, 1) if each.name.startswith("fold-")]
            return folds or [folder]
        if folder.is_dir():
            return [path for path in find_folders(folder) if path.name != "best"]
    raise UsageError(f"there is no run and no folder {text!r}", "cygd list shows all runs under runs/")


def row(folder: Path) -> dict[str, Any]:
    """Return what there is to say of a run, as JSON has it."""
    path = folder.relative_to(RUNS) if folder.is_relative_to(RUNS) else folder
    began = time.mktime(time.strptime(run_time(folder)[0], "%Y%m%d-%H%M%S"))
    if is_sweep(folder):
        best = result_of(folder / "best") if (folder / "best").is_dir() else {}
        found: dict[str, Any] = {"metrics": best.get("metrics"), "status": "sweep"}
    else:
        found = result_of(folder)
    return {
        "run": str(path),
        "began": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(began)),
        "status": found.get("status"),
        "epochs": found.get("epochs"),
        "best_epoch": found.get("best_epoch"),
        "seconds": found.get("seconds"),
        "metrics": found.get("metrics") or {},
    }


def spoken(facts: dict[str, Any]) -> dict[str, str]:
    """Return a row of the table; the metrics are those of the validation rows where there are any."""
    metrics = facts["metrics"]
    chosen = [name for name in metrics if name.startswith("validation_")]
    chosen = chosen or [name for name in metrics if not name.startswith("test_")]
    words = [f"{name} {number(metrics[name])}" for name in chosen[:MOST]]
    epochs, best = facts["epochs"], facts["best_epoch"]
    return {
        "run": facts["run"],
        "began": facts["began"],
        "status": str(facts["status"]),
        "epochs": "" if epochs is None else f"{epochs}" + ("" if best is None else f" (best {best})"),
        "time": "" if facts["seconds"] is None else duration(facts["seconds"]),
        "metrics": ", ".join(words),
    }


def number(value: object) -> str:
    """Return a number for a reader; null is one that was not finite."""
    return f"{value:.4g}" if isinstance(value, int | float) else "not finite"


def duration(seconds: float) -> str:
    """Return a duration as a reader takes it in.

    Examples
    --------
    >>> duration(0.123), duration(75), duration(7300)
    ('0.12 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
