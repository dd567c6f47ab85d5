"""`cygd list --sort` and `--where`, and its table on narrow terminals, in colors and over damaged folders."""

import json
import time
from pathlib import Path

import pytest

from cygd.cli.commands import list_runs
from cygd.cli.run_selection import _closest
from cygd.cli.tables import column_width
from cygd.tracking.terminal import display_width

CONFIG = """\
name: x
seed: {seed}
optimizer: {{name: {optimizer}, learning_rate: 0.1}}
model: {{layers: [{{units: 4}}, 1]}}
"""
RUNS = {  # name -> result, seed, optimizer; the later ones began later
    "a": ({"status": "completed", "metrics": {"test_accuracy": 0.5, "loss": 0.25}, "epochs": 10}, 1, "sgd"),
    "b": ({"status": "stopped", "metrics": {"test_accuracy": 0.75, "loss": 3}, "epochs": 9}, 2, "adam"),
    "c": ({"status": "diverged", "metrics": {"test_accuracy": None, "loss": None}, "epochs": 100}, 3, "sgd"),
    "d": ({"status": "completed", "metrics": {"loss": 1e-7}, "epochs": 10, "best_epoch": 2}, 4, "sgd"),
    "e": (
        {"status": "completed", "metrics": {"test_accuracy": 0.75}, "epochs": 2, "seconds": 1.5},
        5,
        "adam",
    ),
}


def write_run(path, result, seed=0, optimizer="sgd"):
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(CONFIG.format(seed=seed, optimizer=optimizer))
    if result is not None:
        (path / "result.json").write_text(json.dumps(result))
    return path


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, (name, (result, seed, optimizer)) in enumerate(RUNS.items()):
        write_run(Path("runs", name, f"2026010{number + 1}-000000-abcd"), result, seed, optimizer)
    return tmp_path / "runs"


