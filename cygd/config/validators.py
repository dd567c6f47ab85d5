"""The kinds of values that an experiment holds, each with the words for what is allowed.

A check that fails raises a `Faulty`, which carries `Fault`s: the path below the value, the message, a
hint. `section` runs the checks, and puts the path above the value in front.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from cygd.config.messages import found, listed
from cygd.config.yaml.nodes import KeyPath
from cygd.config.yaml.scalars import read_scalar
from cygd.errors import did_you_mean

__all__ = [
    "Column",
    "Columns",
    "Exactly",
    "Fault",
    "Faulty",
    "First",
    "Flag",
    "Matrix",
    "Text",
    "allowed_by",
    "as_list",
    "check_bias",
    "check_class_weight",
    "check_column",
    "check_name",
    "check_time",
    "check_whole",
    "choice",
    "described",
    "either",
    "fail",
    "number",
    "safe_name",
    "whole",
]


class Fault(NamedTuple):
    """What is wrong below a value.

    Attributes
    ----------
    path : KeyPath
        Where, as seen from the value.
    message, hint : str
        What is wrong, and what to do.
    key : bool
        The key is wrong, not what stands behind it.
    unusable : KeyPath, optional
        How much cannot be relied on, where that is not just what stands at the path.
    """

    path: KeyPath
    message: str
    hint: str | None = None
    key: bool = False
    unusable: KeyPath | None = None

    @property
    def doomed(self) -> KeyPath:
        """The path of what has to be taken out."""
        return self.path if self.unusable is None else self.unusable

    def below(self, *steps: str | int) -> Fault:
        """Return the same fault as it looks from further above."""
        unusable = None if self.unusable is None else (*steps, *self.unusable)
        return self._replace(path=(*steps, *self.path), unusable=unusable)


class Faulty(ValueError):
    """What is wrong with a value and with what it holds."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = list(faults)


def fail(*faults: Fault) -> Faulty:
    """Return the exception that carries faults."""
    return Faulty(faults)


class Exactly(NamedTuple):
    """Marks a type whose values are what a check returns; some checks look for components."""

    check: Callable[..., Any]  # check(value) or check(value, components)
    with_components: bool = False


class First(NamedTuple):
    """Marks a type whose values go through a check first."""

    check: Check


def _expected(words: str, value: Any, hint: str | None = None) -> Faulty:
    return fail(Fault((), f"expected {words}, found {found(value)}", hint))


Check: TypeAlias = Callable[[Any], Any]  # value -> value, or a Faulty
AnyCheck = TypeVar("AnyCheck", bound=Callable[..., Any])

_SCHEMAS: dict[Callable[..., Any], Mapping[str, Any]] = {}


def described(schema: Mapping[str, Any]) -> Callable[[AnyCheck], AnyCheck]:
    """Say what a check accepts, as JSON Schema, for editors; they know no more than is said."""

    def describe(check: AnyCheck) -> AnyCheck:
        _SCHEMAS[check] = schema
        return check

    return describe


def allowed_by(check: Callable[..., Any]) -> dict[str, Any]:
    """Return what a check accepts, as JSON Schema; {} is anything."""
    return dict(_SCHEMAS.get(check, {}))


