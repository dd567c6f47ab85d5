"""Measure the peak rates of the machine: arithmetic on registers, and reading memory."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cygd.core import _f32, _f64

__all__ = ["multiply_adds", "read_rate", "share_cell"]

ROUNDS = 2_000_000  # a few milliseconds


def multiply_adds(dtype: str, threads: int = 1) -> float:
    """Return the operations per second at the CPU level in use; a multiply-add counts as two operations.

    This is the best of three measurements, because other tenants of the machine can only slow it down.
    """
    kernels = _f32 if dtype == "float32" else _f64
    return float(max(kernels.peak_fma_rate(ROUNDS, threads) for _ in range(3)))


def read_rate(threads: int = 1, megabytes: int = 256) -> float:
    """Return the bytes per second read from memory: each thread computes the maximum of a separate array."""
    arrays = [np.ones(megabytes * 1_000_000 // 8) for _ in range(threads)]
    rates = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(5):
            began = time.perf_counter()
            list(pool.map(np.max, arrays))  # without the GIL
            rates.append(sum(a.nbytes for a in arrays) / (time.perf_counter() - began))
    return max(rates)


def share_cell(share: float, trusted: bool = True) -> tuple[str, bool]:
    """Return a share of the peak as a cell, and True if it counts for a target.

    A share above 1 means that other tenants of the machine disturbed the measurement of the peak.
    """
    valid = trusted and share <= 1.02  # the clock rate may rise between the measurements
    return (f"{100 * share:.0f} %" if valid else "peak disturbed"), valid
