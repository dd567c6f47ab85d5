"""A reference network in plain NumPy, with which the compiled one is compared.

It shares only the random bits with the package. They are counter-based and part of the contract: the order of
the rows in an epoch and the dropout mask of a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from cygd.core.random import Stream, epoch_order

erfc = np.vectorize(math.erfc, otypes=[np.float64])


def sigmoid(h):
    return 1 / (1 + np.exp(-h))


def softplus(h):
    return np.logaddexp(0, h)


def normal(h):
    return erfc(-h / math.sqrt(2)) / 2


def gelu_tanh(h):
    return h * (1 + np.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3))) / 2


def gelu_tanh_derivative(h):
    t = np.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3))
    return (1 + t) / 2 + h * (1 - t**2) / 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * h**2)


def mish_derivative(h):
    t = np.tanh(softplus(h))
    return t + h * (1 - t**2) * sigmoid(h)


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

# name: f(h), f'(h), kinks
ACTIVATIONS = {
    "identity": (lambda h: h, lambda h: np.ones_like(h), ()),
    "step": (lambda h: np.where(h >= 0, 1.0, 0.0), lambda h: np.zeros_like(h), (0,)),
    "sigmoid": (sigmoid, lambda h: sigmoid(h) * sigmoid(-h), ()),
    "tanh": (np.tanh, lambda h: 1 / np.cosh(h) ** 2, ()),
    "relu": (lambda h: np.maximum(h, 0), lambda h: np.where(h > 0, 1.0, 0.0), (0,)),
    "leaky_relu": (lambda h: np.where(h > 0, h, 0.01 * h), lambda h: np.where(h > 0, 1, 0.01), (0,)),
    "elu": (lambda h: np.where(h > 0, h, np.expm1(h)), lambda h: np.where(h > 0, 1, np.exp(h)), ()),
    "selu": (
        lambda h: SELU_SCALE * np.where(h > 0, h, SELU_ALPHA * np.expm1(h)),
        lambda h: SELU_SCALE * np.where(h > 0, 1, SELU_ALPHA * np.exp(h)),
        (0,),
    ),
    "celu": (lambda h: np.where(h > 0, h, np.expm1(h)), lambda h: np.where(h > 0, 1, np.exp(h)), ()),
    "softplus": (softplus, sigmoid, ()),
    "softsign": (lambda h: h / (1 + np.abs(h)), lambda h: 1 / (1 + np.abs(h)) ** 2, ()),
    "gelu": (
        lambda h: h * normal(h),
        lambda h: normal(h) + h * np.exp(-h * h / 2) / math.sqrt(2 * math.pi),
        (),
    ),
    "gelu_tanh": (gelu_tanh, gelu_tanh_derivative, ()),
    "silu": (lambda h: h * sigmoid(h), lambda h: sigmoid(h) * (1 + h * sigmoid(-h)), ()),
    "mish": (lambda h: h * np.tanh(softplus(h)), mish_derivative, ()),
    "hard_sigmoid": (
        lambda h: np.clip(h / 6 + 0.5, 0, 1),
        lambda h: np.where(np.abs(h) < 3, 1 / 6, 0),
        (-3, 3),
    ),
    "hard_tanh": (lambda h: np.clip(h, -1, 1), lambda h: np.where(np.abs(h) < 1, 1.0, 0.0), (-1, 1)),
    "hard_swish": (
        lambda h: h * np.clip(h / 6 + 0.5, 0, 1),
        lambda h: np.where(h <= -3, 0, np.where(h >= 3, 1, h / 3 + 0.5)),
        (-3, 3),
    ),
    "sin": (np.sin, np.cos, ()),
    "gaussian": (lambda h: np.exp(-h * h), lambda h: -2 * h * np.exp(-h * h), ()),
}


def softmax(h):
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# name: l(y, y_hat), dl/dy_hat, reduction
LOSSES = {
    "sse": (lambda y, p: (y - p) ** 2 / 2, lambda y, p: p - y, "sum"),
    "squared_error": (lambda y, p: (y - p) ** 2, lambda y, p: 2 * (p - y), "sum"),
    "mse": (lambda y, p: (y - p) ** 2, lambda y, p: 2 * (p - y), "mean"),
    "mae": (lambda y, p: np.abs(y - p), lambda y, p: np.sign(p - y), "mean"),
    "huber": (
        lambda y, p: np.where(np.abs(y - p) <= 1, (y - p) ** 2 / 2, np.abs(y - p) - 0.5),
        lambda y, p: np.clip(p - y, -1, 1),
        "mean",
    ),
    "log_cosh": (lambda y, p: np.log(np.cosh(y - p)), lambda y, p: np.tanh(p - y), "mean"),
    "quantile": (lambda y, p: np.abs(y - p) / 2, lambda y, p: np.sign(p - y) / 2, "mean"),
    "poisson": (lambda y, p: p - y * np.log(p), lambda y, p: 1 - y / p, "mean"),
    "binary_cross_entropy": (
        lambda y, p: -y * np.log(p) - (1 - y) * np.log1p(-p),
        lambda y, p: (1 - y) / (1 - p) - y / p,
        "mean",
    ),
    "cross_entropy": (lambda y, p: -y * np.log(p), lambda y, p: -y / p, "mean_rows"),
    "hinge": (lambda y, p: np.maximum(0, 1 - y * p), lambda y, p: np.where(y * p < 1, -y, 0), "mean"),
    "squared_hinge": (
        lambda y, p: np.maximum(0, 1 - y * p) ** 2,
        lambda y, p: -2 * y * np.maximum(0, 1 - y * p),
        "mean",
    ),
}

# losses with kinks: functions whose zeros are the kinks
KINKS = {
    "mae": lambda y, p: y - p,
    "quantile": lambda y, p: y - p,
    "hinge": lambda y, p: 1 - y * p,
}


@dataclass
class Layer:
    """A dense layer: y_hat = f(x w + b)."""

    w: np.ndarray
    b: np.ndarray | None
    activation: str
    dropout: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    # of the last forward pass
    x: np.ndarray = field(init=False)
    h: np.ndarray = field(init=False)
    y_hat: np.ndarray = field(init=False)

    def forward(self, x):
        self.x = x
        self.h = x @ self.w + (0 if self.b is None else self.b)
        f = softmax if self.activation == "softmax" else ACTIVATIONS[self.activation][0]
        self.y_hat = f(self.h)
        return self.y_hat

    def delta(self, g):
        """Return dE/dh from dE/dy_hat."""
        if self.activation != "softmax":
            return g * ACTIVATIONS[self.activation][1](self.h)
        jacobian = np.einsum("nj,jk->njk", self.y_hat, np.eye(len(self.w.T))) - np.einsum(
            "nj,nk->njk", self.y_hat, self.y_hat
        )
        return np.einsum("njk,nk->nj", jacobian, g)

    def gradient(self, delta):
        """Return the derivatives of E and of the penalties with respect to w and b, flat."""
        w = self.x.T @ delta + self.l1 * np.sign(self.w) + self.l2 * self.w
        return [w.ravel()] if self.b is None else [w.ravel(), delta.sum(axis=0)]

    def penalty(self):
        return self.l1 * np.abs(self.w).sum() + self.l2 * (self.w**2).sum() / 2


class Reference:
    """A float64 reference for a `cygd.Network` of built-in components."""

    def __init__(self, net):
        self.seed = net.seed
        self.parameters = net.parameters.astype(np.float64)
        self.loss_name = net.loss_function.name
        self.l, self.dl, self.reduction = LOSSES[self.loss_name]
        if net.loss_function.reduction == "sum":
            self.reduction = "sum"
        self.layers = []
        at, n_in = 0, net.n_inputs
        for layer in net.layers:
            end = at + n_in * layer.units
            w = self.parameters[at:end].reshape(n_in, layer.units)
            at = end + (layer.units if layer.has_bias else 0)
            b = self.parameters[end:at] if layer.has_bias else None
            self.layers.append(Layer(w, b, layer.activation.name, layer.dropout, layer.l1, layer.l2))
            n_in = layer.units

    def predict(self, x, masks=None):
        x = np.asarray(x, np.float64)
        for index, layer in enumerate(self.layers):
            x = layer.forward(x)
            if masks is not None and masks[index] is not None:
                x = x * masks[index]
        return x

    def divisor(self, total_weight):
        outputs = self.layers[-1].w.shape[1]
        return {"sum": 1, "mean": total_weight * outputs, "mean_rows": total_weight}[self.reduction]

    def loss(self, x, y, sample_weight=None, masks=None, total_weight=None):
        weight = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        total_weight = weight.sum() if total_weight is None else total_weight
        return (weight[:, None] * self.l(y, self.predict(x, masks))).sum() / self.divisor(total_weight)

    def penalty(self):
        return sum(layer.penalty() for layer in self.layers)

    def gradient(self, x, y, sample_weight=None, masks=None, total_weight=None):
        """Return the objective and its gradient, by backpropagation; a mean divides by `total_weight`."""
        weight = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        total_weight = weight.sum() if total_weight is None else total_weight
        y_hat = self.predict(x, masks)
        g = weight[:, None] * self.dl(y, y_hat) / self.divisor(total_weight)
        gradient = []
        for index in reversed(range(len(self.layers))):
            layer = self.layers[index]
            if masks is not None and masks[index] is not None:
                g = g * masks[index]
            delta = layer.delta(g)
            gradient = layer.gradient(delta) + gradient
            g = delta @ layer.w.T
        objective = self.loss(x, y, sample_weight, masks, total_weight) + self.penalty()
        return objective, np.concatenate(gradient)

    def distance_to_kinks(self, x, y):
        """Return the distance of the net inputs and the errors from the nearest kink."""
        y_hat = self.predict(x)
        distances = [np.inf]
        for layer in self.layers:
            kinks = () if layer.activation == "softmax" else ACTIVATIONS[layer.activation][2]
            distances += [np.abs(layer.h - kink).min() for kink in kinks]
        if self.loss_name in KINKS:
            distances.append(np.abs(KINKS[self.loss_name](y, y_hat)).min())
        return min(distances)

    def masks(self, step, n_rows):
        """Return the dropout masks of an update, one per layer, with elements 0 or 1 / keep."""
        return [mask(self.seed, step, index, layer, n_rows) for index, layer in enumerate(self.layers)]

    def train(
        self,
        x,
        y,
        update: Callable[[np.ndarray, np.ndarray], None],
        *,
        epochs: int,
        batch_size: int,
        shuffle: bool = True,
        sample_weight=None,
        clip: Callable[[np.ndarray], np.ndarray] = lambda g: g,
    ) -> list[float]:
        """Train with update(w, g), which changes w in place; return the running loss of each epoch."""
        weight = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        running, step = [], 0
        for epoch in range(epochs):
            order = epoch_order(self.seed, epoch, len(x)) if shuffle else np.arange(len(x))
            losses, sizes = [], []
            for rows in batches(order, batch_size):
                masks = self.masks(step, len(rows))
                total_weight = len(rows) * weight.mean()
                objective, g = self.gradient(x[rows], y[rows], weight[rows], masks, total_weight)
                losses.append(objective - self.penalty())
                sizes.append(total_weight)
                update(self.parameters, clip(g))
                step += 1
            running.append(sum(losses) if self.reduction == "sum" else np.average(losses, weights=sizes))
        return running


def mask(seed, step, index, layer, n_rows):
    if not layer.dropout:
        return None
    units, keep = layer.w.shape[1], 1 - layer.dropout
    width = -(-units // 4) * 4
    words = Stream(seed, "dropout", index=step, layer=index).words(n_rows * width)
    return np.where(words.reshape(n_rows, width)[:, :units] < keep * 2**32, 1 / keep, 0)


def batches(order, size) -> Iterator[np.ndarray]:
    return (order[first : first + size] for first in range(0, len(order), size))
