"""Compare timings in interleaved rounds.

The speed of a shared machine changes over time, so that only timings taken at the same moment can be
compared. The sides of a comparison therefore alternate within a round, and each round gives one ratio. The
result is the median of these ratios with their interquartile range.
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
    """Seconds per call of each side, and ratios to the first side.

    Attributes
    ----------
    seconds : dict of str to float
        Median time of each side.
    ratios : dict of str to float
        Median over the rounds of a side's time divided by that of the first side.
    spread : dict of str to tuple of float
        First and third quartile of these ratios.
    """

    seconds: dict[str, float]
    ratios: dict[str, float]
    spread: dict[str, tuple[float, float]]


def seconds(work: Work, at_least: float = 0.01) -> tuple[float, int]:
    """Return the seconds of one call and the number of calls that take `at_least` seconds."""
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
        The first one is the reference.
    rounds : int
        Number of timings of each side.
    at_least : float
        Minimum seconds of one timing; short work is repeated.
    pause : float
        Seconds of sleep before each timing, until idle threads of other libraries stop spinning.
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
    return summarize(times)


def summarize(times: Mapping[str, list[float]]) -> Comparison:
    """Return the medians, and the ratios to the first side over the rounds."""
    first = times[next(iter(times))]
    ratios, spread = {}, {}
    for name, values in times.items():
        each = [a / b for a, b in zip(values, first, strict=True)]
        ratios[name] = statistics.median(each)
        quarters = statistics.quantiles(each, n=4) if len(each) > 1 else [each[0]] * 3
        spread[name] = (quarters[0], quarters[2])
    return Comparison({name: statistics.median(values) for name, values in times.items()}, ratios, spread)
