"""Components as an experiment chooses them: by name, by a mapping with options, or by a formula.

This module only asks components for `configured`, `options` and `from_formula` (the protocol `Components`),
so that an experiment can be validated without the compiled core.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cygd.config.messages import format_value
from cygd.config.validators import Context, ErrorDetails, ValidationError, expected_error
from cygd.errors import CygdError, did_you_mean

__all__ = [
    "ComponentSpec",
    "ComponentValidator",
    "Components",
    "configure_component",
    "find_component",
    "suggest",
]

SYNONYMS = {  # names in other tools -> names here
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

FORMULA_KINDS = ("activation", "loss", "optimizer")
FORMULA_HINT = "did you mean 'formula'?"
QUOTES_HINT = 'put it in quotes: {formula: "..."}'


class Components(Protocol):
    """Finds components: the plugin registry."""

    def get(self, kind: str, name: str) -> Any:
        """Return the component of a kind and a name."""

    def from_formula(self, kind: str, spec: Mapping[str, Any]) -> Any:
        """Return the component that a mapping with a formula describes."""


@dataclass(frozen=True)
class ComponentSpec:
    """A component of an experiment.

    Attributes
    ----------
    name : str
        The name as the user wrote it; "formula" for a formula.
    options : dict
        The options as the user wrote them.
    component : Component
        The component, configured with these options.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    component: Any = None

    def __bool__(self) -> bool:
        """Return False if no component was chosen."""
        return bool(self.name)

    def resolved(self) -> str | dict[str, Any]:
        """Return the component with all its options, or its name alone if it has none."""
        if "formula" in self.options:
            return dict(self.options)
        options = {
            key: "mean" if value == "mean_rows" else value  # an experiment calls the mean over samples "mean"
            for key, value in self.component.options.items()
            if isinstance(value, bool | int | float | str)
        }
        options |= {key: value for key, value in self.options.items() if key not in options}
        return {"name": self.name, **options} if options else self.name


class ComponentValidator:
    """Validates the choice of a component.

    Parameters
    ----------
    kind : str
        The kind of component.
    default : str
        The component that null, or a mapping without a name, stands for.
    optional : bool
        Null means that no component is chosen: a layer takes the model's.
    """

    def __init__(self, kind: str, default: str = "", *, optional: bool = False) -> None:
        self.kind = kind
        self.default = default
        self.optional = optional
        self.noun = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind.replace('_', ' ')}"
        self.expected = f"the name of {self.noun}, or {{name: ..., options}}"

    @property
    def json_schema(self) -> dict[str, Any]:
        """The name, or the mapping with options, as JSON Schema."""
        forms: list[dict[str, Any]] = [{"$ref": f"#/definitions/{self.kind}"}]
        if self.default or self.optional:
            forms.append({"type": "null"})
        if self.default:
            forms.append({"$ref": f"#/definitions/{self.kind}_{self.default}_options"})
        return {"anyOf": forms, **({"default": self.default} if self.default else {})}

    def validate(self, value: Any, context: Context) -> ComponentSpec:
        """Find the component and configure it with its options."""
        if value is None and self.optional:
            return ComponentSpec("")
        if isinstance(value, Mapping) and "formula" in value:
            return self._from_formula(value, context.components)
        name, options, name_path = self._split(value)
        component = find_component(context.components, self.kind, name, name_path)
        droppable = {path[-1] for path in context.droppable if path[:-1] == context.path}
        configured, options, errors = configure_component(component, options, droppable)
        if isinstance(value, Mapping) and not name_path:
            errors = [self._explain_default(error) for error in errors]
        if configured is None:
            raise ValidationError(*errors)
        context.add(*errors)
        return ComponentSpec(name, options, configured)

    def _split(self, value: Any) -> tuple[str, dict[str, Any], tuple[str, ...]]:
        """Return the name, the options, and the path of the name."""
        if value is None and self.default:
            value = self.default
        if isinstance(value, str) and value:
            return value, {}, ()
        if not isinstance(value, Mapping):
            raise ValidationError(expected_error(self.expected, value))
        options = dict(value)
        if "name" not in options:
            if not self.default:
                raise ValidationError(self._missing_name(options))
            return self.default, options, ()
        name = options.pop("name")
        if not isinstance(name, str) or not name:
            raise ValidationError(expected_error(f"the name of {self.noun}", name).below("name"))
        return name, options, ("name",)

    def _missing_name(self, options: Mapping[str, Any]) -> ErrorDetails:
        misspelled = next((key for key in options if self._resembles_formula(key)), None)
        if misspelled:
            return ErrorDetails((misspelled,), f"unknown key {misspelled!r}", FORMULA_HINT, at_key=True)
        other = next((key for key in ("type", "kind", "class") if key in options), None)
        hint = (
            f"write 'name' instead of {other!r}"
            if other
            else f"name: ... chooses the {self.noun.split(' ', 1)[1]}"
        )
        return ErrorDetails((), "missing key 'name'", hint)

    def _explain_default(self, error: ErrorDetails) -> ErrorDetails:
        """Return an error of the default component, with the hint that no other one was named."""
        if not error.at_key or not error.path:
            return error
        key = error.path[0]
        if self._resembles_formula(key):
            return error._replace(message=f"unknown key {key!r}", hint=FORMULA_HINT)
        return error._replace(hint=f"without 'name' it is {self.default!r}: {error.hint}")

    def _resembles_formula(self, key: Any) -> bool:
        return self.kind in FORMULA_KINDS and did_you_mean(str(key).lower(), ["formula"]) is not None

    def _from_formula(self, spec: Mapping[str, Any], components: Components) -> ComponentSpec:
        text = spec["formula"]
        at = ("formula",)
        if "name" in spec:
            raise ValidationError(
                ErrorDetails(at, "expected a name or a formula, got both", "remove one of them")
            )
        if _is_split_by_yaml(spec):
            message = f"YAML split the formula, got {format_value(text)}"
            raise ValidationError(ErrorDetails(at, message, QUOTES_HINT))
        if not isinstance(text, str | Mapping):
            raise ValidationError(expected_error("a formula as text", text, QUOTES_HINT).below(*at))
        try:
            component = components.from_formula(self.kind, spec)
        except CygdError as error:
            option = getattr(error, "option", "formula")
            raise ValidationError(ErrorDetails((option,), error.message, error.hint)) from None
        except (TypeError, ValueError) as error:
            raise ValidationError(ErrorDetails(at, str(error))) from None
        return ComponentSpec(component.name, dict(spec), component)