@pytest.fixture
def listed(command):
    """Return a function that calls `cygd list` and returns the names of the listed runs."""

    def call(*arguments):
        code, out, err = command("list", *arguments, "--json")
        assert (code, err) == (0, "")
        return "".join(row["run"][0] for row in json.loads(out))

    return call


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "edcba"),
        (["--sort", "test_accuracy"], "aebdc"),  # c is not finite and d has none: last, the newest first
        (["--sort", "-test_accuracy"], "ebadc"),
        (["--sort=-test_accuracy"], "ebadc"),
        (["--sort", "metrics.loss"], "dabec"),
        (["--sort", "epochs"], "ebdac"),
        (["--sort", "-epochs"], "cdabe"),
        (["--sort", "began"], "abcde"),
        (["--sort", "-run"], "edcba"),
        (["--sort", "time"], "edcba"),
        (["--sort", "best_epoch"], "decba"),
        (["--sort", "status", "--sort", "-seed"], "edacb"),
        (["--sort", "optimizer.name", "--sort", "loss"], "bedac"),
        (["--sort", "-model.layers[0].units"], "edcba"),
        (["--sort", "-epochs", "a", "b"], "ab"),
        (["a", "--sort", "-epochs", "--where", "seed=1"], "a"),
    ],
)
def test_sort(listed, arguments, expected):
    assert listed(*arguments) == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["status=completed"], "eda"),
        (["status=completed", "status=stopped"], "edba"),
        (["status=completed", "optimizer.name=sgd"], "da"),
        (["status=completed", "epochs=10", "seed=4"], "d"),
        (["epochs=1e1"], "da"),
        (["epochs=10.0"], "da"),
        (["test_accuracy=0.75"], "eb"),
        (["test_accuracy=.75"], "eb"),
        (["loss=1e-07"], "d"),  # as the table prints it
        (["loss=null"], "c"),
        (["loss=not finite"], "c"),
        (["loss="], "e"),
        (["best_epoch="], "ecba"),
        (["time=1.5"], "e"),
        (["model.layers.0.units=4"], "edcba"),
        (["run=a/20260101-000000-abcd"], "a"),
        (["began=2026-01-02 00:00:00"], "b"),
        (["name=x", "seed=2"], "b"),
        (["epochs=nan"], ""),
    ],
)
def test_where(command, conditions, expected):
    code, out, err = command("list", "--json", *(part for text in conditions for part in ("--where", text)))
    assert code == 0
    assert "".join(row["run"][0] for row in json.loads(out)) == expected
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--sort", "test_acuracy"],
            "error: unknown key 'test_acuracy': none of the runs (5) has it\n"
            "hint: did you mean 'test_accuracy'?\n",
        ),
        (["--where", "learning_rate=1"], "hint: did you mean 'optimizer.learning_rate'?\n"),
        (["--sort", "-acuracy", "--json"], "error: unknown key 'acuracy'"),
        (
            ["--sort", "zzz"],
            "hint: a column such as status, a metric such as test_accuracy, or a key of",
        ),
        (["--sort", ""], "error: unknown key ''"),
        (["--sort", "-\x1b[2J"], "error: unknown key '\\x1b[2J'"),
        (["--where", "epochs"], "error: expected KEY=VALUE after --where, got 'epochs'"),
        (["--where", "=1"], "error: expected KEY=VALUE after --where, got '=1'"),
        (["--where", "epochs>=5"], "error: --where compares by = only, got 'epochs>=5'"),
        (["--where", "status!=failed"], "error: --where compares by = only"),
        (["--sort"], "error: argument --sort: expected one argument"),
        (["--sort", "--json"], "error: argument --sort: expected one argument"),
        (["--sort", "-p"], "error: argument --sort: expected one argument"),
    ],
)
def test_invalid_options(command, arguments, message):
    code, out, err = command("list", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "\x1b" not in err


def test_unknown_key_is_compared_with_those_of_all_runs(command):
    write_run(Path("runs", "f", "20260106-000000-abcd"), {"status": "completed", "metrics": {"odd": 1}})
    assert "hint: did you mean 'odd'?" in command("list", "--sort", "od")[2]
    assert _closest("ACC", ["accuracy", "test_accuracy", "loss", "validation_accuracy", "top_accuracy"]) == [
        "accuracy",
        "top_accuracy",
        "test_accuracy",
    ]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (["status=complete"], "has status=complete\nhint: status is completed or diverged or stopped\n"),
        (["status=failed", "seed=1"], "has status=failed and seed=1\nhint: status is "),
        (["seed=1", "status=stopped"], "hint: each of them fits some runs, but not the same\n"),
        (["test_accuracy=1"], "hint: test_accuracy is 0.5 or 0.75 or no value or not finite\n"),
    ],
)
def test_nothing_selected(command, conditions, message):
    code, out, err = command("list", *(part for text in conditions for part in ("--where", text)))
    assert (code, out) == (0, "")
    assert err.startswith("none of the runs (5) has ")
    assert message in err


def test_many_values_are_counted(command):
    for number in range(20):
        write_run(Path("runs", "many", f"20260106-0000{number:02d}-abcd"), {"status": "failed"}, number + 10)
    assert command("list", "--where", "seed=7777")[2].endswith(" or 16 and 17 more\n")


def test_options_without_any_run(command, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert command("list", "--sort", "x", "--where", "y=1") == (
        0,
        "",
        "no runs found\nhint: `cygd run FILE` writes one under runs/\n",
    )


def test_keys_get_a_column(command):
    out = command("list", "--sort", "-test_accuracy", "--where", "optimizer.name=sgd")[1]
    head, first, *_ = out.splitlines()
    assert head.split()[5:] == ["TEST_ACCURACY", "OPTIMIZER.NAME", "METRICS"]
    assert first.split()[5:] == ["0.5", "sgd", "loss", "0.25"]
    out = command("list", "--sort", "loss", "--where", "status=completed", "--sort", "time")[1]
    assert out.splitlines()[0].split() == ["RUN", "BEGAN", "STATUS", "EPOCHS", "TIME", "LOSS"]
    assert out.splitlines()[1].endswith("1e-07")


def test_runs_without_a_configuration_are_listed(command, runs):
    for name, content in (("f", "a: ["), ("g", "- 1"), ("h", "\0")):
        path = write_run(runs / name / "20260107-000000-abcd", {"status": "completed", "metrics": {}})
        (path / "config.yaml").write_text(content)
    code, out, err = command("list", "--sort", "-seed", "--json")
    assert (code, err) == (0, "")
    assert [row["run"][0] for row in json.loads(out)][:5] == list("edcba")
    assert len(json.loads(out)) == 8


def test_folders_that_cannot_be_read_are_named(command, runs, monkeypatch):
    iterdir = Path.iterdir
    is_file = Path.is_file

    def iterdir_or_fail(path):
        if path.name == "b":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    def is_file_or_fail(path):
        if "20260103" in str(path):
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "iterdir", iterdir_or_fail)
    monkeypatch.setattr(Path, "is_file", is_file_or_fail)
    code, out, err = command("list", "--json")
    assert code == 0
    assert [row["run"][0] for row in json.loads(out)] == list("eda")
    assert err.splitlines() == [
        "warning: cannot read the folder runs/b: Permission denied",
        "warning: cannot read the folder runs/c/20260103-000000-abcd: Permission denied",
    ]


