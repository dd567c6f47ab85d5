"""The checks that activations and losses share: shapes, types, determinism, memory layouts, CPU levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import numpy as np

from cygd.components import Activation, Loss
from cygd.components.evaluation import read_only
from cygd.plugins.component_checks import (
    ComponentCheckError,
    call,
    check_component,
    sample_points,
    targets_for,
)
from cygd.testing.arrays import (
    DTYPES,
    FLAT_SHAPES,
    SHAPES,
    Array,
    guarded,
    layouts,
    require_close,
    require_dtype,
    same_bits,
)
from cygd.testing.cpu_levels import Check, levels_agree, on_every_level

C = TypeVar("C", bound=Activation | Loss)


@dataclass(frozen=True)
class Subject(Generic[C]):
    """An activation or a loss, with its functions as training calls them."""

    component: C
    functions: Mapping[str, Callable[..., Array]]  # role -> function of h, or of y and y_hat
    low: float  # the interval of h or y_hat at ordinary points
    high: float

    def inputs(self, points: Array) -> tuple[Array, ...]:
        """Return (h,), or (y, y_hat) with targets for y_hat, where h or y_hat are the points."""
        if isinstance(self.component, Activation):
            return (points,)
        y = targets_for(self.component, 1, points.size).reshape(points.shape)
        return y.astype(points.dtype), points

    def sample(self, *shape: int, dtype: type = np.float64) -> tuple[Array, ...]:
        """Return inputs of a shape at ordinary points."""
        points = sample_points(self.low, self.high, 1, math.prod(shape))
        return self.inputs(points.reshape(shape).astype(dtype))

    def check(self, function: Callable[[Subject[C]], None]) -> Callable[[], None]:
        """Return a check of this subject, at every level if the core runs its functions."""
        return partial(on_every_level, function, self, self.component.function is None)

    def common_checks(self) -> Iterator[Check]:
        """Yield the title and the function of each check that the suites share."""
        yield "basic checks", partial(check_component, self.component)
        yield "shapes and types", self.check(_shapes)
        yield "same bits twice", self.check(_determinism)
        yield "layouts in memory", self.check(_layouts)


def _shapes(subject: Subject[C]) -> None:
    component = subject.component
    rowwise = isinstance(component, Activation) and component.rowwise
    for dtype in DTYPES:
        for shape in (*SHAPES, *(() if rowwise else FLAT_SHAPES)):
            arrays = subject.sample(*shape, dtype=dtype)
            for role in subject.functions:
                what = f"{component}: {role} failed on shape {shape} of {np.dtype(dtype)}"
                result = guarded(what, _apply_unchanged, subject, role, *arrays)
                if result.shape != shape or result.dtype != dtype:
                    raise ComponentCheckError(
                        f"{component}: {role}: expected shape {shape} of {np.dtype(dtype)}, "
                        f"got {result.shape} of {result.dtype}"
                    )
        _types(subject, dtype)


def _apply_unchanged(subject: Subject[C], role: str, *arrays: Array) -> Array:
    """Return the result of a function, and check that its inputs do not change."""
    component = subject.component
    # the derivative of an activation takes other arguments
    if component.function is not None and (role == "function" or isinstance(component, Loss)):
        return call(component, role, *arrays)
    copies = [array.copy() for array in arrays]
    result = subject.functions[role](*arrays)
    if not all(map(same_bits, arrays, copies)):
        raise ComponentCheckError(f"{component}: {role} changes its input")
    return result


def _types(subject: Subject[C], dtype: type) -> None:
    """Check the dtype that Python functions return, which training would convert."""
    component, arrays = subject.component, tuple(map(read_only, subject.sample(4, 3, dtype=dtype)))
    function, derivative, parameters = component.function, component.derivative, component.parameters
    if function is None:
        return
    require_dtype(component, "function", lambda: function(*arrays, **parameters), dtype)
    if derivative is not None and not component.numerical:
        if isinstance(component, Activation) and component.derivative_takes_y_hat:
            arrays = (*arrays, component.evaluate(*arrays))
        require_dtype(component, "derivative", lambda: derivative(*arrays, **parameters), dtype)


def _determinism(subject: Subject[C]) -> None:
    arrays = subject.sample(16, 5)
    for role, function in subject.functions.items():
        if not same_bits(function(*arrays), function(*arrays)):
            inputs = "h" if isinstance(subject.component, Activation) else "y and y_hat"
            raise ComponentCheckError(
                f"{subject.component}: {role} gives different results for the same {inputs}",
                "a function must not use memory or randomness",
            )


def _layouts(subject: Subject[C]) -> None:
    for layout, points in layouts(subject.low, subject.high):
        arrays, contiguous = subject.inputs(points), subject.inputs(np.ascontiguousarray(points))
        for role, function in subject.functions.items():
            what = f"{subject.component}: {role}"
            result = guarded(f"{what} failed on {layout}", function, *arrays)
            expected = guarded(f"{what} failed", function, *contiguous)
            require_close(f"{what} has another result for {layout}", result, expected, 1e-12)


def check_levels(subject: Subject[C]) -> None:
    """Compare the levels of this machine with the lowest one."""
    for dtype, tolerance in zip(DTYPES, (1e-12, 1e-5), strict=True):
        arrays = subject.sample(64, 3, dtype=dtype)
        for role, function in subject.functions.items():
            levels_agree(f"{subject.component}: {role}", partial(function, *arrays), tolerance)
