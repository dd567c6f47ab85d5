"""Training steps of small and middle-sized networks against other libraries, with one core and with two."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.cases import Case
from benchmarks.charts import Chart, bars, roofline
from benchmarks.measure import Comparison, summarized
from benchmarks.peaks import share_cell
from benchmarks.report import Section, Table, progress, ratio_cell, verdict, versions
from benchmarks.workers import PeerError, Worker, cores, present

TEXT = """
Mini-batches in float32, mse on identity outputs for the first two networks, cross_entropy on softmax for
the larger two; 4-32-16-4 takes all rows in each step. Every side works in a process of its own, held on one
core or on two, and they take turns; each starts from the same weights with the same rows in the same order,
and has reached the same loss after two epochs (to 1e-3, which is checked). JAX runs an epoch as one jitted
lax.scan over batches that were cut before and donates its parameters; PyTorch uses its fused optimizers;
nobody shuffles. "Faster by" is a peer's time by cygd's: the median over the rounds, with the middle half of
them in brackets. The share of the peak is that of the multiply-adds which the products of a step need, by
what the cores do on registers alone, measured in the same rounds: the best round by the best.
"""


@dataclass(frozen=True)
class Peer:
    """Another library: the module of `benchmarks.peers`, and the package it needs."""

    label: str
    module: str
    package: str
    compiles: bool = (
        False  # for many seconds: left out where it must be quick, and taken for one case a network
    )


PEERS = [
    Peer("JAX", "jax_scan", "jax"),
    Peer("PyTorch", "torch_nn", "torch"),
    Peer("torch.compile", "torch_nn:compiled", "torch", compiles=True),
    Peer("scikit-learn", "sklearn_mlp", "sklearn"),
    Peer("NumPy", "numpy_loops", "numpy"),
]
HOPELESS = 2.0  # so much slower with two threads than with one: that side is not timed any further
COMPILE = {peer.label for peer in PEERS if peer.compiles}

# network, softmax, rows of a batch, batches; at least so much faster than JAX and PyTorch with two cores
NETWORKS = [
    ((2, 16, 1), False, 32, 512, 3.0, 100.0),
    ((10, 64, 64, 1), False, 64, 256, 2.0, 15.0),
    ((784, 128, 10), True, 128, 64, 1.5, 3.0),
    ((784, 512, 256, 10), True, 256, 32, 1.2, 2.0),
]
FULL = Case((4, 32, 16, 4), "tanh", False, "adam", 10_000, 20, full=True)
UNIT = Case((100, 1), "tanh", False, "sgd", 500_000, 4, full=True)  # for the roofline: memory limits it
ONE_CORE = 1.3  # faster than JAX with one core
SHARE = 0.8  # of the peak of two cores, which will do instead
SIDES = dict[tuple[str, int], Worker]


@dataclass
class Result:
    """The times of a case: seconds per step of each side (library, threads), round by round."""

    case: Case
    least: dict[str, float]
    times: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    beside: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    peak: dict[int, float] = field(default_factory=dict)  # of the machine: one for all cases

    def best(self, label: str, most: int) -> tuple[str, int] | None:
        """Return the side of a library that is the fastest with at most so many threads."""
        sides = [side for side in self.times if side[0] == label and side[1] <= most]
        return min(sides, key=lambda side: statistics.median(self.times[side]), default=None)

    def against(self, most: int) -> tuple[tuple[str, int], dict[str, Comparison]]:
        """Return our side and what each library's best side is to it."""
        ours = self.best("cygd", most)
        assert ours is not None
        found = {}
        for peer in PEERS:
            theirs = self.best(peer.label, most)
            if theirs is not None:
                found[peer.label] = summarized({"cygd": self.times[ours], peer.label: self.times[theirs]})
        return ours, found

    def share(self, side: tuple[str, int], most: int) -> tuple[str, float]:
        """Return which part of the peak of so many cores a side reaches; 0 where it does not count."""
        share = self.case.operations / min(self.times[side]) / self.peak[most]
        # two cores that are not much faster than one were not both free
        cell, good = share_cell(share, most == 1 or self.peak[most] > 1.5 * self.peak[1])
        return cell, share if good else 0.0


