"""The progress display of a sweep: a progress bar on a terminal, about fifteen lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING

from cygd.errors import escape_controls
from cygd.tracking.loggers.console import format_number
from cygd.tracking.terminal import echo, encodable, is_interactive

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

LINES = 15
UPDATE_INTERVAL = 0.1  # seconds


class SweepStatus:
    """The counts of a sweep in progress."""

    def __init__(self, total: int, objective: str) -> None:
        self.total = total
        self.objective = objective  # the metric by which runs are compared
        self.done = self.failed = 0
        self.done_before = 0  # when this process started
        self.best = math.nan
        self.start_time = time.monotonic()

    def describe(self) -> str:
        """Return the failed runs and the best objective as text."""
        parts = [f"{self.failed} failed"] if self.failed else []
        if not math.isnan(self.best):
            parts.append(f"best {self.objective} {format_number(self.best)}")
        return ", ".join(parts)

    def describe_time_left(self) -> str:
        """Return an estimate of the remaining time as text, empty if there is none yet."""
        finished = self.done - self.done_before
        if not finished:
            return ""
        elapsed = time.monotonic() - self.start_time
        return f"{_format_seconds(elapsed / finished * (self.total - self.done))} left"


class Progress:
    """A progress display; this one shows nothing."""

    def update(self, status: SweepStatus) -> None:
        """Show a new status."""

    def close(self) -> None:
        """Release the terminal."""


class _LineProgress(Progress):
    """Prints about fifteen lines over the whole sweep."""

    def __init__(self) -> None:
        self._next = 0

    def update(self, status: SweepStatus) -> None:
        if status.done < self._next and status.done < status.total:
            return
        stride = max(1, math.ceil(status.total / LINES))
        self._next = (status.done // stride + 1) * stride
        width = len(str(status.total))
        parts = [
            f"run {status.done:>{width}}/{status.total}",
            status.describe(),
            status.describe_time_left() if status.done < status.total else "",
        ]
        echo("  ".join(filter(None, parts)))


class _ProgressBar(Progress):
    """Shows a progress bar on a terminal."""

    def __init__(self, total: int) -> None:
        from rich import console, progress

        self._bar: RichProgress = progress.Progress(
            progress.MofNCompleteColumn(),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[left]}", markup=False),
            progress.TextColumn("{task.fields[text]}", markup=False),
            console=console.Console(stderr=True),
            refresh_per_second=5,
            redirect_stdout=False,
        )
        self._bar.add_task("runs", total=total, text="", left="")
        self._bar.start()
        self._last_update = -math.inf

    def update(self, status: SweepStatus) -> None:
        now = time.monotonic()
        if now - self._last_update < UPDATE_INTERVAL and status.done < status.total:
            return
        self._last_update = now
        self._bar.update(
            self._bar.task_ids[0],
            total=status.total,
            completed=status.done,
            text=encodable(escape_controls(status.describe()), sys.stderr),
            left=status.describe_time_left(),
        )

    def close(self) -> None:
        self._bar.stop()


def make_progress(total: int, *, quiet: bool = False) -> Progress:
    """Return the progress display for this process: a bar on a terminal, lines elsewhere, none if quiet."""
    if quiet:
        return Progress()
    if is_interactive():
        return _ProgressBar(total)
    return _LineProgress()


def _format_seconds(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours: 7 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"
