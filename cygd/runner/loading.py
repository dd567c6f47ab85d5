"""Load what a run folder holds: its model, or the result of a finished run."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from cygd import config
from cygd.errors import CheckpointError, ConfigError
from cygd.runner.assembly import Assembly, build_network, read_document
from cygd.tracking.metrics_file import history_of, read_rows
from cygd.tracking.model import Model, read_preprocessing, read_weights, set_weights
from cygd.tracking.results import Result

FINAL = {"stopped", "diverged"}  # more epochs would not continue such a run


def load(directory: str | os.PathLike[str]) -> Model:
    """Load the model of a run folder.

    Parameters
    ----------
    directory : path
        A folder that `cygd run` or `cygd.run` has written.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged.
    PluginError
        If a required plugin cannot be loaded.
    """
    folder = Path(directory).expanduser()
    if not (folder / "config.yaml").is_file():
        raise CheckpointError(
            f"{str(directory)!r} is not a run folder: it has no config.yaml",
            hint="name the folder that `cygd run` printed",
        )
    if (folder / "fold-1").is_dir():
        raise CheckpointError(
            f"expected the folder of one run, got {str(directory)!r}, which holds one run per fold",
            hint=f"name the folder of a fold, such as {str(folder / 'fold-1')!r}",
        )
    weights_file = folder / "weights.npz"
    weights = read_weights(weights_file)
    preprocessing = read_preprocessing(folder / "preprocessing.json")
    try:
        reading = read_document(config.read(folder / "config.yaml"))
    except ConfigError as error:
        raise CheckpointError(f"cannot read {folder / 'config.yaml'}: {error}") from error
    if "w0" not in weights:
        raise CheckpointError(f"{weights_file} has no weights w0")
    network = build_network(reading.experiment, len(weights["w0"]), reading.plugins)
    set_weights(network, weights, weights_file)
    return Model(network, preprocessing)


def load_result(assembly: Assembly, folder: Path) -> Result | None:
    """Return the result of a finished run, or None if the run can be resumed."""
    try:
        content = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        status, epochs = content["status"], content["epochs"]
        metrics = {name: math.nan if value is None else value for name, value in content["metrics"].items()}
        best_epoch, seconds = content["best_epoch"], content["seconds"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder / 'result.json'} is damaged: {error}") from error
    if not (status in FINAL or (status == "completed" and epochs >= assembly.experiment.train.epochs)):
        return None
    weights_file = folder / "weights.npz"
    set_weights(assembly.network, read_weights(weights_file), weights_file)
    return Result(
        status=status,
        metrics=metrics,
        history=history_of(read_rows(folder / "metrics.csv")),
        model=Model(assembly.network, assembly.data.preprocessing),
        directory=folder,
        epochs=epochs,
        best_epoch=best_epoch,
        seconds=seconds,
    )
