"""The base class of all components, and helpers that check their declarations."""

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

Function = Callable[..., Any]


def kind_label(kind: str) -> str:
    """Return a kind in words: "data source" for "data_source"."""
    return kind.replace("_", " ")


def with_article(kind: str) -> str:
    """Return a kind in words with its article: "an activation"."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind_label(kind)}"


@dataclass(frozen=True, eq=False, repr=False)
class Component:
    """The base class of everything that an experiment names."""

    kind: ClassVar[str]
    # options that are attributes instead of parameters, with their domains
    _own: ClassVar[Mapping[str, str]] = {}
    _reserved: ClassVar[tuple[str, ...]] = ("name",)  # keys of a specification that no parameter may use

    name: str
    summary: str = field(default="", kw_only=True)  # one line for the user: a formula in words
    # the domain of each option: an interval such as "[0, 1)", or words such as "sum | mean"
    bounds: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    plugin: str = field(init=False, default="")  # the name and the origin of the plugin that registered it
    origin: str = field(init=False, default="")
    _integers: frozenset[str] = field(init=False, default=frozenset())
    _open: bool = field(init=False, default=False)

    def __new__(cls, *values: object, **named: object) -> Self:
        """Reject unknown keyword arguments and suggest the closest match."""
        for name in named:
            known = [each.name for each in fields(cls) if each.init]
            if name not in known:
                hint = did_you_mean(name, known) or f"it takes {', '.join(known)}"
                raise TypeError(f"{cls.__name__} has no argument {name!r}; {hint}")
        return super().__new__(cls)

    if TYPE_CHECKING:
        # at run time a property would become the default of the subclasses' fields of this name

        @property
        def parameters(self) -> Mapping[str, Any]:
            """The keyword arguments of the component's functions: defaults, or what `configured` set."""

    def _set(self, **attributes: object) -> None:
        for attribute, value in attributes.items():
            object.__setattr__(self, attribute, value)

    def _declare(self, declared: Declared) -> None:
        """Set the parameters, as the last step of construction."""
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", self.name):
            raise ValueError(
                f"{kind_label(self.kind)}: invalid name {self.name!r}: expected a letter or '_', then "
                "letters, digits, '_', '.' or '-'"
            )
        for parameter in declared.defaults:
            if parameter in self._reserved or parameter in self._own:
                raise ValueError(f"{self}: {parameter!r} is reserved and cannot be the name of a parameter")
        parameters = dict(declared.defaults)
        self._set(parameters=parameters, _integers=declared.integers, _open=declared.open)

    def __str__(self) -> str:
        return f"{kind_label(self.kind)} {self.name!r}"

    def __repr__(self) -> str:
        options = "".join(f", {option}={value!r}" for option, value in self.options.items())
        return f"{type(self).__name__}({self.name!r}{options})"

    @property
    def options(self) -> dict[str, Any]:
        """The options that `configured` accepts, with their current values."""
        return {**{option: getattr(self, option) for option in self._own}, **self.parameters}

    @property
    def domains(self) -> dict[str, str]:
        """The domains of the options that are restricted, in the notation of `bounds`."""
        return {**self.bounds, **self._own}

    @property
    def tier(self) -> str:
        """The execution tier: "built-in" (of the core or of cygd itself), "formula", "pointer" or "numpy"."""
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
        """The component as a mapping that `resolve` accepts: name, formula (if any) and options."""
        formula = getattr(self, "formula", None)
        return {"name": self.name, **({} if formula is None else {"formula": formula}), **self.options}

    def configured(self, options: Mapping[str, object]) -> Self:
        """Return a copy with other values of some options, or raise an OptionError."""
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
        configured = copy.copy(self)
        configured._set(parameters=parameters, **own)
        return configured

    # copies: a component is immutable, so a deep copy is the component itself

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        from cygd.components.pickling import pickled_state  # imported here: few components are pickled

        return pickled_state(self)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        from cygd.components.pickling import restored_state

        self._set(name=state["name"])  # for the message of an error
        self.__dict__.update(restored_state(self, state))


def kernel_row(table: str, name: str) -> Mapping[str, Any]:
    """Return the row of a kernel in the compiled core: its parameters with defaults, and more."""
    for row in core.names()[table]:
        if row["name"] == name:
            return dict(row)
    raise LookupError(f"the compiled core has no kernel {name!r} in its {table}; rebuild the extensions")


def declared_numbers(owner: Component, parameters: Mapping[str, object]) -> dict[str, float]:
    """Return declared parameters as floats and bools, or raise a TypeError."""
    if not isinstance(parameters, Mapping):
        raise TypeError(f"{owner}: parameters: expected a mapping of names to defaults, got {parameters!r}")
    declared: dict[str, float] = {}
    for parameter, default in parameters.items():
        if not isinstance(parameter, str) or not parameter.isidentifier():
            raise TypeError(f"{owner}: invalid parameter name {parameter!r}: expected an identifier")
        number = default if isinstance(default, bool) else check_number(default)
        if isinstance(number, str):
            raise TypeError(f"{owner}: default of parameter {parameter!r}: {number}")
        declared[parameter] = number
    return declared


def declared_by(owner: Component, role: str, function: object, arguments: tuple[str, ...]) -> Declared:
    """Return the options that a component's function declares by its signature, or raise a TypeError."""
    if not callable(function):
        check_call(str(owner), role, function, arguments, {})
    declared = Declared.by(function, len(arguments))  # type: ignore[arg-type]
    check_call(str(owner), role, function, arguments, declared.defaults)
    return declared
