import numpy as np
from numpy.typing import NDArray

def format_rows(
    first: int,
    values: NDArray[np.float64],
    measured: NDArray[np.uint8],
    columns: NDArray[np.int32],
    n_measured: int,
) -> tuple[bytes, int]: ...
def format_hashes(first: int, hashes: NDArray[np.uint32]) -> bytes: ...
