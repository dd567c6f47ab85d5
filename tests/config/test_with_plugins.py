"""Experiments with the real components of the plugin registry."""

# ruff: noqa: E501 (a message reads best on one line)

import pytest

from cygd.config import dump, read, validate
from cygd.errors import ConfigError
from cygd.plugins.manager import Plugins

KINDS = {
    "loss": "loss",
    "optimizer": "optimizer",
    "schedule": "schedule",
    "metrics": "metric",
    "log": "logger",
}
BARE = Plugins.load(environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})


@pytest.fixture(scope="session")
def components():
    return BARE


def round_trip(experiment, folder):
    (folder / "config.yaml").write_text(dump(experiment.resolved()))
    again = validate(read(folder / "config.yaml"), BARE)
    assert again.resolved() == experiment.resolved()
    return again


@pytest.mark.parametrize(
    ("key", "name"), [(key, name) for key, kind in KINDS.items() for name in BARE.names(kind)]
)
def test_every_component_reads_back(load, small, tmp_path, key, name):
    text = small.replace("[16, 1]", "[16, 2]")
    value = f"[{name}]" if key in ("metrics", "log") else name
    again = round_trip(load(f"{text}{key}: {value}\n"), tmp_path)
    spec = getattr(again, key)
    assert (spec[0] if isinstance(spec, tuple) else spec).component.name == name


@pytest.mark.parametrize("name", BARE.names("activation"))
def test_every_activation_reads_back(load, small, tmp_path, name):
    text = small.replace("[16, 1]", f"[{{units: 2, activation: {name}}}, 1]")
    assert round_trip(load(text), tmp_path).model.layers[0].activation.component.name == name


@pytest.mark.parametrize("name", BARE.names("initializer"))
def test_every_initializer_reads_back(load, small, tmp_path, name):
    assert (
        round_trip(load(small + f"  initializer: {name}\n"), tmp_path).model.initializer.component.name
        == name
    )


def test_full_experiment_reads_back(load, tmp_path):
    experiment = load("""\
name: penguins
data:
  source: csv
  path: data/penguins.csv
  inputs: [bill_length_mm, bill_depth_mm]
  targets: [species]
  missing: drop
  split: {validation: 0.2, test: 0.2, seed: 0, stratify: false}
  scale: standard
model:
  layers: [16, {units: 3, activation: softmax}]
loss: cross_entropy
optimizer: {name: sgd, learning_rate: 0.1, momentum: 0.9}
schedule: {name: cosine, warmup: 5}
clip: {norm: 1.0}
train: {epochs: 200, batch_size: 32, shuffle: true, evaluate_every: 1}
metrics: [accuracy]
stop: {monitor: validation_loss, patience: 20, min_delta: 0, mode: auto, restore_best: true}
checkpoint: {every: 50}
log: [console]
""")
    assert experiment.loss.component.reduction == "mean_rows"
    assert round_trip(experiment, tmp_path).loss.component.reduction == "mean_rows"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("optimizer: {name: sgd, learning_rate: .nan}", "xor.yaml:4:39 optimizer.learning_rate: option 'learning_rate'"),
        ("optimizer: {name: sgd, learning_rate: true}", "xor.yaml:4:39 optimizer.learning_rate: "),
        ("optimizer: {name: sgd, learning_rate: 1" + "0" * 350 + "}", "optimizer.learning_rate: option"),
        ("optimizer: {name: adam, beta1: 1.5}", "optimizer.beta1: option 'beta1' of optimizer 'adam': expected a value in"),
        ("optimizer: {name: sgd, lr: 1}", "has no option 'lr'\n  hint: did you mean 'learning_rate'?"),
        ("loss: {name: mse, reduction: maen}", "loss.reduction: option 'reduction' of loss 'mse'"),
        ("metrics: [acuracy]", "metrics[0]: unknown metric 'acuracy'\n  hint: did you mean 'accuracy'?"),
    ],
)  # fmt: skip
def test_component_error_has_place_and_hint(errors, small, line, message):
    assert message in errors(f"{small}{line}\n")


def test_missing_option_of_source_is_reported():
    with pytest.raises(ConfigError, match=r"data.path: data source 'csv' needs the option 'path'"):
        validate(read({"data": {"source": "csv", "targets": ["y"]}, "model": {"layers": [1]}}), BARE)
