"""Which tier a component is run at, in words: for the list of all, and for what a run uses.

A run names what is not built in, since that is what makes it slower, or different from another's run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from cygd.components import Component
from cygd.components.base import kind_label
from cygd.config import ComponentSpec
from cygd.errors import CygdError
from cygd.plugins.manager import Plugins
from cygd.runner.assembly import Reading

__all__ = ["custom_components", "relative_path", "tier", "used_components"]

LONGEST = 60


def tier(component: Component) -> str:
    """Return the tier of a component, and what is special about its derivative."""
    known = {"surrogate": "surrogate derivative", "numerical": "derivative measured"}
    remarks = [words for attribute, words in known.items() if getattr(component, attribute, False)]
    return ", ".join([component.tier, *remarks])


def custom_components(reading: Reading) -> list[str]:
    """Return a line for each component of an experiment that is not built in, each once.

    Such as `activation swish: numpy (plugins/swish.py)`, or `activation h * sigmoid(h): formula`.
    """
    lines = [
        f"{kind_label(spec.component.kind)} {_name(spec)}: {tier(spec.component)}"
        + _origin(reading.plugins, spec)
        for spec in used_components(reading)
        if spec.component is not None and spec.component.tier != "built-in"
    ]
    return list(dict.fromkeys(lines))


def relative_path(origin: str) -> str:
    """Return where something came from; a path below the current folder is shortened."""
    path = Path(origin)
    if not path.is_absolute():
        return origin
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else origin


def used_components(reading: Reading) -> Iterator[ComponentSpec]:
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
    """Return the name of a component, or what an experiment writes in its place."""
    formula = spec.options.get("formula") if spec.component.tier == "formula" else None
    if formula is None:
        return spec.name
    if isinstance(formula, Mapping):
        formula = ", ".join(f"{name} = {text}" for name, text in formula.items())
    text = " ".join(str(formula).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _origin(plugins: Plugins, spec: ComponentSpec) -> str:
    if spec.component.tier == "formula" and "formula" in spec.options:
        return ""
    try:
        return f" ({relative_path(plugins.entry(spec.component.kind, spec.name).origin)})"
    except CygdError:  # an object given from Python
        return ""
