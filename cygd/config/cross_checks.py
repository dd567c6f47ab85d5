"""Check what concerns several places of an experiment.

Each check is a function of the valid sections that reports conflicts to `Diagnostics`. What depends on the
data (the number of inputs, the values of the targets) is checked where the data is.
"""

from __future__ import annotations

import logging

from cygd.config.messages import format_alternatives
from cygd.config.sections import DataSection, ExperimentSection, LayerSpec, Split
from cygd.config.validation import Diagnostics
from cygd.errors import did_you_mean, format_count

log = logging.getLogger("cygd")

BETWEEN_0_AND_1 = ("sigmoid", "hard_sigmoid", "softmax", "gaussian")
WITHOUT_TARGETS = ("frame", "csv", "parquet")  # sources that need the key targets
MONITOR_SYNONYMS = {
    "acc": "accuracy",
    "val_acc": "validation_accuracy",
    "train_loss": "loss",
    "training_loss": "loss",
}


def check_together(experiment: ExperimentSection, diagnostics: Diagnostics) -> None:
    """Run all cross-field checks."""
    _check_source(experiment, diagnostics)
    _check_columns(experiment.data, diagnostics)
    _check_split(experiment.data, diagnostics)
    _check_layers(experiment.model.layers, diagnostics)
    _check_output(experiment, diagnostics)
    _check_clip(experiment.clip, diagnostics)
    _check_duplicates(experiment, diagnostics)
    _check_stop(experiment, diagnostics)
    _check_evaluation(experiment, diagnostics)
    _check_objective(experiment, diagnostics)


def _check_source(experiment: ExperimentSection, diagnostics: Diagnostics) -> None:
    """Check that the data has a source, and targets if the source needs them."""
    hint = "source: ... chooses where the samples come from, for example inline, csv, npz or synthetic"
    if diagnostics.document.root.child("data") is None:
        diagnostics.require(
            "data", "write where the samples come from: data: {source: csv, path: ..., targets: [...]}"
        )
    elif not experiment.data.source:
        diagnostics.require("data.source", hint)
    elif experiment.data.source in WITHOUT_TARGETS and not experiment.data.targets:
        diagnostics.require("data.targets", "targets: [...] lists the columns to predict")


def _check_columns(data: DataSection, diagnostics: Diagnostics) -> None:
    """Check that a column has one role and is named once."""
    roles = {"inputs": data.inputs or (), "targets": data.targets or (), "categorical": data.categorical}
    for role, columns in roles.items():
        for index, column in enumerate(columns):
            if column in columns[:index]:
                diagnostics.report(f"data.{role}[{index}]", f"the column {column!r} is named twice")
    for index, column in enumerate(roles["inputs"]):
        if column in roles["targets"]:
            diagnostics.report(
                f"data.inputs[{index}]", f"the column {column!r} is also a target", needs=["data.targets"]
            )
    if data.sample_weight is not None:
        for role in ("inputs", "targets"):
            if data.sample_weight in roles[role]:
                message = f"the column {data.sample_weight!r} is also listed in {role}"
                diagnostics.report("data.sample_weight", message, needs=[f"data.{role}"])


def _check_split(data: DataSection, diagnostics: Diagnostics) -> None:
    """Check that rows are left for training, and that validation and test rows come from one place each."""
    split = data.split
    if split is None:
        return
    if split.validation + split.test >= 1:
        message = f"expected validation + test less than 1, got {split.validation + split.test:g}"
        diagnostics.report("data.split", message, "the other rows are for training")
    _check_folds(split, diagnostics)
    if split.format is not None and split.time in (None, True):
        message = "expected a column of times to read in this format, got " + (
            "true" if split.time else "none"
        )
        diagnostics.report("data.split.format", message, "add time: COLUMN", needs=["data.split.time"])
    if split.time is not None and split.stratify:
        message = "stratify cannot be combined with data.split.time"
        diagnostics.report("data.split.stratify", message, needs=["data.split.time"])
    if data.validation is not None and split.folds is not None:
        message = "cannot be combined with data.split.folds, which are the validation rows"
        diagnostics.report("data.validation", message, "remove one of them", needs=["data.split.folds"])
    for part in ("validation", "test"):
        if getattr(data, part) is not None and getattr(split, part) > 0:
            message = f"cannot be combined with data.split.{part}"
            diagnostics.report(f"data.{part}", message, "remove one of them", needs=[f"data.split.{part}"])


