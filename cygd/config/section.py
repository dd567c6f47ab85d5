"""Mappings with known keys, described by annotated classes: values are checked, faults are collected.

A key is a line `name: type = default`. The type says what is done with a value:
`Annotated[T, Exactly(check)]` takes what the check returns, `Annotated[T, First(check)]` hands it on to T;
`tuple[T, ...]` looks at every item and `T | None` lets null through; any other type takes the value as it
is. Defaults are read as if they were written. Whatever is wrong with the parts is raised in one go.

Why not pydantic, which does the same and far more: importing it and building its models took a quarter of
the time of a short run, and nine megabytes.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    NamedTuple,
    Self,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from cygd.config.messages import found
from cygd.config.validators import Exactly, Fault, Faulty, First, fail

if TYPE_CHECKING:
    from cygd.config.component_spec import Components

__all__ = ["Field", "Section"]

Reader = Callable[[Any, Any], Any]  # (value, components) -> value, or a Faulty


class Field(NamedTuple):
    """A key: its annotation, and its default."""

    annotation: Any
    default: Any


class Section:
    """A mapping with known keys; null, which a key without a value is, means an empty one."""

    internal: ClassVar[tuple[str, ...]] = ()  # attributes that are no keys
    unread: ClassVar[tuple[str, ...]] = ()  # whose defaults stand outside of what may be written
    required: ClassVar[tuple[str, ...]] = ()  # keys that must be given, which `checks` asks for
    short: ClassVar[str] = ""  # the key that a value stands for that is no mapping
    shape: ClassVar[str] = "a mapping"
    _fields: ClassVar[dict[str, Field]]  # of each class, when it is first used
    _readers: ClassVar[dict[str, Reader]]

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in vars(self).items())})"

    @classmethod
    def fields(cls) -> dict[str, Field]:
        """Return all keys and internal attributes, in their order."""
        if "_fields" not in vars(cls):
            hints = get_type_hints(cls, include_extras=True)
            known = [key for key, hint in hints.items() if get_origin(hint) is not ClassVar]
            cls._fields = {key: Field(hints[key], getattr(cls, key)) for key in known}
            cls._readers = {key: _reader(hints[key]) for key in known}
        return cls._fields

    @classmethod
    def key_names(cls) -> list[str]:
        """Return the keys that may be written."""
        return [key for key in cls.fields() if key not in cls.internal]

    @classmethod
    def read(cls, value: Any, components: Components) -> Self:
        """Return the section that a value describes.

        Raises
        ------
        Faulty
            With everything that is wrong; but for unknown keys, which are told first.
        """
        value = cls.unfold(value)
        if not isinstance(value, Mapping):
            names = cls.key_names()
            words = f"{cls.shape} with the key{'s' if len(names) > 1 else ''} {', '.join(names)}"
            raise fail(Fault((), f"expected {words}, found {found(value)}"))
        given = cls.place_keys(dict(value), components)
        values: dict[str, Any] = {}
        faults: list[Fault] = []
        for key, field in cls.fields().items():
            if key not in given and key in cls.unread:
                values[key] = field.default
                continue
            value = given.get(key, field.default)
            values[key] = _collected(cls._readers[key], value, components, key, faults)
        if faults:
            raise fail(*faults)
        return cls(**values)

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """Return the mapping that a short form stands for."""
        return {} if value is None else value

    @classmethod
    def place_keys(cls, value: dict[str, Any], components: Components) -> dict[str, Any]:
        """Refuse what cannot be a key."""
        return value

    def changed(self, **values: Any) -> Self:
        """Return a copy with other values."""
        return type(self)(**{**vars(self), **values})

    def plain(self) -> dict[str, Any]:
        """Return the values by their keys."""
        return dict(vars(self))


def _collected(reader: Reader, value: Any, components: Any, step: str | int, faults: list[Fault]) -> Any:
    """Return what a part is read as; what is wrong with it is added to the faults."""
    try:
        return reader(value, components)
    except Faulty as error:
        faults += [fault.below(step) for fault in error.faults]
    except ValueError:
        faults.append(Fault((step,), "this value is not understood"))
    return None


def _reader(annotation: Any) -> Reader:
    """Return what reads a value of a type."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation.read
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _checked(inner[0], inner[1])
    if origin in (Union, types.UnionType) and inner[1] is type(None):
        below = _reader(inner[0])
        return lambda value, components: None if value is None else below(value, components)
    if origin is tuple and inner[1:] == (...,):
        return _items(_reader(inner[0]))
    return lambda value, components: value


def _checked(annotation: Any, check: Exactly | First) -> Reader:
    if isinstance(check, Exactly):
        if check.with_components:
            return check.check
        return lambda value, components: check.check(value)
    below = _reader(annotation)
    return lambda value, components: below(check.check(value), components)


def _items(reader: Reader) -> Reader:
    def read(values: Any, components: Any) -> tuple[Any, ...]:
        faults: list[Fault] = []
        items = [_collected(reader, value, components, index, faults) for index, value in enumerate(values)]
        if faults:
            raise fail(*faults)
        return tuple(items)

    return read
