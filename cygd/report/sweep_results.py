"""The results of a sweep, read from its folder without executing a plugin.

A report may be asked for while the sweep is running, after it was interrupted, or years later on another
machine: so the plan is restored only if no plugin is needed, and what it would say is otherwise taken from
sweep.json and the recorded runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from cygd.errors import CygdError
from cygd.sweep.significance import Comparison, compare, holm
from cygd.sweep.store import Record, Store
from cygd.sweep.summary import Group, Ranking
from cygd.tracking.locking import is_locked

SEED = "seed"
LARGEST = 1e100  # beyond which matplotlib's margins overflow


@dataclass(frozen=True)
class Parameter:
    """A varied key and its values.

    Attributes
    ----------
    key : str
        The dotted key.
    values : list
        The value in each record; None where a configuration does not set it.
    """

    key: str
    values: tuple[Any, ...]

    @cached_property
    def is_number(self) -> bool:
        """Whether the values are numbers that an axis can show, at least two of them different."""
        present = {value for value in self.values if _is_number(value)}
        if len(present) < 2 or max(map(abs, present)) > LARGEST:
            return False
        return all(value is None or _is_number(value) for value in self.values)

    @cached_property
    def is_integer(self) -> bool:
        """Whether the values are whole numbers."""
        return self.is_number and all(value is None or isinstance(value, int) for value in self.values)

    @cached_property
    def is_log(self) -> bool:
        """Whether the numbers are spaced more evenly by their logarithms."""
        return self.is_number and is_log_spaced([value for value in self.values if value is not None])

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The values as text."""
        return tuple(format_parameter(value) for value in self.values)

    @cached_property
    def categories(self) -> list[str]:
        """The different values as text, numbers first and sorted, the others in the order of the runs."""
        by_label = dict(zip(self.labels, self.values, strict=True))
        return sorted(by_label, key=lambda label: _sort_number(by_label[label]))


@dataclass(frozen=True)
class Rung:
    """A round of successive halving: its epochs, its records, and the numbers of the runs that went on."""

    epochs: int
    records: list[Record]
    continued: frozenset[int]


@dataclass(frozen=True)
class SweepResults:
    """What is known of a sweep.

    Attributes
    ----------
    path : Path
        Its folder.
    plan : dict
        The content of sweep.json.
    records : list of Record
        The last record of each run, sorted by run.
    rungs : list of Rung
        The rounds of successive halving; empty for other sweeps.
    ranking : Ranking
        The objective and its direction.
    total : int or None
        The number of planned runs; None if it is unknown.
    is_running : bool
        Whether a process is executing it.
    """

    path: Path
    plan: dict[str, Any]
    records: list[Record]
    rungs: list[Rung]
    ranking: Ranking
    keys: tuple[str, ...]
    total: int | None
    is_running: bool

    @property
    def section(self) -> dict[str, Any]:
        """The `sweep` section of the experiment."""
        section = self.plan["experiment"].get("sweep")
        return section if isinstance(section, dict) else {}

    @property
    def kind(self) -> str:
        """`optuna`, `halving` or empty."""
        return "halving" if self.rungs else "optuna" if self.section.get("optuna") else ""

    @cached_property
    def ranked(self) -> list[Record]:
        """The runs from best to worst."""
        return self.ranking.sort_runs(self.records)

    @cached_property
    def failed(self) -> list[Record]:
        """The runs that did not succeed."""
        return [record for record in self.records if not record.succeeded]

    @property
    def missing(self) -> int | None:
        """The number of planned runs without a record."""
        return None if self.total is None else max(0, self.total - len(self.records))

    @property
    def last_rung_epochs(self) -> int | None:
        """The epochs of the last rung of successive halving; None if the experiment does not say."""
        train = self.plan["experiment"].get("train")
        epochs = train.get("epochs") if isinstance(train, dict) else None
        return epochs if type(epochs) is int else None

    @cached_property
    def best(self) -> Record | None:
        """The best run of the best configuration."""
        return self.ranking.best(self.records)

    @cached_property
    def parameters(self) -> list[Parameter]:
        """The varied keys except for the seed, with the value of each record."""
        return [
            Parameter(key, tuple(record.values.get(key) for record in self.records))
            for key in self.keys
            if key != SEED
        ]

    @cached_property
    def groups(self) -> list[Group]:
        """The configurations from best to worst, with one run for each seed."""
        numbers: dict[str, int] = {}
        seen: set[tuple[int, int | None]] = set()
        members = []
        for record in self.records:
            values = {key: value for key, value in record.values.items() if key != SEED}
            number = numbers.setdefault(json.dumps(values, sort_keys=True, default=repr), len(numbers))
            if record.seed is None or (number, record.seed) not in seen:  # the same seed is the same run
                seen.add((number, record.seed))
                members.append(replace(record, configuration=number))
        return self.ranking.sort_groups(members)

    @property
    def is_repeated(self) -> bool:
        """Whether a configuration has several runs."""
        return any(len(group.records) > 1 for group in self.groups)

    def objectives(self, group: Group) -> dict[int, float]:
        """Return the objectives of the successful runs of a group by their seed."""
        values = {}
        for index, record in enumerate(group.records):
            value = self.ranking.value(record)
            if not math.isnan(value):
                values[-1 - index if record.seed is None else record.seed] = value
        return values

    @cached_property
    def reference(self) -> Group | None:
        """The best configuration that has two results, which a test needs, or else the best one."""
        return next((group for group in self.groups if group.statistics.n > 1), next(iter(self.groups), None))

    @cached_property
    def comparisons(self) -> list[tuple[Group, Comparison]]:
        """Each other configuration, from best to worst, and its comparison with the reference."""
        if self.reference is None:
            return []
        best = self.objectives(self.reference)
        others = [group for group in self.groups if group is not self.reference]
        found = [compare(best, self.objectives(group)) for group in others]
        adjusted = holm([comparison.p for comparison in found])
        return [
            (group, replace(comparison, adjusted_p=p))
            for group, comparison, p in zip(others, found, adjusted, strict=True)
        ]