def _check_folds(split: Split, diagnostics: Diagnostics) -> None:
    """Check that the folds are the only validation rows, and that the chosen fold exists."""
    if split.folds is None:
        if split.fold is not None:
            diagnostics.report("data.split.fold", "there are no folds", "add folds: 5")
        return
    if split.validation:
        message = "cannot be combined with data.split.folds, which are the validation rows"
        diagnostics.report("data.split.validation", message, "remove it", needs=["data.split.folds"])
    if split.fold is not None and split.fold > split.folds:
        message = f"expected a whole number from 1 to {split.folds}, got {split.fold}"
        diagnostics.report("data.split.fold", message, needs=["data.split.folds"])


def _check_layers(layers: tuple[LayerSpec, ...], diagnostics: Diagnostics) -> None:
    """Check that there are layers with units, that given values fit them, and where dropout is."""
    if diagnostics.document.root.child("model") is None:
        diagnostics.require("model", "write the network: model: {layers: [16, 1]}")
    elif not layers and diagnostics.document.root.nearest(("model", "layers"))[1] < 2:
        diagnostics.require("model.layers", "write the layers, the last one is the output: layers: [16, 1]")
    elif not layers:
        diagnostics.report("model.layers", "expected at least one layer", "the last one is the output")
    for index, layer in enumerate(layers):
        key = f"model.layers[{index}]"
        if not layer.units:
            diagnostics.require(f"{key}.units", "units: ... is the number of outputs of the layer")
            continue
        _check_shapes(layer, layers[index - 1].units if index else 0, key, diagnostics)
    if layers and layers[-1].dropout:
        key = f"model.layers[{len(layers) - 1}].dropout"
        diagnostics.report(key, "the last layer cannot have dropout", "move it to a hidden layer")


def _check_shapes(layer: LayerSpec, n_inputs: int, key: str, diagnostics: Diagnostics) -> None:
    """Check that given weights and biases have the shape of their layer; n_inputs is 0 if it is not known."""
    hint = "one row for each input, one column for each unit"
    if layer.weights and len(layer.weights[0]) != layer.units:
        message = f"expected rows of {format_count(layer.units, 'number')}, got {len(layer.weights[0])}"
        diagnostics.report(f"{key}.weights", message, hint, needs=[f"{key}.units"])
    if layer.weights and n_inputs and len(layer.weights) != n_inputs:
        message = f"expected {format_count(n_inputs, 'row')} for the layer below, got {len(layer.weights)}"
        diagnostics.report(f"{key}.weights", message, hint)
    if isinstance(layer.bias, tuple) and len(layer.bias) != layer.units:
        message = f"expected {format_count(layer.units, 'number')}, one for each unit, got {len(layer.bias)}"
        diagnostics.report(f"{key}.bias", message, needs=[f"{key}.units"])


def _check_output(experiment: ExperimentSection, diagnostics: Diagnostics) -> None:
    """Check that the loss fits the outputs of the last layer."""
    layers, loss = experiment.model.layers, experiment.loss.name
    if not layers:
        return
    last, key = layers[-1], f"model.layers[{len(layers) - 1}]"
    activation = last.activation.name
    needs = [f"{key}.units", f"{key}.activation", "loss"]
    binary = "for two classes use one sigmoid unit with the loss binary_cross_entropy"
    for index, layer in enumerate(layers[:-1]):
        if layer.units == 1 and layer.activation.name == "softmax":
            here = f"model.layers[{index}]"
            message, both = "softmax of one unit is always 1", [f"{here}.units", f"{here}.activation"]
            diagnostics.report(f"{here}.activation", message, "use sigmoid", needs=both)
    if last.units == 1 and activation == "softmax":
        diagnostics.report(f"{key}.activation", "softmax of one unit is always 1", binary, needs=needs)
    elif last.units == 1 and loss == "cross_entropy":
        diagnostics.report(
            "loss", "cross_entropy of one unit is minimal if the output is always 1", binary, needs=needs
        )
    elif loss in ("cross_entropy", "binary_cross_entropy") and activation not in BETWEEN_0_AND_1:
        tier = getattr(last.activation.component, "tier", "built-in")
        if tier == "built-in" and not diagnostics.problems:
            where = diagnostics.document.where(("loss",))
            usual = "softmax" if loss == "cross_entropy" else "sigmoid"
            log.warning("%s loss: %s expects outputs from 0 to 1, but the last activation is %s; usual is %s",
                        where, loss, activation, usual)  # fmt: skip


