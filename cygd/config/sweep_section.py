"""The key `sweep`: which experiments one file stands for, and which of them is the best.

What is checked here is the form; whether a value may stand under its key is found when the experiment with
that value is validated. The values themselves stay in the document, where they have their places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from cygd.config.component_spec import Components, synonym
from cygd.config.messages import found, listed
from cygd.config.section import Section
from cygd.config.validators import Exactly, Fault, Faulty, Text, choice, fail, whole
from cygd.config.yaml.nodes import parse_key

__all__ = ["DISTRIBUTIONS", "SweepSection", "blocks_of"]

DISTRIBUTIONS = ("uniform", "log_uniform", "integers", "choice")
OF_THE_SWEEP = "sweep"  # the one key that cannot be swept over

Block = Mapping[str, Any]
Blocks = tuple[Block, ...]


def blocks_of(value: Any) -> list[Any]:
    """Return the mappings of a block, which may be one mapping or a list of them."""
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _each_block(check: Callable[[Block], list[Fault]]) -> Exactly:
    """Return the type of one mapping of keys, or of a list of such mappings."""

    def check_all(value: Any) -> Blocks:
        faults: list[Fault] = []
        for index, block in enumerate(blocks_of(value)):
            at = (index,) if isinstance(value, list | tuple) else ()
            faults += [fault.below(*at) for fault in _of_mapping(block, check)]
        if faults:
            raise fail(*(fault._replace(unusable=()) for fault in faults))
        return tuple(blocks_of(value))

    return Exactly(check_all)


def _of_mapping(block: Any, check: Callable[[Block], list[Fault]]) -> list[Fault]:
    """Return what is wrong with one mapping of dotted keys."""
    if not isinstance(block, Mapping) or not block:
        words = f"expected a mapping of keys such as optimizer.learning_rate, found {found(block)}"
        return [Fault((), words)]
    return [*filter(None, map(_key_fault, block))] or check(block)


def _key_fault(key: str) -> Fault | None:
    """Return what is wrong with a key that is to be varied."""
    path = parse_key(key)
    if "" in path:
        return Fault(
            (key,), f"{key!r} is no key", "write it as train.epochs or model.layers.0.units", key=True
        )
    if path[0] == OF_THE_SWEEP:
        return Fault((key,), "a sweep cannot vary itself", key=True)
    return None


def _grid_faults(block: Block) -> list[Fault]:
    """A grid has a list of values for each key."""
    return [fault for key, values in block.items() for fault in _list_faults(key, values)]


def _list_faults(key: str, values: Any) -> list[Fault]:
    if isinstance(values, list | tuple) and values:
        return []
    hint = None
    if isinstance(values, Mapping):
        inner = next(iter(values), "...")
        drawn = inner in DISTRIBUTIONS
        hint = "a distribution stands under 'random'" if drawn else f"write {key}.{inner}: [...]"
    elif isinstance(values, str | int | float):
        hint = f"write [{values}]"
    return [Fault((key,), f"expected a list of values, found {found(values)}", hint)]


def _zip_faults(block: Block) -> list[Fault]:
    """Lists that go in step are of one length."""
    if faults := _grid_faults(block):
        return faults
    first, count = next((key, len(values)) for key, values in block.items())
    return [
        Fault(
            (key,), f"{len(values)} values, but {first!r} has {count}", "values in step: as many for each key"
        )
        for key, values in block.items()
        if len(values) != count
    ]


def _random_faults(block: Block) -> list[Fault]:
    """A random block has a distribution for each key."""
    faults = []
    for key, value in block.items():
        try:
            _check_distribution(value)
        except Faulty as error:
            faults += [fault.below(key) for fault in error.faults]
    return faults


def _check_distribution(value: Any) -> None:
    words = "{uniform: [low, high]}, {log_uniform: [low, high]}, {integers: [low, high]} or {choice: [...]}"
    if not isinstance(value, Mapping) or len(value) != 1:
        hint = f"write {{choice: [{', '.join(map(str, value))}]}}" if _plain_list(value) else None
        raise fail(Fault((), f"expected {words}, found {found(value)}", hint))
    [(name, given)] = value.items()
    if name not in DISTRIBUTIONS:
        hint = synonym(name, DISTRIBUTIONS)
        raise fail(Fault((name,), f"expected {listed(DISTRIBUTIONS)}, found {name!r}", hint, key=True))
    if not isinstance(given, list | tuple) or not given:
        raise fail(Fault((name,), f"expected a list, found {found(given)}"))
    if name != "choice":
        _check_range(name, given)


def _plain_list(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, str | int | float) for item in value)
    )


def _check_range(name: str, given: Sequence[Any]) -> None:
    kind: Any = int if name == "integers" else int | float
    numbers = [item for item in given if isinstance(item, kind) and not isinstance(item, bool)]
    what = "whole numbers" if name == "integers" else "finite numbers"
    if len(given) != 2 or len(numbers) != 2 or not all(math.isfinite(number) for number in numbers):
        raise fail(Fault((name,), f"expected two {what}, [low, high], found {found(given)}"))
    low, high = numbers
    if low > high:
        raise fail(Fault((name,), f"the low end {low} is above the high end {high}"))
    if name == "log_uniform" and low <= 0:
        raise fail(Fault((name,), f"the low end {low} has no logarithm", "both ends must be above 0"))


def _check_sets(value: Any) -> Blocks:
    """Accept a list of mappings, each one set of overrides."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise fail(Fault((), f"expected a list of mappings of keys to values, found {found(value)}"))
    faults = [
        fault.below(index) for index, block in enumerate(value) for fault in _of_mapping(block, lambda _: [])
    ]
    if faults:
        raise fail(*(fault._replace(unusable=()) for fault in faults))
    return tuple(value)


