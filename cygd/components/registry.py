"""From what an experiment says to the component that is meant."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from cygd.components.base import Component, kind_label, with_article
from cygd.components.from_formula import component_from_formula
from cygd.components.options import OptionError
from cygd.errors import CygdError, did_you_mean

__all__ = ["BuiltInComponents", "Components", "UnknownComponentError", "resolve"]


class UnknownComponentError(CygdError, ValueError):
    """A name that no component of its kind has.

    Parameters
    ----------
    kind : str
        The kind of component that was looked for.
    name : str
        The name that nothing has.
    known : sequence of str
        The names that something has.
    """

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        near = did_you_mean(name, known) or did_you_mean(name.lower().replace("-", "_"), known)
        listed = f"known: {', '.join(known)}" if known else f"there is no {kind_label(kind)} at all"
        super().__init__(f"unknown {kind_label(kind)} {name!r}", hint=near or listed)
        self.kind = kind
        self.name = name
        self.known = tuple(known)


class Components(Protocol):
    """Whatever finds a component by its kind and name; the plugin registry does."""

    def get(self, kind: str, name: str) -> Component:
        """Return the component, or raise an UnknownComponentError."""
        ...

    def from_formula(self, kind: str, spec: Mapping[str, object]) -> Component:
        """Return the component that a mapping with a formula describes."""
        ...


# The tables import this module, so they are imported by name and only when somebody asks.
_TABLES = {
    "activation": ("cygd.components.activations", "ACTIVATIONS"),
    "loss": ("cygd.components.losses", "LOSSES"),
    "optimizer": ("cygd.components.optimizers", "OPTIMIZERS"),
    "schedule": ("cygd.components.schedules", "SCHEDULES"),
    "initializer": ("cygd.components.initializers", "INITIALIZERS"),
    "metric": ("cygd.components.metrics", "METRICS"),
    "data_source": ("cygd.data", "DATA_SOURCES"),
    "logger": ("cygd.tracking.loggers", "LOGGERS"),
}


class BuiltInComponents:
    """The components of the built-in tables."""

    def get(self, kind: str, name: str) -> Component:
        """Return a built-in component, or raise an UnknownComponentError."""
        module, table = _TABLES[kind]
        rows: Sequence[Component] = getattr(importlib.import_module(module), table)
        by_name = {row.name: row for row in rows}
        if name not in by_name:
            raise UnknownComponentError(kind, name, list(by_name))
        return by_name[name]

    def from_formula(self, kind: str, spec: Mapping[str, object]) -> Component:
        """Return the component that a mapping with a formula describes."""
        return component_from_formula(kind, spec)


def resolve(
    kind: str, spec: Component | str | Mapping[str, object], components: Components | None = None
) -> Component:
    """Return the component that is meant by a component, a name, or a mapping of name and options.

    Parameters
    ----------
    kind : str
        "activation", "loss", "optimizer", "schedule", "initializer", "metric", "data_source", "logger".
    spec : Component, str or mapping
        A mapping is {"name": ..., option: value, ...}, or {"formula": ..., parameter: value, ...}.
    components : Components, optional
        Where names are looked up; the built-in tables by default.

    Raises
    ------
    UnknownComponentError
        For a name that nothing has.
    OptionError
        For an option or a value that the component refuses.
    FormulaError
        For a formula that is none.

    Examples
    --------
    >>> resolve("activation", {"name": "leaky_relu", "slope": 0.1})
    Activation('leaky_relu', slope=0.1)
    """
    if isinstance(spec, Component):
        if spec.kind != kind:
            raise TypeError(f"expected {with_article(kind)}, found {spec}")
        return spec.configured({})
    options: Mapping[str, object] = {}
    name: object = spec
    if isinstance(spec, Mapping):
        if "formula" in spec:
            return component_from_formula(kind, spec)
        if "name" not in spec:
            raise OptionError(
                f"{with_article(kind)} given as a mapping needs a 'name' or a 'formula'", "name"
            )
        name, options = spec["name"], {key: value for key, value in spec.items() if key != "name"}
    if not isinstance(name, str):
        raise TypeError(f"{with_article(kind)} is a name or a mapping with a name, found {name!r}")
    return (components or BuiltInComponents()).get(kind, name).configured(options)
