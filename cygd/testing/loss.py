"""The suite for losses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from cygd.components import Loss
from cygd.plugins.component_checks import (
    ComponentCheckError,
    check_loss_derivative,
    sample_points,
    targets_for,
)
from cygd.testing.arrays import DTYPES, guarded, require_close
from cygd.testing.cpu_levels import Check, on_every_level
from cygd.testing.elementwise import Subject, check_levels


def check_loss(loss: Loss) -> None:
    """Check everything that training requires of a loss.

    Function and derivative keep shape and dtype for float32 and float64, for one row, no row, strided and
    read-only arrays; they do not change their input, give the same bits twice, and depend on no other
    element; NaN stays NaN; the derivative is dE/dy_hat. In a network the gradient equals differences of the
    loss, for both reductions.

    Parameters
    ----------
    loss : Loss
        The loss, with the values of its parameters to check. Code that the core runs is checked at every CPU
        level of this machine, and the levels must agree.

    Raises
    ------
    AssertionError
        A check fails; the message says what is wrong, where and by how much.

    Examples
    --------
    >>> check_loss(Loss("fourth", lambda y, y_hat: (y_hat - y) ** 4, lambda y, y_hat: (y_hat - y) ** 3))
    Traceback (most recent call last):
        ...
    cygd.plugins.component_checks.ComponentCheckError: loss 'fourth': derivative is not dE/dy_hat: at y = ...
    """
    for _, check in checks(loss):
        check()


def checks(loss: Loss) -> Iterator[Check]:
    """Yield the title and the function of each check of `check_loss`."""
    if not isinstance(loss, Loss):
        raise ComponentCheckError(f"expected a Loss, got {loss!r}")
    functions = {"function": loss.elements, "derivative": loss.evaluate_derivative}
    subject = Subject(loss, functions, 0.02, 0.98)
    yield from subject.common_checks()
    yield "each element by itself", subject.check(_independence)
    yield "NaN stays NaN", subject.check(_nan)
    if not loss.numerical:
        yield "derivative", subject.check(_derivative)
    if loss.function is None:
        yield "CPU levels agree", partial(check_levels, subject)
    for reduction in ("sum", "mean"):
        configured = loss.configured({"reduction": reduction})
        check = partial(on_every_level, _in_network, configured, loss.function is None)
        yield f"in a network, {reduction}", check


def _derivative(subject: Subject[Loss]) -> None:
    loss, y = subject.component, targets_for(subject.component, 32, 3)
    check_loss_derivative(loss, y, sample_points(-4, 4, 32, 3))
    check_loss_derivative(loss, y, sample_points(0.02, 0.98, 32, 3))


def _independence(subject: Subject[Loss]) -> None:
    y, y_hat = subject.sample(9, 5)
    for role, function in subject.functions.items():
        what = f"{subject.component}: {role} of an element depends on other elements"
        part = function(y[4:5, 2:3], y_hat[4:5, 2:3])
        require_close(what, part, function(y, y_hat)[4:5, 2:3], 1e-9)


def _nan(subject: Subject[Loss]) -> None:
    loss = subject.component
    for dtype in DTYPES:
        y, y_hat = subject.sample(4, 3, dtype=dtype)
        y[1, 2] = max(y[1, 2], 0.5)  # a loss may ignore y_hat where y is 0
        y_hat[1, 2] = np.nan
        elements = guarded(f"{loss} failed on NaN", loss.elements, y, y_hat)
        if not np.isnan(elements[1, 2]):
            raise ComponentCheckError(
                f"{loss}: the loss of y_hat = nan: expected nan, got {elements[1, 2]:.6g}, which would hide "
                "a diverged run"
            )


def _in_network(loss: Loss) -> None:
    """Compare the gradient of a small network with numerical differences."""
    from cygd.network import Network

    # an output activation in the domain of the loss: probabilities, rates, or any number
    output = {"unit": "sigmoid", "nonnegative": "softplus"}.get(loss.targets, "identity")
    y = targets_for(loss, 12, 3)
    if loss.reduction == "mean_rows" or loss.name == "cross_entropy":
        output, y = "softmax", np.eye(3)[np.arange(12) % 3]
    network = Network(n_inputs=4, layers=[(5, "tanh"), (3, output)], loss=loss, dtype="float64", seed=1)
    x = sample_points(-1, 1, 12, 4)
    gradient = np.asarray(network.gradient(x, y)[1])
    numerical = np.asarray(network.numerical_gradient(x, y))
    what = f"{loss} (reduction {loss.reduction}): gradient of a network differs from the numerical gradient"
    require_close(what, gradient, numerical, 1e-5)
