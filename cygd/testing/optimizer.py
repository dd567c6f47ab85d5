"""The suite for optimizers: the contract of `update`, and convergence on a table of test problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from cygd.components import Optimizer
from cygd.components.evaluation import run_program
from cygd.components.formula import Program
from cygd.plugins.component_checks import ComponentCheckError, check_component, failing_as, sample_points
from cygd.testing.arrays import DTYPES, Array, same_bits
from cygd.testing.cpu_levels import Check, on_every_level

Objective = Callable[[Array], tuple[float, Array]]  # w -> value and gradient


def _quadratic(w: Array, steepness: Array) -> tuple[float, Array]:
    return 0.5 * float(steepness @ (w * w)), steepness * w


def _rosenbrock(w: Array) -> tuple[float, Array]:
    a, b = w  # NumPy numbers, which overflow to infinity where Python's raise
    gradient = [-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)]
    return float((1 - a) ** 2 + 100 * (b - a * a) ** 2), np.array(gradient, w.dtype)


# name, objective, start
PROBLEMS: tuple[tuple[str, Objective, tuple[float, float]], ...] = (
    ("a parabola", partial(_quadratic, steepness=np.array([1.0, 1.0])), (1.0, -2.0)),
    ("a narrow valley", partial(_quadratic, steepness=np.array([0.1, 10.0])), (1.0, 1.0)),
    ("Rosenbrock's function", _rosenbrock, (-1.2, 1.0)),
)
STEPS = 100
RATE_FACTORS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)  # one learning rate must work for each problem


def check_optimizer(optimizer: Optimizer) -> None:
    """Check everything that training requires of an optimizer.

    For float32 and float64 `update` changes w in place and returns nothing, does not change g, stores what
    it needs in the arrays of `state` only, handles a gradient of zeros, and descends on a parabola, a narrow
    valley and Rosenbrock's function. A network trains with it.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer, with the values of its parameters to check. A kernel of the core has no Python
        function; it is checked in a network only.

    Raises
    ------
    AssertionError
        A check fails; the message says what is wrong, where and by how much.

    Examples
    --------
    >>> def climb(w, g, state, learning_rate, step):
    ...     w += learning_rate * g
    >>> check_optimizer(Optimizer("climb", climb))
    Traceback (most recent call last):
        ...
    cygd.plugins.component_checks.ComponentCheckError: optimizer 'climb': does not descend on a parabola: ...
    """
    for _, check in checks(optimizer):
        check()


def checks(optimizer: Optimizer) -> Iterator[Check]:
    """Yield the title and the function of each check of `check_optimizer`."""
    if not isinstance(optimizer, Optimizer):
        raise ComponentCheckError(f"expected an Optimizer, got {optimizer!r}")

    def check(function: Callable[[Optimizer], None]) -> Callable[[], None]:
        return partial(on_every_level, function, optimizer, optimizer.update is None)

    if not optimizer.kernel:
        yield "basic checks", partial(check_component, optimizer)
        yield "rules of an update", check(_rules)
        yield "a gradient of zeros", check(_zero_gradient)
        yield "no memory but its state", check(_memory)
        for name, objective, start in PROBLEMS:
            yield f"down {name}", check(partial(_descends, name=name, objective=objective, start=start))
    yield "a network learns", check(_trains)


@dataclass
class _Trajectory:
    """The weights, the state and the number of steps of an optimizer."""

    optimizer: Optimizer
    w: Array
    state: dict[str, Array]
    step: int = 0

    @classmethod
    def start(cls, optimizer: Optimizer, w: Array) -> _Trajectory:
        return cls(optimizer, w.copy(), {name: np.zeros_like(w) for name in optimizer.state})

    def update(self, g: Array, factor: float = 1.0) -> object:
        """Make one step and return the result of the optimizer's `update`."""
        update, program = self.optimizer.update, self.optimizer.program
        self.step += 1
        rate = self.optimizer.learning_rate * factor
        if update is None:
            assert program is not None
            run_update(program, self.w, g, self.state, (rate, self.step))
            return None
        with failing_as(f"{self.optimizer}: update failed in step {self.step}"):
            return update(self.w, g, self.state, rate, self.step, **self.optimizer.parameters)


def run_update(
    program: Program, w: Array, g: Array, state: dict[str, Array], uniforms: tuple[float, float]
) -> None:
    """Apply the formulas of an update rule to w and the state."""
    arrays = [w, *state.values()]
    for array, output in zip(arrays, run_program(program, [g, *arrays], uniforms), strict=True):
        array[:] = output


