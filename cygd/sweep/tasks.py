"""What a sweep sends to its workers, and what they send back."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cygd import config
from cygd.config.yaml.nodes import KeyPath
from cygd.errors import CygdError, RunError
from cygd.sweep.configurations import Changes
from cygd.tracking.results import Result

# errors of the machine, not of the run: the run is recorded as killed, and resuming executes it again
MACHINE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True)
class Setup:
    """What all runs of a sweep share."""

    document: config.Document  # the base experiment
    plugins: tuple[str, ...]  # those named on the command line
    directory: Path  # the folder of the sweep
    shared: Path  # the folder of the shared data
    threads: int | None  # of each run, if the user set a number
    folders: bool  # whether each run writes a run folder


@dataclass(frozen=True)
class Task:
    """A run to execute."""

    number: int
    configuration: int  # the number of its configuration, which repetitions share
    changes: Changes  # what it changes in the base experiment, including the seed of a repetition
    values: dict[str, Any]  # the same as plain values, without the seed of a repetition
    folder: str  # its run folder, relative to that of the sweep; empty for none
    epochs: int = 0  # in successive halving, the epochs of its rung
    resumes: bool = False  # whether its folder holds a checkpoint, of the previous rung or a killed run
    alone: bool = False  # whether it must not share its worker with others, one of which killed a worker


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run: attributes of its `Result`, and its error message."""

    status: str  # as in `Result`, or "killed"
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    best_epoch: int | None = None
    seconds: float = 0.0
    error: str = ""  # the message of a failed or killed run
    worker_died: bool = False  # whether its worker process ended during the run


@dataclass(frozen=True)
class Returned:
    """Tasks that a worker gives back, because they do not go side by side with those that it executes."""

    numbers: tuple[int, ...]
    most: int  # runs of this kind that go side by side


Message = tuple[int, Outcome] | Returned  # from a worker; the number is that of the task


# -- outcomes -----------------------------------------------------------------------------------------


def outcome_of(result: Result, error: str = "") -> Outcome:
    """Return the outcome of a run with a run folder."""
    metrics = {name: float(value) for name, value in result.metrics.items()}
    return Outcome(result.status, metrics, result.epochs, result.best_epoch, result.seconds, error)


def outcome_of_error(error: BaseException) -> Outcome:
    """Return the outcome of a run that raised an error: killed if the machine caused it, else failed."""
    failure = _machine_failure(error)
    if failure is None and isinstance(error, RunError) and isinstance(error.result, Result):
        return outcome_of(error.result, error.message)
    return failure or Outcome("failed", error=_describe(error))


def _machine_failure(error: BaseException) -> Outcome | None:
    """Return the outcome "killed" if the machine caused an error, else None."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in MACHINE_ERRORS:
            return Outcome("killed", error=os.strerror(cause.errno))
        cause = cause.__cause__
    return None


def _describe(error: BaseException) -> str:
    """Return the message of an error, with the hint if it is one of cygd's."""
    if isinstance(error, CygdError):
        return str(error)
    name = f"unexpected {type(error).__name__}"
    return f"{name}: {error}" if str(error) else name


# -- kinds --------------------------------------------------------------------------------------------

# keys in which runs that go side by side may differ, and numbers that may differ unless one of them is 0
FREE_SECTIONS = ("seed", "stop", "checkpoint", "schedule")
FREE_KEYS = ("initializer", "weights", "l1", "l2", "epochs", "evaluate_every")
NUMBERS = ("optimizer", "dropout")


def kind_of(task: Task) -> str | None:
    """Return what tasks that may go side by side have in common; None if a task must go alone.

    Only the worker, which has the data and the network, knows whether they do.
    """
    if task.resumes or task.alone:
        return None
    leaves = {}
    for changed, node in task.changes:
        for path, value in _leaves(changed, node.plain()):
            if path[0] in FREE_SECTIONS or any(key in FREE_KEYS for key in path[1:]):
                continue
            number = type(value) in (int, float) and any(key in NUMBERS for key in path)
            leaves[json.dumps(path)] = value != 0 if number else repr(value)
    return json.dumps(leaves, sort_keys=True)


def _leaves(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the values in nested mappings and lists with their paths."""
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _leaves((*path, key), below)
    elif isinstance(value, list) and value:
        for index, below in enumerate(value):
            yield from _leaves((*path, index), below)
    else:
        yield path, value
