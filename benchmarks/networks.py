"""Compare training steps of small and medium networks with other libraries, on one core and on two."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.cases import Case
from benchmarks.charts import Chart, bars, roofline
from benchmarks.measure import Comparison, summarize
from benchmarks.peaks import share_cell
from benchmarks.report import Section, Table, progress, ratio_cell, verdict, versions
from benchmarks.workers import PeerError, Worker, cores, present

TEXT = """
Mini-batches in float32, mse on identity outputs for the first two networks, cross_entropy on softmax for
the larger two; 4-32-16-4 uses all rows in each step. Each library runs in a separate process, pinned to one
core or two, and the processes are timed alternately. All start from the same weights, use the same rows in
the same order without shuffling, and must reach the same loss after two epochs (checked to 1e-3). JAX runs
an epoch as one jitted lax.scan over precomputed batches and donates its parameters; PyTorch uses its fused
optimizers. The speedup is a peer's time divided by cygd's: the median over the rounds, with the
interquartile range in brackets. The share of peak is the rate of the multiply-adds in the matrix products of
a step, divided by the rate of multiply-adds on registers alone, measured in the same rounds; both rates are
the best of all rounds.
"""


@dataclass(frozen=True)
class Peer:
    """Another library: its module in `benchmarks.peers` and the package that it needs."""

    label: str
    module: str
    package: str
    # compilation takes many seconds: skipped by --quick, and measured for one case per network
    compiles: bool = False


PEERS = [
    Peer("JAX", "jax_scan", "jax"),
    Peer("PyTorch", "torch_nn", "torch"),
    Peer("torch.compile", "torch_nn:compiled", "torch", compiles=True),
    Peer("scikit-learn", "sklearn_mlp", "sklearn"),
    Peer("NumPy", "numpy_loops", "numpy"),
]
MAX_SLOWDOWN = 2.0  # a side that two threads slow down by this factor is not timed
COMPILING = {peer.label for peer in PEERS if peer.compiles}


@dataclass(frozen=True)
class Target:
    """What a network must reach: the speedup over the fastest peer, and the share of one core's peak."""

    speedup: float
    share: float = 0.0  # 0: none


# layer sizes, softmax, rows of a batch, batches
NETWORKS = [
    ((2, 16, 1), False, 32, 512, Target(3.0)),
    ((10, 64, 64, 1), False, 64, 256, Target(1.5, 0.65)),
    ((784, 128, 10), True, 128, 64, Target(1.15, 0.75)),
    ((784, 512, 256, 10), True, 256, 32, Target(1.15, 0.8)),
]
FULL = Case((4, 32, 16, 4), "tanh", False, "adam", 10_000, 20, full=True)
UNIT = Case((100, 1), "tanh", False, "sgd", 500_000, 4, full=True)  # for the roofline: memory limits it
SIDES = dict[tuple[str, int], Worker]


@dataclass
class Result:
    """Seconds per step of a case for each side (library, threads), one value per round."""

    case: Case
    target: Target | None
    times: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    busy_times: dict[tuple[str, int], list[float]] = field(default_factory=dict)  # with one core busy
    peak: dict[int, float] = field(default_factory=dict)  # of the machine, shared by all cases

    def best(self, label: str, max_threads: int) -> tuple[str, int] | None:
        """Return the fastest side of a library with at most `max_threads` threads."""
        sides = [side for side in self.times if side[0] == label and side[1] <= max_threads]
        return min(sides, key=lambda side: statistics.median(self.times[side]), default=None)

    def compare(self, max_threads: int) -> tuple[tuple[str, int], dict[str, Comparison]]:
        """Return cygd's best side, and the comparison of each library's best side with it."""
        ours = self.best("cygd", max_threads)
        assert ours is not None
        comparisons = {}
        for peer in PEERS:
            theirs = self.best(peer.label, max_threads)
            if theirs is not None:
                times = {"cygd": self.times[ours], peer.label: self.times[theirs]}
                comparisons[peer.label] = summarize(times)
        return ours, comparisons

    def share(self, side: tuple[str, int], cores: int) -> tuple[str, float]:
        """Return a side's share of the peak of `cores` cores, 0 if the measured peak was disturbed."""
        share = self.case.operations / min(self.times[side]) / self.peak[cores]
        # a peak of two cores near that of one means that other tenants used a core
        cell, valid = share_cell(share, cores == 1 or self.peak[cores] > 1.5 * self.peak[1])
        return cell, share if valid else 0.0


