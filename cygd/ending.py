"""What a run has ended with, read back from its folder."""

from __future__ import annotations

import json
import math
from pathlib import Path

from cygd.assembly import Assembly
from cygd.errors import CheckpointError
from cygd.loggers.csv import Extent, read_rows
from cygd.model import Model, restore
from cygd.results import Result

__all__ = ["ended", "history_of"]

# of these there is nothing to go on with, whatever the number of epochs
OVER = {"stopped", "diverged"}


def ended(assembly: Assembly, folder: Path) -> Result | None:
    """Return the result of a run; None if it has epochs, or its end, before it.

    Raises
    ------
    CheckpointError
        Its files are missing or damaged.
    """
    try:
        content = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        status, epochs = content["status"], content["epochs"]
        metrics = {name: math.nan if value is None else value for name, value in content["metrics"].items()}
        best_epoch, seconds = content["best_epoch"], content["seconds"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder / 'result.json'} is damaged: {error}") from error
    if not (status in OVER or (status == "completed" and epochs >= assembly.experiment.train.epochs)):
        return None
    restore(assembly.network, folder / "weights.npz")
    table = folder / "metrics.csv"
    try:
        rows = read_rows(table, Extent().and_then(table.read_bytes()))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{table} is missing or damaged: {error}") from error
    return Result(
        status=status,
        metrics=metrics,
        history=history_of(rows),
        model=Model(assembly.network, assembly.data.preprocessing),
        directory=folder,
        epochs=epochs,
        best_epoch=best_epoch,
        seconds=seconds,
    )


def history_of(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """Return the numbers of rows by their names."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row[name] for row in rows if name in row] for name in names}
