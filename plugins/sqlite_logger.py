"""Write runs and their metrics to an SQLite database.

log: [{name: metrics_database, path: ../all.sqlite}]        # path: relative to the run folder

SELECT name, epoch, value FROM runs JOIN metrics ON run = id WHERE metric = 'loss' ORDER BY value;
"""

import json
import math
import sqlite3

from cygd import Logger, hookimpl

TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, name TEXT, directory TEXT, seed INTEGER, config TEXT, status TEXT
);
CREATE TABLE IF NOT EXISTS metrics (
    run INTEGER REFERENCES runs, epoch INTEGER, metric TEXT, value REAL, PRIMARY KEY (run, epoch, metric)
);
"""


class SqliteLogger:
    def __init__(self, path="metrics.sqlite"):
        self.path = path

    def cygd_run_start(self, run):
        self.database = sqlite3.connect(run.directory / self.path, timeout=60)
        self.database.executescript(TABLES)
        row = (run.name, str(run.directory), run.seed, json.dumps(run.config), "running")
        inserted = self.database.execute(
            "INSERT INTO runs (name, directory, seed, config, status) VALUES (?, ?, ?, ?, ?)", row
        )
        self.database.commit()
        self.id = inserted.lastrowid

    def cygd_epoch_end(self, run, epoch, metrics):
        # SQLite stores NaN as NULL; a missing row carries the same information
        rows = [(self.id, epoch, name, value) for name, value in metrics.items() if not math.isnan(value)]
        self.database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?)", rows)
        self.database.commit()

    def cygd_run_end(self, run, result):
        self.close(result.status)

    def cygd_run_error(self, run, error):
        self.close("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")

    def close(self, status):
        self.database.execute("UPDATE runs SET status = ? WHERE id = ?", (status, self.id))
        self.database.commit()
        self.database.close()


SQLITE = Logger("metrics_database", SqliteLogger, summary="runs and metrics in an SQLite database")


@hookimpl
def cygd_loggers():
    return SQLITE
