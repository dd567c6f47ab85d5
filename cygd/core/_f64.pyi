# _f64.pyi is the same text for the other dtype; a test keeps the two in step.
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from cygd.core.early_stopping import StopRule
from cygd.core.metrics import Scorer

_Real = np.float64
_Array = NDArray[_Real]
_Options = Sequence[float] | None
_Table = NDArray[np.double]

OPENMP: bool
signal_errors: list[BaseException]

class ComponentError(Exception):
    where: str
    def __init__(self, where: str, cause: BaseException) -> None: ...

@disjoint_base
class Program:
    def __new__(cls, description: Any) -> Self: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def uniforms(self) -> tuple[str, ...]: ...
    def run(
        self, inputs: Sequence[_Array], outputs: Sequence[_Array], uniforms: Sequence[float] = ()
    ) -> None: ...

@disjoint_base
class Engine:
    def __new__(cls, n_inputs: int, layers: list[dict[str, Any]], loss: Any) -> Self: ...
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_parameters(self) -> int: ...
    @property
    def has_python_components(self) -> bool: ...
    force_parallel: bool
    @property
    def chunks_per_thread(self) -> list[int]: ...

@disjoint_base
class ArrayDataset:
    def __init__(
        self,
        engine: Engine,
        parameters: _Array,
        x: _Array,
        y: _Array | None = None,
        weight: _Array | None = None,
        rows: NDArray[np.integer[Any]] | None = None,
    ) -> None: ...

@disjoint_base
class Optimizer:
    step: int
    scalars: list[float]
    def __init__(self, optimizer: Any, engine: Engine) -> None: ...
    @property
    def component(self) -> Any: ...
    @property
    def state(self) -> dict[str, _Array]: ...

@disjoint_base
class Trainer:
    def __init__(
        self,
        engine: Engine,
        dataset: ArrayDataset,
        parameters: _Array,
        optimizer: Optimizer,
        *,
        batch_size: int,
        shuffled: bool,
        seed: int,
        epochs: int,
        updates: int,
        clip_norm: float,
        clip_value: float,
        threads: int,
        whole: ArrayDataset | None = None,
    ) -> None: ...
    @property
    def epochs(self) -> int: ...
    @property
    def updates(self) -> int: ...
    @property
    def running_losses(self) -> list[float]: ...
    @property
    def last_loss(self) -> float: ...
    @property
    def last_rate(self) -> float: ...
    def run(
        self, learning_rates: list[float], recorder: Recorder | None = None
    ) -> tuple[list[float], bool]: ...

@disjoint_base
class ManyLanes:
    def __init__(self, trainers: list[Trainer]) -> None: ...

class ManyBatches(ManyLanes): ...

@disjoint_base
class ManyTrainer(ManyBatches):
    def run(
        self, indices: list[int], learning_rates: list[list[float]], recorders: list[Recorder | None]
    ) -> list[bool]: ...

def run_many(
    trainers: list[ManyTrainer],
    calls: list[tuple[list[int], list[list[float]], list[Recorder | None]]],
    threads: int = 1,
) -> list[list[bool]]: ...

@disjoint_base
class Evaluation:
    def __init__(
        self,
        engine: Engine,
        dataset: ArrayDataset,
        threads: int,
        *,
        scorer: Scorer | None = None,
        counted: NDArray[np.int64] | None = None,
        scale: _Table | None = None,
        shift: _Table | None = None,
        predict: bool = False,
    ) -> None: ...
    @property
    def predictions(self) -> _Array | None: ...
    def measure(self) -> list[float]: ...

@disjoint_base
class Recorder:
    def __init__(
        self,
        engine: Engine,
        parameters: _Array,
        evaluations: list[Evaluation],
        columns: list[list[int]],
        *,
        penalty: int,
        n_columns: int,
        every: int,
        epochs: int,
        capacity: int,
        milliseconds: float = ...,
        hashed: bool = True,
        stop: StopRule | None = None,
        monitored: int = 0,
    ) -> None: ...
    @property
    def epoch(self) -> int: ...
    @property
    def stopped(self) -> bool: ...
    @property
    def n_rows(self) -> int: ...
    def start(self, epoch: int, seconds: float) -> None: ...
    def last(self) -> tuple[_Table, bool]: ...
    def take(self) -> tuple[_Table, NDArray[np.bool_], NDArray[np.uint32]]: ...
    def current(self, measured: bool) -> tuple[_Table, int]: ...

def many_bytes(engine: Engine, n_rows: int, batch_size: int) -> int: ...
def optimizer_form(component: Any) -> tuple[str, bool] | None: ...
def forward_backward(
    engine: Engine,
    dataset: ArrayDataset,
    threads: int,
    out: _Array | None = None,
    gradient: _Array | None = None,
) -> float: ...
def penalty(engine: Engine, parameters: _Array) -> float: ...
def names() -> Mapping[str, Any]: ...
def addresses(name: str) -> tuple[int, int]: ...
def has_fused_loss(activation: str, loss: str) -> bool: ...
def block(kind: str, name: str, x: _Array, out: _Array, params: _Options = None) -> None: ...
def derivative_block(name: str, h: _Array, y_hat: _Array, out: _Array, params: _Options = None) -> None: ...
def value_and_derivative_block(
    name: str, h: _Array, y_hat: _Array, derivative: _Array, params: _Options = None
) -> bool: ...
def rowwise(name: str, h: _Array, out: _Array) -> None: ...
def rowwise_backward(name: str, h: _Array, y_hat: _Array, g: _Array, delta: _Array) -> None: ...
def loss_block(
    name: str, y: _Array, y_hat: _Array, out: _Array, derivative: bool = False, params: _Options = None
) -> None: ...
def fused_loss(activation: str, loss: str, h: _Array, y: _Array, out: _Array) -> None: ...
def fused_delta(activation: str, loss: str, y: _Array, y_hat: _Array, delta: _Array) -> None: ...
def matmul(a: _Array, b: _Array, c: _Array, accumulate: bool = False) -> None: ...
def multiply(a: _Array, b: _Array, out: _Array) -> None: ...
def scale(factor: float, a: _Array, out: _Array) -> None: ...
def sse(y: _Array, y_hat: _Array) -> float: ...
def activation_seconds(engine: Engine, h: _Array, calls: int) -> tuple[float, float, float]: ...
def matmul_seconds(a: _Array, b: _Array, c: _Array, calls: int) -> float: ...
def peak_fma_rate(rounds: int, threads: int = 1) -> float: ...
def read_seconds(x: _Array, threads: int) -> tuple[float, float]: ...
