"""`cygd list` and `cygd compare`."""

import itertools
import json

import pytest

import cygd
from cygd.cli.commands import compare
from cygd.cli.main import main

EXPERIMENT = {
    "name": "mine",
    "data": {"source": "synthetic", "kind": "moons", "samples": 40, "split": {"validation": 0.2}},
    "model": {"layers": [2, {"units": 1, "activation": "sigmoid"}]},
    "train": {"epochs": 4},
    "metrics": ["accuracy"],
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(capsys):
    def run(*arguments):
        code = main([*map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def run(*overrides, **keys):
    return cygd.run({**EXPERIMENT, **keys}, overrides).directory


def test_newest_run_is_listed_first(call):
    first, second = run(), run(name="other")
    first.rename(first.with_name("20200102-030405-abcd"))
    code, out, err = call("list")
    assert (code, err) == (0, "")
    head, newer, older = out.splitlines()
    assert head.split() == ["RUN", "BEGAN", "STATUS", "EPOCHS", "TIME", "METRICS"]
    assert newer.startswith(f"other/{second.name}")
    assert older.split()[:5] == ["mine/20200102-030405-abcd", "2020-01-02", "03:04:05", "completed", "4"]
    assert "validation_loss " in older
    assert "validation_accuracy 0." in older


def test_list_by_name_and_folder_as_json(call, here):
    folder = run()
    run(name="other")
    elsewhere = cygd.run(EXPERIMENT, out=here / "out" / "one").directory
    assert len(json.loads(call("list", "--json")[1])) == 2
    [row] = json.loads(call("list", "mine", "--json")[1])
    result = json.loads((folder / "result.json").read_text())
    assert row["run"] == f"mine/{folder.name}"
    assert {key: row[key] for key in ("status", "epochs", "best_epoch", "seconds", "metrics")} == result
    assert [row["run"] for row in json.loads(call("list", "out", "--json")[1])] == ["out/one"]
    assert [row["run"] for row in json.loads(call("list", elsewhere, "--json")[1])] == [str(elsewhere)]


def test_list_unfinished_damaged_and_diverged_runs(call):
    folder = run()
    (folder / "result.json").unlink()
    assert "unfinished" in call("list")[1]
    (folder / "result.json").write_text("{")
    assert "damaged" in call("list")[1]
    (folder / "result.json").write_text('{"status": "diverged", "metrics": {"loss": null}, "epochs": 3}')
    assert "diverged    3" not in call("list")[1]
    assert "loss not finite" in call("list")[1]


def test_list_without_runs(call):
    assert call("list") == (0, "", "no runs found\nhint: `cygd run FILE` writes one under runs/\n")
    code, _, err = call("list", "none")
    assert code == 2
    assert "no run and no folder named 'none'" in err


def test_cross_validation_is_one_row_or_one_per_fold(call):
    folder = run(data={**EXPERIMENT["data"], "split": {"folds": 3}})
    assert len(call("list")[1].splitlines()) == 2
    rows = call("list", folder)[1].splitlines()
    assert [row.split()[0].rpartition("/")[2] for row in rows[1:]] != []
    assert len(rows) == 4


def test_sweep_is_one_row_or_one_per_run(call, here):
    folder = here / "runs" / "mine" / "20260101-000000-abcd"
    for name in ("runs/1", "runs/2", "best"):
        cygd.run(EXPERIMENT, out=folder / name)
    (folder / "sweep.json").write_text("{}")
    [row] = json.loads(call("list", "--json")[1])
    assert (row["run"], row["status"]) == ("mine/20260101-000000-abcd", "sweep")
    assert "validation_loss" in row["metrics"]
    assert len(json.loads(call("list", folder, "--json")[1])) == 2
    code, _, err = call("compare", folder, folder)
    assert code == 2
    assert "error: expected a run, got the sweep " in err
    assert "hint: name one of its runs, such as " in err
    assert f"{folder / 'best'}" in err


def test_compare_identical_runs(call):
    first, second = run(), run()
    code, out, err = call("compare", first, second)
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [f"A  {first}", f"B  {second}"]
    assert "configuration: identical\n" in out
    assert "environment: identical\n" in out
    assert "result: identical\n" in out
    assert out.endswith(
        "weights: identical in epochs 0 to 4, all that both runs have; the kept weights are identical\n"
    )


def test_compare_different_runs(call):
    first = run()
    other = run("seed=3", "model.layers.0.units=2", "optimizer.learning_rate=0.2", "train.epochs=6")
    out = call("compare", first, other)[1]
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in ("CONFIGURATION A B", "seed 0 3", "optimizer.learning_rate 0.1 0.2", "train.epochs 4 6"):
        assert line in lines
    assert "epochs 4 6" in lines
    assert any(line.startswith("metrics.validation_loss ") for line in lines)
    assert "weights: differ from epoch 0 on" in lines[-1]


def test_compare_finds_the_first_epoch_that_differs(call):
    schedule = {"name": "step", "every": 2, "factor": 0.5}
    first, other = run(schedule=schedule), run(schedule={**schedule, "factor": 0.25})
    out = call("compare", first, other)[1]
    assert "weights: identical up to epoch 2, differ in epoch 3; the kept weights are " in out


def test_compare_without_hashes_and_with_other_data(call, here):
    (here / "t.csv").write_text("a,y\n1,2\n3,4\n")
    data = {"source": "csv", "path": "t.csv", "targets": ["y"]}
    keys = {"data": data, "model": {"layers": [1]}, "metrics": []}
    first = run(**keys)
    (here / "t.csv").write_text("a,y\n1,2\n3,5\n")
    second = run(**keys)
    out = call("compare", first, second)[1]
    assert f"sha256.data.{here / 't.csv'}" in out
    (second / "hashes.csv").unlink()
    out = call("compare", first, second)[1]
    assert (
        f"weights: cannot compare epochs without hashes.csv in {second}; the kept weights are different"
        in out
    )
    (second / "weights.npz").unlink()
    assert f"{second / 'weights.npz'} is missing" in call("compare", first, second)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine"], "expected at least two runs, got 1"),
        (["mine", "mine"], "two arguments are the run"),
        (["mine", "none"], "unknown run 'none'\nhint: runs/ contains mine"),
    ],
)
def test_invalid_arguments(call, arguments, message):
    run()
    code, out, err = call("compare", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_compare_with_damaged_environment(call):
    first, second = run(), run()
    (first / "environment.json").write_text("{")
    code, out, err = call("compare", first, second)
    assert code == 2
    assert "environment.json is damaged" in err
    assert "environment: cannot be compared" in out
    assert "weights: identical" in out


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "result.json",
            '{"status": ["a"], "metrics": {}, "epochs": 1}',
            "status: expected a text, got ['a']",
        ),
        ("result.json", '{"status": "completed", "metrics": [], "epochs": 1}', "metrics: expected an object"),
        ("result.json", '{"status": "completed", "metrics": {"loss": "low"}, "epochs": 1}', "metrics.loss: "),
        ("result.json", '{"status": "completed", "metrics": {}, "epochs": -1}', "epochs: expected a whole"),
        ("result.json", "[" * 100_000, "it is nested too deeply"),
        ("result.json", '{"status": "completed", "metrics": {"a": 1e999}}', "finite number or null, got inf"),
        ("result.json", '{"status": "completed", "metrics": {}, "epochs": 2.0}', "got 2.0"),
        ("environment.json", "[]", "expected an object, got []"),
        ("config.yaml", "- 1", "config.yaml"),
        ("config.yaml", "a: [", "config.yaml"),
    ],
)
def test_damaged_file_is_named_and_the_others_are_read(call, name, content, reason):
    first, second = run(), run()
    (first / name).write_text(content)
    code, out, err = call("compare", first, second)
    assert code in (0, 2)
    assert name in err
    assert reason in err
    assert "weights: identical" in out
    code, out, err = call("list")
    assert code == 0
    assert len(out.splitlines()) == 3
    assert out.count("damaged") == (name == "result.json")
    assert (reason in err) == (name == "result.json")


