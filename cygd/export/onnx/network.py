"""The whole graph of a model: preprocessing, layers, and outputs named as skl2onnx names them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cygd.data.dataset import Label
from cygd.errors import ExportError
from cygd.export.description import metadata
from cygd.export.onnx.activations import activate
from cygd.export.onnx.graph import Graph, Value
from cygd.export.onnx.preprocessing import MATRIX, InputGraph
from cygd.export.protocols import TrainedModel
from cygd.export.raw_rows import are_numbers

LABEL, PROBABILITIES, SCORES, VARIABLE = "label", "probabilities", "scores", "variable"
MAX_BYTES = 2_000_000_000  # of a file of protocol buffers


def onnx_model(model: TrainedModel, *, matrix: bool = False) -> Any:
    """Return the ModelProto of a model."""
    network, preprocessing = model.network, model.preprocessing
    if network.parameters.nbytes > MAX_BYTES:
        raise ExportError(
            f"an .onnx file holds at most 2 GB, got {network.parameters.nbytes} bytes of weights"
        )
    outputs = (LABEL, PROBABILITIES, SCORES, VARIABLE)
    graph = Graph(network.dtype, (MATRIX, *outputs, *preprocessing.inputs))
    taken = [name for name in ("", *outputs) if name in preprocessing.inputs]
    if taken and not matrix:
        reason = f"has the name of an output: {taken[0]!r}" if taken[0] else "has no name"
        raise ExportError(f"a column {reason}", hint="--matrix takes all columns as one input")
    inputs = InputGraph(graph, preprocessing, matrix=matrix)
    h = inputs.x
    parameters = zip(network.weights, network.biases, network.activations, strict=True)
    for index, (w, b, activation) in enumerate(parameters):
        weights = graph.constant(np.asarray(w), f"w{index}")
        if b is None:
            h = graph.node("MatMul", h, weights)
        else:
            h = graph.node("Gemm", h, weights, graph.constant(np.asarray(b), f"b{index}"))
        h = activate(graph, activation, h)
    if preprocessing.classes:
        _classes(graph, model, h + inputs.invalid)
    else:
        _numbers(graph, model, h + inputs.invalid)
    title = model.provenance.get("experiment", "model")
    return graph.model(title, f"predicts {', '.join(preprocessing.targets)}", metadata(model))


def _numbers(graph: Graph, model: TrainedModel, y: Value) -> None:
    """Declare the output of numeric targets, in their units."""
    preprocessing = model.preprocessing
    if preprocessing.target_scale:
        scale, shift = np.array([preprocessing.target_scale]), np.array([preprocessing.target_shift])
        y = graph.cast(graph.cast(y, np.float64) * scale + shift, graph.dtype)
    graph.output(y, VARIABLE, graph.dtype, model.network.n_outputs)


def has_probabilities(model: TrainedModel) -> bool:
    """Return True if the outputs are probabilities: of softmax, or of one sigmoid unit."""
    last = model.network.layers[-1].activation.kernel
    return last == "softmax" or (last == "sigmoid" and model.network.n_outputs == 1)


def _classes(graph: Graph, model: TrainedModel, y: Value) -> None:
    """Declare the label, and the probabilities of all classes or, if there are none, the outputs."""
    classes, n_outputs = model.preprocessing.classes, model.network.n_outputs
    if n_outputs > 1:
        index = graph.node("ArgMax", y, axis=1, keepdims=0)
    else:
        index = graph.node("Squeeze", graph.cast(y > 0.5, np.int64), np.array([1]))
    total = graph.node("ReduceSum", y, np.array([1]), keepdims=0)
    unknown = graph.constant(np.array(len(classes)))
    index = graph.where(graph.node("IsNaN", total), unknown, index)
    labels = label_array(classes)
    graph.output(graph.node("Gather", graph.constant(labels, "labels"), index), LABEL, labels.dtype, None)
    if has_probabilities(model):
        both = y if n_outputs > 1 else graph.node("Concat", 1.0 - y, y, axis=1)
        graph.output(both, PROBABILITIES, graph.dtype, len(classes))
    else:
        graph.output(y, SCORES, graph.dtype, n_outputs)


def label_array(classes: tuple[Label, ...]) -> np.ndarray[Any, Any]:
    """Return the labels, and last the label of a row that cannot be predicted.

    That is an empty text, NaN, or one less than the smallest label.

    Examples
    --------
    >>> label_array((0, 1)).tolist(), label_array(("a", 1)).tolist()
    ([0, 1, -1], ['a', '1', ''])
    """
    if all(isinstance(label, int) for label in classes):
        return np.array([*classes, min(map(int, classes)) - 1], np.int64)
    if are_numbers(classes):
        return np.array([*classes, math.nan], np.float64)
    return np.array([*map(str, classes), ""], object)
