"""Models loaded from run folders."""

import copy
import json
import pickle

import numpy as np
import pytest

import cygd
from cygd.errors import CheckpointError

PLUGIN = """\
import numpy as np
from cygd import Activation, hookimpl

def bent(h):
    return (np.sqrt(h * h + 1) - 1) / 2 + h

def bent_prime(h):
    return h / (2 * np.sqrt(h * h + 1)) + 1

@hookimpl
def cygd_activations():
    yield Activation("bent_identity", function=bent, derivative=bent_prime)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def xor():
    return {
        "name": "xor",
        "data": {"source": "inline", "x": [[0, 0], [0, 1], [1, 0], [1, 1]], "y": [0, 1, 1, 0]},
        "model": {"layers": [3, {"units": 1, "activation": "sigmoid"}]},
        "optimizer": {"name": "sgd", "learning_rate": 0.5},
        "train": {"epochs": 4, "batch_size": 2},
    }


@pytest.fixture
def moons(xor):
    return {
        **xor,
        "name": "moons",
        "data": {
            "source": "synthetic",
            "kind": "moons",
            "samples": 60,
            "scale": "standard",
            "split": {"validation": 0.25, "test": 0.25},
        },
        "metrics": ["accuracy"],
    }


def test_loaded_model_equals_the_trained_one(moons, here):
    result = cygd.run(moons)
    model = cygd.load(result.directory)
    assert model.inputs == result.model.inputs == ("x0", "x1")
    assert model.classes == result.model.classes == (0, 1)
    x = np.array([[0.5, 0.25], [1.0, -1.0]])
    np.testing.assert_array_equal(model.predict(x), result.model.predict(x))
    np.testing.assert_array_equal(model.predict({"x1": x[:, 1], "x0": x[:, 0]}), model.predict(x))
    assert repr(model) == "Model(inputs=['x0', 'x1'], classes=[0, 1])"


def test_predictions_are_in_the_units_of_the_targets(xor):
    xor["data"] = {"source": "inline", "x": [0.0, 1.0, 2.0], "y": [100.0, 300.0, 500.0],
                   "scale": {"inputs": "standard", "targets": "standard"}}  # fmt: skip
    xor["model"] = {"layers": [1]}
    xor["train"] = {"epochs": 500, "batch_size": "full"}
    xor["optimizer"]["learning_rate"] = 0.1
    model = cygd.run(xor).model
    np.testing.assert_allclose(model.predict([[3.0]]), [[700.0]], rtol=1e-6)


def test_loaded_model_uses_its_plugin_copy(xor, here):
    (here / "bent.py").write_text(PLUGIN)
    xor["model"]["activation"] = "bent_identity"
    result = cygd.run(xor, plugins=["bent.py"])
    (here / "bent.py").unlink()
    x = [[0.0, 1.0]]
    np.testing.assert_array_equal(cygd.load(result.directory).predict(x), result.model.predict(x))


def test_model_loads_without_its_data(here):
    np.savez(here / "a.npz", x=np.eye(3), y=np.arange(3.0))
    result = cygd.run({"data": {"source": "npz", "path": "a.npz"}, "model": {"layers": [1]}})
    (here / "a.npz").unlink()
    assert cygd.load(result.directory).predict(np.eye(3)).shape == (3, 1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.yaml").unlink(), "is not a run folder: it has no config.yaml"),
        (lambda folder: (folder / "weights.npz").unlink(), r"weights\.npz is missing"),
        (lambda folder: (folder / "weights.npz").write_bytes(b"PK"), r"weights\.npz is damaged"),
        (lambda folder: (folder / "preprocessing.json").unlink(), r"preprocessing\.json is missing"),
        (lambda folder: (folder / "preprocessing.json").write_text("{"), r"preprocessing\.json is damaged"),
        (lambda folder: (folder / "preprocessing.json").write_text("[]"), r"preprocessing\.json is damaged"),
        (
            lambda folder: (folder / "config.yaml").write_text("model: {}"),
            r"cannot read .*config\.yaml",
        ),
        (
            lambda folder: np.savez(folder / "weights.npz", w0=np.ones((2, 3))),
            r"does not match its config\.yaml: b0, b1, w1",
        ),
        (lambda folder: np.savez(folder / "weights.npz", b0=np.ones(3)), r"weights\.npz has no weights w0"),
    ],
)
def test_damaged_folder_is_named(xor, spoil, message):
    folder = cygd.run(xor).directory
    spoil(folder)
    with pytest.raises(CheckpointError, match=message):
        cygd.load(folder)


def test_pickles_are_never_loaded(xor, here):
    folder = cygd.run(xor).directory
    np.savez(folder / "weights.npz", w0=np.array([{"evil": 1}], dtype=object))
    message = r"weights\.npz is damaged: w0\.npy: expected an array of numbers, got Python objects"
    with pytest.raises(CheckpointError, match=message):
        cygd.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["inputs"].pop(), "expected 2 features, got 1"),
        (lambda content: content["inputs"].append({"column": "more"}), "expected 2 features, got 3"),
        (
            lambda content: content["inputs"].append({"column": "c", "categories": ["a", "b"]}),
            "expected 2 features, got 4",
        ),
        (lambda content: content["targets"].pop("classes"), None),
        (lambda content: content["targets"]["classes"].append(2), "expected 2 classes, got 3"),
        (lambda content: content["targets"].update(columns=[]), "expected 1 target columns, got 0"),
        (lambda content: content["targets"]["columns"].append("z"), "expected 1 target columns, got 2"),
    ],
)
def test_preprocessing_of_another_network_is_refused(moons, change, message):
    folder = cygd.run(moons).directory
    file = folder / "preprocessing.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    if message is None:  # numbers instead of labels
        assert cygd.load(folder).classes == ()
        return
    with pytest.raises(
        CheckpointError, match=rf"preprocessing\.json does not match its config\.yaml: {message}"
    ):
        cygd.load(folder)


def test_weights_of_another_type_are_refused(moons):
    folder = cygd.run(moons).directory
    with np.load(folder / "weights.npz") as archive:
        np.savez(folder / "weights.npz", **{name: archive[name].astype(np.float32) for name in archive.files})
    with pytest.raises(CheckpointError, match="expected float64 for w0, got float32"):
        cygd.load(folder)


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda a: pickle.loads(pickle.dumps(a))}
EXPERIMENT = {
    "data": {
        "source": "inline",
        "x": [[0, 1.5], [1, 0.5], [2, 3]],
        "y": [[1], [0], [4]],
        "scale": "standard",
    },
    "model": {"layers": [3, 1]},
    "train": {"epochs": 3},
}


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_model_has_weights_of_its_own(tmp_path, make):
    model = cygd.run(EXPERIMENT, out=tmp_path / "run").model
    model.note = "mine"
    before = model.predict([[1.0, 2.0]])
    made = make(model)
    np.testing.assert_array_equal(made.predict([[1.0, 2.0]]), before)
    assert (made.note, made.inputs) == ("mine", model.inputs)
    made.network.parameters[...] = 0
    np.testing.assert_array_equal(model.predict([[1.0, 2.0]]), before)


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_result_shares_nothing_that_changes(tmp_path, make):
    result = cygd.run(EXPERIMENT, out=tmp_path / "run")
    before, metrics = result.model.network.parameters.copy(), dict(result.metrics)
    made = make(result)
    assert (made.status, made.metrics, made.directory) == (result.status, metrics, result.directory)
    assert made.history["loss"] == result.history["loss"]
    made.model.network.parameters[...] = 0
    made.metrics["loss"] = 9.0
    made.history["loss"].append(9.0)
    np.testing.assert_array_equal(result.model.network.parameters, before)
    assert result.metrics == metrics
    assert len(result.history["loss"]) == 4
