"""Every update of the first steps laid open, symbol by symbol, like the worked example of a textbook.

The equations of the core are applied here one after the other, in the open, to one batch after the
other in the order in which training visits them:

    h = x w + b,  y_hat = f(h),  delta = -dE/dy_hat f'(h) at the output,
    delta_i = f'(h_i) sum_j w_ij delta_j below it,  Delta w_ij = eta sum delta_j x_i.

Beside the gradient that follows from them stands the one by the limit of the definition, and the
weights afterwards are those of training to rounding (to the bit where an optimizer other than plain
gradient descent makes the step: then the network's own step is taken).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd import core
from cygd.components import Activation, Loss, Schedule
from cygd.core import _f32, _f64
from cygd.core.random import epoch_order
from cygd.errors import ConfigError
from cygd.runner.assembly import Assembly

__all__ = ["LayerStep", "Step", "batches", "steps"]

Array = NDArray[Any]

# the limit of the definition takes two passes for each parameter
MOST_NUMERICAL = 20_000


@dataclass(frozen=True, eq=False)
class LayerStep:
    """One layer in one update; arrays are (n_samples, n_units) or like the weights.

    Attributes
    ----------
    activation : Activation
        f.
    x, h, y_hat, slope, delta : array
        Input, net input, output, f'(h) (None where f is row-wise) and error term.
    w, b : array
        Before the update; b is None where there is no bias. So are all that belong to b.
    gradient_w, gradient_b, numerical_w, numerical_b : array or None
        dE/dw of the batch with penalties: by the equations, and by the limit of the definition.
    delta_w, delta_b, w_after, b_after : array or None
        The update, and what it leads to.
    a, gradient_a, numerical_a, delta_a, a_after : array or None
        The same of the activation's trainable parameters, None where there are none.
    """

    activation: Activation
    x: Array
    h: Array
    y_hat: Array
    slope: Array | None
    delta: Array
    w: Array
    b: Array | None
    gradient_w: Array
    gradient_b: Array | None
    numerical_w: Array | None
    numerical_b: Array | None
    delta_w: Array
    delta_b: Array | None
    w_after: Array
    b_after: Array | None
    a: Array | None = None
    gradient_a: Array | None = None
    numerical_a: Array | None = None
    delta_a: Array | None = None
    a_after: Array | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """One update.

    Attributes
    ----------
    number, epoch : int
        Both counted from 1.
    samples : array
        Which rows of the training data are in the batch.
    learning_rate : float
        eta, with the schedule's factor.
    y : array
        The targets.
    elements : array
        The loss of each sample and unit, before the reduction.
    loss : float
        E of the batch, with penalties.
    layers : tuple of LayerStep
        From the inputs to the outputs.
    """

    number: int
    epoch: int
    samples: Array
    learning_rate: float
    y: Array
    elements: Array
    loss: float
    layers: tuple[LayerStep, ...]


def steps(assembly: Assembly, count: int) -> Iterator[Step]:
    """Yield the first updates of an experiment; its network learns on the way.

    Raises
    ------
    ConfigError
        For dropout, whose random masks would leave the equations of one step unreadable.
    """
    experiment = assembly.experiment
    for index, layer in enumerate(experiment.model.layers):
        if layer.dropout:
            key = f"model.layers.{index}.dropout"
            what = "a trace shows no dropout: its masks change from step to step"
            raise ConfigError([experiment.problem(key, what, f"leave it out for the trace: {key}=0")])
    for number, (epoch, factor, batch) in zip(range(1, count + 1), batches(assembly), strict=False):
        yield _Update(assembly, batch, experiment.optimizer.component.learning_rate * factor).step(
            number, epoch
        )


def batches(assembly: Assembly) -> Iterator[tuple[int, float, Array]]:
    """Yield the epoch (from 1), the schedule's factor and the positions of the rows of every batch."""
    experiment, part = assembly.experiment, assembly.data.train
    n, asked = len(part), experiment.train.batch_size
    size = n if asked == "full" else min(asked, n)
    schedule = experiment.schedule.component.start()
    for epoch in range(experiment.train.epochs):
        monitored = _monitored(assembly) if schedule.watches else None
        factor = schedule.factor(epoch, experiment.train.epochs, monitored)
        order = epoch_order(experiment.seed, epoch, n) if experiment.train.shuffle else np.arange(n)
        for first in range(0, n, size):
            yield epoch + 1, factor, order[first : first + size]


