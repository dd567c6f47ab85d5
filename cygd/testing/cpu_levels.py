"""Checks at each CPU level of this machine.

The level is that of the whole process while a check runs; existing networks keep theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cygd.core import dispatch
from cygd.plugins.component_checks import ComponentCheckError
from cygd.testing.arrays import Array, require_close

Check = tuple[str, Callable[[], None]]  # its title, and a function that raises a ComponentCheckError
T = TypeVar("T")


@contextmanager
def _each_level() -> Iterator[Iterator[str]]:
    """Yield an iterator that selects the levels, lowest first; restore the current level afterwards."""
    previous = dispatch.level()

    def selected() -> Iterator[str]:
        for level in dispatch.levels():
            dispatch.select(level)
            yield level

    try:
        yield selected()
    finally:
        dispatch.select(previous)


def on_every_level(check: Callable[[T], None], component: T, compiled: bool) -> None:
    """Run a check at every level, or once for a component written in Python.

    Raises
    ------
    ComponentCheckError
        The check fails; the message names the level.
    """
    if not compiled:
        check(component)
        return
    with _each_level() as levels:
        for level in levels:
            try:
                check(component)
            except ComponentCheckError as problem:
                raise ComponentCheckError(f"{problem.message} (CPU level {level})", problem.hint) from problem


def levels_agree(what: str, function: Callable[[], Array], tolerance: float) -> None:
    """Check that all levels agree with the lowest, to a relative tolerance."""
    with _each_level() as levels:
        results = {level: function() for level in levels}
    lowest, *others = results
    for level in others:
        title = f"{what}: CPU levels {level} and {lowest} differ"
        require_close(title, results[level], results[lowest], tolerance)
