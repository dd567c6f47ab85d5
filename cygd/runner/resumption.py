"""Check that a stopped run can be resumed, and load the state from which it continues.

A resumed run must end with the bits of an uninterrupted one. So its experiment, plugins and data must be
unchanged, except for the number of epochs, which may be raised; the error names every difference. The
reference is environment.json (hashes) and the experiment itself, which every checkpoint contains.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cygd import core
from cygd.config.yaml.nodes import KeyPath, show_key
from cygd.errors import CheckpointError, ConfigError, Problem, abbreviate
from cygd.files import to_jsonable
from cygd.network.training_state import TrainingState
from cygd.plugins.discovery import environment_requests, forbids_plugins, option_requests
from cygd.runner.assembly import Assembly, LoadedExperiment, build, read
from cygd.runner.fit import fit_options
from cygd.runner.provenance import config_hash, custom_components, data_hash, plugin_hashes
from cygd.runner.relocation import absolute_overrides, restore_paths, without_paths
from cygd.runner.run_plugins import check_plugin_paths
from cygd.tracking import checkpoints
from cygd.tracking.directory import RunDirectory
from cygd.tracking.distributions import version
from cygd.tracking.environment import changed_files, file_hashes, link_change
from cygd.tracking.stored_files import HASHES, NULL, OBJECT, TEXT, read_json

log = logging.getLogger("cygd")

EPOCHS = ("train", "epochs")
ABSENT = object()
ENVIRONMENT = {
    "sha256": {"data": HASHES, "plugins": HASHES},
    "config_sha256": TEXT,
    "versions?": {...: (TEXT, NULL)},
    "cpu?": OBJECT,
}


@dataclass(frozen=True)
class ResumePoint:
    """A stopped run that can be resumed."""

    assembly: Assembly
    content: Mapping[str, Any]  # the resolved experiment
    recorded_content: Mapping[str, Any]  # the same with the paths of config.yaml, if its folder was moved
    state: TrainingState | None  # of the last checkpoint; None: start from the beginning
    epochs_raised: bool
    is_changed: bool  # config.yaml must be rewritten


def load_cross_validation(directory: RunDirectory, overrides: Sequence[str] = ()) -> LoadedExperiment | None:
    """Return the experiment of a cross-validation to resume, or None for the folder of a single run."""
    folder = directory.path
    if (folder / "environment.json").exists():  # only single runs have one
        return None
    file, environment = folder / "config.yaml", _environment_without_plugins()
    _check_plugins_allowed(folder)
    recorded = read(file, environment=environment)
    split = recorded.experiment.data.split
    if split is None or not split.every_fold:
        return None
    reading = recorded
    if overrides:
        reading = read(file, absolute_overrides(overrides, folder), environment=environment)
    before = to_jsonable(recorded.resolved(directory.relative_name))
    now = to_jsonable(reading.resolved(directory.relative_name))
    problems = list(_differences(reading, before, now))
    if (folder / "fold-1" / "environment.json").is_file():
        hashes = _read_environment(folder / "fold-1")["sha256"]
        problems += _changed_files("data", hashes["data"], file_hashes(reading.experiment.data_files()))
    _raise_if_any(problems)
    return reading


def load_resume_point(
    directory: RunDirectory, overrides: Sequence[str] = (), plugins: Sequence[str] = ()
) -> ResumePoint:
    """Return the run of a folder with the state from which it continues."""
    folder = directory.path
    file, environment = folder / "config.yaml", _environment_without_plugins()
    recorded = _read_environment(folder)
    _check_plugins_allowed(folder)
    _check_requested_plugins(plugins, folder, recorded)
    checkpoint = checkpoints.latest(folder)
    reading = read(file, absolute_overrides(overrides, folder), environment=environment)
    assembly = build(reading)
    content = assembly.resolved(directory.relative_name)
    recorded_content = restore_paths(content, reading.moved)
    if checkpoint is not None:
        before: Any = checkpoint.config
    else:
        original = read(file, environment=environment) if overrides else reading
        before = restore_paths(original.resolved(directory.relative_name), original.moved)
        hashes = (config_hash(before), config_hash(before, with_paths=True))
        before = to_jsonable(before)
        if recorded["config_sha256"] not in hashes:
            raise ConfigError(
                f"{file} has changed since the run began",
                hint="restore the file, or start a new run from it: cygd run FILE --out DIR",
            )
    problems = list(_differences(assembly, before, to_jsonable(recorded_content)))
    data, files = recorded["sha256"]["data"], file_hashes(assembly.experiment.data_files())
    plugin_files = recorded["sha256"]["plugins"]
    problems += _changed_files("plugin", plugin_files, plugin_hashes(assembly, content, folder))
    problems += _changed_files("data", data, files)
    if not problems and checkpoint is not None and checkpoint.data_hash != data_hash(assembly):
        problems.append(Problem("", "", "the data source returns other data than when the run began"))
    _raise_if_any(problems)
    _warn_about_versions(assembly, recorded)
    if checkpoint is not None:
        _warn_about_schedule(assembly, checkpoint.state, before["train"]["epochs"])
    state = None if checkpoint is None else checkpoint.state
    if state is not None:
        _check_state(assembly, state, folder)
    raised = assembly.experiment.train.epochs > before["train"]["epochs"]
    return ResumePoint(assembly, content, recorded_content, state, raised, is_changed=bool(overrides))


def _environment_without_plugins() -> dict[str, str]:
    """Return the environment without CYGD_PLUGINS; config.yaml already lists what it named at the start."""
    return {name: value for name, value in os.environ.items() if name != "CYGD_PLUGINS"}


def _read_environment(folder: Path) -> dict[str, Any]:
    """Return the content of environment.json."""
    path = folder / "environment.json"
    try:
        content: dict[str, Any] = read_json(path, ENVIRONMENT)
    except CheckpointError as error:
        reason = error.message.removeprefix(f"{path} ")
        raise CheckpointError(
            f"{path} is missing, damaged or of an older cygd, so changes cannot be detected: {reason}",
            hint=f"start a new run: cygd run {folder / 'config.yaml'}",
        ) from error
    return content


def _check_plugins_allowed(folder: Path) -> None:
    """Raise a ConfigError if the run has plugins and these are forbidden, or if one is not in its folder."""
    requests = check_plugin_paths(folder)
    if requests and forbids_plugins(os.environ):
        names = ", ".join(request.target for request in requests)
        raise ConfigError(
            f"the run in {str(folder)!r} needs its plugins ({names}), which --no-plugins forbids",
            hint="if you trust their code, omit --no-plugins",
        )


# -- differences ------------------------------------------------------------------------------------


def _check_requested_plugins(plugins: Sequence[str], folder: Path, recorded: Mapping[str, Any]) -> None:
    """Raise a ConfigError if `-p` names a plugin that the run did not have; warn about CYGD_PLUGINS."""
    named, ambient = option_requests(plugins), environment_requests(os.environ)
    if not named and not ambient:
        return
    known_hashes = set(recorded["sha256"]["plugins"].values())
    known_modules = read(folder / "config.yaml", environment={}).plugins.modules
    for request in (*named, *ambient):
        path = request.path
        if path is None:
            known = request.target in known_modules
        else:
            known = path.is_file() and known_hashes.issuperset(file_hashes([path]).values())
        if known or (request in ambient and request.blocks):
            continue
        plugin = f"the plugin {request.name_or_path!r} in its current form"
        message = f"the run in {str(folder)!r} did not begin with {plugin}"
        if request in named:
            hint = "omit -p: the run folder holds the plugins with which the run began"
            raise ConfigError(f"-p: {message}", hint=hint)
        log.warning("%s: %s; it is not loaded", request.source, message)


def _differences(
    reading: LoadedExperiment, before: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[Problem]:
    """Yield a problem for each value that has changed, except for raised epochs."""
    for path, old, new in _unequal(before, now):
        if path == EPOCHS and isinstance(old, int) and new > old:
            continue
        if path[0] == "data" and without_paths([old, new]) == ["/", "/"]:
            continue  # a data file in another place: the contents are compared
        rule = "can only be raised: " if path == EPOCHS else ""
        yield reading.experiment.problem(
            show_key(path), f"{rule}the run has {_format_value(old)}, got {_format_value(new)}"
        )


def _unequal(before: Any, now: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any, Any]]:
    """Yield the path and the two values of each difference between nested mappings and lists."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            yield from _unequal(before.get(key, ABSENT), now.get(key, ABSENT), (*path, key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, pair in enumerate(zip(before, now, strict=True)):
            yield from _unequal(*pair, (*path, index))
    elif before != now or isinstance(before, bool) != isinstance(now, bool):
        yield path, before, now


