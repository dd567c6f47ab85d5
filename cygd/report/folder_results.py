"""The runs and sweeps below a folder, for an overview."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cygd.tracking.run_folders import describe_folder, find_folders, is_sweep, start_time

SWEEP = "sweep"
MIN_RUNS = 3  # of an experiment that gets a figure


@dataclass(frozen=True)
class Entry:
    """A run or sweep.

    Attributes
    ----------
    folder : Path
        Its folder.
    name : str
        Its path below the folder of the overview.
    facts : dict
        What `cygd list --json` prints.
    """

    folder: Path
    name: str
    facts: dict[str, Any]

    @property
    def experiment(self) -> str:
        """The name of the experiment, which is that of the folder around it."""
        return self.folder.parent.name

    @property
    def is_sweep(self) -> bool:
        """Whether it is a sweep."""
        return bool(self.facts["status"] == SWEEP)

    def metric(self, name: str) -> float:
        """Return a metric; NaN if it is missing or not finite."""
        value = self.facts["metrics"].get(name)
        return math.nan if value is None else float(value)


@dataclass(frozen=True)
class FolderResults:
    """The runs and sweeps below a folder, the newest first."""

    path: Path
    entries: list[Entry]

    @property
    def runs(self) -> list[Entry]:
        """The runs."""
        return [entry for entry in self.entries if not entry.is_sweep]

    @property
    def sweeps(self) -> list[Entry]:
        """The sweeps."""
        return [entry for entry in self.entries if entry.is_sweep]

    @cached_property
    def statuses(self) -> Counter[str]:
        """How many runs ended with each status."""
        return Counter(str(entry.facts["status"]) for entry in self.runs)

    @cached_property
    def experiments(self) -> dict[str, list[Entry]]:
        """The runs of each experiment, the oldest first."""
        found: dict[str, list[Entry]] = {}
        for entry in reversed(self.runs):
            found.setdefault(entry.experiment, []).append(entry)
        return found


def main_metrics(entries: Sequence[Entry]) -> list[str]:
    """Return the metrics that compare runs: those of validation rows, else of training rows."""
    names = dict.fromkeys(name for entry in entries for name in entry.facts["metrics"])
    validation = [name for name in names if name.startswith("validation_")]
    return validation or [name for name in names if not name.startswith("test_")]


def read_folder(path: Path) -> FolderResults:
    """Read all runs and sweeps below a folder, but not the runs of the sweeps."""
    folders = sorted(find_folders(path), key=start_time, reverse=True)
    entries = [
        Entry(folder, str(folder.relative_to(path)), describe_folder(folder))
        for folder in folders
        if folder.name != "best" or is_sweep(folder)
    ]
    return FolderResults(path, entries)
