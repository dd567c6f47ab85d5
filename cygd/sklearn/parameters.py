"""The parameters of an estimator: their checks, and the layers and batches that they describe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cygd.network.checks import check_count, check_flag, is_finite
from cygd.network.layers import Layer

if TYPE_CHECKING:
    from cygd.sklearn.base import EstimatorBase

LARGEST_BATCH = 200  # of batch_size="auto", as in scikit-learn


def check_parameters(estimator: EstimatorBase) -> None:
    """Raise a ValueError or TypeError for a parameter that no fit can take; components check their own."""
    given = estimator
    for size in hidden_sizes(given):
        check_count("hidden_layer_sizes", size, 1)
    for name in ("max_iter", "n_iter_no_change"):
        check_count(name, getattr(given, name), 1)
    for name in ("shuffle", "warm_start", "early_stopping"):
        check_flag(name, getattr(given, name))
    if given.batch_size not in ("auto", "full"):
        try:
            check_count("batch_size", given.batch_size, 1)
        except ValueError as error:
            raise ValueError(str(error).replace(", got", ', "auto" or "full", got')) from None
    for name in ("alpha", "l1"):
        _check_interval(name, getattr(given, name), math.inf)
    _check_interval("dropout", given.dropout, 1.0)
    if given.tol is not None:
        _check_interval("tol", given.tol, math.inf)
    if not is_finite(given.validation_fraction) or not 0 < given.validation_fraction < 1:
        raise ValueError(f"validation_fraction must be between 0 and 1, got {given.validation_fraction!r}")
    if given.dtype is not None and np.dtype(given.dtype) not in (np.float32, np.float64):
        raise ValueError(f'dtype must be "float32", "float64" or None for that of X, got {given.dtype!r}')


def _check_interval(name: str, value: Any, below: float) -> None:
    if not is_finite(value) or not 0 <= value < below:
        limit = "a finite number of at least 0" if below == math.inf else f"a number in [0, {below:g})"
        raise ValueError(f"{name} must be {limit}, got {value!r}")


def hidden_sizes(estimator: EstimatorBase) -> list[Any]:
    """Return `hidden_layer_sizes` as a list."""
    sizes = estimator.hidden_layer_sizes
    if isinstance(sizes, str | bytes):
        raise ValueError(f"hidden_layer_sizes must be numbers, got {sizes!r}")
    return list(sizes) if isinstance(sizes, Sequence | np.ndarray) else [sizes]


def resolve_activation(activation: Any) -> Any:
    """Return an activation as cygd names it: scikit-learn's "logistic" is the sigmoid."""
    return "sigmoid" if isinstance(activation, str) and activation == "logistic" else activation


def layer_specs(
    estimator: EstimatorBase, n_outputs: int, output_activation: str, l2: float
) -> list[dict[str, Any]]:
    """Return the layers as mappings for `Network`, the last one with what the targets need."""
    penalties = {"l1": estimator.l1, "l2": l2}
    activation, dropout = resolve_activation(estimator.activation), estimator.dropout
    hidden = {"activation": activation, "dropout": dropout, **penalties}
    output = {"activation": output_activation, **penalties}
    if estimator.layers is None:
        return [{"units": size, **hidden} for size in hidden_sizes(estimator)] + [
            {"units": n_outputs, **output}
        ]
    given = [as_mapping(layer) for layer in as_list(estimator.layers)]
    specs = [{**hidden, **layer} for layer in given[:-1]] + [{"units": n_outputs, **output, **given[-1]}]
    if specs[-1]["units"] != n_outputs:
        raise ValueError(
            f"layers: the last layer has {specs[-1]['units']} units, but y needs {n_outputs}; leave them "
            'out: layers=[..., {"activation": ...}]'
        )
    return specs


def as_list(layers: Any) -> Sequence[object]:
    """Return `layers`, which must be a list of at least one layer."""
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        raise ValueError(
            f"layers must be a list of at least one layer, the last of them the output, got {layers!r}"
        )
    return layers


def as_mapping(layer: Any) -> dict[str, Any]:
    """Return a layer in any of its forms as a mapping of the keys that it names."""
    if isinstance(layer, Layer):
        return {name: value for name, value in vars(layer).items() if value is not None}
    if isinstance(layer, Mapping):
        found = dict(layer)
    elif isinstance(layer, Sequence) and not isinstance(layer, str) and len(layer) == 2:
        found = {"units": layer[0], "activation": layer[1]}
    else:
        found = {"units": layer}
    if "activation" in found:
        found["activation"] = resolve_activation(found["activation"])
    return found


def rows_per_batch(estimator: EstimatorBase, n_rows: int) -> int:
    """Return the number of rows of an update."""
    if estimator.batch_size == "full":
        return n_rows
    return min(n_rows, LARGEST_BATCH if estimator.batch_size == "auto" else int(estimator.batch_size))
