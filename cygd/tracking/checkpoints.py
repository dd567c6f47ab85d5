"""Checkpoints: the state of a training as a file, from which it goes on to the same bits.

A checkpoint is an .npz file, readable by NumPy, whose last bytes (a comment, for a reader of zip files)
are the version of its form and the SHA-256 of all before them. It is written when metrics.csv is on
the disk, since it counts on the rows before its own; and only when it is there itself, older ones go.
One that is damaged is passed over, and the one before it taken.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cygd.errors import CheckpointError
from cygd.network.early_stopping import EarlyStoppingState
from cygd.network.training_state import TrainingState
from cygd.tracking.directory import RunDirectory
from cygd.tracking.files import npz_bytes, to_jsonable
from cygd.tracking.metrics_file import Extent, read_rows

__all__ = ["Checkpoint", "CheckpointWriter", "latest", "read"]

log = logging.getLogger("cygd")

FOLDER = "checkpoints"
VERSION = 1
SEAL = re.compile(rb"cygd checkpoint (\d+) sha256 ([0-9a-f]{64})\Z")
DIGITS = 64


class DamagedError(CheckpointError):
    """A checkpoint that cannot be used, so that the one before it may be."""


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on.

    Attributes
    ----------
    state : TrainingState
        Where the training stands.
    extent : Extent
        The beginning of metrics.csv, up to the row of this epoch.
    config : mapping
        The resolved experiment, as JSON has it.
    data : str or None
        The digest of the data, where the experiment does not say all about it.
    """

    state: TrainingState
    extent: Extent
    config: Mapping[str, Any] = field(repr=False)
    data: str | None = None

    def to_bytes(self) -> bytes:
        """Return the content of a file.

        Raises
        ------
        CheckpointError
            The optimizer's state holds something that is no array of numbers.
        """
        state, early_stopping = self.state, self.state.early_stopping
        best = None if early_stopping is None else early_stopping.best_parameters
        description = {
            "epoch": state.epoch,
            "updates": state.updates,
            "step": state.step,
            "memory": list(state.scalars),
            "last": dict(state.last),
            "seconds": state.seconds,
            "standing": None if early_stopping is None else _plain(early_stopping),
            "optimizer": list(state.optimizer),
            "metrics": list(self.extent),
            "config": self.config,
            "data": self.data,
        }
        arrays = {"state": np.frombuffer(json.dumps(description).encode(), np.uint8)}
        arrays["parameters"] = state.parameters
        if best is not None:
            arrays["best"] = best
        for index, (name, values) in enumerate(state.optimizer.items()):
            arrays[f"optimizer{index}"] = array = np.asanyarray(values)
            if array.dtype.kind not in "biufc":
                raise CheckpointError(
                    f"a checkpoint cannot hold the optimizer's state {name!r}: it is no array of numbers",
                    hint="no more are written; keep arrays of numbers in state",
                )
        seal = b"cygd checkpoint %d sha256 " % VERSION + b"0" * DIGITS
        body = npz_bytes(arrays, comment=seal)[:-DIGITS]
        return body + hashlib.sha256(body).hexdigest().encode()


