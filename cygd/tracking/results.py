"""`Run`, which hooks and loggers receive, and `Result`, which a run returns."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cygd.data import PreparedData
from cygd.errors import format_count
from cygd.network import Network
from cygd.tracking.model import Model

if TYPE_CHECKING:
    from cygd.display.plot import Plot


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes
    ----------
    status : str
        "completed", "stopped" (early stopping), "diverged", "failed" or "interrupted".
    metrics : dict
        `loss`, `validation_loss`, each metric, and `test_*`, at the final weights.
    history : History
        The values over the epochs, by name; ``pandas.DataFrame(result.history)`` has a row for each epoch.
    model : Model
        The model with the final weights.
    directory : Path
        The run folder.
    epochs : int
        The number of completed epochs.
    best_epoch : int or None
        The best epoch according to early stopping.
    seconds : float
        The training time.
    """

    status: str
    metrics: dict[str, float]
    history: Mapping[str, list[float]] = field(repr=False)
    model: Model = field(repr=False)
    directory: Path
    epochs: int
    best_epoch: int | None
    seconds: float

    def plot(self) -> Plot:
        """Return a chart of each metric over the epochs, which a notebook shows and `save` writes."""
        from cygd.tracking.notebook import plot_history  # imported here: a run does not need it

        return plot_history(self._title, self.history)

    def _repr_html_(self) -> str:
        from cygd.tracking.notebook import describe_result

        return describe_result(self._title, self.metrics, self.history, self.directory)

    @property
    def _title(self) -> str:
        best = "" if self.best_epoch is None else f", best {self.best_epoch}"
        return f"{self.status} after {format_count(self.epochs, 'epoch')}{best}, {self.seconds:.3g} s"

    def __copy__(self) -> Self:
        """Return a result with values and a model of its own."""
        made = object.__new__(type(self))
        own = {name: copy.copy(getattr(self, name)) for name in ("metrics", "history", "model")}
        vars(made).update({**vars(self), **own})
        return made


@dataclass(frozen=True)
class Run:
    """A run, as passed to hooks and loggers.

    Attributes
    ----------
    name : str
        The experiment's name.
    directory : Path
        The run folder.
    config : dict
        The resolved experiment, with the keys of the YAML file.
    network : Network
        The network with its current weights.
    dataset : PreparedData
        The training, validation and test rows, with their column names.
    seed : int
        The experiment's seed.
    resumed : int or None
        The epoch from which a stopped run resumes, or None for a new run. The row of this epoch is the first
        one passed to the hooks; it and later rows replace those of the stopped run.
    """

    name: str
    directory: Path
    config: Mapping[str, Any] = field(repr=False)
    network: Network = field(repr=False)
    dataset: PreparedData = field(repr=False)
    seed: int
    resumed: int | None = None
