"""The options of a component: names, types and ranges.

A component declares its options as a mapping of defaults or as keyword parameters of its function. Both are
checked here, so that an invalid value gets the same message wherever the user wrote it. The default
determines the type: a bool is a flag and never a number, a number is a finite number, a string is text; a
value with any other default is passed on unchecked.
"""

from __future__ import annotations

import inspect
import math
import numbers
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cygd.errors import CygdError, abbreviate, did_you_mean


class _Required:
    """The default of an option that must be given."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


class OptionError(CygdError, ValueError):
    """An unknown option, or a value that the component rejects."""

    def __init__(self, message: str, option: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.option = option  # as the user wrote it; "" for an error about several


@dataclass(frozen=True)
class Declared:
    """The options that a function declares by its keyword parameters."""

    defaults: Mapping[str, Any]  # option -> default, or REQUIRED
    # annotated `int`; without it a default of 1 allows any number, as `beta=1` rarely makes beta a count
    integers: frozenset[str] = frozenset()
    open: bool = False  # the function has `**options` and accepts any option

    @classmethod
    def by(cls, function: Callable[..., Any], arguments: int) -> Declared:
        """Return the options in a signature, after the first `arguments` positional arguments.

        Examples
        --------
        >>> def factor(epoch, epochs, every: int = 30, rate=0.1): ...
        >>> Declared.by(factor, 2).defaults
        {'every': 30, 'rate': 0.1}
        """
        signature = signature_of(function)
        if signature is None:
            return cls({})
        rest = list(signature.parameters.values())
        while arguments and rest and rest[0].kind in _POSITIONAL:
            rest, arguments = rest[1:], arguments - 1
        named = [p for p in rest if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        return cls(
            {p.name: REQUIRED if p.default is p.empty else p.default for p in named},
            frozenset(p.name for p in named if p.annotation in (int, "int")),
            any(p.kind is p.VAR_KEYWORD for p in rest),
        )


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """Return the signature of a function, or None for compiled functions without one."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def check_call(
    owner: str, role: str, function: object, arguments: tuple[str, ...], options: Mapping[str, object]
) -> None:
    """Raise a TypeError unless a function can be called with these arguments and options."""
    expected = f"expected a function of ({', '.join([*arguments, *options])})"
    if not callable(function):
        raise TypeError(f"{owner}: {role}: {expected}, got {type(function).__name__}")
    signature = signature_of(function)
    if signature is None:
        return
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        raise TypeError(f"{owner}: {role}: {expected}, got one of {signature}: {error}") from None


def check_number(value: object) -> float | str:
    """Return a finite number as a float, or the error message for any other value.

    Examples
    --------
    >>> check_number(3), check_number(True), check_number(float("nan"))
    (3.0, 'expected a number, got True', 'expected a finite number, got nan')
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return f"expected a number, got {format_value(value)}"
    try:
        number = float(value)
    except OverflowError:
        return "expected a finite number, got one beyond the largest float"
    return number if math.isfinite(number) else f"expected a finite number, got {number}"


def parse_interval(domain: str) -> tuple[str, float, float, str] | None:
    """Return the brackets and the limits of an interval such as "[0, inf)", or None for another domain."""
    match = re.fullmatch(r"([\[(])(\S+), (\S+)([\])])", domain)
    return match and (match[1], float(match[2]), float(match[3]), match[4])


def in_interval(value: Any, domain: str) -> bool:
    """Return True if a value lies in a domain: an interval such as "[0, 1)", or words such as "sum | mean".

    Examples
    --------
    >>> in_interval(0, "[0, 1)"), in_interval(1, "[0, 1)"), in_interval("sum", "sum | mean")
    (True, False, True)
    """
    interval = parse_interval(domain)
    if interval is None:
        return value in domain.split(" | ")
    left, low, high, right = interval
    above = value >= low if left == "[" else value > low
    below = value <= high if right == "]" else value < high
    return bool(above and below)


def check_option(
    owner: str, option: str, value: object, *, default: object, integer: bool = False, domain: str = ""
) -> object:
    """Return the value of an option in the type of its default, or raise an OptionError."""

    def error(message: str, hint: str | None = None) -> OptionError:
        return OptionError(f"option {option!r} of {owner}: {message}", option, hint=hint)

    result: Any = value
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise error(f"expected true or false, got {format_value(value)}")
    elif isinstance(default, numbers.Real):
        number = check_number(value)
        if isinstance(number, str):
            raise error(number)
        if integer and number != int(number):
            raise error(f"expected an integer, got {format_value(value)}")
        result = int(number) if integer else number
    elif isinstance(default, str) and not isinstance(value, str):
        raise error(f"expected text, got {format_value(value)}")
    if domain and not in_interval(result, domain):
        if "|" in domain:
            near = did_you_mean(str(value), domain.split(" | "))
            raise error(f"expected one of {domain}, got {format_value(value)}", near)
        raise error(f"expected a value in {domain}, got {format_value(value)}")
    return result


def unknown_option(owner: str, option: object, known: list[str]) -> OptionError:
    """Return the error for an option that a component does not have."""
    name = str(option)
    takes = f"it takes {', '.join(known)}" if known else "it takes no options"
    hint = did_you_mean(name, known) or takes
    return OptionError(f"{owner} has no option {name!r}", name, hint=hint)


def format_value(value: object) -> str:
    """Return the repr of a value for a message, truncated to 60 characters."""
    return abbreviate(repr(value))
