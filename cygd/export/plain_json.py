"""`.json`: everything that a prediction needs, as text. docs/export.md documents the form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cygd.export.description import describe_model, shortest
from cygd.export.protocols import TrainedModel

NAMES = (("w", "weights"), ("b", "bias"))  # of the parameters of a layer, in a network and in the file


def serialize(model: TrainedModel, path: Path) -> Mapping[Path, bytes]:
    """Return the content of the file, with the arrays of each layer in a line of their own."""
    description = describe_model(model)
    views = model.network.layer_views(model.network.parameters)
    for layer, (w, b, _) in zip(description["layers"], views, strict=True):
        layer["weights"] = shortest(w)  # a row for each input, a column for each unit
        if b is not None:
            layer["bias"] = shortest(b)
    lines = []
    for key, value in description.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            items = ",\n    ".join(_one_line(item) for item in value)
            lines.append(f'"{key}": [\n    {items}\n  ]')
        else:
            lines.append(f'"{key}": {_one_line(value)}')
    content = ",\n  ".join(lines)
    return {path: f"{{\n  {content}\n}}\n".encode()}


def read(path: Path) -> Mapping[str, np.ndarray[Any, Any]]:
    """Return the arrays of the network in the file; parameters of activations are numbers beside them."""
    content = json.loads(path.read_bytes())
    layers = enumerate(content["layers"])
    return {
        f"{name}{index}": np.array(layer[key], content["dtype"])
        for index, layer in layers
        for name, key in NAMES
        if key in layer
    }


def _one_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
