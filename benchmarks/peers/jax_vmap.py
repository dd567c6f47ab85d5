"""JAX: many networks on the same rows; an epoch is one jitted vmap of a lax.scan over the batches."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.cases import MANY, Case


class Training:
    """The parameters of all networks, stacked, and the compiled epoch."""

    def __init__(self, case: Case) -> None:
        f = {"tanh": jnp.tanh, "relu": jax.nn.relu}[case.activation]

        def loss(parameters: Any, x: Any, y: Any) -> Any:
            for w, b in parameters[:-1]:
                x = f(x @ w + b)
            w, b = parameters[-1]
            return jnp.mean((x @ w + b - y) ** 2)

        def step(parameters: Any, batch: Any) -> Any:
            value, g = jax.value_and_grad(loss)(parameters, *batch)
            return jax.tree.map(lambda w, dw: w - case.learning_rate * dw, parameters, g), value

        def epoch(parameters: Any, batches: Any) -> Any:
            return jax.lax.scan(step, parameters, batches)

        x, y = case.data()
        self.rows = jnp.asarray(x), jnp.asarray(y)
        self.batches = tuple(jnp.asarray(a.reshape(case.steps, case.batch, -1)) for a in (x, y))
        networks = [case.parameters(number) for number in range(MANY)]
        self.parameters: Any = jax.tree.map(lambda *arrays: jnp.stack(arrays), *networks)
        self.epoch = jax.jit(jax.vmap(epoch, in_axes=(0, None)), donate_argnums=0)
        self.losses = jax.jit(jax.vmap(loss, in_axes=(0, None, None)))

    def epochs(self, n: int) -> None:
        for _ in range(n):
            self.parameters, losses = self.epoch(self.parameters, self.batches)
        jax.block_until_ready((self.parameters, losses))

    def loss(self) -> float:
        return float(jnp.mean(self.losses(self.parameters, *self.rows)))


def build(case: Case, threads: int) -> Training:
    """Return the training of a case; the process sets the number of threads."""
    return Training(case)