def find_component(components: Components, kind: str, name: str, path: tuple[str, ...] = ()) -> Any:
    """Return a component; raise ValidationError with an error at `path` if it is unknown."""
    try:
        return components.get(kind, name)
    except CygdError as error:
        raise ValidationError(ErrorDetails(path, error.message, error.hint)) from None
    except ValueError as error:
        raise ValidationError(ErrorDetails(path, str(error))) from None


def configure_component(
    component: Any, options: Mapping[str, Any], droppable: Collection[str | int] = ()
) -> tuple[Any, dict[str, Any], list[ErrorDetails]]:
    """Give a component its options, without those that are not valid.

    Parameters
    ----------
    component : Component
        The component.
    options : mapping
        Its options.
    droppable : collection of str
        Options whose errors are not reported.

    Returns
    -------
    component
        The configured component; None if an option that it requires is missing or not valid.
    options : dict
        The valid options.
    errors : list of ErrorDetails
        The errors of the others.
    """
    errors: list[ErrorDetails] = []
    valid = dict(options)
    while True:
        try:
            return component.configured(valid), valid, errors
        except CygdError as error:
            option = getattr(error, "option", "")
            path = (option,) if option else ()
            if (
                option not in valid
            ):  # a missing required option, unless it was removed below, or a general error
                if path not in [reported.path for reported in errors] or not path:
                    errors.append(ErrorDetails(path, error.message, error.hint))
                return None, valid, errors
            del valid[option]
            if option in droppable:
                continue
            is_unknown = option not in component.options
            suggestion = suggest(option, component.options) if is_unknown else None
            hint = f"did you mean {suggestion!r}?" if suggestion else error.hint
            errors.append(ErrorDetails(path, error.message, hint, is_unknown, suggestion))


def suggest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that another tool calls `word`, or that is spelled alike."""
    known = list(known)
    if SYNONYMS.get(word.lower()) in known:
        return SYNONYMS[word.lower()]
    hints = {f"did you mean {name!r}?": name for name in known}
    near = did_you_mean(word, known) or did_you_mean(word.lower(), known)
    return hints[near] if near else None


def _is_split_by_yaml(spec: Mapping[str, Any]) -> bool:
    """Return True if YAML made several keys of an unquoted formula: {formula: max(h, 0)} has a key "0)".

    A following key then closes the parenthesis that the text leaves open.
    """
    text = spec["formula"]
    if isinstance(text, list):
        return True
    if not isinstance(text, str):
        return False
    depth = text.count("(") - text.count(")")
    following = list(spec.items())[list(spec).index("formula") + 1 :]
    for key, value in following:
        if depth > 0:
            piece = f"{key}: {value}"
            depth += piece.count("(") - piece.count(")")
            if depth <= 0:
                return True
        elif value is None and not str(key).isidentifier():
            return True
    return False
