"""A graph under construction, whose values can be written as formulas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cygd.data.sources.optional_imports import import_optional
from cygd.errors import ExportError

OPSET, ML_OPSET, IR_VERSION = 18, 3, 8  # of ONNX 1.13: what later runtimes load, too
ML_DOMAIN = "ai.onnx.ml"

Operand: TypeAlias = "Value | float | npt.NDArray[Any]"


def onnx_library(module: str = "onnx") -> Any:
    """Return the library onnx, or another module that the format needs."""
    return import_optional(module, "onnx", module.partition(".")[0], "an .onnx file", ExportError)


class Value:
    """A tensor of a graph; arithmetic adds nodes."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def __add__(self, other: Operand) -> Value:
        return self.graph.node("Add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self.graph.node("Add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.graph.node("Sub", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.graph.node("Sub", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.graph.node("Mul", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self.graph.node("Mul", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self.graph.node("Div", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.graph.node("Div", other, self)

    def __neg__(self) -> Value:
        return self.graph.node("Neg", self)

    def __abs__(self) -> Value:
        return self.graph.node("Abs", self)

    def __lt__(self, other: Value | float) -> Value:
        return self.graph.node("Less", self, other)

    def __gt__(self, other: Value | float) -> Value:
        return self.graph.node("Greater", self, other)

    def __le__(self, other: Value | float) -> Value:
        return self.graph.node("LessOrEqual", self, other)

    def equals(self, other: Operand) -> Value:
        """Return where the values are equal."""
        return self.graph.node("Equal", self, other)


class Graph:
    """The nodes and constants of a model.

    Parameters
    ----------
    dtype : numpy.dtype
        Of numbers that are written as Python floats.
    names : iterable of str
        Of the inputs and outputs, which no other value gets.
    """

    def __init__(self, dtype: np.dtype[Any], names: Iterable[str]) -> None:
        self.dtype = np.dtype(dtype)
        self.helper = onnx_library("onnx.helper")
        self.numpy_helper = onnx_library("onnx.numpy_helper")
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self._constants: dict[tuple[Any, ...], str] = {}
        self._results: dict[tuple[Any, ...], list[str]] = {}
        self._names = set(names)

    def unique(self, name: str) -> str:
        """Return a name that no other value has."""
        unique, count = name, 1
        while unique in self._names:
            count += 1
            unique = f"{name}_{count}"
        self._names.add(unique)
        return unique

    def tensor_type(self, dtype: npt.DTypeLike) -> int:
        """Return ONNX's number of a type; objects are texts."""
        kind = np.dtype(dtype)
        if kind.hasobject:
            return int(onnx_library("onnx").TensorProto.STRING)
        return int(self.helper.np_dtype_to_tensor_dtype(kind))

    def input(self, name: str, dtype: npt.DTypeLike, columns: int) -> Value:
        """Return a new input (rows, columns)."""
        info = self.helper.make_tensor_value_info(name, self.tensor_type(dtype), ["rows", columns])
        self.inputs.append(info)
        return Value(self, name)

    def output(self, value: Value, name: str, dtype: npt.DTypeLike, columns: int | None) -> None:
        """Declare a value as an output (rows, columns), or (rows) if columns is None."""
        self.nodes.append(self.helper.make_node("Identity", [value.name], [name]))
        shape = ["rows"] if columns is None else ["rows", columns]
        self.outputs.append(self.helper.make_tensor_value_info(name, self.tensor_type(dtype), shape))

    def constant(self, array: npt.NDArray[Any], name: str = "constant") -> Value:
        """Return an array as a value; equal arrays are stored once."""
        texts = array.dtype.hasobject
        key = (str(array.dtype), array.shape, tuple(array.ravel()) if texts else array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.unique(name)
            if texts:
                encoded = [str(text).encode() for text in array.ravel()]
                tensor = self.helper.make_tensor(
                    self._constants[key], self.tensor_type(object), array.shape, encoded
                )
            else:
                tensor = self.numpy_helper.from_array(np.ascontiguousarray(array), self._constants[key])
            self.initializers.append(tensor)
        return Value(self, self._constants[key])

    def operand(self, value: Operand) -> Value:
        """Return a value, or a number or an array as a constant."""
        if isinstance(value, Value):
            return value
        array = value if isinstance(value, np.ndarray) else np.array(value, self.dtype)
        return self.constant(array)

    def node(self, op: str, *operands: Operand, domain: str = "", **attributes: Any) -> Value:
        """Return the result of a node; the same operation on the same operands is computed once."""
        names = [self.operand(operand).name for operand in operands]
        key = (op, domain, *names, *sorted((name, str(value)) for name, value in attributes.items()))
        if key not in self._results:
            self._results[key] = [self.unique(op.lower())]
            node = self.helper.make_node(op, names, self._results[key], domain=domain, **attributes)
            self.nodes.append(node)
        return Value(self, self._results[key][0])

    def where(self, condition: Value, a: Operand, b: Operand) -> Value:
        """Return a where the condition holds, else b."""
        return self.node("Where", condition, a, b)

    def cast(self, value: Value, dtype: npt.DTypeLike) -> Value:
        """Return a value in another type."""
        return self.node("Cast", value, to=self.tensor_type(dtype))

    def model(self, name: str, description: str, metadata: dict[str, str]) -> Any:
        """Return the ModelProto, checked."""
        library = onnx_library("onnx")
        used = [node for node in self.nodes if node.domain == ML_DOMAIN]
        opsets = [self.helper.make_opsetid("", OPSET)]
        opsets += [self.helper.make_opsetid(ML_DOMAIN, ML_OPSET)] if used else []
        graph = self.helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.initializers)
        model = self.helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="cygd", doc_string=description
        )
        self.helper.set_model_props(model, metadata)
        library.checker.check_model(model)
        return model
