"""The outcome of each check of a suite, and the speed of an activation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from cygd import core
from cygd.components import Activation, Component
from cygd.errors import describe_exception, hint_of, source_file
from cygd.plugins.component_checks import ComponentCheckError
from cygd.testing import activation as activations
from cygd.testing import logger as loggers
from cygd.testing import loss as losses
from cygd.testing import optimizer as optimizers
from cygd.testing.arrays import guarded
from cygd.testing.cpu_levels import Check

SIZE = 4096  # elements of a block, which fits into the L1 cache
SECONDS = 2e-3  # of one timing
ROUNDS = 7

SUITES: Mapping[str, Callable[[Any], Iterator[Check]]] = {
    "activation": activations.checks,
    "loss": losses.checks,
    "optimizer": optimizers.checks,
    "logger": lambda component: iter([("three kinds of runs", partial(loggers.check_logger, component))]),
}


class Outcome(NamedTuple):
    """The title of a check, and its error or None."""

    title: str
    error: ComponentCheckError | None


class Speed(NamedTuple):
    """Nanoseconds per element of f, of f', and of both in one pass, as in a training step."""

    forward: float
    derivative: float
    both: float


def outcomes(component: Component) -> Iterator[Outcome]:
    """Run the suite of a component, and continue after a check that fails."""
    for title, check in SUITES[component.kind](component):
        try:
            guarded(str(component), check)
        except ComponentCheckError as error:
            yield Outcome(title, error)
        else:
            yield Outcome(title, None)


def speed(activation: Activation, reference: Activation, dtype: str) -> tuple[Speed, Speed]:
    """Time two elementwise activations alternately, as training calls them; return the fastest rounds."""
    # imported here because it is slow to import
    from cygd.network import Network

    kernels = core._f32 if dtype == "float32" else core._f64
    h = (2 * np.random.default_rng(0).normal(size=SIZE)).astype(dtype)
    engines = [Network(1, [(1, each)], dtype=dtype)._engine for each in (activation, reference)]
    try:
        calls = [
            max(1, min(1000, int(SECONDS / sum(kernels.activation_seconds(engine, h, 1)))))
            for engine in engines
        ]
        rounds = [
            [
                kernels.activation_seconds(engine, h, count)
                for engine, count in zip(engines, calls, strict=True)
            ]
            for _ in range(ROUNDS)
        ]
    except kernels.ComponentError as error:
        cause = error.__cause__ or error
        message = describe_exception(cause, source_file(activation.function))
        raise ComponentCheckError(
            f"{activation} failed on {SIZE} elements of {dtype}: {message}", hint_of(cause)
        ) from error
    fastest = np.min(rounds, axis=0) * (1e9 / SIZE)
    return Speed(*fastest[0].tolist()), Speed(*fastest[1].tolist())