def read_sweep(path: Path) -> SweepResults:
    """Read the folder of a sweep.

    Raises
    ------
    CheckpointError
        If sweep.json or a line of runs.jsonl is damaged.
    """
    store = Store(path)
    content = store.read_plan()
    records = store.records()
    rungs = _rungs(list(store.all_records()))
    is_running = any(is_locked(file) for file in path.glob("runs*.jsonl"))
    restored = _restore(content, path)
    recorded = (key for record in records for key in record.values)
    keys = tuple(dict.fromkeys([*(restored.keys if restored else ()), *recorded]))
    if restored is not None:
        ranking = Ranking(restored.objective, restored.greater_is_better)
        total = max(restored.total, len(records))
        return SweepResults(path, content, records, rungs, ranking, keys, total, is_running)
    objective = _objective(content, records)
    ranking = Ranking(objective, _greater_is_better(content, objective))
    return SweepResults(path, content, records, rungs, ranking, keys, None, is_running)


def _restore(content: dict[str, Any], path: Path) -> Any:
    """Return the plan, or None if it needs plugins, or files that have moved."""
    from cygd.sweep.plan import restore_plan

    if content["plugins"] or content["experiment"].get("plugins"):
        return None
    try:
        return restore_plan(content, path)
    except CygdError:
        return None


def _objective(content: dict[str, Any], records: Sequence[Record]) -> str:
    section = content["experiment"].get("sweep")
    named = section.get("objective") if isinstance(section, dict) else None
    if isinstance(named, str):
        return named
    measured = {name for record in records for name in record.metrics}
    return "validation_loss" if "validation_loss" in measured else "loss"


def _greater_is_better(content: dict[str, Any], objective: str) -> bool:
    """Return the direction that the sweep, or else the built-in metric, has."""
    from cygd.components.metrics import METRICS

    section = content["experiment"].get("sweep")
    mode = section.get("mode") if isinstance(section, dict) else None
    if mode in ("min", "max"):
        return bool(mode == "max")
    name = objective.removeprefix("validation_").removeprefix("test_")
    return any(metric.name == name and metric.greater_is_better for metric in METRICS)


def _rungs(records: Sequence[Record]) -> list[Rung]:
    """Return the rounds of successive halving; other sweeps record no epochs of a rung."""
    by_epochs: dict[int, dict[int, Record]] = {}
    for record in records:
        if record.target:
            by_epochs.setdefault(record.target, {})[record.run] = record
    targets = sorted(by_epochs)
    return [
        Rung(
            target,
            [by_epochs[target][run] for run in sorted(by_epochs[target])],
            frozenset(run for later in targets[index + 1 :] for run in by_epochs[later]),
        )
        for index, target in enumerate(targets)
    ]


def is_log_spaced(values: Sequence[float]) -> bool:
    """Return True if positive numbers are spaced more evenly by their logarithms.

    Examples
    --------
    >>> is_log_spaced([0.001, 0.01, 0.1]), is_log_spaced([2, 4, 8, 16]), is_log_spaced([10, 20, 30])
    (True, True, False)
    """
    unique = sorted(set(values))
    if len(unique) < 3 or unique[0] <= 0 or not unique[-1] < math.inf or unique[-1] < 8 * unique[0]:
        return False
    logs = [math.log(value) for value in unique]
    return unique[-1] >= 1000 * unique[0] or _largest_gap(logs) < 0.75 * _largest_gap(unique)


def _largest_gap(values: Sequence[float]) -> float:
    """Return the largest distance between neighbors as a part of the range."""
    gaps = [b - a for a, b in pairwise(values)]
    return max(gaps) / (values[-1] - values[0])


def format_parameter(value: Any) -> str:
    """Return a value of a varied key as text; a component by its name or formula.

    Examples
    --------
    >>> [format_parameter(value) for value in (0.30000000000000004, {"formula": "h * h"}, [8, 1])]
    ['0.3', 'h * h', '[8, 1]']
    """
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), str):
        return str(next(iter(value.values())))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sort_number(value: Any) -> tuple[bool, float]:
    return (False, float(value)) if _is_number(value) else (True, 0.0)
