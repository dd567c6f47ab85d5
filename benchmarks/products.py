"""The matrix product inside the engine, against what the cores can do and against NumPy's BLAS."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from benchmarks.charts import Chart, curves
from benchmarks.measure import summarized
from benchmarks.peaks import share_cell
from benchmarks.report import Section, Table, ratio_cell, verdict
from benchmarks.workers import Worker
from cygd.core import dispatch

TEXT = """
Square matrices, c = a b, one thread. The peak is that of the CPU level in use: multiply-adds on registers
alone, measured in the same rounds, so that v3 is held against v3; a share of it is our best round by the
best round of the peak. NumPy calls OpenBLAS, which chooses by the CPU, not by our level; its times hold its
call from Python, ours are taken within one call. "Faster by" is NumPy's time by ours: the median over the
rounds, with the middle half of them in brackets. Both results agree to rounding, which is checked.
"""
SIZES = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
LEAST = 0.85  # of the peak


@dataclass(frozen=True)
class Multiplication:
    """A case: matrices of so many rows and columns, at a CPU level."""

    size: int
    dtype: str
    level: str
    checked: int = 0  # epochs: there are none


@dataclass
class Result:
    """Operations per second, round by round."""

    case: Multiplication
    ours: list[float] = field(default_factory=list)
    numpy: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)


def run(quick: bool = False, sizes: tuple[int, ...] = ()) -> Section:
    """Measure all products."""
    levels: list[str] = [level for level in ("v3", "v4") if level in dispatch.levels()] or [dispatch.level()]
    sizes = sizes or (SIZES[::4] if quick else SIZES)
    rounds, at_least = (3, 0.002) if quick else (11, 0.02)
    results = []
    with Worker("products", 1) as worker:
        for level in levels:
            for dtype in ("float32", "float64"):
                for size in sizes:
                    result = Result(Multiplication(size, dtype, level))
                    worker.ask("build", result.case)
                    for _ in range(rounds):
                        found = worker.ask("figure", "rates", at_least)
                        for each, rate in zip((result.ours, result.numpy, result.peak), found, strict=True):
                            each.append(rate)
                    results.append(result)
    return Section("products", "Matrix products", TEXT, [_table(results)], [_chart(results)])


def _peak(results: list[Result], case: Multiplication) -> float:
    """Return the best that the level has reached on any size: the machine does not know it."""
    same = [r for r in results if (r.case.level, r.case.dtype) == (case.level, case.dtype)]
    return max(rate for result in same for rate in result.peak)


def _table(results: list[Result]) -> Table:
    head = ["level", "dtype", "size", "GFLOP/s", "of the peak", "target", "NumPy, GFLOP/s", "faster by"]
    table = Table("The product of the engine", head)
    for result in results:
        share = max(result.ours) / _peak(results, result.case)
        cell, good = share_cell(share)
        found = summarized({"cygd": [1 / r for r in result.ours], "NumPy": [1 / r for r in result.numpy]})
        case = result.case
        cells = [case.level, case.dtype, str(case.size), f"{statistics.median(result.ours) / 1e9:.0f}"]
        cells += [cell, verdict(f"{100 * LEAST:.0f} %", good and share >= LEAST)]
        cells += [f"{statistics.median(result.numpy) / 1e9:.0f}", ratio_cell(found, "NumPy")]
        table.rows.append(cells)
    return table


def _chart(results: list[Result]) -> Chart:
    parts: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for result in sorted(results, key=lambda r: r.case.level, reverse=True):
        case = result.case
        lines = parts.setdefault(f"rows and columns, {case.dtype}", {})
        peak = _peak(results, case)
        lines.setdefault(f"cygd, {case.level}", []).append((case.size, max(result.ours) / peak))
        if case.level == results[-1].case.level:
            lines.setdefault("NumPy", []).append((case.size, max(result.numpy) / peak))
    caption = "Matrix products, one core: share of the peak of the level (NumPy: of the highest)"
    return Chart("products", caption, lambda: curves(parts, "share of the peak", title=caption, linear=True))
