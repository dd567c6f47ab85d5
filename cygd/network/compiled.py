"""The compiled form of a network: the engine and the flat vector of parameters that it works on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cygd import core
from cygd.components import Activation, Components, Loss, Optimizer, resolve
from cygd.core import _f32, _f64
from cygd.core.random import Stream
from cygd.errors import PluginError
from cygd.network.checks import check_count, check_finite
from cygd.network.last_optimizer import LastOptimizer
from cygd.network.layers import Layer, build_layers
from cygd.network.views import Views

Array = NDArray[Any]

# attributes that cannot be replaced, and what to do instead
_COMPILED = {
    "weights": "write into its arrays: net.weights[0][...] = values",
    "biases": "write into its arrays: net.biases[0][...] = values",
    "trainable_values": "write into its arrays: net.trainable_values[0][...] = values",
    **dict.fromkeys(("n_inputs", "layers", "loss_function", "dtype"), "create a new Network"),
}
# the largest values of attributes that key random streams; the core adds to epochs and updates
_COUNTS = {"seed": 2**63 - 1, "epochs": 2**62, "updates": 2**62}
_MAX_BYTES = 2**62
_REBUILT = ("_engine", "_fit_lock", "weights", "biases", "trainable_values")


class CompiledNetwork:
    """Layers over one flat vector of parameters, and the engine that runs them.

    `Network` adds prediction, training and files; training, checkpoints and early stopping need no more
    than this class. The parameters are those of `Network`, and so are the attributes.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array | None, ...]
    trainable_values: tuple[Array | None, ...]

    def __init__(
        self,
        n_inputs: int,
        layers: Sequence[object],
        loss: str | Mapping[str, object] | Loss = "sse",
        dtype: str | np.dtype[Any] | type = "float64",
        seed: int = 0,
        components: Components | None = None,
    ) -> None:
        self.n_inputs = check_count("n_inputs", n_inputs, 1)
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype}")
        self.seed = seed
        self.layers: tuple[Layer, ...] = build_layers(self.n_inputs, layers, components)
        loss_function = resolve("loss", loss, components)
        assert isinstance(loss_function, Loss)
        if loss_function.kernel == "cross_entropy" and self.layers[-1].units == 1:
            raise ValueError(
                "loss: cross_entropy of one unit is minimal if the output is always 1; use "
                "binary_cross_entropy with one sigmoid unit"
            )
        self.loss_function = loss_function
        self.epochs = 0
        self.updates = 0
        self._last_optimizer: LastOptimizer | None = None
        self._compile()
        self._initialize()

    def _compile(self, parameters: Array | None = None) -> None:
        """Create the engine, and the vector of parameters with its views."""
        self._check_size()
        self._engine = self._build_engine(self.dtype)
        self._parameters: Array = np.empty(self._engine.n_parameters, self.dtype)
        if parameters is not None:
            self._parameters[...] = parameters
        w, b, a = zip(*self.layer_views(self._parameters), strict=True)
        views = {"weights": w, "biases": b, "trainable_values": a}
        vars(self).update({name: Views(arrays, name) for name, arrays in views.items()})
        self._fit_lock = threading.Lock()

    def _check_size(self) -> None:
        """Reject a network whose parameters no array can hold."""
        sizes = [self.n_inputs, *[layer.units for layer in self.layers]]
        n = sum((below + 1) * units for below, units in pairwise(sizes))
        if n * self.dtype.itemsize > _MAX_BYTES:
            widest = max(range(len(sizes)), key=sizes.__getitem__)
            name = f"layers[{widest - 1}]: units" if widest else "n_inputs"
            raise ValueError(f"{name} = {sizes[widest]} is too large: no array can hold so many parameters")

    @property
    def parameters(self) -> Array:
        """The flat vector of all parameters; an assignment copies into it."""
        return self._parameters

    @parameters.setter
    def parameters(self, values: ArrayLike) -> None:
        array = core.real_array(values, "parameters")
        if array.shape != self._parameters.shape:
            raise ValueError(f"parameters: expected shape {self._parameters.shape}, got {array.shape}")
        with np.errstate(over="ignore"):
            array = array.astype(self.dtype, copy=False)
        check_finite("parameters", array)
        self._parameters[...] = array

    def __setattr__(self, name: str, value: object) -> None:
        """Reject assignments that the engine would not see, and counts that it cannot take."""
        if name in _COMPILED and name in vars(self):
            raise AttributeError(f"{name} cannot be assigned; {_COMPILED[name]}")
        if name in _COUNTS:
            value = check_count(name, value, 0, _COUNTS[name])
        super().__setattr__(name, value)

    @property
    def n_outputs(self) -> int:
        """Units of the last layer."""
        return self.layers[-1].units

    @property
    def activations(self) -> tuple[Activation, ...]:
        """The activations of the layers, with the current values of their trainable parameters."""
        return tuple(
            layer.activation
            if a is None
            else layer.activation.configured(dict(zip(layer.activation.trainable, a.tolist(), strict=True)))
            for layer, a in zip(self.layers, self.trainable_values, strict=True)
        )

    def penalty(self) -> float:
        """Return the sum over all weights of l1 |w| + l2 w^2 / 2."""
        return float(self._kernels.penalty(self._engine, self.parameters))

    def layer_views(self, flat: Array) -> list[tuple[Array, Array | None, Array | None]]:
        """Return views (w, b, a) of each layer in a vector laid out like `parameters`."""
        views: list[tuple[Array, Array | None, Array | None]] = []
        start, n_in = 0, self.n_inputs
        for layer in self.layers:
            n_bias = layer.units if layer.has_bias else 0
            n_trainable = len(layer.activation.trainable)
            b = start + n_in * layer.units
            a = b + n_bias
            views.append(
                (
                    flat[start:b].reshape(n_in, layer.units),
                    flat[b:a] if n_bias else None,
                    flat[a : a + n_trainable] if n_trainable else None,
                )
            )
            start, n_in = a + n_trainable, layer.units
        return views

    # copies and pickles ---------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle keeps: everything but the engine, which is compiled again."""
        state: Any = object.__getstate__(self)
        attributes, slots = state if isinstance(state, tuple) else (state, None)  # slots of a subclass
        kept = {**attributes, **(slots or {}), "_parameters": self._parameters.copy()}
        if self._last_optimizer is not None:
            kept["_last_optimizer"] = self._last_optimizer.pack()
        return {name: value for name, value in kept.items() if name not in _REBUILT}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Compile a copy."""
        rest = dict(state)
        parameters, packed = rest.pop("_parameters"), rest.pop("_last_optimizer")
        for name, value in rest.items():
            object.__setattr__(self, name, value)
        self._compile(parameters)
        self._last_optimizer = packed and LastOptimizer.unpack(packed, self._new_updater)

    # construction ---------------------------------------------------------------------------------

    @property
    def _kernels(self) -> Any:
        return _f32 if self.dtype == np.float32 else _f64

    def _build_engine(self, dtype: np.dtype[Any]) -> Any:
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

    def _new_updater(self, optimizer: Optimizer) -> Any:
        """Return an updater of the engine, with a fresh state."""
        return self._kernels.Optimizer(optimizer, self._engine)

    def _initialize(self) -> None:
        """Draw the weights, each layer from its own random stream; biases are 0 unless given."""
        for layer, a in zip(self.layers, self.trainable_values, strict=True):
            if a is not None:
                a[...] = [layer.activation.parameters[name] for name in layer.activation.trainable]
        for index, (layer, w, b) in enumerate(zip(self.layers, self.weights, self.biases, strict=True)):
            rng = Stream(self.seed, "weights", layer=index)
            w[...] = layer.initializer.draw(rng, *w.shape) if layer.weights is None else layer.weights
            if b is not None:
                b[...] = 0.0 if isinstance(layer.bias, bool) else layer.bias

    # one pass over rows ---------------------------------------------------------------------------

    def _dataset(
        self,
        x: Array,
        y: Array | None,
        sample_weight: Array | None = None,
        rows: NDArray[np.integer[Any]] | None = None,
    ) -> Any:
        """Return arrays of the network's dtype as a dataset for the engine."""
        return self._kernels.ArrayDataset(self._engine, self.parameters, x, y, sample_weight, rows)

    def _pass(
        self, dataset: Any, *, out: Array | None = None, gradient: Array | None = None, threads: int = 1
    ) -> float:
        """Run forward over the rows of a dataset, and backward if `gradient` is given; return the loss."""
        threads = check_count("threads", threads, 1)
        return float(
            self._call_engine(self._kernels.forward_backward, self._engine, dataset, threads, out, gradient)
        )

    def _call_engine(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call the engine; an exception of a component becomes a PluginError that names the component."""
        try:
            return function(*arguments, **options)
        except (_f32.ComponentError, _f64.ComponentError) as error:
            raise PluginError(str(error)) from error.__cause__
