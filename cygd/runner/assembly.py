"""Read an experiment, then build its data and network.

`cygd run`, `check` and `trace` share these steps, and every error of the experiment is raised here, before
a run folder exists:

    read:   YAML -> plugins -> validation -> LoadedExperiment
    build:  LoadedExperiment -> data -> do the data fit the model? -> network -> Assembly
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cygd import config
from cygd.components import Component
from cygd.data import PreparedData, Preprocessing, prepare
from cygd.data.containers import read_stream
from cygd.data.sources.frame import check_named_columns, with_tables
from cygd.data.sources.paths import display_path
from cygd.errors import ConfigError, CygdError, DataError, PluginError, Problem
from cygd.network import Layer, Network, evaluation
from cygd.plugins.discovery import (
    Request,
    environment_requests,
    forbids_plugins,
    installed_entry_points,
    matches,
    option_requests,
)
from cygd.plugins.manager import Plugins
from cygd.runner.relocation import missing_file_option, relocate

Source = str | os.PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True)
class LoadedExperiment:
    """A validated experiment with its plugins; its data have not been read yet."""

    experiment: config.Experiment
    plugins: Plugins
    requests: tuple[Request, ...]  # the plugins that the user named, in loading order
    # plugin file -> the copy to use in its place when the file is copied again: the folds of a
    # cross-validation share their imported plugins, so they must not copy a file edited in the meantime
    plugin_copies: Mapping[Path, Path] = field(default_factory=dict, kw_only=True, repr=False)
    # recorded path of a data file -> its present one, for a run folder that was moved
    moved: Mapping[str, str] = field(default_factory=dict, kw_only=True, repr=False)

    def resolved(self, name_plugin: Callable[[Path], str] = str) -> dict[str, Any]:
        """Return the content of config.yaml, which depends on neither folder nor environment.

        `name_plugin` returns the name under which config.yaml lists a plugin file; it may copy the file.
        """
        names = {str(path): name_plugin(self.plugin_copies.get(path, path)) for path in self.plugins.files}
        return {
            **self.experiment.resolved(),
            "plugins": [names.get(plugin, plugin) for plugin in dict.fromkeys(self._named_plugins())],
        }

    def _named_plugins(self) -> Iterator[str]:
        """Yield the plugins to list in config.yaml: blocks, modules, and files by absolute path."""
        blocks = any(request.blocks for request in self.requests)
        points = installed_entry_points() if blocks else []  # searches every installed distribution
        for request in self.requests:
            if request.blocks:
                # a blocked file need not be listed: only installed plugins load without being named
                if any(matches(request.target, point) for point in points):
                    yield f"no:{request.target}"
            elif request.path is None:
                if request.target in self.plugins.modules:
                    yield request.target
            elif request.path in self.plugins.files:
                yield str(request.path)


@dataclass(frozen=True)
class Assembly(LoadedExperiment):
    """An experiment with its data and its untrained network."""

    data: PreparedData
    network: Network


def assemble(
    source: Source,
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    data: Any = None,
) -> Assembly:
    """Read an experiment and build its data and network."""
    return build(read(source, overrides, plugins, environment, data))


# -- read -------------------------------------------------------------------------------------------


def read(
    source: Source,  # a YAML file, or its content
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),  # loaded in addition to those that the experiment names
    environment: Mapping[str, str] | None = None,  # controls plugin loading; None: os.environ
    data: Any = None,  # a data frame that replaces the source of the data
) -> LoadedExperiment:
    """Read an experiment, load its plugins and validate it; the error lists every problem."""
    values = [overrides] if isinstance(overrides, str) else overrides
    document = config.read(with_tables(source) if isinstance(source, Mapping) else Path(source), values)
    if data is not None:
        check_named_columns(data)
        document = document.with_frame(read_stream(data))
    moved: Mapping[str, str] = {}
    if not isinstance(source, Mapping) and Path(source).name == "config.yaml":
        document, moved = relocate(document)
    return replace(read_document(document, plugins, environment), moved=moved)


def read_document(
    document: config.Document,
    plugins: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    load: Callable[[Sequence[Request]], Plugins] | None = None,  # None: Plugins.load
    valid_sections: config.ValidSections | None = None,  # of an earlier document of the same sweep
) -> LoadedExperiment:
    """Load the plugins of a document and validate it; the error lists every problem."""
    environment = os.environ if environment is None else environment
    named = [Request(name, where, folder) for name, where, folder in document.plugin_requests]
    forbidden = [request for request in named if forbids_plugins(environment) and not request.blocks]
    asked = [*(request for request in named if request not in forbidden), *option_requests(plugins)]
    try:
        registry = Plugins.load(asked, environment=environment) if load is None else load(asked)
    except PluginError as error:
        raise _with_config_problems(error, document) from error
    try:
        experiment = config.validate(document, registry, valid_sections)
    except ConfigError as error:
        if forbidden:
            raise ConfigError([*error.problems, *map(_forbidden_problem, forbidden)]) from error
        raise
    problems = list(_pointer_problems(experiment, registry))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return LoadedExperiment(experiment, registry, (*environment_requests(environment), *asked))


def _forbidden_problem(request: Request) -> Problem:
    message = f"the plugin {request.target!r} was not executed, because plugins of experiments are forbidden"
    hint = "if you trust its code, name it with -p"
    return Problem(request.source, "", message, hint)


def _with_config_problems(error: PluginError, document: config.Document) -> CygdError:
    """Return a plugin error together with the problems of the experiment.

    Components that are not built in are skipped: without the plugins they cannot be checked.
    """
    components = _BuiltInComponents()
    try:
        config.validate(document, components)
    except ConfigError as invalid:
        problems = [problem for problem in invalid.problems if problem.message not in components.unknown]
        if problems:
            return ConfigError([Problem("", "", error.message, error.hint), *problems])
    return error


class _BuiltInComponents:
    """The built-in components; records the error messages for all other names."""

    def __init__(self) -> None:
        self.plugins = Plugins.load(environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})
        self.unknown: set[str] = set()

    def get(self, kind: str, name: str) -> Component:
        try:
            return self.plugins.get(kind, name)
        except CygdError as error:
            self.unknown.add(error.message)
            raise

    def from_formula(self, kind: str, spec: Mapping[str, object]) -> Component:
        return self.plugins.from_formula(kind, spec)


def _pointer_problems(experiment: config.Experiment, plugins: Plugins) -> Iterator[Problem]:
    """Yield a problem for each layer whose activation is a function pointer of the other dtype."""
    for index, layer in enumerate(experiment.model.layers):
        pointers = layer.activation.component.pointers
        if pointers is None:
            continue
        try:
            pointers.of(experiment.model.dtype)
        except ConfigError as error:
            [problem] = error.problems
            path = ("model", "layers", index, "activation")
            own = experiment.document.root.nearest(path)[1] == len(path)
            entry = plugins.entry("activation", layer.activation.name)
            yield experiment.problem(
                f"model.layers[{index}].activation" if own else "model.activation",
                f"plugin {entry.plugin!r} ({entry.origin}): {problem.message}",
                problem.hint,
            )


def n_folds(reading: LoadedExperiment) -> int:
    """Return the number of folds to run, or 0 if the experiment is a single run."""
    split = reading.experiment.data.split
    return split.folds or 0 if split is not None and split.every_fold else 0


# -- build ------------------------------------------------------------------------------------------


def build(
    reading: LoadedExperiment,
    fold: int | None = None,  # of a cross-validation, counted from 1
    prepare: Callable[[config.Experiment, Plugins], PreparedData] = prepare,
) -> Assembly:
    """Prepare the data of an experiment and build its network; raise if the data do not fit the model."""
    experiment = reading.experiment
    if fold is not None:  # as the override `data.split.fold=N` would
        assert experiment.data.split is not None
        split = experiment.data.split.replace(fold=fold)
        experiment = experiment.replace(data=experiment.data.replace(split=split))
    try:
        prepared = prepare(experiment, reading.plugins)
    except DataError as error:
        error.where = _option_location(error, experiment)
        missing = missing_file_option(experiment.document)
        if missing:
            hint = f"if the data were moved, name their new place: {missing}=PATH"
            error.hint = f"{error.hint}; {hint}" if error.hint else hint
        raise
    problems = list(_data_problems(experiment, prepared))
    problems += [] if problems else _metric_problems(experiment, prepared)
    if problems:
        raise ConfigError(problems)
    return Assembly(
        experiment,
        reading.plugins,
        reading.requests,
        prepared,
        build_network(experiment, prepared.train.x.shape[1], reading.plugins),
        plugin_copies=reading.plugin_copies,
        moved=reading.moved,
    )


def build_network(experiment: config.Experiment, n_inputs: int, plugins: Plugins) -> Network:
    """Return the network of an experiment, with its initial weights."""
    layers = [
        Layer(
            units=layer.units,
            activation=layer.activation.component,
            bias=layer.bias if isinstance(layer.bias, bool) else np.array(layer.bias),
            initializer=layer.initializer.component,
            weights=None if layer.weights is None else np.array(layer.weights),
            dropout=layer.dropout,
            l1=layer.l1,
            l2=layer.l2,
        )
        for layer in experiment.model.layers
    ]
    return Network(
        n_inputs,
        layers,
        loss=experiment.loss.component,
        dtype=experiment.model.dtype,
        seed=experiment.seed,
        components=plugins,
    )


def _option_location(error: DataError, experiment: config.Experiment) -> str:
    """Return where the experiment sets the file or option of a data error, as `file:line:column key`."""
    data = experiment.data
    parts = {"data": data.options, "data.validation": data.validation, "data.test": data.test}
    named = [
        (f"{at}.{key}", value) for at, options in parts.items() for key, value in (options or {}).items()
    ]
    # a message begins with the file, `a.csv: no such file`, or with the option, `x[1]: expected 2 values`
    option = re.match(r"(\w+)((\[\d+\])*)[: ]", error.message)
    found = [
        key
        for key, value in named
        if isinstance(value, str) and error.message.startswith(f"{display_path(experiment.folder / value)}: ")
    ] or [f"{key}{option[2]}" for key, _ in named if option and key.endswith(f".{option[1]}")]
    return f"{experiment.where(found[0])} {found[0]}" if len(found) == 1 else ""


def _data_problems(experiment: config.Experiment, prepared: PreparedData) -> Iterator[Problem]:
    """Yield the mismatches between the data and the given weights or the loss."""
    n_inputs, first = prepared.train.x.shape[1], experiment.model.layers[0]
    if first.weights is not None and len(first.weights) != n_inputs:
        rows = "1 row" if n_inputs == 1 else f"{n_inputs} rows"
        inputs = ", ".join(prepared.inputs[:6]) + (", ..." if len(prepared.inputs) > 6 else "")
        yield experiment.problem(
            "model.layers.0.weights",
            f"expected {rows}, one for each input ({inputs}), got {len(first.weights)}",
            "write one row for each input and one column for each unit",
        )
    parts = [part for part in (prepared.train, prepared.validation, prepared.test) if part is not None]
    for y in {id(part.y): part.y for part in parts}.values():
        try:
            experiment.loss.component.check_targets(y)
        except DataError as error:
            yield experiment.problem("loss", error.message, error.hint)
            return


def target_units(preprocessing: Preprocessing) -> evaluation.Units | None:
    """Return the original units of the targets, if preprocessing scales them."""
    if not preprocessing.target_scale:
        return None
    return evaluation.Units(np.array(preprocessing.target_scale), np.array(preprocessing.target_shift))


def _metric_problems(experiment: config.Experiment, prepared: PreparedData) -> Iterator[Problem]:
    """Yield the metrics that the targets do not fit, and a monitor or objective without a value."""
    metrics = [spec.component for spec in experiment.metrics]
    units = target_units(prepared.preprocessing)
    targets = evaluation.find_targets(metrics, experiment.loss.component, prepared.train, units)
    parts = {"": prepared.train, "validation_": prepared.validation, "test_": prepared.test}
    watching = {
        "stop.monitor": experiment.stop and experiment.stop.monitor,
        "sweep.objective": experiment.sweep and experiment.sweep.objective,
    }
    for prefix, part in parts.items():
        if part is None or not metrics:
            continue
        y, _ = evaluation.counted_targets(part, units)
        for index, metric in enumerate(metrics):
            name = prefix + metric.name
            try:
                metric.check_targets(y, targets)
            except DataError as error:
                yield experiment.problem(f"metrics[{index}]", error.message, error.hint)
                return
            keys = [key for key, watched in watching.items() if watched == name]
            if keys and not metric.is_defined(y, targets):
                message = f"{name} cannot be computed on the {prefix.strip('_') or 'training'} rows"
                yield experiment.problem(keys[0], message, f"it needs {metric.needs}")
