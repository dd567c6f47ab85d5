"""Compare the engine's matrix product with the peak of a core and with NumPy's BLAS."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from benchmarks.charts import Chart, curves
from benchmarks.measure import summarize
from benchmarks.peaks import share_cell
from benchmarks.report import Section, Table, ratio_cell, verdict
from benchmarks.workers import Worker
from cygd.core import dispatch

TEXT = """
Square matrices, c = a b, one thread. The peak is the rate of multiply-adds on registers alone at the same CPU
level, measured in the same rounds; the share of peak is cygd's best round divided by the best round of the
peak. NumPy calls OpenBLAS, whose kernels are those of the same level. NumPy's times include
its call from Python; cygd's are measured inside one call. The speedup is NumPy's time divided by cygd's: the
median over the rounds, with the interquartile range in brackets. Both results agree to rounding (checked).
"""
SIZES = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
LEAST = 0.85  # target for the share of peak


@dataclass(frozen=True)
class Multiplication:
    """A case: square matrices of a size and dtype at a CPU level."""

    size: int
    dtype: str
    level: str
    checked: int = 0  # a product has no epochs


@dataclass
class Result:
    """Operations per second, one value per round."""

    case: Multiplication
    ours: list[float] = field(default_factory=list)
    numpy: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)


def run(quick: bool = False, sizes: tuple[int, ...] = ()) -> Section:
    """Measure all products."""
    level: str = dispatch.level()
    sizes = sizes or (SIZES[::4] if quick else SIZES)
    rounds, at_least = (3, 0.002) if quick else (11, 0.02)
    results = []
    with Worker("products", 1) as worker:
        for dtype in ("float32", "float64"):
            for size in sizes:
                result = Result(Multiplication(size, dtype, level))
                worker.ask("build", result.case)
                for _ in range(rounds):
                    rates = worker.ask("call", "rates", at_least)
                    for values, rate in zip((result.ours, result.numpy, result.peak), rates, strict=True):
                        values.append(rate)
                results.append(result)
    return Section("products", "Matrix products", TEXT, [_table(results)], [_chart(results)])


def _peak(results: list[Result], case: Multiplication) -> float:
    """Return the best peak measured for the dtype of a case, over all sizes."""
    same = [r for r in results if r.case.dtype == case.dtype]
    return max(rate for result in same for rate in result.peak)


def _table(results: list[Result]) -> Table:
    head = ["dtype", "size", "GFLOP/s", "share of peak", "target", "NumPy, GFLOP/s", "speedup"]
    table = Table("Matrix product of the engine", head)
    for result in results:
        share = max(result.ours) / _peak(results, result.case)
        cell, good = share_cell(share)
        comparison = summarize({"cygd": [1 / r for r in result.ours], "NumPy": [1 / r for r in result.numpy]})
        case = result.case
        cells = [case.dtype, str(case.size), f"{statistics.median(result.ours) / 1e9:.0f}"]
        cells += [cell, verdict(f"{100 * LEAST:.0f} %", good and share >= LEAST)]
        cells += [f"{statistics.median(result.numpy) / 1e9:.0f}", ratio_cell(comparison, "NumPy")]
        table.rows.append(cells)
    return table


def _chart(results: list[Result]) -> Chart:
    parts: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for result in results:
        case = result.case
        lines = parts.setdefault(f"rows and columns, {case.dtype}", {})
        peak = _peak(results, case)
        lines.setdefault("cygd", []).append((case.size, max(result.ours) / peak))
        lines.setdefault("NumPy", []).append((case.size, max(result.numpy) / peak))
    caption = "Matrix products, one core: share of the peak"
    return Chart("products", caption, lambda: curves(parts, "share of the peak", title=caption, linear=True))
