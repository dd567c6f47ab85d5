"""An experiment that is valid: every default filled in, every component found and configured.

A valid experiment -> plain values that leave nothing to defaults or to the folder.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cygd.config.component_spec import Components, ComponentSpec, choose
from cygd.config.cross_checks import check_together, has_validation
from cygd.config.document import Document
from cygd.config.sections import (
    Checkpoint,
    DataSection,
    ExperimentSection,
    LayerSpec,
    Stop,
    SweepSection,
    Train,
)
from cygd.config.validation import judge
from cygd.config.validators import safe_name
from cygd.config.yaml.nodes import parse_key, show_key
from cygd.errors import ConfigError, Problem

__all__ = ["Experiment", "ModelSpec", "data_files", "resolved", "validate"]


@dataclass(frozen=True)
class ModelSpec:
    """The network: the defaults of its layers, and the layers with the defaults filled in."""

    dtype: str
    activation: ComponentSpec
    initializer: ComponentSpec
    layers: tuple[LayerSpec, ...]


@dataclass(frozen=True)
class Experiment:
    """A valid experiment; the attributes are the keys of the YAML file.

    `document` remembers where everything was written.
    """

    document: Document
    name: str
    seed: int
    threads: int | str
    plugins: tuple[str, ...]
    data: DataSection
    model: ModelSpec
    loss: ComponentSpec
    optimizer: ComponentSpec
    schedule: ComponentSpec
    clip: dict[str, float] | None
    train: Train
    metrics: tuple[ComponentSpec, ...]
    stop: Stop | None
    checkpoint: Checkpoint
    log: tuple[ComponentSpec, ...]
    sweep: SweepSection | None

    @property
    def folder(self) -> Path:
        """What relative paths start from."""
        return self.document.folder

    def where(self, key: str) -> str:
        """Return the place of a value, `file:line:column`, or of the nearest thing around it."""
        return self.document.where(parse_key(key))

    def problem(self, key: str, message: str, hint: str | None = None) -> Problem:
        """Return a problem with a value, for what is found out later."""
        return Problem(self.where(key), show_key(parse_key(key)), message, hint)

    def data_files(self) -> list[Path]:
        """Return the files that the data come from."""
        return data_files(self)

    def resolved(self) -> dict[str, Any]:
        """Return the experiment as plain values that leave nothing to defaults or to the folder.

        Read back, they are the same experiment.
        """
        return resolved(self)


def validate(document: Document, components: Components) -> Experiment:
    """Judge everything that a document says.

    Parameters
    ----------
    document : Document
        What `read` returned.
    components : Components
        Where components are found by kind and name: the plugin registry.

    Raises
    ------
    ConfigError
        With all problems at once.
    """
    sections, judgement = judge(document, components)
    if sections is not None:
        check_together(sections, judgement)
    if sections is None or judgement.problems:
        raise ConfigError(judgement.problems)
    return _build(document, sections, components)


def _build(document: Document, sections: ExperimentSection, components: Components) -> Experiment:
    """Fill in the defaults that depend on other keys."""
    stop = sections.stop
    if stop is not None and not stop.monitor:
        monitor = "validation_loss" if has_validation(sections.data) else "loss"
        stop = stop.changed(monitor=monitor)
    limits = None if sections.clip is None else sections.clip.plain()
    clip = limits and {key: limit for key, limit in limits.items() if limit is not None}
    model = sections.model
    return Experiment(
        document=document,
        name=sections.name or safe_name(document.stem),
        seed=sections.seed,
        threads=sections.threads,
        plugins=sections.plugins,
        data=sections.data,
        model=ModelSpec(model.dtype, model.activation, model.initializer, _layers(sections, components)),
        loss=sections.loss,
        optimizer=sections.optimizer,
        schedule=sections.schedule,
        clip=clip,
        train=sections.train,
        metrics=sections.metrics,
        stop=stop,
        checkpoint=sections.checkpoint,
        log=sections.log,
        sweep=sections.sweep,
    )


def _layers(sections: ExperimentSection, components: Components) -> tuple[LayerSpec, ...]:
    """Give each layer its activation and initializer."""
    model = sections.model
    layers = []
    for index, layer in enumerate(model.layers):
        hidden = index < len(model.layers) - 1
        update = {
            "activation": layer.activation or (model.activation if hidden else _identity(components)),
            "initializer": layer.initializer or model.initializer,
        }
        layers.append(layer.changed(**update))
    return tuple(layers)


def _identity(components: Components) -> ComponentSpec:
    """Return the activation of an output that does not say its own."""
    component, faults = choose(components, "activation", "identity", {})
    if faults:
        raise ConfigError(faults[0].message, hint=faults[0].hint)
    return ComponentSpec("identity", {}, component)


FILE_OPTIONS = ("path", "file", "x", "y")  # options of a data source that name a file, when they are text


def resolved(experiment: Experiment) -> dict[str, Any]:
    """Return an experiment as a mapping that reads back to the same experiment from any folder."""
    model = experiment.model
    return {
        "name": experiment.name,
        "seed": experiment.seed,
        "threads": experiment.threads,
        "plugins": [_plugin(experiment.folder, plugin) for plugin in experiment.plugins],
        "data": _data(experiment),
        "model": {
            "dtype": model.dtype,
            "activation": _component(model.activation),
            "initializer": _component(model.initializer),
            "layers": [_layer(layer) for layer in model.layers],
        },
        "loss": _component(experiment.loss),
        "optimizer": _component(experiment.optimizer),
        "schedule": _component(experiment.schedule),
        "clip": experiment.clip,
        "train": experiment.train.plain(),
        "metrics": [_component(spec) for spec in experiment.metrics],
        "stop": experiment.stop and experiment.stop.plain(),
        "checkpoint": experiment.checkpoint.plain(),
        "log": [_component(spec) for spec in experiment.log],
    }


def data_files(experiment: Experiment) -> list[Path]:
    """Return the files that the options of the data source name."""
    data = experiment.data
    mappings = [
        _absolute_files(experiment, options) for options in (data.options, data.validation, data.test)
    ]
    named = [value for options in mappings for value in options.values() if isinstance(value, str)]
    paths = [Path(path) for value in dict.fromkeys(named) for path in _named(value)]
    return [path for path in paths if path.is_absolute() and path.is_file()]


def _named(value: str) -> list[str]:
    """Return the paths that a text names: one, or those that it matches as a pattern."""
    pattern = glob.has_magic(value) and "\0" not in value and not os.path.exists(value)  # noqa: PTH110
    return sorted(glob.glob(value, recursive=True)) if pattern else [value]  # noqa: PTH207


def _data(experiment: Experiment) -> dict[str, Any]:
    """Return the data section; keys that say nothing are left out."""
    data = experiment.data
    options = _absolute_files(experiment, data.options)
    common = {
        "inputs": list(data.inputs or ()),
        "targets": list(data.targets or ()),
        "categorical": list(data.categorical),
        "missing": data.missing,
        "split": data.split and data.split.plain(),
        "validation": _absolute_files(experiment, data.validation),
        "test": _absolute_files(experiment, data.test),
        "scale": data.scale.plain(),
        "sample_weight": data.sample_weight,
        "class_weight": data.class_weight,
    }
    said = {key: value for key, value in common.items() if value not in (None, [], {}) and key not in options}
    return {"source": data.source, **options, **said}


def _layer(layer: LayerSpec) -> dict[str, Any]:
    """Return a layer; the rarer keys only where they say something."""
    rare = {
        "weights": [list(row) for row in layer.weights or ()],
        "dropout": layer.dropout,
        "l1": layer.l1,
        "l2": layer.l2,
    }
    return {
        "units": layer.units,
        "activation": _component(layer.activation),
        "initializer": _component(layer.initializer),
        "bias": list(layer.bias) if isinstance(layer.bias, tuple) else layer.bias,
        **{key: value for key, value in rare.items() if value},
    }


def _component(spec: ComponentSpec) -> str | dict[str, Any]:
    """Return a component with all its options, or its name alone where it has none."""
    if "formula" in spec.options:
        return dict(spec.options)
    options = {
        key: "mean" if value == "mean_rows" else value  # the mean over samples, as an experiment calls it
        for key, value in spec.component.options.items()
        if isinstance(value, bool | int | float | str)
    }
    options.update({key: value for key, value in spec.options.items() if key not in options})
    return {"name": spec.name, **options} if options else spec.name


def _plugin(folder: Path, plugin: str) -> str:
    """Return a plugin's file by its whole path, a module by its name."""
    is_file = plugin.endswith(".py") and not plugin.startswith("no:")
    return _absolute(folder, plugin) if is_file else plugin


def _absolute_files(experiment: Experiment, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return options with whole paths for what names a file.

    Of a plugin's source nobody knows which texts are files, so there every text is one that is the
    name of a file.
    """
    folder, foreign = experiment.folder, experiment.data.component.tier != "built-in"

    def absolute(key: str, value: Any) -> Any:
        if not isinstance(value, str) or not value or "\0" in value:
            return value
        named = key in FILE_OPTIONS or key.endswith(("_path", "_file"))
        if named and glob.has_magic(value) and not (folder / value).exists():
            return _absolute(Path(glob.escape(str(folder))), value)  # a pattern, in a folder that is none
        return _absolute(folder, value) if named or (foreign and (folder / value).is_file()) else value

    return {key: absolute(key, value) for key, value in (options or {}).items()}


def _absolute(folder: Path, path: str) -> str:
    return os.path.abspath(folder / path)  # noqa: PTH100 (resolve() would follow links)
