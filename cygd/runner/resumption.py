"""May a run go on? What it began with, and what is different now.

A run that goes on must end with the bits that it would have ended with. So its experiment, its
plugins and its data must be what they were, but for the number of epochs, which may be raised; every
difference is named. What the run began with stands in environment.json (hashes) and, word for word,
in every checkpoint.

What a run has ended with, read back from its folder.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cygd import core
from cygd.config.yaml.nodes import KeyPath, show_key
from cygd.data import PreparedData
from cygd.errors import CheckpointError, ConfigError, CygdError, Problem
from cygd.network.training_state import TrainingState
from cygd.plugins.discovery import option_requests
from cygd.runner.assembly import Assembly, Reading, assemble, read, resolved
from cygd.runner.provenance import custom_components, used_components
from cygd.tracking import checkpoints
from cygd.tracking.directory import RunDirectory
from cygd.tracking.environment import hashes, version
from cygd.tracking.files import to_jsonable
from cygd.tracking.metrics_file import Extent, read_rows
from cygd.tracking.model import Model, restore
from cygd.tracking.results import Result

__all__ = [
    "FoldedRun",
    "ResumePoint",
    "digest",
    "fingerprint",
    "history_of",
    "load_folded_run",
    "load_result",
    "load_resume_point",
    "plugin_hashes",
]

log = logging.getLogger("cygd")

EPOCHS = ("train", "epochs")
ABSENT = object()


@dataclass(frozen=True)
class ResumePoint:
    """A run that may go on.

    Attributes
    ----------
    assembly : Assembly
        The experiment of its folder.
    content : mapping
        The same as config.yaml has it.
    state : State or None
        Where training stands; None if it is still at its beginning.
    raised : bool
        Whether config.yaml says less epochs.
    """

    assembly: Assembly
    content: Mapping[str, Any]
    state: TrainingState | None
    raised: bool


@dataclass(frozen=True)
class FoldedRun:
    """A folder with a run for each fold, which may go on.

    Attributes
    ----------
    n_folds : int
        How many there are to be.
    content : mapping
        What its config.yaml says.
    environment : mapping
        That in which the folds are run that have not begun.
    """

    n_folds: int
    content: Mapping[str, Any]
    environment: Mapping[str, str] = field(repr=False)


def load_folded_run(directory: RunDirectory, overrides: Sequence[str] = ()) -> FoldedRun | None:
    """Return what is to go on in a folder of folds; None if it is the folder of one run.

    Raises
    ------
    ConfigError, PluginError
        It is not what it was.
    """
    folder = directory.path
    if (folder / "environment.json").exists():
        return None  # which the folder of the whole does not have
    file, environment, name_of = folder / "config.yaml", _without_requests(), partial(_name_in, folder)
    then = read(file, environment=environment)
    split = then.experiment.data.split
    if split is None or not split.every_fold:
        return None
    now = read(file, overrides, environment=environment) if overrides else then
    content = resolved(now, name_of)
    _refuse(list(_differences(now, to_jsonable(resolved(then, name_of)), to_jsonable(content))))
    return FoldedRun(split.folds or 0, content, environment)


def load_resume_point(
    directory: RunDirectory, overrides: Sequence[str] = (), plugins: Sequence[str] = ()
) -> ResumePoint:
    """Return the run of a folder, if it may go on as it is asked for.

    Raises
    ------
    ConfigError, DataError, PluginError
        It is not what it was; every difference is named.
    CheckpointError
        A file that it needs is missing or damaged.
    """
    folder = directory.path
    then = _environment(folder)
    _check_requests(plugins, folder, then)
    checkpoint = checkpoints.latest(folder)
    environment = _without_requests()
    assembly = assemble(folder / "config.yaml", overrides, environment=environment)
    name_of = partial(_name_in, folder)
    content = resolved(assembly, name_of)
    if checkpoint is not None:
        config: Any = checkpoint.config
    else:
        config = to_jsonable(resolved(read(folder / "config.yaml", environment=environment), name_of))
        if fingerprint(config) != then["config_sha256"]:
            raise ConfigError(
                f"{folder / 'config.yaml'} is no longer what the run began with",
                hint="put it back as it was, or begin a new run with it: cygd run FILE --out DIR",
            )
    problems = list(_differences(assembly, config, to_jsonable(content)))
    problems += _changed_files("plugin", then["sha256"]["plugins"], plugin_hashes(assembly, content, folder))
    problems += _changed_files("data", then["sha256"]["data"], hashes(assembly.experiment.data_files()))
    if not problems and checkpoint is not None and checkpoint.data != digest(assembly):
        problems.append(Problem("", "", "the data source no longer gives the data that the run began with"))
    _refuse(problems)
    _warn(assembly, then)
    if checkpoint is not None:
        _warn_of_rates(assembly, checkpoint.state, config["train"]["epochs"])
    state = None if checkpoint is None else checkpoint.state
    return ResumePoint(assembly, content, state, raised=bool(overrides))


# -- what a run began with --------------------------------------------------------------------------


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that a resolved experiment says but for the number of epochs."""
    kept: dict[str, Any] = to_jsonable(content)
    kept["train"] = {key: value for key, value in kept["train"].items() if key != "epochs"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def plugin_hashes(reading: Reading, content: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the copies of plugin files, and of the modules that give what is used.

    Parameters
    ----------
    reading : Reading
        The experiment.
    content : mapping
        The same as config.yaml has it.
    folder : Path
        The run folder.
    """
    copies = [folder / name for name in content["plugins"]]
    used = set()
    for spec in used_components(reading):
        try:
            used.add(reading.plugins.entry(spec.component.kind, spec.name).plugin)
        except CygdError:  # a formula, or an object given from Python
            continue
    modules = reading.plugins.sources(used)
    found = hashes([path for path in copies if path.is_file()], folder)
    for name, path in modules.items():
        [found[name]] = hashes([path]).values()
    return found


def digest(assembly: Assembly) -> str | None:
    """Return the digest of the data of a plugin's source; files and options say all of any other."""
    if assembly.experiment.data.component.tier == "built-in":
        return None
    total = hashlib.blake2b(digest_size=32)
    data: PreparedData = assembly.data
    for part in (data.train, data.validation, data.test):
        if part is None:
            total.update(b"none")
            continue
        for array in (part.x, part.y, part.sample_weight, part.rows):
            total.update(b"none" if array is None else f"{array.shape}{array.dtype}".encode())
            if array is not None:
                total.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def _without_requests() -> dict[str, str]:
    """Return the environment without CYGD_PLUGINS: what it said at the beginning is part of config.yaml."""
    return {name: value for name, value in os.environ.items() if name != "CYGD_PLUGINS"}


def _name_in(folder: Path, path: Path) -> str:
    """Return how a run folder's config.yaml names a plugin file."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _environment(folder: Path) -> dict[str, Any]:
    """Return what environment.json says about the beginning."""
    path = folder / "environment.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = {"data", "plugins"} <= content["sha256"].keys() and isinstance(content["config_sha256"], str)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        known = False
    if not known:
        raise CheckpointError(
            f"{path} is missing, damaged or of an older cygd, so nobody knows what the run began with",
            hint=f"begin a new one: cygd run {folder / 'config.yaml'}",
        )
    return content


# -- what is different ------------------------------------------------------------------------------


def _check_requests(plugins: Sequence[str], folder: Path, then: Mapping[str, Any]) -> None:
    """Refuse a plugin of `-p` that the run did not begin with; the others its folder has already."""
    known = set(then["sha256"]["plugins"].values())
    named = read(folder / "config.yaml", environment={}).plugins.modules if plugins else []
    for request in option_requests(plugins):
        path = request.path
        same = (
            request.target in named
            if path is None
            else path.is_file() and {*hashes([path]).values()} <= known
        )
        if not same:
            what = f"the plugin {request.name_or_path!r} as it is"
            raise ConfigError(
                f"-p: the run in {str(folder)!r} did not begin with {what}",
                hint="leave -p away: the folder has the plugins with which the run began",
            )


def _differences(reading: Reading, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem for each value that is not what it was."""
    for path, before, after in _unequal(then, now):
        if path == EPOCHS and after > before:
            continue
        verb = "can only be raised: " if path == EPOCHS else ""
        key = show_key(path)
        message = f"{verb}the run has {_short(before)}, found {_short(after)}"
        yield reading.experiment.problem(key, message)


def _unequal(then: Any, now: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any, Any]]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*then, *now]):
            yield from _unequal(then.get(key, ABSENT), now.get(key, ABSENT), (*path, key))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for index, pair in enumerate(zip(then, now, strict=True)):
            yield from _unequal(*pair, (*path, index))
    elif then != now or isinstance(then, bool) != isinstance(now, bool):
        yield path, then, now


