"""The console logger: a progress bar and loss curves on a terminal, about twenty plain lines elsewhere.

In a kernel of Jupyter the bar is in the output of the cell. All other output goes to stderr; stdout is for
data. rich is imported only for a terminal, and omits colors if
NO_COLOR is set.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cygd.errors import escape_controls
from cygd.tracking.loggers.notebook_progress import NotebookProgress, find_display
from cygd.tracking.terminal import echo, encodable, is_interactive

if TYPE_CHECKING:
    from rich.progress import Progress

    from cygd.network.epoch_rows import EpochRows
    from cygd.tracking.results import Result, Run

# maximum number of metrics on a line, and beside the progress bar
MAX_ON_LINE, MAX_ON_BAR = 5, 3
UPDATE_INTERVAL = 0.1  # seconds
HIDDEN = {"seconds", "learning_rate"}


def format_number(value: float) -> str:
    """Return a number with four significant digits."""
    return f"{value:.4g}"


def format_metrics(metrics: Mapping[str, float], limit: int = MAX_ON_LINE) -> str:
    """Return the first metrics of an epoch as `loss 0.12, accuracy 0.9`; without `loss`, its running loss."""
    shown = [name for name in metrics if name not in HIDDEN and name != "running_loss"]
    if "loss" not in metrics and "running_loss" in metrics:
        shown.insert(0, "running_loss")
    return ", ".join(f"{name} {format_number(metrics[name])}" for name in shown[:limit])


class ConsoleLogger:
    """Shows progress on stderr.

    Parameters
    ----------
    lines : int
        The approximate number of lines per run if stderr is not a terminal.
    """

    def __init__(self, lines: int = 15) -> None:
        self.lines = max(1, lines)
        self._progress: Progress | None = None
        self._notebook: NotebookProgress | None = None
        self._last_update = -math.inf

    def cygd_run_start(self, run: Run) -> None:
        """Print the name, epochs and folder of the run."""
        self._epochs = int(run.config["train"]["epochs"])
        self._stride = max(1, math.ceil(self._epochs / self.lines))
        resumed = getattr(run, "resumed", None)
        start = "" if resumed is None else f", resuming from epoch {resumed}"
        title = f"{run.name}: {format_epochs(self._epochs)}{start}, in {run.directory}"
        is_main = threading.current_thread() is threading.main_thread()
        display = find_display() if is_main else None
        if display is not None:
            self._notebook = NotebookProgress(display, title, self._epochs)
            return
        echo(title)
        # rich replaces sys.stderr: runs in other threads would restore it in the wrong order
        if is_interactive() and is_main:
            self._progress = _progress_bar(self._epochs)

    def cygd_epochs_end(self, run: Run, rows: EpochRows) -> None:
        """Update the progress bar, or print a line at regular intervals."""
        if self._notebook is not None:
            if self._is_due(rows):
                self._notebook.update(rows.last, format_metrics(rows.last_values()))
            return
        if self._progress is not None:
            self._update(self._progress, rows)
            return
        shown = {*range(-(-rows.first // self._stride) * self._stride, rows.last + 1, self._stride)}
        shown |= {self._epochs} & {rows.last}
        width = len(str(self._epochs))
        for epoch, metrics in rows if shown else ():
            if epoch in shown:
                echo(f"epoch {epoch:>{width}}/{self._epochs}  {format_metrics(metrics)}".rstrip())

    def cygd_run_end(self, run: Run, result: Result) -> None:
        """Print the result; on a terminal, draw the loss curves."""
        if self._progress is not None:
            width = self._progress.console.width
            self._stop()
            _draw(getattr(result, "history", {}), width)
        best = f", best {result.best_epoch}" if result.best_epoch is not None else ""
        metrics = ", ".join(f"{name} {format_number(value)}" for name, value in result.metrics.items())
        text = (
            f"{result.status} after {format_epochs(result.epochs)}{best}, {format_number(result.seconds)} s"
        )
        if self._notebook is not None:
            self._notebook.update(result.epochs, f"{text}: {metrics}")
            self._notebook = None
        else:
            echo(f"{text}: {metrics}")

    def cygd_run_error(self, run: Run, error: BaseException) -> None:
        """Remove the progress bar, so that it does not overlap the error message."""
        self._stop()

    def _update(self, progress: Progress, rows: EpochRows) -> None:
        if self._is_due(rows):
            shown = format_metrics(rows.last_values(), MAX_ON_BAR)
            text = encodable(escape_controls(shown), sys.stderr)
            progress.update(progress.task_ids[0], completed=rows.last, text=text)

    def _is_due(self, rows: EpochRows) -> bool:
        """Return True a few times a second: there may be thousands of epochs."""
        now = time.monotonic()
        is_due = now - self._last_update >= UPDATE_INTERVAL or rows.last == self._epochs
        self._last_update = now if is_due else self._last_update
        return is_due

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if self._notebook is not None:
            self._notebook.update(self._notebook.done, "did not finish")
            self._notebook = None


def _draw(history: Mapping[str, Sequence[float]], width: int) -> None:
    """Print the loss curves of a run."""
    from cygd.tracking.loggers.loss_curve import draw_loss_curves
    from cygd.tracking.terminal_plot import best_style

    lines = draw_loss_curves(history, width, best_style(sys.stderr.encoding))
    if lines:
        echo("\n".join(["", *lines, ""]))


def _progress_bar(total: int) -> Progress:
    from rich import console, progress

    bar = progress.Progress(
        progress.MofNCompleteColumn(),
        progress.BarColumn(bar_width=20),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[text]}", markup=False),
        console=console.Console(stderr=True),
        refresh_per_second=5,
        redirect_stdout=False,  # stdout gets only the path of the run folder, after the end
    )
    bar.add_task("epochs", total=total, text="")
    bar.start()
    return bar


def format_epochs(count: int) -> str:
    """Return a number of epochs with the singular or plural noun."""
    return "1 epoch" if count == 1 else f"{count} epochs"
