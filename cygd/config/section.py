"""Sections: mappings with known keys, each key declared in one line.

`epochs: int = field(whole_number(0), 100, "passes over the training rows")` declares a key with its
validator, its default and its description. Everything else about the key is derived from this line: how it is
read, how config.yaml shows it, its JSON schema, its row in docs/configuration.md, and whether an override may
name a component in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

from cygd.config.component_spec import Components, ComponentSpec, suggest
from cygd.config.validators import (
    Context,
    ErrorDetails,
    ListOf,
    Nullable,
    ValidationError,
    Validator,
    expected_error,
)
from cygd.errors import format_count

MAX_UNKNOWN = 100  # keys of one section that are reported


class Field(NamedTuple):
    """A key of a section."""

    validator: Validator
    default: Any  # as a user would write it; it is validated too
    description: str  # in Markdown
    default_text: str = ""  # the default in words, if it depends on other keys
    required: bool = False  # `cross_checks` reports a missing one
    lazy: bool = False  # the default is a placeholder that is not validated and is filled in later
    rare: bool = False  # config.yaml shows the key only if its value differs from the default

    def read(self, given: Mapping[str, Any], key: str, context: Context) -> Any:
        """Return the valid value of a key: the given one, or else the default."""
        if key in context.known and not context.path:
            return context.known[key]
        below = context.below(key)
        try:
            if key in given:
                return self.validator.validate(given[key], below)
        except ValidationError as error:
            below.add(*error.errors)
        if self.lazy:
            return self.default
        try:
            return self.validator.validate(self.default, below)
        except ValidationError as error:
            below.add(*error.errors)
            raise InvalidDefaultError from None

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return isinstance(_not_null(self.validator), ListOf)

    @property
    def inner(self) -> Any:
        """The validator of the value, or of its items if it is a list."""
        validator = _not_null(self.validator)
        return validator.item if isinstance(validator, ListOf) else validator


def field(validator: Validator, default: Any, description: str = "", **options: Any) -> Any:
    """Declare a key of a section; see `Field`."""
    return Field(validator, default, description, **options)


def optional(validator: Validator, description: str = "", **options: Any) -> Any:
    """Declare a key that accepts null, which is its default."""
    return Field(Nullable(validator), None, description, **options)


def _not_null(validator: Validator) -> Validator:
    return validator.inner if isinstance(validator, Nullable) else validator


class InvalidDefaultError(Exception):
    """A default that is not valid, so that validation cannot continue."""


class Section:
    """A mapping with known keys. The class is a validator; its instances hold the valid values."""

    shorthand_key: ClassVar[str] = ""  # the key of a value that is not a mapping
    expected: ClassVar[str] = "a mapping"
    fields: ClassVar[dict[str, Field]] = {}

    def __init_subclass__(cls) -> None:
        cls.fields = cls.fields | {key: value for key, value in vars(cls).items() if isinstance(value, Field)}

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in vars(self).items())})"

    @classmethod
    def read(cls, value: Any, components: Components) -> Self:
        """Return the valid section, or raise ValidationError with everything that is wrong."""
        context = Context(components, [], root=cls)
        section: Self = cls.validate(value, context)
        if context.errors:
            raise ValidationError(*context.errors)
        return section

    @classmethod
    def validate(cls, value: Any, context: Context) -> Any:
        """Return the section with its valid values; invalid ones are reported and replaced by defaults."""
        value = cls.from_shorthand(value)
        if not isinstance(value, Mapping):
            keys = f"the key{'s' if len(cls.fields) > 1 else ''} {', '.join(cls.fields)}"
            raise ValidationError(expected_error(f"{cls.expected} with {keys}", value))
        given = cls.check_keys(dict(value), context)
        values = {key: field.read(given, key, context) for key, field in cls.fields.items()}
        return cls(**{**given, **values})

    @classmethod
    def from_shorthand(cls, value: Any) -> Any:
        """Return the mapping that a short form abbreviates; null, a key without a value, is an empty one."""
        return {} if value is None else value

    @classmethod
    def check_keys(cls, given: dict[str, Any], context: Context) -> dict[str, Any]:
        """Report unknown keys with the key or the section that is probably meant; return the others."""
        unknown = [key for key in given if key not in cls.fields]
        for key in unknown[:MAX_UNKNOWN]:
            suggestion = suggest(key, cls.fields)
            hint = f"did you mean {suggestion!r}?" if suggestion else cls.hint_for(key, context)
            hint = hint or f"known keys: {', '.join(cls.fields)}"
            context.add(ErrorDetails((key,), f"unknown key {key!r}", hint, True, suggestion))
        if len(unknown) > MAX_UNKNOWN:
            more = format_count(len(unknown) - MAX_UNKNOWN, "more unknown key")
            context.add(ErrorDetails((unknown[MAX_UNKNOWN],), more, None, True))
        return {key: value for key, value in given.items() if key in cls.fields}

    @classmethod
    def hint_for(cls, key: str, context: Context) -> str | None:
        """Return a hint with the section that knows a key."""
        paths = [path for path, _ in walk(context.root) if path[-1] == key]
        homes = [tuple(step for step in path[:-1] if step != "*") for path in paths]
        if () in homes:
            return f"{key!r} belongs at the top level, without indentation"
        depth = min(map(len, homes), default=0)
        names = [repr(".".join(home)) for home in homes if len(home) == depth]
        return f"{key!r} belongs in {' or '.join(names)}" if names else None

    def replace(self, **values: Any) -> Self:
        """Return a copy with other values."""
        return type(self)(**{**vars(self), **values})

    def plain(self) -> dict[str, Any]:
        """Return the values by their keys."""
        return {key: getattr(self, key) for key in self.fields}

    def resolved(self) -> dict[str, Any]:
        """Return plain values as config.yaml holds them."""
        return self.resolved_with()

    def resolved_with(self, **values: Any) -> dict[str, Any]:
        """Return plain values as config.yaml holds them, with the given ones in place of some."""
        return {
            key: values[key] if key in values else _plain(getattr(self, key))
            for key, field in self.fields.items()
            if not (field.rare and getattr(self, key) in (field.default, None, (), {}))
        }


def walk(section: type[Section], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Field]]:
    """Yield every key of a section and of the sections in it, with its path; "*" is any index."""
    for key, field in section.fields.items():
        yield (*path, key), field
        if isinstance(field.inner, type):
            yield from walk(field.inner, (*path, key, "*") if field.is_list else (*path, key))


def _plain(value: Any) -> Any:
    """Return a valid value as plain values."""
    if isinstance(value, Section | ComponentSpec):
        return value.resolved()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
