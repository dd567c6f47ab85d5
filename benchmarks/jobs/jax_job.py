"""JAX and optax: an epoch is one jitted function, a lax.scan over its batches."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.jobs.common import Plan, Progress, named

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}


def main(folder: str, out: str) -> None:
    """Run the job of a plan."""
    plan = Plan(folder)
    jax.config.update("jax_enable_x64", plan.dtype == "float64")
    softmax = plan.loss == "cross_entropy"
    data = {
        part: (jnp.asarray(x), jnp.asarray(y if softmax else y.astype(plan.dtype)))
        for part, (x, y) in plan.read().items()
    }
    transform: Any = (
        optax.scale_by_adam()
        if plan.optimizer["name"] == "adam"
        else optax.trace(plan.optimizer.get("momentum", 0))
    )

    def network(parameters: Any, x: Any, key: Any = None) -> Any:
        for k, (w, b) in enumerate(parameters):
            x = x @ w + b
            if plan.activations[k] != "softmax":  # which the loss contains
                x = ACTIVATIONS[plan.activations[k]](x)
            if plan.dropout[k] and key is not None:
                kept = 1 - plan.dropout[k]
                mask = jax.random.bernoulli(jax.random.fold_in(key, k), kept, x.shape)
                x = jnp.where(mask, x / kept, 0)
        return x

    def criterion(outputs: Any, y: Any) -> Any:
        if softmax:
            return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()
        return ((outputs - y) ** 2).sum() / 2

    def step(carry: Any, batch: Any, rate: Any, x: Any, y: Any) -> Any:
        parameters, state, key = carry
        key, mask = jax.random.split(key) if any(plan.dropout) else (key, None)
        g = jax.grad(lambda p: criterion(network(p, x[batch], mask), y[batch]))(parameters)
        updates, state = transform.update(g, state)
        parameters = jax.tree.map(lambda w, u: w - rate * u, parameters, updates)
        return parameters, state, key

    @jax.jit
    def epoch(carry: Any, order: Any, rate: Any, x: Any, y: Any) -> Any:
        complete = len(order) // plan.batch_size * plan.batch_size
        batches = order[:complete].reshape(-1, plan.batch_size)
        carry = jax.lax.scan(lambda c, batch: (step(c, batch, rate, x, y), None), carry, batches)[0]
        return step(carry, order[complete:], rate, x, y) if complete < len(order) else carry

    @jax.jit
    def measured(parameters: Any, parts: Any) -> Any:
        values = []
        for x, y in parts:
            outputs = network(parameters, x)
            right = outputs.argmax(axis=1) == y if softmax else (outputs > 0.5) == (y > 0.5)
            values.append((criterion(outputs, y), right.mean(dtype=outputs.dtype)))
        return jnp.array(values)

    def measure(parameters: Any, parts: tuple[str, ...]) -> dict[str, float]:
        names = [part for part in parts if part in data]
        values: dict[str, float] = {}
        rows = np.asarray(measured(parameters, [data[part] for part in names]))
        for part, (loss, accuracy) in zip(names, rows, strict=True):
            values |= named(part, (float(loss), float(accuracy)))
        return values

    parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(plan.weights, plan.biases, strict=True)]
    carry: Any = (parameters, transform.init(parameters), jax.random.key(0))
    progress = Progress(plan, out)
    progress.add(measure(parameters, ("train", "validation")))
    best: Any = None
    dtype = np.dtype(plan.dtype).type
    for rate, order in zip(plan.rates, plan.orders, strict=True):
        carry = epoch(carry, order, dtype(rate), *data["train"])
        progress.add(measure(carry[0], ("train", "validation")))
        if progress.improved:
            best = carry[0]
        if progress.stop:
            break
    parameters = carry[0] if best is None else best
    np.savez(
        Path(out, "model.npz"),
        **{f"{name}{k}": a for k, pair in enumerate(parameters) for name, a in zip("wb", pair, strict=True)},
    )
    progress.finish(measure(parameters, ("train", "validation", "test")))


if __name__ == "__main__":
    main(*sys.argv[1:])
