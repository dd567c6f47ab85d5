"""The page of a folder of runs and sweeps: what is there, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cygd.display.html import Table
from cygd.errors import CygdError, format_count
from cygd.report.page import Part, Section, render_page
from cygd.report.run_record import RunRecord, read_run
from cygd.report.sweep_results import read_sweep

MAX_METRICS = 8  # columns


def folder_page(folder: Path, runs: Sequence[Path], sweeps: Sequence[Path]) -> str:
    """Return the page of a folder; runs and sweeps that cannot be read are named with the reason."""
    records, problems = list[RunRecord](), list[Part]()
    for path in runs:
        try:
            records.append(read_run(path))
        except CygdError as error:
            problems.append(f"{path}: {error}")
    sections = [
        Section("Runs", _runs(records, folder)),
        Section("Sweeps", _sweeps(sweeps, folder, problems)),
        Section("Not readable", problems),
    ]
    subtitle = (
        f"{format_count(len(runs), 'run')}, {format_count(len(sweeps), 'sweep')} in {folder.absolute()}"
    )
    return render_page(folder.resolve().name or "runs", subtitle, sections)


def _runs(records: Sequence[RunRecord], folder: Path) -> list[Part]:
    """Return a table for each experiment, the newest run first."""
    parts: list[Part] = []
    for name in sorted({record.name for record in records}):
        own = sorted((r for r in records if r.name == name), key=lambda r: r.folder.name, reverse=True)
        metrics = list(dict.fromkeys(metric for record in own for metric in record.metrics))
        metrics = sorted(metrics, key=lambda metric: not metric.startswith(("test_", "validation_")))[
            :MAX_METRICS
        ]
        rows = [
            [
                str(record.folder.absolute().relative_to(folder.absolute())),
                record.status,
                record.epochs,
                *(record.metrics.get(metric, "-") for metric in metrics),
            ]
            for record in own
        ]
        parts.append(
            Table(["run", "status", "epochs", *metrics], rows, f"{name}, {format_count(len(own), 'run')}")
        )
    return parts


def _sweeps(sweeps: Sequence[Path], folder: Path, problems: list[Part]) -> list[Part]:
    rows = []
    for path in sweeps:
        try:
            results = read_sweep(path)
        except CygdError as error:
            problems.append(f"{path}: {error}")
            continue
        best = results.best
        value = "-" if best is None else f"{results.ranking.value(best):.5g}"
        name = str(path.absolute().relative_to(folder.absolute()))
        rows.append([name, len(results.records), len(results.failed), results.ranking.objective, value])
    return [Table(["sweep", "runs", "failed", "objective", "best"], rows)] if rows else []
