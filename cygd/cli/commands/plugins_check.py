"""Report of `cygd plugins NAME --check`: the outcome of each check, and the speed of an activation."""

from __future__ import annotations

import shutil
import textwrap

from cygd.cli.output import DONE, FAILED, echo, flush_stdout, print_text, redirect_stdout
from cygd.components import Activation, Component
from cygd.components.activations import ACTIVATIONS
from cygd.core import dispatch
from cygd.plugins.component_checks import ComponentCheckError
from cygd.runner.provenance import describe_tier
from cygd.testing.report import Outcome, outcomes, speed

REFERENCE = "tanh"  # the activation whose speed is printed for comparison
MARGIN = 28  # the column of the outcomes


def check(component: Component, title: str) -> int:
    """Run the test suite of a component, print the outcomes and return the exit code."""
    tier = describe_tier(component)
    _print_wrapped(title if tier == "-" else f"{title}: {tier}{_scope(component)}", "  ")
    failed = total = 0
    running = outcomes(component)
    while True:
        with redirect_stdout():
            outcome = next(running, None)
        if outcome is None:
            break
        total += 1
        failed += outcome.error is not None
        _print_outcome(outcome)
    if isinstance(component, Activation) and not component.rowwise:
        try:
            _print_speed(component)
        except ComponentCheckError as problem:
            total, failed = total + 1, failed + 1
            _print_outcome(Outcome("speed", problem))
    if failed:
        echo(f"error: {component}: {failed} of {total} checks failed")
    return FAILED if failed else DONE


def _scope(component: Component) -> str:
    """Return the dtype and the CPU levels at which a suite runs."""
    if component.kind == "logger" or component.tier == "numpy":
        return ""
    dtypes = component.dtypes if isinstance(component, Activation) else ()
    only = f", for {dtypes[0]} networks only" if len(dtypes) == 1 else ""
    return f"{only}, at the CPU levels {', '.join(dispatch.levels())}"


def _print_outcome(outcome: Outcome) -> None:
    problem = outcome.error
    print_text(f"  {outcome.title:<{MARGIN - 2}}  {'FAILED' if problem else 'ok'}")
    flush_stdout()
    if problem:
        _print_wrapped(f"      {problem.message}", "      ")
        if problem.hint:
            _print_wrapped(f"      hint: {problem.hint}", "        ")


def _print_wrapped(text: str, indent: str) -> None:
    width = max(MARGIN + 8, shutil.get_terminal_size().columns - 1)
    print_text(textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False))


def _print_speed(activation: Activation) -> None:
    """Print nanoseconds per element next to those of tanh."""
    [reference] = [row for row in ACTIVATIONS if row.name == REFERENCE]
    with redirect_stdout():
        speeds = {dtype: speed(activation, reference, dtype) for dtype in activation.dtypes}
    print_text(f"  {'ns per element':<15}{'f':>7}{'f' + chr(39):>7}{'both':>7}")
    for dtype, (own, other) in speeds.items():
        for name, times in ((dtype, own), (f"{dtype}, {REFERENCE}", other)):
            cells = (f"{value:.3f}" if value < 1 else f"{value:.3g}" for value in times)
            print_text(f"    {name:<13}{''.join(f'{cell:>7}' for cell in cells)}")
