"""`cygd trace --json` and `--latex`: every number reads back, and the equations are well formed."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.inspection.trace_formats import step_object

XOR = {
    "data": {"source": "inline", "x": [[0, 1], [1, 0], [1, 1]], "y": [[1], [1], [0]]},
    "model": {"layers": [{"units": 3, "activation": "tanh"}, {"units": 1, "activation": "sigmoid"}]},
    "loss": "sse",
    "optimizer": {"name": "sgd", "learning_rate": 0.5},
    "train": {"epochs": 3, "batch_size": 2},
}


@pytest.fixture
def trace(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(experiment, *options):
        (tmp_path / "e.yaml").write_text(json.dumps(experiment))
        assert main(["trace", "e.yaml", *options]) == 0
        return capsys.readouterr().out

    return run


def test_json_has_every_bit_of_the_trace(trace):
    found = json.loads(trace(XOR, "--json", "--steps", "4"))
    expected = cygd.trace(XOR, steps=4)
    assert [step["step"] for step in found] == [1, 2, 3, 4]
    for step, other in zip(found, expected, strict=True):
        assert (step["epoch"], step["E"], step["learning_rate"]) == (other.epoch, other.loss, 0.5)
        assert step["samples"] == other.samples.tolist()
        for layer, own in zip(step["layers"], other.layers, strict=True):
            for name in ("x", "h", "y_hat", "derivative", "delta"):
                assert layer[name] == getattr(own, name).tolist()
            for name in ("w", "b"):
                parameter = getattr(own, name)
                assert layer[name]["before"] == parameter.value.tolist()
                assert layer[name]["gradient"] == parameter.gradient.tolist()
                assert layer[name]["numerical_gradient"] == parameter.numerical.tolist()
                assert layer[name]["after"] == parameter.after.tolist()
            assert "a" not in layer


def test_json_obeys_the_equations_by_hand(trace):
    [step] = json.loads(trace(XOR, "--json", "--steps", "1"))
    hidden, output = step["layers"]
    w, b = np.array(output["w"]["before"]), np.array(output["b"]["before"])
    h = np.array(output["x"]) @ w + b
    np.testing.assert_allclose(output["h"], h, rtol=1e-14)
    y_hat = 1 / (1 + np.exp(-h))
    delta = (np.array(step["y"]) - y_hat) * y_hat * (1 - y_hat)
    np.testing.assert_allclose(output["delta"], delta, rtol=1e-12)
    below = (1 - np.array(hidden["y_hat"]) ** 2) * (delta @ w.T)
    np.testing.assert_allclose(hidden["delta"], below, rtol=1e-12)
    gradient = -np.array(hidden["x"]).T @ below
    np.testing.assert_allclose(hidden["w"]["gradient"], gradient, rtol=1e-12, atol=1e-15)


def test_numbers_that_are_not_finite_are_null():
    [step] = cygd.trace(XOR, steps=1)
    found = step_object(replace(step, loss=np.inf, y=np.array([[np.nan], [1.0]])))
    assert (found["E"], found["y"]) == (None, [[None], [1.0]])


def test_row_wise_and_trainable_activations(trace):
    layers = [
        {"units": 2, "activation": {"formula": "a * h", "a": 0.5, "trainable": ["a"]}},
        {"units": 1, "activation": "sigmoid"},
    ]
    [step] = json.loads(trace({**XOR, "model": {"layers": layers}}, "--json", "--steps", "1"))
    assert step["layers"][0]["a"]["before"] == [0.5]
    data = {"source": "inline", "x": [[0.0], [1.0]], "y": [[1, 0], [0, 1]]}
    softmax = {**XOR, "data": data, "model": {"layers": [{"units": 2, "activation": "softmax"}]}}
    [step] = json.loads(trace({**softmax, "loss": "cross_entropy"}, "--json", "--steps", "1"))
    assert step["layers"][0]["derivative"] is None
    assert "\\delta" in trace({**softmax, "loss": "cross_entropy"}, "--latex", "--steps", "1")


def test_latex_has_the_numbers_by_hand(trace):
    data = {"source": "inline", "x": [[2.0]], "y": [[4.0]]}
    layers = [{"units": 1, "bias": False, "weights": [[1.0]]}]
    optimizer = {"name": "sgd", "learning_rate": 0.1}
    train = {"epochs": 1, "batch_size": 1}
    experiment = {
        "data": data,
        "model": {"layers": layers},
        "loss": "sse",
        "optimizer": optimizer,
        "train": train,
    }
    text = trace(experiment, "--latex")
    assert r"h_{0,0} &= 1 \cdot 2 = 2" in text
    assert r"E &= 2" in text
    assert (
        r"\frac{\partial E}{\partial w_{0,00}} &= -4, \quad \Delta w_{0,00} = 0.4, \quad "
        r"w_{0,00} \leftarrow 1.4" in text
    )


def test_latex_is_well_formed(trace):
    mathtext = pytest.importorskip("matplotlib.mathtext")
    text = trace(XOR, "--latex", "--steps", "2")
    assert text.count(r"\begin{align*}") == text.count(r"\end{align*}") == 12
    parser = mathtext.MathTextParser("path")
    equations = re.findall(r"^  (.*?)(?: \\\\)?$", text, re.MULTILINE)
    assert len(equations) > 30
    for equation in equations:
        parser.parse(f"${equation.replace('&=', '=')}$")
        assert equation.count("{") == equation.count("}")


def test_formats_exclude_each_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.yaml").write_text(json.dumps(XOR))
    assert main(["trace", "e.yaml", "--json", "--csv"]) == 2
    assert "not allowed with" in capsys.readouterr().err


def test_no_step_is_an_empty_array(trace):
    text = trace({**XOR, "train": {"epochs": 0}}, "--json")
    assert json.loads(text) == []
