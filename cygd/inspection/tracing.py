"""Traces: every quantity of an update, like the worked example of a textbook.

The equations are applied here one by one, in NumPy and the checked functions of `cygd.core`, to the batches
of `Network.steps`:

    h = x w + b,  y_hat = f(h),  delta = -dE/dy_hat f'(h) at the output,
    delta_i = f'(h_i) sum_j w_ij delta_j below it,  dE/dw_ij = -sum delta_j x_i.

Beside the gradient that follows from them is the one by central differences; the change of the weights is
the network's own update.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd import core
from cygd.components import Activation
from cygd.core import _f64
from cygd.inspection.experiment import check_no_dropout
from cygd.network import Network, Update
from cygd.network.updates import mean_weight
from cygd.runner.assembly import Assembly, build_network
from cygd.runner.fit import fit_options, training_loop

Array = NDArray[Any]

# central differences take two passes for each parameter
MAX_NUMERICAL = 20_000


@dataclass(frozen=True, eq=False)
class ParameterStep:
    """One array of parameters in one update; all arrays have its shape."""

    value: Array  # before the update
    gradient: Array  # dE/dw of the batch with penalties, by the equations
    numerical: Array | None  # by central differences; None with more than MAX_NUMERICAL parameters
    after: Array

    @property
    def delta(self) -> Array:
        """The change."""
        return self.after - self.value


@dataclass(frozen=True, eq=False)
class LayerStep:
    """One layer in one update; arrays are of shape (n_samples, n_units)."""

    activation: Activation  # f
    x: Array  # of shape (n_samples, n_inputs)
    h: Array
    y_hat: Array
    derivative: Array | None  # f'(h); None if f is row-wise
    delta: Array
    w: ParameterStep
    b: ParameterStep | None
    a: ParameterStep | None  # the trainable parameters of the activation


@dataclass(frozen=True, eq=False)
class Step:
    """One update."""

    number: int  # from 1, like the epoch
    epoch: int
    samples: Array  # the rows of the data in the batch
    learning_rate: float  # with the factor of the schedule
    y: Array
    elements: Array  # the loss of each sample and unit, before the reduction
    loss: float  # E of the batch, with penalties
    layers: tuple[LayerStep, ...]


def trace_steps(assembly: Assembly, count: int) -> Iterator[Step]:
    """Yield the first updates of an experiment; its network is trained."""
    check_no_dropout(assembly, "dropout cannot be traced: its masks change from step to step")
    network = build_network(assembly.experiment, assembly.network.n_inputs, assembly.plugins)
    # early stopping is left out: the equations hold for further updates too
    options = replace(fit_options(assembly.experiment, threads=1), stop=None)
    for update in islice(training_loop(assembly, options).steps(), count):
        network.parameters[...] = update.before
        yield _Equations(assembly, network, update).step()


class _Equations:
    """The equations of the core on one batch, with the weights before its update."""

    def __init__(self, assembly: Assembly, network: Network, update: Update) -> None:
        part, rows = assembly.data.train, update.rows
        self.network, self.update = network, update
        self.activations = network.activations
        self.x, self.y = np.asarray(part.x[rows]), np.asarray(part.y[rows])
        self.weight = None if part.sample_weight is None else np.asarray(part.sample_weight[rows])
        self.total_weight = len(rows) * mean_weight(part)  # by which a mean is divided

    def step(self) -> Step:
        """Return every quantity of the update."""
        network, update = self.network, self.update
        xs, hs, y_hats = self.forward()
        deltas, gs = self.backward(hs, y_hats)
        before, after = network.layer_views(update.before), network.layer_views(update.after)
        numerical: Sequence[Sequence[Array | None]] = [(None, None, None)] * len(before)
        if network.parameters.size <= MAX_NUMERICAL:
            numerical = network.layer_views(
                self.of_update(
                    network.numerical_gradient(self.x, self.y, sample_weight=self.weight),
                    self.penalty_gradient(),
                )
            )
        gradients = self.gradients(xs, hs, y_hats, deltas, gs)
        layers = []
        for k, activation in enumerate(self.activations):
            w, b, a = map(_parameter_step, before[k], gradients[k], numerical[k], after[k])
            assert w is not None
            layers.append(
                LayerStep(
                    activation=activation,
                    x=xs[k],
                    h=hs[k],
                    y_hat=y_hats[k],
                    derivative=None
                    if activation.rowwise
                    else activation.evaluate_derivative(hs[k], y_hats[k]),
                    delta=deltas[k],
                    w=w,
                    b=b,
                    a=a,
                )
            )
        return Step(
            number=update.number,
            epoch=update.epoch,
            samples=update.rows,
            learning_rate=update.learning_rate,
            y=self.y,
            elements=network.loss_function.elements(self.y, y_hats[-1]),
            loss=float(
                self.of_update(
                    network.gradient(self.x, self.y, sample_weight=self.weight)[0], network.penalty()
                )
            ),
            layers=tuple(layers),
        )

    def forward(self) -> tuple[list[Array], list[Array], list[Array]]:
        """Return x, h and y_hat of all layers: h = x w + b, y_hat = f(h)."""
        xs, hs, y_hats = [self.x], [], []
        for activation, w, b in zip(self.activations, self.network.weights, self.network.biases, strict=True):
            hs.append(core.net_input(xs[-1], w, b))
            y_hats.append(activation.evaluate(hs[-1]))
            xs.append(y_hats[-1])
        return xs[:-1], hs, y_hats

    def backward(self, hs: list[Array], y_hats: list[Array]) -> tuple[list[Array], list[Array]]:
        """Return delta and g = -dE/dy_hat of all layers, computed from the last to the first."""
        gs = [self.output_error(hs[-1], y_hats[-1])]
        deltas = [self.output_delta(hs[-1], y_hats[-1], gs[0])]
        for k in range(len(hs) - 1, 0, -1):
            # sum_j w_ij delta_j is the net input of a layer with the transposed weights
            g = core.net_input(deltas[0], np.ascontiguousarray(self.network.weights[k].T))
            gs.insert(0, g)
            deltas.insert(0, self.activations[k - 1].backpropagate(hs[k - 1], y_hats[k - 1], g))
        return deltas, gs

    def gradients(
        self, xs: list[Array], hs: list[Array], y_hats: list[Array], deltas: list[Array], gs: list[Array]
    ) -> list[tuple[Array, Array, Array]]:
        """Return dE/dw, dE/db and dE/da of all layers, penalties included."""
        gradients = []
        for k, (layer, w) in enumerate(zip(self.network.layers, self.network.weights, strict=True)):
            dw = -core.weight_step(xs[k], deltas[k], 1.0) + layer.l1 * np.sign(w) + layer.l2 * w
            db = -core.weight_step(np.ones((len(xs[k]), 1)), deltas[k], 1.0)[0]
            sensitivity = self.activations[k].sensitivity(hs[k], y_hats[k])
            da = np.array([-np.sum(gs[k] * df_da) for df_da in sensitivity], hs[k].dtype)
            gradients.append((dw, db, da))
        return gradients

    def penalty_gradient(self) -> Array:
        """Return the gradient of the penalties, in the order of `Network.parameters`."""
        gradient = np.zeros(self.network.parameters.shape)
        for layer, (w, _, _), (dw, _, _) in zip(
            self.network.layers,
            self.network.layer_views(self.network.parameters),
            self.network.layer_views(gradient),
            strict=True,
        ):
            dw[...] = layer.l1 * np.sign(w) + layer.l2 * w
        return gradient

    def of_update(self, measured: Any, penalty: Any) -> Any:
        """Return a loss or gradient with penalties, measured on the batch alone, as the update divides it."""
        if self.weight is None or self.network.loss_function.reduction == "sum" or not self.total_weight:
            return measured
        return (measured - penalty) * (self.weight.sum() / self.total_weight) + penalty

    def share(self, h: Array) -> Array:
        """Return the factor of each row in the loss of the batch."""
        weight = np.ones(len(h)) if self.weight is None else self.weight
        divisor = self.network.loss_function.divisor(self.total_weight, h.shape[1])
        return np.asarray(weight[:, None] / (divisor or 1.0))

    def output_error(self, h: Array, y_hat: Array) -> Array:
        """Return g = -dE/dy_hat."""
        return np.asarray(
            -self.network.loss_function.evaluate_derivative(self.y, y_hat) * self.share(h), h.dtype
        )

    def output_delta(self, h: Array, y_hat: Array, g: Array) -> Array:
        """Return delta = -dE/dy_hat f'(h) of the last layer."""
        activation, loss = self.activations[-1], self.network.loss_function
        if activation.kernel and loss.kernel and _f64.has_fused_loss(activation.kernel, loss.kernel):
            # f' cancels against the loss, which stays exact where f'(h) underflows
            return np.asarray((self.y - y_hat) * self.share(h), h.dtype)
        return activation.backpropagate(h, y_hat, g)


def _parameter_step(
    value: Array | None, gradient: Array, numerical: Array | None, after: Array | None
) -> ParameterStep | None:
    if value is None or after is None:
        return None
    return ParameterStep(value, gradient, numerical, after)
