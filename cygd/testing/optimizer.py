"""The suite for optimizers: the rules of `update`, then one table of problems for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from cygd import core
from cygd.components import Optimizer
from cygd.components.formula import Program
from cygd.errors import describe_exception, hint_of
from cygd.plugins.component_checks import ComponentCheckError, check_component, sample_points
from cygd.testing.arrays import DTYPES, Array, same_bits
from cygd.testing.cpu_levels import Check, on_every_level

__all__ = ["check_optimizer", "checks"]

Function = Callable[[Array], tuple[float, Array]]  # w -> value and gradient


def _parabola(w: Array) -> tuple[float, Array]:
    return 0.5 * float(w @ w), w.copy()


def _valley(w: Array) -> tuple[float, Array]:
    steep = np.array([0.1, 10.0], w.dtype)
    return 0.5 * float(steep @ (w * w)), steep * w


def _rosenbrock(w: Array) -> tuple[float, Array]:
    a, b = w  # numbers of NumPy, which grow to infinity where Python's would raise
    gradient = [-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)]
    return float((1 - a) ** 2 + 100 * (b - a * a) ** 2), np.array(gradient, w.dtype)


# name, function, where to start
PROBLEMS: tuple[tuple[str, Function, tuple[float, float]], ...] = (
    ("a parabola", _parabola, (1.0, -2.0)),
    ("a narrow valley", _valley, (1.0, 1.0)),
    ("Rosenbrock's function", _rosenbrock, (-1.2, 1.0)),
)
STEPS = 100
SLOWER = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)  # no rate suits every problem, but some rate must


def check_optimizer(optimizer: Optimizer) -> None:
    """Check all that training relies on in an optimizer.

    For float32 and float64 `update` changes w in place and returns nothing, leaves g alone, keeps what it
    remembers in the arrays of `state` and nowhere else, survives a gradient of zeros, and goes downhill
    on a parabola, a narrow valley and Rosenbrock's function. A network learns with it.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer, with the values of its parameters that are to be checked. A kernel of the core has
        no function in Python; it is checked within a network.

    Raises
    ------
    AssertionError
        What is wrong, where, and by how much.

    Examples
    --------
    >>> def climb(w, g, state, learning_rate, step):
    ...     w += learning_rate * g
    >>> check_optimizer(Optimizer("climb", climb))
    Traceback (most recent call last):
        ...
    cygd.plugins.component_checks.ComponentCheckError: optimizer 'climb': does not go down a parabola: ...
    """
    for _, check in checks(optimizer):
        check()


def checks(optimizer: Optimizer) -> Iterator[Check]:
    """Yield the checks of `check_optimizer`, each with what it is about."""
    if not isinstance(optimizer, Optimizer):
        raise ComponentCheckError(f"{optimizer!r} is no Optimizer")
    compiled = optimizer.update is None

    def check(function: Callable[[Optimizer], None]) -> Callable[[], None]:
        return lambda: on_every_level(function, optimizer, compiled)

    if not optimizer.kernel:
        yield "first trial", lambda: check_component(optimizer)
        yield "rules of an update", check(_rules)
        yield "a gradient of zeros", check(_zero_gradient)
        yield "no memory but its state", check(_memory)
        for name, function, start in PROBLEMS:
            down = partial(_goes_down, name=name, function=function, start=start)
            yield f"down {name}", check(down)
    yield "a network learns", check(_learns)


@dataclass
class _Walk:
    """An optimizer on its way: w, its state and the steps made so far."""

    optimizer: Optimizer
    w: Array
    state: dict[str, Array]
    step: int = 0

    @classmethod
    def start(cls, optimizer: Optimizer, w: Array) -> _Walk:
        return cls(optimizer, w.copy(), {name: np.zeros_like(w) for name in optimizer.state})

    def go(self, g: Array, factor: float = 1.0) -> object:
        """Make one step and return what `update` returns."""
        update, program = self.optimizer.update, self.optimizer.program
        self.step += 1
        rate = self.optimizer.learning_rate * factor
        if update is None:
            assert program is not None
            run_update(program, self.w, g, self.state, (rate, self.step))
            return None
        try:
            with np.errstate(all="ignore"):
                return update(self.w, g, self.state, rate, self.step, **self.optimizer.parameters)
        except Exception as error:
            raise ComponentCheckError(
                f"{self.optimizer}: update failed in step {self.step}: {describe_exception(error)}",
                hint=hint_of(error),
            ) from error


def _gradients(steps: int, dtype: type) -> list[Array]:
    return list(sample_points(-1, 2, steps, 6).astype(dtype))


def run_update(
    program: Program, w: Array, g: Array, state: dict[str, Array], uniforms: tuple[float, float]
) -> None:
    """Run the formulas of an update rule over w and its state."""
    module = core._f32 if w.dtype == np.float32 else core._f64
    arrays = [w, *state.values()]
    outputs = [np.empty_like(array) for array in arrays]
    module.Program(program).run([np.ascontiguousarray(g), *arrays], outputs, uniforms)
    for array, output in zip(arrays, outputs, strict=True):
        array[:] = output


def _rules(optimizer: Optimizer) -> None:
    for dtype in DTYPES:
        _rules_of(optimizer, dtype)


def _rules_of(optimizer: Optimizer, dtype: type) -> None:
    walk = _Walk.start(optimizer, sample_points(-1, 1, 1, 6)[0].astype(dtype))
    before, arrays = walk.w.copy(), dict(walk.state)
    for g in _gradients(20, dtype):
        given = g.copy()
        if walk.go(g) is not None:
            raise ComponentCheckError(
                f"{optimizer}: update returns something; it changes w in place and returns nothing"
            )
        if not same_bits(g, given):
            raise ComponentCheckError(
                f"{optimizer}: update changes the gradient g", "g = g + ..., not g += ..."
            )
        if walk.state.keys() != arrays.keys():
            found = ", ".join(sorted(walk.state)) or "nothing"
            raise ComponentCheckError(
                f"{optimizer}: state holds {found} after an update, declared is {list(optimizer.state)}"
            )
        for name, array in walk.state.items():
            if array is not arrays[name]:
                raise ComponentCheckError(
                    f"{optimizer}: update puts a new array in place of state[{name!r}]",
                    f"state[{name!r}][:] = ..., or an operator such as *= or +=",
                )
    if same_bits(walk.w, before):
        raise ComponentCheckError(f"{optimizer}: w is the same after 20 updates", "w -= ..., not w = w - ...")
    _require_finite(walk, "w", walk.w)
    for name, array in walk.state.items():
        _require_finite(walk, f"state[{name!r}]", array)


def _require_finite(walk: _Walk, what: str, array: Array) -> None:
    if not np.isfinite(array).all():
        place = int(np.argwhere(~np.isfinite(array))[0, 0])
        steps = f"{walk.step} step{'s' if walk.step > 1 else ''}"
        raise ComponentCheckError(
            f"{walk.optimizer}: {what} is {array[place]} after {steps} of {array.dtype}"
        )


def _zero_gradient(optimizer: Optimizer) -> None:
    walk = _Walk.start(optimizer, np.ones(3))
    walk.go(np.zeros(3))
    _require_finite(walk, "with a gradient of zeros w", walk.w)


def _memory(optimizer: Optimizer) -> None:
    """Walk twice, once going on from copies: the same way, if nothing is remembered elsewhere."""
    start, gradients = sample_points(-1, 1, 1, 6)[0], _gradients(10, np.float64)
    straight = _Walk.start(optimizer, start)
    for g in gradients:
        straight.go(g)
    broken = _Walk.start(optimizer, start)
    for g in gradients[:5]:
        broken.go(g)
    copies = {name: array.copy() for name, array in broken.state.items()}
    broken = _Walk(optimizer, broken.w.copy(), copies, broken.step)
    for g in gradients[5:]:
        broken.go(g)
    if not same_bits(straight.w, broken.w):
        apart = float(np.abs(straight.w - broken.w).max())
        raise ComponentCheckError(
            f"{optimizer}: a second run of the same steps ends elsewhere, {apart:.3g} apart",
            "whatever is remembered belongs in the arrays of `state`",
        )


def _goes_down(optimizer: Optimizer, name: str, function: Function, start: tuple[float, float]) -> None:
    reached = []
    begin, _ = function(np.array(start))
    for factor in SLOWER:
        walk = _Walk.start(optimizer, np.array(start))
        with np.errstate(all="ignore"):
            for _ in range(STEPS):
                walk.go(function(walk.w)[1], factor)
                if not np.isfinite(walk.w).all():
                    break
            value = function(walk.w)[0]
        if value < begin:
            return
        reached.append(value)
    rates = f"{optimizer.learning_rate * SLOWER[-1]:g} to {optimizer.learning_rate:g}"
    best = min((value for value in reached if np.isfinite(value)), default=float("nan"))
    raise ComponentCheckError(
        f"{optimizer}: does not go down {name}: from {begin:.6g} to {best:.6g} at best in {STEPS} steps, "
        f"with learning rates from {rates}"
    )


def _learns(optimizer: Optimizer) -> None:
    """Fit a small network: the loss falls, at one of the rates."""
    from cygd.network import Network

    x = sample_points(-1, 1, 32, 2)
    y = x[:, :1] * 0.5 - x[:, 1:]
    losses = []
    for factor in SLOWER:
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
        f"{optimizer}: a network does not learn with it: loss {before:.6g}, then {min(losses):.6g}"
    )
