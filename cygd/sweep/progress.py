"""What a person sees of a sweep: one progress bar on a terminal, some fifteen plain lines elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING, Protocol

from cygd.tracking.loggers.console import format_number

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

__all__ = ["NoProgress", "Progress", "SweepStatus", "progress"]

LINES = 15
SHOW_EVERY = 0.1


class SweepStatus:
    """How far a sweep has come.

    Parameters
    ----------
    total : int
        How many runs there are in all, as far as is known.
    objective : str
        The measured value that counts.
    """

    def __init__(self, total: int, objective: str) -> None:
        self.total = total
        self.objective = objective
        self.done = self.failed = 0
        self.before = 0  # done when this process began
        self.best = math.nan
        self.began = time.monotonic()

    def text(self) -> str:
        """Return what is said beside the count."""
        parts = [f"{self.failed} failed"] if self.failed else []
        if not math.isnan(self.best):
            parts.append(f"best {self.objective} {format_number(self.best)}")
        return ", ".join(parts)

    def left(self) -> float | None:
        """Return how many seconds are left, judged by the runs that this process has made."""
        made = self.done - self.before
        if not made:
            return None
        return (time.monotonic() - self.began) / made * (self.total - self.done)


class Progress(Protocol):
    """Shows how far a sweep has come."""

    def show(self, standing: SweepStatus) -> None:
        """Take note of a new standing."""

    def stop(self) -> None:
        """Leave the terminal to others."""


class NoProgress:
    """Shows nothing."""

    def show(self, standing: SweepStatus) -> None:
        """Take note of nothing."""

    def stop(self) -> None:
        """Have nothing to stop."""


class _Lines:
    """Prints a line every so many runs."""

    def __init__(self) -> None:
        self._next = 0

    def show(self, standing: SweepStatus) -> None:
        if standing.done < self._next and standing.done < standing.total:
            return
        stride = max(1, math.ceil(standing.total / LINES))
        self._next = (standing.done // stride + 1) * stride
        width = len(str(standing.total))
        left = standing.left()
        parts = [
            f"run {standing.done:>{width}}/{standing.total}",
            standing.text(),
            f"{_span(left)} left" if left and standing.done < standing.total else "",
        ]
        print("  ".join(filter(None, parts)), file=sys.stderr)

    def stop(self) -> None:
        pass


class _OnTerminal:
    """Shows one bar."""

    def __init__(self, total: int) -> None:
        from rich import console, progress

        self._bar: Bar = progress.Progress(
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
        self._shown = -math.inf

    def show(self, standing: SweepStatus) -> None:
        now = time.monotonic()
        if now - self._shown < SHOW_EVERY and standing.done < standing.total:
            return
        self._shown = now
        left = standing.left()
        self._bar.update(
            self._bar.task_ids[0],
            total=standing.total,
            completed=standing.done,
            text=standing.text(),
            left="" if left is None else f"{_span(left)} left",
        )

    def stop(self) -> None:
        self._bar.stop()


def progress(total: int, *, quiet: bool = False) -> Progress:
    """Return what shows a sweep where we are: on a terminal, elsewhere, or nowhere."""
    if quiet:
        return NoProgress()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return _OnTerminal(total)
    return _Lines()


def _span(seconds: float) -> str:
    """Return a time as people say it.

    Examples
    --------
    >>> _span(6.3), _span(200), _span(9000)
    ('7 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"
