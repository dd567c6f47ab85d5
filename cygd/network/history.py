"""What a training has measured, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cygd.network.training_state import TrainingState

__all__ = ["UNMEASURED", "History"]

# of every epoch, measured or not: they have lists of their own
UNMEASURED = ("running_loss", "learning_rate")


class History(dict[str, list[float]]):
    """What was measured: name to a list of numbers.

    `running_loss` and `learning_rate` have a number per epoch; `epoch` says to which epochs the
    numbers of `loss`, the metrics and `seconds` belong.

    Attributes
    ----------
    status : {"completed", "stopped", "diverged"}
    epochs : int
        Whole epochs of this training.
    best_epoch : int or None
        The epoch of the best measurement, where one was monitored.
    seconds : float
    """

    def __init__(self) -> None:
        super().__init__(running_loss=[], learning_rate=[])
        self.status = "completed"
        self.epochs = 0
        self.best_epoch: int | None = None
        self.seconds = 0.0

    def append(self, values: Mapping[str, float]) -> None:
        """Add a row of measurements."""
        for name, value in values.items():
            self.setdefault(name, []).append(value)

    def go_on_from(self, state: TrainingState) -> None:
        """Take up what the epochs before a state have brought, and the updates of its own."""
        self.epochs = state.epoch
        for epoch, row in enumerate(state.rows):
            if "loss" in row:
                measured = {name: row[name] for name in row if name not in UNMEASURED}
                self.append({"epoch": epoch, **measured})
        for name in UNMEASURED:
            self[name] = [row[name] for row in (*state.rows, state.last) if name in row]
