"""Cross-validation: one run per fold, and their summary.

The folder `runs/<name>/<time>-<hex>/` holds

    fold-1/ fold-2/ ...   run folders; each uses the rows of its fold for validation
    summary.csv           one row per fold, then their mean and standard deviation
    config.yaml           the experiment, from which all folds can be run again
    result.json           the means, as of a single run
"""

from __future__ import annotations

import csv
import io
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cygd.errors import RunInterrupted
from cygd.tracking.directory import RunDirectory
from cygd.tracking.results import Result
from cygd.tracking.statistics import mean, standard_deviation
from cygd.tracking.terminal import echo

log = logging.getLogger("cygd")

STATUSES = ("diverged", "stopped", "completed")  # the first that occurs is the status of all folds


def cross_validate(
    directory: RunDirectory, n_folds: int, run_fold: Callable[[int, Path], Result], quiet: bool
) -> Result:
    """Run every fold and summarize their results, also if one of them fails.

    The result has the mean of each metric, and the model of the fold with the lowest validation loss.
    `run_fold(fold, folder)` counts folds from 1.
    """
    results: list[Result] = []
    try:
        for fold in range(1, n_folds + 1):
            results.append(run_fold(fold, directory.path / f"fold-{fold}"))
    except KeyboardInterrupt as interrupt:
        write_summary(directory, results, "interrupted")
        raise RunInterrupted(directory.path) from interrupt
    except Exception:
        write_summary(directory, results, "failed")
        raise
    statuses = {result.status for result in results}
    status = next(status for status in STATUSES if status in statuses)
    write_summary(directory, results, status)
    log.info("%s", describe_folds(results))
    if not quiet:
        echo(describe_folds(results))
    best = min(results, key=lambda result: _nan_to_inf(result.metrics["validation_loss"]))
    return Result(
        status=status,
        metrics=means(results),
        history={},
        model=best.model,
        directory=directory.path,
        epochs=max(result.epochs for result in results),
        best_epoch=None,
        seconds=sum(result.seconds for result in results),
    )


def means(results: Sequence[Result]) -> dict[str, float]:
    """Return the mean of each metric over the folds."""
    return {name: mean(values) for name, values in metric_values(results).items()}


def standard_deviations(results: Sequence[Result]) -> dict[str, float]:
    """Return the sample standard deviation (divisor n - 1) of each metric over the folds."""
    return {name: standard_deviation(values) for name, values in metric_values(results).items()}


def describe_folds(results: Sequence[Result]) -> str:
    """Return the means and standard deviations as one line, such as `2 folds: loss 1.5 (std 0.7071)`."""
    std = standard_deviations(results)
    metrics = [f"{name} {value:.4g} (std {std[name]:.4g})" for name, value in means(results).items()]
    return f"{len(results)} folds: {', '.join(metrics)}"


def metric_values(results: Sequence[Result]) -> dict[str, list[float]]:
    """Return the values of each metric, one per fold."""
    names = dict.fromkeys(name for result in results for name in result.metrics)
    return {name: [result.metrics.get(name, math.nan) for result in results] for name in names}


def write_summary(directory: RunDirectory, results: Sequence[Result], status: str) -> None:
    """Write summary.csv, then result.json."""
    rows: list[Mapping[str, Any]] = [
        {"fold": fold, "status": result.status, "epochs": result.epochs, **result.metrics}
        for fold, result in enumerate(results, 1)
    ]
    if results:
        rows += [
            {"fold": "mean", **means(results)},
            {"fold": "deviation", **standard_deviations(results)},
        ]
    columns = ["fold", "status", "epochs", *metric_values(results)]
    text = io.StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
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


def _nan_to_inf(value: float) -> float:
    return value if math.isfinite(value) else math.inf
