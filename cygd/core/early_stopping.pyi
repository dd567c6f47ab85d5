from typing import Any

from numpy.typing import NDArray
from typing_extensions import disjoint_base

_State = tuple[float, int | None, int, NDArray[Any] | None]

@disjoint_base
class StopRule:
    def __init__(
        self,
        sign: float,
        min_delta: float,
        patience: int | None,
        loss_below: float | None,
        restore_best: bool,
        parameters: NDArray[Any],
    ) -> None: ...
    def add(self, epoch: int, monitored: float, loss: float, parameters: NDArray[Any]) -> bool: ...
    def state(self, before: int | None = None) -> _State: ...
    def restore(
        self, best: float, best_epoch: int | None, wait: int, best_parameters: NDArray[Any] | None
    ) -> None: ...
