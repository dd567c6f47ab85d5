"""The optimizer of the last fit with its state, from which another fit may continue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np

from cygd.components import Optimizer


class LastOptimizer(NamedTuple):
    """The optimizer of the last fit, with its state in the engine."""

    optimizer: Optimizer  # as `fit` was given it; the next fit continues if it is given the same object
    updater: Any  # the engine's

    def pack(self) -> dict[str, Any]:
        """Return optimizer and state as plain values and copies of the arrays."""
        updater = self.updater
        return {
            "optimizer": self.optimizer,
            "component": updater.component,  # with the options of the last fit
            "state": {name: np.array(values) for name, values in updater.state.items()},
            "step": updater.step,
            "scalars": updater.scalars,
        }

    @classmethod
    def unpack(cls, packed: dict[str, Any], new_updater: Callable[[Optimizer], Any]) -> Self:
        """Return what was packed, in a new updater of the engine."""
        updater = new_updater(packed["component"])
        for name, values in packed["state"].items():
            if packed["component"].update is not None:  # a Python optimizer may replace and add arrays
                updater.state[name] = np.array(values)
            else:
                updater.state[name][...] = values  # in place: the core holds the address
        updater.step, updater.scalars = packed["step"], packed["scalars"]
        return cls(packed["optimizer"], updater)
