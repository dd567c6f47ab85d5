"""How the loss went over the epochs, drawn with characters at the end of a run.

    loss, log scale               validation_loss, log scale
        1 ┤⡇                          1 ┤⡇
      0.1 ┤⠘⢄⡀                      0.1 ┤⠘⢄⣀
     0.01 ┤  ⠈⠉⠒⠤⠤⣀⣀⣀⣀             0.01 ┤   ⠉⠒⠒⠒⠒⠒⠒⠒⠒
          └┬───────┬───────             └┬───────┬───────
           0      100                    0      100

Both plots have the same scale, so that one can be read against the other; it is logarithmic where the
loss falls far.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cygd.tracking.terminal_plot import Style, draw, limits, samples

__all__ = ["curves"]

HEIGHT = 6
WIDEST = 50  # of one plot
NARROWEST = 30
GAP = "  "
LOG_FROM = 20  # the largest is so many times the smallest: then the scale is logarithmic


def curves(history: Mapping[str, Sequence[float]], width: int, style: Style) -> list[str]:
    """Return the plots of the loss and the validation loss, side by side; none where there is little to see.

    Parameters
    ----------
    history : mapping
        What was measured, as `Result.history`.
    width : int
        The columns of the terminal.
    style : Style
        The characters to draw with.
    """
    series = _series(history)
    known = [value for _, values in series.values() for value in values if math.isfinite(value)]
    if not known or width < NARROWEST:
        return []
    logarithmic = min(known) > 0 and max(known) > LOG_FROM * min(known)
    span = limits(np.log10(known).tolist() if logarithmic else known)
    beside = len(series) > 1 and (width - len(GAP)) // 2 >= NARROWEST
    each = min(WIDEST, (width - len(GAP)) // 2 if beside else width)
    plots = []
    for name, (epochs, values) in series.items():
        x = samples(epochs[0], epochs[-1], each)
        drawn = np.log10(_positive(values)) if logarithmic else np.asarray(values, np.float64)
        lines = draw(
            *(x, np.interp(x, epochs, drawn).tolist()),
            width=each,
            height=HEIGHT,
            style=style,
            span=span,
            label=_power if logarithmic else "{:.4g}".format,
        )
        plots.append([f"{name}, log scale" if logarithmic else name, *lines])
    if not beside:
        return [line for plot in plots for line in plot]
    return [f"{left:<{each}}{GAP}{right}".rstrip() for left, right in zip(*plots, strict=True)]


def _series(history: Mapping[str, Sequence[float]]) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """Return what there is to draw: a name, the epochs, and the values at them; three points at least."""
    measured = history.get("epoch", ())
    found = {
        name: (measured, history[name])
        for name in ("loss", "validation_loss")
        if len(history.get(name, ())) == len(measured) > 2
    }
    running = history.get("running_loss", ())
    if not found and len(running) > 2:  # measured at the end only
        found = {"running_loss": (range(1, len(running) + 1), running)}
    return found


def _positive(values: Sequence[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return values that have a logarithm, NaN for the others."""
    array = np.asarray(values, np.float64)
    return np.where(array > 0, array, np.nan)


def _power(exponent: float) -> str:
    return f"{10.0**exponent:.2g}"