def _format_value(value: Any) -> str:
    return "nothing" if value is ABSENT else abbreviate(json.dumps(value, ensure_ascii=False))


def _changed_files(kind: str, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each file whose hash has changed."""
    for name, change in changed_files(before, now):
        yield Problem("", "", f"{kind} file {name} {change} {link_change(change)} the run began")


def _raise_if_any(problems: Sequence[Problem]) -> None:
    """Raise a ConfigError if there are problems; the last one gets the hint."""
    if problems:
        hint = "only train.epochs may be raised when resuming; for other changes start a new run"
        raise ConfigError([*problems[:-1], problems[-1]._replace(hint=hint)])


def _check_state(assembly: Assembly, state: TrainingState, folder: Path) -> None:
    """Raise a CheckpointError if training on this experiment cannot have reached a state."""
    train, stop = assembly.data.train, assembly.experiment.stop
    n_rows = len(train.x if train.rows is None else train.rows)
    updates = state.epoch * -(-n_rows // fit_options(assembly.experiment, 1).rows_per_batch(len(train.x)))
    stopping = state.early_stopping
    keeps_best = (
        stop is not None and stop.restore_best and stopping is not None and stopping.best_epoch is not None
    )
    for what, expected, got in (
        ("updates", updates, state.updates),
        ("updates of the optimizer", updates, state.step),
        ("state of early stopping", stop is not None, stopping is not None),
        ("best weights", keeps_best, stopping is not None and stopping.best_parameters is not None),
    ):
        if expected != got:
            raise CheckpointError(
                f"the checkpoint of epoch {state.epoch} in {folder} does not fit its experiment: "
                f"{what}: expected {_format_value(expected)}, got {_format_value(got)}",
                hint="remove the checkpoint to resume from an earlier one",
            )


# -- warnings ---------------------------------------------------------------------------------------


def _warn_about_versions(assembly: Assembly, recorded: Mapping[str, Any]) -> None:
    """Warn about versions and CPU levels with which the bits may differ."""
    versions, level = recorded.get("versions", {}), recorded.get("cpu", {}).get("level")
    current_level = core.info()["level"]
    if versions.get("cygd") != version("cygd"):
        message = "the run began with cygd %s, this is %s: its bits may differ from here on"
        log.warning(message, versions.get("cygd"), version("cygd"))
    if versions.get("numpy") != np.__version__ and custom_components(assembly):
        message = "the run began with numpy %s, this is %s: results of plugins may differ from here on"
        log.warning(message, versions.get("numpy"), np.__version__)
    if level != current_level and "base" in (level, current_level):
        message = "the run began at CPU level %s, this is %s: its bits may differ from here on"
        log.warning(message, level, current_level)


def _warn_about_schedule(assembly: Assembly, state: TrainingState, epochs: int) -> None:
    """Warn if the learning rates so far would be different with the raised number of epochs."""
    schedule, now = assembly.experiment.schedule.component.start(), assembly.experiment.train.epochs
    if now == epochs or schedule.steady or schedule.watches:
        return
    learning_rate = float(assembly.experiment.optimizer.component.learning_rate)
    for epoch, row in enumerate([*state.rows, state.last][1:]):
        if learning_rate * schedule.factor(epoch, now) != row["learning_rate"]:
            log.warning(
                "the schedule %s depends on train.epochs: the first %d epochs used the learning rates of a "
                "run of %d epochs, so the result differs from that of a single run of %d",
                assembly.experiment.schedule.name,
                state.epoch,
                epochs,
                now,
            )
            return
