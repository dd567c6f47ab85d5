"""The key `sweep`: which experiments one file describes, and how they are compared.

Only the form is validated here. Whether a value is valid for its key is found when the experiment with that
value is validated. The values themselves stay in the document, with their places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from cygd.config.component_spec import suggest
from cygd.config.messages import format_alternatives, format_value
from cygd.config.section import Section, field, optional
from cygd.config.validators import (
    MEASURED_VALUE,
    SEED,
    Context,
    ErrorDetails,
    Mismatch,
    PlainValidator,
    ValidationError,
    choice,
    expected_error,
    validate_all,
    whole_number,
)
from cygd.config.yaml.nodes import parse_key

DISTRIBUTIONS = ("uniform", "log_uniform", "integers", "choice")
DISTRIBUTION = (
    "{uniform: [low, high]}, {log_uniform: [low, high]}, {integers: [low, high]} or {choice: [...]}"
)

Block = Mapping[str, Any]
Blocks = tuple[Block, ...]
ValueCheck = Callable[[str, Any], None]  # of a key and its value; raises ValidationError


def _blocks(expected: str, check: ValueCheck, *, zipped: bool = False) -> PlainValidator:
    """Return a validator of one mapping of dotted keys, or of a list of such mappings."""
    check_block = partial(_check_block, check=check, zipped=zipped)

    def check_all(value: Any) -> Blocks:
        if isinstance(value, list | tuple):
            return tuple(validate_all(enumerate(value), check_block))
        return () if value is None else (check_block(value),)

    return PlainValidator(expected, check_all)


def _check_block(block: Any, check: ValueCheck | None = None, *, zipped: bool = False) -> Block:
    if not isinstance(block, Mapping) or not block:
        raise ValidationError(expected_error("a mapping of keys such as optimizer.learning_rate", block))
    validate_all(((key, key) for key in block), _check_key)
    if check:
        validate_all(((key, key) for key in block), lambda key: check(key, block[key]))
    if zipped:
        _check_counts(block)
    return block


def _check_key(key: str) -> None:
    path = parse_key(key)
    if "" in path:
        hint = "write it as train.epochs or model.layers.0.units"
        raise ValidationError(ErrorDetails((), f"invalid key {key!r}", hint, at_key=True))
    if path[0] == "sweep":
        raise ValidationError(ErrorDetails((), "a sweep cannot vary itself", at_key=True))


def _check_values(key: str, values: Any) -> None:
    if isinstance(values, list | tuple) and values:
        return
    hint = None
    if isinstance(values, Mapping):
        inner = next(iter(values), "...")
        is_distribution = inner in DISTRIBUTIONS
        hint = "a distribution belongs in 'random'" if is_distribution else f"write {key}.{inner}: [...]"
    elif isinstance(values, str | int | float):
        hint = f"write [{values}]"
    raise ValidationError(expected_error("a list of values", values, hint))


def _check_counts(block: Block) -> None:
    """Check that every key has the same number of values."""
    first, count = next((key, len(values)) for key, values in block.items())

    def check_count(values: Sequence[Any]) -> None:
        if len(values) != count:
            message = f"expected {count} values as for {first!r}, got {len(values)}"
            raise ValidationError(ErrorDetails((), message))

    validate_all(block.items(), check_count)


def _check_distribution(_key: str, value: Any) -> None:
    if not isinstance(value, Mapping) or len(value) != 1:
        is_list = isinstance(value, list) and value and all(isinstance(v, str | int | float) for v in value)
        hint = f"write {{choice: [{', '.join(map(str, value))}]}}" if is_list else None
        raise ValidationError(expected_error(DISTRIBUTION, value, hint))
    [(name, given)] = value.items()
    if name not in DISTRIBUTIONS:
        suggestion = suggest(name, DISTRIBUTIONS)
        hint = f"did you mean {suggestion!r}?" if suggestion else None
        message = f"expected {format_alternatives(DISTRIBUTIONS)}, got {name!r}"
        raise ValidationError(ErrorDetails((name,), message, hint, at_key=True))
    if not isinstance(given, list | tuple) or not given:
        raise ValidationError(expected_error("a list", given).below(name))
    if name != "choice":
        _check_range(name, given)


def _check_range(name: str, given: Sequence[Any]) -> None:
    kind: Any = int if name == "integers" else int | float
    numbers = [item for item in given if isinstance(item, kind) and not isinstance(item, bool)]
    hint = None
    if len(given) != 2 or len(numbers) != 2 or not all(math.isfinite(number) for number in numbers):
        noun = "whole numbers" if name == "integers" else "finite numbers"
        message = f"expected two {noun}, [low, high], got {format_value(given)}"
    elif numbers[0] > numbers[1]:
        message = f"expected low <= high, got [{numbers[0]}, {numbers[1]}]"
    elif name == "log_uniform" and numbers[0] <= 0:
        message = f"expected numbers greater than 0, got {numbers[0]}"
        hint = "the values are uniform in the logarithm"
    else:
        return
    raise ValidationError(ErrorDetails((name,), message, hint))


def _check_list(value: Any) -> Blocks:
    """Return a list of mappings, each one set of overrides."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise Mismatch
    return tuple(validate_all(enumerate(value), _check_block))


def _check_condition(key: str, condition: Any) -> None:
    """Check that a condition maps other keys to the value, or the list of values, that they must have."""
    if key in _check_block(condition):
        raise ValidationError(ErrorDetails((key,), "a key cannot be its own condition"))


class Halving(Section):
    """Which runs continue after a while: of those that have come as far, the best part."""

    epochs: int = field(whole_number(1), 10, "epochs of the first round")
    factor: int = field(
        whole_number(2), 3, "keep the best 1/factor of the configurations; multiply their epochs by factor"
    )


class SweepSection(Section):
    """The experiments that one file describes."""

    grid: Blocks = field(
        _blocks("a mapping of keys to lists", _check_values), (), "every combination of the values"
    )
    zip: Blocks = field(
        _blocks("a mapping of keys to lists", _check_values, zipped=True),
        (),
        "the first values together, the second values together, ...",
    )
    random: Blocks = field(
        _blocks("a mapping of keys to distributions", _check_distribution), (), "`samples` drawn values"
    )
    list: Blocks = field(
        PlainValidator("a list of mappings of keys to values", _check_list), (), "whole sets of values"
    )
    optuna: Blocks = field(
        _blocks("a mapping of keys to distributions", _check_distribution),
        (),
        "`samples` values that Optuna proposes",
    )
    when: Blocks = field(
        _blocks("a mapping of keys to conditions", _check_condition),
        (),
        "vary a key only where other keys have certain values",
    )
    samples: int = field(whole_number(1), 10, "of `random`, and of `optuna`")
    seed: int = field(SEED, 0, "of `random` and `optuna`; not that of the runs")
    repeat: int = field(whole_number(1), 1, "runs of each configuration, with seeds counting up")
    objective: str | None = optional(
        MEASURED_VALUE,
        "what is compared",
        default_text="`validation_loss`, or `loss` without validation data",
    )
    mode: str = field(
        choice("auto", "min", "max"), "auto", "whether less or more is better; `auto` asks the metric"
    )
    runs: str = field(choice("folders", "summary"), "folders", "a folder for each run, or the table alone")
    halving: Halving | None = optional(Halving, "end most runs early")

    @classmethod
    def hint_for(cls, key: str, context: Context) -> str | None:
        """Return a hint for a key of the experiment that the sweep should vary."""
        return "a key to vary belongs in 'grid', 'zip' or 'random'" if "." in key else None
