"""The checks that compare several places of an experiment.

Each is a function of the sound part of the experiment that reports what does not fit together. What
depends on the data (the width of the input, the values of the targets) is checked where the data is.
"""

from __future__ import annotations

import logging

from cygd.config.messages import listed
from cygd.config.sections import DataSection, ExperimentSection, LayerSpec, Split
from cygd.config.validation import Judgement
from cygd.errors import did_you_mean

__all__ = ["WITHOUT_TARGETS", "check_together", "has_validation"]

log = logging.getLogger("cygd")

BETWEEN_0_AND_1 = ("sigmoid", "hard_sigmoid", "softmax", "gaussian")
WITHOUT_TARGETS = ("csv", "parquet")  # sources that do not say by themselves what is to be predicted
MEANT_BY = {
    "acc": "accuracy",
    "val_acc": "validation_accuracy",
    "train_loss": "loss",
    "training_loss": "loss",
}


def check_together(experiment: ExperimentSection, judgement: Judgement) -> None:
    """Report everything that does not fit together."""
    for check in (
        _data,
        _columns,
        _split,
        _layers,
        _output,
        _dropout,
        _clip,
        _metrics,
        _stop,
        _measured,
        _sweep,
    ):
        check(experiment, judgement)


def has_validation(data: DataSection) -> bool:
    """Tell whether there are rows for validation."""
    return data.validation is not None or (data.split is not None and data.split.validates)


def _data(experiment: ExperimentSection, judgement: Judgement) -> None:
    """The data have a source."""
    hint = "it says where the samples come from, for example inline, csv, npz or synthetic"
    if judgement.document.root.child("data") is None:
        judgement.require(
            "data", "it says where the samples come from: data: {source: csv, path: ..., targets: [...]}"
        )
    elif not experiment.data.source:
        judgement.require("data.source", hint)
    elif experiment.data.source in WITHOUT_TARGETS and not experiment.data.targets:
        judgement.require("data.targets", "it lists the columns that the network learns to predict")


def _columns(experiment: ExperimentSection, judgement: Judgement) -> None:
    """A column has one role, and is named once."""
    data = experiment.data
    roles = {"inputs": data.inputs or (), "targets": data.targets or (), "categorical": data.categorical}
    for role, columns in roles.items():
        for index, column in enumerate(columns):
            if column in columns[:index]:
                judgement.report(f"data.{role}[{index}]", f"the column {column!r} is named twice")
    for index, column in enumerate(roles["inputs"]):
        if column in roles["targets"]:
            judgement.report(f"data.inputs[{index}]", f"{column!r} is a target too", needs=["data.targets"])
    if data.sample_weight is not None:
        for role in ("inputs", "targets"):
            if data.sample_weight in roles[role]:
                message = f"the column {data.sample_weight!r} stands among the {role} too"
                judgement.report("data.sample_weight", message, needs=[f"data.{role}"])


def _split(experiment: ExperimentSection, judgement: Judgement) -> None:
    """Rows are left for training, and validation and test rows come from one place each."""
    data, split = experiment.data, experiment.data.split
    if split is None:
        return
    if split.validation + split.test >= 1:
        taken = f"{split.validation + split.test:g}"
        message = f"validation and test take {taken} of the rows, nothing is left for training"
        judgement.report("data.split", message, "their sum must be less than 1")
    _folds(split, judgement)
    if split.time is not None and split.stratify:
        message = "rows in the order of time cannot keep the shares of the classes as well"
        judgement.report("data.split.stratify", message, needs=["data.split.time"])
    if data.validation is not None and split.folds is not None:
        message = "the validation rows are given here, and split.folds takes them from the others"
        judgement.report("data.validation", message, "leave out one of the two", needs=["data.split.folds"])
    for part in ("validation", "test"):
        if getattr(data, part) is not None and getattr(split, part) > 0:
            message = f"the {part} rows are given here, and split.{part} takes a share of the others"
            judgement.report(
                f"data.{part}", message, "leave out one of the two", needs=[f"data.split.{part}"]
            )


