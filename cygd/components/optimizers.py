"""Optimizers: the update rules, from a gradient to a change of the weights.

A built-in is a row of `OPTIMIZERS` and an update of the same name in the core. The core holds PyTorch's
formulas, parameters and defaults; the learning rates are here. Weight decay is coupled (added to the
gradient), except in adamw and lion. Without momentum, sgd ignores dampening. A negative variance of centered
rmsprop counts as 0; there PyTorch gives nan. docs/numerics.md lists all differences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from cygd.components import formula as formulas
from cygd.components.base import Component, Function, declared_numbers, kernel_row
from cygd.components.options import Declared, check_call, check_option
from cygd.errors import FormulaError

if TYPE_CHECKING:
    from cygd.components.formula import Program


@dataclass(frozen=True, eq=False, repr=False)
class Optimizer(Component):
    """An update rule: from a gradient to a change of the weights.

    Parameters
    ----------
    name : str
        The name in an experiment.
    update : callable
        update(w, g, state, learning_rate, step, **parameters) changes the flat vector w in place, given the
        gradient g of the objective; state is a dict of arrays like w, initially zeros, and step counts from
        1.
    state : sequence of str
        The names of the arrays in `state`.
    parameters : mapping of str to float or bool
        Names and defaults.
    formula : mapping of str to str
        Instead of `update`: a formula for w and one for each array of the state, in the order of evaluation;
        besides w, g and the state they may use learning_rate, step and the parameters.
    learning_rate : float
        The default, which an experiment may override.
    kernel : str
        The kernel of the compiled core, for built-ins; it determines the state and the parameters.
    flags : sequence of str
        The boolean parameters of the kernel (the core has numbers only).

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
                raise TypeError(f"{self}: state: expected a list of names, got {self.state!r}")
            self._set(state=tuple(self.state))
            if self.formula is not None:
                self._compile()
            else:
                if self.update is None:
                    raise TypeError(f"{self}: no update; give update= or formula=")
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
                f'{self}: formula: expected a mapping such as {{"w": "w - learning_rate * g"}}, '
                f"got {self.formula!r}"
            )
        try:
            formulas.compile_update(self.formula, self.state, self.parameters)
        except FormulaError as error:
            raise FormulaError(f"{self}: {error.message}", hint=error.hint) from None

    @property
    def description(self) -> dict[str, Any]:
        """The optimizer as a mapping that `resolve` accepts; formulas with the names of their state."""
        return {**super().description, **({} if self.formula is None else {"state": list(self.state)})}

    @property
    def program(self) -> Program | None:
        """The compiled program of the formulas."""
        if self.formula is None:
            return None
        return formulas.compile_update(self.formula, self.state, self.parameters)


# by parameter: a name means the same in every optimizer
_BOUNDS = {
    "momentum": "[0, inf)",
    "dampening": "(-inf, inf)",
    "weight_decay": "[0, inf)",
    "learning_rate_decay": "[0, inf)",
    "initial_accumulator": "[0, inf)",
    "epsilon": "[0, inf)",
    "rho": "[0, 1]",
    "alpha": "[0, inf)",
    "beta1": "[0, 1)",
    "beta2": "[0, 1)",
    "momentum_decay": "[0, inf)",
}


def _row(name: str, learning_rate: float, summary: str, **keywords: Any) -> Optimizer:
    return Optimizer(
        name, kernel=name, learning_rate=learning_rate, summary=summary, bounds=_BOUNDS, **keywords
    )


OPTIMIZERS: tuple[Optimizer, ...] = (
    _row("sgd", 0.1, "w - eta g, optionally with (Nesterov) momentum", flags=("nesterov",)),
    _row("adagrad", 0.01, "each weight's rate falls with the sum of its squared gradients"),
    _row("adadelta", 1.0, "steps in units of the recent steps, gradients in units of the recent gradients"),
    _row("rmsprop", 0.01, "g over the root of its recent mean square", flags=("centered",)),
    _row("adam", 1e-3, "mean gradient over the root of the mean square", flags=("amsgrad",)),
    _row("adamw", 1e-3, "adam with decoupled weight decay", flags=("amsgrad",)),
    _row("nadam", 2e-3, "adam with Nesterov's momentum"),
    _row("lion", 1e-4, "the sign of an interpolated momentum"),
)
