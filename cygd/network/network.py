"""A network: layers over one flat vector of parameters, and the compiled engine that runs them.

>>> import numpy as np
>>> x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]])
>>> net = Network(n_inputs=1, layers=[(1, "identity")], loss="sse")
>>> history = net.fit(x, y, learning_rate=0.5, epochs=100, batch_size="full")
>>> net.predict(np.array([[2.0]])).round(6).tolist()
[[5.0]]
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cygd import core
from cygd.components import Activation, Component, Components, Loss, Metric, Optimizer, Schedule, resolve
from cygd.core import _f32, _f64
from cygd.core.random import Stream
from cygd.errors import PluginError
from cygd.network import serialization
from cygd.network.layers import Layer, read_layers

if TYPE_CHECKING:
    from cygd.network.early_stopping import EarlyStopping
    from cygd.network.history import History

__all__ = ["Network"]

Array = NDArray[Any]


class Network:
    """A stack of dense layers.

    Parameters
    ----------
    n_inputs : int
        Columns of x.
    layers : sequence
        Each layer is a number of units, a pair (units, activation), or a mapping with the keys of an
        experiment: units, activation, bias, initializer, weights, dropout, l1, l2. An activation is
        a name, a mapping {"name": ..., option: value}, or an `Activation`. Hidden layers are tanh
        and the last is identity where nothing is said.
    loss : str, mapping or Loss
    dtype : {"float64", "float32"}
        Of the parameters and of all arithmetic.
    seed : int
        Of initial weights, shuffles and dropout masks.
    components : Components, optional
        Where names are looked up; the built-in components by default.

    Attributes
    ----------
    parameters : array of shape (n_parameters,)
        The flat vector w0, b0, a0, w1, b1, a1, ..., each w row by row. Writable.
    weights, biases, trainable_values : list of arrays
        Views of it, one per layer: of shape (n_inputs, n_outputs), (n_outputs,), and one number per
        trainable parameter of the activation; None where a layer has no bias, or nothing to train.
    layers : tuple of Layer
    epochs, updates : int
        Made so far; they key the shuffles and the dropout masks of what comes next.

    Notes
    -----
    `predict`, `loss` and `gradient` release the GIL and may run side by side; a second `fit` at the
    same time raises a RuntimeError.
    """

    def __init__(
        self,
        n_inputs: int,
        layers: Sequence[object],
        loss: str | Mapping[str, object] | Loss = "sse",
        dtype: str | np.dtype[Any] | type = "float64",
        seed: int = 0,
        components: Components | None = None,
    ) -> None:
        self.n_inputs = _positive("n_inputs", n_inputs)
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype}")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
            raise ValueError(f"seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
        self.seed = int(seed)
        self.layers: tuple[Layer, ...] = read_layers(self.n_inputs, layers, components)
        found = resolve("loss", loss, components)
        assert isinstance(found, Loss)
        self.loss_function = found
        self._engine = self._build(self.dtype)
        self.parameters: Array = np.empty(self._engine.n_parameters, self.dtype)
        self._place_views()
        self._initialize()
        self.epochs = 0
        self.updates = 0
        self._fitting = threading.Lock()
        self._optimizer: tuple[Optimizer, Any] | None = None  # the last one that fit was given, at work

    @property
    def n_outputs(self) -> int:
        """Units of the last layer."""
        return self.layers[-1].units

    def __repr__(self) -> str:
        layers = ", ".join(f"({layer.units}, {layer.activation.name!r})" for layer in self.layers)
        return f"Network({self.n_inputs}, [{layers}], loss={self.loss_function.name!r}, dtype='{self.dtype}')"

    # construction ---------------------------------------------------------------------------------

    @property
    def _kernels(self) -> Any:
        return _f32 if self.dtype == np.float32 else _f64

    def _build(self, dtype: np.dtype[Any]) -> Any:
        """Return an engine for this network's layers."""
        layers = [
            {
                "n_out": layer.units,
                "bias": layer.has_bias,
                "activation": layer.activation,
                "dropout": layer.dropout,
                "l1": layer.l1,
                "l2": layer.l2,
            }
            for layer in self.layers
        ]
        return (_f32 if dtype == np.float32 else _f64).Engine(self.n_inputs, layers, self.loss_function)

    def _place_views(self) -> None:
        self.weights: list[Array] = []
        self.biases: list[Array | None] = []
        self.trainable_values: list[Array | None] = []
        at, n_in = 0, self.n_inputs
        for layer in self.layers:
            size = n_in * layer.units
            self.weights.append(self.parameters[at : at + size].reshape(n_in, layer.units))
            at += size
            self.biases.append(self.parameters[at : at + layer.units] if layer.has_bias else None)
            at += layer.units if layer.has_bias else 0
            n_trained = len(layer.activation.trainable)
            self.trainable_values.append(self.parameters[at : at + n_trained] if n_trained else None)
            at += n_trained
            n_in = layer.units

    def _initialize(self) -> None:
        """Draw the weights, layer by layer from a stream of its own; biases are 0, all else is given."""
        for layer, a in zip(self.layers, self.trainable_values, strict=True):
            if a is not None:
                a[...] = [layer.activation.parameters[name] for name in layer.activation.trainable]
        for index, (layer, w, b) in enumerate(zip(self.layers, self.weights, self.biases, strict=True)):
            rng = Stream(self.seed, "weights", layer=index)
            w[...] = layer.initializer.draw(rng, *w.shape) if layer.weights is None else layer.weights
            if b is not None:
                b[...] = 0.0 if isinstance(layer.bias, bool) else layer.bias

    @property
    def activations(self) -> list[Activation]:
        """The activations of the layers, with the present values of their trainable parameters."""
        return [
            layer.activation
            if a is None
            else layer.activation.configured(dict(zip(layer.activation.trainable, a.tolist(), strict=True)))
            for layer, a in zip(self.layers, self.trainable_values, strict=True)
        ]

    # evaluation -----------------------------------------------------------------------------------

    def predict(self, x: ArrayLike, out: Array | None = None, threads: int = 1) -> Array:
        """Return the outputs of the network.

        Parameters
        ----------
        x : array of shape (n_samples, n_inputs)
        out : array of shape (n_samples, n_outputs), optional
            Where they go: C-contiguous, of the network's dtype; x itself, or memory apart from it.
        threads : int
            Never changes the result.

        Returns
        -------
        array of shape (n_samples, n_outputs)
        """
        x = self._rows("x", x, self.n_inputs)
        shape = (len(x), self.n_outputs)
        if out is None:
            out = np.empty(shape, self.dtype)
        elif not isinstance(out, np.ndarray):
            raise TypeError(f"out: expected an array, got {type(out).__name__}")
        elif out.shape != shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise ValueError(
                f"out must be C-contiguous, of shape {shape} and dtype {self.dtype}; "
                f"it has shape {out.shape} and dtype {out.dtype}"
            )
        elif not out.flags.writeable:
            raise ValueError("out is read-only")
        elif np.may_share_memory(out, x) and (out.ctypes.data, out.shape) != (x.ctypes.data, x.shape):
            # a chunk is read whole before it is written, so x itself will do
            raise ValueError("out overlaps x: give x itself, or separate memory")
        self._pass(self._task(x, None), out=out, threads=threads)
        return out

    def loss(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, threads: int = 1
    ) -> float:
        """Return the loss of targets y (n_samples, n_outputs), without penalties."""
        return self._pass(self._task(*self._pair(x, y, sample_weight)), threads=threads)

    def gradient(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, threads: int = 1
    ) -> tuple[float, Array]:
        """Return the objective (loss and penalties) and its gradient, in the order of `parameters`."""
        gradient = np.empty_like(self.parameters)
        task = self._task(*self._pair(x, y, sample_weight))
        loss = self._pass(task, gradient=gradient, threads=threads)
        return loss + self.penalty(), gradient

    def penalty(self) -> float:
        """Return the sum over all weights of l1 |w| + l2 w^2 / 2."""
        return float(self._kernels.penalty(self._engine, self.parameters))

    def numerical_gradient(
        self,
        x: ArrayLike,
        y: ArrayLike,
        step: float = 1e-6,
        sample_weight: ArrayLike | None = None,
    ) -> Array:
        """Return the gradient of the objective by the limit of its definition.

        dE/dw = (E(w + step) - E(w - step)) / (2 step) for each parameter in turn, always in float64.
        """
        if not 0 < step < np.inf:
            raise ValueError(f"step must be a finite number above 0, got {step!r}")
        pair = self._pair(x, y, sample_weight, np.dtype(np.float64))
        engine = self._build(np.dtype(np.float64))
        w = self.parameters.astype(np.float64)
        gradient = np.empty_like(w)

        def objective() -> float:
            loss = self._guarded(_f64.one_pass, engine, _f64.Task(engine, w, *pair), 1)
            return float(loss + _f64.penalty(engine, w))

        for k in range(w.size):
            kept = w[k]
            w[k] = kept + step
            above = objective()
            w[k] = kept - step
            gradient[k] = (above - objective()) / (2 * step)
            w[k] = kept
        return gradient

    def _task(
        self,
        x: Array,
        y: Array | None,
        sample_weight: Array | None = None,
        rows: NDArray[np.integer[Any]] | None = None,
    ) -> Any:
        """Return arrays that are ready for the engine as what it takes."""
        return self._kernels.Task(self._engine, self.parameters, x, y, sample_weight, rows)

    def _pass(
        self, task: Any, *, out: Array | None = None, gradient: Array | None = None, threads: int = 1
    ) -> float:
        """Go once over the rows of a task."""
        threads = _positive("threads", threads)
        return float(self._guarded(self._kernels.one_pass, self._engine, task, threads, out, gradient))

    def _guarded(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call the engine; what a component raises becomes a PluginError that names it."""
        try:
            return function(*arguments, **options)
        except (_f32.ComponentError, _f64.ComponentError) as error:
            raise PluginError(str(error)) from error.__cause__

    # arrays in ------------------------------------------------------------------------------------

    def _rows(self, name: str, values: ArrayLike, columns: int, dtype: np.dtype[Any] | None = None) -> Array:
        """Return values as a C-contiguous (n_samples, columns) array; no copy where it is one."""
        array = core.real_array(values, name)
        if array.ndim == 1 and name == "y" and columns == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape[1] != columns:
            raise ValueError(f"{name} must have shape (n_samples, {columns}), got {array.shape}")
        return np.require(array, dtype or self.dtype, ["C", "A"])

    def _pair(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, dtype: np.dtype[Any] | None = None
    ) -> tuple[Array, Array, Array | None]:
        """Return x, y and the sample weights, checked against each other."""
        dtype = dtype or self.dtype
        rows = self._rows("x", x, self.n_inputs, dtype)
        targets = self._rows("y", y, self.n_outputs, dtype)
        if len(rows) != len(targets):
            raise ValueError(f"x has {len(rows)} rows, y has {len(targets)}")
        if sample_weight is None:
            return rows, targets, None
        weight = np.require(core.real_array(sample_weight, "sample_weight"), dtype, ["C", "A"])
        if weight.shape != (len(rows),):
            raise ValueError(f"sample_weight must have shape ({len(rows)},), got {weight.shape}")
        if not (np.isfinite(weight).all() and (weight >= 0).all()):
            raise ValueError("sample_weight must be finite and not negative")
        return rows, targets, weight

    # training -------------------------------------------------------------------------------------

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        optimizer: str | Mapping[str, object] | Optimizer = "sgd",
        learning_rate: float | None = None,
        epochs: int = 10,
        batch_size: int | str = 32,
        shuffle: bool = True,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        sample_weight: ArrayLike | None = None,
        schedule: str | Mapping[str, object] | Schedule | None = None,
        clip: Mapping[str, float] | None = None,
        stop: Mapping[str, Any] | EarlyStopping | None = None,
        callback: Callable[[int, dict[str, float]], bool | str | None] | None = None,
        evaluate_every: int = 0,
        threads: int | None = None,
        metrics: Sequence[str | Mapping[str, object] | Metric] = (),
    ) -> History:
        """Train by gradient descent.

        Parameters
        ----------
        x : array of shape (n_samples, n_inputs)
        y : array of shape (n_samples, n_outputs)
        optimizer : str, mapping or Optimizer
            Its state is fresh, unless the same object is given again.
        learning_rate : float, optional
            The optimizer's own by default; 0.1 for sgd.
        epochs : int
            How many more.
        batch_size : int or "full"
        validation : pair (x, y), optional
        sample_weight : array of shape (n_samples,), optional
            Each row's loss counts that many times.
        schedule : str, mapping or Schedule, optional
        clip : mapping, optional
            {"norm": limit} or {"value": limit} on the gradient of the objective.
        stop : mapping or Stop, optional
            {"monitor": "validation_loss", "patience": 20, ...} and/or {"loss_below": ...}.
        callback : callable, optional
            callback(epoch, values) before the first update (epoch 0) and after each epoch; a true
            value stops.
        evaluate_every : int
            Measure loss and metrics at epoch 0, N, 2 N, ... and at the end; 0: only at the end.
        threads : int, optional
            At most so many, where the work pays for it; never changes the result.
        metrics : sequence
            Names, mappings or `Metric` objects.

        Returns
        -------
        History
            ``history["running_loss"]`` of every epoch, ``history["loss"]`` where evaluated.

        Raises
        ------
        PluginError
            If a component given as Python functions fails; the weights are the last good ones.
        RuntimeError
            If another fit of this network is running.
        """
        from cygd.network import training  # training is above: it loops over networks, and this asks it to

        chosen = resolve("optimizer", optimizer)
        assert isinstance(chosen, Optimizer)
        if learning_rate is not None:
            chosen = chosen.configured({"learning_rate": learning_rate})
        if validation is not None and not (isinstance(validation, tuple | list) and len(validation) == 2):
            raise TypeError("validation must be a pair (x, y)")
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be a function, got {callback!r}")
        if not isinstance(shuffle, bool | np.bool):
            raise TypeError(f"shuffle must be true or false, got {shuffle!r}")
        rows, targets, weight = self._pair(x, y, sample_weight)
        self.loss_function.check_targets(targets)
        return training.train(
            self,
            rows,
            targets,
            sample_weight=weight,
            optimizer=chosen,
            schedule=_resolved(schedule, "schedule"),
            clip=clip,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            evaluate_every=evaluate_every,
            metrics=[_resolved(metric, "metric") for metric in metrics],
            validation=None if validation is None else training.Rows(*self._pair(*validation, None)),
            stop=training.EarlyStopping.read(stop),
            threads=threads,
            on_epoch=callback,
            keep_state_of=optimizer if isinstance(optimizer, Optimizer) else None,
        )

    # files ----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to an .npz file: arrays w0, b0, a0, w1, ... and its description as JSON."""
        serialization.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], components: Components | None = None) -> Network:
        """Read a network that `save` wrote.

        Parameters
        ----------
        path : str or path
        components : Components, optional
            Where its activations and its loss are looked up, if they are not built in.

        Raises
        ------
        CheckpointError
            If the file is not such a network.
        UnknownComponentError
            If it names a component that cannot be found.
        """
        description, counts = serialization.load(path)
        with serialization.guarded(path):
            net = cls(components=components, **description)
        net.epochs, net.updates = counts
        return net


def _positive(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def _resolved(spec: Any, kind: str) -> Any:
    found: Component | None = None if spec is None else resolve(kind, spec)
    return found
