"""Expand the blocks `grid`, `zip`, `random`, `list` and `when` of a sweep into configurations.

A configuration is a set of changes to the base experiment. Each change is a dotted key with the node of its
value, so that an error names the line of the sweep in which the value is written. The configurations of the
blocks are added up; a key with several values on the command line multiplies all of them and replaces that
key in the file.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cygd import config
from cygd.config.overrides import is_component, read_override
from cygd.config.sweep_section import SweepSection
from cygd.config.yaml.nodes import COMMAND_LINE, KeyPath, Mark, Node, parse_key, show_key
from cygd.config.yaml.reader import read_yaml
from cygd.errors import ConfigError, Problem, did_you_mean

MAX_RUNS = 1_000_000
MAX_LISTED = 20  # folds in a hint

Change = tuple[KeyPath, Node]
Changes = tuple[Change, ...]


@dataclass(frozen=True)
class Axis:
    """A key with several values on the command line."""

    path: KeyPath
    values: tuple[Node, ...]


def dotted_key(path: KeyPath) -> str:
    """Return a key path as it is written on the command line: `model.layers.0.units`."""
    return ".".join(map(str, path))


def plain_values(changes: Changes) -> dict[str, Any]:
    """Return the plain values of a configuration by dotted keys."""
    return {dotted_key(path): node.plain() for path, node in changes}


def read_axes(overrides: Sequence[str]) -> tuple[list[str], list[Axis]]:
    """Split overrides into those with one value and those with several, KEY=V1,V2.

    The values are read as the items of a YAML list: `model.layers=[4, 1],[8, 1]` has two, `x=[1, 2]` has one.
    Of two overrides of one key the later one counts, as in a single run.
    """
    single: list[str] = []
    axes: list[Axis] = []
    problems: list[Problem] = []
    for override in overrides:
        key, _, text = override.partition("=")
        values = _read_items(text)
        with suppress(ConfigError):  # reported below, or when the experiment is read
            problems += _replace_axes(axes, override)
        if len(values) < 2 or parse_key(key.strip())[0] == "sweep":
            single.append(override)
            continue
        try:
            path, _ = read_override(f"{key}=")
        except ConfigError as error:
            problems += error.problems
        else:
            axes.append(Axis(path, tuple(values)))
    if problems:
        raise ConfigError(problems)
    return single, axes


def _replace_axes(axes: list[Axis], override: str) -> Iterator[Problem]:
    """Remove the axis of a key that a later override sets again; report axes below a key that it replaces."""
    key, _, text = override.partition("=")
    path = parse_key(key.strip())
    axes[:] = [axis for axis in axes if axis.path != path]
    below = [axis for axis in axes if axis.path[: len(path)] == path]
    if not below:
        return
    values = _read_items(text) or [read_override(override)[1]]
    if is_component(path) and all(isinstance(node.value, str) for node in values):
        return  # a new name keeps the options
    message = f"{override!r} comes later and replaces all of {key.strip()}"
    for axis in below:
        yield Problem(
            str(COMMAND_LINE),
            show_key(axis.path),
            message,
            f"write {key.strip()}=... first, or leave one out",
        )


def _read_items(text: str) -> list[Node]:
    """Return the items of a comma-separated text; none if it is not a list of YAML values."""
    if "," not in text:
        return []
    try:
        node = read_yaml(f"[{text}]", COMMAND_LINE, [])
    except ConfigError:
        return []  # it is read as one value, which is valid or gives a better error
    return node.value if node is not None and isinstance(node.value, list) else []


def expand(
    document: config.Document,
    section: SweepSection,
    axes: Sequence[Axis],
    fixed: Sequence[KeyPath],  # keys with one value on the command line, which are not varied
    defaults: Mapping[str, Any],  # the base experiment with defaults filled in, for `when`
) -> list[Changes]:
    """Return all configurations except those of `optuna`, without duplicates, in the order of the file."""
    _check_count(document, section, axes)
    replaced = {*fixed, *(axis.path for axis in axes)}
    in_file = [
        tuple(change for change in changes if change[0] not in replaced)
        for changes in _expand_blocks(document, section)
    ]
    if not in_file and (axes or not section.optuna):
        in_file = [()]  # the base experiment
    paths = [axis.path for axis in axes]
    products = [
        (*changes, *zip(paths, values, strict=True))
        for changes in in_file
        for values in itertools.product(*(axis.values for axis in axes))
    ]
    conditions = WhenConditions(document, defaults)
    conditions.check_keys(varied_keys(document, axes))
    configurations = map(conditions.apply, products)
    return list(
        {json.dumps(plain_values(c), sort_keys=True, default=repr): c for c in configurations}.values()
    )


def _check_count(document: config.Document, section: SweepSection, axes: Sequence[Axis]) -> None:
    """Raise a ConfigError for more runs than any sweep can execute, before they fill the memory."""
    count = len(blocks(document, "random")) * section.samples + len(blocks(document, "list"))
    for block in blocks(document, "grid"):
        count += math.prod(len(node.value) for node in block.value.values())
    for block in blocks(document, "zip"):
        count += max(len(node.value) for node in block.value.values())
    count = max(count, 1) * math.prod(len(axis.values) for axis in axes)
    count = (count + len(blocks(document, "optuna")) * section.samples) * section.repeat
    if count > MAX_RUNS:
        where = document.where(("sweep",))
        hint = "vary fewer keys together, or draw from them: sweep.random, and sweep.samples"
        message = f"expected at most {MAX_RUNS} runs, got {count}"
        raise ConfigError([Problem(where, "sweep", message, hint)])


def varied_keys(
    document: config.Document, axes: Sequence[Axis], fixed: Sequence[KeyPath] = ()
) -> list[KeyPath]:
    """Return every key that the sweep varies, in the order of the file."""
    kinds = ("grid", "zip", "random", "list", "optuna")
    in_file = [parse_key(key) for kind in kinds for block in blocks(document, kind) for key in block.value]
    unfixed = [path for path in in_file if path not in fixed]
    return list(dict.fromkeys([*unfixed, *(axis.path for axis in axes)]))


def _expand_blocks(document: config.Document, section: SweepSection) -> Iterator[Changes]:
    """Yield the configurations of the file, block by block."""
    for block in blocks(document, "grid"):
        yield from map(parents_first, itertools.product(*_listed_changes(block)))
    for block in blocks(document, "zip"):
        yield from map(parents_first, zip(*_listed_changes(block), strict=True))
    for number, block in enumerate(blocks(document, "random")):
        for sample in range(section.samples):
            yield parents_first(
                (parse_key(key), draw(node, f"{section.seed}/{number}/{key}/{sample}"))
                for key, node in block.value.items()
            )
    for block in blocks(document, "list"):
        yield parents_first((parse_key(key), node) for key, node in block.value.items())


def _listed_changes(block: Node) -> list[list[Change]]:
    """Return the changes of each key of a block; an error of the key names the place of the key."""
    return [
        [(parse_key(key), Node(value.value, value.mark, node.key_mark)) for value in node.value]
        for key, node in block.value.items()
    ]


def parents_first(changes: Iterable[Change]) -> Changes:
    """Sort changes so that `optimizer` is set before `optimizer.learning_rate`."""
    return tuple(sorted(changes, key=lambda change: len(change[0])))


def blocks(document: config.Document, kind: str) -> list[Node]:
    """Return the mappings of a block, which is one mapping or a list of them."""
    sweep = document.root.child("sweep")
    node = sweep and sweep.child(kind)
    if node is None or not node.value:
        return []
    return list(node.value) if isinstance(node.value, list) else [node]


def draw(distribution: Node, seed: str) -> Node:
    """Draw a value from a distribution such as `{uniform: [0, 1]}`; it depends on the seed alone."""
    [(name, arguments)] = distribution.value.items()
    generator = random.Random(seed)
    if name == "choice":
        chosen = generator.choice(arguments.value)
        return Node(chosen.value, chosen.mark, distribution.key_mark)
    low, high = arguments.plain()
    value: float
    if name == "integers":
        value = generator.randint(low, high)
    elif name == "uniform":
        value = low + (high - low) * generator.random()
    else:
        value = math.exp(math.log(low) + (math.log(high) - math.log(low)) * generator.random())
        value = min(max(value, low), high)
    return Node(value, arguments.mark, distribution.key_mark)


class WhenConditions:
    """The conditions of `when`: a key is varied only where other keys have certain values."""

    def __init__(self, document: config.Document, defaults: Mapping[str, Any]) -> None:
        self._document = document
        self._defaults = defaults
        self._conditions: dict[KeyPath, list[Change]] = {}
        self._marks: dict[KeyPath, Mark] = {}
        for block in blocks(document, "when"):
            for key, node in block.value.items():
                path = parse_key(key)
                self._marks[path] = node.key_mark or node.mark
                conditions = [(parse_key(other), value) for other, value in node.value.items()]
                self._conditions.setdefault(path, []).extend(conditions)

    def check_keys(self, varied: Sequence[KeyPath]) -> None:
        """Raise a ConfigError if a key that is not varied has a condition."""
        known = [dotted_key(path) for path in varied]
        problems = [
            Problem(
                str(mark),
                f"sweep.when.{dotted_key(path)}",
                f"{dotted_key(path)!r} is not varied and cannot have a condition",
                did_you_mean(dotted_key(path), known),
            )
            for path, mark in self._marks.items()
            if path not in varied
        ]
        if problems:
            raise ConfigError(problems)

    def apply(self, changes: Changes) -> Changes:
        """Remove the changes whose conditions do not hold."""
        while True:
            kept = tuple(change for change in changes if self._holds(change[0], changes))
            if len(kept) == len(changes):
                return kept
            changes = kept  # a condition may depend on a key that was just removed

    def _holds(self, path: KeyPath, changes: Changes) -> bool:
        others = tuple(change for change in changes if change[0] != path)
        return all(
            _matches(self._value(other, others), expected.plain())
            for other, expected in self._conditions.get(path, ())
        )

    def _value(self, path: KeyPath, changes: Changes) -> Any:
        """Return the value of a key in a configuration."""
        for parent, node in reversed(changes):
            if path[: len(parent)] == parent:
                value = _look_up(node.plain(), parent, path)
                if value is not _MISSING:
                    return value
        value = _look_up(self._document.root.plain(), (), path)
        return _look_up(self._defaults, (), path) if value is _MISSING else value


_MISSING = object()


def _look_up(value: Any, parent: KeyPath, path: KeyPath) -> Any:
    """Return the value at a path, given the value at its parent; shorthand forms are understood."""
    for depth in range(len(parent), len(path)):
        step, above = path[depth], path[:depth]
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, Mapping) and str(step) in value:
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        elif (isinstance(value, str) and step == "name" and is_component(above)) or (
            isinstance(value, int) and step == "units" and above[:2] == ("model", "layers")
        ):
            pass  # shorthand: adam for {name: adam}, 16 for {units: 16}
        else:
            return _MISSING
    return value


def _matches(value: Any, expected: Any) -> bool:
    """Return True if a value equals the expected one or one in a list; a component is compared by name."""
    if isinstance(expected, list) and not isinstance(value, list):
        return any(_matches(value, item) for item in expected)
    if isinstance(value, Mapping) and isinstance(expected, str):
        value = value.get("name")
    if isinstance(value, bool) != isinstance(expected, bool):
        return False
    return bool(value == expected)


def check_single_run(experiment: config.Experiment) -> None:
    """Raise a ConfigError if a configuration is a cross-validation, which has one run per fold."""
    split = experiment.data.split
    if split is not None and split.every_fold:
        message = f"expected one run per configuration, got one for each of {split.folds} folds"
        folds = split.folds or 0
        numbers = ", ".join(map(str, range(1, folds + 1))) if folds <= MAX_LISTED else f"1, 2, ..., {folds}"
        hint = f"vary the fold: grid: {{data.split.fold: [{numbers}]}}"
        raise ConfigError([experiment.problem("data.split.folds", message, hint)])
