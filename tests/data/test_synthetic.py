from pathlib import Path

import numpy as np
import pytest

from cygd.components import OptionError
from cygd.data import DATA_SOURCES
from cygd.data.sources.synthetic import SYNTHETIC_KINDS
from cygd.errors import DataError

SOURCE = next(source for source in DATA_SOURCES if source.name == "synthetic")


def draw(**options):
    return SOURCE.configured(options).read(Path())


def columns(data):
    return data.x, data.y[:, 0]


@pytest.mark.parametrize("kind", SYNTHETIC_KINDS)
def test_problem_depends_on_its_seed_only(kind):
    first, again, other = (draw(kind=kind, samples=50, seed=seed) for seed in (3, 3, 4))
    assert first.x.shape == (50, 1 if kind in ("linear", "sine") else 2)
    assert first.y.shape == (50, 1)
    assert np.isfinite(first.x).all()
    assert np.array_equal(first.x, again.x)
    assert np.array_equal(first.y, again.y)
    assert not np.array_equal(first.x, other.x)


@pytest.mark.parametrize("kind", ["xor", "moons", "circles", "spirals"])
def test_classification_problems_have_two_equal_classes(kind):
    data = draw(kind=kind, samples=100)
    assert data.classes == (0, 1)
    assert data.y.sum() == 50


def test_points_without_noise_are_exact():
    x, y = columns(draw(kind="circles", noise=0, samples=40))
    assert np.allclose(np.hypot(*x.T), np.where(y, 0.5, 1))
    data = draw(kind="xor", noise=0, samples=4)
    assert data.x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert data.y[:, 0].tolist() == [0, 1, 1, 0]
    data = draw(kind="sine", noise=0)
    assert np.allclose(np.sin(data.x), data.y)
    data = draw(kind="linear", noise=0, inputs=3)
    with_ones = np.hstack([data.x, np.ones((500, 1))])
    assert np.allclose(with_ones @ np.linalg.lstsq(with_ones, data.y)[0], data.y)
    x, y = columns(draw(kind="moons", noise=0, samples=40))
    assert np.allclose(np.hypot(*(x - np.where(y, 1, 0)[:, None] * [1, 0.5]).T), 1)
    assert (x[y == 0, 1] >= 0).all()
    assert (x[y == 1, 1] <= 0.5).all()
    x, y = columns(draw(kind="spirals", noise=0, samples=40))
    radius, angle = np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0])
    turned = (angle - np.pi * radius - np.pi * y) / (2 * np.pi)
    assert np.allclose(turned, np.round(turned))


def test_noise_is_the_standard_deviation():
    x = draw(kind="xor", noise=0.1, samples=4000).x
    assert np.isclose((x - np.round(x)).std(), 0.1, rtol=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "moon"}, "option 'kind' of data source 'synthetic': expected one of linear | sine"),
        ({"kind": "xor", "samples": 0}, "option 'samples' of data source 'synthetic': expected a value in"),
        (
            {"kind": "xor", "samples": 1.5},
            "option 'samples' of data source 'synthetic': expected an integer",
        ),
        ({"kind": "xor", "noise": -1}, "option 'noise' of data source 'synthetic': expected a value in"),
        ({"kind": "xor", "seed": -1}, "option 'seed' of data source 'synthetic': expected a value in"),
        ({"kind": "linear", "inputs": 0}, "option 'inputs' of data source 'synthetic': expected a value in"),
        ({}, "data source 'synthetic' needs the option 'kind'"),
    ],
)
def test_invalid_options_are_an_error(options, message):
    with pytest.raises(OptionError) as caught:
        SOURCE.configured(options)
    assert message in str(caught.value)


def test_inputs_requires_the_linear_problem():
    with pytest.raises(DataError, match="inputs: expected kind: linear with this option, got kind: moons"):
        draw(kind="moons", inputs=2)