def _rules(optimizer: Optimizer) -> None:
    for dtype in DTYPES:
        start = sample_points(-1, 1, 1, 6)[0].astype(dtype)
        run = _Trajectory.start(optimizer, start)
        for g in sample_points(-1, 2, 20, 6).astype(dtype):
            _update_by_the_rules(run, g)
        if same_bits(run.w, start):
            raise ComponentCheckError(
                f"{optimizer}: 20 updates do not change w", "write w -= ..., not w = w - ..."
            )
        _require_finite(run, "w", run.w)
        for name, array in run.state.items():
            _require_finite(run, f"state[{name!r}]", array)


def _update_by_the_rules(run: _Trajectory, g: Array) -> None:
    what, copy, arrays = f"{run.optimizer}: update", g.copy(), dict(run.state)
    result = run.update(g)
    if result is not None:
        kind = type(result).__name__
        raise ComponentCheckError(f"{what}: expected a change of w in place and None, got {kind}")
    if not same_bits(g, copy):
        raise ComponentCheckError(f"{what} changes the gradient g", "write g = g + ..., not g += ...")
    if run.state.keys() != arrays.keys():
        raise ComponentCheckError(
            f"{run.optimizer}: state after update: expected {list(arrays)}, got {sorted(run.state)}"
        )
    for name, array in run.state.items():
        if array is not arrays[name]:
            raise ComponentCheckError(
                f"{what} replaces the array state[{name!r}]",
                f"write state[{name!r}][:] = ..., or use an operator such as *= or +=",
            )


def _require_finite(run: _Trajectory, what: str, array: Array) -> None:
    if not np.isfinite(array).all():
        value = array[~np.isfinite(array)][0]
        steps = f"{run.step} step{'s' if run.step > 1 else ''}"
        raise ComponentCheckError(f"{run.optimizer}: {what} is {value} after {steps} of {array.dtype}")


def _zero_gradient(optimizer: Optimizer) -> None:
    run = _Trajectory.start(optimizer, np.ones(3))
    run.update(np.zeros(3))
    _require_finite(run, "with a gradient of zeros w", run.w)


def _memory(optimizer: Optimizer) -> None:
    """Compare two trajectories, one of which continues from copies of w and the state."""
    start, gradients = sample_points(-1, 1, 1, 6)[0], sample_points(-1, 2, 10, 6)
    direct, first = _Trajectory.start(optimizer, start), _Trajectory.start(optimizer, start)
    for g in gradients:
        direct.update(g)
    for g in gradients[:5]:
        first.update(g)
    copies = {name: array.copy() for name, array in first.state.items()}
    resumed = _Trajectory(optimizer, first.w.copy(), copies, first.step)
    for g in gradients[5:]:
        resumed.update(g)
    if not same_bits(direct.w, resumed.w):
        difference = float(np.abs(direct.w - resumed.w).max())
        raise ComponentCheckError(
            f"{optimizer}: a second run of the same steps differs by {difference:.3g}",
            "store everything that must persist in the arrays of `state`",
        )


def _descends(optimizer: Optimizer, name: str, objective: Objective, start: tuple[float, float]) -> None:
    values = []
    first, _ = objective(np.array(start))
    for factor in RATE_FACTORS:
        run = _Trajectory.start(optimizer, np.array(start))
        with np.errstate(all="ignore"):
            for _ in range(STEPS):
                run.update(objective(run.w)[1], factor)
                if not np.isfinite(run.w).all():
                    break
            value = objective(run.w)[0]
        if value < first:
            return
        values.append(value)
    rates = f"{optimizer.learning_rate * RATE_FACTORS[-1]:g} to {optimizer.learning_rate:g}"
    best = min((value for value in values if np.isfinite(value)), default=float("nan"))
    raise ComponentCheckError(
        f"{optimizer}: does not descend on {name}: from {first:.6g} to {best:.6g} at best in {STEPS} steps, "
        f"with learning rates from {rates}"
    )


def _trains(optimizer: Optimizer) -> None:
    """Fit a small network, whose loss must decrease at one of the learning rates."""
    from cygd.network import Network

    x = sample_points(-1, 1, 32, 2)
    y = x[:, :1] * 0.5 - x[:, 1:]
    losses = []
    for factor in RATE_FACTORS:
        network = Network(
            n_inputs=2, layers=[(4, "tanh"), (1, "identity")], loss="mse", dtype="float64", seed=1
        )
        before = network.loss(x, y)
        rate = optimizer.learning_rate * factor
        network.fit(x, y, optimizer=optimizer, learning_rate=rate, epochs=20, batch_size=8)
        losses.append(network.loss(x, y))
        if losses[-1] < before:
            return
    raise ComponentCheckError(
        f"{optimizer}: a network does not learn: its loss is {before:.6g} before and {min(losses):.6g} after"
    )
