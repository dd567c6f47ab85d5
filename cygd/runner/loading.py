"""The model of a run folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cygd.errors import CheckpointError, ConfigError
from cygd.tracking.model import Model, _fill, _read_arrays, _read_preprocessing

if TYPE_CHECKING:
    pass

__all__ = ["load"]


def load(directory: str | os.PathLike[str]) -> Model:
    """Return the model of a run folder.

    Parameters
    ----------
    directory : path
        A folder that `cygd run` or `cygd.run` has left.

    Raises
    ------
    CheckpointError
        A file of it is missing or damaged.
    PluginError
        A plugin that it needs cannot be loaded.
    """
    from cygd.runner.assembly import build_network, read

    folder = Path(directory).expanduser()
    if not (folder / "config.yaml").is_file():
        raise CheckpointError(
            f"{str(directory)!r} is not a run folder: it has no config.yaml",
            hint="name the folder that `cygd run` printed",
        )
    if (folder / "fold-1").is_dir():
        raise CheckpointError(
            f"{str(directory)!r} holds a run for each fold, and no network of its own",
            hint=f"name one of them, such as {str(folder / 'fold-1')!r}",
        )
    arrays = _read_arrays(folder / "weights.npz")
    preprocessing = _read_preprocessing(folder / "preprocessing.json")
    try:
        reading = read(folder / "config.yaml")
    except ConfigError as error:
        raise CheckpointError(f"{folder / 'config.yaml'} cannot be read back: {error}") from error
    if "w0" not in arrays:
        raise CheckpointError(f"{folder / 'weights.npz'} has no weights w0")
    network = build_network(reading.experiment, len(arrays["w0"]), reading.plugins)
    _fill(network, arrays, folder / "weights.npz")
    return Model(network, preprocessing)
