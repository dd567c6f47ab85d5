"""Figures of a sweep by matplotlib: parameters against the objective, groups, rungs, suggestions.

Runs far on the bad side would press all others into one line. They are drawn at the edge of a figure, and the
tables have their numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from cygd.report.svg import COLORS, INK, PAPER, TRAINING, VALIDATION, shorten
from cygd.report.sweep_results import Parameter, SweepResults
from cygd.sweep.summary import Group

MAX_GROUPS = 30  # in a figure
MAX_NAME = 56
MAX_AXES = 9
FAILED_PLACE = -0.14  # of a run without a result, below an axis from 0 to 1
RUN, BEST, FAILED, MEAN = TRAINING, VALIDATION, COLORS[6], COLORS[3]
LOG_RATIO = 30  # of the largest to the smallest objective
FAR, FAR_LOG = 20, 1e4  # distance from the median beyond which a run is drawn at the edge
MAX_MEDIANS = 12  # values of a parameter
MAX_TICKS = 6
BEHIND = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.8}  # of a text on lines
SPREAD = 0.16  # of the dots of a category


@dataclass(frozen=True)
class Scale:
    """The axis of the objective.

    Attributes
    ----------
    low, high : float
        The range; 0 and 1 if no run has a result.
    log : bool
        Whether the values span several orders of magnitude.
    beyond : int
        The number of runs outside, on the bad side.
    bad_end : float
        The end of the range on the bad side.
    """

    low: float
    high: float
    log: bool
    beyond: int
    bad_end: float = 0.0

    @classmethod
    def of(cls, values: Sequence[float], *, greater_is_better: bool) -> Scale:
        """Return the scale of objectives, of which those that are not finite are left out."""
        finite = sorted((value for value in values if math.isfinite(value)), reverse=greater_is_better)
        if not finite:
            return cls(0.0, 1.0, log=False, beyond=0)
        best, median = finite[0], finite[len(finite) // 2]
        log = min(finite) > 0 and max(finite) > LOG_RATIO * min(finite)
        reach = FAR * max(abs(median - best), abs(median) / 100)
        limit = median - reach if greater_is_better else median * FAR_LOG if log else median + reach
        inside = [value for value in finite if (value >= limit if greater_is_better else value <= limit)]
        low, high = min(inside), max(inside)
        log = low > 0 and high > LOG_RATIO * low
        return cls(
            low, high, log=log, beyond=len(finite) - len(inside), bad_end=low if greater_is_better else high
        )

    def clip(self, value: float) -> float:
        """Return a value, but the end of the range for one beyond it on the bad side."""
        if not (self.beyond and math.isfinite(value)):
            return value
        return max(value, self.bad_end) if self.bad_end == self.low else min(value, self.bad_end)

    def apply(self, axis: Any) -> None:
        """Scale an axis of matplotlib, `axes.xaxis` or `axes.yaxis`."""
        getattr(axis.axes, f"set_{axis.axis_name}scale")("log" if self.log else "linear")


def objective_scale(results: SweepResults) -> Scale:
    """Return the axis of the objective of all runs."""
    values = list(map(results.ranking.value, results.records))
    return Scale.of(values, greater_is_better=results.ranking.greater_is_better)


def draw_parameter(axes: Any, results: SweepResults, parameter: Parameter) -> None:
    """Draw a parameter against the objective: a dot for each run, the best one marked, failures below."""
    ranking = results.ranking
    places = _places(parameter)
    scale = objective_scale(results)
    values = [scale.clip(ranking.value(record)) for record in results.records]
    shown = [i for i, value in enumerate(values) if math.isfinite(value) and math.isfinite(places[i])]
    failed = [i for i, value in enumerate(values) if not math.isfinite(value) and math.isfinite(places[i])]
    size = 18 if len(shown) <= 100 else 9
    axes.scatter([places[i] for i in shown], [values[i] for i in shown], s=size, color=RUN, alpha=0.7, lw=0)
    if len(parameter.categories) <= MAX_MEDIANS:
        _draw_medians(axes, parameter, values)
    best = results.best
    marked = [i for i in shown if best is not None and results.records[i].run == best.run]
    axes.scatter(
        [places[i] for i in marked], [values[i] for i in marked], s=46, color=BEST, marker="D", zorder=4
    )
    _scale_parameter(axes, parameter)
    scale.apply(axes.yaxis)
    axes.set_ylabel(shorten(ranking.objective))
    axes.set_xlabel(shorten(parameter.key, MAX_NAME))
    if failed:
        low = axes.get_xaxis_transform()  # x in data, y from the bottom to the top of the axes
        axes.plot([places[i] for i in failed], [0.02] * len(failed), "x", color=FAILED, transform=low, ms=5)


def _places(parameter: Parameter) -> list[float]:
    """Return the place of each record on the axis of a parameter; dots of a category are spread."""
    if parameter.is_number:
        return [math.nan if value is None else float(value) for value in parameter.values]
    order = {label: index for index, label in enumerate(parameter.categories)}
    counts = dict.fromkeys(parameter.categories, 0)
    places = []
    for label in parameter.labels:
        counts[label] += 1
        # the golden ratio spreads any number of dots evenly
        places.append(order[label] + SPREAD * (2 * (counts[label] * 0.6180339887 % 1) - 1))
    return places


def _draw_medians(axes: Any, parameter: Parameter, values: Sequence[float]) -> None:
    """Draw the median at each value of a parameter that has several runs."""
    by_label: dict[str, list[float]] = {label: [] for label in parameter.categories}
    for label, value in zip(parameter.labels, values, strict=True):
        by_label[label] += [value] if math.isfinite(value) else []
    at = dict(zip(parameter.labels, parameter.values, strict=True))
    for index, (label, own) in enumerate(by_label.items()):
        if len(own) > 1 and at[label] is not None:
            place = float(at[label]) if parameter.is_number else index
            axes.plot([place], [median(own)], "_", color=MEAN, ms=22, mew=2.2, zorder=3)


def _scale_parameter(axes: Any, parameter: Parameter) -> None:
    if parameter.is_number:
        axes.set_xscale("log" if parameter.is_log else "linear")
        if parameter.is_log and len(parameter.categories) <= MAX_TICKS:
            axes.set_xticks(sorted({value for value in parameter.values if value is not None}))
            axes.set_xticklabels(name for name in parameter.categories if name != "-")
            axes.minorticks_off()
        elif parameter.is_integer and not parameter.is_log:
            axes.xaxis.get_major_locator().set_params(integer=True)
        return
    names = [shorten(name) for name in parameter.categories]
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.6, len(names) - 0.4)
    if max(map(len, names)) * len(names) > 36:  # characters in a row
        axes.tick_params(axis="x", labelrotation=30)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")


def draw_parallel(axes: Any, results: SweepResults, parameters: Sequence[Parameter]) -> None:
    """Draw a line for each run through its parameters and its objective; the best tenth is marked."""
    from matplotlib.collections import LineCollection

    values = [results.ranking.value(record) for record in results.records]
    scale = objective_scale(results)
    values = [scale.clip(value) for value in values]
    ends = _Ends(scale.low, scale.high, scale.log)
    columns = [*map(_fractions, parameters), [ends.fraction(value) for value in values]]
    rank = {record.run: index for index, record in enumerate(results.ranked)}
    n_best = max(1, sum(map(math.isfinite, values)) // 10)
    layers: dict[str, list[int]] = {FAILED: [], RUN: [], BEST: []}
    for i, record in enumerate(results.records):
        is_best = rank[record.run] < n_best
        layers[BEST if is_best else RUN if math.isfinite(values[i]) else FAILED].append(i)
    for color, members in layers.items():
        lines = [[(x, column[i]) for x, column in enumerate(columns)] for i in members]
        axes.add_collection(
            LineCollection(
                lines,
                colors=color,
                linewidths=1.8 if color == BEST else 0.8,
                alpha=0.95 if color == BEST else 0.5,
                linestyles="dashed" if color == FAILED else "solid",
            )
        )
    names = [*(parameter.key for parameter in parameters), results.ranking.objective]
    axes.set_xlim(-0.15, len(columns) - 0.5)
    axes.set_ylim(-0.2 if layers[FAILED] else -0.08, 1.08)
    axes.set_yticks([])
    axes.set_xticks(range(len(names)), [_break(name) for name in names])
    axes.xaxis.set_ticks_position("top")
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)
    for x, parameter in enumerate(parameters):
        axes.plot([x, x], [0, 1], color=INK, lw=0.8, zorder=3)
        for place, text in _parallel_ticks(parameter):
            axes.text(x + 0.03, place, text, va="center", fontsize=8, zorder=5, bbox=BEHIND)
    last = len(parameters)
    axes.plot([last, last], [0, 1], color=INK, lw=0.8, zorder=3)
    for place, value in ends.ticks():
        axes.text(last + 0.03, place, f"{value:.3g}", va="center", fontsize=8, zorder=5, bbox=BEHIND)
    if layers[FAILED]:
        axes.text(last + 0.03, FAILED_PLACE, "no result", va="center", fontsize=8, color=FAILED)


@dataclass(frozen=True)
class _Ends:
    """The range of an axis of parallel coordinates."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, values: Sequence[float], *, log: bool) -> _Ends:
        """Return the range of the finite values."""
        finite = [value for value in values if math.isfinite(value)] or [0.0]
        return cls(min(finite), max(finite), log)

    def fraction(self, value: float) -> float:
        """Return the place of a value between 0 and 1; below for a missing one."""
        if not math.isfinite(value):
            return FAILED_PLACE
        if self.low == self.high:
            return 0.5
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, float]]:
        """Return the places and values of the labels."""
        if self.low == self.high:
            return [(0.5, self.low)]
        parts = (0, 0.25, 0.5, 0.75, 1)
        if self.log:
            return [(part, self.low * (self.high / self.low) ** part) for part in parts]
        return [(part, self.low + part * (self.high - self.low)) for part in parts]


