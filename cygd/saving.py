"""A network as a file: an .npz of its arrays, and a description in JSON; no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cygd.component import UnknownComponentError
from cygd.errors import CheckpointError

if TYPE_CHECKING:
    from cygd.network import Network

__all__ = ["guarded", "load", "save"]


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write arrays w0, b0, w1, ... and the description of a network."""
    arrays: dict[str, Any] = {f"w{k}": w for k, w in enumerate(network.weights)}
    arrays |= {f"b{k}": b for k, b in enumerate(network.biases) if b is not None}
    description = {
        "format": 1,
        "n_inputs": network.n_inputs,
        "layers": [layer.description() for layer in network.layers],
        "loss": {"name": network.loss_function.name, **network.loss_function.options},
        "dtype": str(network.dtype),
        "seed": network.seed,
        "epochs": network.epochs,
        "updates": network.updates,
    }
    with Path(path).open("wb") as file:
        np.savez(file, network=np.array(json.dumps(description)), **arrays)


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Any], tuple[int, int]]:
    """Return the arguments of `Network` that a file describes, and its epochs and updates.

    Raises
    ------
    CheckpointError
        If the file is not a saved network.
    """
    with Path(path).open("rb") as file, guarded(path):
        with np.load(file, allow_pickle=False) as stored:
            arrays = dict(stored)
        description = json.loads(str(arrays.pop("network")))
        layers = [
            {**layer, "weights": arrays[f"w{k}"], "bias": arrays.get(f"b{k}", False)}
            for k, layer in enumerate(description["layers"])
        ]
        chosen = {key: description[key] for key in ("n_inputs", "loss", "dtype", "seed")}
        return {"layers": layers, **chosen}, (int(description["epochs"]), int(description["updates"]))


@contextmanager
def guarded(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever a damaged file leads to into a CheckpointError that names it."""
    try:
        yield
    except UnknownComponentError:
        raise
    except Exception as error:  # there is no end to what readers raise for damaged bytes
        raise CheckpointError(f"{os.fspath(path)} is not a saved network: {error}") from error
