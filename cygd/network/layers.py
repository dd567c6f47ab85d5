"""Layers: what a dense layer consists of, and the forms in which a caller may describe one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.components import Activation, Components, Initializer, resolve
from cygd.core.primitives import is_masked
from cygd.errors import CygdError, did_you_mean
from cygd.network.checks import check_count, is_finite
from cygd.network.saved_components import save_component

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Layer:
    """A dense layer."""

    units: int
    activation: Activation
    bias: bool | Array  # or its initial values, of shape (units,)
    initializer: Initializer
    weights: Array | None = None  # initial ones in place of the initializer's, (n_inputs, units)
    dropout: float = 0.0  # the share of outputs that an update drops, in [0, 1)
    l1: float = 0.0  # penalties on the weights
    l2: float = 0.0

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {"units": check_count("units", self.units, 1)}
        if not isinstance(self.bias, bool):
            checked["bias"] = _check_array("bias", self.bias, (checked["units"],))
        if self.weights is not None:
            checked["weights"] = _check_array("weights", self.weights, (None, checked["units"]))
        checked["dropout"] = _check_number("dropout", self.dropout, below=1.0)
        checked["l1"] = _check_number("l1", self.l1)
        checked["l2"] = _check_number("l2", self.l2)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def has_bias(self) -> bool:
        """Whether the layer has a bias."""
        return not isinstance(self.bias, bool) or self.bias

    def description(self) -> dict[str, Any]:
        """Return the layer as a mapping for JSON, without the values of its parameters."""
        return {
            "units": self.units,
            "activation": save_component(self.activation),
            "initializer": save_component(self.initializer),
            "dropout": self.dropout,
            "l1": self.l1,
            "l2": self.l2,
        }


def build_layers(
    n_inputs: int, layers: Sequence[object], components: Components | None = None
) -> tuple[Layer, ...]:
    """Return the layers of a network from numbers, pairs, mappings and `Layer` objects.

    The ValueError for an invalid layer, or one that does not fit the layer below, begins with its index.
    """
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not len(layers):
        raise ValueError(f"layers must be a list of at least one layer, got {layers!r}")
    built: list[Layer] = []
    for index, spec in enumerate(layers):
        is_output = index == len(layers) - 1
        try:
            layer = _build(spec, "identity" if is_output else "tanh", components)
            if layer.weights is not None and len(layer.weights) != n_inputs:
                expected = (n_inputs, layer.units)
                raise ValueError(f"weights must have shape {expected}, got {layer.weights.shape}")
            if layer.units == 1 and layer.activation.kernel == "softmax":
                raise ValueError("softmax of one unit is always 1; use sigmoid")
            if layer.dropout and is_output:
                raise ValueError("the output layer cannot drop its own outputs")
        except ValueError as error:
            if isinstance(error, CygdError):
                raise
            raise ValueError(f"layers[{index}]: {error}") from None
        built.append(layer)
        n_inputs = layer.units
    return tuple(built)


def _build(spec: object, default_activation: str, components: Components | None) -> Layer:
    """Return one layer, with its activation and initializer resolved."""
    if isinstance(spec, Layer):
        return spec
    if isinstance(spec, Mapping):
        given = dict(spec)
    elif isinstance(spec, Sequence) and not isinstance(spec, str) and len(spec) == 2:
        given = {"units": spec[0], "activation": spec[1]}
    else:
        given = {"units": spec}
    known = [field.name for field in fields(Layer)]
    for key in given:
        if key not in known:
            hint = did_you_mean(str(key), known) or f"one of {', '.join(known)}"
            raise ValueError(f"unknown key {key!r}: {hint}")
    check_count("units", given.get("units"), 1)
    activation = resolve("activation", given.get("activation", default_activation), components)
    initializer = resolve("initializer", given.get("initializer", "glorot_uniform"), components)
    return Layer(**{"bias": True, **given, "activation": activation, "initializer": initializer})


def _check_array(name: str, values: object, shape: tuple[int | None, ...]) -> Array:
    """Return weights or biases as a float64 array, or raise a ValueError; None in `shape`: any length."""
    expected = str(shape).replace("None", "n_inputs")
    if is_masked(values):
        raise ValueError(f"{name}: masked arrays are not supported; fill it first ({name}.filled(...))")
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers in shape {expected}, got {values!r}") from None
    fits = array.ndim == len(shape) and all(
        size in (None, length) for size, length in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} must have shape {expected}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    return array


def _check_number(name: str, value: object, below: float = np.inf) -> float:
    """Return a number in [0, below), or raise a ValueError."""
    if not is_finite(value) or not 0 <= value < below:  # type: ignore[operator]
        limit = "a finite number of at least 0" if below == np.inf else f"a number in [0, {below:g})"
        raise ValueError(f"{name} must be {limit}, got {value!r}")
    return float(value)  # type: ignore[arg-type]
