"""What the machine can do at most, measured on the spot: arithmetic on registers, and reading memory."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cygd.core import _f32, _f64

__all__ = ["multiply_adds", "read_rate", "share_cell"]

ROUNDS = 2_000_000  # a few milliseconds


def multiply_adds(dtype: str, threads: int = 1) -> float:
    """Return operations per second at the CPU level in use, an addition and a multiplication counted as two.

    It is the best of a few tries: neighbours make it slower, and nothing makes it too fast.
    """
    kernels = _f32 if dtype == "float32" else _f64
    return float(max(kernels.peak_fma_rate(ROUNDS, threads) for _ in range(3)))


def read_rate(threads: int = 1, megabytes: int = 256) -> float:
    """Return bytes per second from memory: each thread takes the maximum of an array of its own."""
    arrays = [np.ones(megabytes * 1_000_000 // 8) for _ in range(threads)]
    rates = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(5):
            began = time.perf_counter()
            list(pool.map(np.max, arrays))  # without the GIL
            rates.append(sum(a.nbytes for a in arrays) / (time.perf_counter() - began))
    return max(rates)


def share_cell(share: float, trusted: bool = True) -> tuple[str, bool]:
    """Return a share of a peak as a cell, and whether it may count for a target.

    Nothing is faster than the peak: where something seems to be, neighbours disturbed the peak's measurement.
    """
    good = trusted and share <= 1.02  # a clock that rises in between
    return (f"{100 * share:.0f} %" if good else "peak disturbed"), good
