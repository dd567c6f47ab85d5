"""Activations: the functions f in y_hat = f(h).

A built-in is a row of `ACTIVATIONS` and a kernel of the same name in the core, which also holds its
parameters and defaults. At a kink the derivative is a convention, stated in `summary`; elsewhere it is f'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    run_pointer,
    run_program,
    warn_numerical_derivative,
)
from cygd.components.options import Declared, OptionError, check_call, signature_of
from cygd.errors import FormulaError, did_you_mean

if TYPE_CHECKING:
    from cygd.components.formula import ActivationPrograms
    from cygd.components.function_pointers import Pointers

MAX_TRAINABLE = 7  # the capacity of the core for one activation
TYPICAL_H = np.array([0.0, 0.3, -0.3, 1.0, -1.0, 2.7, -2.7, 8.0, -8.0])


@dataclass(frozen=True, eq=False, repr=False)
class Activation(Component):
    """The function f in y_hat = f(h), and its derivative.

    Parameters
    ----------
    name : str
        The name in an experiment.
    function : callable
        f(h, **parameters) -> y_hat, elementwise over an array of shape (n_samples, n_units), which it must
        not change. A row-wise activation (with `backward`) may combine the units of a row.
    derivative : callable, optional
        f'(h, **parameters), or f'(h, y_hat, **parameters) where the output makes it cheaper. If omitted, the
        derivative is computed by central differences, which is slower and less accurate.
    parameters : mapping of str to float
        Names and defaults.
    formula : str
        Instead of functions: an expression in h and the parameters, such as "h * sigmoid(beta * h)". The core
        runs it and its derivative at the speed of a built-in; see `cygd.components.formula`.
    trainable : sequence of str
        The parameters of a formula that are trained, one number per layer; their values are the initial ones.
    pointer, derivative_pointer : object
        Instead of functions: compiled f and f', as a PyCapsule of `cygd.core`, an integer address, a
        numba.cfunc, a function pointer of ctypes or cffi, or a scipy.LowLevelCallable; or a mapping of
        "float64" and "float32" to these. A block function is void (const double *h, double *out,
        Py_ssize_t n, void *data), its derivative takes (h, y_hat, out, n, data); a scalar function is
        double (double). `data` is an array of the values of the parameters, or the context of a capsule if
        there are no parameters. The object that holds the pointer is kept alive.
    dtype, signature : str
        Of a pointer that does not state them, such as an integer: "float64" (the default) or "float32", and
        "block" (the default) or "scalar".
    backward : callable
        Instead of `derivative`, for a row-wise activation: backward(h, y_hat, g, **parameters) -> delta,
        with g = -dE/dy_hat; all of shape (n_samples, n_units).
    surrogate : bool
        True if the derivative deliberately differs from f'; it is not checked then.
    kernel : str
        The kernel of the compiled core, for built-ins.
    kinks : tuple of float
        The points without a derivative, at which its value is a convention.

    Attributes
    ----------
    pointers : Pointers or None
        The checked pointers.
    derivative_takes_y_hat : bool
        Whether the derivative takes (h, y_hat).
    numerical : bool
        Whether the derivative is computed by central differences.

    Examples
    --------
    >>> square = Activation("square", lambda h: h * h, lambda h: 2 * h)
    >>> square.evaluate([3.0]), square.evaluate_derivative([3.0])
    (array([9.]), array([6.]))
    >>> Activation("square", formula="h**2").evaluate_derivative([3.0])
    array([6.])
    """

    kind: ClassVar[str] = "activation"

    function: Function | None = None
    derivative: Function | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    formula: str | None = field(default=None, kw_only=True)
    trainable: Sequence[str] = field(default=(), kw_only=True)
    pointer: object = field(default=None, kw_only=True)
    derivative_pointer: object = field(default=None, kw_only=True)
    dtype: str | None = field(default=None, kw_only=True)
    signature: str | None = field(default=None, kw_only=True)
    backward: Function | None = field(default=None, kw_only=True)
    surrogate: bool = field(default=False, kw_only=True)
    kernel: str | None = field(default=None, kw_only=True)
    kinks: tuple[float, ...] = field(default=(), kw_only=True)
    pointers: Pointers | None = field(init=False, default=None)
    derivative_takes_y_hat: bool = field(init=False, default=False)
    numerical: bool = field(init=False, default=False)
    rowwise: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._check_keywords()
        if self.kernel:
            row = kernel_row("activations", self.kernel)
            self._declare(Declared(row["parameters"]))
            self._set(rowwise=row["rowwise"])
            return
        self._declare(Declared(declared_numbers(self, self.parameters)))
        if self.formula is not None:
            if isinstance(self.trainable, str) or not all(isinstance(name, str) for name in self.trainable):
                raise TypeError(f"{self}: trainable: expected a list of names, got {self.trainable!r}")
            self._set(trainable=tuple(dict.fromkeys(self.trainable)))
            self._compile()
        elif self.trainable:
            raise TypeError(f"{self}: only a formula has trainable parameters; give formula= instead")
        elif self.pointer is not None:
            self._read_pointers()
        else:
            self._check_functions()

    def _check_keywords(self) -> None:
        """Reject keywords of pointers without a pointer, or beside another way to define f."""
        keywords = ("pointer", "derivative_pointer", "dtype", "signature")
        given = [name for name in keywords if getattr(self, name) is not None]
        if not given:
            return
        for other in ("function", "derivative", "backward", "formula", "kernel"):
            if getattr(self, other) is not None:
                raise TypeError(f"{self}: give {other}= or {given[0]}=, not both")
        if self.pointer is None:
            raise TypeError(f"{self}: {given[0]}= needs pointer=")

    def _read_pointers(self) -> None:
        if self.surrogate and self.derivative_pointer is None:
            raise TypeError(f"{self}: surrogate=True needs a derivative")
        from cygd.components.function_pointers import Pointers  # imported here: few activations have one

        pointers = Pointers(str(self), self.pointer, self.derivative_pointer, self.dtype, self.signature)
        if pointers.scalar and self.parameters:
            raise TypeError(
                f"{self}: a scalar function takes no parameters; write a block function, which gets their "
                "values as `data`"
            )
        if self.derivative_pointer is None:
            warn_numerical_derivative(self, "derivative_pointer=")
            self._set(numerical=True)
        self._set(pointers=pointers)

    def _check_functions(self) -> None:
        if self.function is None:
            raise TypeError(f"{self}: no function; give function=, formula= or pointer=")
        check_call(str(self), "function", self.function, ("h",), self.parameters)
        if self.backward is not None:
            if self.derivative is not None:
                raise TypeError(f"{self}: give derivative= or backward=, not both")
            check_call(str(self), "backward", self.backward, ("h", "y_hat", "g"), self.parameters)
            self._set(rowwise=True)
        elif self.derivative is not None:
            takes_both = takes_y_hat(self.derivative, self.parameters)
            arguments = ("h", "y_hat") if takes_both else ("h",)
            check_call(str(self), "derivative", self.derivative, arguments, self.parameters)
            self._set(derivative_takes_y_hat=takes_both)
        else:
            if self.surrogate:
                raise TypeError(f"{self}: surrogate=True needs a derivative")
            self._set(derivative=numerical_derivative(self, self.function, "df(h)"), numerical=True)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes of networks that can use it: both, except with pointers for one dtype only."""
        return ("float64", "float32") if self.pointers is None else tuple(self.pointers.pairs)

    @property
    def options(self) -> dict[str, Any]:
        """The options that `configured` accepts, with their current values."""
        trainable = {"trainable": list(self.trainable)} if self.trainable else {}
        return {**super().options, **trainable}

    def configured(self, options: Mapping[str, object]) -> Self:
        """Return a copy with other values of some options; for a formula also of `trainable`."""
        rest = dict(options)
        trainable = rest.pop("trainable", None) if self.formula is not None else None
        configured = super().configured(rest)
        if trainable is not None:
            names = [trainable] if isinstance(trainable, str) else trainable
            if not isinstance(names, Sequence):
                raise OptionError(f"option 'trainable' of {self}: expected a list of names", "trainable")
            for name in names:
                if name not in self.parameters:
                    known = list(self.parameters)
                    hint = did_you_mean(str(name), known) or f"give its value too: {name}: 1.0"
                    message = f"option 'trainable' of {self}: unknown parameter {name!r}"
                    raise OptionError(message, "trainable", hint=hint)
            configured._set(trainable=tuple(dict.fromkeys(names)))
        if self.formula is not None and options:
            configured._compile()
        return configured

    def _compile(self) -> None:
        """Check a formula, as the last step of construction."""
        if any(given is not None for given in (self.function, self.derivative, self.backward)):
            raise TypeError(f"{self}: give formula= or functions, not both; cygd differentiates the formula")
        assert self.formula is not None
        if len(self.trainable) > MAX_TRAINABLE:
            raise OptionError(
                f"{self}: expected at most {MAX_TRAINABLE} trainable parameters, got {len(self.trainable)}",
                "trainable",
                hint="name fewer in trainable; the others keep their values",
            )
        try:
            formulas.compile_activation(self.formula, self.parameters, self.trainable)
        except FormulaError as error:
            raise FormulaError(f"{self}: {error.message}", hint=error.hint) from None
        self._check_typical_values()

    def _check_typical_values(self) -> None:
        """Raise a FormulaError if f or f' is NaN at a typical net input, or infinite near 0."""
        for role, values in (("f", self.evaluate(TYPICAL_H)), ("f'", self.evaluate_derivative(TYPICAL_H))):
            wrong = np.flatnonzero(np.isnan(values) | (np.isinf(values) & (np.abs(TYPICAL_H) <= 1)))
            if wrong.size:
                h, value = TYPICAL_H[wrong[0]], values[wrong[0]]
                raise FormulaError(
                    f"{self}: {role}({h:g}) is {value} in {self.formula}",
                    hint="a net input may be any number: use where(..., ..., ...) where f is undefined",
                )

    @property
    def programs(self) -> ActivationPrograms | None:
        """The compiled programs of a formula."""
        if self.formula is None:
            return None
        return formulas.compile_activation(self.formula, self.parameters, self.trainable)

    def evaluate(self, h: ArrayLike) -> Array:
        """Return f(h), for an array of shape (n_samples, n_units), or of any shape if f is elementwise."""
        if self.kernel:
            return np.asarray(core.activate(h, self.kernel, parameters=self.parameters))
        h = as_float_array(h)
        programs = self.programs
        if programs is not None:
            return run_program(programs.forward, [h], self._trainable_values)[0]
        if self.pointers is not None:
            return run_pointer(self.pointers, list(self.parameters.values()), h)
        return self._call("function", h, like=h)

    def evaluate_derivative(self, h: ArrayLike, y_hat: ArrayLike | None = None) -> Array:
        """Return f'(h); pass y_hat = f(h) to save its evaluation."""
        if self.rowwise:
            raise TypeError(
                f"{self} is row-wise: each output depends on all units, so f'(h) does not exist; "
                "backpropagate(h, y_hat, g) returns delta"
            )
        if self.kernel:
            return np.asarray(core.derivative(h, self.kernel, parameters=self.parameters))
        h = as_float_array(h)
        if self.function is not None and not self.derivative_takes_y_hat:
            return self._call("derivative", h, like=h)
        y_hat = self.evaluate(h) if y_hat is None else as_float_array(y_hat)
        programs = self.programs
        if programs is not None:
            return run_program(programs.derivative, [h, y_hat], self._trainable_values)[0]
        if self.pointers is not None:
            return run_pointer(self.pointers, list(self.parameters.values()), h, y_hat)
        return self._call("derivative", h, y_hat, like=h)

    def sensitivity(self, h: ArrayLike, y_hat: ArrayLike) -> list[Array]:
        """Return the derivative of f with respect to each trainable parameter, of the shape of h."""
        programs = self.programs
        if programs is None or programs.gradient is None:
            return []
        arrays = [as_float_array(h), as_float_array(y_hat)]
        return run_program(programs.gradient, arrays, self._trainable_values)[1:]

    def backpropagate(self, h: ArrayLike, y_hat: ArrayLike, g: ArrayLike) -> Array:
        """Return the error term delta for g = -dE/dy_hat, all of shape (n_samples, n_units)."""
        h, y_hat, g = as_float_array(h), as_float_array(y_hat), as_float_array(g)
        if not self.rowwise:
            return g * self.evaluate_derivative(h, y_hat)
        if self.kernel:
            # identity weights above the layer pass g down unchanged
            identity = np.eye(h.shape[-1], dtype=h.dtype)
            return np.asarray(core.hidden_error_term(identity, g, h, activation=self.kernel))
        return self._call("backward", h, y_hat, g, like=h)

    @property
    def _trainable_values(self) -> list[float]:
        return [self.parameters[name] for name in self.trainable]

    def _call(self, role: str, *arrays: Array, like: Array) -> Array:
        result = getattr(self, role)(*map(read_only, arrays), **self.parameters)
        return check_result(result, like, f"{self}: {role}")


