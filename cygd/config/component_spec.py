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
from cygd.errors import CygdError, did_you_mean, hint_of

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
    """A component of an experiment."""

    name: str  # as the user wrote it; "" if none was chosen
    options: dict[str, Any] = field(default_factory=dict)  # as the user wrote them
    component: Any = None  # configured with these options

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
    """Validates the choice of a component."""

    def __init__(self, kind: str, default: str = "", *, optional: bool = False) -> None:
        self.kind = kind
        self.default = default  # what null, or a mapping without a name, means
        self.optional = optional  # null: no component is chosen, a layer takes the model's
        self.words = kind.replace("_", " ")
        self.noun = f"{'an' if kind[0] in 'aeiou' else 'a'} {self.words}"
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
        component = find_component(context.components, self.kind, name, *name_path)
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
        hint = f"write 'name' instead of {other!r}" if other else f"name: ... chooses the {self.words}"
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
            message = "expected a name or a formula, got both"
            raise ValidationError(ErrorDetails(at, message, "remove one of them"))
        if _is_split_by_yaml(spec):
            message = f"YAML split the formula, got {format_value(text)}"
            raise ValidationError(ErrorDetails(at, message, QUOTES_HINT))
        if not isinstance(text, str | Mapping):
            raise ValidationError(expected_error("a formula as text", text, QUOTES_HINT).below(*at))
        try:
            component = components.from_formula(self.kind, spec)
        except (CygdError, TypeError, ValueError) as error:
            raise ValidationError(_details(error, getattr(error, "option", "formula"))) from None
        return ComponentSpec(component.name, dict(spec), component)


def find_component(components: Components, kind: str, name: str, *path: str) -> Any:
    """Return a component; raise ValidationError with an error at `path` if it is unknown."""
    try:
        return components.get(kind, name)
    except (CygdError, ValueError) as error:
        raise ValidationError(_details(error, *path)) from None


def configure_component(
    component: Any, options: Mapping[str, Any], droppable: Collection[str | int] = ()
) -> tuple[Any, dict[str, Any], list[ErrorDetails]]:
    """Return a component with its valid options, these options, and the errors of the others.

    The component is None if an option that it requires is missing or not valid. Errors of `droppable` options
    are not reported.
    """
    errors: list[ErrorDetails] = []
    valid = dict(options)
    while True:
        try:
            return component.configured(valid), valid, errors
        except CygdError as error:
            option = getattr(error, "option", "")
            path = (option,) if option else ()
            if option not in valid:  # a general error, or a required option is missing or was removed below
                if not path or path not in [reported.path for reported in errors]:
                    errors.append(ErrorDetails(path, error.message, error.hint))
                return None, valid, errors
            del valid[option]
            if option in droppable:
                continue
            is_unknown = option not in component.options
            suggestion = suggest(option, component.options) if is_unknown else None
            hint = f"did you mean {suggestion!r}?" if suggestion else error.hint
            errors.append(ErrorDetails(path, error.message, hint, is_unknown, suggestion))


def _details(error: Exception, *path: str) -> ErrorDetails:
    return ErrorDetails(path, getattr(error, "message", str(error)), hint_of(error))


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
