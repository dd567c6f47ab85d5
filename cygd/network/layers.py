"""What a layer is: its description, read from the ways in which people write one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.components import Activation, Components, Initializer, resolve
from cygd.errors import did_you_mean

__all__ = ["Layer", "read_layers"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Layer:
    """A dense layer.

    Attributes
    ----------
    units : int
    activation : Activation
    bias : bool or array of shape (units,)
        Whether there is one, or its initial values.
    initializer : Initializer
    weights : array of shape (n_inputs, units), optional
        Initial weights, in place of the initializer's.
    dropout : float
        The share of outputs that an update leaves out, in [0, 1).
    l1, l2 : float
        Penalties on the weights.
    """

    units: int
    activation: Activation
    bias: bool | Array
    initializer: Initializer
    weights: Array | None = None
    dropout: float = 0.0
    l1: float = 0.0
    l2: float = 0.0

    @property
    def has_bias(self) -> bool:
        """Whether the layer has a bias."""
        return not isinstance(self.bias, bool) or self.bias

    def description(self) -> dict[str, Any]:
        """Return the layer as a mapping that JSON can hold, without the values of its parameters."""
        return {
            "units": self.units,
            "activation": self.activation.description,
            "initializer": self.initializer.description,
            "dropout": self.dropout,
            "l1": self.l1,
            "l2": self.l2,
        }


def read_layers(
    n_inputs: int, layers: Sequence[object], components: Components | None = None
) -> tuple[Layer, ...]:
    """Return the layers that numbers, pairs and mappings describe, checked one against the other.

    Raises
    ------
    ValueError
        For anything that is no layer, naming it by its place.
    """
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not len(layers):
        raise ValueError(f"layers must be a list of at least one layer, got {layers!r}")
    found = []
    for index, spec in enumerate(layers):
        default = "identity" if index == len(layers) - 1 else "tanh"
        layer = _read(f"layers[{index}]", n_inputs, spec, default, components)
        if layer.dropout and index == len(layers) - 1:
            raise ValueError(f"layers[{index}]: the output layer cannot drop its own outputs")
        found.append(layer)
        n_inputs = layer.units
    return tuple(found)


def _read(where: str, n_inputs: int, spec: object, default: str, components: Components | None) -> Layer:
    """Return one layer."""
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
            raise ValueError(f"{where}: unknown key {key!r}: {hint}")
    units = given.get("units")
    if isinstance(units, bool) or not isinstance(units, int | np.integer) or units < 1:
        raise ValueError(f"{where}: units must be a whole number of at least 1, got {units!r}")
    units = int(units)
    activation = resolve("activation", given.get("activation", default), components)
    initializer = resolve("initializer", given.get("initializer", "glorot_uniform"), components)
    assert isinstance(activation, Activation)
    assert isinstance(initializer, Initializer)
    weights, bias = given.get("weights"), given.get("bias", True)
    return Layer(
        units,
        activation,
        bias if isinstance(bias, bool) else _values(f"{where}: bias", bias, (units,)),
        initializer,
        None if weights is None else _values(f"{where}: weights", weights, (n_inputs, units)),
        _number(f"{where}: dropout", given.get("dropout", 0.0), below=1.0),
        _number(f"{where}: l1", given.get("l1", 0.0)),
        _number(f"{where}: l2", given.get("l2", 0.0)),
    )


def _values(where: str, values: object, shape: tuple[int, ...]) -> Array:
    """Return given weights or biases as float64, or raise a ValueError."""
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{where} must be numbers in shape {shape}, got {values!r}") from None
    if array.shape != shape:
        raise ValueError(f"{where} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{where} must be finite")
    return array


def _number(where: str, value: object, below: float = np.inf) -> float:
    """Return a number in [0, below), or raise a ValueError."""
    numeric = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not numeric or not 0 <= float(value) < below:  # type: ignore[arg-type]
        limit = "a finite number of at least 0" if below == np.inf else f"a number in [0, {below:g})"
        raise ValueError(f"{where} must be {limit}, got {value!r}")
    return float(value)  # type: ignore[arg-type]
