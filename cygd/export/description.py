"""A model in words and numbers, without its weights: the metadata of every format."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from cygd.components import Activation
from cygd.export.protocols import TrainedModel

FORMAT, VERSION = "cygd model", 1


def describe_model(model: TrainedModel) -> dict[str, Any]:
    """Return a mapping for JSON: provenance, inputs, layers and targets."""
    preprocessing = model.preprocessing.to_json()
    layers = zip(model.network.layers, model.network.activations, strict=True)
    return {
        "format": FORMAT,
        "version": VERSION,
        **({"provenance": dict(model.provenance)} if model.provenance else {}),
        "dtype": str(model.network.dtype),
        "inputs": preprocessing["inputs"],
        **({"missing_values": missing} if (missing := missing_numbers(model)) else {}),
        "layers": [
            {"units": layer.units, "activation": describe_activation(activation)}
            for layer, activation in layers
        ],
        "targets": preprocessing["targets"],
    }


def describe_activation(activation: Activation) -> dict[str, Any]:
    """Return the name or the formula of an activation, its parameters, and the plugin that defines it."""
    description = {key: value for key, value in activation.description.items() if key != "trainable"}
    if activation.tier == "formula":
        description = {key: value for key, value in description.items() if key != "name"}
    return {**description, **({"plugin": activation.plugin} if activation.plugin else {})}


def missing_numbers(model: TrainedModel) -> list[float]:
    """Return the numbers that stand for a missing value, such as -999, besides NaN."""
    return [float(number) for number in model.preprocessing.cell_format.missing_numbers]


def metadata(model: TrainedModel) -> dict[str, str]:
    """Return the metadata of formats that map texts to texts.

    `model` is `describe_model` as JSON; the others repeat what programs look up most.
    """
    preprocessing = model.preprocessing
    entries = {
        **model.provenance,
        "columns": json.dumps(list(preprocessing.inputs), ensure_ascii=False),
        "targets": json.dumps(list(preprocessing.targets), ensure_ascii=False),
        "model": json.dumps(describe_model(model), ensure_ascii=False),
    }
    if preprocessing.classes:
        entries["classes"] = json.dumps(list(preprocessing.classes), ensure_ascii=False)
    return entries


def shortest(array: np.ndarray[Any, Any]) -> Any:
    """Return nested lists of the shortest decimal numbers that restore an array of its dtype.

    Examples
    --------
    >>> shortest(np.array([[0.1, 2]], np.float32))
    [[0.1, 2.0]]
    """
    if array.dtype == np.float64:
        return array.tolist()
    return np.array([float(str(value)) for value in array.ravel()]).reshape(array.shape).tolist()
