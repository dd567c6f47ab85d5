"""The state of a training between two epochs: all that the next epoch depends on.

A state is taken after the updates of an epoch and before its row is measured. Measuring gives the same
bits again, so a resumed training begins with that row, even if `evaluate_every` or the number of epochs
has changed. Shuffles and dropout masks are keyed by counts, and a schedule that watches the loss is shown
the earlier measurements again: neither needs a state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cygd.errors import CheckpointError
from cygd.network.compiled import CompiledNetwork
from cygd.network.early_stopping import EarlyStoppingState

Array = NDArray[Any]


@dataclass(frozen=True)
class TrainingState:
    """The state of a training between two epochs.

    The arrays are those that training works on; `copy` makes a state that training does not change.
    """

    epoch: int  # completed epochs and updates
    updates: int
    parameters: Array = field(repr=False)
    optimizer: Mapping[str, Array] = field(repr=False)  # its state arrays by name
    step: int  # updates of the optimizer
    scalars: Sequence[float]  # that an optimizer carries from step to step besides its arrays
    last: Mapping[str, float]  # running_loss and learning_rate of the last epoch; empty before the first
    seconds: float  # of training so far
    early_stopping: EarlyStoppingState | None  # after the rows before that of this epoch
    rows: Sequence[Mapping[str, float]] = field(default=(), repr=False)  # before this epoch, from row 0

    @classmethod
    def of(
        cls,
        network: CompiledNetwork,
        updater: Any,
        *,
        last: Mapping[str, float] | None = None,
        seconds: float = 0.0,
        early_stopping: EarlyStoppingState | None = None,
    ) -> Self:
        """Return the state of a network and of the updater that trains it."""
        return cls(
            epoch=network.epochs,
            updates=network.updates,
            parameters=network.parameters,
            optimizer=updater.state,
            step=updater.step,
            scalars=updater.scalars,
            last=last or {},
            seconds=seconds,
            early_stopping=early_stopping,
        )

    def copy(self) -> Self:
        """Return a state with copies of the parameters and the optimizer's arrays."""
        optimizer = {name: np.array(values) for name, values in self.optimizer.items()}
        return replace(self, parameters=self.parameters.copy(), optimizer=optimizer)

    def load_weights_into(self, network: CompiledNetwork) -> None:
        """Set the parameters of a network; raise a CheckpointError if they are unlike."""
        if not _is_like(self.parameters, network.parameters):
            raise CheckpointError("the state of training does not fit the experiment: parameters")
        network.parameters[...] = self.parameters

    def load_into(self, network: CompiledNetwork, updater: Any) -> None:
        """Set a network and its updater to this state, or raise a CheckpointError if it does not fit them."""
        own, given = updater.state, self.optimizer
        python = updater.component.update is not None  # a Python optimizer may replace and add arrays
        for name in dict.fromkeys([*own, *given]):
            fits = name in own and name in given and _is_like(given[name], own[name])
            if not fits and not python:
                raise CheckpointError(f"the state of training does not fit the experiment: {name}")
        if len(self.scalars) != len(updater.scalars):
            raise CheckpointError("the state of training does not fit the experiment: scalars")
        self.load_weights_into(network)
        network.epochs, network.updates = self.epoch, self.updates
        for name, values in self.optimizer.items():
            if python:
                updater.state[name] = np.array(values)
            else:
                updater.state[name][...] = values  # in place: the core holds the address
        updater.step, updater.scalars = self.step, list(self.scalars)


def _is_like(given: Array, own: Array) -> bool:
    """Return True for arrays of one type and shape; another type would be converted in silence."""
    return given.dtype == own.dtype and given.shape == own.shape
