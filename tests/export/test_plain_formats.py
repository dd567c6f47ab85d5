"""Weights as .npz, .safetensors and .json: what is in the files, and that it is enough to predict."""

import json

import numpy as np
import pytest

import cygd
from cygd import Activation, Model, Network
from cygd.data import InputColumn, Preprocessing
from cygd.errors import ExportError
from cygd.export import find_format
from cygd.export.description import shortest

NUMBERS = Preprocessing((InputColumn("a", shift=1.0, scale=2.0), InputColumn("b", fill=0.5)), ("y",))
PROVENANCE = {"experiment": "mine", "run": "20260101-120000-ab12", "config_sha256": "12ab"}


def small(dtype="float64", layers=((3, "tanh"), 1)):
    return Model(Network(2, list(layers), dtype=dtype, seed=1), NUMBERS, PROVENANCE)


def read_metadata(path):
    if path.suffix == ".npz":
        return json.loads(str(np.load(path)["metadata"]))
    if path.suffix == ".json":
        return json.loads(path.read_text())
    length = int.from_bytes(path.read_bytes()[:8], "little")
    return json.loads(json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]["model"])


def read_arrays(path):
    if path.suffix == ".npz":
        return {name: array for name, array in np.load(path).items() if name != "metadata"}
    if path.suffix == ".safetensors":
        return pytest.importorskip("safetensors.numpy").load_file(path)
    content = json.loads(path.read_text())
    pairs = [(f"{key[0]}{i}", layer[key]) for i, layer in enumerate(content["layers"])
             for key in ("weights", "bias") if key in layer]  # fmt: skip
    return {name: np.array(values, content["dtype"]) for name, values in pairs}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".json"])
def test_arrays_have_the_bits_of_the_network(suffix, dtype, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    model = small(dtype, [{"units": 3, "activation": "tanh", "bias": False}, 1])
    model.network.parameters[0] = np.finfo(dtype).smallest_subnormal
    [file] = model.export(tmp_path / f"model{suffix}")
    arrays = read_arrays(file)
    assert sorted(arrays) == ["b1", "w0", "w1"]
    for name, expected in zip(["w0", "w1", "b1"], [*model.network.weights, model.network.biases[1]],
                              strict=True):  # fmt: skip
        assert arrays[name].dtype == dtype
        np.testing.assert_array_equal(arrays[name], expected)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".json"])
