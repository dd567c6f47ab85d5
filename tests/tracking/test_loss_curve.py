"""The curves at the end of a run, and the commands that come after it."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygd.cli.main import main
from cygd.tracking.loggers import ConsoleLogger
from cygd.tracking.loggers.loss_curve import curves
from cygd.tracking.terminal_plot import ASCII, BRAILLE

EPOCHS = list(range(101))
FALL = [10.0 ** (-epoch / 25) for epoch in EPOCHS]


def golden(text):
    return text.rstrip().split("\n")


def test_golden():
    history = {"epoch": EPOCHS, "loss": FALL, "validation_loss": [max(0.1, value) for value in FALL]}
    assert curves(history, 66, ASCII) == golden(
        """\
loss, log scale                   validation_loss, log scale
     1 +':..                           1 +':..
       |   '':..                         |   '':..................
       |       '':..                     |
  0.01 +            '':..           0.01 +
       |                '':..            |
0.0001 +                    '':.  0.0001 +
       `+----+---+----+---+----+         `+----+---+----+---+----+
        0   20  40   60  80  100          0   20  40   60  80  100
"""
    )


def test_what_falls_little_has_a_plain_scale():
    lines = curves({"epoch": EPOCHS, "loss": [1 + value for value in FALL]}, 60, ASCII)
    assert lines[0] == "loss"
    assert {line.split()[0] for line in lines[1:7] if "+" in line} == {"1.5", "2"}


def test_a_loss_below_zero_has_a_plain_scale():
    lines = curves({"epoch": EPOCHS, "loss": [value - 0.5 for value in FALL]}, 60, ASCII)
    assert lines[0] == "loss"


@pytest.mark.parametrize(
    ("width", "rows", "widest"), [(200, 9, 102), (80, 9, 80), (50, 18, 50), (30, 18, 30)]
)
def test_plots_stand_side_by_side_where_there_is_room(width, rows, widest):
    lines = curves({"epoch": EPOCHS, "loss": FALL, "validation_loss": FALL}, width, BRAILLE)
    assert len(lines) == rows
    assert max(map(len, lines)) <= widest


def test_what_was_measured_at_the_end_only_is_seen_by_the_updates():
    history = {"epoch": [0, 100], "loss": [1.0, 0.5], "running_loss": FALL[1:]}
    assert curves(history, 60, ASCII)[0] == "running_loss, log scale"


def test_every_tenth_epoch_has_its_own_place():
    history = {"epoch": [0, 10, 20, 25], "loss": [4.0, 3.0, 2.0, 1.0]}
    assert curves(history, 40, ASCII)[-1].split()[-1] == "25"


@pytest.mark.parametrize(
    "history",
    [
        {},
        {"epoch": [], "loss": []},
        {"epoch": [0, 1], "loss": [1.0, 0.5], "running_loss": [0.7]},
        {"epoch": EPOCHS, "loss": [math.nan] * 101},
        {"epoch": [0, 1, 2], "accuracy": [1.0, 1.0, 1.0]},
    ],
)
def test_where_there_is_little_to_see_nothing_is_drawn(history):
    assert curves(history, 80, BRAILLE) == []


def test_a_narrow_terminal_shows_none():
    assert curves({"epoch": EPOCHS, "loss": FALL}, 29, BRAILLE) == []


losses = st.lists(st.floats() | st.just(0.0), min_size=3, max_size=40)


@given(losses, losses, st.integers(30, 130), st.sampled_from([ASCII, BRAILLE]))
def test_any_loss_can_be_drawn(loss, validation, width, style):
    n = min(len(loss), len(validation))
    history = {"epoch": list(range(n)), "loss": loss[:n], "validation_loss": validation[:n]}
    lines = curves(history, width, style)
    assert all(len(line) <= width for line in lines)
    assert bool(lines) == any(map(math.isfinite, [*loss[:n], *validation[:n]]))


# -- on a terminal ----------------------------------------------------------------------------------


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes stderr a terminal; only in the test itself, for pytest sets it anew."""
    import io

    for name, value in {"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def switch_on():
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return switch_on


def test_the_console_draws_on_a_terminal_alone(terminal, capsys, tmp_path):
    run = SimpleNamespace(name="xor", directory=tmp_path, config={"train": {"epochs": 100}}, seed=0)
    result = SimpleNamespace(
        status="completed", epochs=100, best_epoch=None, seconds=1.0, metrics={"loss": 0.1},
        history={"epoch": EPOCHS, "loss": FALL},
    )  # fmt: skip

    def said(stream):
        console = ConsoleLogger()
        console.cygd_run_start(run)
        console.cygd_run_end(run, result)
        return stream().splitlines()

    assert not any("log scale" in line for line in said(lambda: capsys.readouterr().err))
    lines = said(terminal().getvalue)
    assert "loss, log scale" in lines
    assert lines[-1].startswith("completed after 100 epochs")


XOR = """\
data: {source: inline, x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}
model: {layers: [3, {units: 1, activation: sigmoid}]}
train: {epochs: 4}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("xor.yaml").write_text(XOR)
    return tmp_path


def test_the_next_commands_are_said_on_a_terminal(here, terminal, capsys, monkeypatch):
    assert main(["run", "xor.yaml"]) == 0
    assert "next:" not in capsys.readouterr().err
    stream = terminal()
    assert main(["run", "xor.yaml", "seed=1"]) == 0
    first, second = sorted(
        (path.relative_to(here) for path in here.glob("runs/xor/*")), key=lambda path: path.stat().st_mtime_ns
    )
    assert stream.getvalue().splitlines()[-2:] == [
        f"next: cygd predict {second} DATA",
        f"next: cygd compare {first} {second}",
    ]
    stream = terminal()
    assert main(["run", "xor.yaml", "--quiet"]) == 0
    assert stream.getvalue() == ""
