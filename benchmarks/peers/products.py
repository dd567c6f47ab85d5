"""Both sides of a matrix product, and the machine's peak, in one process held on one core."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks import peaks
from cygd.core import _f32, _f64, dispatch


class Product:
    """The operands of a case, and where the products go."""

    def __init__(self, case: Any) -> None:
        dispatch.select(case.level)
        self.dtype, self.n = case.dtype, case.size
        self.kernels = _f32 if case.dtype == "float32" else _f64
        rng = np.random.default_rng(0)
        self.a, self.b = rng.normal(size=(2, self.n, self.n)).astype(self.dtype)
        self.c, self.expected = np.empty((2, self.n, self.n), self.dtype)
        self.seconds()
        np.matmul(self.a, self.b, out=self.expected)
        rounding = self.n * np.finfo(self.dtype).eps
        np.testing.assert_allclose(self.c, self.expected, rtol=rounding, atol=4 * rounding)

    def seconds(self, calls: int = 1) -> float:
        return float(self.kernels.matmul_seconds(self.a, self.b, self.c, calls))

    def epochs(self, n: int) -> None:
        pass

    def loss(self) -> float:
        return 0.0

    def rates(self, at_least: float) -> tuple[float, float, float]:
        """Return operations per second: ours, NumPy's and the peak."""
        operations = 2.0 * self.n**3
        self.seconds()
        calls = max(1, int(at_least / self.seconds()))
        ours = self.seconds(calls)
        np.matmul(self.a, self.b, out=self.expected)
        began = time.perf_counter()
        for _ in range(calls):
            np.matmul(self.a, self.b, out=self.expected)
        theirs = (time.perf_counter() - began) / calls
        return operations / ours, operations / theirs, peaks.multiply_adds(self.dtype)


def build(case: Any, threads: int) -> Product:
    """Return a product, on one thread."""
    return Product(case)
