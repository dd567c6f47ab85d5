"""Compare epochs of batches of one row, for one unit and small networks, with specialized libraries."""

from __future__ import annotations

import ctypes
import importlib.util
import struct
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import compare
from benchmarks.report import Section, Table, progress, ratio_cell, verdict, versions
from cygd import Network

Work = Callable[[], Any]

RATE = 1e-3
# inputs, rows: about 1 MB in float64, which fits the L2 cache, and 40 MB, which fits no cache
SIZES = [(10, 10_000), (100, 1_200), (1000, 120), (100, 50_000), (1000, 5_000)]
# activation, loss, scikit-learn's estimator or None
UNITS = [
    ("identity", "sse", "SGDRegressor"),
    ("sigmoid", "binary_cross_entropy", "SGDClassifier"),
    ("sigmoid", "sse", None),
]
NETWORKS = [((40, 100, 100, 10), "relu"), ((10, 64, 64, 1), "relu"), ((10, 64, 64, 1), "tanh")]


def run(quick: bool = False) -> Section:
    """Measure a single unit and small networks."""
    text = """
Plain gradient descent with one row per update, rows in order, complete epochs, one thread. Times are per row.
The speedup is a peer's time divided by cygd's: the median over interleaved rounds, with the interquartile
range in brackets. Before the timing, all libraries train from the same weights and must reach the same loss.
"""
    rounds = 3 if quick else 15
    text += f"\nPeers: {versions('scikit-learn', 'jax', 'numba', 'mlpfile')}.\n"
    tables = [_units(rounds, SIZES[:2] if quick else SIZES), _networks(rounds)]
    return Section("samples", "Batches of one row", text, tables)


def _verdict(ratio: float, least: float) -> str:
    return verdict(f"at least {least:g}", ratio >= least)


def _absent(name: str) -> bool:
    return importlib.util.find_spec(name) is None


def _epochs(net: Network, x: Any, y: Any, epochs: int) -> Work:
    def work() -> Any:
        return net.fit(x, y, "sgd", RATE, epochs=epochs, batch_size=1, shuffle=False, threads=1)

    return work


# one unit -------------------------------------------------------------------------------------------


def _units(rounds: int, sizes: Sequence[tuple[int, int]]) -> Table:
    head = [
        "unit",
        "loss",
        "inputs",
        "rows",
        "dtype",
        "peer",
        "ns per row",
        "cygd, ns",
        "speedup",
        "target",
    ]
    table = Table("A single unit, per row of an epoch", head)
    for width, n in sizes:
        for activation, loss, estimator in UNITS:
            for dtype in ("float64", "float32"):
                progress(f"{activation}, {loss}, {width} inputs, {dtype}")
                x, y = _data(width, n, activation, dtype)
                peers = _unit_peers(x, y, activation, loss, estimator)
                net = Network(width, [(1, activation)], loss=loss, dtype=dtype, seed=3)
                net.parameters[...] = 0
                epochs = 20 + 5_000_000 // (n * (5 + width // 10))  # so that the call of fit is negligible
                _epochs(net, x, y, epochs)()
                expected = _row_losses(net.predict(x)[:, 0], y, loss)
                works = {"cygd": _epochs(net, x, y, epochs)}
                for name, (prepare, _) in peers.items():
                    works[name], outputs = prepare(epochs)
                    found_loss = _row_losses(outputs(), y, loss)
                    assert np.isclose(found_loss, expected, rtol=1e-3), (name, found_loss, expected)
                comparison = compare(works, rounds)
                for name, (_, least) in peers.items():
                    times = [
                        f"{1e9 * comparison.seconds[side] / (n * epochs):.1f}" for side in (name, "cygd")
                    ]
                    target = _verdict(comparison.ratios[name], least)
                    cells = [
                        activation,
                        loss,
                        str(width),
                        str(n),
                        dtype,
                        name,
                        *times,
                        ratio_cell(comparison, name),
                        target,
                    ]
                    table.rows.append(cells)
    missing = [name for name in ("sklearn", "jax", "numba") if _absent(name)]
    table.note = f"Not installed: {', '.join(missing)}." if missing else ""
    return table


def _data(width: int, n: int, activation: str, dtype: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, width))
    y = x @ rng.normal(size=width) / width**0.5 + 0.5 * rng.normal(size=n)
    y = (y > 0).astype(float) if activation == "sigmoid" else y
    return x.astype(dtype), y.astype(dtype)


def _row_losses(outputs: Any, y: Any, loss: str) -> float:
    outputs = np.asarray(outputs, np.float64)
    if loss == "sse":
        return float(np.mean((outputs - y) ** 2) / 2)
    outputs = np.clip(outputs, 1e-12, 1 - 1e-12)  # after many epochs some are 0 or 1 to rounding
    return float(-np.mean(y * np.log(outputs) + (1 - y) * np.log1p(-outputs)))


def _sigmoid(h: Any) -> Any:
    return 1 / (1 + np.exp(-h))


Prepare = Callable[[int], tuple[Work, Work]]