def test_several_runs_have_a_column_each(call):
    runs = [
        run(),
        run("seed=3"),
        run("optimizer.learning_rate=0.2", "train.epochs=6"),
        run("optimizer=adam"),
    ]
    code, out, err = call("compare", *runs)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:5] == [*(f"{letter}  {folder}" for letter, folder in zip("ABCD", runs, strict=True)), ""]
    rows = [" ".join(line.split()) for line in lines]
    for row in (
        "CONFIGURATION A B C D",
        "seed 0 3 0 0",
        "train.epochs 4 4 6 4",
        "optimizer.learning_rate 0.1 0.1 0.2 0.001",
        "optimizer.nesterov false false false -",
        "optimizer.beta1 - - - 0.9",
        "environment: identical",
        "RESULT A B C D",
        "epochs 4 4 6 4",
    ):
        assert row in rows
    result = [json.loads((folder / "result.json").read_text())["metrics"]["loss"] for folder in runs]
    assert "metrics.loss " + " ".join(f"{value:.6g}" for value in result) in rows
    assert [row.partition(": ")[0] for row in rows[-3:]] == [f"weights of A and {letter}" for letter in "BCD"]
    assert not any(line.startswith("metrics.loss ") and "..." in line for line in lines)


def test_numbers_keep_the_digits_that_tell_them_apart(call):
    runs = [run(), run(), run()]
    for folder, loss in zip(runs, (0.1, 0.1 + 1e-12, 2 / 3), strict=True):
        result = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps(result | {"metrics": {"loss": loss}}))
    rows = [" ".join(line.split()) for line in call("compare", *runs)[1].splitlines()]
    assert f"metrics.loss 0.1 {0.1 + 1e-12} {2 / 3}" in rows


