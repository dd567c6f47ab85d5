"""What a component may be told: the names of its options, their types and their ranges.

A component declares options either as a mapping of defaults or by the keyword parameters of its
function. Both end up here, so that a wrong value is refused in the same words wherever it was
written. A default says the type: a bool is a flag and never a number, a number is a finite number,
text is text, anything else is the component's own business.
"""

from __future__ import annotations

import inspect
import math
import numbers
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cygd.errors import CygdError, did_you_mean

__all__ = ["REQUIRED", "Declared", "OptionError", "check_call", "check_number", "format_value", "in_interval"]


class _Required:
    """The default of an option that has none."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


class OptionError(CygdError, ValueError):
    """An option that a component does not have, or a value that it cannot take.

    Parameters
    ----------
    message : str
        What is wrong; names the component and the option.
    option : str
        The option at fault, as it was written; "" when no single one is.
    hint : str, optional
        What to do about it.
    """

    def __init__(self, message: str, option: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.option = option


@dataclass(frozen=True)
class Declared:
    """The options that a function declares by its keyword parameters.

    Attributes
    ----------
    defaults : mapping
        Option to default, `REQUIRED` where there is none.
    integers : frozenset of str
        The options annotated `int`. Without the annotation a default of 1 is any number, since
        `beta=1` rarely means that beta counts something.
    open : bool
        True for a function with `**options`, which takes whatever it is told.
    """

    defaults: Mapping[str, Any]
    integers: frozenset[str] = frozenset()
    open: bool = False

    @classmethod
    def by(cls, function: Callable[..., Any], arguments: int) -> Declared:
        """Read the signature of a function behind its first `arguments` positional arguments.

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
    """Return the signature of a function, or None where it has none (some compiled functions)."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def check_call(
    owner: str, role: str, function: object, arguments: tuple[str, ...], options: Mapping[str, object]
) -> None:
    """Raise a TypeError unless a function can be called with these arguments and options."""
    wanted = ", ".join([*arguments, *options])
    if not callable(function):
        raise TypeError(f"{owner}: {role} must be a function of ({wanted}), found {type(function).__name__}")
    signature = signature_of(function)
    if signature is None:
        return
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        raise TypeError(
            f"{owner}: {role} must take ({wanted}), but its signature is {signature}: {error}"
        ) from None


def check_number(value: object) -> float | str:
    """Return a finite number as a float, or the words for what is wrong with it.

    Examples
    --------
    >>> check_number(3), check_number(True), check_number(float("nan"))
    (3.0, 'must be a number, found True', 'must be finite, found nan')
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return f"must be a number, found {format_value(value)}"
    try:
        number = float(value)
    except OverflowError:
        return "must be finite, found a number beyond the largest float"
    return number if math.isfinite(number) else f"must be finite, found {number}"


def in_interval(value: Any, domain: str) -> bool:
    """Return whether a value lies in a domain: an interval such as "[0, 1)", or "one | another".

    Examples
    --------
    >>> in_interval(0, "[0, 1)"), in_interval(1, "[0, 1)"), in_interval("sum", "sum | mean")
    (True, False, True)
    """
    interval = re.fullmatch(r"([\[(])(\S+), (\S+)([\])])", domain)
    if interval is None:
        return value in domain.split(" | ")
    left, low, high, right = interval.groups()
    above = value >= float(low) if left == "[" else value > float(low)
    below = value <= float(high) if right == "]" else value < float(high)
    return bool(above and below)


def check_option(
    owner: str, option: str, value: object, *, default: object, integer: bool = False, domain: str = ""
) -> object:
    """Return the value of an option in the type of its default, or raise an OptionError."""

    def wrong(text: str, hint: str | None = None) -> OptionError:
        return OptionError(f"option {option!r} of {owner} {text}", option, hint=hint)

    result: Any = value
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise wrong(f"must be true or false, found {format_value(value)}")
    elif isinstance(default, numbers.Real):
        number = check_number(value)
        if isinstance(number, str):
            raise wrong(number)
        if integer and number != int(number):
            raise wrong(f"must be a whole number, found {format_value(value)}")
        result = int(number) if integer else number
    elif isinstance(default, str) and not isinstance(value, str):
        raise wrong(f"must be text, found {format_value(value)}")
    if domain and not in_interval(result, domain):
        words = "must be one of" if "|" in domain else "must lie in"
        near = did_you_mean(str(value), domain.split(" | ")) if "|" in domain else None
        raise wrong(f"{words} {domain}, found {format_value(value)}", near)
    return result


def unknown_option(owner: str, option: object, known: list[str]) -> OptionError:
    """Return the error for an option that a component does not have."""
    name = str(option)
    takes = f"it takes {', '.join(known)}" if known else "it takes no options"
    hint = did_you_mean(name, known) or takes
    return OptionError(f"{owner} has no option {name!r}", name, hint=hint)


def format_value(value: object) -> str:
    """Return a value for a message, cut where it would fill the screen."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
