"""The optimizer of the last fit with its state, from which another fit may continue."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np

from cygd.components import Optimizer

log = logging.getLogger("cygd")


class LastOptimizer(NamedTuple):
    """The optimizer of the last fit, with its state in the engine."""

    optimizer: Optimizer  # as `fit` was given it; the next fit continues if it is given the same object
    updater: Any  # the engine's
    from_file: bool = False  # the next fit continues if it is given an equal optimizer

    def continues(self, given: Optimizer | None, optimizer: Optimizer) -> bool:
        """Return whether a fit continues with this state.

        `given` is the object that the fit was given, or None for a name; `optimizer` has all of its options.
        """
        if given is self.optimizer:
            return True
        if self.from_file and not computes_same_updates(self.optimizer, optimizer):
            log.warning(
                "the state of %s that was saved with the network is not used",
                self.optimizer,
                extra={"hint": f"pass the same optimizer to continue with it: {self.optimizer!r}"},
            )
        return self.from_file and computes_same_updates(self.optimizer, optimizer)

    def pack(self) -> dict[str, Any]:
        """Return optimizer and state as plain values and copies of the arrays."""
        updater = self.updater
        return {
            "optimizer": self.optimizer,
            "component": updater.component,  # with the options of the last fit
            "state": {name: np.array(values) for name, values in updater.state.items()},
            "step": updater.step,
            "scalars": updater.scalars,
            "from_file": self.from_file,
        }

    @classmethod
    def unpack(cls, packed: dict[str, Any], new_updater: Callable[[Optimizer], Any]) -> Self:
        """Return what was packed, in a new updater of the engine."""
        component = packed["component"]
        updater = new_updater(component)
        own, given = updater.state, packed["state"]
        python = component.update is not None  # a Python optimizer may replace and add arrays
        fits = own.keys() == given.keys() and all(own[k].shape == given[k].shape for k in own)
        if not (fits or python) or len(packed["scalars"]) != len(updater.scalars):
            raise ValueError("the state of the optimizer does not fit the network")
        for name, values in given.items():
            if python:
                own[name] = np.array(values)
            else:
                own[name][...] = values  # in place: the core holds the address
        updater.step, updater.scalars = packed["step"], packed["scalars"]
        return cls(packed.get("optimizer", component), updater, packed.get("from_file", True))


def computes_same_updates(a: Optimizer, b: Optimizer) -> bool:
    """Return whether two optimizers compute the same updates, at any learning rate."""
    names = ("name", "kernel", "formula", "update", "parameters")
    return all(getattr(a, name) == getattr(b, name) for name in names)
