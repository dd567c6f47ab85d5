"""Cross-validation: a run for each fold, and what they have in common.

A folder of folds, `runs/<name>/<time>-<hex>/`, holds `fold-1/`, `fold-2/`, ..., each a run folder in
which the rows of that fold are the validation rows; `summary.csv`, a row for each fold, then their mean
and standard deviation; `config.yaml`, from which all folds run again; and `result.json`.
"""

from __future__ import annotations

import csv
import io
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cygd.errors import RunInterrupted
from cygd.tracking.directory import RunDirectory
from cygd.tracking.results import Result

__all__ = ["common_status", "describe_folds", "means", "run_all", "run_folds"]

log = logging.getLogger("cygd")

ENDINGS = ("diverged", "stopped", "completed")  # of several the first one is how the whole ended


def run_all(directory: RunDirectory, n_folds: int, run: Callable[[int, Path], Result], quiet: bool) -> Result:
    """Run every fold; return what they have in common, and the model that validates best."""
    results = run_folds(directory, n_folds, run)
    log.info("%s", describe_folds(results))
    if not quiet:
        print(describe_folds(results), file=sys.stderr)
    best = min(results, key=lambda result: _finite(result.metrics["validation_loss"]))
    return Result(
        status=common_status(results),
        metrics=means(results),
        history={},
        model=best.model,
        directory=directory.path,
        epochs=max(result.epochs for result in results),
        best_epoch=None,
        seconds=sum(result.seconds for result in results),
    )


def run_folds(directory: RunDirectory, n_folds: int, run: Callable[[int, Path], Result]) -> list[Result]:
    """Run every fold, and write down what they have in common, whatever becomes of them.

    Parameters
    ----------
    directory : RunDirectory
        The folder of the whole.
    n_folds : int
        How many there are.
    run : callable
        run(fold, folder) -> the result of that fold, which counts from 1.
    """
    results: list[Result] = []
    try:
        for fold in range(1, n_folds + 1):
            results.append(run(fold, directory.path / f"fold-{fold}"))
    except KeyboardInterrupt as interrupt:
        write(directory, results, "interrupted")
        raise RunInterrupted(directory.path) from interrupt
    except Exception:
        write(directory, results, "failed")
        raise
    write(directory, results, common_status(results))
    return results


def common_status(results: Sequence[Result]) -> str:
    """Return how the folds ended: completed only if all are, diverged if one has."""
    found = {result.status for result in results}
    return next(status for status in ENDINGS if status in found)


def means(results: Sequence[Result]) -> dict[str, float]:
    """Return the mean of each metric over the folds."""
    return {name: mean(values) for name, values in columns(results).items()}


def standard_deviations(results: Sequence[Result]) -> dict[str, float]:
    """Return the standard deviation of each metric over the folds, which divides by n - 1."""
    return {name: standard_deviation(values) for name, values in columns(results).items()}


def describe_folds(results: Sequence[Result]) -> str:
    """Return the means and deviations in a line.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> describe_folds([SimpleNamespace(metrics={"loss": 1.0}), SimpleNamespace(metrics={"loss": 2.0})])
    '2 folds: loss 1.5 (deviation 0.7071)'
    """
    spread = standard_deviations(results)
    words = [f"{name} {value:.4g} (deviation {spread[name]:.4g})" for name, value in means(results).items()]
    return f"{len(results)} folds: {', '.join(words)}"


def columns(results: Sequence[Result]) -> dict[str, list[float]]:
    """Return the values of each metric, fold by fold."""
    names = dict.fromkeys(name for result in results for name in result.metrics)
    return {name: [result.metrics.get(name, math.nan) for result in results] for name in names}


def mean(values: Sequence[float]) -> float:
    """Return the mean; math.fsum rounds once, and so in no order."""
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.nan


def standard_deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample."""
    middle = mean(values)
    if len(values) < 2 or math.isnan(middle):
        return math.nan
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def write(directory: RunDirectory, results: Sequence[Result], status: str) -> None:
    """Write summary.csv, and result.json as the last file."""
    rows: list[Mapping[str, Any]] = [
        {"fold": fold, "status": result.status, "epochs": result.epochs, **result.metrics}
        for fold, result in enumerate(results, 1)
    ]
    if results:
        rows += [
            {"fold": "mean", **means(results)},
            {"fold": "deviation", **standard_deviations(results)},
        ]
    names = ["fold", "status", "epochs", *columns(results)]
    text = io.StringIO()
    table = csv.DictWriter(text, names, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    directory.write_text("summary.csv", text.getvalue())
    content = {
        "status": status,
        "metrics": means(results),
        "deviations": standard_deviations(results),
        "folds": len(results),
        "epochs": max((result.epochs for result in results), default=0),
        "best_epoch": None,
        "seconds": math.fsum(result.seconds for result in results),
    }
    directory.write_json("result.json", content)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.inf
