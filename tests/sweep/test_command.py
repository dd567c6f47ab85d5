"""`cygd sweep` on the command line."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cygd.cli.main import main

GRID = "sweep: {grid: {seed: [0, 1], train.epochs: [1, 2]}}\n"


def test_sweep_prints_its_folder_and_the_best_run(experiment, cygd_sweep):
    code, out, err = cygd_sweep(experiment(GRID), "--workers", 2)
    assert code == 0
    directory = Path(out.strip())
    assert out == f"{directory}\n"
    assert (directory / "summary.csv").is_file()
    assert "run 4/4" in err
    assert f"4 runs, 0 failed, in {directory}" in err
    assert "best loss 0." in err
    assert cygd_sweep(experiment(GRID), "--quiet")[2] == ""


def test_dry_run_prints_the_configurations(experiment, capsys):
    assert main(["sweep", str(experiment(GRID)), "--dry-run", "sweep.repeat=3"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        *("configuration,seed,train.epochs", "0,0,1", "1,0,2", "2,1,1", "3,1,2")
    ]
    assert not Path("runs").exists()


DOTS = """\
name: dots
data: {source: synthetic, kind: circles, samples: 30, split: {folds: 3}}
model: {layers: [2, {units: 1, activation: sigmoid}]}
train: {epochs: 2}
"""


def test_folds_can_be_varied(experiment, cygd_sweep):
    path = experiment("sweep: {grid: {seed: [0, 1]}}\n", text=DOTS)
    code, out, err = cygd_sweep(path)
    assert (code, out) == (2, "")
    assert "data.split.folds: expected one run per configuration, got one for each of 3 folds" in err
    assert "hint: vary the fold: grid: {data.split.fold: [1, 2, 3]}" in err
    path = experiment("sweep: {grid: {data.split.fold: [1, 2, 3]}}\n", text=DOTS)
    code, out, _ = cygd_sweep(path)
    assert code == 0
    assert len(Path(out.strip(), "summary.csv").read_text().splitlines()) == 4


def test_a_key_may_have_a_thousand_values(experiment, capsys):
    seeds = ",".join(map(str, range(1000)))
    assert main(["sweep", str(experiment()), f"seed={seeds}", "--dry-run"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1001


def test_resume_finds_the_newest_sweep_of_a_file(experiment, capsys):
    def sweep(*arguments):
        code = main(["sweep", *map(str, arguments), "--workers", "1", "--quiet"])
        return code, capsys.readouterr().out

    path = experiment(GRID)
    _, first = sweep(path)
    time.sleep(1.1)  # the names of folders have a resolution of one second
    _, second = sweep(path)
    folder = Path(second.strip())
    (folder / "runs.jsonl").write_text("")
    assert sweep(path, "--resume") == (0, second)
    assert len((folder / "runs.jsonl").read_text().splitlines()) == 4
    assert sweep("--resume", path) == (0, second)
    assert sweep("--resume", first.strip()) == (0, first)
    assert sweep(path, "--out", folder, "--resume") == (0, second)
    assert sweep("--out", folder, "--resume") == (0, second)


def test_override_after_a_bare_resume_is_an_override(experiment, cygd_sweep):
    path = experiment()
    code, folder, _ = cygd_sweep(path, "seed=0,1")
    assert code == 0
    assert cygd_sweep(path, "--resume", "seed=0,1")[:2] == (0, folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected an experiment file"),
        (["--dry-run"], "expected an experiment file"),
        (["--resume"], "expected an experiment file"),
        (["a.yaml", "b.yaml"], "expected one experiment file, got 'a.yaml' and 'b.yaml'"),
        (["a.yaml", "--workers", "9" * 30], "expected at most 18 digits, got '999"),
        (["a.yaml", "--workers", "0"], "expected an integer of at least 1, got '0'"),
        (["a.yaml", "--shard", "3/2"], "expected K/N with K from 1 to N, such as 2/4, got '3/2'"),
        (["a.yaml", "--shard", "two"], "expected K/N"),
        (["--resume", "d", "--out", "e"], "--resume d and --out e are different folders"),
        (["--resume", "d", "seed=1"], "--resume DIR cannot be combined with overrides"),
        (["--resume", "d"], "is not a sweep folder"),
        (["xor.yaml"], "expected at least one key to vary"),
        (["xor.yaml", "seed=1,2", "--shard", "1/2"], "a shard requires the folder that all shards share"),
        (["xor.yaml", "seed=1,2", "--resume"], "found no sweep in"),
        (["xor.yaml", "trian.epochs=1,2"], "unknown key 'trian'"),
        (["xor.yaml", "train.epochs=-1,-2"], "at least 0, got -1"),
        (["xor.yaml", "seed=1,2", "train.epochs=-1"], "at least 0, got -1"),
        (["xor.yaml", "seed=1,2", "optimizer={"], "not valid YAML"),
        (["xor.yaml", "optimizer={"], "not valid YAML"),
        (["xor.yaml", "data.path=*.csv"], """for the shell: "data.path='*.csv'"\n"""),
        (["xor.yaml", "data.path=*.csv", "seed=1,2"], """for the shell: "data.path='*.csv'"\n"""),
    ],
)
def test_invalid_arguments_exit_2(arguments, message, experiment, capsys):
    experiment()
    assert main(["sweep", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert not Path("runs").exists()


def test_invalid_experiment_without_a_sweep_reports_both(experiment, capsys):
    experiment()
    assert main(["sweep", "xor.yaml", "train.epochs=-1"]) == 2
    err = capsys.readouterr().err
    assert "error: command line train.epochs: expected a whole number of at least 0, got -1" in err
    assert "sweep: expected at least one key to vary" in err


def test_single_run_warns_that_it_ignores_the_sweep(experiment, capsys):
    path = experiment(GRID)
    assert main(["run", str(path), "--quiet"]) == 0
    assert f"{path}:7:8 sweep: ignored by this single run" in capsys.readouterr().err
    assert main(["check", str(path)]) == 0


def test_sweeps_started_in_the_same_second_have_separate_folders(experiment, start):
    path = experiment(GRID)
    sweeps = [start(path, "--workers", 1) for _ in range(3)]
    folders = [process.communicate(timeout=60)[0].strip() for process in sweeps]
    assert all(process.returncode == 0 for process in sweeps)
    assert len(set(folders)) == 3
    for folder in folders:
        assert len(list(Path(folder).glob("0*/result.json"))) == 4


def test_resume_finds_plugins_of_the_command_line(experiment, cygd_sweep, tmp_path):
    (tmp_path / "cube.py").write_text(
        "from cygd import Activation, hookimpl\n\n"
        "@hookimpl\ndef cygd_activations():\n    return Activation('cube', formula='h ** 3')\n"
    )
    given = (experiment(), "model.activation=tanh,cube", "-p", "cube.py")
    code, out, err = cygd_sweep(*given)
    assert code == 0, err
    folder = Path(out.strip())
    assert (folder / "0001" / "plugins" / "cube.py").is_file()
    (folder / "runs.jsonl").write_text("")
    assert cygd_sweep("--resume", folder)[0] == 0
    (tmp_path / "cube.py").write_text((tmp_path / "cube.py").read_text().replace("** 3", "** 5"))
    code, _, err = cygd_sweep("--resume", folder)
    assert code == 2
    assert "the plugin file" in err
    assert "has changed since the sweep" in err


def test_output_of_plugins_goes_to_stderr(experiment, cygd_sweep, tmp_path):
    (tmp_path / "loud.py").write_text(
        "from cygd import hookimpl\n\n@hookimpl\ndef cygd_run_start(run):\n    print('LOUD')\n"
    )
    code, out, err = cygd_sweep(experiment(GRID), "-p", "loud.py")
    assert code == 0
    assert "LOUD" not in out
    assert err.count("LOUD") == 4


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("nothing can be mounted here")
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "cygd", folder], capture_output=True)
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_stops_a_sweep_that_can_be_resumed(experiment, cygd_sweep, small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_900_000))
    seeds = ",".join(map(str, range(12)))
    out = small_disk / "s"
    code, _, err = cygd_sweep(experiment(), f"seed={seeds}", "train.epochs=200", "--out", out)
    assert code == 1, err
    assert "No space left on device" in err
    assert "Traceback" not in err
    ballast.unlink()
    code, _, err = cygd_sweep("--resume", out)
    assert code == 0, err
    assert len((out / "summary.csv").read_text().splitlines()) == 13
