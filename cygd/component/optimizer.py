"""Optimizers: how a gradient becomes a change of the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from cygd import formula as formulas
from cygd.component.base import Component, Function, declared_numbers, kernel_row
from cygd.component.options import Declared, check_call, check_option
from cygd.errors import FormulaError

if TYPE_CHECKING:
    from cygd.formula import Program

__all__ = ["Optimizer"]


@dataclass(frozen=True, eq=False, repr=False)
class Optimizer(Component):
    """How a gradient becomes a change of the weights.

    Parameters
    ----------
    name : str
        What an experiment calls it.
    update : callable
        update(w, g, state, learning_rate, step, **parameters) changes the flat vector w in place, given
        the gradient g of the objective; state is a dict of arrays like w, zeros at first, and step
        counts from 1.
    state : sequence of str
        The names of the arrays in `state`.
    parameters : mapping of str to float or bool
        Names and defaults.
    formula : mapping of str to str
        In place of `update`: a formula for w and one for each array of the state, in the order in which
        they are computed; besides w, g and the state they know learning_rate, step and the parameters.
    learning_rate : float
        The default, which an experiment may override.
    kernel : str
        The kernel of the compiled core, for built-ins; it says the state and the parameters.
    flags : sequence of str
        The parameters of the kernel that are true or false (the core has numbers only).

    Examples
    --------
    >>> def descend(w, g, state, learning_rate, step):
    ...     w -= learning_rate * g
    >>> Optimizer("descend", descend).configured({"learning_rate": 0.5})
    Optimizer('descend', learning_rate=0.5)
    >>> Optimizer("descend", formula={"w": "w - learning_rate * g"})
    Optimizer('descend', learning_rate=0.01)
    """

    kind: ClassVar[str] = "optimizer"
    _own: ClassVar[Mapping[str, str]] = {"learning_rate": "[0, inf)"}

    update: Function | None = None
    state: Sequence[str] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    formula: Mapping[str, str] | None = field(default=None, kw_only=True)
    learning_rate: float = field(default=0.01, kw_only=True)
    kernel: str | None = field(default=None, kw_only=True)
    flags: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if self.kernel:
            row = kernel_row("optimizers", self.kernel)
            defaults = {p: bool(v) if p in self.flags else v for p, v in row["parameters"].items()}
            self._declare(Declared(defaults))
            self._set(state=tuple(row["state"]))
        else:
            self._declare(Declared(declared_numbers(self, self.parameters)))
            if isinstance(self.state, str) or not all(isinstance(name, str) for name in self.state):
                raise TypeError(f"{self}: state must be a list of names, found {self.state!r}")
            self._set(state=tuple(self.state))
            if self.formula is not None:
                self._compile()
            else:
                if self.update is None:
                    raise TypeError(f"{self} has no update: give update= or formula=")
                arguments = ("w", "g", "state", "learning_rate", "step")
                check_call(str(self), "update", self.update, arguments, self.parameters)
        rate = check_option(
            str(self), "learning_rate", self.learning_rate, default=0.0, domain=self._own["learning_rate"]
        )
        self._set(learning_rate=rate)

    def _compile(self) -> None:
        """Check the formulas."""
        if self.update is not None:
            raise TypeError(f"{self}: give formula= or update=, not both")
        if not isinstance(self.formula, Mapping):
            raise TypeError(
                f'{self}: formula must map names to formulas, such as {{"w": "w - learning_rate * g"}}'
            )
        try:
            formulas.compile_update(self.formula, self.state, self.parameters)
        except FormulaError as error:
            raise FormulaError(f"{self}: {error.message}", hint=error.hint) from None

    @property
    def program(self) -> Program | None:
        """What the core runs for formulas."""
        return (
            None
            if self.formula is None
            else formulas.compile_update(self.formula, self.state, self.parameters)
        )