def cases(quick: bool) -> list[tuple[Case, dict[str, float]]]:
    """Return the cases, and how much faster than which peer cygd is to be."""
    found = []
    for widths, softmax, batch, steps, jax, torch in NETWORKS:
        for activation in ("tanh", "relu"):
            for optimizer in ("sgd", "adam"):
                case = Case(widths, activation, softmax, optimizer, batch, steps)
                found.append((case, {"JAX": jax, "PyTorch": torch}))
    found.append((FULL, {"JAX": 3.0, "PyTorch": 10.0}))
    if quick:
        chosen = [(c, t) for c, t in found if (c.activation, c.optimizer) == ("tanh", "adam")]
        return [(replace(case, steps=max(4, case.steps // 8)), least) for case, least in chosen]
    return found


def run(quick: bool = False, chosen: list[tuple[Case, dict[str, float]]] | None = None) -> Section:
    """Measure all networks."""
    most = min(2, len(cores()))
    absent = [f"{p.label}: not installed" for p in PEERS if not present(p.package)]
    rounds = 3 if quick else 9
    with ExitStack() as stack:
        sides: SIDES = {}
        machine: dict[int, Worker] = {}
        for threads in range(1, most + 1):
            sides["cygd", threads] = stack.enter_context(Worker("ours", threads))
            machine[threads] = stack.enter_context(Worker("machine", threads))
            for peer in PEERS:
                # what does not gain by a second thread on networks like these is not waited for
                waits = peer.compiles or (threads > 1 and peer.label not in ("JAX", "cygd"))
                if present(peer.package) and not (quick and waits):
                    sides[peer.label, threads] = stack.enter_context(Worker(peer.module, threads))
        results, peak = [], dict[int, float]()
        for case, least in cases(quick) if chosen is None else chosen:
            progress(f"{case.label}, {case.activation}, {case.optimizer}")
            result = Result(case, least, peak=peak)
            main = (case.activation, case.optimizer) == ("tanh", "adam")
            taken = {side: worker for side, worker in sides.items() if main or side[0] not in COMPILE}
            ready = prepare(taken, machine, case, 0.005 if quick else 0.03, absent)
            take_turns(ready, machine, result, rounds)
            if most > 1:
                with Worker("machine", 1, cores()[:1]) as neighbour:
                    neighbour.ask("build", case)
                    neighbour.tell("figure", "spin", 600.0)
                    ours = {side: worker for side, worker in ready.items() if side[0] == "cygd"}
                    take_turns(ours, {}, result, rounds, beside=True)
            results.append(result)
        unit = Result(replace(UNIT, batch=50_000) if quick else UNIT, {}, peak=peak)
        ours = {side: worker for side, worker in sides.items() if side[0] == "cygd"}
        take_turns(prepare(ours, {}, unit.case, 0.0, absent), {}, unit, rounds)
        read = {n: worker.ask("figure", "read_rate", 64 if quick else 512) for n, worker in machine.items()}
    return section(results, unit, read, absent)


def prepare(
    sides: SIDES, machine: dict[int, Worker], case: Case, at_least: float, absent: list[str]
) -> SIDES:
    """Build a case on every side; return those that can and are worth their time, all with the same loss."""
    ready, losses, once = {}, {}, {}
    for side, worker in sides.items():
        try:
            losses[side] = worker.ask("build", case)
            worker.ask("calibrate", at_least)
            once[side] = worker.ask("seconds")
            alone = once.get((side[0], 1), once[side])
            if side[0] == "cygd" or once[side] < HOPELESS * alone:
                ready[side] = worker
        except PeerError as error:
            if side[0] == "cygd":
                raise
            absent.append(f"{side[0]} with {side[1]} threads on {case.label}: {error}")
    for side, found in losses.items():
        assert np.allclose(found, losses["cygd", 1], rtol=1e-3, atol=1e-6), (case, side, losses)
        assert found[1] != found[0], (case, side, found)
    for worker in machine.values():
        worker.ask("build", case)
    return ready


def take_turns(
    sides: SIDES, machine: dict[int, Worker], result: Result, rounds: int, beside: bool = False
) -> None:
    """Time the sides, one after the other, there and back."""
    times, peak = (result.beside if beside else result.times), result.peak
    for turn in range(rounds):
        for side in list(sides) if turn % 2 == 0 else list(sides)[::-1]:
            times.setdefault(side, []).append(sides[side].ask("seconds") / result.case.steps)
        for threads, worker in machine.items():
            peak[threads] = max(peak.get(threads, 0.0), worker.ask("figure", "rate"))


def section(results: list[Result], unit: Result, read: dict[int, float], absent: list[str]) -> Section:
    """Put the tables and the charts together."""
    most = max(read)
    labels = [peer.label for peer in PEERS if any(result.best(peer.label, most) for result in results)]
    tables = [_against(results, labels, threads) for threads in range(1, most + 1)]
    if most > 1:
        tables.append(_threads(results))
    text = TEXT.strip() + f"\n\nPeers: {versions('jax', 'torch', 'scikit-learn', 'numpy')}."
    if absent:
        text += "\n\nLeft out: " + "; ".join(dict.fromkeys(absent)) + "."
    return Section("networks", "Networks", text, tables, _charts(results, unit, labels, read))


def _name(case: Case) -> str:
    return f"{case.label}, all {case.batch}" if case.full else f"{case.label}, {case.batch}"


def _against(results: list[Result], labels: list[str], most: int) -> Table:
    head = ["network, batch", "hidden", "optimizer", "cygd, us", "of the peak"]
    title = (
        "One thread each: faster by" if most == 1 else "Two cores, each side with the threads it uses best"
    )
    table = Table(title, [*head, *labels, "target"])
    for result in results:
        ours, found = result.against(most)
        cell, share = result.share(ours, most)
        micro = f"{1e6 * statistics.median(result.times[ours]):.2f}"
        cells = [_name(result.case), result.case.activation, result.case.optimizer]
        cells += [micro if most == 1 else f"{micro} ({ours[1]})", cell]
        cells += [ratio_cell(found[label], label) if label in found else "-" for label in labels]
        table.rows.append([*cells, _target(result, found, share, most)])
    if most > 1:
        table.note = "In brackets behind the time: with how many threads."
    return table


def _target(result: Result, found: dict[str, Comparison], share: float, most: int) -> str:
    least = {"JAX": ONE_CORE} if most == 1 else result.least
    said = []
    for label, factor in least.items():
        if label in found:
            met = found[label].ratios[label] >= factor or (most > 1 and label == "JAX" and share >= SHARE)
            said.append(verdict(f"{label} {factor:g}", met))
    if most > 1 and "JAX" in found and not result.case.full:
        said[0] = said[0].replace("JAX", f"{100 * SHARE:.0f} % or JAX")
    return ", ".join(said) or "-"


def _threads(results: list[Result]) -> Table:
    head = ["network, batch", "hidden", "optimizer", "faster by two threads", "target"]
    table = Table("Two threads against one", [*head, "beside a busy neighbour", "target"])
    for result in results:
        pairs = []
        for times in (result.times, result.beside):
            pairs.append(summarized({"two": times["cygd", 2], "one": times["cygd", 1]}))
        large = result.case.full or result.case.widths[0] == 784
        least = 1.6 if large else 1.0
        case = result.case
        cells = [_name(case), case.activation, case.optimizer, ratio_cell(pairs[0], "one")]
        # 5 % of one are noise where nothing but the measurement differs
        met = pairs[0].ratios["one"] >= (least if large else 0.95)
        cells += [verdict(f"{least:g}", met), ratio_cell(pairs[1], "one")]
        table.rows.append([*cells, verdict("0.67", pairs[1].ratios["one"] >= 1 / 1.5)])
    table.note = "The neighbour keeps one of the two cores busy all the time."
    return table


def _charts(results: list[Result], unit: Result, labels: list[str], read: dict[int, float]) -> list[Chart]:
    most = max(read)
    shown = [r for r in results if (r.case.activation, r.case.optimizer) == ("tanh", "adam")] or results
    groups, points = {}, {}
    for result in shown:
        _, found = result.against(most)
        groups[_name(result.case)] = {label: found[label].ratios[label] for label in labels if label in found}
    for result in [*shown, unit]:
        ours, _ = result.against(most)
        moved = 4 * (result.case.widths[0] + result.case.widths[-1]) * result.case.batch
        rate = result.case.operations / min(result.times[ours])
        points[_name(result.case)] = (result.case.operations / moved, rate)
    peak = shown[0].peak
    cores_used = "one core" if most == 1 else "two cores"
    caption = f"Time of a training step, tanh, Adam, float32, {cores_used}"
    roofs = "What the machine allows, and what the training steps reach"
    return [
        Chart("networks", caption, lambda: bars(groups, caption)),
        Chart("roofline", roofs, lambda: roofline(points, peak, read)),
    ]
