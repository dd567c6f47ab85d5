"""The first updates of a run, as a list that notebooks show as tables."""

from __future__ import annotations

from collections.abc import Sequence

from cygd.inspection.experiment import ExperimentOrRun, assemble_experiment
from cygd.inspection.tracing import Step, trace_steps


class Trace(list[Step]):
    """Updates in order."""

    def _repr_html_(self) -> str:
        from cygd.inspection.notebook import describe_steps

        return describe_steps(self)


def trace(
    experiment: ExperimentOrRun, steps: int = 1, overrides: Sequence[str] = (), plugins: Sequence[str] = ()
) -> Trace:
    """Return the first updates of an experiment with every quantity in them.

    Parameters
    ----------
    experiment : path, mapping or Result
        An experiment, or a run, which is traced from its beginning.
    steps : int
        The maximum number of updates.
    overrides, plugins : sequence of str
        As for `cygd.run`.

    Returns
    -------
    Trace
        A list of `Step`, which a notebook shows as tables.

    Raises
    ------
    ConfigError
        If a layer has dropout.
    """
    return Trace(trace_steps(assemble_experiment(experiment, overrides, plugins), steps))