@pytest.mark.parametrize(
    "name", ["99999999-999999-abcd", "20260230-000000-abcd", "\u0662\u0660\u0662\u06660101-000000-abcd"]
)
def test_name_that_is_no_time(command, runs, name):
    write_run(runs / "f" / name, {"status": "completed"})
    [row] = json.loads(command("list", "f", "--json")[1])
    assert row["began"] == time.strftime(
        "%Y-%m-%d %H:%M:%S", time.localtime((runs / "f" / name).stat().st_mtime)
    )


ODD = ["شبكة عصبية", "神经网络", "👩\u200d🔬 run", "evil\x1b[31m\u202e\n", "ไทยที่", "long" * 30]


@pytest.mark.parametrize("room", [45, 60, 80, 140, 250])
@pytest.mark.parametrize("arguments", [[], ["--sort", "-test_accuracy"], ["--where", "seed=0"]])
def test_table_fits_the_terminal(command, runs, monkeypatch, room, arguments):
    metrics = {"validation_loss": 0.123456, "validation_accuracy": 0.5, "test_accuracy": 0.25}
    for number, name in enumerate(ODD):
        result = {"status": "interrupted", "metrics": metrics, "epochs": 100, "best_epoch": 7, "seconds": 99}
        write_run(runs / name / f"20260107-00000{number}-abcd", result)
    monkeypatch.setattr(list_runs, "table_room", lambda: room)
    code, out, err = command("list", *arguments)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert "\u202e" not in out
    lines = out.splitlines()
    assert len(lines) == 1 + len(ODD) + (0 if arguments[:1] == ["--where"] else len(RUNS))
    assert max(map(display_width, lines)) <= room
    for column in lines[0].split()[1:]:  # every cell begins below its header
        for line in lines[1:]:
            assert _cut(line + " " * room, lines[0].index(column)).endswith("  ")
    assert "STATUS" in lines[0]
    assert ("TEST_ACCURACY" in lines[0]) == (arguments[:1] == ["--sort"])
    assert ("BEGAN" in lines[0]) == (room == 250)
    if room >= 140:
        assert "validation_loss 0.1235" in out


def _cut(line, columns):
    return next(line[:end] for end in range(len(line) + 1) if display_width(line[:end]) >= columns)


def test_pipe_gets_everything(command, runs):
    write_run(runs / ("n" * 100) / "20260107-000000-abcd", {"status": "completed", "epochs": 3})
    head, first, *_ = command("list")[1].splitlines()
    assert head.split() == ["RUN", "BEGAN", "STATUS", "EPOCHS", "TIME", "METRICS"]
    assert first.startswith("n" * 100 + "/20260107-000000-abcd  2026-01-07 00:00:00  completed")


def test_columns_count_what_is_shown():
    assert column_width("name", [{"name": "漢字漢字"}, {"name": "\x1b"}]) == 8
    assert column_width("name", [{"name": "\x1b"}, {"name": ""}]) == 4


def test_five_hundred_runs_are_quick(command, runs):
    for number in range(500):
        result = {"status": "completed", "metrics": {"test_accuracy": number * 7 % 500}, "epochs": 1}
        write_run(runs / "many" / f"20260107-{number // 60:02d}{number % 60:02d}00-abcd", result, number)
    began = time.perf_counter()
    code, out, err = command("list", "many", "--sort", "-test_accuracy", "--where", "status=completed")
    assert time.perf_counter() - began < 5
    assert (code, err) == (0, "")
    values = [int(line.split()[-1]) for line in out.splitlines()[1:]]
    assert values == list(range(499, -1, -1))
