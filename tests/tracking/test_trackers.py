"""What the trackers have in common: the queue, the thread, and what is said about missing rows."""

import logging
import math
import os
import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import cygd
from cygd.network.epoch_rows import EpochRows
from cygd.tracking.loggers import background
from cygd.tracking.loggers.background import BackgroundLogger
from cygd.tracking.loggers.logged_rows import LoggedRows, read_logged_rows
from cygd.tracking.metrics_file import format_header, format_rows
from cygd.tracking.tracked_runs import (
    write_record,
)
from tests.helpers.tracker_cases import experiment, record


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(background, "_failed", set())


class Memory(BackgroundLogger):
    """A tracker that remembers what it gets, and fails when it is told to."""

    name = "memory"
    connect_seconds = 0.2

    def __init__(self, wait=5.0, rows=0, fails=lambda: None):
        super().__init__(wait, rows)
        self.fails, self.got, self.ends, self.threads = fails, [], [], set()

    def connect(self, run):
        self.fails()

    def write(self, run, rows):
        self.threads.add(threading.current_thread().name)
        self.fails()
        self.got += rows

    def finish(self, run, end):
        self.ends.append(end)


def rows_of(first, count):
    """Return consecutive rows whose loss is the epoch."""
    epochs = np.arange(first, first + count, dtype=float)
    values = np.column_stack([epochs, epochs + 0.5, np.full(count, 0.1), epochs / 1000])
    names = ("loss", "running_loss", "learning_rate", "seconds")
    return EpochRows(first, names, 1, values, np.ones(count, bool), np.zeros(count, np.uint32))


@pytest.fixture
def run(tmp_path):
    config = {"train": {"epochs": 1000, "evaluate_every": 1}}
    return SimpleNamespace(name="xor", directory=tmp_path, config=config, seed=0, resumed=None)


def ended(status="completed", epochs=999):
    return SimpleNamespace(status=status, epochs=epochs, best_epoch=None, metrics={"loss": 1.0})


def feed(logger, run, count=1000, size=50):
    logger.cygd_run_start(run)
    for first in range(0, count, size):
        logger.cygd_epochs_end(run, rows_of(first, size))
    logger.cygd_run_end(run, ended(epochs=count - 1))


# -- rows -----------------------------------------------------------------------------------------


def test_all_rows_arrive_in_order_and_in_another_thread(run):
    feed(logger := Memory(), run)
    assert [epoch for epoch, _ in logger.got] == list(range(1000))
    assert logger.got[7] == (7, {"loss": 7.0, "running_loss": 7.5, "learning_rate": 0.1, "seconds": 0.007})
    assert logger.threads == {"cygd-memory"}
    assert [end.status for end in logger.ends] == ["completed"]
    assert record(run.directory, "memory") == {"last": 999, "rows": 1000, "missing": 0, "finished": True}


def test_many_rows_arrive_in_several_calls(run):
    feed(logger := Memory(), run, count=10_000, size=2500)
    assert [epoch for epoch, _ in logger.got] == list(range(10_000))


@pytest.mark.parametrize(("rows", "distance"), [(1000, 1), (100, 10), (3, 334), (1, 1000)])
def test_thinned_rows_are_evenly_spread_and_include_the_last(run, rows, distance):
    feed(logger := Memory(rows=rows), run)
    epochs = [epoch for epoch, _ in logger.got]
    assert epochs == sorted({*range(0, 1000, distance), 999})


def test_thinning_does_not_leave_out_measured_rows(run):
    run.config["train"]["evaluate_every"] = 7
    feed(logger := Memory(rows=100), run)
    assert {epoch % 14 for epoch, _ in logger.got[:-1]} == {0}


