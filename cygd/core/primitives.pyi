from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike, NDArray

__all__ = [
    "activate",
    "derivative",
    "error_term",
    "hidden_error_term",
    "net_input",
    "output",
    "sse",
    "weight_step",
]

def read_capsule(given: object) -> tuple[str | None, int, int] | None: ...
def is_masked(value: object) -> bool: ...
def real_array(value: ArrayLike | None, name: str) -> NDArray[Any]: ...
def net_input(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> Any: ...
def output(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, activation: str = "sigmoid") -> Any: ...
def sse(y: ArrayLike, y_hat: ArrayLike) -> float: ...
def error_term(
    y: ArrayLike, y_hat: ArrayLike, h: ArrayLike, activation: str = "sigmoid", loss: str = "sse"
) -> Any: ...
def hidden_error_term(w: ArrayLike, delta: ArrayLike, h: ArrayLike, activation: str = "sigmoid") -> Any: ...
def weight_step(x: ArrayLike, delta: ArrayLike, learning_rate: float) -> NDArray[Any]: ...
def activate(
    h: ArrayLike,
    activation: str,
    out: NDArray[Any] | None = None,
    parameters: Mapping[str, float] | None = None,
) -> Any: ...
def derivative(
    h: ArrayLike,
    activation: str,
    out: NDArray[Any] | None = None,
    parameters: Mapping[str, float] | None = None,
) -> Any: ...
