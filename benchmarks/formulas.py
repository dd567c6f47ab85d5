"""Compare custom activations (formulas, pointers, NumPy functions) with built-ins and other libraries."""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measure import Comparison, compare, summarize
from benchmarks.report import Section, Table, ratio_cell, verdict
from cygd import Activation, Network, core

SIZE = 4096
EPOCHS = 16  # of one timing

# name, formula, and the built-in that computes the same (or the same with another constant)
SMOOTH = [
    ("swish", "h * sigmoid(h)", "silu"),
    ("swish, 1.1", "h * sigmoid(1.1 * h)", "silu"),
    ("mish", "h * tanh(log1p(exp(h)))", "mish"),
    ("mish, 1.1", "h * tanh(log1p(exp(1.1 * h)))", "mish"),
    ("gelu_tanh", "0.5 * h * (1 + tanh(sqrt(2 / pi) * (h + 0.044715 * h**3)))", "gelu_tanh"),
    ("gelu_tanh, 0.05", "0.5 * h * (1 + tanh(sqrt(2 / pi) * (h + 0.05 * h**3)))", "gelu_tanh"),
]
ARITHMETIC = [
    ("softsign", "h / (1 + abs(h))", "softsign"),
    ("squareplus", "(h + sqrt(h * h + 4)) / 2", "softsign"),
]
NETWORKS = {"10-64-64-1": ((10, 64, 64, 1), 2048, 64), "784-128-10": ((784, 128, 10), 2048, 128)}


def run(quick: bool = False) -> Section:
    """Measure custom activations."""
    text = """
Times are for the forward pass and the derivative together, as in a training step: a formula computes both in
one pass over a block, a built-in does so where one pass is cheaper than two. Ratios are medians over
interleaved rounds, with the interquartile range in brackets; below 1 the formula is faster.
"""
    rounds = 3 if quick else 21
    tables = [_elementwise(rounds), _training(rounds), _small_networks(rounds), _libraries(rounds)]
    tables += [_pointer(rounds), _numpy_overhead(rounds), _compiling(rounds)]
    return Section("formulas", "Custom activations", text, tables)


def _verdict(ratio: float, most: float) -> str:
    return verdict(f"at most {most:g}", ratio <= most)


def _engine(activation: Any, dtype: str) -> Any:
    return Network(1, [(1, activation)], dtype=dtype)._engine


def _kernels(dtype: str) -> Any:
    return core._f32 if dtype == "float32" else core._f64


def _blocks(sides: dict[str, Any], dtype: str, rounds: int, separate: bool = False) -> Comparison:
    """Compare activations over a block of 4096 net inputs, as training calls them.

    With `separate`, f and f' are called one after the other even where training computes both in one pass.
    """
    h = (2 * np.random.default_rng(0).normal(size=SIZE)).astype(dtype)
    engines = {name: _engine(activation, dtype) for name, activation in sides.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, engine in engines.items():
            f, df, both = _kernels(dtype).activation_seconds(engine, h, 100)
            times[name].append(f + df if separate else both)
    return summarize(times)


def _elementwise(rounds: int) -> Table:
    head = ["formula", "dtype", "ns per element", "built-in", "ns per element", "ratio", "target"]
    table = Table("Formula against built-in, 4096 elements", head)
    for rows, most in ((SMOOTH, 1.5), (ARITHMETIC, 2.5)):
        for name, formula, kernel in rows:
            for dtype in ("float64", "float32"):
                comparison = _blocks({"built-in": kernel, "formula": {"formula": formula}}, dtype, rounds)
                ours, theirs = (1e9 * comparison.seconds[side] / SIZE for side in ("formula", "built-in"))
                target = _verdict(comparison.ratios["formula"], most)
                if most == 2.5 and ours <= 0.1:
                    target = "at most 0.1 ns"
                cells = [
                    name,
                    dtype,
                    f"{ours:.2f}",
                    kernel,
                    f"{theirs:.2f}",
                    ratio_cell(comparison, "formula"),
                    target,
                ]
                table.rows.append(cells)
    table.note = (
        "squareplus has no built-in and is compared with softsign, which needs a division but no square "
        "root. In float64 the divider alone takes 24 cycles for eight roots and 16 for eight divisions, so "
        "that 2.5 is a lower bound of the ratio."
    )
    return table


def _data(widths: tuple[int, ...], rows: int, dtype: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, widths[0])).astype(dtype)
    y = np.tanh(rng.normal(size=(rows, widths[-1]))).astype(dtype)
    return x, y


