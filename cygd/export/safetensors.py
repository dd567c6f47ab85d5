"""`.safetensors`: the arrays of a network by name, and metadata of texts (extra `[safetensors]`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cygd.data.sources.optional_imports import import_optional
from cygd.errors import ExportError
from cygd.export.description import metadata
from cygd.export.protocols import TrainedModel
from cygd.network.serialization import parameter_arrays


def serialize(model: TrainedModel, path: Path) -> Mapping[Path, bytes]:
    """Return the content of the file."""
    arrays = {name: np.ascontiguousarray(array) for name, array in parameter_arrays(model.network).items()}
    return {path: bytes(_library().save(arrays, metadata(model)))}


def read(path: Path) -> Mapping[str, np.ndarray[Any, Any]]:
    """Return the arrays of the network in the file."""
    arrays: Mapping[str, np.ndarray[Any, Any]] = _library().load_file(path)
    return arrays


def _library() -> Any:
    return import_optional(
        "safetensors.numpy", "safetensors", "safetensors", "a .safetensors file", ExportError
    )