def check_whole(low: int, high: int | None = None) -> Check:
    """Return a check for whole numbers in a closed range."""
    words = f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
    limits = {"minimum": low} if high is None else {"minimum": low, "maximum": high}

    @described({"type": "integer", **limits})
    def check(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            if value >= low and (high is None or value <= high):
                return value
            raise _expected(words, value)
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
        raise _expected(words, value, f"write {int(value)}" if whole else _unquoted(value, int | float))

    return check


def check_number(
    low: float = -math.inf, high: float = math.inf, *, above: bool = False, below: bool = False
) -> Check:
    """Return a check for finite numbers in a range; `above` and `below` leave out its ends."""
    ends = [
        (f"greater than {low:g}" if above else f"of at least {low:g}") if low > -math.inf else "",
        (f"less than {high:g}" if below else f"at most {high:g}") if high < math.inf else "",
    ]
    words = " ".join(["a finite number", " and ".join(filter(None, ends))]).strip()
    least, most = ("exclusiveMinimum" if above else "minimum"), ("exclusiveMaximum" if below else "maximum")
    limits = {key: end for key, end in {least: low, most: high}.items() if math.isfinite(end)}

    @described({"type": "number", **limits})
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _expected(words, value, _unquoted(value, int | float))
        try:
            result = float(value)
        except OverflowError:
            raise _expected(words, value) from None
        inside = (low < result if above else low <= result) and (result < high if below else result <= high)
        if not math.isfinite(result) or not inside:
            raise _expected(words, value)
        return result

    return check


@described({"type": "boolean"})
def check_flag(value: Any) -> bool:
    """Accept true and false alone."""
    if isinstance(value, bool):
        return value
    said = {"yes": "true", "on": "true", "no": "false", "off": "false"}
    meant = said.get(value.lower()) if isinstance(value, str) else None
    raise _expected("true or false", value, f"write {meant}" if meant else _unquoted(value, bool))


@described({"type": "string", "minLength": 1})
def check_text(value: Any) -> str:
    """Accept text that is not empty."""
    if isinstance(value, str) and value:
        return value
    scalar = isinstance(value, int | float)
    raise _expected("text", value, "put it in quotes" if scalar else None)


@described({"type": ["string", "integer"], "minLength": 1, "minimum": 0})
def check_column(value: Any) -> str | int:
    """Accept the name of a column, or its number."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise _expected(
        "the name of a column", value, "put it in quotes" if isinstance(value, bool | float) else None
    )


@described({"type": ["boolean", "string", "integer"], "minLength": 1, "minimum": 0})
def check_time(value: Any) -> bool | str | int | None:
    """Accept true for rows that stand in the order of time, or the column that says when."""
    if isinstance(value, bool):
        return value or None
    if isinstance(value, str | int) and value != "":
        return check_column(value)
    raise _expected("true, or the name of a column", value)


WEIGHTS = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number", "minimum": 0}}


@described({"anyOf": [{"const": "balanced"}, WEIGHTS]})
def check_class_weight(value: Any) -> str | dict[str, float]:
    """Accept the word balanced, or a weight for each label; every wrong one is a fault."""
    if value == "balanced":
        return "balanced"
    words = "balanced, or a mapping of labels to weights"
    if not isinstance(value, Mapping) or not value:
        near = did_you_mean(value.lower(), ["balanced"]) if isinstance(value, str) else None
        raise _expected(words, value, near)
    weight = check_number(0)
    weights, faults = {}, []
    for label, given in value.items():
        try:
            weights[str(label)] = weight(given)
        except Faulty as error:
            faults += [fault.below(label) for fault in error.faults]
    if faults:
        raise fail(*(fault._replace(unusable=()) for fault in faults))
    return weights


def check_choice(*allowed: str) -> Check:
    """Return a check for one of several words."""

    @described({"enum": list(allowed)})
    def check(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        near = did_you_mean(value.lower(), allowed) if isinstance(value, str) else None
        raise _expected(listed(allowed), value, near)

    return check


def either(word: str, check: Check, words: str) -> Any:
    """Return the type of a word, or of what a check accepts; `words` name both."""

    @described({"anyOf": [{"const": word}, allowed_by(check)]})
    def check_either(value: Any) -> Any:
        if value == word and isinstance(value, str):
            return value
        try:
            return check(value)
        except Faulty as error:
            near = did_you_mean(value.lower(), [word]) if isinstance(value, str) else None
            inner = error.faults[0].hint
            raise _expected(words, value, near or inner) from None

    return Exactly(check_either)


def as_list(words: str) -> First:
    """Return the type of a list, before its items are looked at; null is an empty one."""

    @described({"type": ["array", "null"]})
    def check(value: Any) -> tuple[Any, ...]:
        if value is None:
            return ()
        if isinstance(value, list | tuple):
            return tuple(value)
        hint = f"write [{value}]" if isinstance(value, str | int | float) else None
        raise _expected(f"a list of {words}", value, hint)

    return First(check)


ROW = {"type": "array", "items": {"type": "number"}}


@described(ROW)
def check_row(value: Any) -> tuple[float, ...]:
    """Accept a list of finite numbers; every wrong one is a fault."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise _expected("a list of numbers", value)
    finite = check_number()
    row, faults = [], []
    for index, item in enumerate(value):
        try:
            row.append(finite(item))
        except Faulty as error:
            faults += [fault.below(index) for fault in error.faults]
    if faults:
        raise fail(*(fault._replace(unusable=()) for fault in faults))
    return tuple(row)


@described({"type": "array", "minItems": 1, "items": {**ROW, "minItems": 1}})
def check_matrix(value: Any) -> tuple[tuple[float, ...], ...]:
    """Accept a list of rows of finite numbers, all of one length."""
    if not isinstance(value, list | tuple) or not len(value):
        raise _expected("a list of rows, [[...], ...]", value)
    rows, faults = [], []
    for index, item in enumerate(value):
        try:
            rows.append(check_row(item))
        except Faulty as error:
            faults += [fault.below(index) for fault in error.faults]
            continue
        if len(rows[-1]) != len(rows[0]):
            message = f"the row has {_count(rows[-1], 'number')}, the first one {len(rows[0])}"
            faults.append(Fault((index,), message))
    if faults:
        raise fail(*(fault._replace(unusable=()) for fault in faults))
    if not rows[0]:
        raise fail(Fault((), "the rows are empty"))
    return tuple(rows)


@described({"anyOf": [{"type": "boolean"}, ROW]})
def check_bias(value: Any) -> bool | tuple[float, ...]:
    """Accept true, false, or a number per unit."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, list | tuple):
        raise _expected("true, false or a list of numbers", value)
    return check_row(value)


@described({"type": "string", "minLength": 1, "maxLength": 200})
def check_name(value: Any) -> str:
    """Accept a name that can be the name of a folder."""
    name = check_text(value)
    if not re.fullmatch(r"\w([\w .,+=()@-]*[\w+=()@-])?", name) or len(name.encode()) > 200:
        hint = (
            "it becomes the name of a folder: letters, digits, '_', '-', '.' and spaces within, not too many"
        )
        raise fail(Fault((), f"{found(name)} is no name for an experiment", hint))
    return name


def safe_name(stem: str) -> str:
    """Return the nearest name that `check_name` accepts.

    Examples
    --------
    >>> safe_name("what if?"), safe_name("..")
    ('what if', 'experiment')
    """
    return re.sub(r"[^\w .,+=()@-]", "_", stem)[:60].strip(" .,+=()@-_") or "experiment"


def _count(items: Sequence[Any], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def _unquoted(value: Any, kind: Any) -> str | None:
    """Return a hint for a text that would be right without its quotes, or without underscores."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    plain = re.sub(r"(?<=\d)_(?=\d)", "", value)
    if isinstance(read_scalar(plain), kind):
        return "write it without quotes" if plain == value else f"write {plain}"
    return None


def whole(low: int, high: int | None = None) -> Exactly:
    """Return the type of whole numbers in a closed range."""
    return Exactly(check_whole(low, high))


def number(
    low: float = -math.inf, high: float = math.inf, *, above: bool = False, below: bool = False
) -> Any:
    """Return the type of finite numbers in a range; `above` and `below` leave out its ends."""
    return Exactly(check_number(low, high, above=above, below=below))


def choice(*allowed: str) -> Exactly:
    """Return the type of one of several words."""
    return Exactly(check_choice(*allowed))


Flag = Annotated[bool, Exactly(check_flag)]
Text = Annotated[str, Exactly(check_text)]
Column = Annotated[str | int, Exactly(check_column)]
Columns = Annotated[tuple[Column, ...], as_list("columns")]
Matrix = Annotated[tuple[tuple[float, ...], ...], Exactly(check_matrix)]