def _check_clip(clip: dict[str, float] | None, diagnostics: Diagnostics) -> None:
    """Check that there is one limit on the gradient."""
    if clip is not None and len(clip) != 1:
        count = "both" if clip else "neither"
        diagnostics.report(
            "clip", f"expected one of norm and value, got {count}", needs=["clip.norm", "clip.value"]
        )


def _check_duplicates(experiment: ExperimentSection, diagnostics: Diagnostics) -> None:
    """Check that no metric and no logger is listed twice."""
    for key, specs in (("metrics", experiment.metrics), ("log", experiment.log)):
        seen: list[tuple[str, object]] = []
        for index, spec in enumerate(specs):
            # loggers of one name may write to different files, metrics of one name are one column
            entry = (spec.component.name, None if key == "metrics" else sorted(spec.options.items(), key=str))
            if entry in seen:
                diagnostics.report(f"{key}[{index}]", f"{spec.name!r} is listed twice", needs=[key])
            seen.append(entry)


def _check_stop(experiment: ExperimentSection, diagnostics: Diagnostics) -> None:
    """Check that early stopping monitors a value that is measured."""
    stop = experiment.stop
    if stop is None:
        return
    if stop.patience is None and stop.loss_below is None:
        diagnostics.report("stop", "expected patience or loss_below, got neither", needs=["stop.patience"])
    parts = ["", "validation_"] if experiment.data.has_validation else [""]
    needs = ["metrics", "data.validation", "data.split"]
    _check_measured("stop.monitor", stop.monitor, parts, experiment, diagnostics, needs)


def _check_objective(experiment: ExperimentSection, diagnostics: Diagnostics) -> None:
    """Check that the objective of a sweep is measured."""
    data, sweep = experiment.data, experiment.sweep
    if sweep is not None:
        tested = data.test is not None or (data.split is not None and data.split.test > 0)
        parts = ["", *["validation_"] * data.has_validation, *["test_"] * tested]
        needs = ["metrics", "data"]
        _check_measured("sweep.objective", sweep.objective, parts, experiment, diagnostics, needs)


def _check_measured(
    key: str,
    value: str | None,
    parts: list[str],  # the prefixes of what is measured
    experiment: ExperimentSection,
    diagnostics: Diagnostics,
    needs: list[str],
) -> None:
    """Check that a value is the loss or a metric, on one of the parts of the data."""
    measured = ["loss", *dict.fromkeys(spec.component.name for spec in experiment.metrics)]
    known = [part + name for part in parts for name in measured]
    if value and value not in known:
        message = f"expected {format_alternatives(known)}, got {value!r}"
        hint = _monitor_hint(value, known, [f"validation_{name}" for name in measured])
        diagnostics.report(key, message, hint, needs=needs)


def _monitor_hint(word: str, known: list[str], validated: list[str]) -> str | None:
    """Return a hint with the measured value that is probably meant, or with what it needs."""
    name = MONITOR_SYNONYMS.get(word, word)
    name = f"validation_{name[4:]}" if name.startswith("val_") else name
    if name in known:
        return f"did you mean {name!r}?"
    if name in validated:
        lacks = "it needs validation data: data.split.validation, or data.validation"
        return lacks if name == word else f"did you mean {name!r}? {lacks}"
    metric = name.removeprefix("validation_")
    near = did_you_mean(name, known)
    return near or (f"add {metric!r} to metrics" if metric.isidentifier() and metric != "loss" else None)


def _check_evaluation(experiment: ExperimentSection, diagnostics: Diagnostics) -> None:
    """Check that early stopping and the schedule get the measurements that they wait for."""
    if experiment.train.evaluate_every:
        return
    waiting = {
        "stop": experiment.stop is not None,
        "schedule": getattr(experiment.schedule.component, "watcher", None) is not None,
    }
    for key in (key for key, waits in waiting.items() if waits):
        message = f"{key!r} needs measurements during training, got train.evaluate_every: 0"
        diagnostics.report(key, message, "set train.evaluate_every to 1", needs=["train.evaluate_every"])