def cases(quick: bool) -> list[tuple[Case, Target]]:
    """Return the cases with their targets."""
    all_cases = []
    for widths, softmax, batch, steps, target in NETWORKS:
        for activation in ("tanh", "relu"):
            for optimizer in ("sgd", "adam"):
                case = Case(widths, activation, softmax, optimizer, batch, steps)
                all_cases.append((case, target))
    all_cases.append((FULL, Target(2.5)))
    if quick:
        chosen = [(c, t) for c, t in all_cases if (c.activation, c.optimizer) == ("tanh", "adam")]
        return [(replace(case, steps=max(4, case.steps // 8)), target) for case, target in chosen]
    return all_cases


def run(quick: bool = False, chosen: list[tuple[Case, Target]] | None = None) -> Section:
    """Measure all networks."""
    max_threads = min(2, len(cores()))
    absent = [f"{p.label}: not installed" for p in PEERS if not present(p.package)]
    rounds = 3 if quick else 9
    with ExitStack() as stack:
        sides: SIDES = {}
        machine: dict[int, Worker] = {}
        for threads in range(1, max_threads + 1):
            sides["cygd", threads] = stack.enter_context(Worker("ours", threads))
            machine[threads] = stack.enter_context(Worker("machine", threads))
            for peer in PEERS:
                # --quick skips libraries that do not gain from a second thread on such networks
                slow = peer.compiles or (threads > 1 and peer.label not in ("JAX", "cygd"))
                if present(peer.package) and not (quick and slow):
                    sides[peer.label, threads] = stack.enter_context(Worker(peer.module, threads))
        results, peak = [], dict[int, float]()
        for case, target in cases(quick) if chosen is None else chosen:
            progress(f"{case.label}, {case.activation}, {case.optimizer}")
            result = Result(case, target, peak=peak)
            main = (case.activation, case.optimizer) == ("tanh", "adam")
            selected = {side: worker for side, worker in sides.items() if main or side[0] not in COMPILING}
            ready = prepare(selected, machine, case, 0.005 if quick else 0.03, absent)
            time_sides(ready, machine, result, rounds)
            if max_threads > 1:
                with Worker("machine", 1, cores()[:1]) as load:
                    load.ask("build", case)
                    load.send("call", "spin", 600.0)
                    ours = {side: worker for side, worker in ready.items() if side[0] == "cygd"}
                    time_sides(ours, {}, result, rounds, busy=True)
            results.append(result)
        unit = Result(replace(UNIT, batch=50_000) if quick else UNIT, None, peak=peak)
        ours = {side: worker for side, worker in sides.items() if side[0] == "cygd"}
        time_sides(prepare(ours, {}, unit.case, 0.0, absent), {}, unit, rounds)
        read = {n: worker.ask("call", "read_rate", 64 if quick else 512) for n, worker in machine.items()}
    return section(results, unit, read, absent)


def prepare(
    sides: SIDES, machine: dict[int, Worker], case: Case, at_least: float, absent: list[str]
) -> SIDES:
    """Build a case on every side, check that all reach the same loss, and return the sides to time.

    Sides that fail are added to `absent`; sides that two threads slow down by MAX_SLOWDOWN are omitted.
    """
    ready, losses, once = {}, {}, {}
    for side, worker in sides.items():
        try:
            losses[side] = worker.ask("build", case)
            worker.ask("calibrate", at_least)
            once[side] = worker.ask("seconds")
            alone = once.get((side[0], 1), once[side])
            if side[0] == "cygd" or once[side] < MAX_SLOWDOWN * alone:
                ready[side] = worker
        except PeerError as error:
            if side[0] == "cygd":
                raise
            absent.append(f"{side[0]} with {side[1]} threads on {case.label}: {error}")
    for side, (before, after) in losses.items():
        assert np.allclose((before, after), losses["cygd", 1], rtol=1e-3, atol=1e-6), (case, side, losses)
        assert after != before, (case, side, before)
    for worker in machine.values():
        worker.ask("build", case)
    return ready


def time_sides(
    sides: SIDES, machine: dict[int, Worker], result: Result, rounds: int, busy: bool = False
) -> None:
    """Time the sides one after the other, reversing their order in every second round."""
    times, peak = (result.busy_times if busy else result.times), result.peak
    for turn in range(rounds):
        for side in list(sides) if turn % 2 == 0 else list(sides)[::-1]:
            times.setdefault(side, []).append(sides[side].ask("seconds") / result.case.steps)
        for threads, worker in machine.items():
            peak[threads] = max(peak.get(threads, 0.0), worker.ask("call", "rate"))


def section(results: list[Result], unit: Result, read: dict[int, float], absent: list[str]) -> Section:
    """Return the section with its tables and charts."""
    max_threads = max(read)
    labels = [peer.label for peer in PEERS if any(result.best(peer.label, max_threads) for result in results)]
    tables = [_speedup_table(results, labels, threads) for threads in range(1, max_threads + 1)]
    if max_threads > 1:
        tables.append(_threads_table(results))
    text = TEXT.strip() + f"\n\nPeers: {versions('jax', 'torch', 'scikit-learn', 'numpy')}."
    if absent:
        text += "\n\nSkipped: " + "; ".join(dict.fromkeys(absent)) + "."
    return Section("networks", "Networks", text, tables, _charts(results, unit, labels, read))


def _name(case: Case) -> str:
    return f"{case.label}, all {case.batch}" if case.full else f"{case.label}, {case.batch}"


def _speedup_table(results: list[Result], labels: list[str], max_threads: int) -> Table:
    head = ["network, batch", "hidden", "optimizer", "cygd, us", "share of peak"]
    title = (
        "Speedup with one thread each"
        if max_threads == 1
        else "Speedup on two cores, each library at its best number of threads"
    )
    table = Table(title, [*head, *labels, "target"])
    for result in results:
        ours, comparisons = result.compare(max_threads)
        cell, share = result.share(ours, max_threads)
        micro = f"{1e6 * statistics.median(result.times[ours]):.2f}"
        cells = [_name(result.case), result.case.activation, result.case.optimizer]
        cells += [micro if max_threads == 1 else f"{micro} ({ours[1]})", cell]
        cells += [ratio_cell(comparisons[label], label) if label in comparisons else "-" for label in labels]
        table.rows.append([*cells, _target(result, comparisons, share, max_threads)])
    if max_threads > 1:
        table.note = "The number of threads is in parentheses after the time."
    return table


def _target(result: Result, comparisons: dict[str, Comparison], share: float, max_threads: int) -> str:
    target = result.target
    if target is None or not comparisons:
        return "-"
    fastest = min(comparison.ratios[label] for label, comparison in comparisons.items())
    targets = [verdict(f"{target.speedup:g} x fastest peer", fastest >= target.speedup)]
    if max_threads == 1 and target.share:
        targets.append(verdict(f"{100 * target.share:.0f} %", share >= target.share))
    return ", ".join(targets)


def _threads_table(results: list[Result]) -> Table:
    head = ["network, batch", "hidden", "optimizer", "speedup", "target"]
    table = Table("Two threads against one", [*head, "speedup with one core busy", "target"])
    for result in results:
        pairs = []
        for times in (result.times, result.busy_times):
            pairs.append(summarize({"two": times["cygd", 2], "one": times["cygd", 1]}))
        large = result.case.full or result.case.widths[0] == 784
        least = 1.6 if large else 1.0
        case = result.case
        cells = [_name(case), case.activation, case.optimizer, ratio_cell(pairs[0], "one")]
        # a small network runs on one thread either way, so that a difference of 5 % is noise
        met = pairs[0].ratios["one"] >= (least if large else 0.95)
        cells += [verdict(f"{least:g}", met), ratio_cell(pairs[1], "one")]
        table.rows.append([*cells, verdict("0.67", pairs[1].ratios["one"] >= 1 / 1.5)])
    table.note = "In the last two columns, another process keeps one of the two cores busy."
    return table


def _charts(results: list[Result], unit: Result, labels: list[str], read: dict[int, float]) -> list[Chart]:
    max_threads = max(read)
    shown = [r for r in results if (r.case.activation, r.case.optimizer) == ("tanh", "adam")] or results
    groups, points = {}, {}
    for result in shown:
        _, comparisons = result.compare(max_threads)
        groups[_name(result.case)] = {
            label: comparisons[label].ratios[label] for label in labels if label in comparisons
        }
    for result in [*shown, unit]:
        ours, _ = result.compare(max_threads)
        moved = 4 * (result.case.widths[0] + result.case.widths[-1]) * result.case.batch
        rate = result.case.operations / min(result.times[ours])
        points[_name(result.case)] = (result.case.operations / moved, rate)
    peak = shown[0].peak
    cores_used = "one core" if max_threads == 1 else "two cores"
    caption = f"Time of a training step, tanh, Adam, float32, {cores_used}"
    roofs = "Roofline of the machine, with the rates of the training steps"
    return [
        Chart("networks", caption, lambda: bars(groups, caption)),
        Chart("roofline", roofs, lambda: roofline(points, peak, read)),
    ]