def _folds(split: Split, judgement: Judgement) -> None:
    """Folds take turns as validation rows, and one of them is there."""
    if split.folds is None:
        if split.fold is not None:
            judgement.report("data.split.fold", "there are no folds", "folds: 5 makes them")
        return
    if split.validation:
        message = "the folds take turns as validation rows, there are no others"
        judgement.report("data.split.validation", message, "leave it out", needs=["data.split.folds"])
    if split.fold is not None and split.fold > split.folds:
        message = f"expected a whole number from 1 to {split.folds}, found {split.fold}"
        judgement.report("data.split.fold", message, needs=["data.split.folds"])


def _layers(experiment: ExperimentSection, judgement: Judgement) -> None:
    """There are layers with units, and what is given by hand has their shape."""
    layers = experiment.model.layers
    if judgement.document.root.child("model") is None:
        judgement.require("model", "it describes the network: model: {layers: [16, 1]}")
    elif not layers and judgement.document.root.nearest(("model", "layers"))[1] < 2:
        judgement.require("model.layers", "it lists the layers, the last is the output: layers: [16, 1]")
    elif not layers:
        judgement.report("model.layers", "there must be at least one layer", "the last one is the output")
    for index, layer in enumerate(layers):
        key = f"model.layers[{index}]"
        if not layer.units:
            judgement.require(f"{key}.units", "it says how many units the layer has")
            continue
        _given(layer, key, judgement)
        if (
            index
            and layers[index - 1].units
            and layer.weights
            and len(layer.weights) != layers[index - 1].units
        ):
            message = (
                f"{_rows(len(layer.weights))}, but the layer below has {_units(layers[index - 1].units)}"
            )
            judgement.report(f"{key}.weights", message, needs=[f"model.layers[{index - 1}].units"])


def _given(layer: LayerSpec, key: str, judgement: Judgement) -> None:
    """Given weights and biases fit the units of their layer."""
    if layer.weights and len(layer.weights[0]) != layer.units:
        message = f"the rows have {len(layer.weights[0])} numbers, but the layer has {_units(layer.units)}"
        judgement.report(
            f"{key}.weights",
            message,
            "one row for each input, one column for each unit",
            needs=[f"{key}.units"],
        )
    if isinstance(layer.bias, tuple) and len(layer.bias) != layer.units:
        message = f"{len(layer.bias)} numbers, but the layer has {_units(layer.units)}"
        judgement.report(f"{key}.bias", message, needs=[f"{key}.units"])


def _output(experiment: ExperimentSection, judgement: Judgement) -> None:
    """The loss can learn from what the last layer puts out."""
    layers, loss = experiment.model.layers, experiment.loss.name
    if not layers:
        return
    last, key = layers[-1], f"model.layers[{len(layers) - 1}]"
    activation = last.activation.name or "identity"
    needs = [f"{key}.units", f"{key}.activation", "loss"]
    binary = "for two classes use one sigmoid unit with the loss binary_cross_entropy"
    if last.units == 1 and activation == "softmax":
        judgement.report(f"{key}.activation", "softmax over one unit is always 1", binary, needs=needs)
    elif last.units == 1 and loss == "cross_entropy":
        judgement.report(
            "loss", "cross_entropy over one unit is least when it is always 1", binary, needs=needs
        )
    elif loss in ("cross_entropy", "binary_cross_entropy") and activation not in BETWEEN_0_AND_1:
        tier = getattr(last.activation.component, "tier", "built-in")
        if tier == "built-in" and not judgement.problems:
            where = judgement.document.where(("loss",))
            usual = "softmax" if loss == "cross_entropy" else "sigmoid"
            log.warning("%s loss: %s takes outputs from 0 to 1, but the last activation is %s; usual is %s",
                        where, loss, activation, usual)  # fmt: skip


def _dropout(experiment: ExperimentSection, judgement: Judgement) -> None:
    """The output itself is not dropped."""
    layers = experiment.model.layers
    if layers and layers[-1].dropout:
        key = f"model.layers[{len(layers) - 1}].dropout"
        judgement.report(
            key, "the last layer is the output, none of it can be dropped", "put it on a hidden layer"
        )


