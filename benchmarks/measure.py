"""Timing in pairs: each side in turn, many rounds, medians and spread of the ratios.

On a shared machine two figures from two moments cannot be compared, two from the same moment can. So
the sides of a comparison take turns within a round, a round gives one ratio, and the median of the
ratios is what is reported, with the middle half of them as its spread.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Comparison", "compare", "seconds"]

Work = Callable[[], object]


@dataclass(frozen=True)
class Comparison:
    """What was measured: seconds per call of each side, and ratios to the first.

    Attributes
    ----------
    seconds : dict of str to float
        The median of each side.
    ratios : dict of str to float
        The median over the rounds of a side's time by that of the first side.
    spread : dict of str to tuple of float
        The quarter points of those ratios.
    """

    seconds: dict[str, float]
    ratios: dict[str, float]
    spread: dict[str, tuple[float, float]]


def seconds(work: Work, at_least: float = 0.01) -> tuple[float, int]:
    """Return the seconds of one call, and how many calls take `at_least` seconds."""
    calls = 1
    while True:
        began = time.perf_counter()
        for _ in range(calls):
            work()
        took = time.perf_counter() - began
        if took >= at_least:
            return took / calls, calls
        calls = max(2 * calls, int(calls * at_least / max(took, 1e-9)))


def compare(
    sides: Mapping[str, Work], rounds: int = 15, at_least: float = 0.01, pause: float = 0.0
) -> Comparison:
    """Time sides against each other.

    Parameters
    ----------
    sides : mapping of str to callable
        The first one is what the others are compared with.
    rounds : int
        How often each is timed.
    at_least : float
        Seconds of one timing; quick work is repeated.
    pause : float
        Seconds of sleep before each timing: threads that wait for more work keep a core busy for a while.
    """
    calls = {name: seconds(work, at_least)[1] for name, work in sides.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            order = list(sides) if turn % 2 == 0 else list(sides)[::-1]
            for name in order:
                work, count = sides[name], calls[name]
                time.sleep(pause)
                began = time.perf_counter()
                for _ in range(count):
                    work()
                times[name].append((time.perf_counter() - began) / count)
    finally:
        gc.enable()
    return summarized(times)


def summarized(times: Mapping[str, list[float]]) -> Comparison:
    """Return medians, and ratios to the first side round by round."""
    first = times[next(iter(times))]
    ratios, spread = {}, {}
    for name, own in times.items():
        each = [a / b for a, b in zip(own, first, strict=True)]
        ratios[name] = statistics.median(each)
        quarters = statistics.quantiles(each, n=4) if len(each) > 1 else [each[0]] * 3
        spread[name] = (quarters[0], quarters[2])
    return Comparison({name: statistics.median(own) for name, own in times.items()}, ratios, spread)
