"""The plan of a sweep: its configurations and how they are compared.

A plan is made before anything runs. It is written to sweep.json, from which a sweep is resumed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cygd import config
from cygd.config.mapping_reader import read_mapping
from cygd.config.overrides import read_override
from cygd.config.sweep_section import SweepSection
from cygd.config.yaml.nodes import COMMAND_LINE, KeyPath, Mark, Node, parse_key
from cygd.data.sources.pipes import is_pipe
from cygd.errors import ConfigError, Problem
from cygd.plugins.discovery import Request
from cygd.plugins.manager import Plugins
from cygd.runner.assembly import LoadedExperiment, Source, read_document
from cygd.runner.relocation import follow, move_paths
from cygd.sweep.configurations import (
    Axis,
    Changes,
    blocks,
    check_single_run,
    dotted_key,
    expand,
    plain_values,
    read_axes,
    varied_keys,
)
from cygd.sweep.store import VERSION
from cygd.sweep.tasks import Task
from cygd.tracking.environment import file_hashes

SEED: KeyPath = ("seed",)
EPOCHS: KeyPath = ("train", "epochs")


@dataclass(frozen=True)
class Plan:
    """A sweep, validated as far as possible without running anything."""

    document: config.Document  # the base experiment with overrides applied
    plugins: tuple[str, ...]  # those named on the command line, files by absolute path
    axes: tuple[Axis, ...]
    fixed: tuple[KeyPath, ...]  # keys with one value on the command line, which are not varied
    reading: LoadedExperiment  # the base, or the first valid configuration if the base is invalid by itself
    configurations: tuple[Changes, ...]  # all except those of `optuna`, which are not known yet

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return self.reading.experiment.name

    @property
    def section(self) -> SweepSection:
        """The validated `sweep` section."""
        return _sweep_section(self.reading)

    @property
    def objective(self) -> str:
        """The metric by which runs are compared."""
        has_validation = self.reading.experiment.data.has_validation
        return self.section.objective or ("validation_loss" if has_validation else "loss")

    @property
    def greater_is_better(self) -> bool:
        """Whether the greatest objective is the best."""
        if self.section.mode != "auto":
            return self.section.mode == "max"
        name = self.objective.removeprefix("validation_").removeprefix("test_")
        metrics = [spec.component for spec in self.reading.experiment.metrics]
        return any(metric.greater_is_better for metric in metrics if metric.name == name)

    @cached_property
    def optuna_blocks(self) -> list[Node]:
        """The blocks of `optuna`, without the keys that the command line sets."""
        replaced = {*self.fixed, *(axis.path for axis in self.axes)}
        nodes = [
            Node(
                {key: below for key, below in node.value.items() if parse_key(key) not in replaced}, node.mark
            )
            for node in blocks(self.document, "optuna")
        ]
        return [node for node in nodes if node.value]

    def seed(self, changes: Changes) -> int | None:
        """Return the seed of a configuration, or None if it is not an integer."""
        value = self._seed_node(changes).value
        return value if isinstance(value, int) else None

    def _seed_node(self, changes: Changes) -> Node:
        return _last(changes, SEED) or self.document.root.child("seed") or Node(0, COMMAND_LINE)

    def epochs(self, changes: Changes) -> int:
        """Return the number of epochs of a configuration."""
        node = _last(changes, EPOCHS)
        if node is not None and isinstance(node.value, int):
            return node.value
        return self.reading.experiment.train.epochs

    @property
    def total(self) -> int:
        """The number of runs."""
        section = self.section
        return (len(self.configurations) + len(self.optuna_blocks) * section.samples) * section.repeat

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The varied keys."""
        return tuple(map(dotted_key, varied_keys(self.document, self.axes, self.fixed)))

    @property
    def base(self) -> config.Document:
        """The base experiment without its `sweep`, which a single run does not need."""
        root = self.document.root
        content = {key: node for key, node in root.value.items() if key != "sweep"}
        return replace(self.document, root=Node(content, root.mark, root.key_mark))

    def tasks(self) -> list[Task]:
        """Return the runs of all known configurations, with repetitions."""
        return [
            task
            for configuration, changes in enumerate(self.configurations)
            for task in self.repetitions(configuration, changes)
        ]

    def repetitions(self, configuration: int, changes: Changes) -> list[Task]:
        """Return the runs of a configuration; repetition n uses the seed of the configuration plus n."""
        repeat = self.section.repeat
        seed = self._seed_node(changes)
        tasks = []
        for repetition in range(repeat):
            number = configuration * repeat + repetition
            seeded = changes
            if repetition and isinstance(seed.value, int):
                others = tuple(change for change in changes if change[0] != SEED)
                seeded = (*others, (SEED, Node(seed.value + repetition, seed.mark)))
            folder = f"{number:04d}" if self.section.runs == "folders" else ""
            tasks.append(Task(number, configuration, seeded, plain_values(changes), folder))
        return tasks

    def to_json(self) -> dict[str, Any]:
        """Return the content of sweep.json: what resuming needs, and what it compares."""
        content = {
            "version": VERSION,
            "name": self.name,
            "source": self.document.source,
            "stem": self.document.stem,
            "folder": str(self.document.folder),
            "plugins": list(self.plugins),
            "axes": {dotted_key(axis.path): [node.plain() for node in axis.values] for axis in self.axes},
            "experiment": self.document.root.plain(),
            "fixed": [dotted_key(path) for path in self.fixed],
            "sha256": {
                "data": file_hashes(self.reading.experiment.data_files()),
                "plugins": file_hashes(self.reading.plugins.files),
            },
        }
        # as it is read back: tuples become lists, NumPy values numbers
        plain: dict[str, Any] = json.loads(
            json.dumps(content, default=lambda value: np.asarray(value).tolist())
        )
        return plain


