"""The page of one run: what happened, is it good, what did it learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cygd.errors import CygdError, format_count
from cygd.report.classification import classification_parts
from cygd.report.configuration import configuration_parts, environment_facts
from cygd.report.curves import history_figures
from cygd.report.data_parts import data_parts, worst_rows
from cygd.report.evaluation import Evaluation, evaluate
from cygd.report.multilabel import multilabel_parts
from cygd.report.network_parts import activation_figures, network_parts
from cygd.report.page import Details, Facts, Notice, Part, Section, render_page
from cygd.report.regions import region_figures
from cygd.report.regression import regression_parts
from cygd.report.run_record import RunRecord
from cygd.report.surface_parts import surface_parts

REFRESH_SECONDS = 5  # of the page of a run that is going on
MAX_HEADLINES = 12

STATUS = {
    "completed": "All epochs were trained.",
    "stopped": "Early stopping ended the run.",
    "diverged": "The loss or a weight was not finite. A smaller learning rate or scaled inputs may help.",
    "failed": "The run failed.",
    "interrupted": "The run was interrupted; `cygd run --resume FOLDER` resumes it.",
    "running": "The run is going on; the page has what it has written so far.",
}


def run_page(record: RunRecord, weights: Sequence[str] = (), *, live: bool = False) -> str:
    """Return the page of a run.

    Parameters
    ----------
    record : RunRecord
    weights : sequence of str
        One or two weights over which the error surface is drawn.
    live : bool
        Whether the browser shall read the page again while the run is going on.

    Raises
    ------
    CygdError
        If the network has no such weight.
    """
    refresh = REFRESH_SECONDS if live and record.is_going_on else None
    outcome = f"{record.status} after {format_count(record.epochs, 'epoch')}"
    sections = run_sections(record, weights)
    return render_page(record.name, str(record.folder), sections, outcome=outcome, refresh_seconds=refresh)


def run_sections(record: RunRecord, weights: Sequence[str] = ()) -> list[Section]:
    """Return the sections of the page of a run."""
    evaluation, problem = _evaluate(record)
    sections = [
        Section("Result", _headlines(record)),
        Section("Training", [*history_figures(record)]),
        *_evaluation_sections(record, evaluation, weights),
    ]
    if problem:
        sections.insert(2, Section("Predictions", [_left_out(problem)]))
    warnings: list[Part] = [*record.warnings, *record.problems]
    return [
        *sections,
        Section("Warnings", warnings),
        Section("Configuration", configuration_parts(record)),
        Section("Environment", [environment_facts(record)]),
    ]


def prediction_parts(record: RunRecord) -> list[Part]:
    """Return the parts on the predictions for the rows that a run was not trained on."""
    evaluation, problem = _evaluate(record)
    return [_left_out(problem)] if evaluation is None else list(_quality(evaluation))


def _left_out(problem: str) -> str:
    return f"What follows from the network is left out: {problem}"


def _quality(evaluation: Evaluation) -> Sequence[Part]:
    """Return the parts on the predictions, which depend on the kind of the targets."""
    note: list[Part] = []
    if evaluation.checkpoint is not None:
        note.append(
            f"The weights are those of the checkpoint of epoch {evaluation.checkpoint}, here and below: the "
            "run has not ended."
        )
    if evaluation.kind in ("binary", "classes"):
        return [*note, *classification_parts(evaluation)]
    if evaluation.kind == "multilabel":
        return [*note, *multilabel_parts(evaluation)]
    return [*note, *regression_parts(evaluation)]


def _evaluate(record: RunRecord) -> tuple[Evaluation | None, str]:
    """Return the network on the data, or the reason why there is none."""
    try:
        return evaluate(record), ""
    except CygdError as error:
        return None, str(error)


def _headlines(record: RunRecord) -> list[Part]:
    """Return status, epochs, time and metrics, those of test rows first."""
    order = ("test_", "validation_", "")
    names = sorted(
        record.metrics,
        key=lambda name: next(i for i, prefix in enumerate(order) if name.startswith(prefix)),
    )
    pairs = [("status", record.status), ("epochs", str(record.epochs))]
    if record.best_epoch is not None:
        pairs.append(("kept epoch", str(record.best_epoch)))
    if not math.isnan(record.seconds):
        pairs.append(("training time", f"{record.seconds:.3g} s"))
    numbers = [(name.replace("_", " "), f"{record.metrics[name]:.5g}") for name in names]
    parts: list[Part] = [Facts([*pairs, *numbers[:MAX_HEADLINES]], large=True)]
    if record.error:
        parts.append(Notice(record.error))
    if len(numbers) > MAX_HEADLINES:
        parts.append(Details("more metrics", [Facts(numbers[MAX_HEADLINES:])]))
    return [*parts, STATUS.get(record.status, "")] if record.status in STATUS else parts


def _evaluation_sections(
    record: RunRecord, evaluation: Evaluation | None, weights: Sequence[str]
) -> list[Section]:
    if evaluation is None:
        return []
    network, data = evaluation.network, evaluation.data
    features = data.preprocessing.features

    def of_network() -> list[Part]:
        return network_parts(network, evaluation.x, features)

    makers: list[tuple[str, Callable[[], Sequence[Part]]]] = [
        (f"Predictions of the {evaluation.part} rows", lambda: _quality(evaluation)),
        ("Largest errors", lambda: worst_rows(evaluation)),
        ("What it learned", lambda: region_figures(evaluation)),
        ("Error surface", lambda: _surface(record, evaluation, weights)),
        ("Network", of_network),
        ("Activations", lambda: activation_figures(network)),
        ("Data", lambda: data_parts(data)),
    ]
    return [Section(title, list(make())) for title, make in makers]


def _surface(record: RunRecord, evaluation: Evaluation, weights: Sequence[str]) -> list[Part]:
    """Return the surface; an error is raised only if the weights were asked for."""
    try:
        return surface_parts(record, evaluation.network, weights)
    except CygdError as error:
        if weights:
            raise
        return [str(error)]
