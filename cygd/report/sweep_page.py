"""The page of a sweep."""

from __future__ import annotations

from pathlib import Path

from cygd.errors import format_count
from cygd.report.page import render_page
from cygd.report.sweep_results import read_sweep
from cygd.report.sweep_sections import sweep_sections


def sweep_page(folder: Path) -> str:
    """Return the page of a sweep.

    Raises
    ------
    CheckpointError
        If sweep.json or a line of runs.jsonl is damaged.
    """
    results = read_sweep(folder)
    outcome = f"sweep of {format_count(len(results.records), 'run')}"
    return render_page(results.plan["name"], str(folder), sweep_sections(results), outcome=outcome)
