from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Column = NDArray[np.float64]

def column_statistics(
    x: NDArray[Any], rows: NDArray[np.integer[Any]] | None = None
) -> tuple[_Column, _Column, _Column, _Column]: ...
def orthonormal(a: ArrayLike) -> NDArray[np.float64]: ...
