"""The CPU levels of this machine, one after the other.

While a check runs, the level is that of the whole process; networks made before keep theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cygd.core import dispatch
from cygd.plugins.component_checks import ComponentCheckError
from cygd.testing.arrays import Array, require_close

__all__ = ["Check", "levels_agree", "on_every_level"]

Check = tuple[str, Callable[[], None]]  # what it is about, and what raises an Unfit
Kind = TypeVar("Kind")


@contextmanager
def _at_each() -> Iterator[Iterator[str]]:
    """Go through the levels, lowest first; afterwards the level is what it was."""
    before = dispatch.level()

    def selected() -> Iterator[str]:
        for level in dispatch.levels():
            dispatch.select(level)
            yield level

    try:
        yield selected()
    finally:
        dispatch.select(before)


def on_every_level(check: Callable[[Kind], None], component: Kind, compiled: bool) -> None:
    """Run a check at every level, or once for a component that is written in Python.

    Raises
    ------
    ComponentCheckError
        What the check says, and at which level.
    """
    if not compiled:
        check(component)
        return
    with _at_each() as levels:
        for level in levels:
            try:
                check(component)
            except ComponentCheckError as problem:
                raise ComponentCheckError(f"{problem.message} (CPU level {level})", problem.hint) from problem


def levels_agree(what: str, function: Callable[[], Array], tolerance: float) -> None:
    """Require that all levels compute the same as the lowest, to a relative tolerance."""
    with _at_each() as levels:
        results = {level: function() for level in levels}
    lowest, *others = results
    for level in others:
        words = f"{what}: CPU levels {level} and {lowest} differ"
        require_close(words, results[level], results[lowest], tolerance)
