"""Validators: what a value of an experiment may be.

A validator has three sides: `validate` returns the valid value or raises a `ValidationError`, `expected` says
in words what is allowed, for messages and for docs/configuration.md, and `json_schema` says it to editors.
The sections (`section`) and the components (`component_spec`) are validators too.

Why not pydantic or jsonschema: importing either takes a quarter of the time of a short run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from cygd.config.messages import format_alternatives, format_value
from cygd.config.yaml.nodes import KeyPath
from cygd.config.yaml.scalars import read_scalar
from cygd.errors import did_you_mean, format_count


class ErrorDetails(NamedTuple):
    """An error in a value or in something it holds."""

    path: KeyPath  # relative to the value that was validated
    message: str
    hint: str | None = None
    at_key: bool = False  # the error is in the key, not in its value
    suggestion: str | None = None  # the known key that an unknown key probably means

    def below(self, *steps: str | int) -> ErrorDetails:
        """Return the same error with a path that starts further up."""
        return self._replace(path=(*steps, *self.path))


class ValidationError(ValueError):
    """A value that is not valid; `errors` lists everything that is wrong with it."""

    def __init__(self, *errors: ErrorDetails) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


class Context(NamedTuple):
    """The place of a value that is being validated.

    A section or a list adds the errors of its invalid parts to `errors` and continues with the valid ones.
    """

    components: Any  # finds components by kind and name
    errors: list[ErrorDetails]  # with paths from the root
    path: KeyPath = ()
    root: Any = None  # the section at the root, in which an unknown key may be known elsewhere
    droppable: frozenset[KeyPath] = frozenset()  # options that are dropped without an error if invalid
    known: Mapping[str, Any] = MappingProxyType({})  # valid values at the top level, which are not read again

    def below(self, step: str | int) -> Context:
        """Return the context of a part of the value."""
        return self._replace(path=(*self.path, step))

    def add(self, *errors: ErrorDetails) -> None:
        """Collect errors whose paths start at the value."""
        self.errors.extend(error.below(*self.path) for error in errors)


class Validator(Protocol):
    """Validates a value."""

    @property
    def expected(self) -> str:
        """What is allowed, as it follows the word "expected"."""

    def validate(self, value: Any, context: Context) -> Any:
        """Return the valid value, or raise ValidationError."""


class Mismatch(Exception):
    """A value that is not what a validator expects, with a hint."""

    def __init__(self, hint: str | None = None) -> None:
        super().__init__(hint)
        self.hint = hint


def expected_error(expected: str, value: Any, hint: str | None = None) -> ErrorDetails:
    """Return the error `expected ..., got ...` for a value."""
    return ErrorDetails((), f"expected {expected}, got {format_value(value)}", hint)


def validate_all(items: Iterable[tuple[str | int, Any]], check: Callable[[Any], Any]) -> list[Any]:
    """Check the items, each with its index or key; raise one ValidationError with the errors of all."""
    valid: list[Any] = []
    errors: list[ErrorDetails] = []
    for step, item in items:
        try:
            valid.append(check(item))
        except ValidationError as error:
            errors += [inner.below(step) for inner in error.errors]
    if errors:
        raise ValidationError(*errors)
    return valid


class PlainValidator:
    """Validates a value by a function.

    `check` returns the valid value. It raises Mismatch if the value is not what is expected, or
    ValidationError with more exact errors.
    """

    def __init__(
        self, expected: str, check: Callable[[Any], Any], json_schema: Mapping[str, Any] | None = None
    ) -> None:
        self.expected = expected
        self.check = check
        self.json_schema = json_schema or {}

    def validate(self, value: Any, context: Context | None = None) -> Any:
        """Return the valid value, or raise ValidationError."""
        try:
            return self.check(value)
        except Mismatch as mismatch:
            raise ValidationError(expected_error(self.expected, value, mismatch.hint)) from None


class Nullable:
    """Accepts null too."""

    def __init__(self, inner: Validator) -> None:
        self.inner = inner
        self.expected = inner.expected

    def validate(self, value: Any, context: Context) -> Any:
        """Return None for null, anything else as validated by the inner validator."""
        return None if value is None else self.inner.validate(value, context)


class ListOf:
    """Accepts a list and validates its items; null is an empty list.

    An invalid item is reported and left out of the list, except that an invalid section is replaced by one
    with default values, so that the sections after it keep their indices.
    """

    def __init__(self, item: Validator, noun: str) -> None:
        self.item = item
        self.expected = f"a list of {noun}"

    def validate(self, value: Any, context: Context) -> tuple[Any, ...]:
        """Return the valid items."""
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            hint = f"write [{value}]" if isinstance(value, str | int | float) else None
            raise ValidationError(expected_error(self.expected, value, hint))
        items = []
        for index, item in enumerate(value):
            below = context.below(index)
            try:
                items.append(self.item.validate(item, below))
            except ValidationError as error:
                below.add(*error.errors)
                if isinstance(self.item, type):
                    items.append(self.item.validate({}, below))
        return tuple(items)


# -- scalars ----------------------------------------------------------------------------------------


MAX_WHOLE = 2**63 - 1  # of a C integer


def whole_number(low: int, high: int | None = None) -> PlainValidator:
    """Return a validator of whole numbers in a closed range."""
    limits = {"minimum": low} if high is None else {"minimum": low, "maximum": high}

    def check(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            if low <= value <= (MAX_WHOLE if high is None else high):
                return value
            raise Mismatch(f"at most {MAX_WHOLE}" if high is None and value > low else None)
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            raise Mismatch(f"write {int(value)}")
        raise Mismatch(_unquoted(value, int | float))

    words = f"of at least {low}" if high is None else f"from {low} to {high}"
    return PlainValidator(f"a whole number {words}", check, {"type": "integer", **limits})


def number(
    low: float = -math.inf, high: float = math.inf, *, above: bool = False, below: bool = False
) -> PlainValidator:
    """Return a validator of finite numbers in a range; `above` and `below` exclude its ends."""
    ends = [
        (f"greater than {low:g}" if above else f"of at least {low:g}") if low > -math.inf else "",
        (f"less than {high:g}" if below else f"at most {high:g}") if high < math.inf else "",
    ]
    words = f"a finite number {' and '.join(filter(None, ends))}".strip()
    minimum, maximum = "exclusiveMinimum" if above else "minimum", "exclusiveMaximum" if below else "maximum"
    limits = {key: end for key, end in {minimum: low, maximum: high}.items() if math.isfinite(end)}

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Mismatch(_unquoted(value, int | float))
        try:
            result = float(value)
        except OverflowError:
            raise Mismatch from None
        inside = (low < result if above else low <= result) and (result < high if below else result <= high)
        if not math.isfinite(result) or not inside:
            raise Mismatch
        return result

    return PlainValidator(words, check, {"type": "number", **limits})


def choice(*words: str) -> PlainValidator:
    """Return a validator of one of several words."""

    def check(value: Any) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise Mismatch(did_you_mean(value.lower(), words) if isinstance(value, str) else None)

    return PlainValidator(format_alternatives(words), check, {"enum": list(words)})


def either(word: str, other: PlainValidator) -> PlainValidator:
    """Return a validator of one word, or of what another validator accepts."""

    def check(value: Any) -> Any:
        if value == word and isinstance(value, str):
            return word
        try:
            return other.check(value)
        except Mismatch as mismatch:
            near = did_you_mean(value.lower(), [word]) if isinstance(value, str) else None
            raise Mismatch(near or mismatch.hint) from None

    schema = {"anyOf": [{"const": word}, other.json_schema]}
    return PlainValidator(f"{other.expected}, or {word}", check, schema)


def _check_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(str(value).lower())
    raise Mismatch(f"write {word}" if word else _unquoted(value, bool))


def _check_text(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise Mismatch("put it in quotes" if isinstance(value, int | float) else None)


def _check_column(value: Any) -> str | int:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Mismatch("put it in quotes" if isinstance(value, bool | float) else None)


def _check_time(value: Any) -> bool | str | int | None:
    return (value or None) if isinstance(value, bool) else _check_column(value)


def _check_time_format(value: Any) -> str:
    time_format = _check_text(value)
    example = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    directives = set(re.findall("%(.)", time_format))
    try:
        if not directives - {"%"}:
            raise ValueError
        datetime.strptime(example.strftime(time_format), time_format)
    except ValueError:
        raise Mismatch("the directives, such as %Y and %H, are those of Python's strptime") from None
    if directives & set("dmbBjUW") and not directives & set("YyGcxs"):
        raise Mismatch("days and months have an order only with their year: add %Y")
    return time_format


def _check_name(value: Any) -> str:
    name = _check_text(value)
    if not re.fullmatch(r"\w([\w .,+=()@-]*[\w+=()@-])?", name) or len(name.encode()) > 200:
        hint = "it names the run's folder: letters, digits, '_', '-', '.' and inner spaces, at most 200 bytes"
        raise ValidationError(ErrorDetails((), f"invalid experiment name {format_value(name)}", hint))
    return name


SEED = whole_number(0, MAX_WHOLE)
BOOLEAN = PlainValidator("true or false", _check_boolean, {"type": "boolean"})
TEXT = PlainValidator("text", _check_text, {"type": "string", "minLength": 1})
MEASURED_VALUE = PlainValidator("a measured value", _check_text, TEXT.json_schema)
COLUMN = PlainValidator(
    "the name of a column", _check_column, {"type": ["string", "integer"], "minLength": 1, "minimum": 0}
)
TIME = PlainValidator(
    "true, or the name of a column",
    _check_time,
    {"type": ["boolean", "string", "integer"], "minLength": 1, "minimum": 0},
)
TIME_FORMAT = PlainValidator("a format of times, such as '%d/%m/%Y'", _check_time_format, TEXT.json_schema)
EXPERIMENT_NAME = PlainValidator("text", _check_name, {"type": "string", "minLength": 1, "maxLength": 200})


def safe_name(stem: str) -> str:
    """Return the nearest text that is a valid name of an experiment."""
    return re.sub(r"[^\w .,+=()@-]", "_", stem)[:60].strip(" .,+=()@-_") or "experiment"


def _unquoted(value: Any, kind: Any) -> str | None:
    """Return a hint for text that would be valid without quotes or without underscores."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    plain = re.sub(r"(?<=\d)_(?=\d)", "", value)
    if isinstance(read_scalar(plain), kind):
        return "write it without quotes" if plain == value else f"write {plain}"
    return None


