"""Ranking of runs and configurations, and the tables."""

import csv
import math

from cygd.sweep.store import Record, Shard, Store
from cygd.sweep.summary import Ranking, format_cell, write_tables

NAN = math.nan


def record(run, loss=None, status="completed", configuration=None, **more):
    metrics = {} if loss is None else {"loss": loss}
    number = run if configuration is None else configuration
    return Record(run, number, more.pop("values", {}), status, metrics=metrics, **more)


def order(ranking, *records):
    return [one.run for one in ranking.sort_runs(records)]


def test_best_run_is_first_and_failed_runs_are_last():
    runs = (
        record(0, 0.5),
        record(1, 0.1, status="diverged"),
        record(2, NAN),
        record(3, 0.2, status="stopped"),
        record(4, status="killed"),
        record(5, 0.2),
    )
    assert order(Ranking("loss", False), *runs) == [3, 5, 0, 1, 2, 4]
    assert order(Ranking("loss", True), *runs) == [0, 3, 5, 1, 2, 4]


def test_configurations_are_ranked_by_failures_then_mean():
    lucky = [record(0, 0.0, configuration=0), record(1, 0.9, configuration=0)]
    steady = [record(2, 0.3, configuration=1), record(3, 0.4, configuration=1)]
    frail = [record(4, 0.1, configuration=2), record(5, status="failed", configuration=2)]
    lost = [record(6, status="failed", configuration=3)]
    ranking = Ranking("loss", False)
    groups = ranking.sort_groups([*lost, *frail, *lucky, *steady])
    assert [group.configuration for group in groups] == [1, 0, 2, 3]
    assert [(group.statistics.n, group.failed) for group in groups] == [(2, 0), (2, 0), (1, 1), (0, 1)]
    assert ranking.best([*lucky, *steady, *frail]).run == 2
    assert ranking.best(lost) is None


def test_summary_table_reads_back_to_the_records(tmp_path):
    values = {"loss": "mse", "model.activation": {"formula": 'h * "a, b"'}, "stop": None, "clip": [1, True]}
    lines = [
        record(0, 0.1 + 0.2, values=values, seed=3, seconds=1e-05),
        record(1, status="failed", error='one\nline, and "another"'),
    ]
    store = Store(tmp_path)
    writer = store.writer(Shard())
    for line in lines:
        writer.add(line)
    writer.close()
    write_tables(store, Ranking("loss", False), ["loss", "model.activation", "stop", "clip"], repeated=False)
    with (tmp_path / "summary.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert float(first["loss"]) == 0.1 + 0.2
    assert first["loss (varied)"] == "mse"
    assert first["model.activation"] == '{"formula": "h * \\"a, b\\""}'
    assert (first["stop"], first["clip"], first["seconds"]) == ("null", "[1, true]", "1e-05")
    assert second["error"] == 'one\nline, and "another"'
    assert second["loss"] == second["stop"] == ""


def test_format_cell():
    assert [format_cell(value) for value in (0.1, 3, NAN, math.inf, "a", None, True)] == [
        *("0.1", "3", "", "inf", "a", "null", "true")
    ]


def test_texts_are_not_formulas_of_a_spreadsheet(tmp_path):
    store = Store(tmp_path)
    writer = store.writer(Shard())
    values = {"data.path": "=cmd|' /c'!A0", "optimizer.learning_rate": -0.5}
    writer.add(record(0, -1.0, values=values, status="failed", error="@sum(a)"))
    writer.close()
    keys = list(values)
    write_tables(store, Ranking("loss", False), keys, repeated=True)
    [row] = csv.DictReader((tmp_path / "summary.csv").read_text().splitlines())
    assert (row["data.path"], row["error"]) == ("'=cmd|' /c'!A0", "'@sum(a)")
    assert (row["loss"], row["optimizer.learning_rate"]) == ("-1.0", "-0.5")
    [row] = csv.DictReader((tmp_path / "groups.csv").read_text().splitlines())
    assert row["data.path"] == "'=cmd|' /c'!A0"
