"""The sections and figures of a sweep's page."""

import itertools
import math
import random

import pytest

from cygd.display.html import Table
from cygd.report.page import Figure, Notice
from cygd.report.sweep_figures import Scale, draw_groups, draw_parallel, draw_parameter, shorten
from cygd.report.sweep_results import Parameter, read_sweep
from cygd.report.sweep_sections import sweep_sections
from cygd.report.sweep_tables import group_name, improvement_rows, parameter_rows
from cygd.sweep import sweep
from cygd.sweep.store import Shard, Store
from tests.helpers.sweep_folders import EXPERIMENT, grid, write_sweep

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def axes():
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(5, 3)).add_subplot()


def drawn(section_list):
    """Draw every figure of sections, and return the axes by the names of the figures."""
    from matplotlib.figure import Figure as Canvas

    found = {}
    for section in section_list:
        for part in section.parts:
            if isinstance(part, Figure):
                canvas = Canvas(figsize=part.size, layout="constrained")
                found[part.title] = canvas.add_subplot()
                part.draw(found[part.title])
                canvas.draw_without_rendering()
    return found


def by_name(results):
    return {section.title: section for section in sweep_sections(results)}


def texts(section):
    return " ".join(part if isinstance(part, str) else part.text for part in section.parts
                    if isinstance(part, str | Notice))  # fmt: skip


def spread(folder, n=200, failures=()):
    """Write a sweep of many random configurations."""
    draw = random.Random(1)
    records = []
    for run in range(n):
        rate = 10 ** draw.uniform(-4, 0)
        values = {
            "optimizer.learning_rate": rate,
            "model.activation": draw.choice(["tanh", "relu", {"formula": "h * sigmoid(h)"}]),
            "model.layers.0.units": draw.randint(2, 32),
        }
        outcome = "no memory" if run in failures else abs(math.log10(rate) + 2) + 0.1 + draw.random() / 10
        records.append((run, 0, values, outcome))
    return write_sweep(folder, records)


def test_many_configurations(tmp_path):
    results = spread(tmp_path / "s", failures={3, 7})
    sections = by_name(results)
    assert list(sections) == [
        "Overview",
        "All parameters at once",
        "Each parameter",
        "Failed runs",
        "All runs",
    ]
    assert f"The best run is {results.best.run:04d} with validation_loss " in texts(sections["Overview"])
    assert "2 runs of 200 ended without a result" in texts(sections["Overview"])
    assert len(sections["All runs"].parts[-1].rows) == 200
    pictures = drawn(sections.values())
    assert set(pictures) == {
        "Parallel coordinates",
        "optimizer.learning_rate",
        "model.activation",
        "model.layers.0.units",
    }
    assert pictures["optimizer.learning_rate"].get_xscale() == "log"
    assert pictures["model.layers.0.units"].get_xscale() == "linear"
    ticks = [label.get_text() for label in pictures["model.activation"].get_xticklabels()]
    assert sorted(ticks) == ["h * sigmoid(h)", "relu", "tanh"]
    lines = pictures["Parallel coordinates"].collections
    assert [len(each.get_segments()) for each in lines] == [2, 179, 19]  # failed, the others, the best tenth


def test_every_figure_has_a_text_and_its_numbers(tmp_path):
    experiment = grid(**{"model.activation": ["tanh", "relu"], "optimizer.learning_rate": [0.1, 0.5]})
    experiment["sweep"]["repeat"] = 2
    sweep(experiment, out=tmp_path / "s", workers=1)
    sections = by_name(read_sweep(tmp_path / "s"))
    for part in itertools.chain.from_iterable(section.parts for section in sections.values()):
        if isinstance(part, Figure):
            assert len(part.alt) > 40
            assert (part.table and part.table.rows) or "The numbers are in the table" in part.caption
        if isinstance(part, Table):
            assert part.caption
            assert {len(row) for row in part.rows} == {len(part.head)}


ORDER = ["adam", "rmsprop", "sgd"]


def test_repeated_configurations_are_compared(tmp_path):
    noise = (-0.05, 0.03, 0.02, -0.04, 0.05, -0.01)
    records = [
        (group, seed, {"optimizer": name}, mean + noise[seed] * (name != "adam"))
        for group, (name, mean) in enumerate([("sgd", 0.5), ("adam", 0.2), ("rmsprop", 0.21)])
        for seed in range(6)
    ]
    results = write_sweep(tmp_path / "s", records)
    sections = by_name(results)
    text = texts(sections["Is the best one better?"])
    assert "The best configuration, optimizer adam, is compared with each other one." in text
    assert "differs significantly from 1 of 2 at the level of 5 %" in text
    assert "paired t test" in text
    assert "Holm" in text
    assert "Welch" not in text
    [table] = [part for part in sections["Is the best one better?"].parts if isinstance(part, Table)]
    assert [(row[0], row[-1]) for row in table.rows] == [("rmsprop", "may be as good"), ("sgd", "worse")]
    picture = drawn([sections["Configurations over their seeds"]])["Means and their 95 % intervals"]
    assert [text.get_text() for text in picture.texts] == [f"optimizer {name}" for name in ORDER]