def _unit_peers(
    x: Any, y: Any, activation: str, loss: str, estimator: str | None
) -> dict[str, tuple[Prepare, float]]:
    """Return for each peer a function (epochs -> training, outputs after it) and the target."""
    peers: dict[str, tuple[Prepare, float]] = {}
    if estimator is not None and not _absent("sklearn"):
        least = 2.2 if activation == "sigmoid" and x.shape[1] == 10 else 3
        peers[estimator] = (lambda epochs: _sklearn(x, y, estimator, epochs), least)
    if not _absent("jax"):
        peers["JAX, lax.scan"] = (lambda epochs: _jax(x, y, activation, loss, epochs), 2)
    if not _absent("numba"):
        peers["Numba, fastmath"] = (lambda epochs: _numba(x, y, activation, loss, epochs), 1)
    return peers


def _sklearn(x: Any, y: Any, estimator: str, epochs: int) -> tuple[Work, Work]:
    from sklearn import linear_model

    options = {"penalty": None, "learning_rate": "constant", "eta0": RATE, "shuffle": False, "tol": None}
    options |= {"max_iter": epochs, "alpha": 0.0}
    if estimator == "SGDClassifier":
        options["loss"] = "log_loss"
    model = getattr(linear_model, estimator)(**options)
    model.fit(x, y)

    def outputs() -> Any:
        h = x @ model.coef_.ravel() + model.intercept_
        return h if estimator == "SGDRegressor" else _sigmoid(h)

    return lambda: model.fit(x, y), outputs


def _jax(x: Any, y: Any, activation: str, loss: str, epochs: int) -> tuple[Work, Work]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    rate = x.dtype.type(RATE)

    def step(state: Any, row: Any) -> Any:
        w, b = state
        a, target = row
        h = a @ w + b
        if activation == "identity":
            error = target - h
        else:
            y_hat = jax.nn.sigmoid(h)
            error = (target - y_hat) * (y_hat * (1 - y_hat) if loss == "sse" else 1)
        return (w + rate * error * a, b + rate * error), None

    @jax.jit  # type: ignore[untyped-decorator,unused-ignore]
    def train(state: Any, xs: Any, ys: Any) -> Any:
        def epoch(state: Any, _: Any) -> Any:
            return jax.lax.scan(step, state, (xs, ys))[0], None

        return jax.lax.scan(epoch, state, None, length=epochs)[0]

    xs, ys = jnp.asarray(x), jnp.asarray(y)
    start = (jnp.zeros(x.shape[1], x.dtype), jnp.zeros((), x.dtype))
    w, b = (np.asarray(part, np.float64) for part in train(start, xs, ys))
    h = x @ w + b
    return lambda: train(start, xs, ys)[
        0
    ].block_until_ready(), lambda: h if activation == "identity" else _sigmoid(h)


def _numba(x: Any, y: Any, activation: str, loss: str, epochs: int) -> tuple[Work, Work]:
    import math

    import numba

    linear, fused_loss = activation == "identity", loss == "binary_cross_entropy"

    @numba.njit(fastmath=True)  # type: ignore[untyped-decorator,unused-ignore]
    def train(x: Any, y: Any, w: Any, rate: Any, epochs: int) -> Any:
        n, d = x.shape
        b = rate * 0
        for _ in range(epochs):
            for r in range(n):
                h = b
                for i in range(d):
                    h += w[i] * x[r, i]
                if linear:
                    error = y[r] - h
                else:
                    y_hat = 1 / (1 + math.exp(-h))
                    error = y[r] - y_hat if fused_loss else (y[r] - y_hat) * y_hat * (1 - y_hat)
                step = rate * error
                for i in range(d):
                    w[i] += step * x[r, i]
                b += step
        return b

    rate = x.dtype.type(RATE)
    w = np.zeros(x.shape[1], x.dtype)
    h = train(x, y, w, rate, epochs) + x @ w
    return lambda: train(x, y, w, rate, epochs), lambda: h if linear else _sigmoid(h)


# networks -------------------------------------------------------------------------------------------


