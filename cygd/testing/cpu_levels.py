"""Checks at each CPU level of this machine: that of the whole process while a check runs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

from cygd.core import dispatch
from cygd.plugins.component_checks import ComponentCheckError
from cygd.testing.arrays import Array, require_close

Check = tuple[str, Callable[[], None]]  # its title, and a function that raises a ComponentCheckError
T = TypeVar("T")


def _each_level() -> Generator[str]:
    """Select each level, lowest first, and yield it; restore the current level when closed."""
    previous = dispatch.level()
    try:
        for level in dispatch.levels():
            dispatch.select(level)
            yield level
    finally:
        dispatch.select(previous)


def on_every_level(check: Callable[[T], None], component: T, compiled: bool) -> None:
    """Run a check at every level, which its error then names, or once for a component written in Python."""
    if not compiled:
        check(component)
        return
    with closing(_each_level()) as levels:
        for level in levels:
            try:
                check(component)
            except ComponentCheckError as problem:
                raise ComponentCheckError(f"{problem.message} (CPU level {level})", problem.hint) from problem


def levels_agree(what: str, function: Callable[[], Array], tolerance: float) -> None:
    """Check that all levels agree with the lowest, to a relative tolerance."""
    with closing(_each_level()) as levels:
        results = {level: function() for level in levels}
    lowest, *others = results
    for level in others:
        title = f"{what}: CPU levels {level} and {lowest} differ"
        require_close(title, results[level], results[lowest], tolerance)
