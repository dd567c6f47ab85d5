"""Checks between several places of an experiment."""

# ruff: noqa: E501 (a message reads best on one line)

import logging

import pytest


def changed(small, **keys):
    """Put other layers, or more keys, into the small experiment."""
    layers = keys.pop("layers", "[16, 1]")
    data = keys.pop("data", "")
    lines = "".join(f"{key}: {value}\n" for key, value in keys.items())
    return small.replace("[16, 1]", layers).replace("y: [[0], [1]]", f"y: [[0], [1]]{data}") + lines


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"data": ", split: {validation: 0.5, test: 0.5}"}, "data.split: expected validation + test less than 1, got 1"),
        ({"data": ", split: {validation: 0.2}, validation: {x: [[1]]}"},
         "data.validation: cannot be combined with data.split.validation"),
        ({"data": ", split: {test: 0.2}, test: {x: [[1]]}"}, "data.test: cannot be combined with data.split.test"),
        ({"data": ", inputs: [a, b, a]"}, "data.inputs[2]: the column 'a' is named twice"),
        ({"data": ", inputs: [a, b], targets: [b]"}, "data.inputs[1]: the column 'b' is also a target"),
        ({"data": ", targets: [b], sample_weight: b"}, "data.sample_weight: the column 'b' is also listed in targets"),
        ({"layers": "[]"}, "model.layers: expected at least one layer\n  hint: the last one is the output"),
        ({"layers": "[{bias: true}]"}, "model.layers[0].units: missing key 'units'"),
        ({"layers": "[{units: 2, weights: [[1], [2]]}, 1]"},
         "model.layers[0].weights: expected rows of 2 numbers, got 1"),
        ({"layers": "[{units: 2, bias: [1, 2, 3]}, 1]"}, "model.layers[0].bias: expected 2 numbers, one for each unit, got 3"),
        ({"layers": "[2, {units: 1, weights: [[1], [2], [3]]}]"},
         "model.layers[1].weights: expected 2 rows for the layer below, got 3"),
        ({"layers": "[{units: 1, dropout: 0.1}]"},
         "model.layers[0].dropout: the last layer cannot have dropout\n  hint: move it to a hidden"),
        ({"layers": "[{units: 1, activation: softmax}]"},
         "model.layers[0].activation: softmax of one unit is always 1\n"
         "  hint: for two classes use one sigmoid unit with the loss binary_cross_entropy"),
        ({"layers": "[{units: 1, activation: softmax}, 2]"},
         "model.layers[0].activation: softmax of one unit is always 1\n  hint: use sigmoid"),
        ({"loss": "cross_entropy"}, "loss: cross_entropy of one unit is minimal if the output is always 1"),
        ({"clip": "{}"}, "clip: expected one of norm and value, got neither"),
        ({"clip": "{norm: 1, value: 1}"}, "clip: expected one of norm and value, got both"),
        ({"metrics": "[rmse, rmse]"}, "xor.yaml:4:17 metrics[1]: 'rmse' is listed twice"),
        ({"log": "[console, csv, console]"}, "log[2]: 'console' is listed twice"),
        ({"stop": "{patience: null}"}, "stop: expected patience or loss_below, got neither"),
        ({"stop": "{monitor: validation_loss}"}, "stop.monitor: expected loss, got "
         "'validation_loss'\n  hint: it needs validation data: data.split.validation, or data.validation"),
        ({"stop": "{monitor: val_loss}"}, "got 'val_loss'\n  hint: did you mean 'validation_loss'? it needs validation data"),
        ({"stop": "{monitor: val_loss}", "data": ", split: {validation: 0.5}"},
         "expected loss or validation_loss, got 'val_loss'\n  hint: did you mean 'validation_loss'?"),
        ({"stop": "{monitor: acc}", "metrics": "[accuracy]"}, "got 'acc'\n  hint: did you mean 'accuracy'?"),
        ({"stop": "{monitor: val_acc}", "metrics": "[accuracy]", "data": ", split: {validation: 0.5}"},
         "got 'val_acc'\n  hint: did you mean 'validation_accuracy'?"),
        ({"stop": "{monitor: accuracy}"}, "got 'accuracy'\n  hint: add 'accuracy' to metrics"),
        ({"stop": "{}", "train": "{evaluate_every: 0}"},
         "stop: 'stop' needs measurements during training, got train.evaluate_every: 0"),
        ({"schedule": "reduce_on_plateau", "train": "{evaluate_every: 0}"}, "schedule: 'schedule' needs measurements"),
    ],
)  # fmt: skip
def test_conflict_is_reported_once(errors, small, keys, message):
    found = errors(changed(small, **keys))
    assert message in found
    assert found.count("xor.yaml:") == 1


@pytest.mark.parametrize(
    "keys",
    [
        {"data": ", split: {validation: 0.5}, test: {x: [[1]]}"},
        {
            "layers": "[{units: 2, weights: [[1, 2], [3, 4]], bias: [1, 2]}, {units: 1, weights: [[1], [2]], bias: false}]"
        },
        {"layers": "[{units: 4, dropout: 0.5}, {units: 2, activation: softmax}]", "loss": "cross_entropy"},
        {"stop": "{loss_below: 0.1, patience: null}"},
        {"stop": "{monitor: validation_rmse}", "metrics": "[rmse]", "data": ", validation: {x: [[1]]}"},
        {"log": "[{name: sqlite, path: a}, {name: sqlite, path: b}]"},
        {
            "clip": "null",
            "stop": "null",
            "schedule": "null",
            "metrics": "null",
            "log": "null",
            "train": "null",
        },
        {"train": "{epochs: 0, batch_size: full}"},
    ],
)
def test_valid_combination_is_accepted(load, small, keys):
    assert load(changed(small, **keys)).name == "xor"


def test_missing_required_keys_are_reported(errors):
    message = errors("seed: 1\n")
    assert "xor.yaml:1:1 data: missing key 'data'\n  hint: write where the samples come from" in message
    assert "xor.yaml:1:1 model: missing key 'model'\n  hint: write the network" in message
    message = errors("data: {source: csv, path: a}\nmodel:\n")
    assert "xor.yaml:1:1 data.targets: missing key 'targets'" in message
    assert "model.layers: missing key 'layers'" in message


def test_misspelled_key_is_not_reported_as_missing(errors):
    message = errors("data: {source: csv, path: a, target: [y]}\nmodel: {layer: [1]}\n")
    assert "missing key" not in message
    assert "did you mean 'targets'?" in message
    assert "did you mean 'layers'?" in message


def test_checks_skip_invalid_values(errors, small):
    message = errors(
        changed(small, layers="[x, {units: 1, weights: [[1], [2]]}]", stop="{monitor: rmse}", metrics="[rms]")
    )
    assert message.count("xor.yaml:") == 2


def test_output_outside_the_range_of_the_loss_warns(load, small, caplog):
    with caplog.at_level(logging.WARNING, "cygd"):
        load(changed(small, loss="binary_cross_entropy"))
    assert caplog.messages == [
        "xor.yaml:4:7 loss: binary_cross_entropy expects outputs from 0 to 1, but the last activation is identity; "
        "usual is sigmoid"
    ]
