"""The error surface of a report: the path, the kept weights and what cannot be drawn."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.errors import CygdError
from cygd.inspection.surface import compute_loss_surface
from cygd.inspection.surface_plot import _levels
from cygd.report import surface_parts as module
from cygd.report.evaluation import evaluate
from cygd.report.page import Section, render_page
from cygd.report.run_record import read_run
from cygd.report.surface_parts import surface_parts
from cygd.runner.assembly import assemble

pytest.importorskip("matplotlib")

LINE = {
    "name": "line",
    "data": {"source": "inline", "x": [[1.0]], "y": [[3.0]]},
    "model": {"layers": [{"units": 1, "bias": False, "weights": [[0.0]]}]},
    "loss": "sse",
    "optimizer": {"name": "sgd", "learning_rate": 0.5},
    "train": {"epochs": 4, "batch_size": "full"},
    "log": ["csv"],
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parts_of(experiment, weights=(), out="r"):
    with suppress(cygd.RunError):  # diverged
        cygd.run(experiment, out=out)
    record = read_run(Path(out))
    return surface_parts(record, evaluate(record).network, weights)


def drawn(parts):
    """Render the page, so that the charts are drawn."""
    return render_page("t", "s", [Section("Error surface", parts)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_weight_is_drawn_without_being_asked(dtype):
    # E = 1/2 (3 - w)^2 and w += 1/2 (3 - w): every value is exact in binary
    figure, text = parts_of(LINE | {"model": LINE["model"] | {"dtype": dtype}})
    assert figure.table.rows == [
        [0, 0.0, 4.5],
        [1, 1.5, 1.125],
        [2, 2.25, 0.28125],
        [3, 2.625, 0.0703125],
        [4, 2.8125, 0.017578125],
    ]
    assert "from w0[0,0] = 0 (E = 4.5) to w0[0,0] = 2.812" in figure.alt
    assert text == "E is the loss of all training rows with its penalties."
    assert "<svg" in drawn([figure])


def test_two_weights_are_drawn_without_being_asked_and_the_minimum_is_the_optimum():
    x = [[0.0], [1.0], [2.0], [3.0]]
    y = [[1.0], [3.0], [5.0], [7.0]]
    experiment = LINE | {
        "data": {"source": "inline", "x": x, "y": y},
        "model": {"layers": [1]},
        "optimizer": {"name": "sgd", "learning_rate": 0.05},
        "train": {"epochs": 200, "batch_size": "full"},
    }
    figure, _ = parts_of(experiment)
    assert figure.table.head == ["update", "w0[0,0]", "b0[0]", "E"]
    surface = compute_loss_surface(assemble("r/config.yaml"), ["w0[0,0]", "b0[0]"])
    i, j = np.unravel_index(surface.surface.argmin(), surface.surface.shape)
    steps = [axis[1] - axis[0] for axis in surface.axes]
    assert surface.axes[0][i] == pytest.approx(2, abs=steps[0])
    assert surface.axes[1][j] == pytest.approx(1, abs=steps[1])


def test_thinned_path_has_the_points_of_the_whole_path(monkeypatch):
    experiment = LINE | {"train": {"epochs": 103, "batch_size": "full"}}
    cygd.run(experiment, out="r")
    whole = compute_loss_surface(assemble("r/config.yaml"), ["w0[0,0]"])
    thin = compute_loss_surface(assemble("r/config.yaml"), ["w0[0,0]"], every=10, points=7)
    assert thin.steps.tolist() == [*range(0, 101, 10), 103]
    assert thin.complete
    assert thin.surface.shape == (7,)
    np.testing.assert_array_equal(thin.path, whole.path[thin.steps])
    np.testing.assert_array_equal(thin.errors, whole.errors[thin.steps])
    np.testing.assert_array_equal(thin.epochs[1:], thin.steps[1:])
    monkeypatch.setattr(module, "MAX_POINTS", 20)
    record = read_run(Path("r"))
    [figure, text] = surface_parts(record, evaluate(record).network, ())
    assert "The path has 19 points, evenly chosen from 103 updates." in text
    assert figure.table.rows[-1][0] == 103


def test_a_path_that_is_too_long_is_said(monkeypatch):
    monkeypatch.setattr(module, "MAX_UPDATES", 3)
    figure, text = parts_of(LINE)
    assert figure.table.rows[-1][:2] == [3, 2.625]
    assert "The path ends after 3 updates, before the end of training." in text


def test_kept_weights_are_marked():
    # the validation row has its optimum at 1, the training row at 3: the first update is the best
    data = {
        "source": "npz",
        "path": "train.npz",
        "validation": {"path": "validation.npz"},
    }
    np.savez("train.npz", x=[[1.0]], y=[[3.0]])
    np.savez("validation.npz", x=[[1.0]], y=[[1.0]])
    experiment = LINE | {"data": data, "stop": {"monitor": "validation_loss", "patience": 3}}
    figure, _ = parts_of(experiment)
    assert "A cross marks the weights that were kept, w0[0,0] = 1.5 (E = 1.125)." in figure.alt
    assert "kept, epoch 1" in drawn([figure])


def test_a_diverged_run_is_drawn_and_said():
    # w - 3 is multiplied by 1 - 1e60 in each update: E overflows soon
    experiment = LINE | {
        "optimizer": {"name": "sgd", "learning_rate": 1e60},
        "train": {"epochs": 9, "batch_size": "full"},
    }
    parts = parts_of(experiment)
    page = drawn(parts)
    assert "nan" not in page.lower()
    assert "cannot be drawn" in page or "nowhere finite" in page


def test_two_of_five_hundred_weights():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 499))
    np.savez("wide.npz", x=x, y=x[:, :1])
    experiment = LINE | {
        "data": {"source": "npz", "path": "wide.npz"},
        "model": {"layers": [1]},
        "optimizer": {"name": "sgd", "learning_rate": 1e-4},
    }
    assert parts_of(experiment) == []
    record = read_run(Path("r"))
    figure, text = surface_parts(record, evaluate(record).network, ["w0[498,0]", "b0[0]"])
    assert "the 498 other parameters have the values of the end of the path" in text
    assert len(figure.table.rows) == 5
    assert len(drawn([figure])) < 300_000


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("w0", "for example w0[0,0]; layer 0 has w0[0..0,0..0]"),
        ("w0[1", "for example w0[0,0]; layer 0 has w0[0..0,0..0]"),
        ("w0[1,0]", "layer 0 has w0[0..0,0..0]"),
        ("weight", "for example w0[0,0]"),
        ("b0", "for example w0[0,0]"),
    ],
)
def test_a_wrong_name_hints_at_the_right_ones(name, hint):
    with pytest.raises(CygdError) as caught:
        parts_of(LINE, [name])
    assert caught.value.hint == hint


def test_large_data_have_a_coarser_surface(monkeypatch):
    monkeypatch.setattr(module, "OPERATIONS", 400)  # 20 x 20 errors of one row and one parameter
    cygd.run(LINE | {"model": {"layers": [1]}}, out="r")
    record = read_run(Path("r"))
    surface = module._compute(record, assemble("r/config.yaml"), ["w0[0,0]", "b0[0]"])
    assert surface.surface.shape == (15, 15)  # sqrt(400 / 2) is 14, below the least


def test_levels_are_logarithmic_over_powers_of_ten():
    levels, is_log = _levels(np.geomspace(1e-4, 1e3, 500))
    ratios = levels[1:] / levels[:-1]
    assert is_log
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)
    levels, is_log = _levels(np.linspace(1, 5, 500))
    assert not is_log
    assert levels[0] == 1
    assert not _levels(np.linspace(-5, 5000, 500))[1]
