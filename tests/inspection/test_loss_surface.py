"""The error over a weight, and the way of the descent over it."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.errors import ConfigError, CygdError
from cygd.inspection.loss_surface import compute_loss_surface, weight
from cygd.runner.assembly import assemble

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
ONE = str(EXPERIMENTS / "one_weight.yaml")

SMALL = {
    "name": "small",
    "seed": 4,
    "data": {"source": "synthetic", "kind": "moons", "samples": 50, "split": {"validation": 0.2}},
    "model": {
        "layers": [{"units": 3, "activation": "tanh", "l2": 0.01}, {"units": 1, "activation": "sigmoid"}]
    },
    "loss": "binary_cross_entropy",
    "optimizer": {"name": "adam", "learning_rate": 0.02},
    "schedule": {"name": "step", "every": 2, "factor": 0.5},
    "clip": {"norm": 1.0},
    "train": {"epochs": 5, "batch_size": 8},
}


def test_one_weight_walks_down_its_parabola():
    found = compute_loss_surface(assemble(ONE), ["w0[0,0]"])
    w = found.path[:, 0]
    k = np.arange(len(w))
    np.testing.assert_allclose(w, 2 - 0.6**k, rtol=1e-14)
    np.testing.assert_allclose(found.errors, 2 * 0.36**k, rtol=1e-9, atol=1e-20)
    np.testing.assert_allclose(found.surface, (4 - 2 * found.axes[0]) ** 2 / 2, rtol=1e-12)
    assert found.complete
    assert len(w) - 1 == 46  # where the loss falls below 1e-20, as the run has it
    assert (found.epochs[1:] == k[1:]).all()
    assert found.axes[0].min() < 1
    assert found.axes[0].max() > 2


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"train": {"epochs": 4, "batch_size": "full"}},
        {"train": {"epochs": 3, "batch_size": 7, "shuffle": False}},
        {"stop": {"patience": 1, "monitor": "loss", "min_delta": 0.05, "restore_best": False}},
        {"model": {"dtype": "float32", "layers": SMALL["model"]["layers"]}},
    ],
)
def test_the_way_ends_where_the_run_does(change, tmp_path):
    content = {**SMALL, **change}
    found = compute_loss_surface(assemble(content), ["w0[1,2]", "b1[0]"])
    result = cygd.run(content, out=tmp_path / "run")
    net = result.model.network
    assert found.complete
    batch = content["train"]["batch_size"]
    per_epoch = 1 if batch == "full" else -(-40 // batch)
    assert len(found.path) - 1 == per_epoch * result.epochs
    np.testing.assert_array_equal(found.path[-1], [net.weights[0][1, 2], net.biases[1][0]])
    assert found.errors[-1] == pytest.approx(result.metrics["loss"] + net.penalty(), rel=1e-6)


def test_a_run_folder_shows_its_own_way(tmp_path, capsys):
    result = cygd.run(SMALL, out=tmp_path / "run")
    assert main(["bowl", str(tmp_path / "run"), "--weight", "w0[0,0]", "--csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    way = [row for row in rows if row["part"] == "path"]
    assert float(way[-1]["w0[0,0]"]) == result.model.network.weights[0][0, 0]
    assert [int(row["step"]) for row in way] == list(range(26))
    assert way[-1]["epoch"] == "5"
    assert len(rows) > len(way) + 100


def test_a_name_means_its_newest_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cygd.run(SMALL)
    result = cygd.run(SMALL, overrides=["seed=9"])
    assert main(["bowl", "small", "--weight", "b1[0]", "--csv"]) == 0
    way = [line for line in capsys.readouterr().out.splitlines() if line.startswith("path")]
    assert float(way[-1].split(",")[3]) == result.model.network.biases[1][0]


def test_the_surface_has_the_other_weights_of_the_end():
    assembly = assemble(SMALL)
    found = compute_loss_surface(assembly, ["w0[0,0]", "w1[2,0]"], most=7)
    assert not found.complete
    assert len(found.path) == 8
    net = assembly.network
    x, y, _ = assembly.data.train.take()
    before = net.parameters.copy()
    for i, j in ((0, 0), (3, 50), (60, 60)):
        net.weights[0][0, 0], net.weights[1][2, 0] = found.axes[0][i], found.axes[1][j]
        assert found.surface[i, j] == net.loss(x, y) + net.penalty()
    net.parameters[...] = before
    assert found.errors[-1] == net.loss(x, y) + net.penalty()


def test_a_run_that_diverges_is_followed_to_its_last_whole_epoch(tmp_path):
    found = compute_loss_surface(
        assemble(ONE, ["optimizer.learning_rate=3", "train.epochs=2000"]), ["w0[0,0]"]
    )
    assert np.isfinite(found.path).all()
    assert abs(found.path[-1, 0]) > 1e100
    assert np.isfinite(found.axes[0]).all()
    pytest.importorskip("matplotlib")
    from cygd.inspection.loss_surface_plot import draw

    draw(found, "diverged", tmp_path / "diverged.png")


@pytest.mark.parametrize(
    "name", ["w0[0,0]", "w0[1,2]", "b0[2]", "w1[2,0]", " w1 [ 2 , 0 ] ", "b1[0]", "a0[0]"]
)
def test_a_name_is_a_place_in_the_flat_vector(name):
    layers = [(3, {"formula": "h * sigmoid(beta * h)", "beta": 1.0, "trainable": ["beta"]}), 1]
    net = cygd.Network(2, layers, seed=1)
    net.parameters[...] = np.arange(net.parameters.size)
    kind, layer, index = name.strip()[0], int(name.strip()[1]), name[name.index("[") + 1 : name.index("]")]
    view = {"w": net.weights, "b": net.biases, "a": net.trainable_values}[kind][layer]
    assert weight(net, name).at == view[tuple(int(part) for part in index.split(","))]


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("w0", "'w0' names no weight", "w0[0,0]"),
        ("v0[0,0]", "names no weight", "w0[0,0]"),
        ("w2[0,0]", "there is no layer 2", "from 0 to 1"),
        ("w0[2,0]", "out of range", "w0[0..1,0..2]"),
        ("w0[0]", "out of range", "w0[0..1,0..2]"),
        ("b0[0,0]", "out of range", "b0[0..2]"),
        ("b1[0]", "layer 1 has no bias", "b0[0]"),
        ("a0[0]", "no trainable parameter", "w0[0,0]"),
        ("w0[-1,0]", "names no weight", "w0[0,0]"),
    ],
)
def test_a_weight_that_there_is_not(name, message, hint):
    net = cygd.Network(2, [(3, "tanh"), {"units": 1, "bias": False}])
    with pytest.raises(CygdError) as error:
        weight(net, name)
    assert message in error.value.message
    assert hint in error.value.hint


def test_the_same_weight_twice_and_dropout_are_refused():
    with pytest.raises(CygdError, match="named twice"):
        compute_loss_surface(assemble(ONE), ["w0[0,0]", "w0[0, 0]"])
    with pytest.raises(ConfigError, match="no dropout"):
        compute_loss_surface(assemble(SMALL, ["model.layers.0.dropout=0.5"]), ["w0[0,0]"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([ONE], "expected one or two --weight, got none"),
        ([ONE, *["-w", "w0[0,0]"] * 3], "expected one or two --weight, got 3"),
        (["-w", "w0[0,0]"], "expected one experiment or run"),
        ([ONE, "-w", "w0[0,0]", "--steps", "0"], "expected an integer of at least 1, got '0'"),
        ([".", "-w", "w0[0,0]"], "unknown run '.'"),
        (["nothing.yaml", "-w", "w0[0,0]"], "nothing.yaml"),
        (
            [ONE, "-w", "w0[0,0]", "-o", "nowhere/x.svg"],
            "cannot write nowhere/x.svg: No such file or directory",
        ),
        ([ONE, "-w", "w0[0,0]", "-o", "x.abc"], "hint: name it .svg, .png or .pdf"),
    ],
)
def test_mistakes_on_the_command_line(arguments, said, tmp_path, monkeypatch, capsys):
    if "-o" in arguments:
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert main(["bowl", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("weights", [["w0[0,0]"], ["w0[0,0]", "w0[1,0]"]])
def test_a_picture_is_the_same_file_each_time(weights, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    source = str(EXPERIMENTS / "xor.yaml")
    names = [part for name in weights for part in ("--weight", name)]
    for file in ("one.svg", "two.svg"):
        assert main(["bowl", source, "train.epochs=30", *names, "-o", file]) == 0
    assert capsys.readouterr().out == "one.svg\ntwo.svg\n"
    text = Path("one.svg").read_text()
    assert text == Path("two.svg").read_text()
    for word in ("xor: E over", *weights, "updates", "start"):
        assert word in text


def test_without_matplotlib_the_remedy_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.chdir(tmp_path)
    assert main(["bowl", ONE, "-w", "w0[0,0]"]) == 2
    error = capsys.readouterr().err
    assert "matplotlib" in error
    assert "cygd[report]" in error
    assert main(["bowl", ONE, "-w", "w0[0,0]", "--csv"]) == 0