def _numbers(parameter: Parameter) -> list[float]:
    return [math.nan if value is None else float(value) for value in parameter.values]


def _fractions(parameter: Parameter) -> list[float]:
    """Return the place of each record on an axis of parallel coordinates."""
    if parameter.is_number:
        numbers = _numbers(parameter)
        ends = _Ends.of(numbers, log=parameter.is_log)
        return [ends.fraction(number) for number in numbers]
    last = max(1, len(parameter.categories) - 1)
    order = {label: index / last for index, label in enumerate(parameter.categories)}
    return [order[label] for label in parameter.labels]


def _parallel_ticks(parameter: Parameter) -> list[tuple[float, str]]:
    if parameter.is_number:
        ends = _Ends.of(_numbers(parameter), log=parameter.is_log)
        if len(parameter.categories) <= MAX_TICKS:
            named = dict(zip(parameter.labels, parameter.values, strict=True))
            return [(ends.fraction(value), name) for name, value in named.items() if value is not None]
        if parameter.is_integer:
            whole = dict.fromkeys(round(value) for _, value in ends.ticks())
            return [(ends.fraction(value), str(value)) for value in whole]
        return [(place, f"{value:.3g}") for place, value in ends.ticks()]
    last = max(1, len(parameter.categories) - 1)
    return [(index / last, shorten(name)) for index, name in enumerate(parameter.categories)]


