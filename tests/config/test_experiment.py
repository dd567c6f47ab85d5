import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygd.config import dump, read, validate
from cygd.config.validators import EXPERIMENT_NAME, safe_name
from cygd.errors import ConfigError


def test_defaults(load, small):
    experiment = load(small)
    assert (experiment.name, experiment.seed, experiment.threads) == ("xor", 0, "auto")
    assert (experiment.loss.name, experiment.optimizer.name, experiment.schedule.name) == (
        "sse",
        "sgd",
        "constant",
    )
    assert experiment.model.dtype == "float64"
    hidden, last = experiment.model.layers
    assert (hidden.units, hidden.activation.name, hidden.initializer.name) == (16, "tanh", "glorot_uniform")
    assert (last.units, last.activation.name, last.bias, last.weights) == (1, "identity", True, None)
    assert (last.dropout, last.l1, last.l2) == (0.0, 0.0, 0.0)
    train = experiment.train
    assert (train.epochs, train.batch_size, train.shuffle, train.evaluate_every) == (100, 32, True, 1)
    assert [spec.name for spec in experiment.log] == ["console"]
    assert (experiment.metrics, experiment.stop, experiment.clip) == ((), None, None)
    assert experiment.checkpoint.every == 0
    data = experiment.data
    assert (data.inputs, data.targets, data.categorical, data.missing) == (None, None, (), "error")
    assert (data.split, data.validation, data.test, data.sample_weight) == (None, None, None, None)
    assert (data.scale.inputs, data.scale.targets) == ("none", "none")


def test_layers_take_defaults_from_the_model(load, small):
    text = small.replace("[16, 1]", "[4, {units: 4, activation: tanh, initializer: orthogonal}, 1]")
    layers = load(
        text + "  activation: {name: leaky_relu, slope: 0.3}\n  initializer: {name: orthogonal, gain: 2}\n"
    ).model.layers
    assert layers[0].activation.component.options == {"slope": 0.3}
    assert layers[1].activation.name == "tanh"
    assert [layer.initializer.component.options["gain"] for layer in layers] == [2, 1.0, 2]
    assert layers[2].activation.name == "identity"


@pytest.mark.parametrize(
    ("stop", "patience", "monitor", "restore_best"),
    [
        ("{}", 20, "loss", True),
        ("{loss_below: 0.1}", None, "loss", False),
        ("{loss_below: 0.1, patience: 5}", 5, "loss", True),
        ("{loss_below: 0.1, monitor: loss}", 20, "loss", True),
        ("{patience: 5, restore_best: false}", 5, "loss", False),
    ],
)
def test_defaults_of_stop(load, small, stop, patience, monitor, restore_best):
    found = load(f"{small}stop: {stop}\n").stop
    assert (found.patience, found.monitor, found.restore_best, found.mode) == (
        patience,
        monitor,
        restore_best,
        "auto",
    )


def test_stop_monitors_validation_loss_by_default(load, small):
    text = small.replace("y: [[0], [1]]", "y: [[0], [1]], split: {validation: 0.5}")
    assert load(text + "stop:\n").stop is None
    assert load(text + "stop: {patience: 3}\n").stop.monitor == "validation_loss"


def test_clip_is_a_mapping(load, small):
    assert load(small + "clip: {norm: 1}\n").clip == {"norm": 1.0}


def test_scale_shorthand_applies_to_inputs(load, small):
    scale = load(small, "data.scale=minmax").data.scale
    assert (scale.inputs, scale.targets) == ("minmax", "none")


def test_option_of_source_takes_precedence_over_key(load, small):
    data = load("data: {source: synthetic, kind: moons, inputs: 3}\n" + small.partition("\n")[2])
    assert data.data.options == {"kind": "moons", "inputs": 3}
    assert data.data.inputs is None
    assert data.resolved()["data"]["inputs"] == 3.0


def test_problem_has_place_of_value(load, small):
    experiment = load(small)
    assert experiment.where("data.x[1][0]") == "xor.yaml:1:37"
    assert str(experiment.problem("model.layers.1.units", "too few", "take more")) == (
        "xor.yaml:3:16 model.layers[1].units: too few\n  hint: take more"
    )


