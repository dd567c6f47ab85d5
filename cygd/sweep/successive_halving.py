"""Successive halving: train all configurations briefly, and continue only the best of them.

Each rung trains its configurations up to a number of epochs. The best 1/factor of them continue from their
checkpoints to factor times the epochs, until the remaining ones have trained for all of theirs. A rung is
ranked when all of its runs are finished, so the same configurations continue with any number of workers and
in a resumed sweep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from cygd.config.sweep_section import Halving
from cygd.config.yaml.nodes import COMMAND_LINE, Node
from cygd.sweep.plan import EPOCHS, Plan
from cygd.sweep.store import Record
from cygd.sweep.summary import Ranking
from cygd.sweep.tasks import Task


def rungs(plan: Plan, ranking: Ranking, records: Mapping[tuple[int, int], Record]) -> Iterator[list[Task]]:
    """Yield the runs of each rung; the caller executes a rung before it asks for the next one.

    The records are the finished runs by number and epochs of the rung; the caller adds to them.
    """
    halving = plan.section.halving
    assert halving is not None
    remaining: dict[int, list[Task]] = {}  # by configuration
    for task in plan.tasks():
        remaining.setdefault(task.configuration, []).append(task)
    latest: dict[int, Record] = {}  # by run
    budget = halving.epochs
    while remaining:
        rung = [
            _at_rung(task, plan, halving, budget)
            for repetitions in remaining.values()
            for task in repetitions
        ]
        tasks = [task for task in rung if task.number not in latest or _continues(latest[task.number], task)]
        if tasks:
            yield tasks
        latest |= {task.number: records[task.number, task.epochs] for task in tasks}
        if all(task.epochs == plan.epochs(plan.configurations[task.configuration]) for task in rung):
            return
        groups = ranking.sort_groups([latest[task.number] for task in rung])
        succeeded = [group for group in groups if group.statistics.n]
        best = succeeded[: math.ceil(len(groups) / halving.factor)]
        remaining = {group.configuration: remaining[group.configuration] for group in best}
        budget *= halving.factor


def count_runs(plan: Plan) -> int:
    """Return the number of runs in all rungs, if none of them fails or stops early."""
    halving = plan.section.halving
    assert halving is not None
    max_epochs = max(map(plan.epochs, plan.configurations), default=0)
    remaining, budget, total = len(plan.configurations), halving.epochs, 0
    while True:
        total += remaining
        if budget >= max_epochs:
            return total * plan.section.repeat
        remaining, budget = math.ceil(remaining / halving.factor), budget * halving.factor


def _at_rung(task: Task, plan: Plan, halving: Halving, budget: int) -> Task:
    """Return a run with the epochs of a rung and a checkpoint at its end."""
    epochs = min(budget, plan.epochs(task.changes))
    changes = (
        *(change for change in task.changes if change[0] != EPOCHS),
        (EPOCHS, Node(epochs, COMMAND_LINE)),
        (("checkpoint", "every"), Node(halving.epochs, COMMAND_LINE)),
    )
    return replace(task, changes=changes, epochs=epochs, resumes=budget > halving.epochs)


def _continues(record: Record, task: Task) -> bool:
    """Return True if a run was ended by its previous rung and has more epochs in this one."""
    return record.status == "completed" and record.target < task.epochs
