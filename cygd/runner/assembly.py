"""From an experiment file to everything that an update needs, and every check on the way.

`cygd run`, `check` and `trace` share these steps; whatever is wrong is found here, before there is a
run folder. Read -> plugins -> validate -> data -> do data and model fit? -> network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cygd import config
from cygd.components import Component
from cygd.data import PreparedData, prepare
from cygd.data.sources.paths import display_path
from cygd.errors import ConfigError, CygdError, DataError, PluginError, Problem
from cygd.network import Layer, Network
from cygd.plugins.discovery import (
    Request,
    environment_requests,
    installed_entry_points,
    matches,
    option_requests,
)
from cygd.plugins.manager import Plugins

__all__ = [
    "Assembly",
    "Reading",
    "Source",
    "assemble",
    "build_network",
    "complete",
    "judge",
    "read",
    "resolved",
]

Source = str | os.PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """An experiment that is valid in itself, before its data is looked at.

    Attributes
    ----------
    experiment : config.Experiment
        With defaults filled in and components resolved.
    plugins : Plugins
        Everything that is loaded.
    requests : tuple of Request
        The plugins that somebody named, in the order in which they were loaded.
    """

    experiment: config.Experiment
    plugins: Plugins
    requests: tuple[Request, ...]


@dataclass(frozen=True)
class Assembly(Reading):
    """An experiment with its data, and a network with its initial weights.

    Attributes
    ----------
    data : PreparedData
        The rows for training, validation and test.
    network : Network
        Nothing has been learned yet.
    """

    data: PreparedData
    network: Network


def read(
    source: Source,
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Reading:
    """Read an experiment, load its plugins and validate it.

    `environment` says which plugins are loaded besides; `os.environ` by default.

    Raises
    ------
    ConfigError, PluginError
        Whatever is wrong with it, everything at once.
    """
    values = [overrides] if isinstance(overrides, str) else overrides
    document = config.read(source if isinstance(source, Mapping) else Path(source), values)
    return judge(document, plugins, environment)


def judge(
    document: config.Document,
    plugins: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    load: Callable[[Sequence[Request]], Plugins] | None = None,
) -> Reading:
    """Load the plugins of a document and validate it; `load` returns the registry for what is asked.

    Raises
    ------
    ConfigError, PluginError
        Whatever is wrong with it, everything at once.
    """
    asked = [Request(name, where, folder) for name, where, folder in document.plugin_requests]
    asked += option_requests(plugins)
    environment = os.environ if environment is None else environment
    try:
        registry = Plugins.load(asked, environment=environment) if load is None else load(asked)
    except PluginError as error:
        raise _with_the_rest(error, document) from error
    experiment = config.validate(document, registry)
    problems = list(_pointers(experiment, registry))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return Reading(experiment, registry, (*environment_requests(environment), *asked))


def _with_the_rest(error: PluginError, document: config.Document) -> CygdError:
    """Return the error of a plugin, together with what is wrong with the experiment beside it.

    Of components that are not built in nothing is known then, so nothing is said of them.
    """
    found = _BuiltInsAlone()
    try:
        config.validate(document, found)
    except ConfigError as rest:
        problems = [problem for problem in rest.problems if problem.message not in found.missed]
        if problems:
            return ConfigError([Problem("", "", error.message, error.hint), *problems])
    return error


class _BuiltInsAlone:
    """Finds the built-in components, and remembers what it said of others."""

    def __init__(self) -> None:
        self.plugins = Plugins.load(environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})
        self.missed: set[str] = set()

    def get(self, kind: str, name: str) -> Component:
        try:
            return self.plugins.get(kind, name)
        except CygdError as error:
            self.missed.add(error.message)
            raise

    def from_formula(self, kind: str, spec: Mapping[str, object]) -> Component:
        return self.plugins.from_formula(kind, spec)


def assemble(
    source: Source,
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Assembly:
    """Read an experiment with its data and build its network.

    Raises
    ------
    ConfigError, DataError, PluginError
        Whatever is wrong.
    """
    return complete(read(source, overrides, plugins, environment))


def complete(
    reading: Reading, prepare: Callable[[config.Experiment, Plugins], PreparedData] = prepare
) -> Assembly:
    """Give an experiment its data and its network; `prepare` returns the data.

    Raises
    ------
    ConfigError, DataError, PluginError
        Whatever does not fit.
    """
    experiment = reading.experiment
    try:
        prepared = prepare(experiment, reading.plugins)
    except DataError as error:
        error.where = _naming(error, experiment)
        raise
    problems = list(_misfits(experiment, prepared))
    if problems:
        raise ConfigError(problems)
    network = build_network(experiment, prepared.train.x.shape[1], reading.plugins)
    return Assembly(reading.experiment, reading.plugins, reading.requests, prepared, network)


def build_network(experiment: config.Experiment, n_inputs: int, plugins: Plugins) -> Network:
    """Return the network that an experiment describes, with its initial weights."""
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


def resolved(reading: Reading, copy: Callable[[Path], str] = str) -> dict[str, Any]:
    """Return an experiment as config.yaml holds it: nothing left to the folder or the environment.

    Parameters
    ----------
    reading : Reading
        The experiment.
    copy : callable
        Takes a plugin file to where it is kept, and returns the name by which to find it there.
    """
    blocks = any(request.blocks for request in reading.requests)
    points = installed_entry_points() if blocks else []  # a search of every distribution
    plugins = []
    for request in reading.requests:
        if request.blocks:
            # a file that is kept out is simply not named; only what is installed would come by itself
            if any(matches(request.target, point) for point in points):
                plugins.append(f"no:{request.target}")
        elif request.path is None:
            if request.target in reading.plugins.modules:
                plugins.append(request.target)
        elif request.path in reading.plugins.files:
            plugins.append(str(request.path))
    kept = {str(path): copy(path) for path in reading.plugins.files}
    unique = dict.fromkeys(plugins)
    return {**reading.experiment.resolved(), "plugins": [kept.get(name, name) for name in unique]}


def _naming(error: DataError, experiment: config.Experiment) -> str:
    """Return where the experiment names the file or the option that an error is about, `place key`."""
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


def _pointers(experiment: config.Experiment, plugins: Plugins) -> Iterator[Problem]:
    """Yield a problem for each layer whose activation is a pointer for the other dtype."""
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


def _misfits(experiment: config.Experiment, prepared: PreparedData) -> Iterator[Problem]:
    """Yield what is wrong between the data and the model, beyond the last layer's units."""
    n_inputs, first = prepared.train.x.shape[1], experiment.model.layers[0]
    if first.weights is not None and len(first.weights) != n_inputs:
        yield experiment.problem(
            "model.layers.0.weights",
            f"{_plural(len(first.weights), 'row')}, but there are {_plural(n_inputs, 'input')} "
            f"({_few(prepared.inputs)})",
            "one row for each input, one column for each unit",
        )
    parts = [part for part in (prepared.train, prepared.validation, prepared.test) if part is not None]
    for y in {id(part.y): part.y for part in parts}.values():
        try:
            experiment.loss.component.check_targets(y)
        except DataError as error:
            yield experiment.problem("loss", error.message, error.hint)
            return


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _few(names: Sequence[str], most: int = 6) -> str:
    listed = ", ".join(names[:most])
    return f"{listed}, ..." if len(names) > most else listed
