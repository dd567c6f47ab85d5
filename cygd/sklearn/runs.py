"""The estimator of a run: its model, its preprocessing and its experiment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from cygd import config
from cygd.network import History
from cygd.runner.loading import load_with_experiment
from cygd.sklearn.labels import Labels
from cygd.sklearn.output_layer import PROBABILITIES
from cygd.tracking.metrics_file import read_rows
from cygd.tracking.model import Model

if TYPE_CHECKING:
    from cygd.sklearn.base import EstimatorBase

AnyEstimator = TypeVar("AnyEstimator", bound="EstimatorBase")


def estimator_of_run(
    cls: type[AnyEstimator], folder: str | os.PathLike[str], *, plugins: bool
) -> AnyEstimator:
    """Return the fitted estimator of a run folder."""
    model, experiment = load_with_experiment(folder, plugins=plugins)
    parameters = parameters_of(experiment)
    is_classifier = "class_weight" in cls._get_param_names()
    if is_classifier:
        weights = experiment.data.class_weight
        parameters["class_weight"] = _class_weight(weights, model) if isinstance(weights, dict) else weights
    estimator = cls(**parameters)
    if is_classifier:
        labels = labels_of(model, os.fspath(folder))
        _set(estimator, _labels=labels, classes_=labels.classes)
    elif model.classes:
        raise ValueError(
            f"the run {os.fspath(folder)!r} predicts the classes {', '.join(map(str, model.classes))}; use "
            "NetworkClassifier.from_run"
        )
    _set_fitted(estimator, model, Path(folder).expanduser())
    return estimator


def _set_fitted(estimator: EstimatorBase, model: Model, folder: Path) -> None:
    """Set the attributes that a fit sets."""
    file = folder / "metrics.csv"
    history = History.of_rows(read_rows(file) if file.exists() else [])
    losses = history["running_loss"]
    estimator.network_ = model.network
    _set(
        estimator,
        preprocessing_=model.preprocessing,
        n_features_in_=len(model.inputs),
        feature_names_in_=np.array(model.inputs, dtype=object),
        n_iter_=history.epochs,
        loss_curve_=losses,
        best_loss_=min(losses, default=None),
        validation_scores_=history.get(f"validation_{estimator._score_metric}"),
        best_validation_score_=max(history.get(f"validation_{estimator._score_metric}", []), default=None),
    )


def _set(estimator: EstimatorBase, **attributes: Any) -> None:
    for name, value in attributes.items():
        setattr(estimator, name, value)


def parameters_of(experiment: config.Experiment) -> dict[str, Any]:
    """Return the parameters of an estimator that trains like an experiment."""
    loss, optimizer, schedule = (_spec(getattr(experiment, key)) for key in ("loss", "optimizer", "schedule"))
    return {
        "layers": [_layer(layer) for layer in experiment.model.layers],
        "loss": loss,
        "optimizer": optimizer,
        "schedule": schedule,
        "alpha": 0.0,  # the layers have their own penalties
        "clip": experiment.clip,
        "batch_size": experiment.train.batch_size,
        "max_iter": max(1, experiment.train.epochs),
        "shuffle": experiment.train.shuffle,
        "random_state": experiment.seed % 2**32,  # the largest seed of NumPy
        "tol": None,
        "dtype": experiment.model.dtype,
    }


def _spec(spec: config.ComponentSpec) -> Any:
    """Return a component as a name or a mapping, or the component itself if only a plugin finds it."""
    return spec.resolved() if spec.component.tier in ("built-in", "formula") else spec.component


def _layer(layer: Any) -> dict[str, Any]:
    """Return a layer as a mapping for `Network`."""
    found: dict[str, Any] = layer.resolved()
    return found | {key: _spec(getattr(layer, key)) for key in ("activation", "initializer")}


def _class_weight(weights: dict[str, float], model: Model) -> dict[Any, float]:
    """Return class weights by label, which an experiment writes as text."""
    return {label: weights.get(str(label), 1.0) for label in model.classes}


def labels_of(model: Model, folder: str) -> Labels:
    """Return the classes of a run: labels, or the numbers that its outputs stand for."""
    network = model.network
    n_outputs, loss = network.n_outputs, network.loss_function
    if model.classes:
        return Labels(np.array(model.classes), False, n_outputs)
    is_scaled = bool(model.preprocessing.target_scale)
    if loss.targets == "signs" and n_outputs == 1 and not is_scaled:
        return Labels(np.array([-1, 1]), False, 1, signs=True)
    if network.layers[-1].activation.kernel in PROBABILITIES and not is_scaled:
        if n_outputs == 1:
            return Labels(np.array([0, 1]), False, 1)
        return Labels(np.arange(n_outputs), loss.kernel == "binary_cross_entropy", n_outputs)
    raise ValueError(f"the run {folder!r} predicts numbers; use NetworkRegressor.from_run")
