"""What `cygd plugins NAME --check` prints: each check with its outcome, and the speed of an activation."""

from __future__ import annotations

import shutil
import textwrap

from cygd.activations import ACTIVATIONS
from cygd.commands.talk import DONE, FAILED, say, talking
from cygd.component import Activation, Component
from cygd.core import dispatch
from cygd.errors import CygdError
from cygd.testing.report import outcomes, speed
from cygd.tiers import tier
from cygd.trial import Unfit

__all__ = ["check"]

YARDSTICK = "tanh"
MARGIN = 28  # the column of the outcomes


def check(component: Component, title: str) -> int:
    """Run the suite of a component, print what it finds, and return the exit code."""
    width = max(MARGIN + 8, shutil.get_terminal_size().columns - 1)
    compiled = component.kind != "logger" and component.tier != "numpy"
    levels = f", at the CPU levels {', '.join(dispatch.levels())}" if compiled else ""
    _wrapped(f"{title}: {tier(component)}{levels}", width, "  ")
    failed = count = 0
    running = outcomes(component)
    while True:
        with talking():  # a plugin may print
            outcome = next(running, None)
        if outcome is None:
            break
        count += 1
        failed += outcome.problem is not None
        print(f"  {outcome.what:<{MARGIN - 2}}  {'FAILED' if outcome.problem else 'ok'}", flush=True)
        if outcome.problem:
            _explain(outcome.problem, width)
    if isinstance(component, Activation):
        _speed(component, width)
    if failed:
        say(f"error: {component}: {failed} of {count} checks failed")
    return FAILED if failed else DONE


def _explain(problem: Unfit, width: int) -> None:
    """Print what is wrong, where and by how much."""
    _wrapped(f"      {problem.message}", width, "      ")
    if problem.hint:
        _wrapped(f"      hint: {problem.hint}", width, "        ")


def _wrapped(text: str, width: int, indent: str) -> None:
    print(textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False))


def _speed(activation: Activation, width: int) -> None:
    """Print nanoseconds for each element, beside those of tanh."""
    if activation.rowwise:
        return
    [yardstick] = [row for row in ACTIVATIONS if row.name == YARDSTICK]
    print(f"  {'ns per element':<15}{'f':>7}{'f' + chr(39):>7}{'both':>7}")
    for dtype in ("float64", "float32"):
        try:
            with talking():
                own, other = speed(activation, yardstick, dtype)
        except CygdError as error:
            _wrapped(f"    {dtype}: cannot be measured: {error.message}", width, "      ")
            continue
        for name, times in ((dtype, own), (f"{dtype}, {YARDSTICK}", other)):
            cells = "".join(f"{_short(value):>7}" for value in times)
            print(f"    {name:<13}{cells}")


def _short(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.3g}"
