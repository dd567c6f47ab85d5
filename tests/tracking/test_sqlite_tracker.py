"""The logger sqlite: rows, several processes, resumed and killed runs, and disks that fail."""

import math
import os
import resource
import signal
import sqlite3
import stat
from contextlib import closing

import pytest
import yaml

import cygd
from tests.helpers.tracker_cases import (
    expected_rows,
    experiment,
    record,
    run_to_end,
    start,
    wait_for,
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def query(file, text, *values):
    with closing(sqlite3.connect(file)) as database:
        return database.execute(text, values).fetchall()


def rows_in(file, run=1):
    """Return epoch -> values of a run."""
    rows = {}
    for epoch, metric, value in query(file, "SELECT epoch, metric, value FROM metrics WHERE run = ?", run):
        rows.setdefault(epoch, {})[metric] = value
    return rows


def test_database_has_the_numbers_of_metrics_csv(here):
    result = cygd.run(experiment("sqlite"), out=here / "out")
    file = here / "runs" / "runs.sqlite"
    assert rows_in(file) == expected_rows(here / "out")
    assert dict(query(file, "SELECT metric, value FROM results")) == result.metrics
    [run] = query(file, "SELECT name, directory, sweep, seed, status, epochs FROM runs")
    assert run == ("moons", str(here / "out"), None, 0, "completed", 20)
    parameters = dict(query(file, "SELECT parameter, value FROM parameters"))
    assert parameters["model.layers.0.units"] == 4
    assert parameters["loss.name"] == "binary_cross_entropy"
    assert query(file, "PRAGMA journal_mode") == [("wal",)]
    assert query(file, "PRAGMA integrity_check") == [("ok",)]


def test_documented_query_finds_the_best_run(here):
    for seed in range(3):
        cygd.run(experiment("sqlite", seed=seed), out=here / f"run{seed}")
    best = query(
        here / "runs" / "runs.sqlite",
        "SELECT directory, value FROM runs JOIN results USING (run)"
        " WHERE metric = 'test_accuracy' ORDER BY value DESC",
    )
    values = [cygd.load(here / f"run{seed}") and value for seed, (_, value) in enumerate(best)]
    assert values == sorted(values, reverse=True)
    assert {folder for folder, _ in best} == {str(here / f"run{seed}") for seed in range(3)}


def test_values_that_are_not_finite(here):
    broken = experiment("sqlite", optimizer={"name": "sgd", "learning_rate": 1e300}, loss="mse", epochs=5)
    broken["model"]["layers"][1]["activation"] = "identity"
    result = cygd.run(broken, out=here / "out")
    assert result.status == "diverged"
    csv, rows = expected_rows(here / "out"), rows_in(here / "runs" / "runs.sqlite")
    assert rows.keys() == csv.keys()
    for epoch, values in rows.items():
        for name, value in values.items():
            assert value == csv[epoch][name] or (value is None and math.isnan(csv[epoch][name]))
    assert query(here / "runs" / "runs.sqlite", "SELECT status FROM runs") == [("diverged",)]


def test_resumed_run_continues_its_rows(here, tmp_path):
    cygd.run(experiment("sqlite", epochs=20, checkpoint={"every": 3}), out=here / "out")
    (here / "elsewhere").mkdir()
    os.chdir(here / "elsewhere")  # the database is the one of the beginning
    cygd.resume(here / "out", ["train.epochs=40"])
    file = here / "runs" / "runs.sqlite"
    assert rows_in(file) == expected_rows(here / "out")
    assert max(rows_in(file)) == 40
    assert query(file, "SELECT run, status, epochs FROM runs") == [(1, "completed", 40)]
    assert not list((here / "elsewhere").iterdir())


def test_killed_run_resumes_without_doubled_rows(here):
    text = yaml.safe_dump(experiment("sqlite", epochs=200_000, checkpoint={"every": 500}))
    (here / "a.yaml").write_text(text)
    process = start(here, "a.yaml", "--out", "out")
    file = here / "runs" / "runs.sqlite"
    wait_for(lambda: file.exists() and len(list((here / "out" / "checkpoints").glob("*.npz"))) > 1)
    wait_for(lambda: (here / "out" / "trackers.json").exists() and record(here / "out", "sqlite").get("last"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    [(status,)] = query(file, "SELECT status FROM runs")
    assert status == "running"
    process = start(here, "--resume", "out")
    killed_at = record(here / "out", "sqlite")["last"]
    wait_for(lambda: record(here / "out", "sqlite")["last"] > killed_at + 1000)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=100)
    assert query(file, "SELECT run, status FROM runs") == [(1, "interrupted")]
    csv, rows = expected_rows(here / "out"), rows_in(file)
    last = max(rows)
    assert record(here / "out", "sqlite")["missing"] == 0
    # the rows between the last delivery and the kill are the only ones that can be missing
    assert {epoch: values["loss"] for epoch, values in rows.items()}.items() <= {
        epoch: values["loss"] for epoch, values in csv.items()
    }.items()
    assert last == max(csv)


def test_processes_write_one_database(here):
    (here / "a.yaml").write_text(
        yaml.safe_dump(experiment({"name": "sqlite", "file": "all.sqlite"}, epochs=300))
    )
    processes = [start(here, "a.yaml", f"seed={k}", "--out", f"out{k}") for k in range(4)]
    for process in processes:
        printed = process.communicate(timeout=120)[0]
        assert process.returncode == 0, printed
    for number, folder in query("all.sqlite", "SELECT run, directory FROM runs"):
        assert rows_in("all.sqlite", number) == expected_rows(here / os.path.basename(folder))  # noqa: PTH119
    assert query("all.sqlite", "SELECT COUNT(*) FROM runs WHERE status = 'completed'") == [(4,)]


def test_sweep_of_two_processes_is_one_group(here):
    content = experiment(
        "sqlite", epochs=5, sweep={"grid": {"seed": [0, 1, 2, 3], "model.layers.0.units": [2, 3]}}
    )
    (here / "sweep.yaml").write_text(yaml.safe_dump(content))
    run_to_end(here, "sweep.yaml", "--out", "all", "--workers", "2", code="-m cygd sweep")
    file = here / "runs" / "runs.sqlite"
    assert query(file, "SELECT sweep, COUNT(*) FROM runs GROUP BY sweep") == [(str(here / "all"), 8)]
    assert query(file, "SELECT COUNT(*) FROM metrics WHERE metric = 'loss'") == [(8 * 6,)]


def test_database_that_is_deleted_before_resuming_is_written_anew(here):
    cygd.run(experiment("sqlite", epochs=5, checkpoint={"every": 5}), out=here / "out")
    for path in (here / "runs").iterdir():
        path.unlink()
    cygd.resume(here / "out", ["train.epochs=8"])
    assert sorted(rows_in(here / "runs" / "runs.sqlite")) == [5, 6, 7, 8]


def test_locked_database_does_not_stop_the_run(here):
    (here / "runs").mkdir()
    with closing(sqlite3.connect(here / "runs" / "runs.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("BEGIN EXCLUSIVE")
        result = cygd.run(experiment({"name": "sqlite", "wait": 0.5}), out=here / "out")
        database.execute("ROLLBACK")
    assert result.status == "completed"
    assert record(here / "out", "sqlite")["missing"] == 21


def test_file_that_is_no_database_is_left_alone(here):
    (here / "notes.txt").write_text("not a database, and longer than the header of one " * 20)
    before = (here / "notes.txt").read_bytes()
    cygd.run(experiment({"name": "sqlite", "file": "notes.txt", "wait": 1}), out=here / "out")
    assert (here / "notes.txt").read_bytes() == before
    assert "file is not a database" in record(here / "out", "sqlite")["error"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_folder(here):
    (here / "runs").mkdir()
    (here / "runs").chmod(stat.S_IREAD | stat.S_IEXEC)
    result = cygd.run(experiment({"name": "sqlite", "wait": 1}), out=here / "out")
    assert result.status == "completed"
    assert record(here / "out", "sqlite")["missing"] == 21


def test_full_disk_is_said_and_the_run_completes(here):
    """Files may grow to 48 KiB, which metrics.csv of this run does not reach, but the database does."""
    (here / "a.yaml").write_text(yaml.safe_dump(experiment({"name": "sqlite", "wait": 2}, epochs=400)))
    limit = (48 * 1024, 48 * 1024)
    printed = run_to_end(
        here,
        "a.yaml",
        "--out",
        "out",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert "rows and the end of the run are missing" in printed
    assert record(here / "out", "sqlite")["missing"] > 0
    assert len(expected_rows(here / "out")) == 401


def test_100_000_epochs_lose_no_row(here):
    long = experiment("sqlite", epochs=100_000)
    long["train"]["batch_size"] = "full"
    long["train"]["evaluate_every"] = 10
    cygd.run(long, out=here / "out")
    assert record(here / "out", "sqlite")["rows"] == 100_001
    file = here / "runs" / "runs.sqlite"
    assert query(file, "SELECT COUNT(*), MAX(epoch) FROM metrics WHERE metric = 'loss'") == [
        (10_001, 100_000)
    ]
    assert query(file, "SELECT COUNT(*) FROM metrics WHERE metric = 'seconds'") == [(100_001,)]