def read(path: Path) -> Checkpoint:
    """Return the checkpoint in a file, with the rows of metrics.csv beside it.

    Raises
    ------
    DamagedError
        It does not have the bytes that were written, or metrics.csv does not.
    CheckpointError
        It is of another version.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror}") from None
    seal = SEAL.search(data[-200:])
    if not seal or hashlib.sha256(data[:-DIGITS]).hexdigest().encode() != seal[2]:
        raise DamagedError(f"{path} is damaged: it does not have the bytes that were written")
    if int(seal[1]) != VERSION:
        raise CheckpointError(
            f"{path} has form {int(seal[1])}, this version of cygd reads form {VERSION}",
            hint="go on with the version of cygd that environment.json names",
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = dict(archive)
    description = json.loads(arrays["state"].tobytes())
    extent, standing = Extent(*description["metrics"]), description["standing"]
    early_stopping = None
    if standing is not None:
        early_stopping = EarlyStoppingState(
            standing["best"], standing["best_epoch"], standing["waited"], arrays.get("best")
        )
    try:
        rows = read_rows(path.parents[1] / "metrics.csv", extent)
    except CheckpointError as error:
        raise DamagedError(f"{path} cannot be used: {error.message}") from None
    state = TrainingState(
        **{name: description[name] for name in ("epoch", "updates", "step", "last", "seconds")},
        scalars=description["memory"],
        parameters=arrays["parameters"],
        optimizer={name: arrays[f"optimizer{k}"] for k, name in enumerate(description["optimizer"])},
        early_stopping=early_stopping,
        rows=rows,
    )
    return Checkpoint(state, extent, description["config"], description["data"])


def latest(folder: Path) -> Checkpoint | None:
    """Return the last checkpoint of a run folder that is whole; None where none was written.

    Raises
    ------
    CheckpointError
        None of them is whole, or the last one is of another version.
    """
    found, damaged = list(_files(folder)), []
    for path in reversed(found):
        try:
            checkpoint = read(path)
        except DamagedError as error:
            damaged.append(error.message)
            continue
        for message in damaged:
            log.warning("%s; the checkpoint before it is taken", message)
        return checkpoint
    if damaged:
        raise CheckpointError(
            f"no checkpoint can be used: {'; '.join(damaged)}",
            hint=f"remove {folder / FOLDER} to have training start over",
        )
    return None


class CheckpointWriter:
    """Writes the checkpoints of a run when they are due.

    Parameters
    ----------
    directory : RunDirectory
        The run folder.
    every : int
        A checkpoint every so many epochs; 0 is never.
    seconds : float, optional
        And, or, when so much time has gone by.
    keep : int or "all"
        How many stay.
    config : mapping
        The resolved experiment.
    data : callable
        Returns the digest of the data; asked for once.
    """

    def __init__(
        self,
        directory: RunDirectory,
        *,
        every: int,
        seconds: float | None,
        keep: int | str,
        config: Mapping[str, Any],
        data: Callable[[], str | None],
    ) -> None:
        self.directory = directory
        self.every, self.seconds, self.keep = every, seconds, keep
        self.config = config
        self._digest = data
        self._data: tuple[str | None] | None = None
        self._at = time.monotonic()
        self._there = any(_files(directory.path))

    def due(self, epoch: int, *, last: bool) -> bool:
        """Return whether the state behind an epoch is to be kept.

        The last one is, so that more epochs may follow, where there are checkpoints at all.
        """
        if last:
            return bool(self.every or self._there)
        if self.every and epoch and epoch % self.every == 0:
            return True
        return self.seconds is not None and time.monotonic() - self._at >= self.seconds

    def give_up(self) -> None:
        """Write none any more."""
        self.every, self.seconds, self._there = 0, None, False

    def write(self, state: TrainingState, extent: Extent) -> None:
        """Write a checkpoint, and remove those that it makes superfluous.

        Raises
        ------
        OSError
            It could not be written; those that were there still are.
        """
        if self._data is None:
            self._data = (self._digest(),)
        checkpoint = Checkpoint(state, extent, to_jsonable(self.config), self._data[0])
        self.directory.write_bytes(f"{FOLDER}/{state.epoch:06d}.npz", checkpoint.to_bytes())
        self._there, self._at = True, time.monotonic()
        log.debug("checkpoint of epoch %d", state.epoch)
        self._remove_others(state.epoch)

    def _remove_others(self, epoch: int) -> None:
        """Remove what is too old; and what is of later epochs, which was damaged, or we would not be here."""
        found = list(_files(self.directory.path))
        past = [path for path in found if int(path.stem) <= epoch]
        kept = past if self.keep == "all" else past[-int(self.keep) :]
        for path in found:
            if path not in kept:
                try:
                    path.unlink()
                except OSError as error:
                    log.warning("%s is not needed any more but cannot be removed: %s", path, error.strerror)


def _plain(state: EarlyStoppingState) -> dict[str, Any]:
    """Return the state of early stopping without the weights, for JSON."""
    return {"best": float(state.best), "best_epoch": state.best_epoch, "waited": state.wait}


def _files(folder: Path) -> Iterator[Path]:
    """Yield the checkpoints of a run folder in the order of their epochs."""
    found = {int(path.stem): path for path in (folder / FOLDER).glob("*.npz") if path.stem.isdecimal()}
    yield from (found[epoch] for epoch in sorted(found))
