"""Saved networks: an .npz file of arrays and a JSON description; no pickle."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.components import Component, Components, UnknownComponentError
from cygd.errors import CheckpointError, PluginError
from cygd.files import NUMERIC, npz_bytes, read_npz, write_user_file
from cygd.network.checks import check_count, check_finite
from cygd.network.compiled import CompiledNetwork
from cygd.network.saved_components import as_components, load_component, save_component

log = logging.getLogger("cygd")

FORMAT = 2  # 1 did not say where a component came from

# how another file begins, and what it is
OTHER_FILES = {
    b"\x93NUMPY": "an .npy file of one array or of pickled objects",
    b"\x80": "a pickle, which could run any code when it is loaded",
    b"": "no .npz file",
}


def parameter_arrays(network: CompiledNetwork) -> dict[str, NDArray[Any]]:
    """Return views of a network's parameters by their names in a file: w0, b0, a0, w1, b1, ..."""
    arrays: dict[str, NDArray[Any]] = {}
    for index, views in enumerate(network.layer_views(network.parameters)):
        arrays |= {
            f"{name}{index}": view for name, view in zip("wba", views, strict=True) if view is not None
        }
    return arrays


def save(network: CompiledNetwork, path: str | os.PathLike[str], *, optimizer: bool = False) -> None:
    """Write the arrays w0, b0, a0, w1, ... and the description of a network, as a whole or not at all."""
    check_finite("parameters", network.parameters, hint="; load could not read them")
    arrays: dict[str, Any] = dict(parameter_arrays(network))
    description = {
        "format": FORMAT,
        "n_inputs": network.n_inputs,
        "layers": [layer.description() for layer in network.layers],
        "loss": save_component(network.loss_function),
        "dtype": str(network.dtype),
        "seed": network.seed,
        "epochs": network.epochs,
        "updates": network.updates,
    }
    last = network._last_optimizer
    if optimizer and last is not None:
        packed = last.pack()
        description["optimizer"] = {
            "component": save_component(packed["component"]),
            "state": list(packed["state"]),
            "step": packed["step"],
            "scalars": packed["scalars"],
        }
        arrays |= {f"optimizer{k}": array for k, array in enumerate(packed["state"].values())}
    write_user_file(Path(path), npz_bytes({"network": np.array(json.dumps(description)), **arrays}))


class StoredNetwork(NamedTuple):
    """The content of a file that `save` wrote."""

    arguments: dict[str, Any]  # of `Network`
    epochs: int
    updates: int
    optimizer: dict[str, Any] | None  # as `LastOptimizer.pack` returns it


def load(
    path: str | os.PathLike[str], components: Components | Iterable[Component] | None = None
) -> StoredNetwork:
    """Return the content of a file, or raise a CheckpointError."""
    found = as_components(components)
    with convert_errors(path):
        arrays = _read_arrays(Path(path))
        description = _read_description(arrays)

        def component(kind: str, saved: Any) -> Component:
            return load_component(kind, saved, found, path, old=description["format"] < 2)

        def take(name: str, shape: tuple[int, ...] | None) -> NDArray[Any]:
            return _take(arrays, name, shape, description["dtype"])

        if description["format"] < 2 and isinstance(description["loss"], dict):
            _warn_about_formula(path, description["loss"])
        layers, n_inputs = [], description["n_inputs"]
        for k, saved in enumerate(description["layers"]):
            layer, units = dict(saved), saved["units"]
            layer |= {
                kind: component(kind, saved[kind]) for kind in ("activation", "initializer") if kind in saved
            }
            layer["weights"] = take(f"w{k}", (n_inputs, units))
            layer["bias"] = take(f"b{k}", (units,)) if f"b{k}" in arrays else False
            names = getattr(layer.get("activation"), "trainable", ())
            if names:
                values = take(f"a{k}", (len(names),)).tolist()
                layer["activation"] = layer["activation"].configured(dict(zip(names, values, strict=True)))
            layers.append(layer)
            n_inputs = units
        optimizer = description.get("optimizer")
        if optimizer is not None:
            optimizer["component"] = component("optimizer", optimizer["component"])
            state = enumerate(optimizer["state"])
            optimizer["state"] = {name: take(f"optimizer{k}", None) for k, name in state}
        if arrays:
            raise ValueError(f"unexpected arrays {', '.join(arrays)}")
        arguments = {key: description[key] for key in ("n_inputs", "dtype", "seed")}
        return StoredNetwork(
            {"layers": layers, "loss": component("loss", description["loss"]), **arguments},
            check_count("epochs", description["epochs"], 0),
            check_count("updates", description["updates"], 0),
            optimizer,
        )


def _warn_about_formula(path: str | os.PathLike[str], loss: Mapping[str, Any]) -> None:
    """Warn of what format 1 did not keep of a loss that is a formula."""
    if "formula" in loss and loss.get("reduction") == "mean":
        log.warning(
            "%s was saved by an older version of cygd, which did not keep `targets` and "
            "`reduction: mean_rows` of the formula %r",
            os.fspath(path),
            loss["formula"],
            extra={"hint": "if the loss had one of them, create the network anew and copy net.parameters"},
        )


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file, or raise a ValueError that says what it is instead."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError("expected a regular file")
    data = path.read_bytes()
    if not data.startswith(b"PK"):
        for start, kind in OTHER_FILES.items():
            if data.startswith(start):
                raise ValueError(f"it is {kind}" if data else "it is empty")
    return read_npz(data, kinds=NUMERIC + "U")


def _read_description(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the description of a network, with its types checked."""
    if "network" not in arrays:
        hint = "; weights.npz of a run is loaded with its folder: cygd.load(folder)" if "w0" in arrays else ""
        raise ValueError(f"expected an entry 'network'{hint}")
    description = json.loads(str(arrays.pop("network")))
    if not isinstance(description, dict) or not isinstance(description.get("layers"), list):
        raise ValueError("network: expected an object with a list of layers")
    check_count("format", description.setdefault("format", 1), 1)
    if description["format"] > FORMAT:
        raise ValueError(
            f"it has format {description['format']}, but this version of cygd reads up to {FORMAT}"
        )
    for key in ("n_inputs", "dtype", "seed", "loss", "epochs", "updates"):
        if key not in description:
            raise ValueError(f"network: the key {key!r} is missing")
    check_count("n_inputs", description["n_inputs"], 1)
    for k, layer in enumerate(description["layers"]):
        if not isinstance(layer, dict):
            raise ValueError(f"layers[{k}]: expected an object, got {layer!r}")
        check_count(f"layers[{k}]: units", layer.get("units"), 1)
    return description


def _take(
    arrays: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...] | None, dtype: str
) -> NDArray[Any]:
    """Remove an array of the expected shape and dtype and return it; None for any shape."""
    if name not in arrays:
        raise ValueError(f"the array {name} is missing")
    array = arrays.pop(name)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    if array.dtype != dtype:
        raise ValueError(f"{name}: expected {dtype}, got {array.dtype}")
    return array


@contextmanager
def convert_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Convert every exception that a damaged file causes to a CheckpointError that names the file."""
    try:
        yield
    except (UnknownComponentError, PluginError, OSError):
        raise
    except Exception as error:  # readers raise many types for damaged bytes
        raise CheckpointError(f"{os.fspath(path)} is not a saved network: {error}") from error
