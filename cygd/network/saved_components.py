"""Components in saved networks: what defines each of them, so that loading gives the same one or refuses.

A built-in is saved as its description, and so is a formula, which defines itself. Any other component is
saved with where it came from, `{"component": description, "plugin": ..., "origin": ...}`, and must be passed
to `load`; a built-in of the same name is never taken for it. In files of format 1, which do not say where a
component came from, every name is looked up as it is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from cygd.components import (
    BuiltInComponents,
    Component,
    Components,
    UnknownComponentError,
    component_from_formula,
    kind_label,
    resolve,
)
from cygd.errors import CygdError, source_file

ROLES = ("function", "update", "derivative", "backward")


class GivenComponents:
    """Components that the caller lists; other names are those of built-ins."""

    def __init__(self, components: Iterable[Component]) -> None:
        self._given: dict[tuple[str, str], Component] = {}
        for component in components:
            if not isinstance(component, Component):
                raise TypeError(f"components: expected components, got {type(component).__name__}")
            self._given[component.kind, component.name] = component

    def get(self, kind: str, name: str) -> Component:
        """Return a listed or a built-in component, or raise an UnknownComponentError."""
        given = self._given.get((kind, name))
        return BuiltInComponents().get(kind, name) if given is None else given

    def from_formula(self, kind: str, spec: Mapping[str, object]) -> Component:
        """Return the component that a mapping with a formula describes."""
        return component_from_formula(kind, spec)


def as_components(components: Components | Iterable[Component] | None) -> Components:
    """Return an object that finds the components that a caller passed."""
    if components is None:
        return BuiltInComponents()
    return GivenComponents(components) if isinstance(components, Iterable) else components


def is_built_in(component: Component) -> bool:
    """Return whether a component is the built-in of its name, with any options."""
    try:
        built_in = BuiltInComponents().get(component.kind, component.name)
    except UnknownComponentError:
        return False
    return all(
        getattr(component, attribute, None) is getattr(built_in, attribute, None)
        or getattr(component, attribute, None) == getattr(built_in, attribute, None)
        for attribute in ("kernel", "formula", "targets", "pointers", *ROLES)
    )


def save_component(component: Component) -> dict[str, Any]:
    """Return what `load_component` needs to find a component again, for JSON."""
    if is_built_in(component) or component.tier == "formula":
        return component.description
    saved = {"component": component.description, "plugin": component.plugin, "origin": component.origin}
    if not component.origin:
        functions = (getattr(component, role, None) for role in ROLES)
        saved["origin"] = next((file for file in map(source_file, functions) if file), "")
    return saved


def load_component(
    kind: str, saved: Any, components: Components, path: str | os.PathLike[str], *, old: bool
) -> Component:
    """Return a component that a file describes, or raise an UnknownComponentError; never another one."""
    if not isinstance(saved, Mapping) or "component" not in saved:
        return resolve(kind, saved, components if old else None)
    description, plugin, origin = saved["component"], saved["plugin"], saved["origin"]
    name, options = description["name"], {key: description[key] for key in description if key != "name"}
    for known_as in ([f"{plugin}:{name}"] if plugin else []) + [name]:
        try:
            component = components.get(kind, known_as)
        except CygdError:  # unknown, or several of the name
            continue
        if not is_built_in(component):
            return component.configured(options)
    needed = f"that of plugin {plugin!r}" if plugin else "one of your own"
    source = f" ({origin})" if origin else ""
    option = f"; on the command line: -p {origin or plugin}" if plugin else ""
    raise UnknownComponentError(
        kind,
        name,
        detail=f"{os.fspath(path)} needs {needed}{source}, not a built-in",
        hint=f"pass the {kind_label(kind)}: Network.load(path, components=[...]){option}",
    )