def test_configurations_without_shared_seeds_are_compared_by_welch(tmp_path):
    records = [(0, seed, {"a": 1}, 0.5 + seed / 100) for seed in (1, 2, 3)]
    records += [(1, seed, {"a": 2}, 0.9 + seed / 100) for seed in (4, 5, 6)]
    text = texts(by_name(write_sweep(tmp_path / "s", records))["Is the best one better?"])
    assert "Welch" in text
    assert "paired" not in text


def test_best_configuration_with_one_result_is_not_the_reference(tmp_path):
    records = [(0, 1, {"a": 1}, 0.1), *((1, seed, {"a": 2}, 0.5 + seed / 10) for seed in (1, 2, 3))]
    records += [(2, seed, {"a": 3}, 0.7 + seed / 7) for seed in (1, 2, 3)]
    results = write_sweep(tmp_path / "s", records)
    assert "The best configuration with two results, a 2, is compared" in texts(
        by_name(results)["Is the best one better?"]
    )
    assert [comparison.n for _, comparison in results.comparisons] == [1, 3]


def test_best_run_of_another_configuration_is_explained(tmp_path):
    experiment = grid(a=[1, 2], seed=[1, 2])
    records = [
        (0, 1, {"a": 1, "seed": 1}, 0.5),
        (1, 2, {"a": 1, "seed": 2}, 0.5),
        (2, 1, {"a": 2, "seed": 1}, 0.1),
        (3, 2, {"a": 2, "seed": 2}, 2.0),
    ]
    results = write_sweep(tmp_path / "s", records, experiment=experiment)
    text = texts(by_name(results)["Overview"])
    assert "The best run is 0002 with validation_loss 0.1: a 2, seed 1." in text
    assert "Other seeds of its configuration did worse; the best mean is that of a 1: 0.5" in text


def test_interrupted_sweep_says_how_it_goes_on(tmp_path):
    experiment = grid(**{"optimizer.learning_rate": [0.1, 0.2, 0.3]})
    results = write_sweep(
        tmp_path / "s", [(0, 0, {"optimizer.learning_rate": 0.1}, 0.5)], experiment=experiment
    )
    text = texts(by_name(results)["Overview"])
    assert f"2 runs of 3 are missing. cygd sweep --resume {tmp_path / 's'} executes the rest." in text
    assert list(by_name(results)) == ["Overview", "All runs"]


def test_running_sweep_is_not_called_interrupted(tmp_path):
    experiment = grid(**{"optimizer.learning_rate": [0.1, 0.2]})
    write_sweep(tmp_path / "s", [(0, 0, {"optimizer.learning_rate": 0.1}, 0.5)], experiment=experiment)
    writer = Store(tmp_path / "s").writer(Shard())
    text = texts(by_name(read_sweep(tmp_path / "s"))["Overview"])
    writer.close()
    assert "The sweep is going on; the page has what it has recorded so far: 1 run." in text
    assert "interrupted" not in text


