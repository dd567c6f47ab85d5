"""What the folder of a run holds, as far as it can be read: a run may go on, be interrupted, or damaged."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cygd import config
from cygd.errors import CygdError
from cygd.tracking.locking import is_locked
from cygd.tracking.metrics_file import read_rows
from cygd.tracking.stored_files import OBJECT, RESULT, read_json

Array = NDArray[Any]
T = TypeVar("T")
LOG_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ ([A-Z]+) (.*)$")
MAX_WARNINGS = 50
HIDDEN = ("epoch", "seconds", "running_loss", "learning_rate", "penalty")  # columns that are no metrics


class Measured(NamedTuple):
    """The values of a metric, and the epochs at which it was measured."""

    epochs: Array
    values: Array


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A run as its folder describes it.

    Attributes
    ----------
    folder : Path
    name : str
        The name of the experiment.
    config : dict
        The content of config.yaml.
    status : str
        That of result.json, else "running" or "interrupted".
    metrics : dict
    history : dict of str to Measured
        The columns of metrics.csv.
    last_epoch : int
        The last row of metrics.csv; -1 without rows.
    epochs : int
        The number of completed epochs.
    best_epoch : int or None
        The epoch whose weights were kept by early stopping.
    seconds : float
        The training time; NaN if unknown.
    error : str
        Why the run failed.
    environment : dict
    warnings : list of str
        Those of log.txt.
    problems : list of str
        What could not be read.
    folds : list of RunRecord
        Those of a cross-validation.
    """

    folder: Path
    name: str
    config: dict[str, Any]
    status: str
    metrics: dict[str, float]
    history: dict[str, Measured]
    last_epoch: int
    epochs: int
    best_epoch: int | None
    seconds: float
    error: str = ""
    deviations: dict[str, float] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    folds: list[RunRecord] = field(default_factory=list)

    @property
    def is_going_on(self) -> bool:
        """Whether a process trains in the folder now."""
        return self.status == "running"


def read_run(folder: Path) -> RunRecord:
    """Read the folder of a run or of a cross-validation.

    Raises
    ------
    CygdError
        If its config.yaml cannot be read.
    """
    document = config.read(folder / "config.yaml", []).root.plain()
    problems: list[str] = []
    result: dict[str, Any] = _attempt(problems, lambda: _read_json(folder / "result.json", RESULT), {})
    status = result.get("status") or ("running" if is_locked(folder) else "interrupted")
    rows: list[dict[str, float]] = _attempt(
        problems, lambda: _read_metrics(folder / "metrics.csv", ended="status" in result), []
    )
    history = _columns(rows)
    epochs = result.get("epochs")
    return RunRecord(
        folder=folder,
        name=str(document.get("name", folder.name)),
        config=document,
        status=status,
        metrics=_numbers(result.get("metrics", {})) or _last_values(history),
        history=history,
        last_epoch=len(rows) - 1,
        epochs=max(0, len(rows) - 1) if epochs is None else epochs,
        best_epoch=result.get("best_epoch"),
        seconds=_number(result.get("seconds")),
        error=result.get("error", ""),
        deviations=_numbers(result.get("deviations", {})),
        environment=_attempt(problems, lambda: _read_json(folder / "environment.json", OBJECT), {}),
        warnings=_attempt(problems, lambda: _read_warnings(folder / "log.txt"), []),
        problems=problems,
        folds=[read_run(fold) for fold in _fold_folders(folder)],
    )


def _fold_folders(folder: Path) -> list[Path]:
    folds = [path for path in folder.glob("fold-*") if (path / "config.yaml").is_file()]
    return sorted(folds, key=lambda path: int(re.sub(r"\D", "", path.name) or 0))


def _attempt(problems: list[str], read: Callable[[], T], otherwise: T) -> T:
    """Return what a function reads, or another value, with the problem noted."""
    try:
        return read()
    except (CygdError, OSError) as error:
        problems.append(str(error))
        return otherwise


def _read_json(file: Path, schema: Any) -> dict[str, Any]:
    return read_json(file, schema) if file.exists() else {}


def _read_metrics(file: Path, *, ended: bool) -> list[dict[str, float]]:
    return read_rows(file, unfinished=not ended) if file.exists() else []


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, Measured]:
    """Return the columns of metrics.csv, without the rows in which they are empty."""
    epochs: dict[str, list[int]] = {}
    values: dict[str, list[float]] = {}
    for epoch, row in enumerate(rows):
        for name, value in row.items():
            epochs.setdefault(name, []).append(epoch)
            values.setdefault(name, []).append(value)
    return {name: Measured(np.array(epochs[name]), np.array(values[name])) for name in epochs}


def _read_warnings(file: Path) -> list[str]:
    """Return the messages of log.txt above INFO, without repetitions."""
    if not file.exists():
        return []
    found: dict[str, None] = {}
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        match = LOG_LINE.match(line)
        if match and match[2] not in ("INFO", "DEBUG"):
            found[match[3]] = None
    return list(found)[:MAX_WARNINGS]


def _last_values(history: Mapping[str, Measured]) -> dict[str, float]:
    """Return the last value of each metric, for a run without a result."""
    return {name: float(column.values[-1]) for name, column in history.items() if name not in HIDDEN}


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: float | None) -> float:
    """Return a number of a JSON file, in which null is one that is not finite."""
    return math.nan if value is None else float(value)


def metric_columns(record: RunRecord) -> list[str]:
    """Return the columns of metrics.csv that are metrics."""
    return [name for name in record.history if name not in HIDDEN]


def metric_names(records: Sequence[RunRecord]) -> list[str]:
    """Return the metrics over the epochs without `validation_`, the loss first."""
    names = dict.fromkeys(
        name.removeprefix("validation_") for record in records for name in metric_columns(record)
    )
    return sorted(names, key=lambda name: name != "loss")
