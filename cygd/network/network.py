"""Networks: prediction, gradients and training over a flat vector of parameters.

>>> import numpy as np
>>> x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]])
>>> net = Network(n_inputs=1, layers=[(1, "identity")], loss="sse")
>>> history = net.fit(x, y, learning_rate=0.5, epochs=100, batch_size="full")
>>> net.predict(np.array([[2.0]])).round(6).tolist()
[[5.0]]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cygd import core
from cygd.components import Component, Components, Metric, Optimizer, Schedule
from cygd.core import _f64
from cygd.core.primitives import is_masked
from cygd.network import checks, serialization
from cygd.network.compiled import CompiledNetwork
from cygd.network.early_stopping import EarlyStopping
from cygd.network.evaluation import Rows
from cygd.network.fit_options import FitOptions
from cygd.network.history import History
from cygd.network.last_optimizer import LastOptimizer
from cygd.network.training import CallbackListener, OnEpoch, TrainingLoop
from cygd.network.updates import Update

if TYPE_CHECKING:
    from cygd.display.plot import Plot

Array = NDArray[Any]


class Network(CompiledNetwork):
    """A stack of dense layers.

    Parameters
    ----------
    n_inputs : int
        Columns of x.
    layers : sequence
        Each layer is a number of units, a pair (units, activation), a `Layer`, or a mapping with the keys
        of an experiment: units, activation, bias, initializer, weights, dropout, l1, l2. An activation is
        a name, a mapping {"name": ..., option: value}, or an `Activation`; by default tanh in hidden
        layers and identity in the last.
    loss : str, mapping or Loss
    dtype : {"float64", "float32"}
        Of the parameters and of all arithmetic.
    seed : int
        For initial weights, shuffles and dropout masks.
    components : Components, optional
        Where names are looked up; the built-in components by default.

    Attributes
    ----------
    parameters : array of shape (n_parameters,)
        The flat vector w0, b0, a0, w1, b1, a1, ..., each w in row-major order. Writable; an assignment
        copies finite numbers into it.
    weights, biases, trainable_values : tuple of arrays
        Writable views of it, one per layer: of shape (n_inputs, n_outputs), (n_outputs,), and one number per
        trainable parameter of the activation; None if a layer has no bias, or nothing to train.
    layers : tuple of Layer
    epochs, updates : int
        Completed so far; they key the shuffles and the dropout masks of the next ones.

    Notes
    -----
    `predict`, `loss` and `gradient` release the GIL and may run in parallel; a second `fit` at the same
    time raises a RuntimeError. They take NaN and infinite numbers as they are, so that a NaN in a row of x
    is a NaN in its outputs; `fit` refuses them.
    """

    def __repr__(self) -> str:
        layers = ", ".join(f"({layer.units}, {layer.activation.name!r})" for layer in self.layers)
        return f"Network({self.n_inputs}, [{layers}], loss={self.loss_function.name!r}, dtype='{self.dtype}')"

    def plot(self, names: Sequence[str] = ()) -> Plot:
        """Return a drawing of the units and weights; `names` are those of the inputs."""
        from cygd.network.notebook import plot_network  # imported here: training does not need it

        return plot_network(self, names)

    def _repr_html_(self) -> str:
        from cygd.network.notebook import describe_network

        return describe_network(self)

    # evaluation -----------------------------------------------------------------------------------

    def predict(self, x: ArrayLike, out: Array | None = None, threads: int = 1) -> Array:
        """Return the outputs of the network.

        Parameters
        ----------
        x : array of shape (n_samples, n_inputs)
        out : array of shape (n_samples, n_outputs), optional
            Receives the outputs: C-contiguous and of the network's dtype. It may be x, but must not
            overlap x otherwise.
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
        elif is_masked(out):
            raise TypeError("out: masked arrays are not supported")
        elif out.shape != shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise ValueError(
                f"out must be C-contiguous, of shape {shape} and dtype {self.dtype}; "
                f"it has shape {out.shape} and dtype {out.dtype}"
            )
        elif not out.flags.writeable:
            raise ValueError("out is read-only")
        elif np.may_share_memory(out, x) and (out.ctypes.data, out.shape) != (x.ctypes.data, x.shape):
            # the engine reads a whole chunk of rows before it writes their outputs
            raise ValueError("out overlaps x: pass x itself or a separate array")
        self._pass(self._dataset(x, None), out=out, threads=threads)
        return out

    def loss(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, threads: int = 1
    ) -> float:
        """Return the loss of targets y (n_samples, n_outputs), without penalties."""
        return self._pass(self._dataset(*self._pair(x, y, sample_weight)), threads=threads)

    def gradient(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, threads: int = 1
    ) -> tuple[float, Array]:
        """Return the objective (loss and penalties) and its gradient, in the order of `parameters`."""
        gradient = np.empty_like(self.parameters)
        dataset = self._dataset(*self._pair(x, y, sample_weight))
        loss = self._pass(dataset, gradient=gradient, threads=threads)
        return loss + self.penalty(), gradient

    def numerical_gradient(
        self,
        x: ArrayLike,
        y: ArrayLike,
        step: float = 1e-6,
        sample_weight: ArrayLike | None = None,
    ) -> Array:
        """Return the gradient of the objective by central differences.

        dE/dw = (E(w + step) - E(w - step)) / (2 step) for each parameter, always in float64.
        """
        if not 0 < step < np.inf:
            raise ValueError(f"step must be a finite number above 0, got {step!r}")
        pair = self._pair(x, y, sample_weight, np.dtype(np.float64))
        engine = self._build_engine(np.dtype(np.float64))
        w = self.parameters.astype(np.float64)
        gradient = np.empty_like(w)

        def objective() -> float:
            loss = self._call_engine(_f64.forward_backward, engine, _f64.ArrayDataset(engine, w, *pair), 1)
            return float(loss + _f64.penalty(engine, w))

        for k in range(w.size):
            w_k = w[k]
            w[k] = w_k + step
            above = objective()
            w[k] = w_k - step
            gradient[k] = (above - objective()) / (2 * step)
            w[k] = w_k
        return gradient

    # input arrays ----------------------------------------------------------------------------------

    def _rows(self, name: str, values: ArrayLike, columns: int, dtype: np.dtype[Any] | None = None) -> Array:
        """Return values as a C-contiguous (n_samples, columns) array, without a copy if they are one."""
        try:
            array = core.real_array(values, name)
        except ValueError as error:  # of NumPy, which does not know the name
            raise ValueError(f"{name}: expected rows of equal length: {error}") from None
        if array.ndim == 1 and name == "y" and columns == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape[1] != columns:
            class_numbers = name == "y" and columns > 1 and array.shape in ((array.size,), (array.size, 1))
            hint = f"; class numbers need one column per class: np.eye({columns})[y]" if class_numbers else ""
            raise ValueError(f"{name} must have shape (n_samples, {columns}), got {array.shape}{hint}")
        return np.require(array, dtype or self.dtype, ["C", "A"])

    def _pair(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, dtype: np.dtype[Any] | None = None
    ) -> tuple[Array, Array, Array | None]:
        """Return x, y and sample_weight as arrays whose lengths match."""
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
        check_finite: bool = True,
    ) -> History:
        """Train by gradient descent.

        Parameters
        ----------
        x : array of shape (n_samples, n_inputs)
        y : array of shape (n_samples, n_outputs)
        optimizer : str, mapping or Optimizer
            Its state is fresh, unless it is the object that was passed to the last fit, or `net.optimizer`.
            See the notes on what is kept.
        learning_rate : float, optional
            The optimizer's own by default; 0.1 for sgd.
        epochs : int
            A second fit continues counting epochs where the first one ended.
        batch_size : int or "full"
        validation : pair (x, y), optional
        sample_weight : array of shape (n_samples,), optional
            Factors on the loss of each row.
        schedule : str, mapping or Schedule, optional
        clip : mapping, optional
            {"norm": limit} or {"value": limit} on the gradient of the objective.
        stop : mapping or EarlyStopping, optional
            {"monitor": "validation_loss", "patience": 20, ...} and/or {"loss_below": ...}.
        callback : callable, optional
            callback(epoch, values) before the first update (epoch 0) and after each epoch; a true
            value stops.
        evaluate_every : int
            Measure loss and metrics at epoch 0, N, 2 N, ... and at the end; 0: only at the end, or after
            every epoch if early stopping or a schedule such as reduce_on_plateau watches the loss.
        threads : int, optional
            The maximum; fewer are used if the work does not pay for more. Never changes the result.
        metrics : sequence
            Names, mappings or `Metric` objects.
        check_finite : bool
            Refuse x, y and validation rows with NaN or infinite numbers. Rows of weight 0 take no part and
            may hold anything.

        Returns
        -------
        History
            ``history["running_loss"]`` of every epoch, ``history["loss"]`` where evaluated.

        Raises
        ------
        ValueError
            If an array does not fit, has no rows, or holds a number that is not finite.
        PluginError
            If a component given as Python functions fails; the weights are then those after the last
            completed epoch.
        RuntimeError
            If another fit of this network is running.

        Notes
        -----
        A network keeps its parameters, the numbers of epochs and updates, its seed, and the last optimizer
        with its state. Two fits of 5 epochs that are given the same `Optimizer` object make the updates of
        one fit of 10; a name or a mapping starts with a fresh state each time. The schedule, early stopping
        and the measurements start anew with every fit. `copy.copy`, `copy.deepcopy` and pickle keep all of
        this; `save` keeps the optimizer's state with ``optimizer=True`` only.
        """
        options = FitOptions.build(
            optimizer=optimizer,
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            schedule=schedule,
            clip=clip,
            stop=stop,
            evaluate_every=evaluate_every,
            threads=threads,
            metrics=metrics,
        )
        loop = self._training_loop(x, y, options, validation, sample_weight, callback, check_finite)
        return loop.run()

    def steps(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[int, dict[str, float]], bool | str | None] | None = None,
        check_finite: bool = True,
        **as_fit: Any,
    ) -> Generator[Update, None, History]:
        """Train like `fit`, with the same bits, and yield each update.

        Parameters
        ----------
        x, y, validation, sample_weight, callback, check_finite, **as_fit
            The parameters of `fit`.

        Yields
        ------
        Update
            Its number, epoch, learning rate and rows, and the parameters before and after. Do not change
            the network's parameters until the next one.

        Returns
        -------
        History
            What `fit` returns, as the value of the generator.

        Examples
        --------
        >>> net = Network(1, [{"units": 1, "weights": [[1.0]], "bias": False}])
        >>> for update in net.steps([[2.0]], [[4.0]], learning_rate=0.1, epochs=3):
        ...     print(update.number, update.before.round(3), update.after.round(3))
        1 [1.] [1.4]
        2 [1.4] [1.64]
        3 [1.64] [1.784]
        """
        options = FitOptions.build(**as_fit)
        loop = self._training_loop(x, y, options, validation, sample_weight, callback, check_finite)
        return loop.steps()

    def _training_loop(
        self,
        x: ArrayLike,
        y: ArrayLike,
        options: FitOptions,
        validation: tuple[ArrayLike, ArrayLike] | None,
        sample_weight: ArrayLike | None,
        callback: OnEpoch | None,
        check_finite: bool,
    ) -> TrainingLoop:
        """Check the data and return the training of this network on it."""
        if validation is not None and not (isinstance(validation, tuple | list) and len(validation) == 2):
            raise TypeError("validation must be a pair (x, y)")
        checks.check_flag("check_finite", check_finite)
        checks.check_finite("parameters", self.parameters, hint="; assign finite ones before training")
        data = self._part("", x, y, sample_weight, check_finite)
        return TrainingLoop(
            network=self,
            data=data,
            options=options,
            validation=validation and self._part("validation ", *validation, None, check_finite),
            listener=CallbackListener.of(callback),
        )

    def _part(
        self, name: str, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, finite: bool
    ) -> Rows:
        """Return rows to train or validate on, with x, y and the domain of the targets checked."""
        with np.errstate(over="ignore"):  # what does not fit into float32 is not finite
            rows, targets, weight = self._pair(x, y, sample_weight)
        if not len(rows):
            raise ValueError(
                f"no rows to {'validate' if name else 'train'} on: {name}x has shape {rows.shape}"
            )
        if finite:
            hint = "; fill or drop such rows (check_finite=False takes them as they are)"
            checks.check_finite(f"{name}x", rows, weight, hint)
            checks.check_finite(f"{name}y", targets, weight, hint)
        counted = targets if weight is None or weight.all() else targets[weight > 0]
        self.loss_function.check_targets(counted)
        return Rows(rows, targets, weight)

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer of the last fit; the next one continues with its state if it is given this object."""
        return None if self._last_optimizer is None else self._last_optimizer.optimizer

    # files ----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, optimizer: bool = False) -> None:
        """Write the network to an .npz file: arrays w0, b0, a0, w1, ... and its description as JSON.

        An old file is replaced by a whole new one, or stays as it is.

        Parameters
        ----------
        path : str or path
        optimizer : bool
            Whether to keep the state of the last fit's optimizer, too. The first fit after `load` continues
            with it if it is given this optimizer, with any learning rate: training continues as if it had not
            been interrupted.
        """
        serialization.save(self, path, optimizer=optimizer)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        components: Components | Iterable[Component] | None = None,
    ) -> Self:
        """Read a network that `save` wrote.

        Parameters
        ----------
        path : str or path
        components : list of components, or Components, optional
            Those of the network that are neither built in nor formulas: a list of components, or an object
            that finds them by kind and name.

        Raises
        ------
        CheckpointError
            If the file is not a saved network.
        UnknownComponentError
            If the network has a component that is not passed; a built-in of its name is not taken instead.
        """
        stored = serialization.load(path, components)
        with serialization.convert_errors(path):
            net = cls(**stored.arguments)
            net.epochs, net.updates = stored.epochs, stored.updates
            if stored.optimizer is not None:
                net._last_optimizer = LastOptimizer.unpack(stored.optimizer, net._new_updater)
        return net
