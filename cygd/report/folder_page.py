"""The page of a folder of runs and sweeps: what is there, and how it ended."""

from __future__ import annotations

from pathlib import Path

from cygd.errors import format_count
from cygd.report.folder_results import read_folder
from cygd.report.folder_sections import folder_sections
from cygd.report.page import render_page


def folder_page(folder: Path) -> str:
    """Return the page of a folder; runs and sweeps that are damaged are listed as such."""
    results = read_folder(folder)
    runs, sweeps = format_count(len(results.runs), "run"), format_count(len(results.sweeps), "sweep")
    title = folder.resolve().name or "runs"
    return render_page(title, f"{runs}, {sweeps} in {folder.absolute()}", folder_sections(results))
