"""Loss curves and next commands at the end of a run."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygd.cli.main import main
from cygd.tracking.loggers import ConsoleLogger
from cygd.tracking.loggers.loss_curve import draw_loss_curves
from cygd.tracking.terminal_plot import ASCII, BRAILLE

EPOCHS = list(range(101))
FALL = [10.0 ** (-epoch / 25) for epoch in EPOCHS]


def lines_of(text):
    return text.rstrip().split("\n")


def test_two_curves_in_ascii():
    history = {"epoch": EPOCHS, "loss": FALL, "validation_loss": [max(0.1, value) for value in FALL]}
    assert draw_loss_curves(history, 66, ASCII) == lines_of(
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


def test_small_decrease_has_a_linear_scale():
    lines = draw_loss_curves({"epoch": EPOCHS, "loss": [1 + value for value in FALL]}, 60, ASCII)
    assert lines[0] == "loss"
    assert {line.split()[0] for line in lines[1:7] if "+" in line} == {"1.5", "2"}


def test_negative_loss_has_a_linear_scale():
    lines = draw_loss_curves({"epoch": EPOCHS, "loss": [value - 0.5 for value in FALL]}, 60, ASCII)
    assert lines[0] == "loss"


@pytest.mark.parametrize(
    ("width", "rows", "widest"), [(200, 9, 102), (80, 9, 80), (50, 18, 50), (30, 18, 30)]
)
def test_plots_are_side_by_side_if_they_fit(width, rows, widest):
    lines = draw_loss_curves({"epoch": EPOCHS, "loss": FALL, "validation_loss": FALL}, width, BRAILLE)
    assert len(lines) == rows
    assert max(map(len, lines)) <= widest


def test_running_loss_is_drawn_if_no_loss_was_measured_between():
    history = {"epoch": [0, 100], "loss": [1.0, 0.5], "running_loss": FALL[1:]}
    assert draw_loss_curves(history, 60, ASCII)[0] == "running_loss, log scale"


def test_x_axis_shows_the_measured_epochs():
    history = {"epoch": [0, 10, 20, 25], "loss": [4.0, 3.0, 2.0, 1.0]}
    assert draw_loss_curves(history, 40, ASCII)[-1].split()[-1] == "25"


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
def test_too_few_values_draw_nothing(history):
    assert draw_loss_curves(history, 80, BRAILLE) == []


def test_narrow_terminal_draws_nothing():
    assert draw_loss_curves({"epoch": EPOCHS, "loss": FALL}, 29, BRAILLE) == []


losses = st.lists(st.floats() | st.just(0.0), min_size=3, max_size=40)


@given(losses, losses, st.integers(30, 130), st.sampled_from([ASCII, BRAILLE]))
def test_any_losses_can_be_drawn(loss, validation, width, style):
    n = min(len(loss), len(validation))
    history = {"epoch": list(range(n)), "loss": loss[:n], "validation_loss": validation[:n]}
    lines = draw_loss_curves(history, width, style)
    assert all(len(line) <= width for line in lines)
    assert bool(lines) == any(map(math.isfinite, [*loss[:n], *validation[:n]]))


# -- on a terminal ----------------------------------------------------------------------------------


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes stderr a terminal; call it in the test, because pytest replaces stderr."""
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


def test_console_draws_only_on_a_terminal(terminal, capsys, tmp_path):
    run = SimpleNamespace(name="xor", directory=tmp_path, config={"train": {"epochs": 100}}, seed=0)
    result = SimpleNamespace(
        status="completed", epochs=100, best_epoch=None, seconds=1.0, metrics={"loss": 0.1},
        history={"epoch": EPOCHS, "loss": FALL},
    )  # fmt: skip

    def printed(stream):
        console = ConsoleLogger()
        console.cygd_run_start(run)
        console.cygd_run_end(run, result)
        return stream().splitlines()

    assert not any("log scale" in line for line in printed(lambda: capsys.readouterr().err))
    lines = printed(terminal().getvalue)
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


def test_next_commands_are_shown_only_on_a_terminal(here, terminal, capsys, monkeypatch):
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
