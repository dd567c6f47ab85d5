"""What a report draws of a network with one or two inputs."""

from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.report.evaluation import evaluate
from cygd.report.page import Figure, Section, render_page
from cygd.report.regions import region_figures
from cygd.report.run_record import read_run

pytest.importorskip("matplotlib")

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parts_of(experiment, overrides=()):
    cygd.run(experiment, out="r", overrides=list(overrides))
    return region_figures(evaluate(read_run(Path("r"))))


def test_regions_of_xor_by_hand():
    # step units: one is on above x1 + x2 = 1/2, the other above 3/2; the output is 1 between both lines
    hidden = {"units": 2, "activation": "step", "weights": [[1, 1], [1, 1]], "bias": [-0.5, -1.5]}
    last = {"units": 1, "activation": "step", "weights": [[1], [-1]], "bias": [-0.5]}
    experiment = {
        "name": "xor",
        "data": {"source": "inline", "x": [[0, 0], [0, 1], [1, 0], [1, 1]], "y": [[0], [1], [1], [0]]},
        "model": {"layers": [hidden, last]},
        "train": {"epochs": 1},
        "optimizer": {"name": "sgd", "learning_rate": 1e-12},
    }
    [figure] = parts_of(experiment)
    assert figure.title == "decision regions"
    share = dict(figure.table.rows)
    # of the square from -0.08 to 1.08: below the first line and above the second lie two triangles
    side = 1.16
    expected = 1 - 2 * (0.66**2 / 2) / side**2
    assert float(share["1"].rstrip("%")) / 100 == pytest.approx(expected, abs=0.01)
    assert float(share["0"].rstrip("%")) / 100 == pytest.approx(1 - expected, abs=0.01)
    assert "<svg" in render_page("t", "s", [Section("a", [figure])])


@pytest.mark.parametrize("name", ["xor", "circles", "spirals_swish", "moons_sign_momentum", "sine"])
def test_shipped_experiments_of_one_or_two_inputs(name):
    parts = parts_of(EXPERIMENTS / f"{name}.yaml", ["train.epochs=2"])
    assert len(parts) == 1
    [figure] = parts
    assert isinstance(figure, Figure)
    assert figure.title == ("learned function" if name == "sine" else "decision regions")
    page = render_page("t", "s", [Section("a", [figure])])
    assert len(page) < 500_000


def test_categories_are_not_drawn_and_the_page_says_why(here):
    (here / "a.csv").write_text("size,color,y\n1,red,1\n2,blue,2\n3,red,3\n4,blue,4\n")
    experiment = {
        "name": "c",
        "data": {"source": "csv", "path": "a.csv", "targets": ["y"]},
        "model": {"layers": [1]},
        "train": {"epochs": 2},
    }
    [text] = parts_of(experiment)
    assert "color holds categories" in text


def test_scaled_inputs_are_drawn_in_their_own_units(here):
    x = np.linspace(1000, 3000, 21)
    np.savez("a.npz", x=x[:, None], y=(x / 1000)[:, None])
    experiment = {
        "name": "scaled",
        "data": {
            "source": "npz",
            "path": "a.npz",
            "scale": {"inputs": "standard", "targets": "standard"},
        },
        "model": {"layers": [1]},
        "train": {"epochs": 300},
        "optimizer": {"name": "sgd", "learning_rate": 0.02},
    }
    [figure] = parts_of(experiment)
    rows = np.array(figure.table.rows, float)
    assert rows[0, 0] == pytest.approx(840)  # 8 % of the extent before the data
    assert rows[-1, 0] == pytest.approx(3160)
    np.testing.assert_allclose(rows[:, 1], rows[:, 0] / 1000, rtol=1e-3)