def _clip(experiment: ExperimentSection, judgement: Judgement) -> None:
    """A gradient is clipped in one way."""
    clip = experiment.clip
    if clip is not None and (clip.norm is None) == (clip.value is None):
        both = "not both" if clip.norm is not None else "found neither"
        judgement.report("clip", f"expected one of norm and value, {both}", needs=["clip.norm", "clip.value"])


def _metrics(experiment: ExperimentSection, judgement: Judgement) -> None:
    """A metric, and a logger, is asked for once."""
    for key, specs in (("metrics", experiment.metrics), ("log", experiment.log)):
        seen: list[tuple[str, object]] = []
        for index, spec in enumerate(specs):
            # two loggers of one name may write to two files, two metrics of one name are one column
            entry = (spec.component.name, None if key == "metrics" else sorted(spec.options.items(), key=str))
            if entry in seen:
                judgement.report(f"{key}[{index}]", f"{spec.name!r} is listed twice", needs=[key])
            seen.append(entry)


def _stop(experiment: ExperimentSection, judgement: Judgement) -> None:
    """What is monitored will be measured."""
    stop = experiment.stop
    if stop is None:
        return
    if stop.patience is None and stop.loss_below is None:
        judgement.report("stop", "neither patience nor loss_below says when to stop", needs=["stop.patience"])
    names = list(dict.fromkeys(spec.component.name for spec in experiment.metrics))
    measured = ["loss", *names]
    validated = [f"validation_{name}" for name in measured]
    known = measured + validated if has_validation(experiment.data) else measured
    if not stop.monitor or stop.monitor in known:
        return
    message = f"expected one of the measured values {listed(known)}, found {stop.monitor!r}"
    hint = _monitor_hint(stop.monitor, known, validated)
    judgement.report("stop.monitor", message, hint, needs=["metrics", "data.validation", "data.split"])


def _sweep(experiment: ExperimentSection, judgement: Judgement) -> None:
    """What configurations are compared by will be measured."""
    if experiment.sweep is None or experiment.sweep.objective is None:
        return
    data, objective = experiment.data, experiment.sweep.objective
    measured = ["loss", *dict.fromkeys(spec.component.name for spec in experiment.metrics)]
    tested = data.test is not None or (data.split is not None and data.split.test > 0)
    parts = ["", *(["validation_"] if has_validation(data) else []), *(["test_"] if tested else [])]
    known = [part + name for part in parts for name in measured]
    if objective not in known:
        message = f"expected one of the measured values {listed(known)}, found {objective!r}"
        hint = _monitor_hint(objective, known, [f"validation_{name}" for name in measured])
        judgement.report("sweep.objective", message, hint, needs=["metrics", "data"])


def _monitor_hint(word: str, known: list[str], validated: list[str]) -> str | None:
    """Return what a monitored value may have meant, or what it lacks."""
    meant = MEANT_BY.get(word, word)
    meant = f"validation_{meant[4:]}" if meant.startswith("val_") else meant
    if meant in known:
        return f"did you mean {meant!r}?"
    if meant in validated:
        lacks = "it needs validation data: data.split.validation, or data.validation"
        return lacks if meant == word else f"did you mean {meant!r}? {lacks}"
    metric = meant.removeprefix("validation_")
    near = did_you_mean(meant, known)
    return near or (f"add {metric!r} to metrics" if metric.isidentifier() and metric != "loss" else None)


def _measured(experiment: ExperimentSection, judgement: Judgement) -> None:
    """Whatever waits for a measurement gets one."""
    if experiment.train.evaluate_every:
        return
    waiting = {
        "stop": experiment.stop is not None,
        "schedule": getattr(experiment.schedule.component, "watcher", None) is not None,
    }
    for key in (key for key, waits in waiting.items() if waits):
        message = f"{key!r} waits for values that train.evaluate_every: 0 measures at the end only"
        judgement.report(key, message, "set train.evaluate_every to 1", needs=["train.evaluate_every"])


def _units(count: int) -> str:
    return f"{count} unit" if count == 1 else f"{count} units"


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
