"""NumPy: the forward and backward passes of a textbook, with operations in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cases import Case

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Training:
    """The weights and the optimizer state."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.x, self.y = case.data()
        self.w = [a for pair in case.parameters() for a in pair]
        self.m = [np.zeros_like(a) for a in self.w]
        self.v = [np.zeros_like(a) for a in self.w]
        self.t = 0

    def output(self, x: Any) -> list[Any]:
        outputs = [x]
        for k in range(0, len(self.w), 2):
            h = outputs[-1] @ self.w[k]
            h += self.w[k + 1]
            if k + 2 < len(self.w):
                np.tanh(h, out=h) if self.case.activation == "tanh" else np.maximum(h, 0, out=h)
            elif self.case.softmax:
                h -= h.max(axis=1, keepdims=True)
                np.exp(h, out=h)
                h /= h.sum(axis=1, keepdims=True)
            outputs.append(h)
        return outputs

    def step(self, x: Any, y: Any) -> None:
        outputs = self.output(x)
        delta = outputs[-1] - y
        delta *= np.float32((1 if self.case.softmax else 2 / y.shape[1]) / len(x))
        gradients: list[Any] = []
        for k in range(len(self.w) - 2, -2, -2):
            inputs = outputs[k // 2]  # of the layer
            gradients[:0] = [inputs.T @ delta, delta.sum(axis=0)]
            if k:
                delta = delta @ self.w[k].T
                delta *= 1 - inputs * inputs if self.case.activation == "tanh" else inputs > 0
        self.update(gradients)

    def update(self, gradients: list[Any]) -> None:
        rate = np.float32(self.case.learning_rate)
        if self.case.optimizer == "sgd":
            for w, g in zip(self.w, gradients, strict=True):
                g *= rate
                w -= g
            return
        self.t += 1
        rate = np.float32(self.case.learning_rate / (1 - BETA1**self.t))
        root = np.float32(1 / np.sqrt(1 - BETA2**self.t))
        for w, g, m, v in zip(self.w, gradients, self.m, self.v, strict=True):
            m *= BETA1
            m += np.float32(1 - BETA1) * g
            v *= BETA2
            g *= g
            g *= np.float32(1 - BETA2)
            v += g
            step = np.sqrt(v)
            step *= root
            step += np.float32(EPSILON)
            np.divide(m, step, out=step)
            step *= rate
            w -= step

    def epochs(self, n: int) -> None:
        batch = self.case.batch
        for _ in range(n * (self.case.steps if self.case.full else 1)):
            for first in range(0, len(self.x), batch):
                self.step(self.x[first : first + batch], self.y[first : first + batch])

    def loss(self) -> float:
        y_hat = self.output(self.x)[-1]
        if self.case.softmax:
            return float(-np.log((y_hat * self.y).sum(axis=1)).mean())
        return float(((y_hat - self.y) ** 2).mean())


def build(case: Case, threads: int) -> Training:
    """Return the training of a case; the process sets the number of threads."""
    return Training(case)