def test_rows_that_were_not_measured_have_only_what_every_row_has():
    rows = rows_of(4, 3)
    rows.measured[1] = False
    assert [list(values) for _, values in LoggedRows.select(rows, 1)] == [
        ["loss", "running_loss", "learning_rate", "seconds"],
        ["running_loss", "learning_rate", "seconds"],
        ["loss", "running_loss", "learning_rate", "seconds"],
    ]
    assert len(LoggedRows.select(rows, 10)) == 0
    assert [epoch for epoch, _ in LoggedRows.select(rows, 5)] == [5]


def test_queued_rows_are_copies(run):
    blocked = threading.Event()
    logger = Memory(fails=lambda: blocked.wait(5) and None)
    logger.cygd_run_start(run)
    rows = rows_of(0, 3)
    logger.cygd_epochs_end(run, rows)
    rows.values[:] = -1
    blocked.set()
    logger.cygd_run_end(run, ended())
    assert [values["loss"] for _, values in logger.got] == [0, 1, 2]


# -- faults -----------------------------------------------------------------------------------------


def gone():
    raise ConnectionError("connection refused")


def test_rows_of_a_tracker_that_is_gone_are_counted_and_said(run, caplog, monkeypatch):
    monkeypatch.setattr(background, "FIRST_RETRY", 0.01)
    caplog.set_level(logging.INFO, "cygd")
    feed(Memory(wait=1.0, fails=gone), run)
    [warning] = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert warning == (
        "memory: 1000 of 1000 rows and the end of the run are missing: "
        "ConnectionError: connection refused; the run folder has them"
    )
    assert record(run.directory, "memory") == {
        "rows": 0,
        "missing": 1000,
        "finished": False,
        "error": "ConnectionError: connection refused",
    }


def test_rows_are_kept_until_the_tracker_is_back(run, monkeypatch):
    monkeypatch.setattr(background, "FIRST_RETRY", 0.01)
    attempts = []

    def fails():
        attempts.append(1)
        if 3 < len(attempts) < 7:
            gone()

    feed(logger := Memory(fails=fails), run)
    assert [epoch for epoch, _ in logger.got] == list(range(1000))
    assert record(run.directory, "memory")["missing"] == 0


def test_end_of_a_run_waits_no_longer_than_wait(run, caplog):
    stuck = threading.Event()
    began = time.monotonic()
    feed(logger := Memory(wait=0.3, fails=lambda: stuck.wait(20) and None), run)
    assert 0.3 < time.monotonic() - began < 3
    assert "it did not take them within 0.3 s after the training" in caplog.text
    began = time.monotonic()
    feed(Memory(wait=10, fails=gone), run)  # failed before: a short wait
    assert time.monotonic() - began < 4
    stuck.set()
    logger._thread.join(5)
    assert not logger.ends


def test_interrupted_run_waits_only_a_moment(run, monkeypatch, caplog):
    monkeypatch.setattr(background, "INTERRUPTED_WAIT", 0.3)
    stuck = threading.Event()
    logger = Memory(wait=30, fails=lambda: stuck.wait(20) and None)
    logger.cygd_run_start(run)
    logger.cygd_epochs_end(run, rows_of(0, 50))
    began = time.monotonic()
    logger.cygd_run_error(run, KeyboardInterrupt())
    assert time.monotonic() - began < 10
    stuck.set()
    assert "it did not take them within 0.3 s after the training" in caplog.text


def test_ctrl_c_ends_the_wait_and_says_what_is_missing(run, caplog):
    stuck = threading.Event()
    logger = Memory(wait=60, fails=lambda: stuck.wait(30) and None)
    logger.cygd_run_start(run)
    logger.cygd_epochs_end(run, rows_of(0, 50))
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        logger.cygd_run_end(run, ended())
    stuck.set()
    timer.join()
    logger._thread.join(20)
    assert "memory: 50 of 50 rows and the end of the run are missing: KeyboardInterrupt" in caplog.text
    assert record(run.directory, "memory")["missing"] == 50


