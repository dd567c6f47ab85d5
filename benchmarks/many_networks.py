"""Compare the training of many small networks at once with jax.vmap."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from benchmarks.cases import MANY, Case
from benchmarks.measure import summarize
from benchmarks.report import Section, Table, progress, ratio_cell, verdict, versions
from benchmarks.workers import Worker, present

TEXT = f"""
{MANY} networks with different initial weights train on the same rows, in float32 with tanh, sgd and mse, on
one core: `cygd.fit_many` side by side, `Network.fit` one after the other, and a jitted `jax.vmap` over a
lax.scan of the batches. The processes are timed alternately. All take the batches in the same order, and the
mean loss of the networks after two epochs must agree to 1e-3. Times are per network and step.
"""
SIDES = {"fit_many": "ours_many", "one after the other": "ours_many:alone", "jax.vmap": "jax_vmap"}
CASES = [
    Case((2, 4, 1), "tanh", False, "sgd", 4, 4096),
    Case((2, 16, 1), "tanh", False, "sgd", 32, 512),
    Case((4, 8, 8, 2), "tanh", False, "sgd", 16, 512),
]
LEAST = 1.5  # minimum speedup over jax.vmap of the first two


def run(quick: bool = False) -> Section:
    """Measure all cases."""
    sides = {label: peer for label, peer in SIDES.items() if label != "jax.vmap" or present("jax")}
    head = ["network, batch", "fit_many, ns", *[label for label in sides if label != "fit_many"], "target"]
    table = Table(f"Speedup of fit_many, {MANY} networks", head)
    for k, case in enumerate(CASES[:1] if quick else CASES):
        progress(case.label)
        times = _times(sides, case, 3 if quick else 15, 0.005 if quick else 0.1)
        comparison = summarize(times)
        nanoseconds = 1e9 * comparison.seconds["fit_many"] / (case.steps * MANY)
        target = "-"
        if k < 2 and "jax.vmap" in times:
            target = verdict(f"jax.vmap {LEAST:g}", comparison.ratios["jax.vmap"] >= LEAST)
        cells = [ratio_cell(comparison, label) for label in sides if label != "fit_many"]
        table.rows.append([f"{case.label}, {case.batch}", f"{nanoseconds:.0f}", *cells, target])
    text = TEXT.strip() + f"\n\nPeer: {versions('jax')}."
    return Section("many_networks", "Many networks at once", text, [table])


def _times(sides: dict[str, str], case: Case, rounds: int, at_least: float) -> dict[str, list[float]]:
    """Return the seconds of an epoch of all networks, for each side and round."""
    with ExitStack() as stack:
        workers = {label: stack.enter_context(Worker(peer)) for label, peer in sides.items()}
        losses = {label: worker.ask("build", case) for label, worker in workers.items()}
        for before, after in losses.values():
            assert np.allclose((before, after), losses["fit_many"], rtol=1e-3), (case, losses)
            assert after != before, (case, losses)
        times: dict[str, list[float]] = {label: [] for label in workers}
        for worker in workers.values():
            worker.ask("calibrate", at_least)
        for turn in range(rounds):
            for label in list(workers) if turn % 2 == 0 else list(workers)[::-1]:
                times[label].append(workers[label].ask("seconds"))
    return times
