"""Pickled components: parameters by value, functions by reference, compiled functions by their names."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cygd.components.plugin_file import PluginVariable
from cygd.errors import PluginError

if TYPE_CHECKING:
    from cygd.components.pointer_names import NamedPointers

RAW_POINTERS = ("pointer", "derivative_pointer")  # what the user gave; `pointers` has all that is needed


class ComponentPickleError(PluginError, pickle.PicklingError, TypeError):
    """A component that cannot be pickled, or whose functions cannot be found again."""


@dataclass(frozen=True)
class PickledFunction:
    """A function as its own pickle, so that the error of one that is not found can name the component.

    A function of a plugin file is pickled as its place in the file: other processes may not have loaded it.
    Pointers are pickled as the names of their functions.
    """

    content: bytes | PluginVariable | NamedPointers

    def load(self, owner: object) -> Any:
        """Return the function, or raise a ComponentPickleError."""
        content = self.content
        try:
            return pickle.loads(content) if isinstance(content, bytes) else content.load()
        except Exception as error:
            raise ComponentPickleError(
                f"{owner} cannot be unpickled: {error}",
                hint="import the module, install the library or load the plugin of its functions first",
            ) from error


def pickled_state(component: object) -> dict[str, Any]:
    """Return the attributes of a component for pickling, or raise a ComponentPickleError."""
    attributes = vars(component)
    if attributes.get("pointers") is None:
        return {name: _pickled(component, name, value) for name, value in attributes.items()}
    return {
        name: _named(component) if name == "pointers" else value
        for name, value in attributes.items()
        if name not in RAW_POINTERS
    }


def _pickled(owner: object, name: str, value: object) -> object:
    if not callable(value):
        return value
    if getattr(value, "__module__", "") == "__main__" and "<" not in getattr(value, "__qualname__", "<"):
        return value  # as the pickler in use does it: cloudpickle pickles these by value
    try:
        return PickledFunction(PluginVariable.of_function(value) or pickle.dumps(value))
    except Exception as error:
        raise ComponentPickleError(
            f"{owner} cannot be pickled: {name}: {error}",
            hint="pickle finds a function by its module and name: define it at the top level of a module",
        ) from error


def _named(owner: Any) -> PickledFunction:
    """Return the pointers of an activation by the names of their functions."""
    from cygd.components.pointer_names import NamedPointers  # imported here: few activations have pointers

    try:
        return PickledFunction(NamedPointers.of(owner.pointers))
    except LookupError as error:
        raise ComponentPickleError(
            f"{owner} cannot be pickled: {error}",
            hint="an address is valid only in one process: use a function that a shared library or a Cython "
            "module exports, or assign the pointer to a variable at the top level of a module or plugin "
            "file; copy.copy and copy.deepcopy work within one process",
        ) from error


def restored_state(owner: object, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a component from `pickled_state`."""
    restored = {
        name: value.load(owner) if isinstance(value, PickledFunction) else value
        for name, value in state.items()
    }
    if restored.get("pointers") is not None:
        pairs = restored["pointers"].pairs.items()
        for k, name in enumerate(RAW_POINTERS):
            owners = {dtype: pair[k].owner for dtype, pair in pairs if pair[k] is not None}
            restored[name] = owners or None
    return restored
