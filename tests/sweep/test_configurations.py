"""The configurations of a sweep, from file and command line."""

import pytest

from cygd.errors import ConfigError
from cygd.sweep.plan import make_plan

BASE = {
    "data": {"source": "inline", "x": [[0.0], [1.0]], "y": [[1.0], [3.0]]},
    "model": {"layers": [2, 1]},
    "optimizer": {"name": "sgd", "learning_rate": 0.5},
}


def plan(sweep=None, *overrides, base=BASE):
    return make_plan({**base, **({} if sweep is None else {"sweep": sweep})}, overrides)


def values(sweep, *overrides):
    return [task.values for task in plan(sweep, *overrides).tasks()]


def problems(sweep, *overrides):
    with pytest.raises(ConfigError) as raised:
        plan(sweep, *overrides)
    return raised.value.problems


def test_grid_is_a_product_in_which_the_last_key_varies_fastest():
    configurations = values({"grid": {"seed": [1, 2], "train.epochs": [3, 4]}})
    assert [list(one.values()) for one in configurations] == [[1, 3], [1, 4], [2, 3], [2, 4]]


def test_zip_combines_values_pairwise():
    configurations = values({"zip": {"seed": [1, 2], "train.epochs": [3, 4]}})
    assert [list(one.values()) for one in configurations] == [[1, 3], [2, 4]]


def test_list_holds_complete_configurations():
    sets = [{"loss": "mse", "optimizer": {"name": "adam"}}, {"model.activation": {"formula": "h * h"}}]
    assert values({"list": sets}) == sets


