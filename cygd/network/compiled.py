"""The compiled form of a network: the engine and the flat vector of parameters that it works on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.components import Activation, Components, Loss, Optimizer, resolve
from cygd.core import _f32, _f64
from cygd.core.random import Stream
from cygd.errors import PluginError
from cygd.network.checks import check_count
from cygd.network.layers import Layer, build_layers

Array = NDArray[Any]


class CompiledNetwork:
    """Layers over one flat vector of parameters, and the engine that runs them.

    `Network` adds prediction, training and files; training, checkpoints and early stopping need no more
    than this class. The parameters are those of `Network`, and so are the attributes.
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
        self.n_inputs = check_count("n_inputs", n_inputs, 1)
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype}")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
            raise ValueError(f"seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
        self.seed = int(seed)
        self.layers: tuple[Layer, ...] = build_layers(self.n_inputs, layers, components)
        loss_function = resolve("loss", loss, components)
        assert isinstance(loss_function, Loss)
        self.loss_function = loss_function
        self._engine = self._build_engine(self.dtype)
        self.parameters: Array = np.empty(self._engine.n_parameters, self.dtype)
        views = self.layer_views(self.parameters)
        self.weights: list[Array] = [w for w, _, _ in views]
        self.biases: list[Array | None] = [b for _, b, _ in views]
        self.trainable_values: list[Array | None] = [a for _, _, a in views]
        self._initialize()
        self.epochs = 0
        self.updates = 0
        self._fit_lock = threading.Lock()
        # the optimizer object of the last fit, and its updater with the state that it left
        self._last_optimizer: tuple[Optimizer, Any] | None = None

    @property
    def n_outputs(self) -> int:
        """Units of the last layer."""
        return self.layers[-1].units

    @property
    def activations(self) -> list[Activation]:
        """The activations of the layers, with the current values of their trainable parameters."""
        return [
            layer.activation
            if a is None
            else layer.activation.configured(dict(zip(layer.activation.trainable, a.tolist(), strict=True)))
            for layer, a in zip(self.layers, self.trainable_values, strict=True)
        ]

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
