"""Checkpoints: files from which training resumes to the same bits.

A checkpoint is an .npz file that NumPy can read. Its footer (a zip comment) holds the format version and the
SHA-256 of all bytes before the hash. A checkpoint is written after metrics.csv was synced, because it relies
on the rows before its own, and older checkpoints are removed only after that. If a checkpoint is damaged, the
previous one is used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.errors import CheckpointError
from cygd.files import npz_bytes, read_npz, to_jsonable
from cygd.network.early_stopping import EarlyStoppingState
from cygd.network.training_state import TrainingState
from cygd.tracking.directory import RunDirectory
from cygd.tracking.metrics_file import Extent, read_rows
from cygd.tracking.stored_files import (
    COUNT,
    NULL,
    NUMBER,
    OBJECT,
    TEXT,
    check_shape,
    parse_json,
    read_bytes,
)

log = logging.getLogger("cygd")

FOLDER = "checkpoints"
VERSION = 1
FOOTER = rb"cygd checkpoint (\d+) sha256 ([0-9a-f]{64})\Z"
HASH_SIZE = 64  # hexadecimal digits of a SHA-256
DESCRIPTION = {
    "epoch": COUNT,
    "updates": COUNT,
    "step": COUNT,
    "memory": [NUMBER],
    "last": {...: NUMBER},
    "seconds": NUMBER,
    "standing": (NULL, {"best": NUMBER, "best_epoch": (COUNT, NULL), "waited": COUNT}),
    "optimizer": [TEXT],
    "metrics": [COUNT],
    "config": OBJECT,
    "data": (TEXT, NULL),
}


class DamagedError(CheckpointError):
    """A damaged checkpoint; the previous one may be used instead."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to resume."""

    state: TrainingState
    extent: Extent  # the part of metrics.csv before the row of this epoch
    config: Mapping[str, Any] = field(repr=False)  # the resolved experiment, as JSON values
    data_hash: str | None = None  # for data sources from plugins

    def to_bytes(self) -> bytes:
        """Return the content of a checkpoint file; the optimizer's state must be numeric arrays."""
        state, early_stopping = self.state, self.state.early_stopping
        stopping = None
        if early_stopping is not None:
            best, best_epoch, wait, _ = early_stopping
            stopping = {"best": float(best), "best_epoch": best_epoch, "waited": wait}
        description = {
            "epoch": state.epoch,
            "updates": state.updates,
            "step": state.step,
            "memory": list(state.scalars),
            "last": dict(state.last),
            "seconds": state.seconds,
            "standing": stopping,
            "optimizer": list(state.optimizer),
            "metrics": list(self.extent),
            "config": self.config,
            "data": self.data_hash,
        }
        arrays = {"state": np.frombuffer(json.dumps(description).encode(), np.uint8)}
        arrays["parameters"] = state.parameters
        if early_stopping is not None and early_stopping.best_parameters is not None:
            arrays["best"] = early_stopping.best_parameters
        for index, (name, values) in enumerate(state.optimizer.items()):
            arrays[f"optimizer{index}"] = array = np.asanyarray(values)
            if array.dtype.kind not in "biufc":
                is_array = isinstance(values, np.ndarray)
                got = f"an array of {values.dtype}" if is_array else type(values).__name__
                raise CheckpointError(
                    f"a checkpoint cannot hold the optimizer's state {name!r}: "
                    f"expected a numeric array, got {got}",
                    hint="this run writes no checkpoints; keep only numeric arrays in the optimizer's state",
                )
        footer = b"cygd checkpoint %d sha256 " % VERSION + b"0" * HASH_SIZE
        body = npz_bytes(arrays, comment=footer)[:-HASH_SIZE]
        return body + hashlib.sha256(body).hexdigest().encode()


def read(path: Path) -> Checkpoint:
    """Return the checkpoint in a file, with the rows of the metrics.csv in its run folder."""
    try:
        data = read_bytes(path)
    except CheckpointError as error:
        raise DamagedError(error.message) from None
    footer = re.search(FOOTER, data[-200:])
    if not footer or hashlib.sha256(data[:-HASH_SIZE]).hexdigest().encode() != footer[2]:
        raise DamagedError(f"{path} is damaged: its SHA-256 does not match")
    if int(footer[1]) != VERSION:
        raise CheckpointError(
            f"{path} has format {int(footer[1])}, but this version of cygd reads format {VERSION}",
            hint="resume with the version of cygd that environment.json names",
        )
    try:
        arrays = read_npz(data)
        description = _read_description(arrays)
        if path.stem.isdecimal() and int(path.stem) != description["epoch"]:
            raise ValueError(f"epoch: expected {int(path.stem)} as in its name, got {description['epoch']}")
    except (ValueError, RecursionError) as error:  # deep nesting
        raise DamagedError(f"{path} is damaged: {error}") from None
    extent = Extent(*description["metrics"])
    try:
        rows = read_rows(path.parents[1] / "metrics.csv", extent)
    except CheckpointError as error:
        raise DamagedError(f"{path} is unusable: {error.message}") from None
    early_stopping = None
    if (stopping := description["standing"]) is not None:
        early_stopping = EarlyStoppingState(
            stopping["best"], stopping["best_epoch"], stopping["waited"], arrays.get("best")
        )
    state = TrainingState(
        **{name: description[name] for name in ("epoch", "updates", "step", "last", "seconds")},
        scalars=description["memory"],
        parameters=arrays["parameters"],
        optimizer={name: arrays[f"optimizer{k}"] for k, name in enumerate(description["optimizer"])},
        early_stopping=early_stopping,
        rows=rows,
    )
    return Checkpoint(state, extent, description["config"], description["data"])


