"""Loss surfaces: the error over one weight or two, and the path of training on it."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.errors import ConfigError, CygdError
from cygd.inspection.surface import compute_loss_surface, parse_weight
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


def test_the_path_of_one_weight_on_a_parabola():
    surface = compute_loss_surface(assemble(ONE), ["w0[0,0]"])
    w = surface.path[:, 0]
    k = np.arange(len(w))
    np.testing.assert_allclose(w, 2 - 0.6**k, rtol=1e-14)
    np.testing.assert_allclose(surface.errors, 2 * 0.36**k, rtol=1e-9, atol=1e-20)
    np.testing.assert_allclose(surface.surface, (4 - 2 * surface.axes[0]) ** 2 / 2, rtol=1e-12)
    assert surface.complete
    assert len(w) - 1 == 46  # the run stops once the loss is below 1e-20
    assert (surface.epochs[1:] == k[1:]).all()
    assert surface.axes[0].min() < 1
    assert surface.axes[0].max() > 2


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
def test_the_path_ends_at_the_end_of_the_run(change, tmp_path):
    content = {**SMALL, **change}
    surface = compute_loss_surface(assemble(content), ["w0[1,2]", "b1[0]"])
    result = cygd.run(content, out=tmp_path / "run")
    net = result.model.network
    assert surface.complete
    batch = content["train"]["batch_size"]
    per_epoch = 1 if batch == "full" else -(-40 // batch)
    assert len(surface.path) - 1 == per_epoch * result.epochs
    np.testing.assert_array_equal(surface.path[-1], [net.weights[0][1, 2], net.biases[1][0]])
    assert surface.errors[-1] == pytest.approx(result.metrics["loss"] + net.penalty(), rel=1e-6)


def test_a_run_folder_gives_the_path_of_its_run(tmp_path, capsys):
    result = cygd.run(SMALL, out=tmp_path / "run")
    assert main(["bowl", str(tmp_path / "run"), "--weight", "w0[0,0]", "--csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    path = [row for row in rows if row["part"] == "path"]
    assert float(path[-1]["w0[0,0]"]) == result.model.network.weights[0][0, 0]
    assert [int(row["step"]) for row in path] == list(range(26))
    assert path[-1]["epoch"] == "5"
    assert len(rows) > len(path) + 100


def test_a_name_gives_the_newest_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cygd.run(SMALL)
    result = cygd.run(SMALL, overrides=["seed=9"])
    assert main(["bowl", "small", "--weight", "b1[0]", "--csv"]) == 0
    path = [line for line in capsys.readouterr().out.splitlines() if line.startswith("path")]
    assert float(path[-1].split(",")[3]) == result.model.network.biases[1][0]


def test_the_surface_has_the_other_weights_of_the_end_of_the_path():
    assembly = assemble(SMALL)
    surface = compute_loss_surface(assembly, ["w0[0,0]", "w1[2,0]"], max_updates=7)
    assert not surface.complete
    assert len(surface.path) == 8
    net = assembly.network
    x, y, _ = assembly.data.train.take()
    before = net.parameters.copy()
    for i, j in ((0, 0), (3, 50), (60, 60)):
        net.weights[0][0, 0], net.weights[1][2, 0] = surface.axes[0][i], surface.axes[1][j]
        assert surface.surface[i, j] == net.loss(x, y) + net.penalty()
    net.parameters[...] = before
    assert surface.errors[-1] == net.loss(x, y) + net.penalty()


def test_the_path_of_a_diverging_run_is_finite(tmp_path):
    surface = compute_loss_surface(
        assemble(ONE, ["optimizer.learning_rate=3", "train.epochs=2000"]), ["w0[0,0]"]
    )
    assert np.isfinite(surface.path).all()
    assert abs(surface.path[-1, 0]) > 1e100
    assert np.isfinite(surface.axes[0]).all()
    pytest.importorskip("matplotlib")
    from cygd.inspection.surface_plot import draw

    draw(surface, "diverged", tmp_path / "diverged.png")


@pytest.mark.parametrize(
    "name", ["w0[0,0]", "w0[1,2]", "b0[2]", "w1[2,0]", " w1 [ 2 , 0 ] ", "b1[0]", "a0[0]"]
)
def test_a_weight_name_gives_its_index_in_the_flat_vector(name):
    layers = [(3, {"formula": "h * sigmoid(beta * h)", "beta": 1.0, "trainable": ["beta"]}), 1]
    net = cygd.Network(2, layers, seed=1)
    net.parameters[...] = np.arange(net.parameters.size)
    kind, layer, index = name.strip()[0], int(name.strip()[1]), name[name.index("[") + 1 : name.index("]")]
    view = {"w": net.weights, "b": net.biases, "a": net.trainable_values}[kind][layer]
    assert parse_weight(net, name).index == view[tuple(int(part) for part in index.split(","))]


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("w0", "unknown weight 'w0'", "w0[0,0]"),
        ("v0[0,0]", "unknown weight", "w0[0,0]"),
        ("w2[0,0]", "no layer 2", "0 to 1"),
        ("w0[2,0]", "out of range", "w0[0..1,0..2]"),
        ("w0[0]", "out of range", "w0[0..1,0..2]"),
        ("b0[0,0]", "out of range", "b0[0..2]"),
        ("b1[0]", "layer 1 has no bias", "b0[0]"),
        ("a0[0]", "no trainable parameter", "w0[0,0]"),
        ("w0[-1,0]", "unknown weight", "w0[0,0]"),
    ],
)
def test_unknown_weights_are_errors_with_a_hint(name, message, hint):
    net = cygd.Network(2, [(3, "tanh"), {"units": 1, "bias": False}])
    with pytest.raises(CygdError) as error:
        parse_weight(net, name)
    assert message in error.value.message
    assert hint in error.value.hint


def test_the_same_weight_twice_and_dropout_are_errors():
    with pytest.raises(CygdError, match="given twice"):
        compute_loss_surface(assemble(ONE), ["w0[0,0]", "w0[0, 0]"])
    with pytest.raises(ConfigError, match="dropout has no loss surface"):
        compute_loss_surface(assemble(SMALL, ["model.layers.0.dropout=0.5"]), ["w0[0,0]"])


@pytest.mark.parametrize(
    ("arguments", "message"),
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
        ([ONE, "-w", "w0[0,0]", "-o", "x.abc"], "hint: use the suffix .svg, .png or .pdf"),
    ],
)
def test_command_line_errors(arguments, message, tmp_path, monkeypatch, capsys):
    if "-o" in arguments:
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert main(["bowl", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("weights", [["w0[0,0]"], ["w0[0,0]", "w0[1,0]"]])
def test_plots_are_reproducible_files(weights, tmp_path, monkeypatch, capsys):
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


def test_without_matplotlib_the_error_names_the_extra(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.chdir(tmp_path)
    assert main(["bowl", ONE, "-w", "w0[0,0]"]) == 2
    error = capsys.readouterr().err
    assert "matplotlib" in error
    assert "cygd[report]" in error
    assert main(["bowl", ONE, "-w", "w0[0,0]", "--csv"]) == 0


def test_the_public_function_takes_experiments_and_runs(tmp_path):
    result = cygd.run(SMALL, out=tmp_path / "run")
    expected = compute_loss_surface(assemble(SMALL), ["b1[0]"], 7)
    for source in (SMALL, result, tmp_path / "run", tmp_path / "run" / "config.yaml"):
        surface = cygd.loss_surface(source, weights=["b1[0]"], steps=7)
        np.testing.assert_array_equal(surface.path, expected.path)
        np.testing.assert_array_equal(surface.surface, expected.surface)


def test_a_diverging_epoch_is_not_on_the_path():
    content = {**SMALL, "clip": None, "optimizer": {"name": "sgd", "learning_rate": 1e200}}
    content["model"] = {"layers": [{"units": 3, "activation": "identity"}, 1]}
    assembly = assemble({**content, "loss": "sse"})
    surface = compute_loss_surface(assembly, ["w0[0,0]"])
    assert surface.steps.tolist() == [0]
    assert surface.complete
