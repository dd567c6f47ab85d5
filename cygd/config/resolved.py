"""A valid experiment -> plain values that leave nothing to defaults or to the folder."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cygd.config.choices import ComponentSpec
from cygd.config.sections import LayerSpec

if TYPE_CHECKING:
    from cygd.config.experiment import Experiment

__all__ = ["data_files", "resolved"]

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
