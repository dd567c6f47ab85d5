"""What a sweep is going to do, known before anything runs and written down so that it can go on later."""

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
from cygd.errors import ConfigError
from cygd.plugins.discovery import Request
from cygd.plugins.manager import Plugins
from cygd.runner.assembly import Reading, Source, read_document
from cygd.sweep.configurations import (
    Axis,
    Changes,
    blocks,
    check_one_run,
    configurations,
    label,
    nothing_to_sweep,
    read_axes,
    values_of,
    varied,
)
from cygd.sweep.store import VERSION
from cygd.sweep.worker import Task
from cygd.tracking.environment import file_hashes

__all__ = ["Plan", "make_plan", "plan_again"]

SEED: KeyPath = ("seed",)


@dataclass(frozen=True)
class Plan:
    """A sweep, checked as far as it can be without running anything.

    Attributes
    ----------
    document : Document
        The base experiment, overrides applied.
    plugins : tuple of str
        Those that the command line asks for, files by their whole paths.
    axes : tuple of Axis
        The keys that the command line gives several values.
    fixed : tuple of KeyPath
        The keys that it gives one value, which are not varied then.
    reading : Reading
        The base experiment, or the first configuration that is valid.
    configurations : tuple of Changes
        All but those of `optuna`, which are not known yet.
    """

    document: config.Document
    plugins: tuple[str, ...]
    axes: tuple[Axis, ...]
    fixed: tuple[KeyPath, ...]
    reading: Reading
    configurations: tuple[Changes, ...]

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return self.reading.experiment.name

    @property
    def section(self) -> SweepSection:
        """What the key `sweep` says."""
        return self.reading.experiment.sweep or SweepSection.read(None, self.reading.plugins)

    @property
    def objective(self) -> str:
        """The measured value by which configurations are compared."""
        default = "validation_loss" if _validates(self.reading) else "loss"
        return self.section.objective or default

    @property
    def greater_is_better(self) -> bool:
        """Whether the best objective is the greatest."""
        if self.section.mode != "auto":
            return self.section.mode == "max"
        bare = self.objective.removeprefix("validation_").removeprefix("test_")
        metrics = [spec.component for spec in self.reading.experiment.metrics]
        return any(metric.greater_is_better for metric in metrics if metric.name == bare)

    @cached_property
    def optuna(self) -> list[Node]:
        """The blocks of keys that Optuna varies."""
        taken = {*self.fixed, *(axis.path for axis in self.axes)}
        found = [
            Node({key: below for key, below in node.value.items() if parse_key(key) not in taken}, node.mark)
            for node in blocks(self.document, "optuna")
        ]
        return [node for node in found if node.value]

    def seed(self, changes: Changes) -> int | None:
        """Return the seed of a run, where it is one."""
        own = self._own_seed(changes)
        return own.value if isinstance(own.value, int) else None

    def _own_seed(self, changes: Changes) -> Node:
        given = next((node for path, node in reversed(changes) if path == SEED), None)
        return given or self.document.root.child("seed") or Node(0, COMMAND_LINE)

    def epochs(self, changes: Changes) -> int:
        """Return for how many epochs a configuration is trained."""
        key = ("train", "epochs")
        given = next((node.value for path, node in reversed(changes) if path == key), None)
        return given if isinstance(given, int) else self.reading.experiment.train.epochs

    @property
    def total(self) -> int:
        """How many runs there will be."""
        section = self.section
        return (len(self.configurations) + len(self.optuna) * section.samples) * section.repeat

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys that are varied."""
        return tuple(label(path) for path in varied(self.document, self.axes, self.fixed))

    @property
    def base(self) -> config.Document:
        """The experiment without its `sweep`, which no run has to read."""
        root = self.document.root
        kept = {key: node for key, node in root.value.items() if key != "sweep"}
        return replace(self.document, root=Node(kept, root.mark, root.key_mark))

    def tasks(self) -> list[Task]:
        """Return the runs, each configuration as often as it is repeated."""
        repeat = self.section.repeat
        return [
            self.task(index * repeat + turn, index, changes, turn)
            for index, changes in enumerate(self.configurations)
            for turn in range(repeat)
        ]

    def task(self, number: int, configuration: int, changes: Changes, turn: int = 0) -> Task:
        """Return a run; the seed of the n-th repetition is n above that of the configuration."""
        seeded = changes
        if turn:
            own = self._own_seed(changes)
            if isinstance(own.value, int):
                kept = tuple(change for change in changes if change[0] != SEED)
                seeded = (*kept, (SEED, Node(own.value + turn, own.mark)))
        folder = f"{number:04d}" if self.section.runs == "folders" else ""
        return Task(number, configuration, seeded, values_of(changes), folder)

    def content(self) -> dict[str, Any]:
        """Return what sweep.json holds: all that it takes to go on, and to see whether it is the same."""
        experiment = self.reading.experiment
        content = {
            "version": VERSION,
            "name": self.name,
            "source": self.document.source,
            "stem": self.document.stem,
            "folder": str(self.document.folder),
            "plugins": list(self.plugins),
            "axes": {label(axis.path): [node.plain() for node in axis.values] for axis in self.axes},
            "experiment": self.document.root.plain(),
            "fixed": [label(path) for path in self.fixed],
            "sha256": {
                "data": file_hashes(experiment.data_files()),
                "plugins": file_hashes(self.reading.plugins.files),
            },
        }
        kept: dict[str, Any] = json.loads(json.dumps(content, default=_plain))
        return kept


def make_plan(source: Source, overrides: Sequence[str] = (), plugins: Sequence[str] = ()) -> Plan:
    """Read a sweep.

    Raises
    ------
    ConfigError, PluginError
        It is not valid, or none of its configurations is.
    """
    single, axes = read_axes(overrides)
    document = config.read(source if isinstance(source, Mapping) else Path(source), single)
    requests = [Request(name, "-p") for name in plugins]
    absolute = [
        name if request.path is None else _absolute(request)
        for name, request in zip(plugins, requests, strict=True)
    ]
    fixed = [path for path, _ in map(read_override, _readable(single))]
    return _plan(document, tuple(absolute), tuple(axes), tuple(fixed))


def plan_again(content: Mapping[str, Any]) -> Plan:
    """Return the plan that was written down.

    Raises
    ------
    ConfigError, PluginError
        It is no longer valid.
    """
    mark = Mark(content["source"])
    document = config.Document(
        content["source"], Path(content["folder"]), content["stem"], read_mapping(content["experiment"], mark)
    )
    axes = [
        Axis(parse_key(key), tuple(read_mapping({"values": values}, COMMAND_LINE).value["values"].value))
        for key, values in content["axes"].items()
    ]
    fixed = tuple(map(parse_key, content["fixed"]))
    return _plan(document, tuple(content["plugins"]), tuple(axes), fixed)


def _plan(
    document: config.Document, plugins: tuple[str, ...], axes: tuple[Axis, ...], fixed: tuple[KeyPath, ...]
) -> Plan:
    base, wrong = _base(document, plugins)
    section = _section(document, base, wrong)
    written = (section.grid, section.zip, section.random, section.list, section.optuna)
    if not axes and not any(written) and section.repeat == 1:
        raise nothing_to_sweep(document)
    defaults = base.experiment.resolved() if base else {}
    found = configurations(document, section, axes, fixed, defaults)
    if not found and wrong is not None:
        raise wrong
    reading = _first_valid(document, plugins, base, found)
    return Plan(document, plugins, axes, fixed, reading, tuple(found))


def _base(document: config.Document, plugins: tuple[str, ...]) -> tuple[Reading | None, ConfigError | None]:
    """Return the base experiment; it need not be valid by itself."""
    try:
        return read_document(document, plugins), None
    except ConfigError as error:
        return None, error


def _section(document: config.Document, base: Reading | None, wrong: ConfigError | None) -> SweepSection:
    """Return the sweep, which must be sound whatever the base lacks."""
    if base is not None:
        return base.experiment.sweep or SweepSection.read(None, base.plugins)
    assert wrong is not None
    node = document.root.child("sweep")
    try:
        return SweepSection.read(node and node.plain(), Plugins())
    except ValueError:
        raise wrong from None


def _first_valid(
    document: config.Document, plugins: tuple[str, ...], base: Reading | None, found: Sequence[Changes]
) -> Reading:
    """Return the first valid experiment; where no configuration is valid, the first one says why."""
    first: ConfigError | None = None
    registry = None if base is None else base.plugins
    for changes in found:
        own = any(path[0] == "plugins" for path, _ in changes)
        load = Plugins.load if registry is None or own else (lambda _: registry)
        try:
            reading = read_document(document.changed(changes), plugins, load=load)
            check_one_run(reading.experiment)
        except ConfigError as error:
            first = first or error
        else:
            return base or reading
    if first is not None:
        raise first
    assert base is not None
    return base


def _validates(reading: Reading) -> bool:
    data = reading.experiment.data
    return data.validation is not None or (data.split is not None and data.split.validates)


def _readable(overrides: Sequence[str]) -> Iterator[str]:
    """Yield the overrides that can be read; what is wrong with the others, the document says."""
    for override in overrides:
        with suppress(ConfigError):
            read_override(override)
            yield override


def _absolute(request: Request) -> str:
    path = str(request.path)
    return f"no:{path}" if request.blocks else path


def _plain(value: Any) -> Any:
    return np.asarray(value).tolist()