def test_full_queue_drops_the_oldest_rows_and_counts_them(run, caplog):
    class Small(Memory):
        max_queue = 100

    free = threading.Event()
    logger = Small(fails=lambda: free.wait(20) and None)
    logger.cygd_run_start(run)
    for first in range(0, 1000, 50):
        logger.cygd_epochs_end(run, rows_of(first, 50))
    free.set()
    logger.cygd_run_end(run, ended())
    assert [epoch for epoch, _ in logger.got] == list(range(900, 1000))
    assert "memory: 900 of 1000 rows are missing: they came faster than it took them" in caplog.text
    assert record(run.directory, "memory")["missing"] == 900
    write_metrics(run, rows_of(0, 1000))
    run.resumed = 1000
    logger = Small()
    logger.cygd_run_start(run)
    logger.cygd_epochs_end(run, rows_of(1000, 50))
    logger.cygd_run_end(run, ended())
    expected = {"last": 1049, "rows": 150, "dropped": 900, "missing": 900, "finished": True}
    assert record(run.directory, "memory") == expected


def test_secrets_of_an_error_are_hidden(run, caplog):
    def fails():
        raise ValueError("no access to https://ann:tiger@host/ with token=abc\nsecond line")

    feed(Memory(wait=0.2, fails=fails), run)
    assert "tiger" not in caplog.text + (run.directory / "trackers.json").read_text()
    assert "abc" not in caplog.text
    assert "second line" not in caplog.text


@pytest.mark.parametrize("error", [SystemExit("bye"), KeyboardInterrupt()])
def test_tool_that_exits_ends_neither_thread_nor_run(run, error, monkeypatch, caplog):
    monkeypatch.setattr(background, "FIRST_RETRY", 0.01)

    def fails():
        raise error

    feed(Memory(wait=1.0, fails=fails), run)
    assert type(error).__name__ in caplog.text


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), "interrupted"), (ValueError("x"), "failed")]
)
def test_run_that_does_not_complete_is_closed(run, error, status):
    logger = Memory()
    logger.cygd_run_start(run)
    logger.cygd_epochs_end(run, rows_of(0, 30))
    logger.cygd_run_error(run, error)
    assert [(end.status, end.epochs) for end in logger.ends] == [(status, 29)]
    assert len(logger.got) == 30


def test_error_before_the_start_is_no_fault(run):
    Memory().cygd_run_error(run, ValueError())


def test_thread_works_for_a_small_share_of_the_time(run):
    class Busy(Memory):
        def write(self, run, rows):
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass
            self.got += rows

    logger = Busy()
    logger.cygd_run_start(run)
    for first in range(0, 1000, 50):
        logger.cygd_epochs_end(run, rows_of(first, 50))
    time.sleep(1.5)
    assert len(logger.got) <= 300  # a piece of 100 rows each second
    logger.cygd_run_end(run, ended())
    assert len(logger.got) == 1000


def test_work_before_the_training_does_not_delay_the_first_rows(run):
    class Slow(Memory):
        def connect(self, run):
            end = time.thread_time() + 0.1
            while time.thread_time() < end:
                pass

    logger = Slow()
    logger.connect_seconds = 20
    logger.cygd_run_start(run)
    began = time.monotonic()
    logger.cygd_epochs_end(run, rows_of(0, 10))
    while not logger.got and time.monotonic() < began + 4:
        time.sleep(0.01)
    assert len(logger.got) == 10
    logger.cygd_run_end(run, ended())