def draw_groups(axes: Any, results: SweepResults, names: Sequence[str]) -> None:
    """Draw the mean of each configuration with its 95 % interval and its runs, the best on top."""
    groups, scale = shown_groups(results), objective_scale(results)
    for row, group in enumerate(groups):
        values = [scale.clip(value) for value in results.objectives(group).values()]
        statistics = group.statistics
        color = BEST if row == 0 else RUN
        axes.scatter(values, [row] * len(values), s=12, color=color, alpha=0.4, lw=0, zorder=2)
        if math.isfinite(statistics.low):
            ends = [scale.clip(statistics.low), scale.clip(statistics.high)]
            axes.plot(ends, [row, row], color=color, lw=2, zorder=3)
        axes.plot([scale.clip(statistics.mean)], [row], "D", color=color, ms=6, zorder=4)
    for row, name in enumerate(names[: len(groups)]):  # above its line, so that long names need no margin
        at = axes.get_yaxis_transform()
        axes.text(0.01, row - 0.3, shorten(name, MAX_NAME), transform=at, va="center", fontsize=8)
    axes.set_yticks([])
    axes.set_ylim(len(groups) - 0.5, -0.75)
    axes.set_xlabel(shorten(results.ranking.objective))
    span = scale.high - scale.low  # an interval of two runs may be ten times as long, and leaves the figure
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, scale.low - 0.8 * span), min(high, scale.high + 0.8 * span))
    axes.grid(axis="x", alpha=0.25)


