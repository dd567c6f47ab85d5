"""`.onnx`: a model as a graph, with its preprocessing, for onnxruntime and others (extra `[onnx]`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cygd.export.onnx.network import onnx_model
from cygd.export.onnx.runtime import run
from cygd.export.protocols import TrainedModel

__all__ = ["run", "serialize"]


def serialize(model: TrainedModel, path: Path, *, matrix: bool = False) -> Mapping[Path, bytes]:
    """Return the content of the file."""
    content: bytes = onnx_model(model, matrix=matrix).SerializeToString()
    return {path: content}
