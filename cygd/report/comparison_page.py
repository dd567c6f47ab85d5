"""The page of several runs, or of the folds of a cross-validation: overlays, metrics and differences."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from cygd.display.html import Table
from cygd.errors import format_count
from cygd.report.configuration import configuration_parts, environment_facts, format_value, leaves
from cygd.report.curves import MAX_RUNS, overlay_figures
from cygd.report.page import Details, Facts, Part, Section, render_page
from cygd.report.run_page import REFRESH_SECONDS, prediction_parts
from cygd.report.run_record import RunRecord

MAX_WHOLE = 6  # runs with all their sections on the page
IGNORED = ("name", "plugins")


def comparison_page(records: Sequence[RunRecord], title: str = "") -> str:
    """Return the page of at least two runs."""
    names = short_names([record.folder for record in records])
    title = title or f"{len(records)} runs of {', '.join(dict.fromkeys(record.name for record in records))}"
    common = os.path.commonpath([record.folder.absolute() for record in records])
    sections = [
        Section("Results", [_result_table(records, names)]),
        Section("Training", _curves(records, names)),
        Section("Differences", _differences(records, names)),
    ]
    return render_page(title, common, sections)


def folds_page(record: RunRecord, *, live: bool = False) -> str:
    """Return the page of a cross-validation: its averages, the folds, and each fold in short.

    Parameters
    ----------
    record : RunRecord
    live : bool
        Whether the browser shall read the page again while the run is going on.
    """
    names = [fold.folder.name for fold in record.folds]
    numbers = [
        (
            name.replace("_", " "),
            f"{value:.4g} +- {record.deviations[name]:.2g}" if name in record.deviations else f"{value:.4g}",
        )
        for name, value in record.metrics.items()
    ]
    headline = Facts([("status", record.status), ("folds", str(len(names))), *numbers], large=True)
    text = (
        "Means over the folds and their standard deviations. Each fold was held out once, as validation rows."
    )
    parts: list[Part] = [headline, text, *record.warnings, *record.problems]
    sections = [
        Section("Result", parts),
        Section("Folds", [_result_table(record.folds, names)]),
        Section("Training", _curves(record.folds, names)),
    ]
    environment = record.folds[0].environment  # all folds share the machine and the data
    for fold, name in list(zip(record.folds, names, strict=True))[:MAX_WHOLE]:
        sections.append(Section(name, prediction_parts(fold)))
    sections += [
        Section("Configuration", configuration_parts(record)),
        Section("Environment", [environment_facts(replace(record, environment=environment))]),
    ]
    outcome = f"{record.status}, {format_count(len(names), 'fold')}"
    refresh = REFRESH_SECONDS if live and record.is_going_on else None
    return render_page(record.name, str(record.folder), sections, outcome=outcome, refresh_seconds=refresh)


def short_names(folders: Sequence[Path]) -> list[str]:
    """Return the folders without the part that all of them have.

    >>> short_names([Path("runs/xor/a"), Path("runs/sine/b")])
    ['xor/a', 'sine/b']
    """
    paths = [folder.absolute() for folder in folders]
    common = Path(os.path.commonpath([path.parent for path in paths]))
    return [str(path.relative_to(common)) for path in paths]


def _curves(records: Sequence[RunRecord], names: Sequence[str]) -> list[Part]:
    figures: list[Part] = [*overlay_figures(records, names)]
    if len(records) > MAX_RUNS:
        figures.append(f"The first {MAX_RUNS} of {len(records)} runs are drawn; the tables have all.")
    return figures


def _result_table(records: Sequence[RunRecord], names: Sequence[str]) -> Table:
    metrics = list(dict.fromkeys(name for record in records for name in record.metrics))
    rows: list[list[object]] = [
        [
            name,
            record.status,
            record.epochs,
            "-" if record.best_epoch is None else record.best_epoch,
            "-" if math.isnan(record.seconds) else record.seconds,
            *(record.metrics.get(metric, "-") for metric in metrics),
        ]
        for name, record in zip(names, records, strict=True)
    ]
    if len(records) > 2 and len({record.name for record in records}) == 1:
        averages = []
        for metric in metrics:
            values = [record.metrics[metric] for record in records if metric in record.metrics]
            averages.append(mean(values) if values else "-")
        rows.append(["mean", "", "", "", "", *averages])
    return Table(["run", "status", "epochs", "kept epoch", "seconds", *metrics], rows)


def _differences(records: Sequence[RunRecord], names: Sequence[str]) -> list[Part]:
    """Return the keys of the configuration that are not the same in all runs."""
    documents = [dict(leaves(record.config)) for record in records]
    keys = list(dict.fromkeys(key for document in documents for key in document))
    rows = []
    for key in keys:
        values = [format_value(document[key]) if key in document else "-" for document in documents]
        if key not in IGNORED and len({*values}) > 1:
            rows.append([key, *values])
    if not rows:
        return ["The configurations are the same."]
    same = [
        [key, format_value(documents[0][key])]
        for key in keys
        if key in documents[0] and key not in {row[0] for row in rows}
    ]
    return [
        Table(["key", *names], rows, "keys whose values differ"),
        Details("what all runs have in common", [Table(["key", "value"], same)]),
    ]
