"""Components given as a formula instead of a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cygd.components.activations import Activation
from cygd.components.base import Component, with_article
from cygd.components.losses import Loss
from cygd.components.optimizers import Optimizer
from cygd.components.options import OptionError, check_number, format_value

# kind -> its class, and the keys beside the formula that are not parameters
FORMULA_KINDS: dict[str, tuple[type[Component], tuple[str, ...]]] = {
    "activation": (Activation, ("trainable",)),
    "loss": (Loss, ("reduction", "targets")),
    "optimizer": (Optimizer, ("state", "learning_rate")),
}


def component_from_formula(kind: str, spec: Mapping[str, object]) -> Component:
    """Return the component that a mapping with a formula describes; its other keys are parameters.

    Examples
    --------
    >>> component_from_formula("activation", {"formula": "h * sigmoid(beta * h)", "beta": 1.5})
    Activation('formula', beta=1.5)
    """
    if kind not in FORMULA_KINDS:
        hint = "write it as a function in a plugin"
        raise OptionError(f"{with_article(kind)} cannot be given as a formula", "formula", hint=hint)
    cls, keys = FORMULA_KINDS[kind]
    parameters = dict(spec)
    name, formula = parameters.pop("name", "formula"), parameters.pop("formula")
    arguments: dict[str, Any] = {key: parameters.pop(key) for key in keys if key in parameters}
    for key in ("trainable", "state"):
        if key in arguments:
            names = arguments[key]
            if isinstance(names, str):
                arguments[key] = (names,)
            elif not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
                raise OptionError(f"{key}: expected a list of names, got {format_value(names)}", key)
    for key, value in parameters.items():
        error = "expected a number, got null" if value is None else check_number(value)
        if isinstance(error, str) and not isinstance(value, bool):
            raise OptionError(
                f"parameter {key!r} of the formula: {error}",
                str(key),
                hint=f"write {key}: 1.0" if value is None else None,
            )
    try:
        return cls(name, formula=formula, parameters=parameters, **arguments)  # type: ignore[call-arg, arg-type]
    except (TypeError, ValueError) as error:
        if hasattr(error, "hint"):
            raise
        raise OptionError(str(error), "formula") from error
