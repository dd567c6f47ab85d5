"""The suite of a component, check by check, and how fast an activation is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from cygd import core
from cygd.components import Activation, Component
from cygd.errors import CygdError, describe_exception, hint_of, source_file
from cygd.plugins.component_checks import ComponentCheckError
from cygd.testing import activation, logger, loss, optimizer
from cygd.testing.cpu_levels import Check

__all__ = ["SUITES", "Outcome", "Speed", "outcomes", "speed"]

SIZE = 4096  # elements of a block, which stays in the first cache
SECONDS = 2e-3  # of one timing
ROUNDS = 7

SUITES: Mapping[str, Callable[[Any], Iterator[Check]]] = {
    "activation": activation.checks,
    "loss": loss.checks,
    "optimizer": optimizer.checks,
    "logger": lambda component: iter([("three lives of a run", partial(logger.check_logger, component))]),
}


class Outcome(NamedTuple):
    """What a check is about, and what is wrong (None: nothing)."""

    what: str
    problem: ComponentCheckError | None


class Speed(NamedTuple):
    """Nanoseconds an element of f, of f', and of both as a training step takes them."""

    forward: float
    derivative: float
    both: float


def outcomes(component: Component) -> Iterator[Outcome]:
    """Run the suite of a component, and go on behind a check that fails.

    Examples
    --------
    >>> [outcome] = [o for o in outcomes(Activation("square", formula="h**2")) if o.what == "tails"]
    >>> outcome.problem is None
    True
    """
    for what, check in SUITES[component.kind](component):
        yield Outcome(what, _problem(component, check))


def _problem(component: Component, check: Callable[[], None]) -> ComponentCheckError | None:
    try:
        with np.errstate(all="ignore"):
            check()
    except ComponentCheckError as problem:
        return problem
    except CygdError as error:
        return ComponentCheckError(error.message, error.hint)
    except Exception as error:
        return ComponentCheckError(f"{component}: {describe_exception(error)}")
    return None


def speed(own: Activation, other: Activation, dtype: str) -> tuple[Speed, Speed]:
    """Time two elementwise activations side by side, by the functions that training calls.

    Returns
    -------
    tuple of two Speed
        Of each, the fastest of some rounds, in which they take turns.

    Raises
    ------
    ComponentCheckError
        If the first of them fails on so many elements.
    """
    # a network is above nothing here, but it takes a while to import
    from cygd.network import Network

    kernels = core._f32 if dtype == "float32" else core._f64
    h = (2 * np.random.default_rng(0).normal(size=SIZE)).astype(dtype)
    engines = [Network(1, [(1, each)], dtype=dtype)._engine for each in (own, other)]
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
        raised = error.__cause__ or error
        why = describe_exception(raised, source_file(own.function))
        raise ComponentCheckError(
            f"{own} failed on {SIZE} elements of {dtype}: {why}", hint_of(raised)
        ) from error
    fastest = np.min(rounds, axis=0) * (1e9 / SIZE)
    return Speed(*fastest[0].tolist()), Speed(*fastest[1].tolist())