def make_plan(source: Source, overrides: Sequence[str] = (), plugins: Sequence[str] = ()) -> Plan:
    """Read an experiment with a `sweep` section or overrides with several values.

    A sweep of which no configuration is valid raises the error of the first one.
    """
    single, axes = read_axes(overrides)
    document = config.read(source if isinstance(source, Mapping) else Path(source), single)
    absolute = tuple(_absolute(Request(name, "-p")) for name in plugins)
    plan = _build_plan(document, absolute, tuple(axes), tuple(_override_paths(single)))
    if pipe := next(filter(is_pipe, plan.reading.experiment.data_files()), None):
        message = f"{pipe}: a pipe can be read only once, but every process of a sweep reads the data"
        raise ConfigError(message, hint="save the data to a file, and name it: data.path=FILE")
    return plan


def restore_plan(content: Mapping[str, Any], directory: Path) -> Plan:
    """Return the plan that sweep.json holds; `directory` is the folder of the sweep, which may have moved."""
    root = read_mapping(content["experiment"], Mark(content["source"]))
    hashes = content["sha256"]["data"]
    before = Path(content.get("directory", directory))
    folder = Path(content["folder"])
    moved = Path(follow(str(folder), before, directory))
    if moved.is_dir() and not (folder.is_dir() and _has_files(hashes)):
        folder = moved
    plugins = tuple(_moved_plugin(name, before, directory) for name in content["plugins"])
    document = config.Document(content["source"], folder, content["stem"], root)
    document, _ = move_paths(document, before, directory, hashes)
    axes = [
        Axis(parse_key(key), tuple(read_mapping({"values": values}, COMMAND_LINE).value["values"].value))
        for key, values in content["axes"].items()
    ]
    fixed = map(parse_key, content["fixed"])
    return _build_plan(document, plugins, tuple(axes), tuple(fixed))


def _has_files(hashes: Mapping[str, str]) -> bool:
    """Return True if files have the recorded contents."""
    paths = [Path(name) for name in hashes]
    return all(path.is_file() for path in paths) and file_hashes(paths) == hashes


def _moved_plugin(name: str, before: Path, now: Path) -> str:
    """Return the present path of a plugin file; the name of a module stays."""
    is_lost = Path(name).is_absolute() and not Path(name).exists()
    moved = follow(name, before, now) if is_lost else name
    return moved if Path(moved).exists() else name


def _build_plan(
    document: config.Document, plugins: tuple[str, ...], axes: tuple[Axis, ...], fixed: tuple[KeyPath, ...]
) -> Plan:
    base: LoadedExperiment | None = None
    base_error: ConfigError | None = None
    try:
        base = read_document(document, plugins)
        section = _sweep_section(base)
    except ConfigError as error:  # a configuration may add what the base lacks
        base_error = error
        section = _sweep_section_alone(document, base_error)
    in_file = (section.grid, section.zip, section.random, section.list, section.optuna)
    if document.problems and base_error is not None:  # no configuration repairs a text that cannot be read
        raise base_error
    if not axes and not any(in_file) and section.repeat == 1:
        hint = "add sweep: {grid: {optimizer.learning_rate: [0.1, 0.5]}}, or optimizer.learning_rate=0.1,0.5"
        where = document.where(("sweep",))
        nothing_varies = Problem(where, "sweep", "expected at least one key to vary", hint)
        raise ConfigError([*(base_error.problems if base_error else ()), nothing_varies])
    defaults = base.experiment.resolved() if base else {}
    configurations = expand(document, section, axes, fixed, defaults)
    if not configurations and base_error is not None:
        raise base_error
    valid = _first_valid(document, plugins, base, configurations)
    return Plan(document, plugins, axes, fixed, base or valid, tuple(configurations))


def _sweep_section(reading: LoadedExperiment) -> SweepSection:
    return reading.experiment.sweep or SweepSection.read(None, reading.plugins)


def _sweep_section_alone(document: config.Document, error: ConfigError) -> SweepSection:
    """Validate the `sweep` section of an experiment that is invalid; raise its error if both are."""
    node = document.root.child("sweep")
    try:
        return SweepSection.read(node and node.plain(), Plugins())
    except ValueError:
        raise error from None


def _first_valid(
    document: config.Document,
    plugins: tuple[str, ...],
    base: LoadedExperiment | None,
    configurations: Sequence[Changes],
) -> LoadedExperiment:
    """Return the first valid configuration; if there is none, raise the error of the first one."""
    first_error: ConfigError | None = None
    registry = None if base is None else base.plugins
    for changes in configurations:
        varies_plugins = any(path[0] == "plugins" for path, _ in changes)
        load = Plugins.load if registry is None or varies_plugins else (lambda _: registry)
        try:
            reading = read_document(document.changed(changes), plugins, load=load)
            check_single_run(reading.experiment)
        except ConfigError as error:
            first_error = first_error or error
        else:
            return reading
    if first_error is not None:
        raise first_error
    assert base is not None  # only `optuna`, whose configurations are not known yet
    return base


def _last(changes: Changes, path: KeyPath) -> Node | None:
    """Return the value that a configuration sets at a path, if any."""
    return next((node for key, node in reversed(changes) if key == path), None)


def _override_paths(overrides: Sequence[str]) -> Iterator[KeyPath]:
    """Yield the keys of overrides; reading the document has reported the invalid ones."""
    for override in overrides:
        with suppress(ConfigError):
            path, _ = read_override(override)
            yield path


def _absolute(request: Request) -> str:
    """Return the text of a plugin request with an absolute path, if it names a file."""
    if request.path is None:
        return request.name_or_path
    return f"no:{request.path}" if request.blocks else str(request.path)
