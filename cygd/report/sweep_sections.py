"""The sections of a sweep's page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from cygd.display.html import MAX_TEXT, Table
from cygd.errors import CygdError, abbreviate, format_count
from cygd.report import sweep_figures as figures
from cygd.report import sweep_tables as tables
from cygd.report.configuration import configuration_parts
from cygd.report.curves import history_figures
from cygd.report.page import SIZE, Details, Facts, Figure, Notice, Part, Preformatted, Section
from cygd.report.run_record import read_run
from cygd.report.sweep_results import Parameter, SweepResults, format_parameter
from cygd.sweep.significance import PAIRED, WELCH
from cygd.sweep.store import Record

MAX_PARAMETERS = 16  # figures
MAX_ERRORS = 10
WIDE = (7.6, 3.6)  # inches
ROW = 0.42  # inches of a configuration in a figure


def sweep_sections(results: SweepResults) -> list[Section]:
    """Return the sections that a sweep has something to show in."""
    sections = [
        overview(results),
        parallel(results),
        each_parameter(results),
        configurations(results),
        comparisons(results),
        halving(results),
        suggestions(results),
        best_run(results),
        failed_runs(results),
        all_runs(results),
    ]
    return [section for section in sections if section.parts]


def overview(results: SweepResults) -> Section:
    """Return the headline numbers, the best run, and what is missing or doubtful."""
    best = results.best
    parts: list[Part] = [Facts(tables.headlines(results), large=True), *_state(results)]
    parts += [Notice(text) for text in tables.cautions(results)]
    if best is None:
        parts.append("No run has a result yet." if not results.records else "No run has a result.")
    else:
        value = tables.format_number(results.ranking.value(best))
        parts.append(
            f"The best run is {best.run:04d} with {results.ranking.objective} {value}: "
            f"{_values(results, best.values)}."
        )
        if results.is_repeated:
            parts.append(_best_mean(results))
        first = results.ranked[0]
        if first.run != best.run:
            alone = tables.format_number(results.ranking.value(first))
            parts.append(
                f"Run {first.run:04d} alone is better, {alone}, but its configuration ranks lower: by its "
                "mean, or because runs of it failed."
            )
    return Section("Overview", [*parts, Facts(tables.facts(results))])


def _values(results: SweepResults, values: dict[str, object]) -> str:
    short = tables.short_keys(tables.parameter_keys(results))
    return (
        ", ".join(f"{short.get(key, key)} {format_parameter(value)}" for key, value in values.items())
        or "the experiment itself"
    )


def _best_mean(results: SweepResults) -> str:
    """Return what is said of the configuration with the best mean, which need not be that of the best run."""
    group, best = results.groups[0], results.best
    statistics = group.statistics
    interval = tables.format_interval(statistics.low, statistics.high)
    of_mean = tables.format_number(statistics.mean) + (
        "" if interval == "-" else f", 95 % interval {interval}"
    )
    of_mean += f", over {format_count(statistics.n, 'seed')}"
    if any(best is not None and record.run == best.run for record in group.records):
        return f"It belongs to the configuration with the best mean: {of_mean}."
    name = tables.group_name(results, group)
    return f"Other seeds of its configuration did worse; the best mean is that of {name}: {of_mean}."


def _state(results: SweepResults) -> list[Part]:
    """Return whether the sweep is complete, and whether runs of it failed."""
    texts = []
    done, missing = len(results.records), results.missing or 0
    resume = f"cygd sweep --resume {results.path} executes the rest."
    last_rung = results.last_rung_epochs
    if results.is_running:
        texts.append(
            f"The sweep is going on; the page has what it has recorded so far: {format_count(done, 'run')}."
        )
    elif missing:
        runs, verb = format_count(missing, "run"), "is" if missing == 1 else "are"
        texts.append(f"The sweep was interrupted: {runs} of {results.total} {verb} missing. {resume}")
    elif results.rungs and last_rung is not None and results.rungs[-1].epochs < last_rung:
        texts.append(f"The sweep was interrupted before its last rung, of {last_rung} epochs. {resume}")
    if results.failed:
        failed = format_count(len(results.failed), "run")
        texts.append(f"{failed} of {done} ended without a result: see Failed runs.")
    return [Notice(text) for text in texts]


def parallel(results: SweepResults) -> Section:
    """Return the parallel coordinates of all parameters."""
    shown = [parameter for parameter in results.parameters if len(set(parameter.labels)) > 1]
    parts: list[Part] = []
    if shown and len(results.records) > 1:
        shown = shown[: figures.MAX_AXES]
        names = ", ".join(parameter.key for parameter in shown)
        best = results.best
        scale = figures.objective_scale(results)
        alt = (
            f"Parallel coordinates of {format_count(len(results.records), 'run')}: a vertical axis for each "
            f"of {names}, and one for {results.ranking.objective}."
        )
        if best is not None:
            alt += f" The best run passes through {_values(results, best.values)}."
        caption = (
            "Each line is a run. The best tenth is orange, runs without a result are dashed and end below. "
            "The numbers are in the table of all runs." + _beyond(scale)
        )
        draw = partial(figures.draw_parallel, results=results, parameters=shown)
        parts.append(Figure("Parallel coordinates", alt, draw, size=WIDE, caption=caption))
        if len(results.parameters) > len(shown):
            parts.append(f"Only the first {figures.MAX_AXES} varied keys have an axis.")
    return Section("All parameters at once", parts)


def _beyond(scale: figures.Scale) -> str:
    if not scale.beyond:
        return ""
    verb = "is" if scale.beyond == 1 else "are"
    return f" {format_count(scale.beyond, 'run')} far on the bad side {verb} drawn at the edge."


def each_parameter(results: SweepResults) -> Section:
    """Return a figure for each parameter against the objective."""
    shown = [parameter for parameter in results.parameters if len(set(parameter.labels)) > 1]
    parts: list[Part] = []
    if shown and len(results.records) > 1:
        scale = figures.objective_scale(results)
        parts.append(
            "Each dot is a run, the orange diamond the best one. Bars are medians, crosses at "
            "the bottom are runs without a result. Other parameters vary too: a pattern is a hint, no proof."
            + _beyond(scale)
        )
        parts += [_parameter_figure(results, parameter) for parameter in shown[:MAX_PARAMETERS]]
        if len(shown) > MAX_PARAMETERS:
            parts.append(f"{len(shown) - MAX_PARAMETERS} more varied keys are in the table of all runs.")
    return Section("Each parameter", parts)


def _parameter_figure(results: SweepResults, parameter: Parameter) -> Figure:
    rows = tables.parameter_rows(results, parameter)
    axis = " on a logarithmic axis" if parameter.is_log else ""
    best = max if results.ranking.greater_is_better else min
    medians = [(float(row[3]), row[0]) for row in rows.rows if row[3] != "-"]
    summary = f" The best median, {best(medians)[0]:g}, is at {best(medians)[1]}." if medians else ""
    alt = f"{results.ranking.objective} of each run against {parameter.key}{axis}.{summary}"
    draw = partial(figures.draw_parameter, results=results, parameter=parameter)
    return Figure(parameter.key, alt, draw, Table(rows.header, rows.rows))


def configurations(results: SweepResults) -> Section:
    """Return the configurations over their seeds."""
    parts: list[Part] = []
    if results.is_repeated and results.parameters:
        shown = figures.shown_groups(results)
        names = [tables.group_name(results, group) for group in shown]
        if len(shown) > 1:
            first, last = (tables.format_number(group.statistics.mean) for group in (shown[0], shown[-1]))
            alt = (
                f"Mean {results.ranking.objective} of {len(shown)} configurations with 95 % intervals, "
                f"from {first} for {names[0]} to {last} for {names[-1]}."
            )
            caption = (
                "Diamonds are means over the seeds, bars their 95 % intervals by Student's t, dots the runs. "
                "The intervals say how sure each mean is; whether two differ is tested below."
            )
            size = (SIZE[0], 0.9 + ROW * len(shown))
            draw = partial(figures.draw_groups, results=results, names=names)
            caption += " The numbers are in the table below." + _beyond(figures.objective_scale(results))
            parts.append(Figure("Means and their 95 % intervals", alt, draw, size=size, caption=caption))
        rows = tables.group_rows(results)
        parts.append(_table(rows, "Configurations, the best first"))
    return Section("Configurations over their seeds", parts)


def comparisons(results: SweepResults) -> Section:
    """Return the tests of the best configuration against each other one."""
    parts: list[Part] = []
    if results.is_repeated and len(results.groups) > 1:
        rows = tables.comparison_rows(results)
        assert results.reference is not None
        best = tables.group_name(results, results.reference)
        tests = tables.tests_used(results)
        kind = (
            "best configuration"
            if results.reference is results.groups[0]
            else "best configuration with two results"
        )
        parts.append(f"The {kind}, {best}, is compared with each other one. {_conclusion(results)}")
        if tests:
            parts.append(_explain(tests))
        parts.append(_table(rows, f"The {kind} against the others: {results.ranking.objective}"))
    return Section("Is the best one better?", parts)


def _conclusion(results: SweepResults) -> str:
    tested = [comparison for _, comparison in results.comparisons if not math.isnan(comparison.adjusted_p)]
    if not tested:
        return (
            "None can be tested: a test needs at least two results on both sides, which differ between seeds."
        )
    different = sum(comparison.adjusted_p < tables.ALPHA for comparison in tested)
    untested = len(results.comparisons) - len(tested)
    text = f"It differs significantly from {different} of {len(tested)} at the level of 5 %"
    text += f"; {untested} more cannot be tested." if untested else "."
    if different < len(tested):
        text += " From the others it may differ by chance: more seeds (sweep.repeat) would tell."
    return text


def _explain(tests: Sequence[str]) -> str:
    texts = {
        PAIRED: "The test is a two-sided paired t test of the differences at each seed that both sides have; "
        "it assumes that these differences are roughly normal and that seeds are independent.",
        WELCH: "Without two shared seeds it is Welch's two-sided t test, which assumes that the results of "
        "each configuration are roughly normal.",
    }
    return (
        " ".join(texts[test] for test in tests)
        + " The p-values are corrected for the number of comparisons by Holm's method. The best "
        "configuration was chosen by the same numbers, which favors it; and all runs share one split of the "
        "data, so nothing is said of other rows. Differences are the other configuration minus the best."
    )


def halving(results: SweepResults) -> Section:
    """Return the rungs of successive halving."""
    parts: list[Part] = []
    if results.rungs:
        rows = tables.rung_rows(results)
        ladder = "; ".join(
            f"{format_count(len(rung.records), 'run')} to {format_count(rung.epochs, 'epoch')}, of which "
            f"{len(rung.continued)} went on"
            for rung in results.rungs
        )
        alt = f"{results.ranking.objective} of each run at the end of its rungs. {ladder}."
        caption = (
            "Each line is a run. A cross is where it was ended, a dot the end of training, orange the best."
        )
        caption += _beyond(figures.objective_scale(results))
        draw = partial(figures.draw_rungs, results=results)
        parts += [Figure("Rungs", alt, draw, caption=caption), _table(rows, "The rungs")]
    return Section("Successive halving", parts)


def suggestions(results: SweepResults) -> Section:
    """Return the objective in the order of Optuna's suggestions."""
    parts: list[Part] = []
    if results.kind == "optuna" and len(results.records) > 1:
        rows = tables.improvement_rows(results)
        last = rows.rows[-1] if rows.rows else ["-", "-"]
        alt = (
            f"{results.ranking.objective} of the runs in the order of the suggestions, and the best so far: "
            f"{format_count(len(rows.rows), 'improvement')}, the last one to {last[1]} in run {last[0]}."
        )
        caption = (
            "Dots are runs, the line is the best so far, crosses at the bottom are runs without a result."
        )
        draw = partial(figures.draw_history, results=results)
        parts.append(Figure("Best so far", alt, draw, _table(rows, "the improvements"), caption=caption))
    return Section("Suggestions of Optuna", parts)


