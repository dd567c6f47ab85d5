"""The base of all components, and how a component reads its declaration."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cygd import core
from cygd.components.options import (
    REQUIRED,
    Declared,
    OptionError,
    check_call,
    check_number,
    check_option,
    unknown_option,
)
from cygd.errors import did_you_mean

__all__ = [
    "Component",
    "Function",
    "declared_by",
    "declared_numbers",
    "kernel_row",
    "kind_label",
    "with_article",
]

Function = Callable[..., Any]


def kind_label(kind: str) -> str:
    """Return a kind as a reader says it: "data source" for "data_source"."""
    return kind.replace("_", " ")


def with_article(kind: str) -> str:
    """Return a kind with its article: "an activation"."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind_label(kind)}"


@dataclass(frozen=True, eq=False, repr=False)
class Component:
    """The base of everything that an experiment names.

    Attributes
    ----------
    kind : str
        What it is, the same for all components of a class.
    name : str
        A letter or underscore, then letters, digits, underscores, dots and hyphens.
    parameters : mapping
        What the component's functions are called with: the declared parameters with their defaults,
        in a configured copy with the values that it was given.
    summary : str
        One line for people: a formula in words.
    bounds : mapping
        The domain of an option: an interval such as "[0, 1)", or words such as "sum | mean".
    """

    kind: ClassVar[str]
    # options that are attributes and not parameters of the function, and what they may be
    _own: ClassVar[Mapping[str, str]] = {}
    _taken: ClassVar[tuple[str, ...]] = ("name",)  # what no parameter may be called

    name: str
    summary: str = field(default="", kw_only=True)
    bounds: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    _integers: frozenset[str] = field(init=False, default=frozenset())
    _open: bool = field(init=False, default=False)

    def __new__(cls, *values: object, **named: object) -> Self:
        """Refuse an argument that there is not, with the one that may be meant."""
        known = [each.name for each in fields(cls) if each.init]
        for name in named:
            if name not in known:
                near = did_you_mean(name, known) or f"it takes {', '.join(known)}"
                raise TypeError(f"{cls.__name__} has no argument {name!r}; {near}")
        return super().__new__(cls)

    if TYPE_CHECKING:
        # a property here would be taken for a default of the subclasses' fields of this name

        @property
        def parameters(self) -> Mapping[str, Any]:
            """What the component's functions are called with."""

    def _set(self, **attributes: object) -> None:
        for attribute, value in attributes.items():
            object.__setattr__(self, attribute, value)

    def _declare(self, declared: Declared) -> None:
        """Take over the parameters, as the last step of construction."""
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", self.name):
            raise ValueError(
                f"{self.name!r} is no name for {with_article(self.kind)}: it must begin with a letter "
                "or an underscore and go on with letters, digits, '_', '.' or '-'"
            )
        for parameter in declared.defaults:
            if parameter in self._taken or parameter in self._own:
                raise ValueError(f"{self}: a parameter cannot be called {parameter!r}, which is taken")
        parameters = dict(declared.defaults)
        self._set(parameters=parameters, _integers=declared.integers, _open=declared.open)

    def __str__(self) -> str:
        return f"{kind_label(self.kind)} {self.name!r}"

    def __repr__(self) -> str:
        listed = "".join(f", {option}={value!r}" for option, value in self.options.items())
        return f"{type(self).__name__}({self.name!r}{listed})"

    @property
    def options(self) -> dict[str, Any]:
        """Everything that `configured` understands, with the values of now."""
        return {**{option: getattr(self, option) for option in self._own}, **self.parameters}

    @property
    def domains(self) -> dict[str, str]:
        """Where the values of options must lie, as in `bounds`, for those that are not free."""
        return {**self.bounds, **self._own}

    @property
    def tier(self) -> str:
        """How it is run: "built-in", "formula", "pointer" or "numpy".

        Built-in is a kernel of the core, or a function of cygd itself.
        """
        if getattr(self, "pointers", None) is not None:
            return "pointer"
        if getattr(self, "formula", None) is not None:
            return "formula"
        if hasattr(self, "kernel"):
            return "built-in" if self.kernel else "numpy"
        modules = (str(getattr(v, "__module__", "")) for v in self.__dict__.values() if callable(v))
        return "built-in" if any(module.startswith("cygd.") for module in modules) else "numpy"

    @property
    def description(self) -> dict[str, Any]:
        """The component as a mapping that `resolve` reads back: name, formula if it is one, options."""
        formula = getattr(self, "formula", None)
        written = {} if formula is None else {"formula": formula}
        return {"name": self.name, **written, **self.options}

    def configured(self, options: Mapping[str, object]) -> Self:
        """Return a copy with other values of some options.

        Parameters
        ----------
        options : mapping
            Option to value; options that are not named keep the value they have.

        Raises
        ------
        OptionError
            For an option that there is not, a value of the wrong type, one that is not finite or
            out of range, and a required option that nobody gave.
        """
        known = self.options
        checked = {}
        for option, value in options.items():
            if option not in known and not self._open:
                raise unknown_option(str(self), option, list(known))
            checked[option] = check_option(
                str(self),
                option,
                value,
                default=known.get(option),
                integer=option in self._integers,
                domain=self.domains.get(option, ""),
            )
        own = {option: value for option, value in checked.items() if option in self._own}
        parameters = {**self.parameters, **{o: value for o, value in checked.items() if o not in own}}
        for option, value in parameters.items():
            if value is REQUIRED:
                raise OptionError(f"{self} needs the option {option!r}", option)
        twin = copy.copy(self)
        twin._set(parameters=parameters, **own)
        return twin


def kernel_row(table: str, name: str) -> Mapping[str, Any]:
    """Return what the compiled core knows of a kernel: parameters with defaults, and more."""
    for row in core.names()[table]:
        if row["name"] == name:
            return dict(row)
    raise LookupError(f"the compiled core has no kernel {name!r} among its {table}; is it built anew?")


def declared_numbers(owner: Component, parameters: Mapping[str, object]) -> dict[str, float]:
    """Return declared parameters as floats and bools, or raise a TypeError."""
    if not isinstance(parameters, Mapping):
        raise TypeError(f"{owner}: parameters must map names to defaults, found {parameters!r}")
    numbers: dict[str, float] = {}
    for parameter, default in parameters.items():
        if not isinstance(parameter, str) or not parameter.isidentifier():
            raise TypeError(f"{owner}: {parameter!r} is no name for a parameter")
        number = default if isinstance(default, bool) else check_number(default)
        if isinstance(number, str):
            raise TypeError(f"{owner}: the default of parameter {parameter!r} {number}")
        numbers[parameter] = number
    return numbers


def declared_by(owner: Component, role: str, function: object, arguments: tuple[str, ...]) -> Declared:
    """Return the options in the signature of a component's function, or raise a TypeError."""
    if not callable(function):
        check_call(str(owner), role, function, arguments, {})
    declared = Declared.by(function, len(arguments))  # type: ignore[arg-type]
    check_call(str(owner), role, function, arguments, declared.defaults)
    return declared
