"""Components that an experiment writes as a formula, in place of a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cygd.components.activations import Activation
from cygd.components.base import Component, with_article
from cygd.components.losses import Loss
from cygd.components.optimizers import Optimizer
from cygd.components.options import OptionError, check_number, format_value

__all__ = ["component_from_formula"]

# kind -> its class, and the keys beside the formula that are no parameters of it
_KINDS: dict[str, tuple[type[Component], tuple[str, ...]]] = {
    "activation": (Activation, ("trainable",)),
    "loss": (Loss, ("reduction", "targets")),
    "optimizer": (Optimizer, ("state", "learning_rate")),
}


def component_from_formula(kind: str, spec: Mapping[str, object]) -> Component:
    """Return the component that a mapping with a formula describes; what else it holds are parameters.

    Raises
    ------
    FormulaError
        If it is no formula.
    OptionError
        For a kind that knows no formulas, or a key with a value that it cannot take.

    Examples
    --------
    >>> component_from_formula("activation", {"formula": "h * sigmoid(beta * h)", "beta": 1.5})
    Activation('formula', beta=1.5)
    """
    if kind not in _KINDS:
        hint = "write it as a function in a plugin"
        raise OptionError(f"{with_article(kind)} cannot be given as a formula", "formula", hint=hint)
    cls, own = _KINDS[kind]
    options = dict(spec)
    name, formula = options.pop("name", "formula"), options.pop("formula")
    arguments: dict[str, Any] = {key: options.pop(key) for key in own if key in options}
    names = arguments.get("trainable", arguments.get("state", ()))
    for key in ("trainable", "state"):
        if key in arguments:
            arguments[key] = (names,) if isinstance(names, str) else names
            if not isinstance(arguments[key], Sequence) or not all(
                isinstance(n, str) for n in arguments[key]
            ):
                raise OptionError(f"{key!r} must be a list of names, found {format_value(names)}", key)
    for key, value in options.items():
        if value is None:
            raise OptionError(
                f"the parameter {str(key)!r} of the formula needs a number",
                str(key),
                hint=f"write {key}: 1.0",
            )
        wrong = None if isinstance(value, bool) else check_number(value)
        if isinstance(wrong, str):
            raise OptionError(f"parameter {key!r} of the formula {wrong}", str(key))
    try:
        return cls(name, formula=formula, parameters=options, **arguments)  # type: ignore[call-arg, arg-type]
    except (TypeError, ValueError) as error:
        if hasattr(error, "hint"):
            raise
        raise OptionError(str(error), "formula") from error