def test_result_does_not_depend_on_a_broken_tracker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    plain = cygd.run(experiment(), out=tmp_path / "a")
    broken = experiment({"name": "sqlite", "file": "file/x.sqlite", "wait": 0.5})
    tracked = cygd.run(broken, out=tmp_path / "b")
    assert tracked.status == "completed"
    for name in ("weights.npz", "hashes.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    log = (tmp_path / "b" / "log.txt").read_text()
    assert "sqlite: 21 of 21 rows and the end of the run are missing: " in log
    assert plain.metrics == tracked.metrics


class Lines(Memory):
    """Writes the epochs it gets to a file, and refuses them while there is a file `gone`."""

    def prepare(self, run):
        self.folder = run.directory

    def write(self, run, rows):
        if (self.folder / "gone").exists():
            gone()
        with (self.folder / "lines").open("a") as file:
            file.writelines(f"{epoch} {values['loss']!r}\n" for epoch, values in rows)


def write_metrics(run, rows):
    """Write metrics.csv as the run does."""
    names = ["epoch", "loss", "running_loss", "learning_rate", "seconds"]
    (run.directory / "metrics.csv").write_bytes(format_header(names) + b"".join(format_rows(names, rows)))


def test_resumed_run_delivers_what_the_queue_of_the_killed_one_had(run):
    write_record(run.directory, "memory", {"last": 199, "rows": 200})
    write_metrics(run, rows_of(0, 600))
    run.resumed = 600
    logger = Memory()
    logger.cygd_run_start(run)
    logger.cygd_epochs_end(run, rows_of(600, 400))
    logger.cygd_run_end(run, ended())
    assert [epoch for epoch, _ in logger.got] == list(range(200, 1000))
    assert [values["loss"] for _, values in logger.got] == list(range(200, 1000))
    assert all(list(values) == list(rows_of(0, 1).names) for _, values in logger.got)
    assert record(run.directory, "memory") == {"last": 999, "rows": 1000, "missing": 0, "finished": True}


def test_resumed_run_delivers_what_a_tracker_missed(run, monkeypatch):
    monkeypatch.setattr(background, "FIRST_RETRY", 0.01)
    (run.directory / "gone").touch()
    logger = Lines(wait=0.3)
    logger.cygd_run_start(run)
    logger.cygd_epochs_end(run, rows_of(0, 500))
    logger.cygd_run_error(run, KeyboardInterrupt())
    assert record(run.directory, "memory")["missing"] == 500
    write_metrics(run, rows_of(0, 400))
    (run.directory / "gone").unlink()
    run.resumed = 400
    logger = Lines()
    logger.cygd_run_start(run)
    logger.cygd_epochs_end(run, rows_of(400, 600))
    logger.cygd_run_end(run, ended())
    lines = (run.directory / "lines").read_text().splitlines()
    assert lines == [f"{epoch} {float(epoch)!r}" for epoch in range(1000)]
    assert record(run.directory, "memory") == {"last": 999, "rows": 1000, "missing": 0, "finished": True}


@pytest.mark.parametrize("text", [None, "", "epoch,loss\n0,a\n", "x\n"])
def test_resumed_run_without_a_sound_file_of_metrics_goes_on(run, text):
    if text is not None:
        (run.directory / "metrics.csv").write_text(text)
    run.resumed = 600
    logger = Memory()
    logger.cygd_run_start(run)
    logger.cygd_epochs_end(run, rows_of(600, 400))
    logger.cygd_run_end(run, ended())
    assert [epoch for epoch, _ in logger.got] == list(range(600, 1000))


def test_rows_read_from_metrics_csv_have_the_values_of_each_row(run):
    (run.directory / "metrics.csv").write_text(
        "epoch,loss,running_loss,seconds\n0,1.5,,0.0\n1,,0.5,0.1\n2,nan,0.25,0.2\n3,inf,0.125,0.3\n"
    )
    rows = [row for part in read_logged_rows(run.directory, range(9)) for row in part]
    assert repr(rows) == repr(
        [
            (0, {"loss": 1.5, "seconds": 0.0}),
            (1, {"running_loss": 0.5, "seconds": 0.1}),
            (2, {"loss": math.nan, "running_loss": 0.25, "seconds": 0.2}),
            (3, {"loss": math.inf, "running_loss": 0.125, "seconds": 0.3}),
        ]
    )
    every = [epoch for part in read_logged_rows(run.directory, range(0, 4, 3)) for epoch, _ in part]
    assert every == [0, 3]
    assert read_logged_rows(run.directory / "nowhere", range(5, 5)) == []
