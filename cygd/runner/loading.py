"""Load what a run folder holds: its model, or the result of a finished run."""

from __future__ import annotations

import math
import os
from pathlib import Path

from cygd import config
from cygd.errors import CheckpointError, ConfigError
from cygd.network import History
from cygd.plugins.discovery import FORBID, forbids_plugins
from cygd.runner.assembly import Assembly, build_network, read_document
from cygd.runner.run_plugins import check_plugin_paths
from cygd.tracking.environment import read_provenance
from cygd.tracking.metrics_file import read_rows
from cygd.tracking.model import (
    Model,
    check_preprocessing,
    read_preprocessing,
    read_weights,
    set_weights,
)
from cygd.tracking.results import Result
from cygd.tracking.stored_files import FINISHED, read_json

FINAL = {"stopped", "diverged"}  # more epochs would not continue such a run


def load(directory: str | os.PathLike[str], *, plugins: bool = True) -> Model:
    """Load the model of a run folder.

    The plugins with which the run began are executed; see SECURITY.md before you load a folder of others.

    Parameters
    ----------
    directory : path
        A folder that `cygd run` or `cygd.run` has written.
    plugins : bool
        Whether the plugins of the run may be executed. Without them, a network of built-in components and
        formulas can be loaded.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged.
    PluginError
        If a required plugin cannot be loaded.
    """
    return load_with_experiment(directory, plugins=plugins)[0]


def load_with_experiment(
    directory: str | os.PathLike[str], *, plugins: bool = True
) -> tuple[Model, config.Experiment]:
    """Load the model of a run folder, as `load` does, and the experiment that it was trained by."""
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
    environment = {**os.environ} if plugins else {**os.environ, FORBID: "1"}
    try:
        if not forbids_plugins(environment):
            check_plugin_paths(folder)
        reading = read_document(config.read(folder / "config.yaml"), environment=environment)
    except ConfigError as error:
        raise CheckpointError(f"cannot read {folder / 'config.yaml'}: {error}") from error
    if "w0" not in weights or weights["w0"].ndim != 2:
        raise CheckpointError(f"{weights_file} has no weights w0")
    network = build_network(reading.experiment, len(weights["w0"]), reading.plugins)
    set_weights(network, weights, weights_file)
    check_preprocessing(network, preprocessing, folder / "preprocessing.json")
    provenance = read_provenance(reading.experiment.name, folder)
    return Model(network, preprocessing, provenance), reading.experiment


def load_result(assembly: Assembly, folder: Path) -> Result | None:
    """Return the result of a finished run, or None if the run can be resumed."""
    file = folder / "result.json"
    if not file.exists():
        return None
    content = read_json(file, FINISHED)
    status, epochs = content["status"], content["epochs"]
    if not (status in FINAL or (status == "completed" and epochs >= assembly.experiment.train.epochs)):
        return None
    weights_file = folder / "weights.npz"
    set_weights(assembly.network, read_weights(weights_file), weights_file)
    return Result(
        status=status,
        metrics={name: _not_null(value) for name, value in content["metrics"].items()},
        history=History.of_rows(read_rows(folder / "metrics.csv")),
        model=Model(
            assembly.network,
            assembly.data.preprocessing,
            read_provenance(assembly.experiment.name, folder),
        ),
        directory=folder,
        epochs=epochs,
        best_epoch=content.get("best_epoch"),
        seconds=_not_null(content.get("seconds")),
    )


def _not_null(value: float | None) -> float:
    """Return a number of a JSON file, in which null is one that is not finite."""
    return math.nan if value is None else value
