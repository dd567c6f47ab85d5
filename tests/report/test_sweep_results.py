"""What a report reads of a sweep: objective, groups over seeds, rungs, comparisons."""

import math

import pytest

from cygd.errors import CheckpointError
from cygd.report.sweep_results import Parameter, format_parameter, is_log_spaced, read_sweep
from cygd.report.sweep_tables import (
    cautions,
    comparison_rows,
    facts,
    failures,
    group_name,
    group_rows,
    headlines,
    run_rows,
    rung_rows,
    short_keys,
)
from cygd.sweep import sweep
from cygd.sweep.store import Shard, Store
from tests.helpers.sweep_folders import EXPERIMENT, grid, write_sweep


def test_finished_sweep(tmp_path):
    overrides = ["model.activation=tanh,relu", "optimizer.learning_rate=0.1,0.2"]
    result = sweep({**EXPERIMENT, "sweep": {"repeat": 3}}, overrides, out=tmp_path / "s", workers=1)
    read = read_sweep(tmp_path / "s")
    assert (len(read.records), read.total, read.missing, read.is_running) == (12, 12, 0, False)
    assert read.ranked == result.records
    assert read.best == result.best
    assert (read.ranking.objective, read.ranking.greater_is_better) == ("validation_loss", False)
    assert [parameter.key for parameter in read.parameters] == ["model.activation", "optimizer.learning_rate"]
    assert [len(group.records) for group in read.groups] == [3, 3, 3, 3]
    table = (tmp_path / "s" / "groups.csv").read_text().splitlines()
    columns = table[0].split(",")
    for line, group in zip(table[1:], read.groups, strict=True):
        row = dict(zip(columns, line.split(","), strict=True))
        assert float(row["mean"]) == group.statistics.mean
        assert group.records[0].values["model.activation"] == row["model.activation"]
    assert [comparison.n for _, comparison in read.comparisons] == [3, 3, 3]
    assert dict(headlines(read))["configurations"] == "4"
    assert dict(facts(read))["seeds of a configuration"] == "3"
    assert group_name(read, read.groups[0]).startswith("activation ")


def test_running_sweep_is_known_by_its_lock(tmp_path):
    write_sweep(tmp_path / "s", [(0, 0, {}, 0.5)])
    writer = Store(tmp_path / "s").writer(Shard())
    assert read_sweep(tmp_path / "s").is_running
    writer.close()
    assert not read_sweep(tmp_path / "s").is_running


def test_missing_runs_are_counted(tmp_path):
    experiment = grid(**{"optimizer.learning_rate": [0.1, 0.2, 0.3]})
    read = write_sweep(tmp_path / "s", [(0, 0, {"optimizer.learning_rate": 0.1}, 0.5)], experiment=experiment)
    assert (read.total, read.missing) == (3, 2)
    assert dict(headlines(read))["runs"] == "1 of 3"


def test_plan_that_needs_plugins_is_not_restored(tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit('executed')")
    experiment = {**grid(seed=[1, 2]), "plugins": [str(tmp_path / "evil.py")], "metrics": ["odd", "accuracy"]}
    records = [(0, 1, {"seed": 1}, 0.5), (1, 2, {"seed": 2}, 0.25)]
    read = write_sweep(tmp_path / "s", records, experiment=experiment)
    assert (read.total, read.missing, read.keys) == (None, None, ("seed",))
    assert read.ranking.objective == "validation_loss"
    assert dict(headlines(read))["runs"] == "2"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"objective": "validation_accuracy"}, ("validation_accuracy", True)),
        ({"objective": "test_mae"}, ("test_mae", False)),
        ({"objective": "validation_odd", "mode": "max"}, ("validation_odd", True)),
        ({"objective": "validation_accuracy", "mode": "min"}, ("validation_accuracy", False)),
        ({"objective": "validation_odd"}, ("validation_odd", False)),
        ({}, ("validation_loss", False)),
    ],
)
def test_objective_without_a_plan(tmp_path, section, expected):
    experiment = {**EXPERIMENT, "sweep": {"grid": {"seed": [1]}, **section}}
    read = write_sweep(tmp_path / "s", [(0, 1, {}, 0.5)], experiment=experiment, plugins=["absent"])
    assert (read.ranking.objective, read.ranking.greater_is_better) == expected