def takes_y_hat(derivative: Function, parameters: Mapping[str, object]) -> bool:
    """Return whether a derivative requires two positional arguments, (h, y_hat), besides its parameters."""
    if isinstance(derivative, np.ufunc):
        return derivative.nin == 2
    signature = signature_of(derivative)
    if signature is None:
        return False
    positional = [
        p
        for p in signature.parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        and p.name not in parameters
        and (p.default is p.empty or p.name == "y_hat")
    ]
    return len(positional) == 2


def _row(name: str, summary: str, **keywords: Any) -> Activation:
    return Activation(name, kernel=name, summary=summary, **keywords)


ACTIVATIONS: tuple[Activation, ...] = (
    _row("identity", "h"),
    _row("step", "1 for h >= 0, else 0; derivative 0 everywhere", kinks=(0.0,)),
    _row("sigmoid", "1 / (1 + exp(-h))"),
    _row("tanh", "tanh(h)"),
    _row("relu", "max(h, 0); derivative 0 at 0", kinks=(0.0,)),
    _row("leaky_relu", "h for h > 0, else slope h; derivative slope at 0", kinks=(0.0,)),
    _row("elu", "h for h > 0, else alpha (exp(h) - 1); derivative alpha at 0", kinks=(0.0,)),
    _row("selu", "elu scaled so that deep networks keep mean 0 and variance 1", kinks=(0.0,)),
    _row("celu", "h for h > 0, else alpha (exp(h / alpha) - 1)", bounds={"alpha": "(0, inf)"}),
    _row("softplus", "log(1 + exp(h))"),
    _row("softsign", "h / (1 + |h|)"),
    _row("gelu", "h Phi(h), with the normal distribution's Phi exact by erf"),
    _row("gelu_tanh", "h Phi(h), with Phi approximated by tanh"),
    _row("silu", "h sigmoid(h)"),
    _row("mish", "h tanh(softplus(h))"),
    _row("hard_sigmoid", "h / 6 + 1/2 cut to [0, 1]; derivative 0 at -3 and 3", kinks=(-3.0, 3.0)),
    _row("hard_tanh", "h cut to [-1, 1]; derivative 0 at -1 and 1", kinks=(-1.0, 1.0)),
    _row("hard_swish", "h hard_sigmoid(h)", kinks=(-3.0, 3.0)),
    _row("sin", "sin(h)"),
    _row("gaussian", "exp(-h^2)"),
    _row("softmax", "exp(h_j) / sum_k exp(h_k) over the units of a row"),
)