def test_run_that_cannot_be_read_is_left_out_of_the_table(call):
    runs = [run(), run("seed=1"), run("seed=2")]
    (runs[1] / "config.yaml").write_text("a: [")
    code, out, err = call("compare", *runs)
    assert code == 2
    assert "config.yaml" in err
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "configuration of B: cannot be read" in rows
    assert rows[rows.index("CONFIGURATION A C") + 1] == "seed 0 2"
    assert "RESULT A B C" in rows
    (runs[2] / "config.yaml").write_text("a: [")
    assert "configuration: cannot be compared\n" in call("compare", *runs)[1]


def test_wide_table_is_split_on_a_terminal(call, monkeypatch):
    runs = [run(f"seed={seed}") for seed in range(30)]
    out = call("compare", *runs)[1]
    head = next(line for line in out.splitlines() if line.startswith("CONFIGURATION"))
    assert head.split()[1:5] == ["A", "B", "C", "D"]
    assert head.split()[-3:] == ["AB", "AC", "AD"]
    monkeypatch.setattr(compare, "table_room", lambda: 60)
    narrow = call("compare", *runs)[1]
    tables = narrow.partition("\n\n")[2].partition("\nweights of")[0]
    assert max(map(len, tables.splitlines())) <= 60
    heads = [line.split() for line in tables.splitlines() if line.startswith("RESULT")]
    assert {head[1] for head in heads} == {"A"}
    assert [name for head in heads for name in head[2:]] == list(itertools.islice(compare._letters(), 1, 30))


def test_values_are_cut_on_a_narrow_terminal(call, monkeypatch):
    first, second = run(name="n" * 50), run(name="m" * 50)
    monkeypatch.setattr(compare, "table_room", lambda: 40)
    lines = call("compare", first, second)[1].splitlines()
    assert "name           nnnnnn...nnn  mmmmmm...mmm" in lines


@pytest.mark.parametrize("count", [0, 1])
def test_compare_needs_two_runs(call, count):
    run()
    code, _, err = call("compare", *["mine"] * count)
    assert code == 2
    assert err == f"error: expected at least two runs, got {count}\nhint: cygd compare RUN RUN [RUN ...]\n"