def test_groups_are_over_seeds_and_count_a_seed_once(tmp_path):
    records = [
        (0, 1, {"units": 4, "seed": 1}, 0.5),
        (1, 2, {"units": 4, "seed": 2}, 0.75),
        (2, 2, {"seed": 2, "units": 4}, 0.75),  # the same run again
        (3, 1, {"units": 8, "seed": 1}, 0.25),
        (4, 2, {"units": 8, "seed": 2}, 0.5),
    ]
    read = write_sweep(tmp_path / "s", records)
    assert [(group.statistics.n, group.statistics.mean) for group in read.groups] == [(2, 0.375), (2, 0.625)]
    [(_, comparison)] = read.comparisons
    assert (comparison.test, comparison.n, comparison.difference) == ("", 2, 0.25)  # the same at both seeds
    assert read.objectives(read.groups[1]) == {1: 0.5, 2: 0.75}
    assert "may be as good" not in comparison_rows(read).rows[0]


def test_repetitions_of_the_same_configuration_are_a_group_without_seeds(tmp_path):
    records = [(0, None, {"units": 4}, 0.5), (0, None, {"units": 4}, 0.7), (1, None, {"units": 8}, 0.1)]
    read = write_sweep(tmp_path / "s", records)
    assert [len(group.records) for group in read.groups] == [1, 2]
    assert read.comparisons[0][1].test == ""


def test_failed_runs_are_counted_by_their_error(tmp_path):
    records = [
        (0, 1, {"units": 4}, "first: no memory\nmore"),
        (0, 2, {"units": 4}, 0.5),
        (1, 1, {"units": 8}, "second"),
        (1, 2, {"units": 8}, "second"),
        (2, 1, {"units": 2}, 0.75),
        (2, 2, {"units": 2}, 0.85),
    ]
    read = write_sweep(tmp_path / "s", records)
    assert [(failure.error, len(failure.records)) for failure in failures(read)] == [
        ("second", 2),
        ("first: no memory\nmore", 1),
    ]
    # a configuration with a failed run comes after those without, however good its mean
    assert [row[0] for row in group_rows(read).rows] == ["2", "4", "8"]
    assert group_rows(read).header[-1] == "without a result"
    assert [row[-1] for row in group_rows(read).rows] == ["0", "1", "2"]
    assert read.best.values == {"units": 2}
    assert [row[-1] for row in comparison_rows(read).rows] == ["too few results to test"] * 2
    assert run_rows(read).rows[-1][3] == "failed"
    assert dict(headlines(read))["without a result"] == "3"


def test_sweep_of_failures_only(tmp_path):
    read = write_sweep(tmp_path / "s", [(0, 1, {"units": 4}, "a"), (1, 1, {"units": 8}, "b")])
    assert read.best is None
    assert [row[2] for row in group_rows(read).rows] == ["-", "-"]
    assert len(run_rows(read).rows) == 2


def test_sweep_that_has_just_begun(tmp_path):
    read = write_sweep(tmp_path / "s", [])
    assert (read.best, read.groups, read.comparisons, read.failed) == (None, [], [], [])
    assert run_rows(read).rows == group_rows(read).rows == comparison_rows(read).rows == []
    assert dict(headlines(read))["configurations"] == "0"


