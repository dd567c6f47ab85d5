"""A training between two epochs: all that the next one depends on.

A state belongs to the moment after the updates of an epoch, before its row is measured and judged.
Measuring gives the same bits again, so a training that goes on begins with that row, whatever the
rhythm of measurements and the number of epochs have become. Shuffles and dropout masks are keyed by
counts, and a schedule that watches is shown the measurements again: neither has a state of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cygd.errors import CheckpointError
from cygd.network.early_stopping import EarlyStoppingState

if TYPE_CHECKING:
    from cygd.network import Network

__all__ = ["TrainingState"]

Array = NDArray[Any]


@dataclass(frozen=True)
class TrainingState:
    """Where a training stands.

    The arrays are those of the training itself until somebody copies them.

    Attributes
    ----------
    epoch : int
        Whole epochs so far.
    updates : int
        Updates so far.
    parameters : array
        The network's.
    optimizer : mapping
        The arrays of the optimizer by their names.
    step : int
        Updates of the optimizer.
    memory : list of float
        The numbers that an optimizer carries besides its arrays.
    last : mapping
        `running_loss` and `learning_rate` of the last epoch; empty before the first.
    seconds : float
        How long it took.
    standing : Standing or None
        What early stopping knows of the rows before that of this epoch.
    rows : sequence of mappings
        What the epochs before this one have brought, row 0 in front.
    """

    epoch: int
    updates: int
    parameters: Array = field(repr=False)
    optimizer: Mapping[str, Array] = field(repr=False)
    step: int
    memory: Sequence[float]
    last: Mapping[str, float]
    seconds: float
    standing: EarlyStoppingState | None
    rows: Sequence[Mapping[str, float]] = field(default=(), repr=False)

    @classmethod
    def of(
        cls, network: Network, updater: Any, *, last: Mapping[str, float], seconds: float, standing: Any
    ) -> TrainingState:
        """Return the state of a network and the optimizer at work on it."""
        return cls(
            epoch=network.epochs,
            updates=network.updates,
            parameters=network.parameters,
            optimizer=updater.state,
            step=updater.step,
            memory=updater.memory,
            last=last,
            seconds=seconds,
            standing=standing,
        )

    def put_weights_back(self, network: Network) -> None:
        """Bring the weights of a network to this state; CheckpointError where it is another's."""
        if self.parameters.shape != network.parameters.shape:
            raise CheckpointError("the state of training does not fit the experiment: parameters")
        network.parameters[...] = self.parameters

    def put_back(self, network: Network, updater: Any) -> None:
        """Bring a network and its optimizer to this state.

        Raises
        ------
        CheckpointError
            The state is that of another network or optimizer.
        """
        own, given = updater.state, self.optimizer
        python = updater.optimizer.update is not None  # such a one may have replaced or added arrays
        for name in dict.fromkeys([*own, *given]):
            fits = name in own and name in given and own[name].shape == given[name].shape
            if not fits and not python:
                raise CheckpointError(f"the state of training does not fit the experiment: {name}")
        self.put_weights_back(network)
        network.epochs, network.updates = self.epoch, self.updates
        for name, values in self.optimizer.items():
            if python:
                updater.state[name] = np.array(values)
            else:
                updater.state[name][...] = values  # the core holds its address
        updater.step, updater.memory = self.step, list(self.memory)
