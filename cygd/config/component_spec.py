"""Components as an experiment chooses them: a name, or a mapping of name and options.

Of components this package knows only what it asks of them (`Components`, `configured`, `options`), so
that an experiment can be read, and be wrong, without the compiled core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cygd.config.messages import found
from cygd.config.validators import Exactly, Fault, described, fail
from cygd.errors import CygdError, did_you_mean

__all__ = ["SYNONYMS", "ComponentSpec", "Components", "choose", "component", "synonym"]

SYNONYMS = {  # what other tools call it -> what it is called here
    "activations": "activation",
    "batch": "batch_size",
    "batchsize": "batch_size",
    "early_stopping": "stop",
    "features": "inputs",
    "hidden": "layers",
    "kernel_initializer": "initializer",
    "l1_regularization": "l1",
    "l2_regularization": "l2",
    "loggers": "log",
    "lr": "learning_rate",
    "lr_scheduler": "schedule",
    "metric": "metrics",
    "n_epochs": "epochs",
    "neurons": "units",
    "optim": "optimizer",
    "scheduler": "schedule",
    "size": "units",
    "type": "name",
    "val": "validation",
    "wd": "weight_decay",
    "width": "units",
}


WITH_FORMULAS = ("activation", "loss", "optimizer")
MEANS_FORMULA = "did you mean 'formula'?"
IN_QUOTES = 'put it in quotes: {formula: "..."}'


class Named(Protocol):
    """What finds a component by its name."""

    def get(self, kind: str, name: str) -> Any:
        """Return the component of a kind and a name."""


class Components(Named, Protocol):
    """What finds components: the plugin registry."""

    def from_formula(self, kind: str, spec: Mapping[str, Any]) -> Any:
        """Return the component that a mapping with a formula describes."""


@dataclass(frozen=True)
class ComponentSpec:
    """A component of an experiment.

    Attributes
    ----------
    name : str
        As it was written; "formula" for a formula.
    options : dict
        What was written beside the name.
    component : Component
        The component itself, with these options.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    component: Any = None

    def __bool__(self) -> bool:
        """False for a choice that was not made and has no default of its own."""
        return bool(self.name)


def synonym(word: str, known: Sequence[str]) -> str | None:
    """Return a hint with the known word that another tool calls so, or that is spelt alike."""
    meant = SYNONYMS.get(word.lower())
    if meant in known:
        return f"did you mean {meant!r}?"
    return did_you_mean(word, known) or did_you_mean(word.lower(), known)


def component(kind: str, default: str = "", *, may_lack: bool = False) -> Exactly:
    """Return the type of a component.

    Null, or a mapping without a name, means the default; `may_lack` lets null mean no choice, for a
    layer that follows its model.
    """
    named = {"$ref": f"#/definitions/{kind}"}
    unnamed = {"$ref": f"#/definitions/{kind}_{default}_options"}
    default_too = [{"type": "null"}, unnamed] if default else [{"type": "null"}] if may_lack else []

    @described({"anyOf": [named, *default_too], **({"default": default} if default else {})})
    def check(value: Any, components: Components) -> ComponentSpec:
        if value is None and may_lack:
            return ComponentSpec("")
        if isinstance(value, Mapping) and "formula" in value:
            return _formula(components, kind, value)
        name, options, at_name = _split(kind, value, default)
        chosen, faults = choose(components, kind, name, options, at_name)
        if isinstance(value, Mapping) and "name" not in value:
            faults = [_without_name(kind, name, fault) for fault in faults]
        if faults:
            raise fail(*faults)
        return ComponentSpec(name, options, chosen)

    return Exactly(check, with_components=True)


def choose(
    components: Named,
    kind: str,
    name: str,
    options: Mapping[str, Any],
    at_name: tuple[str, ...] = (),
    unusable: tuple[str, ...] = (),
) -> tuple[Any, list[Fault]]:
    """Find a component and give it its options.

    Parameters
    ----------
    components : Named
        Where to look.
    kind, name, options
        What to look for, and what to tell it.
    at_name, unusable : tuple of str
        The path of the name, and what of the value is worth nothing without the component, both
        below the mapping of the options.

    Returns
    -------
    component
        None when there are faults.
    faults : list of Fault
        Everything that is wrong.
    """
    try:
        chosen = components.get(kind, name)
    except CygdError as error:
        return None, [Fault(at_name, error.message, error.hint, unusable=unusable)]
    except ValueError as error:
        return None, [Fault(at_name, str(error), unusable=unusable)]
    faults: list[Fault] = []
    rest = dict(options)
    while True:
        try:
            configured = chosen.configured(rest)
        except CygdError as error:
            option = getattr(error, "option", "")
            at = (option,) if option else ()
            if option in options and option not in rest:
                return None, faults  # it is required, and was taken out because of what is wrong with it
            if option not in rest:  # required and missing, or no option in particular
                return None, [*faults, Fault(at, error.message, error.hint, unusable=unusable)]
            unknown = option not in chosen.options
            hint = (unknown and synonym(option, list(chosen.options))) or error.hint
            faults.append(Fault(at, error.message, hint, key=unknown))
            del rest[option]
        else:
            return (None, faults) if faults else (configured, [])