def _when_faults(block: Block) -> list[Fault]:
    """A condition is a mapping of keys to the value, or the list of values, that they must have."""
    faults = []
    for key, condition in block.items():
        wrong = _of_mapping(condition, lambda _: [])
        faults += [fault.below(key) for fault in wrong]
        if not wrong and key in condition:
            faults.append(Fault((key, key), "a key cannot be its own condition"))
    return faults


class Halving(Section):
    """Which runs go on after a while: of those that have come as far, the best part."""

    shape: ClassVar[str] = "a mapping"

    epochs: Annotated[int, whole(1)] = 10
    factor: Annotated[int, whole(2)] = 3

    @classmethod
    def place_keys(cls, value: dict[str, Any], components: Components) -> dict[str, Any]:
        """Refuse unknown keys."""
        return _known(cls, value)


class SweepSection(Section):
    """The experiments that one file stands for."""

    grid: Annotated[Blocks, _each_block(_grid_faults)] = ()
    zip: Annotated[Blocks, _each_block(_zip_faults)] = ()
    random: Annotated[Blocks, _each_block(_random_faults)] = ()
    list: Annotated[Blocks, Exactly(_check_sets)] = ()
    optuna: Annotated[Blocks, _each_block(_random_faults)] = ()
    when: Annotated[Blocks, _each_block(_when_faults)] = ()
    samples: Annotated[int, whole(1)] = 10
    seed: Annotated[int, whole(0, 2**63 - 1)] = 0
    repeat: Annotated[int, whole(1)] = 1
    objective: Text | None = None
    mode: Annotated[Literal["auto", "min", "max"], choice("auto", "min", "max")] = "auto"
    runs: Annotated[Literal["folders", "summary"], choice("folders", "summary")] = "folders"
    halving: Halving | None = None

    @classmethod
    def place_keys(cls, value: dict[str, Any], components: Components) -> dict[str, Any]:
        """Refuse unknown keys."""
        return _known(cls, value)


def _known(section: type[Section], value: dict[str, Any]) -> dict[str, Any]:
    known = section.key_names()
    unknown = [key for key in value if key not in known]
    if not unknown:
        return value
    faults = []
    for key in unknown:
        dotted = "a key to vary stands under 'grid', 'zip' or 'random'" if "." in key else None
        hint = synonym(key, known) or dotted or f"known keys: {', '.join(known)}"
        faults.append(Fault((key,), f"unknown key {key!r}", hint, key=True))
    raise fail(*faults)
