"""The configurations of a sweep: what `grid`, `zip`, `random`, `list` and `when` stand for.

A configuration is a set of changes to the base experiment, each a dotted key with the value's node, so that
an error names the place in the sweep where the value was written. The blocks add up; a key given several
values on the command line multiplies all of them, and takes the place of that key in the file.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cygd import config
from cygd.config.overrides import is_component, read_override
from cygd.config.sweep_section import SweepSection
from cygd.config.yaml.nodes import COMMAND_LINE, KeyPath, Mark, Node, parse_key, show_key
from cygd.config.yaml.reader import read_yaml
from cygd.errors import ConfigError, Problem, did_you_mean

__all__ = [
    "Axis",
    "Change",
    "Changes",
    "Conditions",
    "check_one_run",
    "configurations",
    "draw",
    "label",
    "read_axes",
    "values_of",
]

Change = tuple[KeyPath, Node]
Changes = tuple[Change, ...]


@dataclass(frozen=True)
class Axis:
    """A key with the values that it takes."""

    path: KeyPath
    values: tuple[Node, ...]


def label(path: KeyPath) -> str:
    """Write a key path as it is typed and as tables head it.

    Examples
    --------
    >>> label(("model", "layers", 0, "units"))
    'model.layers.0.units'
    """
    return ".".join(map(str, path))


def values_of(changes: Changes) -> dict[str, Any]:
    """Return the plain values of a configuration by their keys."""
    return {label(path): node.plain() for path, node in changes}


def read_axes(overrides: Sequence[str]) -> tuple[list[str], list[Axis]]:
    """Tell overrides with one value from those with several, KEY=V1,V2.

    The values are read as the items of a YAML list: `model.layers=[4, 1],[8, 1]` are two, `x=[1, 2]` is one.

    Raises
    ------
    ConfigError
        For what is no YAML.

    Examples
    --------
    >>> single, [axis] = read_axes(["train.epochs=5", "optimizer=sgd,adam"])
    >>> single, label(axis.path), [value.plain() for value in axis.values]
    (['train.epochs=5'], 'optimizer', ['sgd', 'adam'])
    """
    single: list[str] = []
    axes: list[Axis] = []
    problems: list[Problem] = []
    for override in overrides:
        key, _, text = override.partition("=")
        items = _items(text)
        if len(items) < 2 or parse_key(key.strip())[0] == "sweep":
            single.append(override)
            continue
        try:
            path, _ = read_override(f"{key}=")
        except ConfigError as error:
            problems += error.problems
        else:
            axes.append(Axis(path, tuple(items)))
    if problems:
        raise ConfigError(problems)
    return single, axes


def _items(text: str) -> list[Node]:
    """Return the values that stand behind KEY=, one or several; none where it is no list of values."""
    if "," not in text:
        return []
    try:
        node = read_yaml(f"[{text}]", COMMAND_LINE, [])
    except ConfigError:
        return []  # as one value it may be right, and if it is not, its own error says more
    return node.value if node is not None and isinstance(node.value, list) else []


def configurations(
    document: config.Document,
    section: SweepSection,
    axes: Sequence[Axis],
    fixed: Sequence[KeyPath],
    defaults: Mapping[str, Any],
) -> list[Changes]:
    """Return all configurations but those of `optuna`, each once, in the order in which they are written.

    Parameters
    ----------
    document : Document
        The base experiment, with its `sweep`.
    section : SweepSection
        The same, checked.
    axes : sequence of Axis
        Of the command line.
    fixed : sequence of KeyPath
        The keys that the command line gives one value.
    defaults : mapping
        The base experiment with its defaults filled in, which conditions look into.

    Raises
    ------
    ConfigError
        For a condition on a key that is not varied.
    """
    taken = {*fixed, *(axis.path for axis in axes)}
    found = [_without(taken, changes) for changes in _written(document, section)]
    if not found and (axes or not section.optuna):
        found = [()]  # the base experiment by itself
    crossed = [
        (*changes, *zip((axis.path for axis in axes), chosen, strict=True))
        for changes in found
        for chosen in itertools.product(*(axis.values for axis in axes))
    ]
    conditions = Conditions(document, defaults)
    conditions.check(varied(document, axes))
    return list({identity(changes): changes for changes in map(conditions.applied, crossed)}.values())


def varied(document: config.Document, axes: Sequence[Axis], fixed: Sequence[KeyPath] = ()) -> list[KeyPath]:
    """Return every key that a sweep varies, in the order in which they are written."""
    kinds = ("grid", "zip", "random", "list", "optuna")
    written = [parse_key(key) for kind in kinds for block in blocks(document, kind) for key in block.value]
    unfixed = [path for path in written if path not in fixed]
    return list(dict.fromkeys([*unfixed, *(axis.path for axis in axes)]))


def identity(changes: Changes) -> str:
    """Return a text that is equal for configurations with equal values."""
    return json.dumps(values_of(changes), sort_keys=True, default=repr)


def _without(paths: set[KeyPath], changes: Changes) -> Changes:
    return tuple(change for change in changes if change[0] not in paths)


def _written(document: config.Document, section: SweepSection) -> Iterator[Changes]:
    """Yield the configurations of the file, block by block."""
    for block in blocks(document, "grid"):
        yield from map(_ordered, itertools.product(*_lists(block)))
    for block in blocks(document, "zip"):
        yield from map(_ordered, zip(*_lists(block), strict=True))
    for number, block in enumerate(blocks(document, "random")):
        for sample in range(section.samples):
            yield _ordered(
                (parse_key(key), draw(node, f"{section.seed}/{number}/{key}/{sample}"))
                for key, node in block.value.items()
            )
    for block in blocks(document, "list"):
        yield _ordered((parse_key(key), node) for key, node in block.value.items())


def _lists(block: Node) -> list[list[Change]]:
    """Return the changes of each key of a block; an error about a key names the place of the key."""
    return [
        [(parse_key(key), Node(value.value, value.mark, node.key_mark)) for value in node.value]
        for key, node in block.value.items()
    ]


def _ordered(changes: Any) -> Changes:
    """Return changes with what lies further up first, so that nothing is written over."""
    return tuple(sorted(changes, key=lambda change: len(change[0])))


def blocks(document: config.Document, kind: str) -> list[Node]:
    """Return the mappings of a block: one mapping, or a list of them."""
    sweep = document.root.child("sweep")
    node = sweep and sweep.child(kind)
    if node is None or not node.value:
        return []
    return list(node.value) if isinstance(node.value, list) else [node]


def draw(distribution: Node, source: str) -> Node:
    """Return a value from `{uniform: [0, 1]}`; a source gives the same value whatever else is drawn."""
    [(name, given)] = distribution.value.items()
    chance = random.Random(source)
    if name == "choice":
        chosen = chance.choice(given.value)
        return Node(chosen.value, chosen.mark, distribution.key_mark)
    low, high = given.plain()
    value: float
    if name == "integers":
        value = chance.randint(low, high)
    elif name == "uniform":
        value = low + (high - low) * chance.random()
    else:
        value = math.exp(math.log(low) + (math.log(high) - math.log(low)) * chance.random())
        value = min(max(value, low), high)
    return Node(value, given.mark, distribution.key_mark)


class Conditions:
    """What `when` says: the keys that are varied only where other keys have certain values."""

    def __init__(self, document: config.Document, defaults: Mapping[str, Any]) -> None:
        self.document = document
        self.defaults = defaults
        self.of: dict[KeyPath, list[Change]] = {}
        self.marks: dict[KeyPath, Mark] = {}
        for block in blocks(document, "when"):
            for key, node in block.value.items():
                path = parse_key(key)
                self.marks[path] = node.key_mark or node.mark
                wanted = [(parse_key(other), value) for other, value in node.value.items()]
                self.of.setdefault(path, []).extend(wanted)

    def check(self, varied: Sequence[KeyPath]) -> None:
        """Raise a ConfigError for a condition on what is not varied."""
        known = [label(path) for path in varied]
        problems = [
            Problem(
                str(mark),
                f"sweep.when.{label(path)}",
                f"{label(path)!r} is not varied, so it has no condition",
                did_you_mean(label(path), known),
            )
            for path, mark in self.marks.items()
            if path not in varied
        ]
        if problems:
            raise ConfigError(problems)

    def applied(self, changes: Changes) -> Changes:
        """Return a configuration without the changes whose conditions do not hold."""
        while True:
            kept = tuple(change for change in changes if self._holds(change[0], changes))
            if len(kept) == len(changes):
                return kept
            changes = kept  # a condition may look at a key that has just gone

    def _holds(self, path: KeyPath, changes: Changes) -> bool:
        others = tuple(change for change in changes if change[0] != path)
        return all(
            _fits(self._value(other, others), wanted.plain()) for other, wanted in self.of.get(path, ())
        )

    def _value(self, path: KeyPath, changes: Changes) -> Any:
        """Return the value that a key has in a configuration."""
        for at, node in reversed(changes):
            if path[: len(at)] == at and (found := _inside(node.plain(), at, path)) is not _MISSING:
                return found
        found = _inside(self.document.root.plain(), (), path)
        return _inside(self.defaults, (), path) if found is _MISSING else found


_MISSING = object()


def _inside(value: Any, at: KeyPath, path: KeyPath) -> Any:
    """Return what stands at a path below a plain value, short forms included."""
    for number in range(len(at), len(path)):
        step, here = path[number], path[:number]
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, Mapping) and str(step) in value:
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        elif (isinstance(value, str) and step == "name" and is_component(here)) or (
            isinstance(value, int) and step == "units" and here[:2] == ("model", "layers")
        ):
            pass  # written short: adam for {name: adam}, 16 for {units: 16}
        else:
            return _MISSING
    return value


def _fits(value: Any, wanted: Any) -> bool:
    """Tell whether a value is the wanted one, or one of them; a component is known by its name."""
    if isinstance(wanted, list) and not isinstance(value, list):
        return any(_fits(value, one) for one in wanted)
    if isinstance(value, Mapping) and isinstance(wanted, str):
        value = value.get("name")
    if isinstance(value, bool) != isinstance(wanted, bool):
        return False
    return bool(value == wanted)


def nothing_to_sweep(document: config.Document) -> ConfigError:
    """Return the error for an experiment that says nothing of a sweep."""
    hint = "add sweep: {grid: {optimizer.learning_rate: [0.1, 0.5]}}, or optimizer.learning_rate=0.1,0.5"
    mark = document.where(("sweep",))
    return ConfigError([Problem(mark, show_key(("sweep",)), "nothing says what is to be varied", hint)])


def check_one_run(experiment: config.Experiment) -> None:
    """Raise a ConfigError for a configuration that stands for a run per fold."""
    split = experiment.data.split
    if split is not None and split.every_fold:
        what = f"a configuration of a sweep is one run, these are {split.folds}"
        numbers = ", ".join(map(str, range(1, (split.folds or 0) + 1)))
        hint = f"sweep over the folds as well: grid: {{data.split.fold: [{numbers}]}}"
        raise ConfigError([experiment.problem("data.split.folds", what, hint)])
