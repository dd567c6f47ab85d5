"""The suite for activations."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from cygd.components import Activation
from cygd.errors import describe_exception
from cygd.plugins.component_checks import ComponentCheckError, check_derivative, sample_points
from cygd.testing.arrays import DTYPES, Array, guarded, require_close
from cygd.testing.cpu_levels import Check
from cygd.testing.elementwise import Subject, check_levels

FAR = (20.0, 100.0, 1e3, 1e4)
SPECIAL = (1e-300, np.inf, -np.inf, np.nan)
CORNERS = (-3.0, -1.0, 0.0, 1.0, 3.0)  # where kinks usually are


def check_activation(activation: Activation) -> None:
    """Check everything that training requires of an activation.

    The result has the shape and dtype of h for float32 and float64, for one row, no row, strided and
    read-only arrays; the input does not change; two calls give the same bits; an element depends on no other
    (row-wise: a row on no other row); NaN stays NaN; a large h gives no NaN; the derivative is correct at
    ordinary points, in the tails and around kinks (unless it is a surrogate); a function pointer never
    raises. Code that the core runs is
    checked at every CPU level of this machine, and the levels must agree.

    Parameters
    ----------
    activation : Activation
        The activation, with the values of its parameters to check.

    Raises
    ------
    AssertionError
        A check fails; the message says what is wrong, where and by how much.

    Examples
    --------
    >>> check_activation(Activation("square", lambda h: h * h, lambda h: 2 * h))
    >>> check_activation(Activation("square", lambda h: h * h, lambda h: h))
    Traceback (most recent call last):
        ...
    cygd.plugins.component_checks.ComponentCheckError: activation 'square': derivative is not ...
    """
    for _, check in checks(activation):
        check()


def checks(activation: Activation) -> Iterator[Check]:
    """Yield the title and the function of each check of `check_activation`."""
    if not isinstance(activation, Activation):
        raise ComponentCheckError(f"expected an Activation, got {activation!r}")
    role = "backward" if activation.rowwise else "derivative"
    derivative = partial(_derivative_of, activation)
    subject = Subject(activation, {"function": activation.evaluate, role: derivative}, -4, 4)
    yield from subject.common_checks()
    yield f"each {'row' if activation.rowwise else 'unit'} by itself", subject.check(_independence)
    yield "NaN stays NaN", subject.check(_nan)
    yield "tails", subject.check(_tails)
    if activation.pointers is not None:
        yield "no exception", subject.check(_exceptions)
    if len(activation.dtypes) > 1:
        yield "float32 and float64", subject.check(_precision)
    if not activation.surrogate:
        yield "derivative", subject.check(_derivative)
        if not activation.rowwise:
            yield "kinks", subject.check(_kinks)
    if activation.function is None:
        yield "CPU levels agree", partial(check_levels, replace(subject, low=-50, high=50))


def _derivative_of(activation: Activation, h: Array) -> Array:
    """Return f'(h), or delta for an arbitrary g if the activation is row-wise."""
    y_hat = activation.evaluate(h)
    if activation.rowwise:
        return activation.backpropagate(h, y_hat, np.cos(h))
    return activation.evaluate_derivative(h, y_hat)


def _independence(subject: Subject[Activation]) -> None:
    activation = subject.component
    h = sample_points(-4, 4, 9, 5)
    y_hat = activation.evaluate(h)
    what = f"{activation}: the output of a row depends on other rows"
    require_close(what, activation.evaluate(h[4:5]), y_hat[4:5], 1e-9)
    if not activation.rowwise:
        what = f"{activation}: the output of a unit depends on other units (row-wise ones need backward=)"
        require_close(what, activation.evaluate(h[:, 2:3]), y_hat[:, 2:3], 1e-9)


def _nan(subject: Subject[Activation]) -> None:
    activation = subject.component
    for dtype in DTYPES:
        h: Array = sample_points(-4, 4, 4, 3).astype(dtype)
        clean = guarded(f"{activation}", activation.evaluate, h)
        h[1, 2] = np.nan
        y_hat = guarded(f"{activation} failed on NaN", activation.evaluate, h)
        if not np.isnan(y_hat[1, 2]):
            raise ComponentCheckError(
                f"{activation}: f(nan): expected nan, got {y_hat[1, 2]:.6g}, which would hide a diverged run",
                "np.where(h > 0, ...) is false for NaN; np.maximum and arithmetic keep it",
            )
        affected = np.zeros(h.shape, bool)
        affected[1, slice(None) if activation.rowwise else 2] = True
        require_close(
            f"{activation}: a NaN elsewhere changes the output", y_hat[~affected], clean[~affected], 1e-12
        )


def _tails(subject: Subject[Activation]) -> None:
    activation = subject.component
    for dtype in DTYPES:
        for far in FAR:
            h: Array = np.array([[-far, 0.5], [0.5, far]], dtype)
            for role, function in subject.functions.items():
                values = guarded(f"{activation} failed at h = {far:g}", function, h)
                if np.isnan(values).any():
                    row, unit = (int(i) for i in np.argwhere(np.isnan(values))[0])
                    raise ComponentCheckError(
                        f"{activation}: {role} is nan at h = {h[row, unit]:g} ({np.dtype(dtype)})",
                        "does an exp overflow, followed by inf / inf or inf - inf?",
                    )
    guarded(f"{activation} failed at infinity", activation.evaluate, np.array([[-np.inf, np.inf]]))


def _exceptions(subject: Subject[Activation]) -> None:
    """Check that no call of a pointer ends in an exception, which its caller does not see."""
    activation = subject.component
    raised: list[BaseException] = []
    previous = sys.unraisablehook
    # numba and ctypes report to this hook
    sys.unraisablehook = lambda unraisable: raised.extend(filter(None, [unraisable.exc_value]))
    try:
        for at in (*CORNERS, *SPECIAL, *FAR, *(-far for far in FAR)):
            for role, function in subject.functions.items():
                function(np.full((2, 3), at))
                if raised:
                    raise ComponentCheckError(
                        f"{activation}: {role} raised {describe_exception(raised[0])} at h = {at:g}",
                        "an exception cannot cross a function pointer: training would go on with garbage",
                    )
    finally:
        sys.unraisablehook = previous


def _precision(subject: Subject[Activation]) -> None:
    activation = subject.component
    single = sample_points(-4, 4, 16, 3).astype(np.float32)
    double = single.astype(np.float64)
    for role, function in subject.functions.items():
        what = f"{activation}: {role} differs between float32 and float64"
        require_close(what, function(single).astype(np.float64), function(double), 1e-4)


def _derivative(subject: Subject[Activation]) -> None:
    activation = subject.component
    check_derivative(activation, sample_points(-4, 4, 32, 3))
    check_derivative(activation, sample_points(-50, 50, 32, 3))


def _kinks(subject: Subject[Activation]) -> None:
    activation = subject.component
    at = np.array(sorted({*CORNERS, *activation.kinks}))
    around = np.array([-1e-2, -1e-3, -1e-4, 0, 1e-4, 1e-3, 1e-2])
    check_derivative(activation, np.add.outer(at, around))
