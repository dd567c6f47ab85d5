import io
import json
import math
import re
import sys
from types import SimpleNamespace

import pytest

from cygd.components import OptionError
from cygd.components.loggers import Logger
from cygd.errors import PluginError
from cygd.network.epoch_rows import EpochRows
from cygd.testing import check_logger
from cygd.tracking.loggers import LOGGERS, ConsoleLogger, CsvLogger, JsonlLogger
from cygd.tracking.loggers.console import format_number
from cygd.tracking.metrics_file import column_names
from tests.helpers.tracker_cases import skip_without


def experiment(epochs=2, metrics=(), split=None, layers=(1,)):
    data = {"source": "inline", "split": split, "validation": None}
    return {
        "train": {"epochs": epochs},
        "metrics": list(metrics),
        "data": data,
        "model": {"layers": list(layers)},
    }


@pytest.fixture
def run(tmp_path):
    return SimpleNamespace(name="xor", directory=tmp_path, config=experiment(), seed=0)


@pytest.fixture
def result():
    metrics = {"loss": 0.123456, "test_accuracy": 1.0}
    return SimpleNamespace(status="completed", epochs=2, best_epoch=None, seconds=1.23456, metrics=metrics)


ROWS = [
    {"loss": 1 / 3, "learning_rate": 0.1, "seconds": 0.0},
    {"loss": 0.25, "running_loss": 0.3, "learning_rate": 0.1, "seconds": 0.001},
    {"loss": math.nan, "running_loss": math.inf, "learning_rate": 0.1, "seconds": 0.002},
]


def feed(logger, run, rows):
    logger.cygd_run_start(run)
    for epoch, row in enumerate(rows):
        logger.cygd_epochs_end(run, EpochRows.of_epoch(epoch, row))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (experiment(), ["loss"]),
        (experiment(metrics=["accuracy"]), ["loss", "accuracy"]),
        (experiment(metrics=[{"name": "f1"}], split={"validation": 0.2}),
         ["loss", "validation_loss", "f1", "validation_f1"]),
        (experiment(split={"test": 0.2, "validation": 0.0}), ["loss"]),
        (experiment(layers=[{"units": 3, "l1": 0, "l2": 0.1}]), ["loss", "penalty"]),
    ],
)  # fmt: skip
def test_columns_follow_from_the_experiment(config, expected):
    assert column_names(config) == ["epoch", *expected, "running_loss", "learning_rate", "seconds"]


def test_csv_numbers_round_trip(run, result):
    logger = CsvLogger()
    feed(logger, run, ROWS)
    logger.cygd_run_end(run, result)
    assert (run.directory / "metrics.csv").read_bytes().decode().split("\n") == [
        "epoch,loss,running_loss,learning_rate,seconds",
        "0,0.3333333333333333,,0.1,0.0",
        "1,0.25,0.3,0.1,0.001",
        "2,nan,inf,0.1,0.002",
        "",
    ]


@pytest.mark.parametrize("logger", [CsvLogger(), JsonlLogger()], ids=["csv", "jsonl"])
def test_rows_are_written_after_an_error(run, logger):
    feed(logger, run, ROWS[:2])
    logger.cygd_run_error(run, KeyboardInterrupt())
    [path] = run.directory.iterdir()
    assert len(path.read_text().splitlines()) == (3 if path.suffix == ".csv" else 2)


def test_jsonl_flushes_one_json_object_per_line(run):
    feed(logger := JsonlLogger(), run, ROWS)
    at_once = (run.directory / "metrics.jsonl").read_text()
    logger.cygd_run_error(run, KeyboardInterrupt())
    lines = [json.loads(line) for line in at_once.splitlines()]
    assert lines[0] == {"epoch": 0, **ROWS[0]}
    assert lines[2] == {
        "epoch": 2,
        "loss": None,
        "running_loss": None,
        "learning_rate": 0.1,
        "seconds": 0.002,
    }