def test_blocks_are_added_up_without_duplicates():
    sweep = {
        "grid": [{"seed": [1, 2]}, {"seed": [3]}],
        "zip": {"seed": [3, 4]},
        "list": [{"seed": 5}, {"seed": 1}],
    }
    assert [one["seed"] for one in values(sweep)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("distribution", "fits"),
    [
        ({"uniform": [-1, 2]}, lambda v: -1 <= v <= 2 and isinstance(v, float)),
        ({"log_uniform": [1e-4, 1]}, lambda v: 1e-4 <= v <= 1),
        ({"integers": [1, 3]}, lambda v: v in (1, 2, 3) and isinstance(v, int)),
        ({"choice": ["tanh", {"name": "elu"}, None]}, lambda v: v in ("tanh", {"name": "elu"}, None)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_random_values_are_within_bounds(distribution, fits):
    sweep = {"random": {"model.initializer": distribution}, "samples": 50}
    base = {**BASE, "sweep": sweep}
    from cygd import config
    from cygd.config.sweep_section import SweepSection
    from cygd.sweep.configurations import expand, plain_values

    document = config.read(base)
    configurations = expand(document, SweepSection.read(sweep, None), [], [], {})
    drawn = [plain_values(changes)["model.initializer"] for changes in configurations]
    assert all(map(fits, drawn))
    assert len(drawn) >= 2


def test_random_values_depend_only_on_seed_key_and_sample():
    key, other = "optimizer.learning_rate", "train.epochs"
    one = {"random": {key: {"uniform": [0, 1]}}, "samples": 4}
    first = [value[key] for value in values(one)]
    assert first == [value[key] for value in values(one)]
    # neither more samples nor another key changes the first values
    more = {"random": {other: {"integers": [1, 9]}, **one["random"]}, "samples": 8}
    assert [value[key] for value in values(more)][:4] == first
    assert [value[key] for value in values({**one, "seed": 1})] != first


def test_log_uniform_covers_all_magnitudes():
    key = "optimizer.learning_rate"
    drawn = [v[key] for v in values({"random": {key: {"log_uniform": [1e-6, 1]}}, "samples": 300})]
    assert 100 < sum(value < 1e-3 for value in drawn) < 200


def test_parent_key_is_set_first():
    grid = {"optimizer.learning_rate": [0.25], "optimizer": [{"name": "adam"}]}
    task = plan({"grid": grid}).tasks()[0]
    assert list(task.values) == ["optimizer", "optimizer.learning_rate"]


def test_when_restricts_a_key():
    sweep = {
        "grid": {"optimizer": ["sgd", "adam"], "optimizer.momentum": [0, 0.9]},
        "when": {"optimizer.momentum": {"optimizer": "sgd"}},
    }
    assert values(sweep) == [
        {"optimizer": "sgd", "optimizer.momentum": 0},
        {"optimizer": "sgd", "optimizer.momentum": 0.9},
        {"optimizer": "adam"},
    ]


def test_when_accepts_base_values_defaults_and_lists():
    grid = {"seed": [1, 2]}
    assert len(values({"grid": grid, "when": {"seed": {"optimizer.name": "sgd"}}})) == 2
    assert len(values({"grid": grid, "when": {"seed": {"model.activation": ["relu", "tanh"]}}})) == 2
    assert len(values({"grid": grid, "when": {"seed": {"model.layers.0.units": 2}}})) == 2
    assert values({"grid": grid, "when": {"seed": {"train.epochs": 7}}}) == [{}]


def test_when_accounts_for_removed_keys():
    sweep = {
        "grid": {"loss": ["mse"], "optimizer": ["sgd", "adam"], "optimizer.momentum": [0.5], "seed": [1]},
        "when": {"optimizer.momentum": {"optimizer": "sgd"}, "seed": {"optimizer.momentum": 0.5}},
    }
    assert values(sweep) == [
        {"loss": "mse", "optimizer": "sgd", "optimizer.momentum": 0.5, "seed": 1},
        {"loss": "mse", "optimizer": "adam"},
    ]


def test_repetitions_increment_the_seed():
    tasks = plan({"grid": {"loss": ["mse", "mae"]}, "repeat": 3}, "seed=7").tasks()
    seeds = [dict(task.changes).get(("seed",)) for task in tasks]
    assert [seed and seed.plain() for seed in seeds] == [None, 8, 9, None, 8, 9]
    assert [task.configuration for task in tasks] == [0, 0, 0, 1, 1, 1]
    assert [task.number for task in tasks] == list(range(6))
    assert tasks[1].values == {"loss": "mse"}


# -- the command line ---------------------------------------------------------------------------------


def test_several_values_on_the_command_line_are_multiplied():
    assert values(None, "optimizer=sgd,adam", "seed=1,2") == [
        {"optimizer": "sgd", "seed": 1},
        {"optimizer": "sgd", "seed": 2},
        {"optimizer": "adam", "seed": 1},
        {"optimizer": "adam", "seed": 2},
    ]


def test_values_on_the_command_line_may_be_lists_mappings_and_formulas():
    given = 'model.activation={formula: "max(h, 0)"},tanh'
    assert [v["model.activation"] for v in values(None, given)] == [{"formula": "max(h, 0)"}, "tanh"]
    assert [v["model.layers"] for v in values(None, "model.layers=[4, 1],[8, 1]")] == [[4, 1], [8, 1]]
    assert values({"grid": {"seed": [1]}}, "model.layers=[4, 1]") == [{"seed": 1}]


def test_command_line_multiplies_the_file_and_replaces_its_keys():
    sweep = {"grid": {"seed": [1, 2, 3]}, "list": [{"loss": "mse", "seed": 9}]}
    assert values(sweep, "seed=5,6") == [
        {"seed": 5},
        {"seed": 6},
        {"loss": "mse", "seed": 5},
        {"loss": "mse", "seed": 6},
    ]


def test_single_value_on_the_command_line_replaces_the_file():
    swept = plan({"grid": {"seed": [1, 2], "loss": ["mse", "mae"]}}, "seed=5")
    assert [task.values for task in swept.tasks()] == [{"loss": "mse"}, {"loss": "mae"}]
    assert swept.document.root.child("seed").plain() == 5


@pytest.mark.parametrize(
    ("overrides", "seeds"),
    [
        (["seed=1,2", "seed=3"], [3]),
        (["seed=3", "seed=1,2"], [1, 2]),
        (["seed=1,2", "seed=4,5,6"], [4, 5, 6]),
        (["seed=1,2", "seed=4,5", "seed=7"], [7]),
        (["seed= 1,2", "train.epochs=3", "seed =3"], [3]),
    ],
)
def test_later_override_of_a_key_counts(overrides, seeds):
    plan = make_plan({**BASE, "sweep": {"grid": {"optimizer.learning_rate": [0.1, 0.5]}}}, overrides)
    assert [plan.seed(task.changes) for task in plan.tasks()] == [*seeds, *seeds]


def test_later_override_of_a_list_item_counts():
    overrides = ["model.layers.0.units=4,8", "model.layers[0].units=2", "seed=1,2"]
    plan = make_plan(BASE, overrides)
    assert plan.total == 2
    assert plan.document.root.nearest(("model", "layers", 0, "units"))[0].value == 2


@pytest.mark.parametrize(
    "overrides",
    [
        ["train.epochs=1,2", "train={batch_size: 2}"],
        ["model.layers.0.units=4,8", "model.layers=[16, 1],[32, 1]"],
        ["optimizer.learning_rate=0.1,0.2", "optimizer={name: adam},{name: sgd}"],
        ["optimizer.learning_rate=0.1,0.2", "optimizer={name: adam}"],
    ],
)
def test_later_override_that_replaces_a_varied_key_is_an_error(overrides):
    with pytest.raises(
        ConfigError, match=r"comes later and replaces all of (train|model\.layers|optimizer)"
    ) as error:
        make_plan(BASE, overrides)
    [problem] = error.value.problems
    assert problem.hint.endswith("=... first, or leave one out")
    make_plan(BASE, overrides[::-1])


def test_later_name_of_a_component_keeps_varied_options():
    plan = make_plan(BASE, ["optimizer.learning_rate=0.1,0.2", "optimizer=adam"])
    assert plan.total == 2
    assert plan.reading.experiment.optimizer.name == "adam"


def test_sweep_section_can_be_overridden():
    assert len(values({"grid": {"loss": ["mse"]}}, "sweep.repeat=4")) == 4
    assert len(values(None, "sweep.grid={seed: [1, 2]}")) == 2


# -- errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sweep", "key", "message"),
    [
        ({"gird": {"seed": [1]}}, "sweep.gird", "unknown key 'gird'"),
        ({"train.epochs": [1, 2]}, "sweep.train.epochs", "unknown key 'train.epochs'"),
        ({"grid": {"seed": 1}}, "sweep.grid.seed", "expected a list of values, got 1"),
        ({"grid": {"seed": []}}, "sweep.grid.seed", "expected a list of values, got an empty list"),
        ({"grid": []}, "sweep", "expected at least one key to vary"),
        ({"grid": [1]}, "sweep.grid[0]", "expected a mapping of keys such as optimizer.learning_rate"),
        ({"grid": {"sweep.seed": [1]}}, "sweep.grid.sweep.seed", "a sweep cannot vary itself"),
        ({"grid": {"train..epochs": [1]}}, "sweep.grid.train..epochs", "invalid key 'train..epochs'"),
        (
            {"zip": {"seed": [1, 2], "loss": ["mse"]}},
            "sweep.zip.loss",
            "expected 2 values as for 'seed', got 1",
        ),
        ({"random": {"seed": [1, 2]}}, "sweep.random.seed", "expected {uniform: [low, high]}"),
        (
            {"random": {"seed": {"integer": [1, 2]}}},
            "sweep.random.seed.integer",
            "expected uniform, log_uniform",
        ),
        ({"random": {"seed": {"integers": [1.5, 2]}}}, "sweep.random.seed.integers", "two whole numbers"),
        (
            {"random": {"seed": {"uniform": [2, 1]}}},
            "sweep.random.seed.uniform",
            "expected low <= high, got [2, 1]",
        ),
        (
            {"random": {"seed": {"log_uniform": [0, 1]}}},
            "sweep.random.seed.log_uniform",
            "expected numbers greater than 0",
        ),
        ({"random": {"seed": {"choice": []}}}, "sweep.random.seed.choice", "expected a list"),
        ({"list": {"seed": 1}}, "sweep.list", "expected a list of mappings"),
        ({"grid": {"seed": [1]}, "samples": 0}, "sweep.samples", "at least 1"),
        ({"grid": {"seed": [1]}, "mode": "best"}, "sweep.mode", "expected auto, min or max"),
        ({"grid": {"seed": [1]}, "objective": "acuracy"}, "sweep.objective", "expected loss, got 'acuracy'"),
        ({"grid": {"seed": [1]}, "when": {"loss": {"seed": 1}}}, "sweep.when.loss", "'loss' is not varied"),
        ({"grid": {"seed": [1]}, "when": {"seed": {"seed": 1}}}, "sweep.when.seed.seed", "own condition"),
        ({"grid": {"seed": [1]}, "when": {"seed": 1}}, "sweep.when.seed", "expected a mapping"),
        (None, "sweep", "expected at least one key to vary"),
    ],
)
def test_error_names_its_key(sweep, key, message):
    [problem] = problems(sweep)
    assert problem.key == key
    assert message in problem.message


def test_error_of_a_misspelled_key_names_its_line(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "data: {source: inline, x: [[0]], y: [[1]]}\nmodel: {layers: [1]}\n"
        "sweep:\n  grid:\n    optimizer.learning_rat: [0.1, 0.2]\n"
    )
    with pytest.raises(ConfigError) as raised:
        make_plan(path)
    [problem] = raised.value.problems
    assert problem.where == f"{path}:5:5"
    assert "did you mean 'learning_rate'?" in problem.hint


def test_one_valid_configuration_is_enough():
    swept = plan({"grid": {"optimizer.learning_rate": [-1, 0.1]}})
    assert len(swept.tasks()) == 2
    [problem] = problems({"grid": {"optimizer.learning_rate": [-1, -2]}})
    assert "got -1" in problem.message


def test_base_may_lack_keys_that_every_configuration_sets():
    base = {key: value for key, value in BASE.items() if key != "model"}
    assert len(plan({"grid": {"model.layers": [[1], [2, 1]]}}, base=base).tasks()) == 2
    with pytest.raises(ConfigError, match="missing key 'model'"):
        plan({"grid": {"seed": [1]}}, base=base)


# -- objective -------------------------------------------------------------------------------------


def test_objective_and_direction():
    grid = {"grid": {"seed": [1]}}
    assert (plan(grid).objective, plan(grid).greater_is_better) == ("loss", False)
    chosen = plan({**grid, "objective": "r2"}, "metrics=[r2]")
    assert (chosen.objective, chosen.greater_is_better) == ("r2", True)
    assert not plan({**grid, "objective": "r2", "mode": "min"}, "metrics=[r2]").greater_is_better
    validated = plan(grid, "data.validation={x: [[2]], y: [[5]]}")
    assert validated.objective == "validation_loss"
    test = plan({**grid, "objective": "test_r2"}, "metrics=[r2]", "data.test={x: [[2]], y: [[5]]}")
    assert test.greater_is_better


MANY = list(range(1, 101))


@pytest.mark.parametrize(
    ("sweep", "overrides", "count"),
    [
        (
            {"grid": dict.fromkeys(("seed", "train.epochs", "train.batch_size", "stop.patience"), MANY)},
            [],
            100**4,
        ),
        ({"repeat": 2**62}, [], 2**62),
        ({"random": {"seed": {"integers": [0, 9]}}, "samples": 10**15, "repeat": 3}, [], 3 * 10**15),
        ({"grid": {"seed": MANY}, "repeat": 10_001}, [], 1_000_100),
        ({"zip": {"seed": MANY}, "list": [{"seed": 1}], "repeat": 10**6}, [], 101 * 10**6),
        (None, [f"{key}={','.join(map(str, MANY))}" for key in ("a", "b", "c", "d")], 100**4),
    ],
    ids=["grid", "repeat", "samples", "product", "zip", "axes"],
)
def test_too_many_runs_are_refused_before_they_fill_the_memory(sweep, overrides, count):
    [problem] = problems(sweep, *overrides)
    assert problem.key == "sweep"
    assert problem.message == f"expected at most 1000000 runs, got {count}"


def test_hint_of_many_folds_is_short():
    base = {**BASE, "data": {"source": "synthetic", "kind": "moons", "split": {"folds": 2**62}}}
    with pytest.raises(ConfigError, match=r"data\.split\.fold: \[1, 2, \.\.\., 4611686018427387904\]"):
        plan({"grid": {"seed": [1, 2]}}, base=base)
