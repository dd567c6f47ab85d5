"""Descriptions of components that are not built in."""

from pathlib import Path

import pytest

from cygd import Activation, Logger
from cygd.runner import assembly
from cygd.runner.provenance import custom_components, describe_tier, relative_path

PLUGIN = """\
import numpy as np
from cygd import Activation, Metric, hookimpl

@hookimpl
def cygd_activations():
    yield Activation("bent", function=np.tanh, derivative=lambda h, y_hat: 1 - y_hat**2)
    yield Activation("swish", formula="h * sigmoid(beta * h)", parameters={"beta": 1.0})

@hookimpl
def cygd_metrics():
    return Metric("largest", lambda y, y_hat: float(np.abs(y - y_hat).max()))
"""
DATA = {"source": "inline", "x": [[0, 0], [0, 1]], "y": [0, 1]}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CYGD_PLUGINS", raising=False)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "own.py").write_text(PLUGIN)
    return tmp_path


def lines(layers, **keys):
    return custom_components(
        assembly.read({"data": DATA, "model": {"layers": layers}, **keys}, (), ["plugins/own.py"])
    )


def test_built_in_components_are_not_listed():
    assert lines([3, {"units": 1, "activation": "sigmoid"}]) == []


def test_custom_component_is_listed_once_with_tier_and_file():
    layers = [{"units": 2, "activation": "bent"}, {"units": 2, "activation": "own:swish"},
              {"units": 2, "activation": "bent"}, 1]  # fmt: skip
    assert lines(layers, metrics=["largest", "rmse"]) == [
        "activation bent: numpy (plugins/own.py)",
        "activation own:swish: formula (plugins/own.py)",
        "metric largest: numpy (plugins/own.py)",
    ]


def test_logger_has_no_tier():
    logger = Logger("mine", lambda: None)
    assert describe_tier(logger) == "-"
    (Path("plugins") / "own.py").write_text(
        "from cygd import Logger, hookimpl\n"
        "@hookimpl\ndef cygd_loggers():\n    return Logger('mine', object)\n"
    )
    assert lines([1], log=["mine"]) == ["logger mine (plugins/own.py)"]


def test_formula_is_listed_as_written():
    loss = {"formula": "log(cosh(y_hat - y))"}
    rule = {"formula": {"m": "b * m + g", "w": "w - learning_rate * m"}, "state": ["m"], "b": 0.9}
    found = lines([{"units": 1, "activation": {"formula": "h *  sigmoid(h)"}}], loss=loss, optimizer=rule)
    assert found == [
        "activation h * sigmoid(h): formula",
        "loss log(cosh(y_hat - y)): formula",
        "optimizer m = b * m + g, w = w - learning_rate * m: formula",
    ]


def test_long_formula_is_truncated():
    long = {"formula": " + ".join(["h * h"] * 40)}
    [line] = lines([{"units": 1, "activation": long}])
    assert line == f"activation {(' + '.join(['h * h'] * 40))[:57]}...: formula"


def test_tier_describes_surrogate_and_numerical_derivatives(caplog):
    assert describe_tier(Activation("m", lambda h: h)) == "numpy, derivative measured"
    surrogate = Activation("s", lambda h: h, lambda h: 2 * h, surrogate=True)
    assert describe_tier(surrogate) == "numpy, surrogate derivative"


def test_only_paths_below_the_current_folder_become_relative(here):
    assert relative_path(str(here / "a" / "b.py")) == "a/b.py"
    assert relative_path(str(here.parent / "b.py")) == str(here.parent / "b.py")
    assert relative_path("cygd-ant 2.0, entry point ant") == "cygd-ant 2.0, entry point ant"