def test_resolved_paths_are_absolute(load, small, tmp_path):
    (tmp_path / "t.csv").write_text("y\n1\n")
    data = "data: {source: csv, path: t.csv, targets: [y], validation: {path: ../v.csv}}\n"
    data += "plugins: [p/a.py, mod]\n"
    experiment = load(data + small.partition("\n")[2])
    resolved = experiment.resolved()
    assert resolved["data"]["path"] == str(tmp_path / "t.csv")
    assert resolved["data"]["validation"] == {"path": str(tmp_path.parent / "v.csv")}
    assert resolved["plugins"] == [str(tmp_path / "p" / "a.py"), "mod"]
    assert experiment.data_files() == [tmp_path / "t.csv"]


def test_files_of_plugin_source_are_absolute(load, small, tmp_path):
    (tmp_path / "here.bin").write_text("")
    experiment = load("data: {source: archive, place: here.bin}\n" + small.partition("\n")[2])
    assert experiment.resolved()["data"]["place"] == str(tmp_path / "here.bin")
    experiment = load("data: {source: archive, place: elsewhere}\n" + small.partition("\n")[2])
    assert experiment.resolved()["data"]["place"] == "elsewhere"


RICH = """\
name: rich
seed: 9223372036854775807
threads: 2
data: {source: csv, path: a.csv, header: false, missing: mean,
       inputs: [0, "1"], targets: [yes], categorical: [3],
       split: {validation: 0.1, seed: 3, stratify: true}, test: {path: b.csv}, sample_weight: w,
       scale: {inputs: standard, targets: minmax}}
model:
  dtype: float32
  activation: {name: leaky_relu, slope: 1e-05}
  layers:
    - 3
    - {units: 2, weights: [[1, 2], [3, 0.1], [1e300, 5e-324]], bias: [0.1, -0.0], l1: 1e-9, dropout: 0.25}
    - 1
loss: {name: huber, delta: 2}
optimizer: {name: adam, beta1: 0.5}
schedule: {name: cosine, warmup: 5}
clip: {value: 1e22}
train: {epochs: 3, batch_size: full, shuffle: false, evaluate_every: 2}
metrics: [rmse]
stop: {monitor: validation_rmse, patience: 2, min_delta: 1e-7, mode: max, loss_below: -1}
checkpoint: {every: 5}
log: [csv, {name: sqlite, path: "no"}]
"""


@pytest.mark.parametrize(
    "overrides", [[], ["loss=cross_entropy", "model.layers.2=4"], ["stop={loss_below: 1}"]]
)
def test_resolved_reads_back_to_the_same_experiment(load, components, tmp_path, overrides):
    experiment = load(RICH, *overrides)
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "config.yaml").write_text(dump(experiment.resolved()))
    again = validate(read(other / "config.yaml"), components)
    assert again.resolved() == experiment.resolved()
    assert repr(again.model.layers[1].bias) == repr(experiment.model.layers[1].bias)
    assert list(again.resolved()) == list(experiment.resolved())


def test_mapping_with_numpy_values_is_an_experiment(components):
    x = np.arange(4.0).reshape(2, 2)
    experiment = validate(
        read({
            "data": {"source": "inline", "x": x, "y": np.array([0, 1])},
            "model": {"layers": (np.int64(3), {"units": 1, "weights": np.ones((3, 1))})},
            "seed": np.int32(3),
            "train": {"epochs": np.int8(2), "shuffle": np.bool_(False)},
            "optimizer": {"learning_rate": np.float32(0.5)},
        }),
        components,
    )  # fmt: skip
    assert experiment.name == "experiment"
    assert experiment.data.options["x"] is x
    assert experiment.model.layers[1].weights == ((1.0,), (1.0,), (1.0,))
    assert experiment.train.shuffle is False
    assert experiment.resolved()["optimizer"]["learning_rate"] == 0.5
    assert "  x:\n  - [0.0, 1.0]\n  - [2.0, 3.0]\n  y: [0, 1]\n" in dump(experiment.resolved())


def test_problem_of_mapping_has_no_line(components):
    with pytest.raises(ConfigError) as caught:
        validate(read({"data": {"source": "synthetic", "kind": "xor"}, "model": {"layers": [0]}}), components)
    assert str(caught.value).startswith("experiment model.layers[0].units: expected a whole number from 1")


def test_missing_default_component_is_reported(components, small, write):
    class Bare(type(components)):
        def get(self, kind, name):
            return super().get(kind, "missing" if kind == "logger" else name)

    with pytest.raises(ConfigError, match="log\\[0\\]: unknown logger 'missing'"):
        validate(read(write(small)), Bare())


@given(st.text())
def test_safe_name_is_valid(stem):
    assert EXPERIMENT_NAME.validate(safe_name(stem))
