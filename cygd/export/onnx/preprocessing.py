"""The inputs of a graph, and the preprocessing of raw columns: gaps, categories and scaling."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from cygd.data import InputColumn, Preprocessing
from cygd.errors import ExportError
from cygd.export.onnx.graph import ML_DOMAIN, Graph, Value
from cygd.export.raw_rows import has_text_labels

MATRIX = "X"  # the name of the only input, as skl2onnx calls it


def input_dtype(preprocessing: Preprocessing, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of numbers: float64 as in training, or that of the network if nothing is scaled."""
    is_scaled = any((column.shift, column.scale) != (0, 1) for column in preprocessing.columns)
    return np.dtype(np.float64) if is_scaled or not preprocessing.takes_numbers else dtype


class InputGraph:
    """The part of a graph from raw columns to the features of the network.

    Attributes
    ----------
    x : Value
        The features (rows, n_features).
    invalid : Value
        (rows, 1): 0, or NaN in rows that cannot be predicted.
    """

    def __init__(self, graph: Graph, preprocessing: Preprocessing, *, matrix: bool) -> None:
        self.graph = graph
        self.dtype = input_dtype(preprocessing, graph.dtype)
        self.columns = preprocessing.columns
        self.missing = preprocessing.cell_format.missing_numbers
        self.matrix: Value | None = None
        if matrix:
            texts = [column.column for column in self.columns if has_text_labels(column)]
            if texts:
                message = f"matrix: the column {texts[0]!r} holds texts, and a matrix holds numbers"
                raise ExportError(message, hint="export it with one input per column")
            self.matrix = graph.input(MATRIX, self.dtype, len(self.columns))
        features, invalid = zip(*self._parts(), strict=True)
        self.x = features[0] if len(features) == 1 else graph.node("Concat", *features, axis=1)
        self.invalid = sum(invalid[1:], start=invalid[0])

    def _parts(self) -> Iterator[tuple[Value, Value]]:
        """Yield the features of groups of columns, and what is invalid in them."""
        numbered = enumerate(self.columns)
        for is_number, group in groupby(numbered, key=lambda item: item[1].categories is None):
            positions, columns = zip(*group, strict=True)
            if is_number:
                yield self._numbers(positions, columns)
                continue
            for position, column in zip(positions, columns, strict=True):
                yield self._labels(position, column)

    def _raw(self, positions: Sequence[int]) -> Value:
        """Return some columns as they come in."""
        graph = self.graph
        if self.matrix is not None:
            if len(positions) == len(self.columns):
                return self.matrix
            return graph.node("Gather", self.matrix, np.array(positions), axis=1)
        inputs = []
        for position in positions:
            column = self.columns[position]
            dtype = object if has_text_labels(column) else self.dtype
            inputs.append(graph.input(column.column, dtype, 1))
        return inputs[0] if len(inputs) == 1 else graph.node("Concat", *inputs, axis=1)

    def _constant(self, values: Sequence[float]) -> Value:
        return self.graph.constant(np.array([values], self.dtype))

    def _without_missing(self, values: Value, fill: Sequence[float]) -> Value:
        """Return numbers with the fill value, which may be NaN, in place of missing ones."""
        graph = self.graph
        for number in self.missing:
            values = graph.where(values.equals(self._constant([number])), self._constant([math.nan]), values)
        if any(not math.isnan(value) for value in fill):
            values = graph.where(graph.node("IsNaN", values), self._constant(fill), values)
        return values

    def _numbers(self, positions: Sequence[int], columns: Sequence[InputColumn]) -> tuple[Value, Value]:
        graph = self.graph
        fill = [math.nan if column.fill is None else float(column.fill) for column in columns]
        values = self._without_missing(self._raw(positions), fill)
        shift, scale = [column.shift for column in columns], [column.scale for column in columns]
        if any(shift):
            values = values - self._constant(shift)
        if any(factor != 1 for factor in scale):
            values = values / self._constant(scale)
        if self.dtype != graph.dtype:
            values = graph.cast(values, graph.dtype)
        # x - x is NaN if x is NaN or infinite
        return values, graph.node("ReduceSum", values - values, np.array([1]), keepdims=1)

    def _labels(self, position: int, column: InputColumn) -> tuple[Value, Value]:
        graph = self.graph
        assert column.categories is not None
        count = len(column.categories)
        raw = self._raw([position])
        if has_text_labels(column):
            keys, values = [str(label) for label in column.categories], list(range(count))
            if column.fill is not None:
                keys, values = [*keys, ""], [*values, column.categories.index(column.fill)]
            index = graph.node(
                "LabelEncoder", raw, domain=ML_DOMAIN, keys_strings=keys, values_int64s=values,
                default_int64=-1,
            )  # fmt: skip
            matches = index.equals(np.arange(count)[None])
        else:
            fill = math.nan if column.fill is None else float(column.fill)
            numbers = self._without_missing(raw, [fill])
            matches = numbers.equals(self._constant([float(label) for label in column.categories]))
        one_hot = graph.cast(matches, graph.dtype)
        found = graph.node("ReduceMax", one_hot, np.array([1]), keepdims=1)
        return one_hot, graph.where(found.equals(0.0), math.nan, 0.0)