def _split(kind: str, value: Any, default: str) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """Return the name, the options, and the path of the name."""
    if value is None and default:
        value = default
    if isinstance(value, str) and value:
        return value, {}, ()
    noun = _with_article(kind)
    if not isinstance(value, Mapping):
        raise fail(Fault((), f"expected the name of {noun}, or {{name: ..., options}}, found {found(value)}"))
    options = dict(value)
    if "name" not in options and not default:
        misspelt = next((key for key in options if _means_formula(kind, key)), None)
        if misspelt:
            raise fail(Fault((misspelt,), f"unknown key {misspelt!r}", MEANS_FORMULA, key=True, unusable=()))
        other = next((key for key in ("type", "kind", "class") if key in options), None)
        hint = f"did you mean 'name' by {other!r}?" if other else f"it says which {_spoken(kind)}"
        raise fail(Fault((), "the key 'name' is missing", hint))
    name = options.pop("name", default)
    if not isinstance(name, str) or not name:
        raise fail(Fault(("name",), f"expected the name of {noun}, found {found(name)}", unusable=()))
    return name, options, ("name",)


def _without_name(kind: str, default: str, fault: Fault) -> Fault:
    """Return a fault of a component that was not named, which is why it is the default one."""
    if not fault.key or not fault.path:
        return fault
    if _means_formula(kind, fault.path[0]):
        return fault._replace(message=f"unknown key {fault.path[0]!r}", hint=MEANS_FORMULA)
    return fault._replace(hint=f"there is no 'name', so it is {default!r}: {fault.hint}")


def _means_formula(kind: str, key: Any) -> bool:
    """Tell whether a key is a misspelt `formula`."""
    return kind in WITH_FORMULAS and did_you_mean(str(key).lower(), ["formula"]) is not None


def _formula(components: Components, kind: str, spec: Mapping[str, Any]) -> ComponentSpec:
    """Return a component that is a formula, or fail with what is wrong with it."""
    text = spec["formula"]
    if "name" in spec:
        message = "a component has a name or a formula, not both"
        raise fail(Fault(("formula",), message, "leave out one of them", unusable=()))
    if _split_by_yaml(spec):
        message = f"YAML took the formula apart, found {found(text)}"
        raise fail(Fault(("formula",), message, IN_QUOTES, unusable=()))
    if not isinstance(text, str | Mapping):
        raise fail(Fault(("formula",), f"a formula is text, found {found(text)}", IN_QUOTES, unusable=()))
    try:
        component = components.from_formula(kind, spec)
    except CygdError as error:
        option = getattr(error, "option", "formula")
        raise fail(Fault((option,), error.message, error.hint, unusable=())) from None
    except (TypeError, ValueError) as error:
        raise fail(Fault(("formula",), str(error), unusable=())) from None
    return ComponentSpec(component.name, dict(spec), component)


def _split_by_yaml(spec: Mapping[str, Any]) -> bool:
    """Tell whether a formula without quotes became several keys: {formula: max(h, 0)} has a key "0)".

    The parenthesis that the text leaves open is closed by what follows it then.
    """
    text = spec["formula"]
    if isinstance(text, list):
        return True
    if not isinstance(text, str):
        return False
    depth = text.count("(") - text.count(")")
    behind = list(spec.items())[list(spec).index("formula") + 1 :]
    for key, value in behind:
        if depth > 0:
            piece = f"{key}: {value}"
            depth += piece.count("(") - piece.count(")")
            if depth <= 0:
                return True
        elif value is None and not str(key).isidentifier():
            return True
    return False


def _spoken(kind: str) -> str:
    return kind.replace("_", " ")


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {_spoken(kind)}"
