"""What a person sees of a run: a progress bar and curves on a terminal, some twenty plain lines elsewhere.

Everything goes to stderr, because stdout belongs to the data. rich is imported only where a terminal
shows it; it leaves the colours away where NO_COLOR is set.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from cygd.tracking.results import Result, Run

__all__ = ["ConsoleLogger", "short"]

# how many numbers an epoch shows before it gets too wide to read: on a line, and beside the bar
ON_LINE, ON_BAR = 5, 3
SHOW_EVERY = 0.1
HIDDEN = {"seconds", "learning_rate"}


def short(value: float) -> str:
    """Return a number in four digits.

    Examples
    --------
    >>> short(0.123456), short(3.0), short(1e-9)
    ('0.1235', '3', '1e-09')
    """
    return f"{value:.4g}"


def sentence(metrics: Mapping[str, float], most: int = ON_LINE) -> str:
    """Return the metrics of an epoch as `loss 0.12, accuracy 0.9`, the measured ones in front."""
    shown = [name for name in metrics if name not in HIDDEN and name != "running_loss"]
    if "loss" not in metrics and "running_loss" in metrics:
        shown.insert(0, "running_loss")
    return ", ".join(f"{name} {short(metrics[name])}" for name in shown[:most])


class ConsoleLogger:
    """Shows progress on stderr.

    Parameters
    ----------
    lines : int
        About how many lines a run prints where there is no terminal.
    """

    def __init__(self, lines: int = 15) -> None:
        self.lines = max(1, lines)
        self._progress: Progress | None = None
        self._shown = -math.inf

    def cygd_run_start(self, run: Run) -> None:
        """Say what runs."""
        self._epochs = int(run.config["train"]["epochs"])
        self._stride = max(1, math.ceil(self._epochs / self.lines))
        resumed = getattr(run, "resumed", None)
        since = "" if resumed is None else f", going on from epoch {resumed}"
        print(f"{run.name}: {epochs(self._epochs)}{since}, in {run.directory}", file=sys.stderr)
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._progress = _progress_bar(self._epochs)

    def cygd_epoch_end(self, run: Run, epoch: int, metrics: dict[str, float]) -> None:
        """Show an epoch: on the bar, or every so many epochs as a line."""
        if self._progress is not None:
            self._show(self._progress, epoch, metrics)
        elif epoch % self._stride == 0 or epoch == self._epochs:
            width = len(str(self._epochs))
            print(f"epoch {epoch:>{width}}/{self._epochs}  {sentence(metrics)}".rstrip(), file=sys.stderr)

    def cygd_run_end(self, run: Run, result: Result) -> None:
        """Say how it ended; on a terminal, draw how it went."""
        if self._progress is not None:
            width = self._progress.console.width
            self._stop()
            _draw(getattr(result, "history", {}), width)
        best = f", best {result.best_epoch}" if result.best_epoch is not None else ""
        print(
            f"{result.status} after {epochs(result.epochs)}{best}, {short(result.seconds)} s: "
            + ", ".join(f"{name} {short(value)}" for name, value in result.metrics.items()),
            file=sys.stderr,
        )

    def cygd_run_error(self, run: Run, error: BaseException) -> None:
        """Take the bar away, so that the error has the terminal for itself."""
        self._stop()

    def _show(self, progress: Progress, epoch: int, metrics: dict[str, float]) -> None:
        # epochs may be thousands a second, and nobody reads so fast
        now = time.monotonic()
        if now - self._shown >= SHOW_EVERY or epoch == self._epochs:
            progress.update(progress.task_ids[0], completed=epoch, text=sentence(metrics, ON_BAR))
            self._shown = now

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _draw(history: Mapping[str, Sequence[float]], width: int) -> None:
    """Print the curves of a run."""
    from cygd.tracking.loggers.loss_curve import draw_loss_curves
    from cygd.tracking.terminal_plot import best_style

    lines = draw_loss_curves(history, width, best_style(sys.stderr.encoding))
    if lines:
        print("\n".join(["", *lines, ""]), file=sys.stderr)


def _progress_bar(total: int) -> Progress:
    from rich import console, progress

    bar = progress.Progress(
        progress.MofNCompleteColumn(),
        progress.BarColumn(bar_width=20),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[text]}", markup=False),
        console=console.Console(stderr=True),
        refresh_per_second=5,
        redirect_stdout=False,  # the only line there is the folder's path, after the end
    )
    bar.add_task("epochs", total=total, text="")
    bar.start()
    return bar


def epochs(count: int) -> str:
    """Return a number of epochs as people say it.

    Examples
    --------
    >>> epochs(1), epochs(20)
    ('1 epoch', '20 epochs')
    """
    return "1 epoch" if count == 1 else f"{count} epochs"
