import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import cygd
from cygd.testing import check_logger, load_plugin

FILE = Path(__file__).with_name("sqlite_logger.py")
EXPERIMENT = {
    "name": "line",
    "seed": 7,
    "data": {"source": "inline", "x": [[0.0], [1.0]], "y": [[1.0], [3.0]]},
    "model": {"layers": [1]},
    "train": {"epochs": 3},
    "log": [{"name": "metrics_database", "path": "../all.sqlite"}],
}

plugin = load_plugin(FILE)


def query(database, sql):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def test_sqlite_logger_passes_the_suite():
    check_logger(plugin.SQLITE)


def test_two_runs_share_a_database(tmp_path):
    for name in ("a", "b"):
        result = cygd.run(EXPERIMENT, plugins=[str(FILE)], out=tmp_path / name)
    database = tmp_path / "all.sqlite"
    runs = query(database, "SELECT name, directory, seed, status FROM runs ORDER BY id")
    assert runs == [("line", str(tmp_path / name), 7, "completed") for name in ("a", "b")]
    losses = query(database, "SELECT value FROM metrics WHERE run = 2 AND metric = 'loss' ORDER BY epoch")
    assert [value for (value,) in losses] == result.history["loss"]
    assert len(losses) == 4


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), "interrupted"), (ValueError(), "failed")]
)
def test_error_sets_the_status_and_nan_is_omitted(tmp_path, error, status):
    class Run:
        name, directory, seed, config = "line", tmp_path, 7, {}

    listener = plugin.SQLITE.build()
    listener.cygd_run_start(Run)
    listener.cygd_epoch_end(Run, 0, {"loss": float("nan"), "seconds": 0.5})
    listener.cygd_run_error(Run, error)
    assert query(tmp_path / "metrics.sqlite", "SELECT status FROM runs") == [(status,)]
    assert query(tmp_path / "metrics.sqlite", "SELECT metric, value FROM metrics") == [("seconds", 0.5)]