def _networks(rounds: int) -> Table:
    head = ["network", "activation", "peer", "us per row", "cygd, us", "speedup", "target"]
    table = Table("Networks, float32, squared error, per row of an epoch", head)
    n, epochs = 500, 8
    for widths, activation in NETWORKS:
        rng = np.random.default_rng(1)
        x = rng.normal(size=(n, widths[0])).astype(np.float32)
        y = np.tanh(rng.normal(size=(n, widths[-1]))).astype(np.float32)
        layers = [*((units, activation) for units in widths[1:-1]), (widths[-1], "identity")]
        net = Network(widths[0], layers, loss="sse", dtype="float32", seed=3)
        start = net.parameters.copy()
        peers = _network_peers(net, activation, x, y)
        for name, (_, outputs, _) in peers.items():
            np.testing.assert_allclose(outputs(), net.predict(x), rtol=1e-3, atol=1e-4, err_msg=name)
        _epochs(net, x, y, 1)()
        for name, (work, outputs, _) in peers.items():
            work()
            np.testing.assert_allclose(outputs(), net.predict(x), rtol=1e-2, atol=2e-3, err_msg=name)
        net.parameters[...] = start
        works = {"cygd": _epochs(net, x, y, epochs)}
        for name, (work, _, _) in peers.items():
            works[name] = lambda work=work: [work() for _ in range(epochs)]  # type: ignore[misc]
        comparison = compare(works, rounds)
        label = "-".join(map(str, widths))
        for name, (_, _, least) in peers.items():
            times = [f"{1e6 * comparison.seconds[side] / (n * epochs):.2f}" for side in (name, "cygd")]
            target = _verdict(comparison.ratios[name], least)
            table.rows.append([label, activation, name, *times, ratio_cell(comparison, name), target])
    missing = [] if not _absent("mlpfile") else ["mlpfile"]
    missing += [] if _fann() is not None else ["FANN"]
    table.note = "mlpfile and FANN are called from Python once per row, which costs about 0.5 us."
    if missing:
        table.note = f"Not installed: {', '.join(missing)}."
    return table


def _network_peers(net: Network, activation: str, x: Any, y: Any) -> dict[str, tuple[Work, Work, float]]:
    """Return for each peer one epoch from the same weights, its outputs, and the target."""
    peers: dict[str, tuple[Work, Work, float]] = {}
    if activation == "relu" and not _absent("mlpfile"):
        peers["mlpfile"] = (*_mlpfile(net, x, y), 2.5)
    if activation == "tanh" and _fann() is not None:
        peers["FANN"] = (*_fann_epochs(net, x, y), 20)
    return peers


def _mlpfile(net: Network, x: Any, y: Any) -> tuple[Work, Work]:
    """Write the network in mlpfile's format and read it with mlpfile."""
    import mlpfile

    last = len(net.weights) - 1
    kinds = [struct.pack("<II", 2, w.shape[1]) + (struct.pack("<I", 3) if k < last else b"")
             for k, w in enumerate(net.weights)]  # fmt: skip
    values = [np.ascontiguousarray(part, "<f4").tobytes()
              for w, b in zip(net.weights, net.biases, strict=True) for part in (w.T, b)]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.mlp")
        path.write_bytes(struct.pack("<II", 2 * last + 1, net.n_inputs) + b"".join(kinds + values))
        model = mlpfile.Model.load(str(path))
    pairs = list(zip(x, y, strict=True))

    def epoch() -> None:
        for a, b in pairs:
            model.grad_update(a, b, mlpfile.squared_error, RATE)

    return epoch, lambda: np.stack([model.forward(a) for a in x])


def _fann() -> Any:
    try:
        return ctypes.CDLL("libfann.so.2")
    except OSError:
        return None


class _Connection(ctypes.Structure):
    _fields_ = [("start", ctypes.c_uint), ("end", ctypes.c_uint), ("weight", ctypes.c_float)]


def _fann_epochs(net: Network, x: Any, y: Any) -> tuple[Work, Work]:
    """Build the network in FANN, with incremental training; symmetric sigmoid of steepness 1 is tanh."""
    fann, pointer = _fann(), ctypes.c_void_p
    widths: Sequence[int] = [net.n_inputs, *(layer.units for layer in net.layers)]
    fann.fann_create_standard_array.restype = pointer
    made = fann.fann_create_standard_array(len(widths), (ctypes.c_uint * len(widths))(*widths))
    ann = pointer(made)
    linear, symmetric, incremental, plain_errors, steepness = 0, 5, 0, 0, ctypes.c_float(1)
    fann.fann_set_activation_function_hidden(ann, symmetric)
    fann.fann_set_activation_function_output(ann, linear)
    fann.fann_set_activation_steepness_hidden(ann, steepness)
    fann.fann_set_activation_steepness_output(ann, steepness)
    fann.fann_set_training_algorithm(ann, incremental)
    fann.fann_set_train_error_function(ann, plain_errors)
    fann.fann_set_learning_rate(ann, ctypes.c_float(RATE))
    fann.fann_set_learning_momentum(ann, ctypes.c_float(0))
    # neurons are numbered layer by layer, the bias of each layer after its units
    connections, first = [], 0
    for w, b in zip(net.weights, net.biases, strict=True):
        n_in = len(w)
        rows = np.vstack([w, np.asarray(b)[None]])
        for i, j in np.ndindex(*rows.shape):
            connections.append(_Connection(first + i, first + n_in + 1 + j, rows[i, j]))
        first += n_in + 1
    fann.fann_set_weight_array(ann, (_Connection * len(connections))(*connections), len(connections))
    floats = ctypes.POINTER(ctypes.c_float)
    inputs = [row.ctypes.data_as(floats) for row in x]
    targets = [row.ctypes.data_as(floats) for row in y]
    fann.fann_run.restype = floats

    def epoch() -> None:
        for a, b in zip(inputs, targets, strict=True):
            fann.fann_train(ann, a, b)

    return epoch, lambda: np.array([fann.fann_run(ann, a)[: widths[-1]] for a in inputs])