def _short(value: Any, longest: int = 60) -> str:
    if value is ABSENT:
        return "nothing there"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _changed_files(kind: str, then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each file that is not what it was."""
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            what = "is new" if name not in then else "has gone" if name not in now else "has changed"
            yield Problem("", "", f"{kind} file {name} {what} since the run began")


def _refuse(problems: Sequence[Problem]) -> None:
    """Raise a ConfigError if there are problems, with a hint at the end of all."""
    if problems:
        hint = "a run goes on as it began, only train.epochs may be raised; for all else begin a new one"
        raise ConfigError([*problems[:-1], replace(problems[-1], hint=hint)])


def _warn(assembly: Assembly, then: Mapping[str, Any]) -> None:
    """Warn of what may make other bits although everything is as it was."""
    versions, level = then.get("versions", {}), then.get("cpu", {}).get("level")
    here = core.info()["level"]
    if versions.get("cygd") != version("cygd"):
        words = "the run began with cygd %s, this is %s: its bits may differ from here on"
        log.warning(words, versions.get("cygd"), version("cygd"))
    if versions.get("numpy") != np.__version__ and custom_components(assembly):
        words = "the run began with numpy %s, this is %s: what plugins compute may differ from here on"
        log.warning(words, versions.get("numpy"), np.__version__)
    if level != here and "base" in (level, here):
        words = "the run began at CPU level %s, this is %s: its bits may differ from here on"
        log.warning(words, level, here)


def _warn_of_rates(assembly: Assembly, state: TrainingState, epochs: int) -> None:
    """Warn where the schedule of so many epochs more would have begun otherwise."""
    schedule, now = assembly.experiment.schedule.component.start(), assembly.experiment.train.epochs
    if now == epochs or schedule.steady or schedule.watches:
        return
    rate = float(assembly.experiment.optimizer.component.learning_rate)
    for epoch, row in enumerate([*state.rows, state.last][1:]):
        if rate * schedule.factor(epoch, now) != row["learning_rate"]:
            log.warning(
                "the schedule %s depends on train.epochs: the first %d epochs had the learning rates of a "
                "run of %d epochs, so the result is not that of one run of %d",
                *(assembly.experiment.schedule.name, state.epoch, epochs, now),
            )
            return


# of these there is nothing to go on with, whatever the number of epochs
OVER = {"stopped", "diverged"}


def load_result(assembly: Assembly, folder: Path) -> Result | None:
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
