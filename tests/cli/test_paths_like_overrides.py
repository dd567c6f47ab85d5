"""Paths and runs whose names look like overrides, KEY=VALUE: what exists is a path."""

import pytest

XOR = """\
name: xor
data: {source: inline, x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}
model: {layers: [3, {units: 1, activation: sigmoid}]}
optimizer: {name: sgd, learning_rate: 0.5}
train: {epochs: 4, batch_size: 2}
log: [console]
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xor.yaml").write_text(XOR)
    return tmp_path


def test_existing_file_named_like_an_override_is_a_file(command, here):
    (here / "a=b.yaml").write_text(XOR)
    assert command("check", "a=b.yaml")[:2] == (0, "a=b.yaml: ok\n")


def test_existing_folder_and_pattern_named_like_overrides_are_paths(command, here):
    (here / "lr=0.1").mkdir()
    (here / "lr=0.1" / "a.yaml").write_text(XOR)
    assert command("check", "lr=0.1")[:2] == (0, "lr=0.1/a.yaml: ok\n")
    for pattern in ("lr=*", "lr=0.[12]", "lr=0.?"):
        code, out, err = command("check", pattern)
        assert (code, out) == (2, ""), err
        assert err.startswith(f"error: {pattern}: no such file")  # not an unknown key `lr`


@pytest.mark.parametrize("command_name", ["run", "check", "sweep", "trace", "data"])
def test_path_named_like_an_override_of_a_known_key_is_ambiguous(command, here, command_name):
    (here / "seed=1").mkdir()
    assert command(command_name, "xor.yaml", "seed=1") == (
        2,
        "",
        "error: expected a path or an override, got 'seed=1', which is both\n"
        "hint: write './seed=1' for a path, or 'seed= 1' for the override\n",
    )
    assert command("run", "xor.yaml", "seed= 1", "--quiet", "--out", "mine")[0] == 0
    assert "seed: 1" in (here / "mine" / "config.yaml").read_text()


def test_runs_named_like_overrides(command, here):
    for name in ("lr=0.1", "lr=0.2", "seed=1", "header=a"):
        code, _, err = command("run", "xor.yaml", f"name='{name}'", "--quiet", f"seed={len(name)}")
        assert code == 0, err
    (here / "new.csv").write_text("x0,x1\n0,1\n")
    for command_line in (
        ["list", "lr=0.1"],
        ["compare", "lr=0.1", "lr=0.2"],
        ["bowl", "lr=0.1", "-w", "b0[0]", "--csv"],
        ["predict", "lr=0.1", "new.csv"],
        ["predict", "seed=1", "new.csv"],
        ["predict", "lr=0.1", "new.csv", "header=true"],
    ):
        code, _, err = command(*command_line)
        assert code == 0, err
    code, _, err = command("predict", "header=a", "new.csv")
    assert code == 2
    assert err.splitlines() == [
        "error: expected a path or an override, got 'header=a', which is both",
        "hint: write 'runs/header=a' for a run, or 'header= a' for the override",
    ]
    assert command("predict", "runs/header=a", "new.csv")[0] == 0


def test_option_of_a_component_is_never_a_path(command, here):
    (here / "slope=0.3").write_text("")
    code, out, _ = command("plugins", "leaky_relu", "slope=0.3")
    assert code == 0
    assert "slope = 0.3" in out


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["predict", "mine", "k=w.csv"], "a data file after the run"),
        (["predict", "k=w.csv", "new.csv"], "a data file after the run"),
        (["predict", "k=w.csv"], "a run and a data file"),
        (["check", "k=w.csv"], "an experiment file"),
        (["run", "train.epochs=3", "k=w.csv"], "an experiment file"),
        (["trace", "k=w.csv"], "an experiment file"),
        (["data", "k=w.csv"], "an experiment file"),
        (["sweep", "k=w.csv"], "an experiment file"),
        (["bowl", "k=w.csv", "-w", "b0[0]"], "one experiment or run"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_file_that_does_not_exist_is_named(command, arguments, missing):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(
        f"error: expected {missing}, but 'k=w.csv' does not exist\nhint: cygd {arguments[0]}"
    )


def test_override_is_not_taken_for_a_missing_file(command):
    assert command("check", "train.epochs=3")[2].startswith("error: expected an experiment file\n")
    assert command("predict", "mine", "delimiter=;")[2].startswith(
        "error: expected a data file after the run\n"
    )
