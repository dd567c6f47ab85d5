"""Arrangements of a matrix in memory: any strides, of equal values."""

import numpy as np
import pytest

ARRANGEMENTS = {
    "transposed": np.asfortranarray,
    "rows apart": lambda a: np.repeat(a, 2, axis=0)[::2],
    "columns apart": lambda a: np.repeat(a, 3, axis=1)[:, ::3],
    "rows backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "columns backwards": lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
}
every_arrangement = pytest.mark.parametrize("arrange", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