# -- numbers in lists and mappings ------------------------------------------------------------------

_ROW_SCHEMA = {"type": "array", "items": {"type": "number"}}
_WEIGHTS_SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "number", "minimum": 0},
}


def _check_row(value: Any) -> tuple[float, ...]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise Mismatch
    return tuple(validate_all(enumerate(value), number().validate))


_ROW = PlainValidator("a list of numbers", _check_row, _ROW_SCHEMA)


def _check_matrix(value: Any) -> tuple[tuple[float, ...], ...]:
    if not isinstance(value, list | tuple) or not len(value):
        raise Mismatch
    rows: list[tuple[float, ...]] = []

    def check_row(item: Any) -> None:
        rows.append(_ROW.validate(item))
        if len(rows[-1]) != len(rows[0]):
            first = format_count(len(rows[0]), "number")
            message = f"expected {first} as in the first row, got {len(rows[-1])}"
            raise ValidationError(ErrorDetails((), message))

    validate_all(enumerate(value), check_row)
    if not rows[0]:
        raise ValidationError(ErrorDetails((), "expected rows of numbers, got empty rows"))
    return tuple(rows)


def _check_bias(value: Any) -> bool | tuple[float, ...]:
    return value if isinstance(value, bool) else _check_row(value)


def _check_class_weight(value: Any) -> str | dict[str, float]:
    if isinstance(value, str) and value == "balanced":
        return "balanced"
    if not isinstance(value, Mapping) or not value:
        raise Mismatch(did_you_mean(value.lower(), ["balanced"]) if isinstance(value, str) else None)
    return dict(zip(map(str, value), validate_all(value.items(), number(0).validate), strict=True))


MATRIX = PlainValidator(
    "a list of rows, [[...], ...]",
    _check_matrix,
    {"type": "array", "minItems": 1, "items": {**_ROW_SCHEMA, "minItems": 1}},
)
BIAS = PlainValidator(
    "true, false or a list of numbers", _check_bias, {"anyOf": [{"type": "boolean"}, _ROW_SCHEMA]}
)
CLASS_WEIGHT = PlainValidator(
    "balanced, or a mapping of labels to weights",
    _check_class_weight,
    {"anyOf": [{"const": "balanced"}, _WEIGHTS_SCHEMA]},
)
