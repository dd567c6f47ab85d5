"""JAX: an epoch is one jitted lax.scan over precomputed batches, with donated parameters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import Case

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Training:
    """The parameters, the optimizer state and the compiled epoch."""

    def __init__(self, case: Case) -> None:
        self.case = case
        f = {"tanh": jnp.tanh, "relu": jax.nn.relu}[case.activation]

        def output(parameters: Any, x: Any) -> Any:
            for w, b in parameters[:-1]:
                x = f(x @ w + b)
            w, b = parameters[-1]
            return x @ w + b

        def loss(parameters: Any, x: Any, y: Any) -> Any:
            h = output(parameters, x)
            if case.softmax:
                return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(h), axis=1))
            return jnp.mean((h - y) ** 2)

        def sgd(carry: Any, batch: Any) -> Any:
            value, g = jax.value_and_grad(loss)(carry, *batch)
            return jax.tree.map(lambda w, dw: w - case.learning_rate * dw, carry, g), value

        def adam(carry: Any, batch: Any) -> Any:
            parameters, m, v, t = carry
            value, g = jax.value_and_grad(loss)(parameters, *batch)
            t = t + 1
            m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
            v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
            rate, root = case.learning_rate / (1 - BETA1**t), 1 / jnp.sqrt(1 - BETA2**t)
            parameters = jax.tree.map(
                lambda w, m, v: w - rate * m / (jnp.sqrt(v) * root + EPSILON), parameters, m, v
            )
            return (parameters, m, v, t), value

        step = adam if case.optimizer == "adam" else sgd
        x, y = case.data()
        self.rows = jnp.asarray(x), jnp.asarray(y)
        parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in case.parameters()]
        self.carry: Any = parameters
        if case.optimizer == "adam":
            zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
            self.carry = (parameters, *zeros, jnp.float32(0))
        if case.full:
            self.batches: Any = self.rows

            def epoch(carry: Any, rows: Any) -> Any:
                return jax.lax.scan(lambda c, _: step(c, rows), carry, None, length=case.steps)
        else:
            self.batches = tuple(
                jnp.asarray(a.reshape(case.steps, case.batch, -1)) for a in map(np.asarray, self.rows)
            )

            def epoch(carry: Any, rows: Any) -> Any:
                return jax.lax.scan(step, carry, rows)

        self.epoch = jax.jit(epoch, donate_argnums=0)
        self.full_loss = jax.jit(loss)

    def epochs(self, n: int) -> None:
        for _ in range(n):
            self.carry, losses = self.epoch(self.carry, self.batches)
        jax.block_until_ready((self.carry, losses))

    def loss(self) -> float:
        parameters = self.carry[0] if self.case.optimizer == "adam" else self.carry
        return float(self.full_loss(parameters, *self.rows))


def build(case: Case, threads: int) -> Training:
    """Return the training of a case; the process sets the number of threads."""
    return Training(case)
