"""The sections of an overview of a folder of runs and sweeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from cygd.display.html import Table
from cygd.errors import CygdError, format_count
from cygd.report.folder_results import MIN_RUNS, Entry, FolderResults, main_metrics
from cygd.report.page import Facts, Figure, Notice, Part, Section
from cygd.report.svg import shorten
from cygd.report.sweep_figures import BEST, RUN
from cygd.report.sweep_results import read_sweep
from cygd.report.sweep_tables import format_number, format_seconds

MAX_ROWS = 1000
MAX_METRICS = 5  # columns
MAX_FIGURES = 12
MAX_NUMBERS = 100  # rows of the table behind a figure, the newest runs
WELL = ("completed", "stopped")


def folder_sections(results: FolderResults) -> list[Section]:
    """Return the sections that a folder has something to show in."""
    sections = [
        overview(results),
        best_runs(results),
        over_time(results),
        all_sweeps(results),
        all_runs(results),
    ]
    return [section for section in sections if section.parts]


def overview(results: FolderResults) -> Section:
    """Return how many runs and sweeps there are, and how they ended."""
    if not results.entries:
        return Section("Overview", [Notice(f"There is no run and no sweep below {results.path}.")])
    seconds = math.fsum(entry.facts["seconds"] or 0 for entry in results.runs)
    newest = results.entries[0]
    large = [("runs", str(len(results.runs))), ("sweeps", str(len(results.sweeps)))]
    large += [(f"runs {status}", str(count)) for status, count in results.statuses.most_common()]
    facts = [("newest", f"{newest.name}, {newest.facts['began']}")]
    if results.runs:
        facts.append(("experiments", ", ".join(list(results.experiments)[:20])))
        facts.append(("training time of the runs", format_seconds(seconds)))
    return Section("Overview", [Facts(large, large=True), Facts(facts)])


def best_runs(results: FolderResults) -> Section:
    """Return the best run of each experiment that has several."""
    rows = []
    for name, entries in sorted(results.experiments.items()):
        metric = next(iter(main_metrics(entries)), None)
        measured = [entry for entry in entries if metric and not math.isnan(entry.metric(metric))]
        measured = [entry for entry in measured if entry.facts["status"] in WELL]
        if metric and len(measured) > 1 and metric.endswith("loss"):  # other metrics may be better if greater
            best = min(measured, key=lambda entry: entry.metric(metric))
            worst = max(entry.metric(metric) for entry in measured)
            rows.append(
                [
                    name,
                    str(len(entries)),
                    metric,
                    format_number(best.metric(metric)),
                    best.name,
                    format_number(worst),
                ]
            )
    header = ["experiment", "runs", "metric", "best", "run", "worst"]
    return Section("Best runs", [Table(header, rows, "The best run of each experiment")] if rows else [])


def over_time(results: FolderResults) -> Section:
    """Return a figure for each experiment: its runs in the order in which they began."""
    parts: list[Part] = []
    for name, entries in sorted(results.experiments.items()):
        metric = next(iter(main_metrics(entries)), None)
        if metric is None or sum(not math.isnan(entry.metric(metric)) for entry in entries) < MIN_RUNS:
            continue
        rows = [[entry.name, entry.facts["began"], format_number(entry.metric(metric))] for entry in entries]
        values = [entry.metric(metric) for entry in entries if not math.isnan(entry.metric(metric))]
        low, high, newest = map(format_number, (min(values), max(values), values[-1]))
        alt = (
            f"{metric} of {format_count(len(values), 'run')} of {name} in the order of their start, from "
            f"{low} to {high}; the newest has {newest}."
        )
        table = Table(["run", "began", metric], rows[-MAX_NUMBERS:], n_rows=len(rows))
        draw = partial(draw_runs, entries=entries, metric=metric)
        parts.append(Figure(name, alt, draw, table, caption="From the oldest to the newest run, in orange."))
    return Section("Runs over time", parts[:MAX_FIGURES])


def draw_runs(axes: Any, entries: Sequence[Entry], metric: str) -> None:
    """Draw a metric of runs in the order in which they began; the newest is marked."""
    values = [entry.metric(metric) for entry in entries]
    axes.plot(range(1, len(values) + 1), values, "-", color=RUN, lw=0.8, alpha=0.5)
    axes.plot(range(1, len(values) + 1), values, "o", color=RUN, ms=4 if len(values) < 60 else 2.5)
    axes.plot([len(values)], values[-1:], "D", color=BEST, ms=6)
    finite = [value for value in values if not math.isnan(value)]
    if min(finite) > 0 and max(finite) > 30 * min(finite):
        axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("run, from the oldest")
    axes.set_ylabel(shorten(metric))


def all_sweeps(results: FolderResults) -> Section:
    """Return a row for each sweep."""
    rows: list[list[str]] = []
    parts: list[Part] = []
    for entry in results.sweeps[:MAX_ROWS]:
        try:
            sweep = read_sweep(entry.folder)
        except CygdError as error:
            parts.append(Notice(error.message))
            rows.append([entry.name, entry.facts["began"], "damaged", "-", "-", "-"])
            continue
        best = sweep.best
        done = (
            str(len(sweep.records))
            if sweep.total in (None, len(sweep.records))
            else f"{len(sweep.records)} of {sweep.total}"
        )
        rows.append(
            [
                entry.name,
                entry.facts["began"],
                done,
                str(len(sweep.failed)),
                sweep.ranking.objective,
                "-" if best is None else f"{format_number(sweep.ranking.value(best))}, run {best.run:04d}",
            ]
        )
    if rows:
        header = ["sweep", "began", "runs", "without a result", "objective", "best"]
        parts.append(Table(header, rows, "Sweeps, the newest first"))
    return Section("Sweeps", parts)


def all_runs(results: FolderResults) -> Section:
    """Return a row for each run."""
    runs = results.runs[:MAX_ROWS]
    metrics = dict.fromkeys(name for entry in runs for name in main_metrics([entry]))
    names = list(metrics)[:MAX_METRICS]
    rows = [
        [
            entry.name,
            entry.facts["began"],
            str(entry.facts["status"]),
            "-" if entry.facts["epochs"] is None else str(entry.facts["epochs"]),
            "-" if entry.facts["seconds"] is None else format_seconds(entry.facts["seconds"]),
            *(format_number(entry.metric(name)) for name in names),
        ]
        for entry in runs
    ]
    header = ["run", "began", "status", "epochs", "time", *names]
    parts: list[Part] = []
    if rows:
        parts.append(Table(header, rows, "Runs, the newest first", len(results.runs)))
    return Section("All runs", parts)
