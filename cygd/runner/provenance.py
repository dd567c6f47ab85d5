"""Where the parts of a run come from: descriptions for users, and hashes that detect changes.

A run lists its components that are not built in, because they may be slower and may differ from those of
another run. It records hashes of its configuration, plugins and data, because only unchanged ones let it be
resumed to the same bits.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cygd.components import Component
from cygd.components.base import kind_label
from cygd.config import ComponentSpec
from cygd.errors import CygdError, abbreviate
from cygd.files import to_jsonable
from cygd.plugins.manager import Plugins
from cygd.runner.assembly import Assembly, LoadedExperiment
from cygd.runner.relocation import without_paths
from cygd.tracking.environment import file_hashes

# -- descriptions -----------------------------------------------------------------------------------


def describe_tier(component: Component) -> str:
    """Return the tier of a component, and how its derivative is computed if not exactly; "-" for a logger."""
    if component.kind == "logger":
        return "-"  # it is called once per epoch, so its speed is that of any Python code
    labels = {"surrogate": "surrogate derivative", "numerical": "derivative measured"}
    remarks = [label for attribute, label in labels.items() if getattr(component, attribute, False)]
    return ", ".join([component.tier, *remarks])


def custom_components(reading: LoadedExperiment) -> list[str]:
    """Return one line for each component that is not built in, without duplicates.

    For example `activation swish: numpy (plugins/swish.py)` or `activation h * sigmoid(h): formula`.
    """
    lines = [
        f"{kind_label(spec.component.kind)} {_name(spec)}: {describe_tier(spec.component)}".removesuffix(
            ": -"
        )
        + _origin(reading.plugins, spec)
        for spec in used_components(reading)
        if spec.component is not None and spec.component.tier != "built-in"
    ]
    return list(dict.fromkeys(lines))


def relative_path(origin: str) -> str:
    """Return an origin; a path below the current folder becomes relative to it."""
    path = Path(origin)
    if not path.is_absolute():
        return origin
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else origin


def used_components(reading: LoadedExperiment) -> Iterator[ComponentSpec]:
    """Yield all components that an experiment uses."""
    experiment = reading.experiment
    data = experiment.data
    yield ComponentSpec(data.source, dict(data.options), data.component)
    for layer in experiment.model.layers:
        yield layer.activation
        if layer.weights is None:
            yield layer.initializer
    yield experiment.loss
    yield experiment.optimizer
    yield experiment.schedule
    yield from experiment.metrics
    yield from experiment.log


def _name(spec: ComponentSpec) -> str:
    """Return the name of a component, or its formula, shortened if it is long."""
    formula = spec.options.get("formula") if spec.component.tier == "formula" else None
    if formula is None:
        return spec.name
    if isinstance(formula, Mapping):
        formula = ", ".join(f"{name} = {text}" for name, text in formula.items())
    return abbreviate(" ".join(str(formula).split()))


def _origin(plugins: Plugins, spec: ComponentSpec) -> str:
    if spec.component.tier == "formula" and "formula" in spec.options:
        return ""
    try:
        return f" ({relative_path(plugins.entry(spec.component.kind, spec.name).origin)})"
    except CygdError:  # passed as an object from Python
        return ""


# -- hashes -----------------------------------------------------------------------------------------


def config_hash(content: Mapping[str, Any], *, with_paths: bool = False) -> str:
    """Return the SHA-256 of a resolved experiment without what may change before it is resumed.

    That is train.epochs, and the places of data files, whose contents are compared themselves. Earlier
    versions included the places: `with_paths`.
    """
    config: dict[str, Any] = to_jsonable(content)
    if not with_paths:
        config["data"] = without_paths(config["data"])
    config["train"] = {key: value for key, value in config["train"].items() if key != "epochs"}
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def plugin_hashes(reading: LoadedExperiment, content: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the copied plugin files and of the plugin modules in use, by name.

    `content` is that of config.yaml in the run folder.
    """
    copies = [folder / name for name in content["plugins"]]
    used = set()
    for spec in used_components(reading):
        try:
            used.add(reading.plugins.entry(spec.component.kind, spec.name).plugin)
        except CygdError:  # a formula, or passed as an object from Python
            continue
    found = file_hashes([path for path in copies if path.is_file()], folder)
    for name, path in reading.plugins.sources(used).items():
        [found[name]] = file_hashes([path]).values()
    return found


def data_hash(assembly: Assembly) -> str | None:
    """Return the hash of the data of a plugin's source; None for built-in sources.

    The data of a built-in source are determined by its files and options, which are compared themselves.
    """
    if assembly.experiment.data.component.tier == "built-in":
        return None
    total = hashlib.blake2b(digest_size=32)
    for part in (assembly.data.train, assembly.data.validation, assembly.data.test):
        if part is None:
            total.update(b"none")
            continue
        for array in (part.x, part.y, part.sample_weight, part.rows):
            total.update(b"none" if array is None else f"{array.shape}{array.dtype}".encode())
            if array is not None:
                total.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return total.hexdigest()