def test_halving_that_ended_before_its_last_rung(tmp_path):
    experiment = grid(**{"optimizer.learning_rate": [0.01, 0.1, 0.5, 1.0]})
    experiment["train"] = {"epochs": 4}
    experiment["sweep"]["halving"] = {"epochs": 1, "factor": 2}
    sweep(experiment, out=tmp_path / "s", workers=1)
    assert "interrupted" not in texts(by_name(read_sweep(tmp_path / "s"))["Overview"])
    lines = (tmp_path / "s" / "runs.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "s" / "runs.jsonl").write_text("".join(lines[:-1]))
    text = texts(by_name(read_sweep(tmp_path / "s"))["Overview"])
    assert "The sweep was interrupted before its last rung, of 4 epochs. cygd sweep --resume" in text
    (tmp_path / "s" / "runs.jsonl").write_text("".join(lines[:2]))
    assert "2 runs of 4 are missing" in texts(by_name(read_sweep(tmp_path / "s"))["Overview"])


def test_better_run_of_a_worse_configuration_is_named(tmp_path):
    outcomes = [(0, 0.5), (0, 0.5), (1, 0.1), (1, 2.0)]
    records = [(group, i % 2, {"a": group}, value) for i, (group, value) in enumerate(outcomes)]
    text = texts(by_name(write_sweep(tmp_path / "s", records))["Overview"])
    assert "The best run is 0000 with validation_loss 0.5: a 0." in text
    assert "Run 0002 alone is better, 0.1, but its configuration ranks lower" in text


@pytest.mark.parametrize("records", [[], [(0, 0, {"a": 1}, "error")], [(0, 0, {}, 0.5)]])
def test_least_sweeps(tmp_path, records):
    sections = by_name(write_sweep(tmp_path / "s", records))
    assert "Overview" in sections
    assert drawn(sections.values()) == {}
    if not records:
        assert "No run has a result yet." in texts(sections["Overview"])


def test_optuna_has_a_history(tmp_path):
    experiment = {**EXPERIMENT, "sweep": {"optuna": {"a": {"uniform": [0, 1]}}}}
    outcomes = [0.5, 0.7, "error", 0.4, 0.45, 0.1]
    records = [(run, 0, {"a": run / 10}, outcome) for run, outcome in enumerate(outcomes)]
    results = write_sweep(tmp_path / "s", records, experiment=experiment, plugins=["absent"])
    sections = by_name(results)
    assert [row[:2] for row in improvement_rows(results).rows] == [
        ["0000", "0.5"],
        ["0003", "0.4"],
        ["0005", "0.1"],
    ]
    [figure] = sections["Suggestions of Optuna"].parts
    assert figure.alt.endswith("3 improvements, the last one to 0.1 in run 0005.")
    line, crosses = drawn([sections["Suggestions of Optuna"]])["Best so far"].lines
    assert list(line.get_ydata()) == [0.5, 0.5, 0.5, 0.4, 0.4, 0.1]
    assert list(crosses.get_xdata()) == [2]


def test_halving_has_a_ladder(tmp_path):
    experiment = grid(**{"optimizer.learning_rate": [0.01, 0.1, 0.5, 1.0]})
    experiment["train"] = {"epochs": 4}
    experiment["sweep"]["halving"] = {"epochs": 1, "factor": 2}
    sweep(experiment, out=tmp_path / "s", workers=1)
    sections = by_name(read_sweep(tmp_path / "s"))
    figure, table = sections["Successive halving"].parts
    assert "4 runs to 1 epoch, of which 2 went on; 2 runs to 2 epochs, of which 1 went on" in figure.alt
    assert [row[0] for row in table.rows] == ["1", "2", "4"]
    axes = drawn([sections["Successive halving"]])["Rungs"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]
    assert sum(line.get_marker() == "x" for line in axes.lines) == 3


@pytest.mark.parametrize(
    ("values", "greater", "expected"),
    [
        ([0.1, 0.2, 0.3], False, (0.1, 0.3, False, 0)),
        ([0.1, 0.2, 5.0], False, (0.1, 5.0, True, 0)),
        ([0.1, 0.2, 0.3, 1e9], False, (0.1, 0.3, False, 1)),
        ([0.1, 0.2, 0.3, math.nan, math.inf], False, (0.1, 0.3, False, 0)),
        ([0.9, 0.8, -1e6], True, (0.8, 0.9, False, 1)),
        ([0.9, 0.8, 0.1], True, (0.1, 0.9, False, 0)),
        ([-5.0, 0.0, 5.0], False, (-5.0, 5.0, False, 0)),
        ([0.0, 0.0, 0.0], False, (0.0, 0.0, False, 0)),
        ([], False, (0.0, 1.0, False, 0)),
        ([math.nan], True, (0.0, 1.0, False, 0)),
    ],
)
def test_scale_of_the_objective(values, greater, expected):
    scale = Scale.of(values, greater_is_better=greater)
    assert (scale.low, scale.high, scale.log, scale.beyond) == expected


def test_only_the_bad_side_is_clipped():
    scale = Scale.of([0.1, 0.2, 0.3, 1e9], greater_is_better=False)
    assert [scale.clip(value) for value in (-5.0, 0.2, 1e9)] == [-5.0, 0.2, 0.3]
    assert math.isnan(scale.clip(math.nan))
    scale = Scale.of([0.9, 0.8, 0.7, -1e9], greater_is_better=True)
    assert [scale.clip(value) for value in (-1e9, 0.8, 5.0)] == [0.7, 0.8, 5.0]


def test_runs_far_away_are_drawn_at_the_edge_and_said(tmp_path):
    records = [(i, 0, {"a": i}, value) for i, value in enumerate([0.1, 0.2, 0.3, 0.25, 1e300])]
    sections = by_name(write_sweep(tmp_path / "s", records))
    assert "1 run far on the bad side is drawn at the edge." in texts(sections["Each parameter"])
    axes = drawn([sections["Each parameter"]])["a"]
    assert axes.get_ylim()[1] < 1


@pytest.mark.parametrize("rate", [1e-300, 1e300, 1e150])
def test_values_that_no_axis_can_show_are_categories(tmp_path, rate):
    records = [(i, 0, {"rate": value}, 0.5 + i) for i, value in enumerate([0.1, 0.2, rate])]
    results = write_sweep(tmp_path / "s", records)
    drawn(by_name(results).values())
    assert results.parameters[0].is_number == (rate < 1)


HOSTILE = [
    "<script>alert(1)</script>",
    "$\\alpha$ $_{",
    "\x1b[31m\u202e",
    "شبكة",
    "漢字",
    "a\nb",
    "%s {0}",
    "",
]


@pytest.mark.filterwarnings("ignore:Glyph")
def test_hostile_texts_are_drawn_as_they_are(tmp_path, axes):
    records = [
        (i, seed, {"$x^2$.$y$": value, "b": 3}, 0.5 + i + seed / 10)
        for i, value in enumerate(HOSTILE)
        for seed in (1, 2)
    ]
    results = write_sweep(tmp_path / "s", records)
    drawn(by_name(results).values())
    [parameter] = [each for each in results.parameters if each.key != "b"]
    draw_parameter(axes, results, parameter)
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert "$\\alpha$ $_{" in shown
    assert r"\x1b[31m\u202e" in shown
    assert not any("\n" in text or "\x1b" in text for text in shown)
    draw_parallel(axes, results, results.parameters)
    draw_groups(axes, results, [group_name(results, group) for group in results.groups])


def test_shorten():
    assert shorten("a" * 50) == "a" * 19 + "..."
    assert shorten("a\x1b") == r"a\x1b"


def test_medians_by_value_and_by_range(tmp_path):
    records = [(i, 0, {"a": value}, outcome) for i, (value, outcome) in enumerate(
        [(1, 0.5), (1, 0.7), (1, 0.6), (2, 0.3), (2, "error"), (3, "error")])]  # fmt: skip
    results = write_sweep(tmp_path / "s", records)
    assert parameter_rows(results, results.parameters[0]).rows == [
        ["1", "3", "0.5", "0.6", "0"],
        ["2", "2", "0.3", "0.3", "1"],
        ["3", "1", "-", "-", "1"],
    ]
    results = spread(tmp_path / "t")
    rows = parameter_rows(results, results.parameters[0]).rows
    assert [int(row[1]) for row in rows] == [34, 34, 34, 34, 34, 30]
    assert all(" to " in row[0] for row in rows)


def test_parameter_that_some_configurations_lack(tmp_path, axes):
    values = [{"a": 1}, {"a": 2}, {}, {"a": 4}]
    results = write_sweep(tmp_path / "s", [(i, 0, each, 0.5 + i) for i, each in enumerate(values)])
    [parameter] = results.parameters
    assert parameter.is_number
    drawn(by_name(results).values())
    assert parameter_rows(results, parameter).rows[-1][:2] == ["-", "1"]


def test_log_axis_with_few_values_is_labeled_with_them(tmp_path, axes):
    rates = [0.01, 0.03, 0.1, 0.3, 1.0]
    results = write_sweep(tmp_path / "s", [(i, 0, {"rate": rate}, 0.5 + i) for i, rate in enumerate(rates)])
    draw_parameter(axes, results, results.parameters[0])
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.01", "0.03", "0.1", "0.3", "1"]


def test_parallel_axis_with_few_values_is_labeled_with_them(tmp_path, axes):
    rates = [0.01, 0.03, 0.1, 0.3]
    results = write_sweep(tmp_path / "s", [(i, 0, {"rate": rate}, 0.5 + i) for i, rate in enumerate(rates)])
    draw_parallel(axes, results, results.parameters)
    at = {text.get_text(): text.get_position()[1] for text in axes.texts}
    places = [at[str(rate)] for rate in rates]
    assert places == pytest.approx([0, math.log(3) / math.log(30), math.log(10) / math.log(30), 1])
    assert at["0.5"] == 0  # of the objective
    assert at["3.5"] == 1


def test_many_varied_keys(tmp_path):
    draw = random.Random(2)
    records = [(i, 0, {f"k{key}": draw.random() for key in range(30)}, draw.random()) for i in range(20)]
    sections = by_name(write_sweep(tmp_path / "s", records))
    assert "Only the first 9 varied keys have an axis." in texts(sections["All parameters at once"])
    assert "14 more varied keys are in the table" in texts(sections["Each parameter"])
    assert len(drawn(sections.values())) == 17


def test_constant_keys_have_no_figure(tmp_path):
    records = [(i, 0, {"a": 5, "b": i}, 0.5 + i) for i in range(3)]
    assert set(drawn(by_name(write_sweep(tmp_path / "s", records)).values())) == {"Parallel coordinates", "b"}
    assert not Parameter("a", (5, 5, 5)).is_number
