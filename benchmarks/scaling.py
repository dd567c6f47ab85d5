"""Measure how epochs scale with rows, inputs, units and layers, and how steps scale with width and batch."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from benchmarks.cases import Case
from benchmarks.charts import Chart, curves, panels
from benchmarks.report import Section, Table, progress, versions
from benchmarks.workers import Worker, cores, present

TEXT = """
Training in float32 with sgd, tanh and mse, rows in order. Each library runs in a separate process, pinned to
one core or two. A time is the lowest of several interleaved rounds, so that the curves show the code rather
than the load of the machine.

The exponent is that of a power law fitted to the last half of the points; 1 is proportional growth. Over
inputs and units the time is nearly constant at first, where the overhead per row exceeds its arithmetic. A
jump compares a size with the next one: the ratio of their times divided by the ratio of their operations.
1 is proportional, below 1 is usual, and a cliff is far above 1.
"""
BASE = Case((32, 64, 64, 1), "tanh", False, "sgd", 64, 64)
ROWS = [2**k for k in range(6, 17)]
WIDTHS = [2**k for k in range(3, 11)]
DEPTHS = [2**k for k in range(6)]

CLIFF_WIDTHS = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
CLIFF_BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]
Points = list[tuple[float, float]]


def growth(quick: bool) -> dict[str, list[tuple[int, Case]]]:
    """Return the cases of each axis."""
    every = 3 if quick else 1
    return {
        "rows": [(n, replace(BASE, steps=n // BASE.batch)) for n in ROWS[::every]],
        "inputs": [(n, replace(BASE, widths=(n, 64, 64, 1))) for n in WIDTHS[::every]],
        "units": [(n, replace(BASE, widths=(32, n, n, 1))) for n in WIDTHS[::every]],
        "hidden layers": [(n, replace(BASE, widths=(32, *[64] * n, 1))) for n in DEPTHS[:: min(every, 2)]],
    }


def square(width: int, batch: int) -> Case:
    """Return a network of three layers as wide as its input, with enough steps for a measurable epoch."""
    operations = 2 * batch * width * width * 8
    return Case((width,) * 4, "tanh", False, "sgd", batch, int(min(64, max(2, 2e7 // operations))))


def run(quick: bool = False, small: bool = False) -> Section:
    """Measure epochs and steps; `small` is for tests."""
    rounds, at_least = (2, 0.002) if quick else (7, 0.02)
    max_threads = min(2, len(cores()))
    parts: dict[str, dict[str, Points]] = {}
    with ExitStack() as stack:
        ours = {
            _side("cygd", threads): stack.enter_context(Worker("ours", threads))
            for threads in range(1, max_threads + 1)
        }
        for axis, cases in growth(quick).items():
            progress(axis)
            lines = parts.setdefault(axis, {})
            for size, case in cases[:2] if small else cases:
                for label, seconds in _lowest(ours, case, rounds, at_least).items():
                    lines.setdefault(label, []).append((size, seconds))
        peers = {}
        for threads in range(1, 1 + (1 if quick else max_threads)):
            for label, module, package in (("JAX", "jax_scan", "jax"), ("PyTorch", "torch_nn", "torch")):
                if present(package) and not small:
                    peers[_side(label, threads)] = stack.enter_context(Worker(module, threads))
        steps = _steps(ours | peers, quick, small, rounds, at_least)
    tables = [_growth_table(parts), _jump_table(steps), *([_peer_table(steps)] if peers else [])]
    caption = "Seconds of an epoch"
    steps_caption = "A training step of a network of three layers as wide as its input"
    charts = [
        Chart("scaling", caption, lambda: curves(parts, "seconds of an epoch", title=_base())),
        Chart(
            "steps",
            steps_caption,
            lambda: panels(steps, "rows of a batch", "us per step", "width", steps_caption),
        ),
    ]
    text = f"{TEXT.strip()}\n\nPeers: {versions('jax', 'torch')}."
    return Section("scaling", "Scaling", text, tables, charts)


def _side(label: str, threads: int) -> str:
    return f"{label}, {threads} thread{'s' if threads > 1 else ''}"


def _base() -> str:
    return (
        f"An epoch of {BASE.label}, {BASE.rows} rows in batches of {BASE.batch}, one of them varied at a time"
    )


def _lowest(sides: dict[str, Worker], case: Case, rounds: int, at_least: float) -> dict[str, float]:
    """Return the lowest seconds per epoch of each side, after a check that all reach the same loss."""
    losses = []
    for worker in sides.values():
        losses.append(worker.ask("build", case))
        worker.ask("calibrate", at_least)
    assert np.allclose(losses, losses[0], rtol=1e-3, atol=1e-6), (case, losses)
    times: dict[str, list[float]] = {label: [] for label in sides}
    for _ in range(rounds):
        for label, worker in sides.items():
            times[label].append(worker.ask("seconds"))
    return {label: min(seconds) for label, seconds in times.items()}


def _steps(
    sides: dict[str, Worker], quick: bool, small: bool, rounds: int, at_least: float
) -> dict[str, dict[int, Points]]:
    """Return the us per step of each side by width, over the rows of a batch."""
    widths, batches = CLIFF_WIDTHS, CLIFF_BATCHES
    if quick:
        widths, batches = widths[::5], batches[::4]
    if small:
        widths, batches = widths[:2], batches[:2]
    order = sorted(sides, key=lambda label: label.partition(", ")[2])  # by threads
    steps: dict[str, dict[int, Points]] = {label: {} for label in order}
    for width in widths:
        progress(f"layers of {width} units")
        for batch in batches:
            case = square(width, batch)
            for label, seconds in _lowest(sides, case, rounds, at_least).items():
                steps[label].setdefault(width, []).append((batch, 1e6 * seconds / case.steps))
    return steps


def scaling_exponent(points: Points) -> float:
    """Return the exponent of the power law fitted to the last half of the points."""
    last = points[-max(2, len(points) // 2 + 1) :]
    logs = np.log([x for x, _ in last]), np.log([y for _, y in last])
    return float(np.polyfit(*logs, 1)[0])


def _growth_table(parts: dict[str, dict[str, Points]]) -> Table:
    table = Table(_base(), ["varied", "side", "first", "last", "first ms", "last ms", "exponent"])
    for axis, lines in parts.items():
        for label, points in lines.items():
            (first, first_seconds), (last, last_seconds) = points[0], points[-1]
            times = [f"{1e3 * seconds:.3f}" for seconds in (first_seconds, last_seconds)]
            table.rows.append([axis, label, f"{first}", f"{last}", *times, f"{scaling_exponent(points):.2f}"])
    return table


def jumps(steps: dict[int, Points]) -> list[tuple[float, str]]:
    """Return the jump to every next width or batch size with its place, the largest first."""
    grid = {(width, int(batch)): us for width, points in steps.items() for batch, us in points}
    widths, batches = (sorted({key[k] for key in grid}) for k in (0, 1))
    found = []
    for width, batch in grid:
        wider = [(w, batch) for w in widths if w > width][:1]
        longer = [(width, b) for b in batches if b > batch][:1]
        for other in wider + longer:
            work = square(*other).operations / square(width, batch).operations
            ratio = grid[other] / grid[width, batch] / work
            found.append((ratio, f"{width} wide, {batch} rows to {other[0]} wide, {other[1]} rows"))
    return sorted(found, reverse=True)


def ratios(ours: dict[int, Points], theirs: dict[int, Points]) -> list[tuple[float, str]]:
    """Return the speedup over a peer at every size with its place, the smallest first."""
    found = []
    for width, points in ours.items():
        for (batch, us), (_, peer) in zip(points, theirs[width], strict=True):
            found.append((peer / us, f"{width} wide, {batch:.0f} rows"))
    return sorted(found)


def _peer_table(steps: dict[str, dict[int, Points]]) -> Table:
    head = ["peer", "median", "at least 1", "minimum", "at", "maximum", "at"]
    table = Table("Speedup over the peers in the same steps", head)
    for label, grid in steps.items():
        name, _, threads = label.partition(", ")
        if name == "cygd":
            continue
        found = ratios(steps[f"cygd, {threads}"], grid)
        won = sum(ratio >= 1 for ratio, _ in found)
        median = statistics.median(ratio for ratio, _ in found)
        ends = [text for ratio, where in (found[0], found[-1]) for text in (f"{ratio:.2f}", where)]
        table.rows.append([label, f"{median:.2f}", f"{won} of {len(found)}", *ends])
    return table


def _jump_table(steps: dict[str, dict[int, Points]]) -> Table:
    head = ["side", "median jump", "largest jump", "between", "GFLOP/s at the largest size"]
    table = Table("Jumps in the time of a step, networks of three layers as wide as their input", head)
    for label, grid in steps.items():
        found = jumps(grid)
        width = max(grid)
        batch, us = grid[width][-1]
        rate = square(width, int(batch)).operations / us / 1e3
        cells = [
            f"{statistics.median(r for r, _ in found):.2f}",
            f"{found[0][0]:.2f}",
            found[0][1],
            f"{rate:.0f}",
        ]
        table.rows.append([label, *cells])
    return table
