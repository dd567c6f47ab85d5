"""`cygd list`: the runs with their status, duration and metrics."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cygd.cli.output import DONE, UsageError, echo, format_number, print_json
from cygd.cli.run_facts import RunFacts
from cygd.cli.run_lookup import RUNS, find_folders, is_run, start_time
from cygd.cli.run_selection import check_key, explain_empty, format_value, parse_conditions, select, sort
from cygd.cli.tables import GAP, Row, column_width, format_cell, print_table, table_room
from cygd.tracking.terminal import display_width

USAGE = "[NAME_OR_FOLDER ...] [--sort [-]KEY] [--where KEY=VALUE] [--json]"
SIGNED_OPTIONS = ("--sort",)  # whose values may begin with -
MAX_METRICS = 3  # in a row
MIN_ROOM = 12  # columns of the terminal for the path of a run
DROPPED = ("began", "time", "epochs")  # columns that a narrow terminal lacks, in this order
STYLES = {
    "completed": "green",
    "stopped": "green",
    "sweep": "cyan",
    "interrupted": "yellow",
    "unfinished": "yellow",
    "diverged": "red",
    "failed": "red",
    "damaged": "red",
}


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="NAME_OR_FOLDER",
        help="only runs of these experiments, or below these folders (default: all under runs/)",
    )
    parser.add_argument(
        "--sort",
        action="append",
        default=[],
        metavar="[-]KEY",
        help="sort by a column, a metric or a key of the experiment, with - from the largest to the smallest "
        "(repeatable; default: the newest first)",
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only runs with this value, such as status=completed or seed=1 (repeatable)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """List runs with their status, duration and metrics, newest first."""
    conditions = parse_conditions(options.where)
    folders = [folder for text in options.arguments or [None] for folder in _find(text)]
    newest_first = sorted(dict.fromkeys(folders), key=start_time, reverse=True)
    runs = [RunFacts(folder) for folder in newest_first]
    keys = list(dict.fromkeys([*(key.removeprefix("-") for key in options.sort), *conditions]))
    for key in keys if runs else ():
        check_key(key, runs)
    selected = sort(select(runs, conditions), options.sort)
    if options.json:
        print_json([run.facts for run in selected])
    elif selected:
        _print(selected, keys)
    elif runs:
        echo(*explain_empty(runs, conditions))
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


def _print(runs: Sequence[RunFacts], keys: Sequence[str]) -> None:
    """Print the table, with a column for each key that is no column yet, as wide as the terminal."""
    rows = [_table_row(run, keys) for run in runs]
    metrics = [_metrics(run.facts["metrics"], keys) for run in runs]
    room = table_room()
    rows = rows if room is None else _fit(rows, metrics, room)
    space = None if room is None else room - sum(column_width(name, rows) + GAP for name in rows[0])
    texts = [_join(items, space) for items in metrics]
    if any(texts):
        rows = [{**row, "metrics": text} for row, text in zip(rows, texts, strict=True)]
    print_table(rows, lambda name, row: STYLES.get(row["status"], "") if name == "status" else "")


def _table_row(run: RunFacts, keys: Sequence[str]) -> Row:
    facts = run.facts
    seconds = facts["seconds"]
    best = "" if facts["best_epoch"] is None else f" (best {facts['best_epoch']})"
    row = {
        "run": facts["run"],
        "began": facts["began"],
        "status": str(facts["status"]),
        "epochs": "" if facts["epochs"] is None else f"{facts['epochs']}{best}",
        "time": "" if seconds is None else _format_duration(seconds),
    }
    others = [key for key in keys if key not in row and key not in ("seconds", "best_epoch")]
    return {**row, **{key: format_value(run.value(key)) for key in others}}


def _metrics(metrics: dict[str, Any], keys: Sequence[str]) -> list[str]:
    """Return the validation metrics if there are any, without those that have a column of their own."""
    names = [name for name in metrics if name.startswith("validation_")]
    names = names or [name for name in metrics if not name.startswith("test_")]
    names = [name for name in names if name not in keys]
    return [f"{name} {format_number(metrics[name])}" for name in names[:MAX_METRICS]]


def _join(items: Sequence[str], space: int | None) -> str:
    """Return as many metrics as fit into the space that is left in a line."""
    for count in range(len(items), 0, -1):
        text = ", ".join(items[:count])
        if space is None or display_width(text) <= space:
            return text
    return ""


def _fit(rows: list[Row], metrics: Sequence[Sequence[str]], room: int) -> list[Row]:
    """Return rows for a narrow terminal: long paths are cut, and columns dropped until a metric fits."""
    first_metric = max((display_width(items[0]) for items in metrics if items), default=0)
    path = min(column_width("run", rows), max(room // 2, MIN_ROOM))
    for wanted in (first_metric, 0):
        for number in range(len(DROPPED) + 1):
            kept = [name for name in rows[0] if name not in DROPPED[:number]]
            others = sum(column_width(name, rows) + GAP for name in kept[1:])
            if path + others + (GAP + wanted if wanted else 0) <= room:
                return _keep(rows, kept, path)
    return _keep(rows, kept, max(MIN_ROOM, room - others))


def _keep(rows: Sequence[Row], names: Sequence[str], path: int) -> list[Row]:
    """Return rows with some columns, and the path of the run in at most so many columns of the terminal."""
    return [{name: row[name] for name in names} | {"run": format_cell(row["run"], path)} for row in rows]


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