def test_metadata_describe_the_model(suffix, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    formula = {"formula": "h * sigmoid(beta * h)", "beta": 1.5, "trainable": ["beta"]}
    model = small(layers=[(2, formula), (2, {"name": "leaky_relu", "slope": 0.25}), 1])
    model.network.trainable_values[0][0] = 2.25
    [file] = model.export(tmp_path / f"model{suffix}")
    content = read_metadata(file)
    assert (content["format"], content["version"], content["dtype"]) == ("cygd model", 1, "float64")
    assert content["provenance"] == PROVENANCE
    assert content["inputs"] == [
        {"column": "a", "shift": 1.0, "scale": 2.0},
        {"column": "b", "fill": 0.5},
    ]
    assert [layer["units"] for layer in content["layers"]] == [2, 2, 1]
    assert [layer["activation"] for layer in content["layers"]] == [
        {"formula": "h * sigmoid(beta * h)", "beta": 2.25},
        {"name": "leaky_relu", "slope": 0.25},
        {"name": "identity"},
    ]
    assert content["targets"] == {"columns": ["y"]}


def test_safetensors_repeat_what_programs_look_up(tmp_path):
    library = pytest.importorskip("safetensors")
    model = small()
    model.preprocessing = Preprocessing(NUMBERS.columns, ("y",), ("no", "ja, ö"))
    [file] = model.export(tmp_path / "m.safetensors")
    with library.safe_open(file, "numpy") as opened:
        found = opened.metadata()
    assert json.loads(found["classes"]) == ["no", "ja, ö"]
    assert json.loads(found["columns"]) == ["a", "b"]
    assert found["experiment"] == "mine"


def test_json_alone_predicts(tmp_path):
    model = small()
    content = json.loads(model.export(tmp_path / "m.json")[0].read_text())
    x = np.array([[4.0, -2.0], [0.0, 0.125]])
    scaled = (x - [1, 0]) / [2, 1]
    hidden, output = content["layers"]
    y = np.tanh(scaled @ hidden["weights"] + hidden["bias"]) @ output["weights"] + output["bias"]
    np.testing.assert_allclose(y, model.predict(x), rtol=1e-14)


def test_missing_numbers_are_listed(tmp_path):
    model = small()
    model.preprocessing = Preprocessing(NUMBERS.columns, ("y",), cells={"missing_values": ["-999", "?"]})
    content = json.loads(model.export(tmp_path / "m.json")[0].read_text())
    assert content["missing_values"] == [-999.0]


def test_plugin_of_an_activation_is_named(tmp_path):
    square = Activation("square", lambda h: h * h, lambda h: 2 * h)
    object.__setattr__(square, "plugin", "mine")
    content = json.loads(small(layers=[(2, square), 1]).export(tmp_path / "m.json")[0].read_text())
    assert content["layers"][0]["activation"] == {"name": "square", "plugin": "mine"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_diverged_network_is_refused(value, tmp_path):
    model = small()
    model.network.parameters[3] = value
    with pytest.raises(ExportError, match="not finite, so it has diverged"):
        model.export(tmp_path / "m.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("model.txt", None, "cannot tell a format from the name 'model.txt'"),
        ("model", None, "cannot tell a format from the name 'model'"),
        ("model.npz", "npzz", "unknown format 'npzz'\nhint: did you mean 'npz'?"),
    ],
)
def test_unknown_formats_are_refused(name, format, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError) as caught:
        small().export(name, format)
    assert str(caught.value).startswith(message)


def test_matrix_is_refused_where_it_has_no_meaning(tmp_path):
    with pytest.raises(ExportError, match="the format npz has one form of its inputs"):
        small().export(tmp_path / "m.npz", matrix=True)


def test_format_wins_over_the_suffix(tmp_path):
    [file] = small().export(tmp_path / "weights.bin", "npz")
    assert file == tmp_path / "weights.bin"
    assert "w0" in np.load(file)
    assert find_format(file, "json").name == "json"


def test_existing_file_is_replaced_as_a_whole(tmp_path):
    (tmp_path / "m.json").write_text("old")
    small().export(tmp_path / "m.json")
    assert json.loads((tmp_path / "m.json").read_text())["version"] == 1
    with pytest.raises(FileNotFoundError):
        small().export(tmp_path / "missing" / "m.json")


def test_shortest_numbers_keep_their_bits():
    values = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    np.testing.assert_array_equal(np.array(shortest(values), np.float32), values)
    assert shortest(np.empty((0, 3), np.float32)) == []


def test_model_of_a_run_knows_its_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {"source": "inline", "x": [[0.0], [1.0]], "y": [0.0, 1.0]}
    result = cygd.run({"name": "line", "data": data, "model": {"layers": [1]}, "train": {"epochs": 1}})
    recorded = json.loads((result.directory / "environment.json").read_text())["config_sha256"]
    expected = {"experiment": "line", "run": result.directory.name, "config_sha256": recorded}
    assert result.model.provenance == expected
    assert cygd.load(result.directory).provenance == expected
    (result.directory / "environment.json").unlink()
    assert cygd.load(result.directory).provenance == {}


def test_fold_is_named_with_its_cross_validation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {
        "source": "inline",
        "x": [[0.0], [1.0], [2.0], [3.0]],
        "y": [0.0, 1.0, 2.0, 3.0],
        "split": {"folds": 2},
    }
    cygd.run({"data": data, "model": {"layers": [1]}, "train": {"epochs": 1}}, out="folds")
    assert cygd.load("folds/fold-2").provenance["run"] == "folds/fold-2"
