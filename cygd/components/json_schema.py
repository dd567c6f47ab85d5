"""The options of a component as JSON Schema, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from numbers import Real
from typing import Any

from cygd.components.base import Component
from cygd.components.options import REQUIRED, parse_interval

ENDS = {"[": "minimum", "(": "exclusiveMinimum", "]": "maximum", ")": "exclusiveMaximum"}


def options_schema(component: Component) -> dict[str, Any]:
    """Return the schema of a mapping of a component's options.

    Examples
    --------
    >>> def factor(epoch, epochs, every: int = 30, rate=0.1): ...
    >>> from cygd import Schedule
    >>> options_schema(Schedule("step", factor, bounds={"rate": "(0, 1]"}))["properties"]["rate"]
    {'type': 'number', 'exclusiveMinimum': 0, 'maximum': 1, 'default': 0.1}
    """
    options, domains = component.options, component.domains
    schema: dict[str, Any] = {"type": "object"}
    if component.summary:
        schema["description"] = component.summary
    schema["properties"] = {
        option: _option(default, domains.get(option, ""), option in component._integers)
        for option, default in options.items()
    }
    required = [option for option, default in options.items() if default is REQUIRED]
    if required:
        schema["required"] = required
    schema["additionalProperties"] = component._open
    return schema


def _option(default: object, domain: str, integer: bool) -> dict[str, Any]:
    """Return the schema of one option: the default determines the type, the domain the limits."""
    if domain and parse_interval(domain) is None:
        words = domain.split(" | ")
        # the default of a built-in may be another word, such as `mean_rows`
        return {"enum": words, **({"default": default} if default in words else {})}
    if default is REQUIRED and not domain:
        return {}
    if isinstance(default, bool):
        return {"type": "boolean", "default": default}
    if isinstance(default, Real) or domain:
        kind = "integer" if integer else "number"
        known = {"default": default} if isinstance(default, Real) and isfinite(default) else {}
        return {"type": kind, **_interval(domain), **known}
    if isinstance(default, str):
        return {"type": "string", "default": default}
    return {}


def _interval(domain: str) -> Mapping[str, float]:
    """Return the limits of an interval such as "[0, inf)"; {} for any other domain."""
    interval = parse_interval(domain)
    if interval is None:
        return {}
    left, low, high, right = interval
    ends = {ENDS[left]: low, ENDS[right]: high}
    return {key: int(end) if end == int(end) else end for key, end in ends.items() if abs(end) < 2**63}
