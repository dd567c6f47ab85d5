"""What a run is to those who listen to it, and what it ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cygd.data import PreparedData
from cygd.network import Network
from cygd.tracking.model import Model

__all__ = ["Result", "Run"]


@dataclass(frozen=True)
class Result:
    """What a run ended with.

    Attributes
    ----------
    status : str
        "completed", "stopped" (early, as asked), "diverged", "failed" or "interrupted".
    metrics : dict
        `loss`, `validation_loss`, each metric, and `test_*`, at the weights that were kept.
    history : dict
        Each measured number over the epochs, by name.
    model : Model
        What predicts, with the kept weights.
    directory : Path
        The run folder.
    epochs : int
        How many epochs were completed.
    best_epoch : int or None
        The epoch that early stopping thinks best.
    seconds : float
        How long training took.
    """

    status: str
    metrics: dict[str, float]
    history: Mapping[str, list[float]] = field(repr=False)
    model: Model = field(repr=False)
    directory: Path
    epochs: int
    best_epoch: int | None
    seconds: float


@dataclass(frozen=True)
class Run:
    """A run as hooks and loggers see it.

    Attributes
    ----------
    name : str
        The experiment's name.
    directory : Path
        The run folder.
    config : dict
        The resolved experiment, keys as in the YAML.
    network : Network
        With the weights of the moment.
    dataset : PreparedData
        The training, validation and test rows, with the names of their columns.
    seed : int
        The experiment's seed.
    resumed : int or None
        The epoch from which a run goes on that was stopped before: its row is the first that is told, what
        was told of it and of later ones before does not count. None for a run from the beginning.
    """

    name: str
    directory: Path
    config: Mapping[str, Any] = field(repr=False)
    network: Network = field(repr=False)
    dataset: PreparedData = field(repr=False)
    seed: int
    resumed: int | None = None