def test_halving_has_rungs(tmp_path):
    experiment = {
        **EXPERIMENT,
        "train": {"epochs": 4},
        "sweep": {
            "grid": {"optimizer.learning_rate": [0.01, 0.1, 0.5, 1.0]},
            "halving": {"epochs": 1, "factor": 2},
        },
    }
    result = sweep(experiment, out=tmp_path / "s", workers=1)
    read = read_sweep(tmp_path / "s")
    assert read.kind == "halving"
    assert [(rung.epochs, len(rung.records), len(rung.continued)) for rung in read.rungs] == [
        (1, 4, 2),
        (2, 2, 1),
        (4, 1, 0),
    ]
    assert result.best.run in read.rungs[0].continued
    table = rung_rows(read)
    assert [" ".join(row[:4]) for row in table.rows] == ["1 4 2 0", "2 2 1 0", "4 1 0 0"]
    first = sorted(read.ranking.value(record) for record in read.rungs[0].records)
    assert table.rows[0][4:] == [f"{first[0]:.5g}", f"{(first[1] + first[2]) / 2:.5g}"]
    # 4 runs of 4 epochs without halving; 4, 2, 1 and 1 with it
    assert dict(facts(read))["epochs that halving saved"] == "8"
    assert dict(facts(read))["epochs trained"] == "8"


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 2}', "\0", '{"version": 1}'])
def test_damaged_plan_is_one_error(tmp_path, content):
    write_sweep(tmp_path / "s", [])
    (tmp_path / "s" / "sweep.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"sweep\.json"):
        read_sweep(tmp_path / "s")


def test_damaged_line_is_one_error_and_an_incomplete_one_none(tmp_path):
    write_sweep(tmp_path / "s", [(0, 1, {}, 0.5), (1, 1, {}, 0.5)])
    lines = (tmp_path / "s" / "runs.jsonl").read_text()
    (tmp_path / "s" / "runs.jsonl").write_text(lines + '{"run": 2')
    assert len(read_sweep(tmp_path / "s").records) == 2
    (tmp_path / "s" / "runs.jsonl").write_text('{"run": -1}\n' + lines)
    with pytest.raises(CheckpointError, match=r"runs\.jsonl:1 is damaged"):
        read_sweep(tmp_path / "s")


@pytest.mark.parametrize(
    ("keys", "objective", "words"),
    [
        (["loss"], "validation_loss", ["different losses"]),
        (["loss.delta"], "test_loss", ["different losses", "test rows"]),
        (["loss"], "validation_accuracy", []),
        (["optimizer"], "validation_loss", []),
        (["optimizer"], "loss", ["overfits"]),
        (["optimizer"], "test_accuracy", ["test rows"]),
    ],
)
def test_doubtful_comparisons_are_said(tmp_path, keys, objective, words):
    experiment = {**EXPERIMENT, "sweep": {"objective": objective}}
    records = [(0, 1, dict.fromkeys(keys, "a"), 0.5)]
    read = write_sweep(tmp_path / "s", records, experiment=experiment, plugins=["absent"])
    found = cautions(read)
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e-4, 1e-3, 1e-2], True),
        ([2, 4, 8, 16], True),
        ([0.01, 0.03, 0.1, 0.3, 1], True),
        ([0.01, 0.3, 1e300], True),
        ([1, 2, 3, 4], False),
        ([2, 4, 8], False),  # not even one order of magnitude
        ([10, 25, 50, 75, 100], False),
        (list(range(2, 33)), False),
        ([0, 1e-3, 1e-2, 1e-1], False),
        ([-1, 1e-3, 1e3], False),
        ([1e-3, 1e3], False),
        ([1, 1e3, math.inf], False),
        ([], False),
    ],
)
def test_log_spaced(values, expected):
    assert is_log_spaced(values) is expected


def test_kinds_of_parameters():
    assert Parameter("a", (1, 2.5, None)).is_number
    assert not Parameter("a", (1, 1)).is_number
    assert not Parameter("a", (1, "full")).is_number
    assert not Parameter("a", (True, False)).is_number
    mixed = Parameter("a", ("full", 32, 8, None, {"formula": "h * h"}, [1, 2]))
    assert mixed.categories == ["8", "32", "full", "-", "h * h", "[1, 2]"]


def test_texts_of_values():
    values = [None, True, 1e-7, 3, "a", {"name": "adam", "beta1": 0.8}, {"formula": "h"}, []]
    expected = ["-", "true", "1e-07", "3", "a", '{"name": "adam", "beta1": 0.8}', "h", "[]"]
    assert list(map(format_parameter, values)) == expected


def test_short_keys_stay_different():
    assert short_keys(["a.b", "c.b", "d"]) == {"a.b": "a.b", "c.b": "c.b", "d": "d"}
    assert short_keys(["b", "a.b"]) == {"b": "b", "a.b": "a.b"}
    assert short_keys([]) == {}