def _network(widths: tuple[int, ...], activation: Any, dtype: str) -> Network:
    layers = [*((units, activation) for units in widths[1:-1]), (widths[-1], "identity")]
    return Network(widths[0], layers, loss="mse", dtype=dtype, seed=3)


def _fit(network: Network, x: Any, y: Any, batch: int, threads: int, epochs: int) -> Callable[[], object]:
    def work() -> object:
        return network.fit(x, y, epochs=epochs, batch_size=batch, learning_rate=1e-3, threads=threads)

    return work


def _training(rounds: int) -> Table:
    head = ["network", "dtype", "threads", "activation", "us per step", "ratio to the built-in", "target"]
    table = Table("Training with a formula against the built-in, sgd, mse", head)
    for label, (widths, rows, batch) in NETWORKS.items():
        x, y = _data(widths, rows, "float32")
        for dtype in ("float32", "float64"):
            xs, ys = x.astype(dtype), y.astype(dtype)
            for name, formula, kernel in (SMOOTH[0], SMOOTH[2], SMOOTH[4]):
                nets = {"built-in": _network(widths, kernel, dtype)}
                nets["formula"] = _network(widths, {"formula": formula}, dtype)
                losses = [net.loss(xs, ys) for net in nets.values()]
                assert np.isclose(*losses, rtol=1e-4), losses  # the same function, from the same weights
                works = {side: _fit(net, xs, ys, batch, 1, EPOCHS) for side, net in nets.items()}
                comparison = compare(works, rounds)
                steps = EPOCHS * -(-rows // batch)
                per_step = f"{1e6 * comparison.seconds['formula'] / steps:.1f}"
                target = _verdict(comparison.ratios["formula"], 1.15)
                table.rows.append(
                    [label, dtype, "1", name, per_step, ratio_cell(comparison, "formula"), target]
                )
    return table


def _small_networks(rounds: int) -> Table:
    """Compare 10-64-64-1 with PyTorch, which computes the formula in eager operations and compiled."""
    if importlib.util.find_spec("torch") is None:
        return Table("PyTorch: not installed", ["-"])
    import torch

    torch.set_num_threads(1)
    widths, rows, batch = NETWORKS["10-64-64-1"]
    x, y = _data(widths, rows, "float32")
    head = ["activation", "PyTorch", "us per step", "cygd", "speedup", "target"]
    table = Table("10-64-64-1, batch 64, float32, sgd: PyTorch with the same formula, one thread each", head)
    bodies: dict[str, Callable[[Any], Any]] = {
        "swish": lambda h: h * torch.sigmoid(h),
        "mish": lambda h: h * torch.tanh(torch.log1p(torch.exp(h))),
    }
    forms = {"eager": 10, "torch.compile": 3}
    if code := _exit_code_of_compiled_network():
        del forms["torch.compile"]
        table.note = f"torch.compile is left out: a program that uses it alone ended with exit code {code}."
    for name, formula, _ in (SMOOTH[0], SMOOTH[2]):
        ours = _network(widths, {"formula": formula}, "float32")
        works = {"cygd": _fit(ours, x, y, batch, 1, EPOCHS)}
        for form in forms:
            works[form] = _torch_epochs(ours, bodies[name], x, y, batch, form == "torch.compile")
        comparison = compare(works, max(3, rounds // 3))
        steps = EPOCHS * -(-rows // batch)
        for form, least in forms.items():
            ratio = comparison.ratios[form]
            target = verdict(f"at least {least}", ratio >= least)
            cells = [1e6 * comparison.seconds[side] / steps for side in (form, "cygd")]
            times = [f"{cells[0]:.0f}", f"{cells[1]:.1f}"]
            table.rows.append([name, form, *times, ratio_cell(comparison, form), target])
    return table


# torch.compile of a network, first for all rows, then for batches of them
COMPILED_NETWORK = """
import torch
torch.set_num_threads(1)
class Swish(torch.nn.Module):
    def forward(self, h):
        return h * torch.sigmoid(h)
layers = [torch.nn.Linear(10, 64), Swish(), torch.nn.Linear(64, 64), Swish(), torch.nn.Linear(64, 1)]
model = torch.compile(torch.nn.Sequential(*layers))
optimizer, loss = torch.optim.SGD(model.parameters(), lr=1e-3), torch.nn.MSELoss()
x, y = torch.randn(2048, 10), torch.randn(2048, 1)
loss(model(x), y).item()
for _ in range(4):
    for part in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        loss(model(x[part]), y[part]).backward()
        optimizer.step()
"""


def _exit_code_of_compiled_network() -> int:
    """Return the exit code of a process that uses torch.compile: its code may corrupt the heap at v4."""
    return subprocess.run([sys.executable, "-c", COMPILED_NETWORK], capture_output=True).returncode


def _torch_epochs(
    ours: Network, body: Any, x: Any, y: Any, batch: int, compiled: bool
) -> Callable[[], object]:
    import torch

    class Own(torch.nn.Module):
        def forward(self, h: Any) -> Any:
            return body(h)

    layers: list[Any] = []
    for w, b in zip(ours.weights, ours.biases, strict=True):
        linear = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T.copy()))
            linear.bias.copy_(torch.from_numpy(np.array(b)))
        layers += [linear, Own()]
    model: Any = torch.nn.Sequential(*layers[:-1])
    model = torch.compile(model) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loss = torch.nn.MSELoss()
    xs, ys = torch.from_numpy(x), torch.from_numpy(y)
    assert abs(loss(model(xs), ys).item() - ours.loss(x, y)) < 1e-4

    def work() -> None:
        for _ in range(EPOCHS):
            order = torch.randperm(len(xs))
            for first in range(0, len(xs), batch):
                rows = order[first : first + batch]
                optimizer.zero_grad()
                loss(model(xs[rows]), ys[rows]).backward()
                optimizer.step()

    return work


def _libraries(rounds: int) -> Table:
    """Evaluate f over 4096 elements with cygd and with other libraries, from the same text."""
    head = ["formula", "dtype", "library", "us", "cygd, us", "speedup", "target"]
    table = Table("f over 4096 elements, called from Python, against numexpr and jitted JAX", head)
    for name, formula, _ in (SMOOTH[0], SMOOTH[2], SMOOTH[4]):
        for dtype in ("float64", "float32"):
            h = (2 * np.random.default_rng(0).normal(size=SIZE)).astype(dtype)
            activation = Activation("own", formula=formula)
            program, out = _kernels(dtype).Program(activation.programs.forward), np.empty_like(h)  # type: ignore[union-attr]
            program.run([h], [out])
            works: dict[str, Callable[[], object]] = {"cygd": lambda p=program, a=h, o=out: p.run([a], [o])}  # type: ignore[misc]
            works |= _others(formula, h, out)
            comparison = compare(works, rounds)
            for library in list(works)[1:]:
                ratio = comparison.ratios[library]
                target = verdict("faster", ratio > 1)
                times = [f"{1e6 * comparison.seconds[side]:.1f}" for side in (library, "cygd")]
                table.rows.append([name, dtype, library, *times, ratio_cell(comparison, library), target])
    return table


def _others(formula: str, h: Any, expected: Any) -> dict[str, Callable[[], object]]:
    works: dict[str, Callable[[], object]] = {}
    if importlib.util.find_spec("numexpr") is not None:
        import numexpr

        text = formula.replace("sigmoid(h)", "(1 / (1 + exp(-h)))").replace("pi", repr(float(np.pi)))
        np.testing.assert_allclose(numexpr.evaluate(text, {"h": h}), expected, rtol=1e-4, atol=1e-6)
        works["numexpr"] = lambda: numexpr.evaluate(text, {"h": h})
    if importlib.util.find_spec("jax") is not None:
        import jax

        jax.config.update("jax_enable_x64", True)
        names = {"sigmoid": jax.nn.sigmoid, "pi": np.pi} | {n: getattr(jax.numpy, n) for n in ("exp", "tanh")}
        names |= {"log1p": jax.numpy.log1p, "sqrt": np.sqrt}
        jitted = jax.jit(eval(f"lambda h: {formula}", names))
        on_device = jax.numpy.asarray(h)
        np.testing.assert_allclose(jitted(on_device), expected, rtol=1e-4, atol=1e-6)
        works["JAX, jit"] = lambda: jitted(on_device).block_until_ready()
    return works


def _pointer(rounds: int) -> Table:
    """Pass the address of a built-in kernel as a pointer: the same arithmetic, called as a plugin."""
    head = ["kernel", "dtype", "ratio to the built-in", "target"]
    table = Table("A pointer against the built-in with the same arithmetic", head)
    for kernel in ("silu", "mish", "relu"):
        for dtype in ("float64", "float32"):
            f, df = _kernels(dtype).addresses(kernel)
            own = Activation("own", pointer=f, derivative_pointer=df, dtype=dtype)
            comparison = _blocks({"built-in": kernel, "pointer": own}, dtype, rounds, separate=True)
            table.rows.append(
                [
                    kernel,
                    dtype,
                    ratio_cell(comparison, "pointer"),
                    _verdict(comparison.ratios["pointer"], 1.05),
                ]
            )
    table.note = (
        "f and f' are called one after the other on both sides, as for a pointer. In training, a built-in "
        "such as silu computes both in one pass over the net inputs, which takes about 0.6 times as long."
    )
    return table


def _numpy_overhead(rounds: int) -> Table:
    """Measure the overhead of the engine's call of a NumPy function over the function itself."""
    head = ["elements", "function itself, us", "called by the engine, us", "overhead, us", "target"]
    table = Table("NumPy tier: overhead of a call", head)

    def bent(h: Any) -> Any:
        return h * h

    engine = _engine(Activation("bent", bent, lambda h: 2 * h), "float64")
    for size in (64, 1024, SIZE):
        h = np.linspace(-2, 2, size)
        alone, called = [], []
        for _ in range(rounds):
            began = time.perf_counter()
            for _ in range(200):
                bent(h)
            alone.append((time.perf_counter() - began) / 200)
            called.append(core._f64.activation_seconds(engine, h, 200)[0])
        each = [1e6 * (b - a) for a, b in zip(alone, called, strict=True)]
        overhead = statistics.median(each)
        cells = [f"{1e6 * statistics.median(times):.2f}" for times in (alone, called)]
        target = _verdict(overhead, 2)
        table.rows.append([str(size), *cells, f"{overhead:.2f}", target])
    return table


def _compiling(rounds: int) -> Table:
    """Parse, differentiate and compile formulas, as at the start of an experiment."""
    from cygd.components.formula import compiler

    fresh = compiler._compile_activation.__wrapped__
    table = Table("Compilation of formulas", ["formula", "ms", "target"])
    for name, formula, _ in SMOOTH[::2] + ARITHMETIC:
        comparison = compare({name: lambda text=formula: fresh(text, (), ())}, rounds)  # type: ignore[misc]
        ms = 1e3 * comparison.seconds[name]
        table.rows.append([name, f"{ms:.2f}", _verdict(ms, 1)])
    return table
