from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from typing_extensions import disjoint_base

NAMES: tuple[str, ...]
KINDS: tuple[str, ...]

@disjoint_base
class Scorer:
    names: tuple[str, ...]
    n_rows: int
    n_columns: int
    def __init__(
        self, names: Sequence[str], y: NDArray[Any], kind: str = "continuous", threshold: float = 0.5
    ) -> None: ...
    def __call__(self, y_hat: NDArray[Any]) -> list[float]: ...
