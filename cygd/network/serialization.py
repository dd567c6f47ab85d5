"""Saved networks: an .npz file of arrays and a JSON description; no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.components import UnknownComponentError
from cygd.errors import CheckpointError, describe_load_error
from cygd.network.compiled import CompiledNetwork


def parameter_arrays(network: CompiledNetwork) -> dict[str, NDArray[Any]]:
    """Return views of a network's parameters by their names in a file: w0, b0, a0, w1, b1, ..."""
    arrays: dict[str, NDArray[Any]] = {}
    for index, views in enumerate(network.layer_views(network.parameters)):
        arrays |= {
            f"{name}{index}": view for name, view in zip("wba", views, strict=True) if view is not None
        }
    return arrays


def save(network: CompiledNetwork, path: str | os.PathLike[str]) -> None:
    """Write the arrays w0, b0, a0, w1, ... and the description of a network."""
    arrays: dict[str, Any] = parameter_arrays(network)
    description = {
        "format": 1,
        "n_inputs": network.n_inputs,
        "layers": [layer.description() for layer in network.layers],
        "loss": network.loss_function.description,
        "dtype": str(network.dtype),
        "seed": network.seed,
        "epochs": network.epochs,
        "updates": network.updates,
    }
    with Path(path).open("wb") as file:
        np.savez(file, network=np.array(json.dumps(description)), **arrays)


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Any], tuple[int, int]]:
    """Return the arguments of `Network` that a file describes, and the epochs and updates of the network."""
    with Path(path).open("rb") as file, convert_errors(path):
        with np.load(file, allow_pickle=False) as stored:
            arrays = dict(stored)
        description = json.loads(str(arrays.pop("network")))
        layers = [
            {
                **layer,
                "weights": arrays[f"w{k}"],
                "bias": arrays.get(f"b{k}", False),
                "activation": _with_values(layer["activation"], arrays.get(f"a{k}")),
            }
            for k, layer in enumerate(description["layers"])
        ]
        arguments = {key: description[key] for key in ("n_inputs", "loss", "dtype", "seed")}
        return {"layers": layers, **arguments}, (int(description["epochs"]), int(description["updates"]))


def _with_values(activation: dict[str, Any], values: NDArray[Any] | None) -> dict[str, Any]:
    """Return the description of an activation with the values of its trainable parameters."""
    if values is None:
        return activation
    return activation | dict(zip(activation["trainable"], values.tolist(), strict=True))


@contextmanager
def convert_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Convert every exception that a damaged file causes to a CheckpointError that names the file."""
    try:
        yield
    except UnknownComponentError:
        raise
    except Exception as error:  # readers raise many types for damaged bytes
        reason = describe_load_error(error)
        raise CheckpointError(f"{os.fspath(path)} is not a saved network: {reason}") from error
