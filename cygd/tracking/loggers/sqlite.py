"""The logger that writes runs and their rows into an SQLite database, which many runs share.

    SELECT directory, value FROM runs JOIN results USING (run)
    WHERE metric = 'test_accuracy' ORDER BY value DESC;

The processes of a sweep write to it at the same time: it is in WAL mode, and each transaction waits for the
others. The library of Python that it needs is imported by the first run that logs to it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from cygd.files import json_text
from cygd.tracking.loggers.background import BackgroundLogger, RunEnd
from cygd.tracking.tracked_runs import TrackedRun

if TYPE_CHECKING:
    from sqlite3 import Connection

    from cygd.tracking.results import Run

TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY, name TEXT NOT NULL, directory TEXT NOT NULL, sweep TEXT, seed INTEGER,
    status TEXT NOT NULL, epochs INTEGER, best_epoch INTEGER, started REAL, ended REAL, config TEXT
);
CREATE TABLE IF NOT EXISTS parameters (
    run INTEGER NOT NULL REFERENCES runs, parameter TEXT NOT NULL, value, PRIMARY KEY (run, parameter)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS metrics (
    run INTEGER NOT NULL REFERENCES runs, epoch INTEGER NOT NULL, metric TEXT NOT NULL, value REAL,
    PRIMARY KEY (run, epoch, metric)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
    run INTEGER NOT NULL REFERENCES runs, metric TEXT NOT NULL, value REAL, PRIMARY KEY (run, metric)
) WITHOUT ROWID;
"""
BUSY_SECONDS = 60.0  # to wait for the transactions of other processes


class SqliteLogger(BackgroundLogger):
    """Writes every row of a run into a database; NaN becomes NULL, as SQLite has no NaN.

    Parameters
    ----------
    file : str
        The database, relative to the current folder; it is created if it does not exist.
    wait : float
        The seconds that the end of a run waits until all rows are written.
    """

    name: ClassVar[str] = "sqlite"
    max_queue: ClassVar[int] = 1_000_000

    def __init__(self, file: str = "runs/runs.sqlite", wait: float = 60.0) -> None:
        super().__init__(wait)
        self.check_option("file", file, bool(file) and not file.endswith("/"), "the name of a file")
        self.path = Path(os.path.abspath(Path(file).expanduser()))  # noqa: PTH100
        self._database: Connection | None = None

    @property
    def target(self) -> str:
        """The database."""
        return str(self.path)

    def prepare(self, run: Run) -> None:
        """Import sqlite3."""
        import sqlite3  # noqa: F401

    def connect(self, run: TrackedRun) -> None:
        """Open the database, create its tables, and add the run or remove the rows it writes again."""
        import sqlite3

        self.release()
        path = Path(run.record.get("file", self.path))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT;")
        database.execute("BEGIN IMMEDIATE")
        number = self._find(database, run)
        if number is None:
            number = self._add(database, run)
        database.execute("DELETE FROM metrics WHERE run = ? AND epoch >= ?", (number, run.first))
        database.execute("DELETE FROM results WHERE run = ?", (number,))
        database.execute("UPDATE runs SET status = 'running', ended = NULL WHERE run = ?", (number,))
        parameters = [(number, name, value) for name, value in run.parameters().items()]
        database.executemany("INSERT OR REPLACE INTO parameters VALUES (?, ?, ?)", parameters)
        database.execute("COMMIT")
        run.record.update(file=str(path), run=number)

    def write(self, run: TrackedRun, rows: Sequence[tuple[int, dict[str, float]]]) -> None:
        """Write rows in one transaction."""
        number = run.record["run"]
        values = [(number, epoch, metric, value) for epoch, row in rows for metric, value in row.items()]
        self._execute_many("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", values)

    def finish(self, run: TrackedRun, end: RunEnd) -> None:
        """Write the result and close the database."""
        number = run.record["run"]
        results = [(number, metric, value) for metric, value in end.metrics.items()]
        self._execute_many("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", results)
        assert self._database is not None
        self._database.execute(
            "UPDATE runs SET status = ?, epochs = ?, best_epoch = ?, ended = ? WHERE run = ?",
            (end.status, end.epochs, end.best_epoch, time.time(), number),
        )
        self.release()

    def release(self) -> None:
        """Close the database."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _execute_many(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        assert self._database is not None
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany(statement, values)
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _find(self, database: Connection, run: TrackedRun) -> int | None:
        """Return the number of a run that began earlier."""
        row = database.execute(
            "SELECT run FROM runs WHERE run = ? AND name = ?", (run.record.get("run"), run.name)
        ).fetchone()
        return None if row is None else int(row[0])

    def _add(self, database: Connection, run: TrackedRun) -> int:
        inserted = database.execute(
            "INSERT INTO runs (name, directory, sweep, seed, status, started, config)"
            " VALUES (?, ?, ?, ?, 'running', ?, ?)",
            (
                run.name,
                os.fsencode(run.directory).decode(errors="replace"),
                None if run.group is None else os.fsencode(run.group).decode(errors="replace"),
                run.seed,
                time.time(),
                json_text(run.config),
            ),
        )
        assert inserted.lastrowid is not None
        return inserted.lastrowid