def _monitored(assembly: Assembly) -> float:
    x, y, weight = (assembly.data.validation or assembly.data.train).take()
    return float(assembly.network.loss(x, y, sample_weight=weight))


class _Update:
    """One batch on its way through the equations."""

    def __init__(self, assembly: Assembly, batch: Array, learning_rate: float) -> None:
        part = assembly.data.train
        self.assembly = assembly
        self.network = assembly.network
        self.specs = assembly.experiment.model.layers
        self.learning_rate = learning_rate
        self.samples = batch if part.rows is None else part.rows[batch]
        dtype = self.network.dtype
        self.x = np.asarray(part.x[self.samples], dtype)
        self.y = np.asarray(part.y[self.samples], dtype)
        self.weight = None if part.sample_weight is None else np.asarray(part.sample_weight[self.samples])
        self.loss: Loss = assembly.experiment.loss.component

    def step(self, number: int, epoch: int) -> Step:
        """Make the update and return what happened."""
        ws = [np.array(w) for w in self.network.weights]
        bs = [None if b is None else np.array(b) for b in self.network.biases]
        trained = [None if a is None else np.array(a) for a in self.network.trainable_values]
        self.activations = self.network.activations
        xs, hs, y_hats = self.forward(ws, bs)
        deltas, gs = self.backward(ws, hs, y_hats)
        gradients = [
            -core.weight_step(x, delta, 1.0) + spec.l1 * np.sign(w) + spec.l2 * w
            for x, delta, spec, w in zip(xs, deltas, self.specs, ws, strict=True)
        ]
        bias_gradients = [
            None if b is None else -core.weight_step(np.ones((len(x), 1)), delta, 1.0)[0]
            for x, delta, b in zip(xs, deltas, bs, strict=True)
        ]
        trained_gradients = [
            np.array([-np.sum(g * slope) for slope in activation.sensitivity(h, y_hat)], h.dtype)
            for activation, h, y_hat, g in zip(self.activations, hs, y_hats, gs, strict=True)
        ]
        numerical = self.numerical()
        loss = float(self.network.gradient(self.x, self.y, sample_weight=self.weight)[0])
        self.advance(gradients, bias_gradients, trained_gradients)
        layers = []
        for k in range(len(self.specs)):
            activation, b, after = self.activations[k], bs[k], self.network.biases[k]
            a, a_after = trained[k], self.network.trainable_values[k]
            layers.append(
                LayerStep(
                    activation=activation,
                    x=xs[k],
                    h=hs[k],
                    y_hat=y_hats[k],
                    slope=None if activation.rowwise else activation.evaluate_derivative(hs[k], y_hats[k]),
                    delta=deltas[k],
                    w=ws[k],
                    b=b,
                    gradient_w=gradients[k],
                    gradient_b=bias_gradients[k],
                    numerical_w=numerical[k][0],
                    numerical_b=numerical[k][1],
                    delta_w=self.network.weights[k] - ws[k],
                    delta_b=None if b is None or after is None else after - b,
                    w_after=np.array(self.network.weights[k]),
                    b_after=None if after is None else np.array(after),
                    a=a,
                    gradient_a=None if a is None else trained_gradients[k],
                    numerical_a=numerical[k][2],
                    delta_a=None if a is None or a_after is None else a_after - a,
                    a_after=None if a_after is None else np.array(a_after),
                )
            )
        elements = loss_elements(self.loss, self.y, y_hats[-1])
        return Step(number, epoch, self.samples, self.learning_rate, self.y, elements, loss, tuple(layers))

    def forward(
        self, ws: list[Array], bs: list[Array | None]
    ) -> tuple[list[Array], list[Array], list[Array]]:
        """Return x, h and y_hat of all layers: h = x w + b, y_hat = f(h)."""
        xs, hs, y_hats = [], [], []
        below = self.x
        for activation, w, b in zip(self.activations, ws, bs, strict=True):
            h = core.net_input(below, w, b)
            y_hat = activation.evaluate(h)
            xs.append(below)
            hs.append(h)
            y_hats.append(y_hat)
            below = y_hat
        return xs, hs, y_hats

    def backward(
        self, ws: list[Array], hs: list[Array], y_hats: list[Array]
    ) -> tuple[list[Array], list[Array]]:
        """Return delta and g = -dE/dy_hat of all layers, found from the last one down."""
        gs = [self.output_error(hs[-1], y_hats[-1])]
        deltas = [self.output_delta(hs[-1], y_hats[-1], gs[0])]
        for k in range(len(ws) - 1, 0, -1):
            # sum_j w_ij delta_j is the net input of a layer whose weights are turned around
            g = core.net_input(deltas[0], np.ascontiguousarray(ws[k].T))
            gs.insert(0, g)
            deltas.insert(0, self.activations[k - 1].backpropagate(hs[k - 1], y_hats[k - 1], g))
        return deltas, gs

    def share(self, h: Array) -> Array:
        """Return what each row counts in the loss of the whole batch."""
        weight = np.ones(len(h)) if self.weight is None else self.weight
        return np.asarray(weight[:, None] / (self.loss.divisor(float(weight.sum()), h.shape[1]) or 1.0))

    def output_error(self, h: Array, y_hat: Array) -> Array:
        """Return g = -dE/dy_hat, where E is the loss of the whole batch."""
        return np.asarray(-loss_slope(self.loss, self.y, y_hat) * self.share(h), h.dtype)

    def output_delta(self, h: Array, y_hat: Array, g: Array) -> Array:
        """Return delta = -dE/dy_hat f'(h) of the last layer."""
        activation = self.activations[-1]
        if activation.kernel and self.loss.kernel and _f64.has_joint(activation.kernel, self.loss.kernel):
            # f' cancels against the loss, which stays exact where f'(h) underflows
            return np.asarray((self.y - y_hat) * self.share(h), h.dtype)
        return activation.backpropagate(h, y_hat, g)

    def numerical(self) -> list[tuple[Array | None, Array | None, Array | None]]:
        """Return the gradient by the limit of the definition, layer by layer."""
        if self.network.parameters.size > MOST_NUMERICAL:
            return [(None, None, None)] * len(self.specs)
        flat = self.network.numerical_gradient(self.x, self.y, sample_weight=self.weight)
        found = []
        at = 0
        for views in zip(
            self.network.weights, self.network.biases, self.network.trainable_values, strict=True
        ):
            parts: list[Array | None] = []
            for view in views:
                size = 0 if view is None else view.size
                parts.append(None if view is None else flat[at : at + size].reshape(view.shape))
                at += size
            found.append((parts[0], parts[1], parts[2]))
        return found

    def advance(
        self, gradients: list[Array], bias_gradients: list[Array | None], trained_gradients: list[Array]
    ) -> None:
        """Change the weights: w - eta gradient, or the step of the experiment's optimizer."""
        experiment = self.assembly.experiment
        optimizer = experiment.optimizer.component
        plain = optimizer.kernel == "sgd" and not any(optimizer.parameters.values())
        if plain and experiment.clip is None:
            for w, gradient in zip(self.network.weights, gradients, strict=True):
                w -= self.learning_rate * gradient
            for b, bias_gradient in zip(self.network.biases, bias_gradients, strict=True):
                if b is not None and bias_gradient is not None:
                    b -= self.learning_rate * bias_gradient
            for a, trained_gradient in zip(self.network.trainable_values, trained_gradients, strict=True):
                if a is not None:
                    a -= self.learning_rate * trained_gradient
            return
        factor = self.learning_rate / optimizer.learning_rate if optimizer.learning_rate else 0.0
        self.network.fit(
            self.x,
            self.y,
            # the same object in every step, by which it finds its state again
            optimizer=optimizer,
            schedule=Schedule("as_traced", lambda epoch, epochs: factor),
            clip=experiment.clip,
            epochs=1,
            batch_size="full",
            shuffle=False,
            sample_weight=self.weight,
            threads=1,
        )


def loss_elements(loss: Loss, y: Array, y_hat: Array) -> Array:
    """Return the loss of each element, before the reduction."""
    return _loss_kernel(loss, y, y_hat, derivative=False) if loss.kernel else loss.elements(y, y_hat)


def loss_slope(loss: Loss, y: Array, y_hat: Array) -> Array:
    """Return dE/dy_hat of each element, before the reduction."""
    return (
        _loss_kernel(loss, y, y_hat, derivative=True) if loss.kernel else loss.evaluate_derivative(y, y_hat)
    )


def _loss_kernel(loss: Loss, y: Array, y_hat: Array, *, derivative: bool) -> Array:
    kernels = _f32 if y.dtype == np.float32 else _f64
    out = np.empty_like(y)
    given = [np.ascontiguousarray(array).reshape(-1) for array in (y, y_hat)]
    kernels.loss_block(loss.kernel, *given, out.reshape(-1), derivative, list(loss.parameters.values()))
    return out
