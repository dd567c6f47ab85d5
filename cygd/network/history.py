"""The history of a training: its measurements, epoch by epoch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from math import nan
from typing import Any, Self, TypeVar

import numpy as np

from cygd.network.epoch_rows import EpochRows
from cygd.network.training_state import TrainingState

AnyHistory = TypeVar("AnyHistory", bound="History")

# values of every epoch, measured or not
UNMEASURED = ("running_loss", "learning_rate")


class History(dict[str, list[float]]):
    """The measurements of a training, by name.

    ``history["loss"]``, a metric or ``history["seconds"]`` is the list of its measurements, and
    ``history["epoch"]`` that of their epochs; ``history["running_loss"]`` and ``history["learning_rate"]``
    have one number for each epoch from 1 on.

    As a whole it is a table of equal columns, with a row for each epoch from 0 on and NaN where a value was
    not measured: `to_dict`, `to_frame`, ``pandas.DataFrame(history)``, ``dict(history)``, and `keys`,
    `values` and `items`.

    Attributes
    ----------
    status : str
        "completed", "stopped" or "diverged".
    epochs : int
        Completed in this training.
    best_epoch : int or None
        That of the best measurement, if early stopping monitored one.
    seconds : float

    Examples
    --------
    >>> history = History.of_rows([{"loss": 2.0}, {"running_loss": 1.5}, {"running_loss": 1.0, "loss": 0.5}])
    >>> history["loss"], history["running_loss"]
    ([2.0, 0.5], [1.5, 1.0])
    >>> history.to_dict()
    {'epoch': [0, 1, 2], 'loss': [2.0, nan, 0.5], 'running_loss': [nan, 1.5, 1.0]}
    """

    def __init__(self) -> None:
        super().__init__(running_loss=[], learning_rate=[])
        self.status = "completed"
        self.epochs = 0
        self.best_epoch: int | None = None
        self.seconds = 0.0

    @classmethod
    def of_rows(cls, rows: Sequence[Mapping[str, float]]) -> Self:
        """Return the history of the rows of metrics.csv, which begin with epoch 0."""
        history = cls()
        history.epochs = max(0, len(rows) - 1)
        history._add_rows(rows)
        return history

    def extend(self, rows: EpochRows, undefined: Collection[str] = ()) -> None:
        """Append rows; `undefined` metrics, which have no column, are NaN."""
        self.extend_measured(rows, undefined)
        for name in UNMEASURED:
            if name in rows.names:
                self[name].extend(rows.values[:, rows.names.index(name)].tolist())
        self.epochs = rows.last

    def extend_measured(self, rows: EpochRows, undefined: Collection[str] = ()) -> None:
        """Append what was measured, without the running losses and the learning rates."""
        epochs: list[Any] = list(range(rows.first, rows.last + 1))
        values = rows.values
        if not rows.measured.all():
            epochs, values = (np.flatnonzero(rows.measured) + rows.first).tolist(), values[rows.measured]
        if epochs:
            columns = dict(zip(rows.names, values.T.tolist(), strict=True))
            measured = {name: columns[name] for name in rows.names[: rows.n_measured]}
            gaps = {name: [nan] * len(epochs) for name in undefined}
            self._extend({"epoch": epochs} | {"seconds": columns["seconds"]} | measured | gaps)

    def _extend(self, columns: Mapping[str, list[float]]) -> None:
        """Append the columns of measured rows; what one lacks is NaN."""
        earlier, count = len(self.get("epoch", [])), len(columns["epoch"])
        for name in columns:
            if name not in self:
                self[name] = [nan] * earlier
        for name in dict.keys(self):
            if name not in UNMEASURED:
                self[name].extend(columns.get(name) or [nan] * count)

    def restore(self, state: TrainingState) -> None:
        """Restore the rows before the epoch of a state."""
        self.epochs = state.epoch
        self._add_rows(state.rows)

    def _add_rows(self, rows: Sequence[Mapping[str, float]]) -> None:
        for epoch, row in enumerate(rows):
            if "loss" in row:
                measured = {name: row[name] for name in row if name not in UNMEASURED}
                self._extend({"epoch": [epoch], **{name: [value] for name, value in measured.items()}})
        for name in UNMEASURED:
            self[name] = [row[name] for row in rows if name in row]

    # a table of equal columns ---------------------------------------------------------------------

    def to_dict(self) -> dict[str, list[float]]:
        """Return columns of equal length, with a row for each epoch from 0 on and NaN for gaps."""
        return {str(name): column for name, column in self.items()}

    def to_frame(self) -> Any:
        """Return the columns as a pandas data frame."""
        return import_module("pandas").DataFrame(self.to_dict())

    def _column(self, name: str) -> list[float]:
        if name == "epoch":
            return list(range(self.epochs + 1))
        column, values = [nan] * (self.epochs + 1), dict.__getitem__(self, name)
        if name in UNMEASURED:
            column[1 : len(values) + 1] = values
        else:
            for epoch, value in zip(self.get("epoch", []), values, strict=True):
                column[int(epoch)] = value
        return column

    # The mapping protocol, by which pandas and others read a dict, gives the table: its keys are marked, so
    # that only their values are columns of equal length.

    def __getitem__(self, name: str) -> list[float]:
        return self._column(str(name)) if isinstance(name, _ColumnName) else super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        names = [name for name in dict.__iter__(self) if name not in ("epoch", "seconds", *UNMEASURED)]
        last = [name for name in (*UNMEASURED, "seconds") if dict.get(self, name)]
        return map(_ColumnName, ["epoch", *names, *last])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def keys(self) -> Any:  # noqa: D102
        return dict.fromkeys(self).keys()

    def values(self) -> Any:  # noqa: D102
        return {name: self[name] for name in self}.values()

    def items(self) -> Any:  # noqa: D102
        return {name: self[name] for name in self}.items()

    def __copy__(self) -> Self:
        """Return a history with lists of its own."""
        lists = {name: list(values) for name, values in self._lists().items()}
        return _rebuild(type(self), lists, vars(self))

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self._lists(), vars(self))

    def _lists(self) -> dict[str, list[float]]:
        """Return the lists of measurements, as opposed to the columns of the table."""
        return {str(name): dict.__getitem__(self, name) for name in dict.__iter__(self)}


class _ColumnName(str):
    """The name of a column of the table, as opposed to the name of a list of measurements."""

    __slots__ = ()


def _rebuild(cls: type[AnyHistory], lists: dict[str, list[float]], attributes: dict[str, Any]) -> AnyHistory:
    """Return a history from its pickle."""
    history = cls()
    dict.clear(history)
    dict.update(history, lists)
    vars(history).update(attributes)
    return history
