"""Rank the runs of a sweep and write summary.csv, groups.csv and best/ from its records.

Runs that failed, diverged or were killed have no objective and are ranked last. Repeated configurations are
ranked by the mean objective, and those with a failed repetition after all others: the mean over only the
successful repetitions is too optimistic.
"""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cygd.errors import CheckpointError, escape_formula
from cygd.sweep.store import Record, Store
from cygd.tracking.statistics import Summary, summarize


@dataclass(frozen=True)
class Group:
    """The runs of one configuration."""

    configuration: int  # its number
    records: tuple[Record, ...]
    statistics: Summary  # of the objective over the successful runs

    @property
    def failed(self) -> int:
        """The number of runs without an objective."""
        return len(self.records) - self.statistics.n


@dataclass(frozen=True)
class Ranking:
    """How runs and configurations are compared."""

    objective: str  # the metric to compare
    greater_is_better: bool

    def value(self, record: Record) -> float:
        """Return the objective of a run; NaN if the run did not succeed."""
        value = record.metrics.get(self.objective) if record.succeeded else None
        return math.nan if value is None else float(value)

    def sort_key(self, value: float) -> tuple[bool, float]:
        """Return a key that sorts objectives from best to worst, then NaN."""
        if math.isnan(value):
            return True, 0.0
        return False, -value if self.greater_is_better else value

    def sort_runs(self, records: Iterable[Record]) -> list[Record]:
        """Return runs from best to worst."""
        return sorted(records, key=lambda record: (*self.sort_key(self.value(record)), record.run))

    def sort_groups(self, records: Iterable[Record]) -> list[Group]:
        """Return configurations from best to worst: without failures, with some, with failures only."""
        by_configuration: dict[int, list[Record]] = {}
        for record in records:
            by_configuration.setdefault(record.configuration, []).append(record)
        groups = []
        for configuration, runs in by_configuration.items():
            values = [value for value in map(self.value, runs) if not math.isnan(value)]
            groups.append(Group(configuration, tuple(runs), summarize(values)))
        return sorted(
            groups,
            key=lambda group: (
                group.statistics.n == 0,
                group.failed > 0,
                *self.sort_key(group.statistics.mean),
            ),
        )

    def best(self, records: Iterable[Record]) -> Record | None:
        """Return the best run of the best configuration, or None if no run succeeded."""
        groups = self.sort_groups(records)
        if not groups or not groups[0].statistics.n:
            return None
        return self.sort_runs(groups[0].records)[0]


def write_tables(store: Store, ranking: Ranking, keys: Sequence[str], *, repeated: bool) -> Record | None:
    """Write summary.csv, groups.csv if configurations are repeated, and best/; return the best run."""
    records = store.records()
    store.write_text("summary.csv", _format_csv(_summary_rows(ranking, records, keys, repeated=repeated)))
    if repeated:
        store.write_text("groups.csv", _format_csv(_group_rows(ranking, records, keys)))
    best = ranking.best(records)
    if best is not None and best.folder:
        _copy_best(store, best)
    return best


def _summary_rows(
    ranking: Ranking, records: Sequence[Record], keys: Sequence[str], *, repeated: bool
) -> list[dict[str, Any]]:
    metrics = dict.fromkeys([ranking.objective, *(name for record in records for name in record.metrics)])
    # `loss` may be both a varied key and a metric
    columns = {key: f"{key} (varied)" if key in metrics else key for key in keys if key != "seed"}
    return [
        {
            "run": f"{record.run:04d}",
            **({"configuration": record.configuration} if repeated else {}),
            **{column: record.values.get(key, "") for key, column in columns.items()},
            "seed": "" if record.seed is None else record.seed,
            "status": record.status,
            **{name: record.metrics.get(name, "") for name in metrics},
            "epochs": record.epochs,
            "best_epoch": "" if record.best_epoch is None else record.best_epoch,
            "seconds": record.seconds,
            "error": record.error,
        }
        for record in ranking.sort_runs(records)
    ]


def _group_rows(ranking: Ranking, records: Sequence[Record], keys: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "configuration": group.configuration,
            **{key: group.records[0].values.get(key, "") for key in keys},
            "objective": ranking.objective,
            "n": group.statistics.n,
            "mean": group.statistics.mean,
            "standard_deviation": group.statistics.standard_deviation,
            "low": group.statistics.low,
            "high": group.statistics.high,
            "failed": group.failed,
        }
        for group in ranking.sort_groups(records)
    ]


def _format_csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    if rows:
        table = csv.writer(text, lineterminator="\n")
        table.writerow(rows[0])
        table.writerows([format_cell(value) for value in row.values()] for row in rows)
    return text.getvalue()


def format_cell(value: Any) -> str:
    """Format a value for a table: floats read back to the same bits, NaN is empty, lists are JSON.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, str):
        return escape_formula(value)
    if isinstance(value, dict | list) or value is None or isinstance(value, bool):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _copy_best(store: Store, best: Record) -> None:
    """Replace best/ by a copy of a run folder."""
    target, draft, old = (store.path / name for name in ("best", ".best.new", ".best.old"))
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    source = store.path / best.folder
    if not source.is_dir():
        raise CheckpointError(
            f"{source} is missing, the folder of the best run", hint="restore it; the tables are written"
        )
    shutil.copytree(source, draft, symlinks=True)
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)