def shown_groups(results: SweepResults) -> list[Group]:
    """Return the configurations with a result that a figure has room for, the best first."""
    return [group for group in results.groups if group.statistics.n][:MAX_GROUPS]


def draw_rungs(axes: Any, results: SweepResults) -> None:
    """Draw the objective of each run at the epochs of its rungs; runs that went no further end in a cross."""
    scale = objective_scale(results)
    paths: dict[int, list[tuple[int, float]]] = {}
    for rung in results.rungs:
        for record in rung.records:
            paths.setdefault(record.run, []).append((rung.epochs, scale.clip(results.ranking.value(record))))
    best = results.best
    for run, path in paths.items():
        color = BEST if best is not None and run == best.run else RUN
        is_last = path[-1][0] == results.rungs[-1].epochs
        x, y = zip(*path, strict=True)
        axes.plot(x, y, "-", color=color, lw=1.8 if color == BEST else 0.9, alpha=0.8, zorder=2)
        axes.plot(x[-1:], y[-1:], "o" if is_last else "x", color=color, ms=5, zorder=3)
    targets = [rung.epochs for rung in results.rungs]
    axes.set_xscale("log" if len(targets) > 1 else "linear")
    axes.set_xticks(targets, [str(target) for target in targets])
    axes.minorticks_off()
    scale.apply(axes.yaxis)
    axes.set_xlabel("epochs")
    axes.set_ylabel(shorten(results.ranking.objective))


def draw_history(axes: Any, results: SweepResults) -> None:
    """Draw the objective of each run in the order of the suggestions, and the best so far."""
    scale = objective_scale(results)
    values = [scale.clip(results.ranking.value(record)) for record in results.records]
    runs = [record.run for record in results.records]
    better = max if results.ranking.greater_is_better else min
    best, so_far = math.nan, []
    for value in values:
        if math.isfinite(value):
            best = value if math.isnan(best) else better(best, value)
        so_far.append(best)
    axes.scatter(runs, values, s=16, color=RUN, alpha=0.75, lw=0, zorder=2)
    axes.plot(runs, so_far, drawstyle="steps-post", color=BEST, lw=1.8, zorder=3)
    failed = [run for run, value in zip(runs, values, strict=True) if not math.isfinite(value)]
    axes.plot(failed, [0.02] * len(failed), "x", color=FAILED, ms=5, transform=axes.get_xaxis_transform())
    scale.apply(axes.yaxis)
    axes.set_xlabel("run")
    axes.set_ylabel(shorten(results.ranking.objective))


def _break(name: str) -> str:
    """Return a dotted key in two lines, which fit side by side."""
    return "\n".join(shorten(part) for part in name.rsplit(".", 1))
