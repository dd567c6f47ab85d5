"""Compare logistic and softmax regression over a full batch with NumPy, JAX, PyTorch and memory bandwidth."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measure import Comparison, compare
from benchmarks.report import Section, Table, ratio_cell, verdict
from cygd import Network, core

OURS = ("cygd, two threads", "cygd, one thread")
READS = ("reading x, two threads", "reading x, one thread")
INPUTS = 100
PAUSE = 0.1  # seconds, until idle threads of other libraries sleep
Sides = dict[str, Callable[[], Any]]


def run(quick: bool = False) -> Section:
    """Measure loss and gradient of both regressions in both dtypes."""
    text = """
Loss and gradient over all rows with 100 inputs, from one call of `Network.gradient`; the peers compute the
same two. All use both cores unless stated otherwise. Ratios are to cygd with two threads: medians over
interleaved rounds, with the interquartile range in brackets. "Reading x" is one pass that sums squares. It
measures the memory bandwidth at that moment, which other tenants of the machine change from minute to minute.
"""
    tables = []
    for dtype in ("float64", "float32"):
        tables.append(_logistic(dtype, 20_000 if quick else 1_000_000, 3 if quick else 21))
        tables.append(_softmax(dtype, 20_000 if quick else 200_000, 3 if quick else 21))
    return Section("regression", "Logistic and softmax regression, full batch", text, tables)


def _inputs(rows: int, dtype: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng, rng.standard_normal((rows, INPUTS), np.float32).astype(dtype)


def _logistic(dtype: str, rows: int, rounds: int) -> Table:
    """Measure one sigmoid unit with the sum of squared errors: four operations for each element of x."""
    rng, x = _inputs(rows, dtype)
    y = rng.random((rows, 1)).astype(dtype)
    network = Network(INPUTS, [(1, "sigmoid")], loss="sse", dtype=dtype, seed=1)
    w, b, flat = network.weights[0].copy(), network.biases[0], y[:, 0].copy()
    assert b is not None
    assert not b.any()  # the peers have no bias
    sides = _ours(network, x, y)
    for name, gradient in (("x.T @ d", lambda d: x.T @ d), ("d @ x", lambda d: d @ x)):
        sides[f"NumPy, {name}"] = _numpy(x, w[:, 0], flat, gradient)
    if importlib.util.find_spec("jax") is not None:
        sides["JAX jit, w a vector"] = _jax(x, w[:, 0], flat, _jax_squares)
        sides["JAX jit, w a column"] = _jax(x, w, y, _jax_squares)
    if importlib.util.find_spec("torch") is not None:
        sides["PyTorch"] = _torch(x, w[:, 0], flat, _torch_squares)
    _check_equal_results(sides, dtype)
    least = {"NumPy": 3.0, "JAX": 2.0} if dtype == "float64" else {"NumPy": 2.0, "JAX": 1.5}
    title = f"One sigmoid unit, sse, {rows} rows, {dtype}"
    return _table(title, sides, x, {"reading": 0.65, **least}, rounds)


def _softmax(dtype: str, rows: int, rounds: int) -> Table:
    rng, x = _inputs(rows, dtype)
    y = np.eye(10, dtype=dtype)[rng.integers(0, 10, rows)]
    network = Network(INPUTS, [(10, "softmax")], loss="cross_entropy", dtype=dtype, seed=1)
    w = network.weights[0].copy()
    sides = _ours(network, x, y)
    if importlib.util.find_spec("jax") is not None:
        sides["JAX jit"] = _jax(x, w, y, _jax_cross_entropy)
    if importlib.util.find_spec("torch") is not None:
        sides["PyTorch"] = _torch(x, w, y, _torch_cross_entropy)
    _check_equal_results(sides, dtype)
    title = f"Softmax of 10 units, cross_entropy, {rows} rows, {dtype}"
    return _table(title, sides, x, {"JAX": 2.0}, rounds)


def _ours(network: Network, x: Any, y: Any) -> Sides:
    def work(threads: int) -> Callable[[], Any]:
        def loss_and_gradient() -> Any:
            value, gradient = network.gradient(x, y, threads=threads)
            return value, gradient[: network.weights[0].size]

        return loss_and_gradient

    return {name: work(2 - k) for k, name in enumerate(OURS)}


def _numpy(x: Any, w: Any, y: Any, gradient: Callable[[Any], Any]) -> Callable[[], Any]:
    def work() -> Any:
        h = x @ w
        np.negative(h, out=h)
        np.exp(h, out=h)
        h += 1
        np.reciprocal(h, out=h)
        error = h - y
        value = error @ error / 2
        error *= h
        np.subtract(1, h, out=h)
        error *= h
        return value, gradient(error)

    return work


def _jax(x: Any, w: Any, y: Any, loss: Callable[..., Any]) -> Callable[[], Any]:
    import jax

    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(jax.value_and_grad(loss))
    given = [jax.numpy.asarray(a) for a in (w, x, y)]
    return lambda: jax.block_until_ready(compiled(*given))


def _jax_squares(w: Any, x: Any, y: Any) -> Any:
    import jax

    return ((jax.nn.sigmoid(x @ w) - y) ** 2).sum() / 2


def _jax_cross_entropy(w: Any, x: Any, y: Any) -> Any:
    import jax

    return -(y * jax.nn.log_softmax(x @ w)).sum() / len(x)


def _torch(x: Any, w: Any, y: Any, loss: Callable[..., Any]) -> Callable[[], Any]:
    import torch

    xs, ys = torch.from_numpy(x), torch.from_numpy(y)
    ws = torch.from_numpy(w.copy()).requires_grad_()

    def work() -> Any:
        ws.grad = None
        value = loss(ws, xs, ys)
        value.backward()
        assert ws.grad is not None
        return value.item(), ws.grad.numpy()

    return work


def _torch_squares(w: Any, x: Any, y: Any) -> Any:
    import torch

    return ((torch.sigmoid(x @ w) - y) ** 2).sum() / 2


def _torch_cross_entropy(w: Any, x: Any, y: Any) -> Any:
    import torch

    return torch.nn.functional.cross_entropy(x @ w, y)


def _check_equal_results(sides: Sides, dtype: str) -> None:
    """Raise an AssertionError unless all sides compute the same loss and gradient."""
    expected_loss, expected_gradient = sides[OURS[0]]()
    tolerance = 1e-9 if dtype == "float64" else 1e-3
    for name, work in sides.items():
        loss, gradient = work()
        assert np.isclose(float(loss), expected_loss, rtol=tolerance), (name, float(loss), expected_loss)
        error = np.abs(np.asarray(gradient).ravel() - expected_gradient).max()
        assert error <= tolerance * np.abs(expected_gradient).max(), (name, error)


def _table(title: str, sides: Sides, x: Any, least: dict[str, float], rounds: int) -> Table:
    kernels = core._f32 if x.dtype == np.float32 else core._f64
    flat = x.reshape(-1)
    for k, name in enumerate(READS):
        sides[name] = lambda threads=2 - k: kernels.read_seconds(flat, threads)  # type: ignore[misc]
    comparison = compare(sides, rounds, pause=PAUSE)
    table = Table(title, ["side", "ms", "GB/s of x", "time / cygd's", "target"])
    for name in sides:
        seconds = comparison.seconds[name]
        cells = [
            name,
            f"{1e3 * seconds:.2f}",
            f"{x.nbytes / seconds / 1e9:.1f}",
            ratio_cell(comparison, name),
        ]
        table.rows.append([*cells, _target(name, comparison, sides, least)])
    return table


def _target(name: str, comparison: Comparison, sides: Sides, least: dict[str, float]) -> str:
    """Return a side's target and whether it is met; of several sides of a peer, the fastest one has it."""
    peer = name.split()[0].rstrip(",")
    if peer not in least or name == READS[1]:
        return ""
    forms = [side for side in sides if side.split()[0].rstrip(",") == peer and side != READS[1]]
    fastest = min(forms, key=lambda side: comparison.ratios[side])
    if name != fastest:
        return ""
    return verdict(f"at least {least[peer]:g}", comparison.ratios[name] >= least[peer])
