"""What a sweep has found: summary.csv, groups.csv and best/, made anew from the runs that are done.

A run that failed, diverged or was killed has no rank, and stands at the end. Configurations that are
repeated are ranked by the mean of their objective, behind those of which no repetition failed: what is left
of one that often fails says too much good of it.
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

from cygd.sweep.store import Record, Store
from cygd.tracking.statistics import Summary, summarize

__all__ = ["Group", "Ranking", "cell", "write"]


@dataclass(frozen=True)
class Group:
    """All runs of one configuration.

    Attributes
    ----------
    configuration : int
    records : tuple of Record
    spread : Summary
        Of the objectives of those that went well.
    """

    configuration: int
    records: tuple[Record, ...]
    spread: Summary

    @property
    def failed(self) -> int:
        """How many did not go well."""
        return len(self.records) - self.spread.n


@dataclass(frozen=True)
class Ranking:
    """Which run, and which configuration, is better.

    Attributes
    ----------
    objective : str
        The measured value that counts.
    greater_is_better : bool
    """

    objective: str
    greater_is_better: bool

    def value(self, record: Record) -> float:
        """Return the objective of a run; nan where it has none that counts."""
        found = record.metrics.get(self.objective) if record.well else None
        return math.nan if found is None else float(found)

    def key(self, value: float) -> tuple[bool, float]:
        """Return what sorts values, the best first and nan last."""
        if math.isnan(value):
            return True, 0.0
        return False, -value if self.greater_is_better else value

    def runs(self, records: Iterable[Record]) -> list[Record]:
        """Return runs, the best first."""
        return sorted(records, key=lambda record: (*self.key(self.value(record)), record.run))

    def groups(self, records: Sequence[Record]) -> list[Group]:
        """Return the configurations, the best first."""
        members: dict[int, list[Record]] = {}
        for record in records:
            members.setdefault(record.configuration, []).append(record)
        groups = [
            Group(
                configuration, tuple(own), summarize([v for v in map(self.value, own) if not math.isnan(v)])
            )
            for configuration, own in members.items()
        ]
        # without any that went well it is last; with some that failed behind those without
        return sorted(
            groups,
            key=lambda group: (not group.spread.n, bool(group.failed), *self.key(group.spread.mean)),
        )

    def best(self, records: Sequence[Record]) -> Record | None:
        """Return the best run of the best configuration, if any went well."""
        groups = self.groups(records)
        if not groups or not groups[0].spread.n:
            return None
        return self.runs(groups[0].records)[0]


def write(store: Store, ranking: Ranking, keys: Sequence[str], *, repeated: bool) -> Record | None:
    """Write summary.csv, groups.csv where runs are repeated, and best/; return the best run.

    Parameters
    ----------
    store : Store
        The folder of the sweep.
    ranking : Ranking
        What is better.
    keys : sequence of str
        Those that are varied.
    repeated : bool
        Whether each configuration has several runs.
    """
    records = store.records()
    store.write_text("summary.csv", _csv(_summary(ranking, records, keys, repeated=repeated)))
    if repeated:
        store.write_text("groups.csv", _csv(_groups(ranking, records, keys)))
    best = ranking.best(records)
    if best is not None and best.folder:
        _copy_best(store, best)
    return best


def _summary(
    ranking: Ranking, records: Sequence[Record], keys: Sequence[str], *, repeated: bool
) -> list[dict[str, Any]]:
    metrics = dict.fromkeys([ranking.objective, *(name for record in records for name in record.metrics)])
    varied = [key for key in keys if key != "seed"]
    return [
        {
            "run": f"{record.run:04d}",
            **({"configuration": record.configuration} if repeated else {}),
            **{_column(key, metrics): record.values.get(key, "") for key in varied},
            "seed": "" if record.seed is None else record.seed,
            "status": record.status,
            **{name: record.metrics.get(name, "") for name in metrics},
            "epochs": record.epochs,
            "best_epoch": "" if record.best_epoch is None else record.best_epoch,
            "seconds": record.seconds,
            "error": record.error,
        }
        for record in ranking.runs(records)
    ]


def _column(key: str, metrics: Iterable[str]) -> str:
    """Return the name of the column of a key; `loss` is a measured value, too."""
    return f"{key} (varied)" if key in metrics else key


def _groups(ranking: Ranking, records: Sequence[Record], keys: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "configuration": group.configuration,
            **{key: group.records[0].values.get(key, "") for key in keys},
            "objective": ranking.objective,
            "n": group.spread.n,
            "mean": group.spread.mean,
            "standard_deviation": group.spread.standard_deviation,
            "low": group.spread.low,
            "high": group.spread.high,
            "failed": group.failed,
        }
        for group in ranking.groups(records)
    ]


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as CSV; numbers read back to the same bits, lists and mappings are JSON, nan is empty."""
    text = io.StringIO()
    if rows:
        table = csv.writer(text, lineterminator="\n")
        table.writerow(rows[0])
        table.writerows([cell(value) for value in row.values()] for row in rows)
    return text.getvalue()


def cell(value: Any) -> str:
    """Return a value as a cell of a table holds it."""
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list) or value is None or isinstance(value, bool):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _copy_best(store: Store, best: Record) -> None:
    """Copy the folder of the best run to best/."""
    target, draft, old = (store.path / name for name in ("best", ".best.new", ".best.old"))
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(store.path / best.folder, draft)
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)
