"""Tables of a sweep as texts: facts, configurations, comparisons, rungs, failures, runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from cygd.report.sweep_results import SEED, Parameter, SweepResults, format_parameter
from cygd.sweep.store import Record
from cygd.sweep.summary import Group

ALPHA = 0.05
MAX_RUNS = 1000  # rows; summary.csv has all
MAX_GROUPS = 200
MAX_METRICS = 6  # columns
MAX_VALUES = 12  # of a number that have a row each
N_RANGES = 6
MAX_ERROR = 2000  # characters


class Rows(NamedTuple):
    """A table: its header and its rows, and how many rows it leaves out."""

    header: list[str]
    rows: list[list[str]]
    left_out: int = 0


def headlines(results: SweepResults) -> list[tuple[str, str]]:
    """Return the numbers that are read first."""
    done, total, best = len(results.records), results.total, results.best
    pairs = [("runs", str(done) if total in (None, done) else f"{done} of {total}")]
    if best is not None:
        pairs.insert(0, (f"best {results.ranking.objective}", format_number(results.ranking.value(best))))
    if results.failed:
        pairs.append(("without a result", str(len(results.failed))))
    pairs.append(("configurations", str(len(results.groups))))
    seconds = math.fsum(record.seconds for record in results.records)
    return [*pairs, ("training time", format_seconds(seconds))]


def facts(results: SweepResults) -> list[tuple[str, str]]:
    """Return how the runs were compared, and what they cost."""
    direction = "greater" if results.ranking.greater_is_better else "smaller"
    pairs = [("objective", f"{results.ranking.objective}, {direction} is better")]
    seeds = {len(group.records) for group in results.groups}
    if seeds - {1}:
        most = max(seeds)
        pairs.append(
            ("seeds of a configuration", str(most) if len(seeds) == 1 else f"{min(seeds)} to {most}")
        )
    epochs = sum(record.epochs for record in results.records)
    pairs.append(("epochs trained", f"{epochs:,}".replace(",", " ")))
    saved = _saved_epochs(results)
    if saved:
        pairs.append(("epochs that halving saved", f"{saved:,}".replace(",", " ")))
    return [*pairs, ("folder", str(results.path.absolute()))]


def _saved_epochs(results: SweepResults) -> int:
    """Return the epochs that the runs would have trained without halving, less those that they did."""
    if not results.rungs:
        return 0
    last = results.rungs[-1].epochs
    return sum(last - record.epochs for record in results.records if record.succeeded)


def format_seconds(seconds: float) -> str:
    """Return a duration.

    Examples
    --------
    >>> format_seconds(0.0123), format_seconds(75), format_seconds(7300)
    ('0.012 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def format_number(value: float | None) -> str:
    """Return a number in five digits; a dash if it is missing.

    Examples
    --------
    >>> format_number(0.123456789), format_number(float("nan")), format_number(None)
    ('0.12346', '-', '-')
    """
    return "-" if value is None or math.isnan(value) else f"{value:.5g}"


def cautions(results: SweepResults) -> list[str]:
    """Return what makes the comparison of the runs doubtful."""
    objective = results.ranking.objective
    found = []
    varied = [key for key in results.keys if key == "loss" or key.startswith("loss.")]
    if varied and objective.removeprefix("validation_").removeprefix("test_") == "loss":
        found.append(
            f"The sweep varies {varied[0]} and compares its runs by {objective}. Values of different losses "
            "are not comparable: set sweep.objective to a metric, such as validation_accuracy."
        )
    if objective.startswith("test_"):
        found.append(
            f"The runs were compared by {objective}, so the test rows chose the best one, and its test "
            "metrics are too good to expect elsewhere."
        )
    elif not objective.startswith("validation_"):
        found.append(
            f"The runs were compared by {objective}, on the rows that they were trained on: the best one may "
            "be the one that overfits most. A split with validation rows compares them on others."
        )
    return found


def parameter_keys(results: SweepResults) -> list[str]:
    """Return the varied keys without the seed."""
    return [parameter.key for parameter in results.parameters]


def values_of(record: Record, keys: Sequence[str]) -> list[str]:
    """Return the values of a run for the varied keys."""
    return [format_parameter(record.values.get(key)) for key in keys]


def group_name(results: SweepResults, group: Group) -> str:
    """Return the values of a configuration in one line, as short keys allow.

    Keys keep as many of their last parts as tell them apart.
    """
    values = group.records[0].values
    short = short_keys(parameter_keys(results))
    parts = [f"{short[key]} {format_parameter(values[key])}" for key in short if key in values]
    return ", ".join(parts) or "the experiment itself"


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return each dotted key with as few of its last parts as tell all of them apart.

    Examples
    --------
    >>> short_keys(["optimizer.learning_rate", "layers.0.units", "layers.1.units"])
    {'optimizer.learning_rate': 'learning_rate', 'layers.0.units': '0.units', 'layers.1.units': '1.units'}
    """
    names = {}
    for key in keys:
        parts = key.split(".")
        ends = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        others = [f".{other}" for other in keys if other != key]
        names[key] = next(
            (end for end in ends if not any(other.endswith(f".{end}") for other in others)), key
        )
    return names


def group_rows(results: SweepResults) -> Rows:
    """Return the configurations from best to worst, with the mean of the objective and its interval."""
    keys = parameter_keys(results)
    header = [*keys, "runs", f"mean {results.ranking.objective}", "standard deviation", "95 % interval"]
    failing = any(group.failed for group in results.groups)
    rows = []
    for group in results.groups[:MAX_GROUPS]:
        statistics = group.statistics
        row = [
            *values_of(group.records[0], keys),
            str(statistics.n),
            format_number(statistics.mean),
            format_number(statistics.standard_deviation),
            format_interval(statistics.low, statistics.high),
        ]
        rows.append([*row, str(group.failed)] if failing else row)
    return Rows([*header, "without a result"] if failing else header, rows, len(results.groups) - len(rows))


def format_interval(low: float, high: float) -> str:
    """Return an interval.

    Examples
    --------
    >>> format_interval(-0.5, 1.25), format_interval(float("nan"), float("nan"))
    ('-0.5 to 1.25', '-')
    """
    return "-" if math.isnan(low) else f"{format_number(low)} to {format_number(high)}"


def comparison_rows(results: SweepResults) -> Rows:
    """Return the comparison of the best configuration with each other one."""
    keys = parameter_keys(results)
    header = [*keys, "difference", "95 % interval", "pairs or runs", "p", "p by Holm", "verdict"]
    rows = []
    for group, comparison in results.comparisons[:MAX_GROUPS]:
        rows.append(
            [
                *values_of(group.records[0], keys),
                format_number(comparison.difference),
                format_interval(comparison.low, comparison.high),
                str(comparison.n),
                format_p(comparison.p),
                format_p(comparison.adjusted_p),
                _verdict(results, comparison.difference, comparison.adjusted_p),
            ]
        )
    return Rows(header, rows, len(results.comparisons) - len(rows))


def format_p(p: float) -> str:
    """Return a p-value.

    Examples
    --------
    >>> format_p(0.04321), format_p(1e-9), format_p(float("nan"))
    ('0.043', '< 0.001', '-')
    """
    return "-" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.2g}"


def _verdict(results: SweepResults, difference: float, p: float) -> str:
    if math.isnan(p):
        return "too few results to test"
    if p >= ALPHA:
        return "may be as good"
    is_worse = difference < 0 if results.ranking.greater_is_better else difference > 0
    return "worse" if is_worse else "better over the shared seeds"


def tests_used(results: SweepResults) -> list[str]:
    """Return the names of the tests in the comparisons."""
    return sorted({comparison.test for _, comparison in results.comparisons if comparison.test})


def parameter_rows(results: SweepResults, parameter: Parameter) -> Rows:
    """Return the runs by the values of a parameter, or by ranges of its numbers."""
    values = list(map(results.ranking.value, results.records))
    rows = []
    for label, members in _bins(parameter):
        own = [values[i] for i in members if not math.isnan(values[i])]
        best = min(own, key=results.ranking.sort_key, default=math.nan)
        middle = median(own) if own else math.nan
        rows.append(
            [
                label,
                str(len(members)),
                format_number(best),
                format_number(middle),
                str(len(members) - len(own)),
            ]
        )
    return Rows(["value", "runs", "best", "median", "no result"], rows)


def _bins(parameter: Parameter) -> list[tuple[str, list[int]]]:
    """Return the records at each value of a parameter; many numbers in ranges of about equal counts."""
    labels = parameter.categories
    if not parameter.is_number or len(labels) <= MAX_VALUES:
        return [(label, [i for i, own in enumerate(parameter.labels) if own == label]) for label in labels]
    order = sorted(
        (i for i, value in enumerate(parameter.values) if value is not None), key=parameter.values.__getitem__
    )
    size = math.ceil(len(order) / N_RANGES)
    ranges = [order[start : start + size] for start in range(0, len(order), size)]
    bins = [
        (f"{parameter.labels[members[0]]} to {parameter.labels[members[-1]]}", members) for members in ranges
    ]
    absent = [i for i, value in enumerate(parameter.values) if value is None]
    return [*bins, ("-", absent)] if absent else bins


def improvement_rows(results: SweepResults) -> Rows:
    """Return the runs that were better than all before them."""
    rows: list[list[str]] = []
    best = math.nan
    keys = parameter_keys(results)
    for record in results.records:
        value = results.ranking.value(record)
        if results.ranking.sort_key(value) < results.ranking.sort_key(best):
            best = value
            rows.append([f"{record.run:04d}", format_number(value), *values_of(record, keys)])
    return Rows(["run", results.ranking.objective, *keys], rows)


def rung_rows(results: SweepResults) -> Rows:
    """Return the rounds of successive halving."""
    rows = []
    for rung in results.rungs:
        values = [value for value in map(results.ranking.value, rung.records) if not math.isnan(value)]
        best = min(values, key=results.ranking.sort_key, default=math.nan)
        middle = median(values) if values else math.nan
        rows.append(
            [
                str(rung.epochs),
                str(len(rung.records)),
                str(len(rung.continued)),
                str(len(rung.records) - len(values)),
                format_number(best),
                format_number(middle),
            ]
        )
    objective = results.ranking.objective
    header = ["epochs", "runs", "went on", "without a result", f"best {objective}", f"median {objective}"]
    return Rows(header, rows)


class Failure(NamedTuple):
    """Runs that ended with the same status and error."""

    status: str
    error: str
    records: list[Record]


def failures(results: SweepResults) -> list[Failure]:
    """Return the failed runs by their errors, the most frequent first."""
    by_error: dict[tuple[str, str], list[Record]] = {}
    for record in results.failed:
        by_error.setdefault((record.status, record.error), []).append(record)
    found = [Failure(status, error[:MAX_ERROR], records) for (status, error), records in by_error.items()]
    return sorted(found, key=lambda failure: -len(failure.records))


def run_rows(results: SweepResults) -> Rows:
    """Return all runs from best to worst."""
    keys = parameter_keys(results)
    objective = results.ranking.objective
    others = dict.fromkeys(name for record in results.records for name in record.metrics if name != objective)
    metrics = list(others)[:MAX_METRICS]
    header = ["run", *keys, SEED, "status", objective, *metrics, "epochs", "seconds"]
    rows = [
        [
            f"{record.run:04d}",
            *values_of(record, keys),
            "-" if record.seed is None else str(record.seed),
            record.status,
            *(format_number(record.metrics.get(name)) for name in (objective, *metrics)),
            str(record.epochs),
            f"{record.seconds:.3g}",
        ]
        for record in results.ranked[:MAX_RUNS]
    ]
    return Rows(header, rows, len(results.records) - len(rows))
