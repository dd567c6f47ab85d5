"""`.npz`: the arrays w0, b0, a0, w1, ... of a network, and `metadata`, a text of JSON; no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cygd.export.description import describe_model
from cygd.export.protocols import TrainedModel
from cygd.files import npz_bytes
from cygd.network.serialization import parameter_arrays


def serialize(model: TrainedModel, path: Path) -> Mapping[Path, bytes]:
    """Return the content of the file."""
    arrays: dict[str, Any] = dict(parameter_arrays(model.network))
    text = json.dumps(describe_model(model), ensure_ascii=False)
    return {path: npz_bytes({**arrays, "metadata": np.array(text)})}


def read(path: Path) -> Mapping[str, np.ndarray[Any, Any]]:
    """Return the arrays of the network in the file."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files if name != "metadata"}
