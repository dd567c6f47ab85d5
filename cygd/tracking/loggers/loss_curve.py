"""Loss curves drawn with characters at the end of a run.

    loss, log scale               validation_loss, log scale
        1 ┤⡇                          1 ┤⡇
      0.1 ┤⠘⢄⡀                      0.1 ┤⠘⢄⣀
     0.01 ┤  ⠈⠉⠒⠤⠤⣀⣀⣀⣀             0.01 ┤   ⠉⠒⠒⠒⠒⠒⠒⠒⠒
          └┬───────┬───────             └┬───────┬───────
           0      100                    0      100

Both plots share one scale, so that they can be compared. It is logarithmic if the loss falls far.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cygd.tracking.terminal_plot import Style, draw, sample_points, y_limits

HEIGHT = 6
MIN_WIDTH, MAX_WIDTH = 30, 50  # of one plot
GAP = "  "
LOG_RATIO = 20  # the scale is logarithmic if the largest loss exceeds the smallest by this factor


def draw_loss_curves(history: Mapping[str, Sequence[float]], width: int, style: Style) -> list[str]:
    """Return the plots of the loss and the validation loss, side by side if they fit.

    There are no lines if the terminal is too narrow or fewer than three values were measured.
    """
    series = _select_series(history)
    finite = [value for _, values in series.values() for value in values if math.isfinite(value)]
    if not finite or width < MIN_WIDTH:
        return []
    logarithmic = min(finite) > 0 and max(finite) > LOG_RATIO * min(finite)
    y_range = y_limits(np.log10(finite).tolist() if logarithmic else finite)
    half = (width - len(GAP)) // 2
    side_by_side = len(series) > 1 and half >= MIN_WIDTH
    plot_width = min(MAX_WIDTH, half if side_by_side else width)
    plots = []
    for name, (epochs, values) in series.items():
        x = sample_points(epochs[0], epochs[-1], plot_width)
        y = np.asarray(values, np.float64)
        if logarithmic:
            y = np.log10(np.where(y > 0, y, np.nan))
        lines = draw(
            x,
            np.interp(x, epochs, y).tolist(),
            width=plot_width,
            height=HEIGHT,
            style=style,
            y_range=y_range,
            y_label=_power_of_ten if logarithmic else "{:.4g}".format,
        )
        plots.append([f"{name}, log scale" if logarithmic else name, *lines])
    if not side_by_side:
        return [line for plot in plots for line in plot]
    return [f"{left:<{plot_width}}{GAP}{right}".rstrip() for left, right in zip(*plots, strict=True)]


def _select_series(
    history: Mapping[str, Sequence[float]],
) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """Return the epochs and the values of each loss that was measured at least three times."""
    epochs = history.get("epoch", ())
    series = {
        name: (epochs, history[name])
        for name in ("loss", "validation_loss")
        if len(history.get(name, ())) == len(epochs) > 2
    }
    running = history.get("running_loss", ())
    if not series and len(running) > 2:  # evaluate_every: 0
        series = {"running_loss": (range(1, len(running) + 1), running)}
    return series


def _power_of_ten(exponent: float) -> str:
    return f"{10.0**exponent:.2g}"
