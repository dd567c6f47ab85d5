"""Pickled components: parameters by value, Python functions by reference, function pointers not at all."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cygd.components.plugin_file import PluginFunction
from cygd.errors import PluginError


class ComponentPickleError(PluginError, pickle.PicklingError, TypeError):
    """A component that cannot be pickled, or whose functions cannot be found again."""


@dataclass(frozen=True)
class PickledFunction:
    """A function as its own pickle, so that the error of one that is not found can name the component.

    A function of a plugin file is pickled as its place in the file: other processes may not have loaded it.
    """

    content: bytes | PluginFunction

    def load(self, owner: object) -> Any:
        """Return the function, or raise a ComponentPickleError."""
        try:
            return (
                self.content.load()
                if isinstance(self.content, PluginFunction)
                else pickle.loads(self.content)
            )
        except Exception as error:
            raise ComponentPickleError(
                f"{owner} cannot be unpickled: {error}",
                hint="import the module or load the plugin that defines its functions first",
            ) from error


def pickled_state(component: object) -> dict[str, Any]:
    """Return the attributes of a component for pickling, or raise a ComponentPickleError."""
    if getattr(component, "pointers", None) is not None:
        raise ComponentPickleError(
            f"{component} cannot be pickled: a function pointer is valid only in one process",
            hint="create the component in each process; copy.copy and copy.deepcopy work within one",
        )
    return {name: _pickled(component, name, value) for name, value in vars(component).items()}


def _pickled(owner: object, name: str, value: object) -> object:
    if not callable(value):
        return value
    if getattr(value, "__module__", "") == "__main__" and "<" not in getattr(value, "__qualname__", "<"):
        return value  # as the pickler in use does it: cloudpickle pickles these by value
    try:
        return PickledFunction(PluginFunction.of(value) or pickle.dumps(value))
    except Exception as error:
        raise ComponentPickleError(
            f"{owner} cannot be pickled: {name}: {error}",
            hint="pickle finds a function by its module and name: define it at the top level of a module",
        ) from error


def restored_state(owner: object, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a component from `pickled_state`."""
    return {
        name: value.load(owner) if isinstance(value, PickledFunction) else value
        for name, value in state.items()
    }
