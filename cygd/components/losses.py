"""Losses: the functions E(y, y_hat) that training minimizes.

A built-in is a row of `LOSSES` and a kernel of the same name in the core. The formula in `summary` is that
of one element, e = y_hat - y. The core holds the parameters and the reduction to one number: the sum, the
mean, or for cross_entropy the mean over samples; `reduction: sum | mean` overrides it. Only sse and huber
have a 1/2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from cygd import core
from cygd.components import formula as formulas
from cygd.components.base import Component, Function, declared_numbers, kernel_row
from cygd.components.evaluation import (
    Array,
    as_float_array,
    check_result,
    numerical_derivative,
    read_only,
    run_program,
)
from cygd.components.options import Declared, check_call
from cygd.errors import DataError, FormulaError

if TYPE_CHECKING:
    from cygd.components.formula import LossPrograms


@dataclass(frozen=True, eq=False, repr=False)
class Loss(Component):
    """The function E(y, y_hat) that training minimizes.

    Parameters
    ----------
    name : str
        The name in an experiment.
    function : callable
        function(y, y_hat, **parameters) -> the loss of each element, before the reduction.
    derivative : callable, optional
        derivative(y, y_hat, **parameters) -> its derivative with respect to y_hat. If omitted, the derivative
        is computed by central differences.
    reduction : {"mean", "sum", "mean_rows"}
        How the elements become one number: their mean, their sum, or the mean over samples of the sum over
        outputs, which an experiment calls `mean` as well.
    parameters : mapping of str to float
        Names and defaults.
    formula : str
        Instead of functions: an expression in y, y_hat and the parameters, such as "log(cosh(y_hat - y))".
    targets : {"any", "unit", "nonnegative", "signs"}
        The domain of y: any number, [0, 1], [0, inf), or -1 and 1.
    kernel : str
        The kernel of the compiled core, for built-ins; it determines the reduction and the parameters.
    kinks : tuple of float
        The errors y_hat - y without a derivative.

    Examples
    --------
    >>> difference = Loss("difference", lambda y, y_hat: y - y_hat, lambda y, y_hat: -np.ones_like(y))
    >>> difference.configured({"reduction": "sum"})
    Loss('difference', reduction='sum')
    """

    kind: ClassVar[str] = "loss"
    _own: ClassVar[Mapping[str, str]] = {"reduction": "sum | mean"}

    function: Function | None = None
    derivative: Function | None = None
    reduction: str = "mean"
    parameters: Mapping[str, float] = field(default_factory=dict)
    formula: str | None = field(default=None, kw_only=True)
    targets: str = field(default="any", kw_only=True)
    kernel: str | None = field(default=None, kw_only=True)
    kinks: tuple[float, ...] = field(default=(), kw_only=True)
    numerical: bool = field(init=False, default=False)
    _mean: str = field(init=False, default="mean")

    def __post_init__(self) -> None:
        if self.kernel:
            row = kernel_row("losses", self.kernel)
            self._declare(Declared(row["parameters"]))
            self._set(reduction=row["reduction"])
        else:
            self._declare(Declared(declared_numbers(self, self.parameters)))
        if self.formula is not None:
            self._compile()
        elif not self.kernel:
            if self.function is None:
                raise TypeError(f"{self}: no function; give function= or formula=")
            check_call(str(self), "function", self.function, ("y", "y_hat"), self.parameters)
            if self.derivative is None:
                self._set(
                    derivative=numerical_derivative(self, self.function, "derivative(y, y_hat)"),
                    numerical=True,
                )
            check_call(str(self), "derivative", self.derivative, ("y", "y_hat"), self.parameters)
        if self.reduction not in ("sum", "mean", "mean_rows"):
            raise ValueError(f"{self}: reduction: expected sum, mean or mean_rows, got {self.reduction!r}")
        if self.targets not in TARGET_DOMAINS:
            raise ValueError(
                f"{self}: targets: expected one of {', '.join(TARGET_DOMAINS)}, got {self.targets!r}"
            )
        self._set(_mean="mean" if self.reduction == "sum" else self.reduction)

    def _compile(self) -> None:
        """Check a formula."""
        if self.kernel or self.function is not None or self.derivative is not None:
            raise TypeError(f"{self}: give formula= or functions, not both; cygd differentiates the formula")
        assert self.formula is not None
        try:
            formulas.compile_loss(self.formula, self.parameters)
        except FormulaError as error:
            raise FormulaError(f"{self}: {error.message}", hint=error.hint) from None

    @property
    def programs(self) -> LossPrograms | None:
        """The compiled programs of a formula."""
        return None if self.formula is None else formulas.compile_loss(self.formula, self.parameters)

    @property
    def options(self) -> dict[str, Any]:
        """The options that `configured` accepts, with their current values."""
        return {**super().options, "reduction": "sum" if self.reduction == "sum" else "mean"}

    @property
    def description(self) -> dict[str, Any]:
        """The loss as a mapping that `resolve` accepts; a formula with its domain and its exact mean."""
        own = {} if self.formula is None else {"reduction": self.reduction, "targets": self.targets}
        return {**super().description, **own}

    def configured(self, options: Mapping[str, object]) -> Self:
        """Return a copy with other values of some options, including `reduction: sum | mean`."""
        configured = super().configured(options)
        if configured.reduction == "mean":
            configured._set(reduction=self._mean)
        if self.formula is not None:
            configured._compile()
        return configured

    def elements(self, y: ArrayLike, y_hat: ArrayLike) -> Array:
        """Return the loss of each element, before the reduction."""
        return self._call("function", y, y_hat)

    def evaluate_derivative(self, y: ArrayLike, y_hat: ArrayLike) -> Array:
        """Return the derivative of each element with respect to y_hat, before the reduction."""
        return self._call("derivative", y, y_hat)

    def divisor(self, n_samples: float, n_outputs: int) -> float:
        """Return the divisor of the sum over all elements; n_samples may be a sum of sample weights."""
        return {"sum": 1.0, "mean": n_samples * n_outputs, "mean_rows": n_samples}[self.reduction]

    def check_targets(self, y: ArrayLike) -> None:
        """Raise a DataError for the first target outside the domain of this loss."""
        domain, inside = TARGET_DOMAINS[self.targets]
        y = np.atleast_1d(as_float_array(y))
        if inside is None:
            return
        outside = np.argwhere(~inside(y))
        if len(outside):
            place = tuple(int(i) for i in outside[0])
            raise DataError(f"{self}: expected targets {domain}, got y{list(place)} = {float(y[place])!r}")

    def _call(self, role: str, y: ArrayLike, y_hat: ArrayLike) -> Array:
        y, y_hat = as_float_array(y), as_float_array(y_hat)
        if self.kernel:
            return _run_kernel(self.kernel, y, y_hat, role == "derivative", self.parameters)
        programs = self.programs
        if programs is not None:
            program = programs.derivative if role == "derivative" else programs.forward
            return run_program(program, [y, y_hat])[0]
        result = getattr(self, role)(read_only(y), read_only(y_hat), **self.parameters)
        return check_result(result, y_hat, f"{self}: {role}")


def _run_kernel(
    kernel: str, y: Array, y_hat: Array, derivative: bool, parameters: Mapping[str, float]
) -> Array:
    """Return the loss, or its derivative, of each element of two arrays of one shape."""
    dtype = np.result_type(y, y_hat)
    module = core._f32 if dtype == np.float32 else core._f64
    out = np.empty(y_hat.size, dtype)
    flat = (np.ascontiguousarray(a, dtype).reshape(-1) for a in np.broadcast_arrays(y, y_hat))
    module.loss_block(kernel, *flat, out, derivative, list(parameters.values()))
    return out.reshape(y_hat.shape)


# the value of `targets` -> the domain in words, and the test of an array
TARGET_DOMAINS: dict[str, tuple[str, Callable[[Array], Any] | None]] = {
    "any": ("of any value", None),
    "unit": ("from 0 to 1", lambda y: (y >= 0) & (y <= 1)),
    "nonnegative": ("of 0 or more", lambda y: y >= 0),
    "signs": ("of -1 or 1", lambda y: (y == -1) | (y == 1)),
}


def _row(name: str, summary: str, **keywords: Any) -> Loss:
    return Loss(name, kernel=name, summary=summary, **keywords)


LOSSES: tuple[Loss, ...] = (
    _row("sse", "1/2 e^2, summed over samples and outputs"),
    _row("squared_error", "e^2, summed over samples and outputs"),
    _row("mse", "e^2, averaged over samples and outputs"),
    _row("mae", "|e|; derivative 0 at e = 0", kinks=(0.0,)),
    _row("huber", "1/2 e^2 for |e| <= delta, else delta (|e| - delta / 2)", bounds={"delta": "(0, inf)"}),
    _row("log_cosh", "log(cosh(e))"),
    _row("quantile", "tau |e| for e < 0, (1 - tau) |e| for e > 0; derivative 0 at e = 0",
         kinks=(0.0,), bounds={"tau": "(0, 1)"}),
    _row("poisson", "y_hat - y log(y_hat), y_hat the rate", targets="nonnegative"),
    _row("binary_cross_entropy", "-y log(y_hat) - (1 - y) log(1 - y_hat)", targets="unit"),
    _row("cross_entropy", "-y log(y_hat), summed over outputs and averaged over samples", targets="unit"),
    _row("hinge", "max(0, 1 - y y_hat); derivative 0 at y y_hat = 1", targets="signs", kinks=(0.0,)),
    _row("squared_hinge", "max(0, 1 - y y_hat)^2", targets="signs"),
)  # fmt: skip