def test_console_prints_plain_lines_to_stderr(run, result, capsys):
    logger = ConsoleLogger()
    feed(logger, run, ROWS)
    logger.cygd_run_end(run, result)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"xor: 2 epochs, in {run.directory}",
        "epoch 0/2  loss 0.3333",
        "epoch 1/2  loss 0.25",
        "epoch 2/2  loss nan",
        "completed after 2 epochs, 1.235 s: loss 0.1235, test_accuracy 1",
    ]


def test_console_prints_few_lines_of_a_long_run(run, result, capsys):
    run.config = experiment(epochs=100_003)
    feed(ConsoleLogger(), run, [{"running_loss": 0.5}] * 100_004)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 20
    assert lines[-1] == "epoch 100003/100003  running_loss 0.5"


def test_console_names_the_best_epoch(run, result, capsys):
    result.status, result.best_epoch = "stopped", 1
    feed(logger := ConsoleLogger(), run, [])
    logger.cygd_run_end(run, result)
    assert "stopped after 2 epochs, best 1, " in capsys.readouterr().err


COLOR = re.compile(r"\x1b\[\d*[1-9]\d*m")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes stderr a terminal; to call in the test, since pytest replaces stderr."""
    for name, value in {"TERM": "xterm", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)

    def switch_on():
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return switch_on


def test_console_shows_a_bar_with_loss_and_time_left_on_a_terminal(run, result, terminal):
    stream = terminal()
    feed(logger := ConsoleLogger(), run, ROWS)
    logger.cygd_run_end(run, result)
    text = stream.getvalue()
    assert "\x1b[" in text
    assert COLOR.search(text)
    assert "2/2" in text
    assert "loss nan" in text
    assert "0:00:00" in text
    assert "completed after 2 epochs" in text.splitlines()[-1]


def test_console_omits_colors_if_no_color_is_set(run, terminal, monkeypatch):
    stream = terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    feed(logger := ConsoleLogger(), run, ROWS)
    logger.cygd_run_error(run, KeyboardInterrupt())
    assert "loss nan" in stream.getvalue()
    assert not COLOR.search(stream.getvalue())


def test_console_treats_a_dumb_terminal_as_no_terminal(run, terminal, monkeypatch):
    stream = terminal()
    monkeypatch.setenv("TERM", "dumb")
    feed(ConsoleLogger(), run, ROWS)
    assert "epoch 2/2  loss nan" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    ("value", "text"), [(0.123456, "0.1235"), (2.0, "2"), (1e-12, "1e-12"), (math.nan, "nan")]
)
def test_numbers_have_four_digits(value, text):
    assert format_number(value) == text


def test_table_lists_every_logger():
    assert [logger.name for logger in LOGGERS] == [
        "console",
        "csv",
        "jsonl",
        "sqlite",
        "tensorboard",
        "mlflow",
        "wandb",
    ]
    assert all(logger.tier == "built-in" and logger.summary for logger in LOGGERS)


def test_logger_builds_with_its_options():
    [jsonl] = [logger for logger in LOGGERS if logger.name == "jsonl"]
    assert jsonl.configured({"file": "rows.jsonl"}).build().file == "rows.jsonl"
    assert jsonl.build().file == "metrics.jsonl"


def test_unknown_option_of_a_logger_is_rejected():
    [console] = [logger for logger in LOGGERS if logger.name == "console"]
    with pytest.raises(OptionError, match="logger 'console' has no option 'line'"):
        console.configured({"line": 3})


def test_failing_factory_is_named():
    def factory():
        raise RuntimeError("no server")

    with pytest.raises(PluginError, match="logger 'remote': factory failed: RuntimeError: no server"):
        Logger("remote", factory).build()


def test_factory_that_returns_none_is_named():
    with pytest.raises(PluginError, match="logger 'remote': factory: expected an object, got None") as caught:
        Logger("remote", lambda: None).build()
    assert caught.value.hint == "is a `return` missing?"


@pytest.mark.parametrize("logger", LOGGERS, ids=lambda logger: logger.name)
def test_built_in_loggers_pass_check_logger(logger, tmp_path, monkeypatch):
    skip_without(logger.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_logger(logger)
