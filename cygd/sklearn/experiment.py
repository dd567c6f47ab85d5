"""The experiment of an estimator, as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from cygd import config
from cygd.components import Component, resolve
from cygd.network.layers import Layer
from cygd.network.saved_components import is_built_in
from cygd.sklearn.parameters import LARGEST_BATCH

if TYPE_CHECKING:
    from cygd.sklearn.base import EstimatorBase


def experiment_of(estimator: EstimatorBase, data: Mapping[str, object] | None, name: str | None) -> str:
    """Return the YAML of an experiment that trains the network of a fitted estimator."""
    check_is_fitted(estimator)
    plugins = _Plugins()
    network, batch = estimator.network_, estimator.batch_size
    optimizer = resolve("optimizer", estimator.optimizer)
    if estimator.learning_rate_init is not None:
        optimizer = optimizer.configured({"learning_rate": float(estimator.learning_rate_init)})
    content: dict[str, Any] = {
        "seed": network.seed,
        "data": _data(estimator, data),
        "model": {
            "dtype": str(network.dtype),
            "layers": [_layer(layer, plugins) for layer in network.layers],
        },
        "loss": plugins.describe(network.loss_function),
        "optimizer": plugins.describe(optimizer),
        "clip": None if estimator.clip is None else {k: float(v) for k, v in estimator.clip.items()},
        "train": {
            "epochs": int(estimator.max_iter),
            "batch_size": LARGEST_BATCH
            if batch == "auto"
            else batch
            if isinstance(batch, str)
            else int(batch),
            "shuffle": bool(estimator.shuffle),
        },
        "metrics": [estimator._score_metric],
    }
    if estimator.schedule is not None:
        content["schedule"] = plugins.describe(resolve("schedule", estimator.schedule))
    stop = _stop(estimator)
    if stop is not None:
        content["stop"] = stop
    head = {} if name is None else {"name": name}
    used = {"plugins": plugins.files} if plugins.files else {}
    return config.dump(
        {**head, **used, **{key: value for key, value in content.items() if value is not None}}
    )


class _Plugins:
    """Describes components, and collects the plugin files that define them."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def describe(self, component: Component) -> Any:
        """Return a component as an experiment names it, or raise a ValueError."""
        found = {
            key: "mean" if value == "mean_rows" and component.kind == "loss" else _plain(value)
            for key, value in component.description.items()
        }
        if component.tier == "formula" and "formula" in found:
            return {key: value for key, value in found.items() if key != "name"}
        if not is_built_in(component):
            if not component.origin:
                raise ValueError(
                    f"{component} cannot be written into an experiment, which names components: define it in "
                    "a plugin file"
                )
            self.files += [] if component.origin in self.files else [component.origin]
        return found["name"] if len(found) == 1 else found


def _plain(value: Any) -> Any:
    """Return an option as a value of YAML."""
    return value.item() if isinstance(value, np.generic) else value


def _layer(layer: Layer, plugins: _Plugins) -> dict[str, Any]:
    """Return a layer as an experiment describes it, without what is the default."""
    found: dict[str, Any] = {
        "units": layer.units,
        "activation": plugins.describe(layer.activation),
        "initializer": plugins.describe(layer.initializer),
    }
    if not isinstance(layer.bias, bool):
        found["bias"] = layer.bias.tolist()
    elif not layer.bias:
        found["bias"] = False
    if layer.weights is not None:
        found["weights"] = layer.weights.tolist()
    numbers = {"dropout": layer.dropout, "l1": layer.l1, "l2": layer.l2}
    return found | {key: value for key, value in numbers.items() if value}


def _data(estimator: EstimatorBase, data: Mapping[str, object] | None) -> dict[str, Any]:
    """Return the section `data`: what is given, with the validation rows and the class weights."""
    section: dict[str, Any] = dict(data or _example_data(estimator))
    if estimator.early_stopping and not {"split", "validation"} & section.keys():
        labels = getattr(estimator, "_labels", None)
        split: dict[str, Any] = {"validation": float(estimator.validation_fraction)}
        if labels is not None and not labels.multilabel:
            split["stratify"] = True
        section["split"] = split
    weights = getattr(estimator, "class_weight", None)
    if weights is not None and "class_weight" not in section:
        if not isinstance(weights, Mapping | str):
            raise ValueError("class_weight of several labels cannot be written into an experiment")
        section["class_weight"] = (
            weights
            if isinstance(weights, str)
            else {str(_plain(label)): float(weight) for label, weight in weights.items()}
        )
    return section


def _example_data(estimator: EstimatorBase) -> dict[str, Any]:
    """Return a section for a file of the columns of the last fit."""
    names = getattr(estimator, "feature_names_in_", None)
    labels = getattr(estimator, "_labels", None)
    n_targets = estimator.network_.n_outputs if labels is None or labels.multilabel else 1
    targets = ["y"] if n_targets == 1 else [f"y{k}" for k in range(n_targets)]
    section: dict[str, Any] = {"source": "csv", "path": "data.csv"}
    if names is not None:
        section["inputs"] = [str(name) for name in names]
    section["targets"] = targets
    if labels is not None and not labels.multilabel and not labels.signs:
        section["categorical"] = targets
    return section


def _stop(estimator: EstimatorBase) -> dict[str, Any] | None:
    """Return the section `stop`, if the training may end before `max_iter` epochs."""
    if not estimator.early_stopping and estimator.tol is None:
        return None
    monitor = f"validation_{estimator._score_metric}" if estimator.early_stopping else "loss"
    return {
        "monitor": monitor,
        "patience": int(estimator.n_iter_no_change) + 1,
        "min_delta": float(estimator.tol or 0.0),
        "restore_best": bool(estimator.early_stopping),
    }
