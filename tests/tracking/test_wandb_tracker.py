"""The logger wandb, whose offline runs are read back record by record."""

import json
import math
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import cygd
from cygd.network.epoch_rows import EpochRows
from cygd.tracking.loggers.wandb import WandbLogger
from tests.helpers.tracker_cases import (
    expected_rows,
    experiment,
    offline_history,
    offline_records,
    record,
    run_to_end,
    skip_without,
    start,
    wait_for,
)

skip_without("wandb")
OWN = {"_timestamp", "_runtime", "_step"}  # what wandb adds


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    return tmp_path


def history(folder):
    """Return the steps with their values, in the order in which they were logged."""
    return [
        (step, {name: value for name, value in values.items() if name not in OWN})
        for step, values in offline_history(folder)
    ]


def of_type(folder, kind):
    return [getattr(each, kind) for each in offline_records(folder) if each.WhichOneof("record_type") == kind]


def summary(folder):
    values = {}
    for each in of_type(folder, "summary"):
        for item in each.update:
            values[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    return values


def test_offline_run_has_the_numbers_of_metrics_csv(here, capfd):
    result = cygd.run(experiment("wandb"), out=here / "out")
    assert history(here / "out") == list(expected_rows(here / "out").items())
    final = summary(here / "out")
    assert {name: final[name] for name in result.metrics} == result.metrics
    assert (final["status"], final["epochs"]) == ("completed", 20)
    [run] = of_type(here / "out", "run")
    assert (run.project, run.display_name, run.run_group) == ("moons", "moons/out", "")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["train.epochs"] == 20
    assert config["model.layers.0.units"] == 4
    assert [each.exit_code for each in of_type(here / "out", "exit")] == [0]
    saved = {file.path for each in of_type(here / "out", "files") for file in each.files}
    assert {"config.yaml", "result.json", "preprocessing.json", "weights.npz"} <= saved
    assert record(here / "out", "wandb")["rows"] == 21
    assert capfd.readouterr() == ("", "")


def test_options_name_project_folder_and_rows(here):
    log = {"name": "wandb", "project": "other", "directory": "files", "rows": 5, "model": False}
    cygd.run(experiment(log), out=here / "out")
    assert [step for step, _ in history(here / "files")] == [0, 4, 8, 12, 16, 20]
    assert of_type(here / "files", "run")[0].project == "other"
    saved = {file.path for each in of_type(here / "files", "files") for file in each.files}
    assert "weights.npz" not in saved
    assert not (here / "out" / "wandb").exists()


def test_resumed_run_continues_the_same_run(here):
    cygd.run(experiment("wandb", epochs=10, checkpoint={"every": 4}), out=here / "out")
    cygd.resume(here / "out", ["train.epochs=15"])
    rows, csv = history(here / "out"), expected_rows(here / "out")
    assert [step for step, _ in rows] == list(csv)
    assert [values["loss"] for _, values in rows] == [values["loss"] for values in csv.values()]
    assert len({each.run_id for each in of_type(here / "out", "run")}) == 1


def test_killed_run_resumes_without_doubled_rows(here):
    long = experiment("wandb", epochs=100_000, checkpoint={"every": 100})
    long["data"]["samples"] = 1000
    (here / "a.yaml").write_text(yaml.safe_dump(long))
    process = start(here, "a.yaml", "--out", "out")
    wait_for(lambda: (here / "out" / "trackers.json").exists())
    wait_for(lambda: record(here / "out", "wandb").get("last", 0) > 1000)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    killed_at = record(here / "out", "wandb")["last"]
    process = start(here, "--resume", "out")
    wait_for(lambda: record(here / "out", "wandb")["last"] > killed_at)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=100)
    steps = [step for step, _ in history(here / "out")]
    assert steps == sorted(set(steps))
    csv = expected_rows(here / "out")
    # wandb writes blocks of 32 KiB; a kill loses its last one, less than 100 rows
    absent = sorted(set(range(0, steps[-1], 100)) - set(steps))
    assert all(killed_at - 10_000 < step <= killed_at for step in absent)
    assert steps[-1] == max(csv)
    assert all(values["loss"] == csv[step]["loss"] for step, values in history(here / "out"))
    assert len({each.run_id for each in of_type(here / "out", "run")}) == 1


def test_sweep_of_two_processes_is_one_group(here):
    content = experiment("wandb", epochs=3, sweep={"grid": {"seed": [0, 1, 2]}})
    (here / "sweep.yaml").write_text(yaml.safe_dump(content))
    run_to_end(here, "sweep.yaml", "--out", "all", "--workers", "2", code="-m cygd sweep")
    runs = {}
    for number in range(3):
        [run] = of_type(here / "all" / f"000{number}", "run")
        runs[run.run_id] = (run.run_group, run.display_name)
        assert len(history(here / "all" / f"000{number}")) == 4
    assert sorted(runs.values()) == [("moons/all", f"000{number}") for number in range(3)]


def test_values_that_are_not_finite_and_odd_names(here):
    config = {"train": {"epochs": 3, "evaluate_every": 1}, "data": {"größe [m²]": 3}}
    run = SimpleNamespace(name="xor", directory=here, config=config, seed=0, resumed=None)
    logger = WandbLogger()
    logger.cygd_run_start(run)
    numbers = [math.nan, math.inf, -math.inf, 1e300]
    for epoch, value in enumerate(numbers):
        values = {"f1@0.5": value, "准确率": 3.0, "a.b/c d": 4.0, "loss": 5.0, "seconds": 0.1}
        logger.cygd_epochs_end(run, EpochRows.of_epoch(epoch, values))
    logger.cygd_run_error(run, ValueError())
    rows = history(here)
    assert [step for step, _ in rows] == [0, 1, 2, 3]
    assert [repr(float(values["f1@0.5"])) for _, values in rows] == [repr(number) for number in numbers]
    assert {tuple(sorted(values)) for _, values in rows} == {
        ("a.b/c d", "f1@0.5", "loss", "seconds", "准确率")
    }
    assert [each.exit_code for each in of_type(here, "exit")] == [1]


def test_without_a_key_the_run_completes_and_says_so(here, monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (here / "a.yaml").write_text(yaml.safe_dump(experiment({"name": "wandb", "mode": "online", "wait": 1})))
    printed = run_to_end(here, "a.yaml", "--out", "out")
    assert "no API key is configured: run `wandb login`, or set mode: offline" in printed
    assert json.loads(Path("out/result.json").read_text())["status"] == "completed"
    assert len(expected_rows(here / "out")) == 21


def test_server_that_is_not_there_does_not_stop_the_run(here, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    (here / "a.yaml").write_text(yaml.safe_dump(experiment({"name": "wandb", "mode": "online", "wait": 1})))
    began = time.monotonic()
    printed = run_to_end(here, "a.yaml", "--out", "out")
    assert time.monotonic() - began < 60
    assert "rows and the end of the run are missing" in printed
    assert record(here / "out", "wandb")["missing"] == 21
    plain = cygd.run(experiment(), out=here / "plain")
    assert json.loads(Path("out/result.json").read_text())["metrics"] == plain.metrics
    assert Path("out/weights.npz").read_bytes() == Path("plain/weights.npz").read_bytes()