def _read_description(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the checked description in a checkpoint, or raise a ValueError.

    A matching SHA-256 says that the file is as it was written, not that cygd wrote it.
    """
    if "state" not in arrays or arrays["state"].dtype != np.uint8:
        raise ValueError("expected an array 'state' of bytes")
    description: dict[str, Any] = parse_json(arrays["state"].tobytes())
    check_shape(description, DESCRIPTION)
    if len(description["metrics"]) != 2:
        raise ValueError(f"metrics: expected a size and a CRC-32, got {description['metrics']}")
    optimizer = description["optimizer"]
    if len(set(optimizer)) != len(optimizer):
        raise ValueError(f"optimizer: expected distinct names, got {optimizer}")
    expected = {"state", "parameters", *(f"optimizer{k}" for k in range(len(optimizer)))}
    if arrays.keys() - {"best"} != expected:
        raise ValueError(
            f"expected the arrays {', '.join(sorted(expected))}, got {', '.join(sorted(arrays))}"
        )
    parameters, best = arrays["parameters"], arrays.get("best")
    if parameters.dtype not in (np.float32, np.float64) or parameters.ndim != 1:
        raise ValueError(f"parameters: expected a vector of floats, got {parameters.dtype}{parameters.shape}")
    if best is not None and (best.dtype, best.shape) != (parameters.dtype, parameters.shape):
        raise ValueError(f"best: expected an array like parameters, got {best.dtype}{best.shape}")
    if best is not None and description["standing"] is None:
        raise ValueError("best: expected no best weights without early stopping")
    if description["epoch"] and not {"running_loss", "learning_rate"} <= description["last"].keys():
        raise ValueError("last: expected running_loss and learning_rate")
    return description


def latest(folder: Path) -> Checkpoint | None:
    """Return the last undamaged checkpoint of a run folder, or None if none was written."""
    damaged = []
    for path in reversed(_files(folder)):
        try:
            checkpoint = read(path)
        except DamagedError as error:
            damaged.append(error.message)
            continue
        for message in damaged:
            log.warning("%s; using the previous checkpoint", message)
        return checkpoint
    if damaged:
        raise CheckpointError(
            f"every checkpoint is damaged: {'; '.join(damaged)}",
            hint=f"remove {folder / FOLDER} to train from the beginning",
        )
    return None


class CheckpointWriter:
    """Decides when to save checkpoints, writes them and removes old ones."""

    def __init__(
        self,
        directory: RunDirectory,
        *,
        every: int,  # interval in epochs; 0: disabled
        seconds: float | None,  # None: disabled
        keep: int | str,  # a number of files, or "all"
        config: Mapping[str, Any],  # the resolved experiment
        data_hash: Callable[[], str | None],  # called once
    ) -> None:
        self.directory = directory
        self.every, self.seconds, self.keep = every, seconds, keep
        self.config = config
        self._data_hash = cache(data_hash)
        self._last_time = time.monotonic()
        self._has_files = bool(_files(directory.path))

    def should_save(self, epoch: int, *, last: bool) -> bool:
        """Return True if the state after an epoch should be saved.

        A run that saves checkpoints at all also saves the last epoch, so that more epochs can follow.
        """
        if last:
            return bool(self.every or self._has_files)
        if self.every and epoch and epoch % self.every == 0:
            return True
        return self.seconds is not None and time.monotonic() - self._last_time >= self.seconds

    def next_epoch(self, epoch: int) -> int | None:
        """Return the next epoch that is due by its number, if there is one."""
        return epoch - epoch % self.every + self.every if self.every else None

    def disable(self) -> None:
        """Save no more checkpoints."""
        self.every, self.seconds, self._has_files = 0, None, False

    def write(self, state: TrainingState, extent: Extent) -> None:
        """Write a checkpoint, then remove old ones; they are kept if writing raises an OSError."""
        checkpoint = Checkpoint(state, extent, to_jsonable(self.config), self._data_hash())
        self.directory.write_bytes(f"{FOLDER}/{state.epoch:06d}.npz", checkpoint.to_bytes())
        self._has_files, self._last_time = True, time.monotonic()
        log.debug("checkpoint of epoch %d", state.epoch)
        files = _files(self.directory.path)
        # later ones are damaged: training would have resumed from them otherwise
        earlier = [path for path in files if int(path.stem) <= state.epoch]
        kept = earlier if self.keep == "all" else earlier[-int(self.keep) :]
        for path in files:
            if path not in kept:
                try:
                    path.unlink()
                except OSError as error:
                    log.warning("cannot remove the old checkpoint %s: %s", path, error.strerror)


def _files(folder: Path) -> list[Path]:
    """Return the checkpoint files of a run folder in the order of their epochs."""
    files = [path for path in (folder / FOLDER).glob("*.npz") if path.stem.isdecimal()]
    return sorted(files, key=lambda path: int(path.stem))
