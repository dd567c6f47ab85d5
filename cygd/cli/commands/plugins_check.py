"""What `cygd plugins NAME --check` prints: each check with its outcome, and the speed of an activation."""

from __future__ import annotations

import shutil
import textwrap

from cygd.cli.output import DONE, FAILED, echo, redirect_stdout
from cygd.components import Activation, Component
from cygd.components.activations import ACTIVATIONS
from cygd.core import dispatch
from cygd.plugins.component_checks import ComponentCheckError
from cygd.runner.provenance import describe_tier
from cygd.testing.report import Outcome, outcomes, speed

__all__ = ["check"]

YARDSTICK = "tanh"
MARGIN = 28  # the column of the outcomes


def check(component: Component, title: str) -> int:
    """Run the suite of a component, print what it finds, and return the exit code."""
    width = max(MARGIN + 8, shutil.get_terminal_size().columns - 1)
    _wrapped(f"{title}: {describe_tier(component)}{_scope(component)}", width, "  ")
    failed = count = 0
    running = outcomes(component)
    while True:
        with redirect_stdout():  # a plugin may print
            outcome = next(running, None)
        if outcome is None:
            break
        count += 1
        failed += outcome.problem is not None
        _tell(outcome, width)
    if isinstance(component, Activation) and not component.rowwise:
        problem = _speed(component)
        if problem is not None:
            count, failed = count + 1, failed + 1
            _tell(Outcome("speed", problem), width)
    if failed:
        echo(f"error: {component}: {failed} of {count} checks failed")
    return FAILED if failed else DONE


def _scope(component: Component) -> str:
    """Return what a suite leaves out, and at which levels of the CPU it runs."""
    if component.kind == "logger" or component.tier == "numpy":
        return ""
    dtypes = component.dtypes if isinstance(component, Activation) else ()
    alone = f", for {dtypes[0]} networks alone" if len(dtypes) == 1 else ""
    return f"{alone}, at the CPU levels {', '.join(dispatch.levels())}"


def _tell(outcome: Outcome, width: int) -> None:
    """Print how a check came out; of one that failed what is wrong, where and by how much."""
    problem = outcome.problem
    print(f"  {outcome.what:<{MARGIN - 2}}  {'FAILED' if problem else 'ok'}", flush=True)
    if problem:
        _wrapped(f"      {problem.message}", width, "      ")
        if problem.hint:
            _wrapped(f"      hint: {problem.hint}", width, "        ")


def _wrapped(text: str, width: int, indent: str) -> None:
    print(textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False))


def _speed(activation: Activation) -> ComponentCheckError | None:
    """Print nanoseconds for each element, beside those of tanh; return why there are none."""
    [yardstick] = [row for row in ACTIVATIONS if row.name == YARDSTICK]
    try:
        with redirect_stdout():
            measured = {dtype: speed(activation, yardstick, dtype) for dtype in activation.dtypes}
    except ComponentCheckError as problem:
        return problem
    print(f"  {'ns per element':<15}{'f':>7}{'f' + chr(39):>7}{'both':>7}")
    for dtype, (own, other) in measured.items():
        for name, times in ((dtype, own), (f"{dtype}, {YARDSTICK}", other)):
            cells = "".join(f"{_short(value):>7}" for value in times)
            print(f"    {name:<13}{cells}")
    return None


def _short(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.3g}"