def best_run(results: SweepResults) -> Section:
    """Return the configuration of the best run and its curves."""
    best = results.best
    if best is None or not best.folder:
        return Section("The best run", [])
    folder = results.path / best.folder
    try:
        record = read_run(folder)
        parts = [*history_figures(record), *configuration_parts(record)]
    except (CygdError, OSError) as error:
        return Section("The best run", [Notice(f"The best run cannot be read: {error}")])
    return Section("The best run", [f"Its page: cygd report {folder}", *parts])


def failed_runs(results: SweepResults) -> Section:
    """Return the failed runs by their errors."""
    failures = tables.failures(results)
    rows = [
        [len(failure.records), failure.status, _first_line(failure.error), _list_runs(failure.records)]
        for failure in failures
    ]
    parts: list[Part] = []
    if rows:
        parts.append(
            Table(["runs", "status", "error", "which"], rows, "Runs without a result, by their errors")
        )
    for failure in failures[:MAX_ERRORS]:
        if _first_line(failure.error) != failure.error:
            title = f"the whole error of run {failure.records[0].run:04d}"
            parts.append(Details(title, [Preformatted(failure.error)]))
    return Section("Failed runs", parts)


def _first_line(error: str) -> str:
    """Return what a cell has room for."""
    return abbreviate(error.split("\n", 1)[0], MAX_TEXT)


def _list_runs(records: Sequence[Record], most: int = 8) -> str:
    text = ", ".join(f"{record.run:04d}" for record in records[:most])
    return f"{text} and {len(records) - most} more" if len(records) > most else text


def all_runs(results: SweepResults) -> Section:
    """Return the table of all runs."""
    rows = tables.run_rows(results)
    parts: list[Part] = []
    if rows.rows:
        parts = [
            f"The folder of a run is {results.path}/NUMBER; cygd report shows it."
            if any(record.folder for record in results.records)
            else "The sweep wrote no run folders (runs: summary).",
            _table(rows, "All runs, the best first"),
        ]
    return Section("All runs", parts)


def _table(rows: tables.Rows, caption: str) -> Table:
    return Table(rows.header, rows.rows, caption, len(rows.rows) + rows.left_out)
