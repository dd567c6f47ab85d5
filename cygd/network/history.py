"""The history of a training: its measurements, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping

from cygd.network.training_state import TrainingState

# values of every epoch, measured or not
UNMEASURED = ("running_loss", "learning_rate")


class History(dict[str, list[float]]):
    """The measurements of a training: a list of numbers by name.

    `running_loss` and `learning_rate` have one number per epoch; `epoch` holds the epochs at which
    `loss`, the metrics and `seconds` were measured.
    """

    def __init__(self) -> None:
        super().__init__(running_loss=[], learning_rate=[])
        self.status = "completed"  # or "stopped", "diverged"
        self.epochs = 0  # completed in this training
        self.best_epoch: int | None = None  # of the best measurement, if early stopping monitored one
        self.seconds = 0.0

    def append(self, values: Mapping[str, float]) -> None:
        """Append one row of measurements."""
        for name, value in values.items():
            self.setdefault(name, []).append(value)

    def restore(self, state: TrainingState) -> None:
        """Restore the rows before the epoch of a state, and the updates of that epoch."""
        self.epochs = state.epoch
        for epoch, row in enumerate(state.rows):
            if "loss" in row:
                measured = {name: row[name] for name in row if name not in UNMEASURED}
                self.append({"epoch": epoch, **measured})
        for name in UNMEASURED:
            self[name] = [row[name] for row in (*state.rows, state.last) if name in row]
