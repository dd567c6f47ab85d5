"""Successive halving: most runs end early, and those that are best by then go on.

All runs train for a few epochs; of the configurations the best part goes on, from its checkpoints, for some
times as many epochs, and so on until those that are left have trained for all of theirs. A round is judged
when all of it is done, so that the same runs go on with any number of workers, and in a sweep that was
interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from cygd.config.yaml.nodes import COMMAND_LINE, Node
from cygd.sweep.plan import Plan
from cygd.sweep.store import Record
from cygd.sweep.summary import Ranking
from cygd.sweep.worker import Task

__all__ = ["Records", "count", "rounds"]

Records: TypeAlias = Mapping[tuple[int, int], Record]  # by the number of the run and the epochs of its round


def rounds(plan: Plan, ranking: Ranking, records: Records) -> Iterator[list[Task]]:
    """Yield the runs of one round after the other; the next is asked for when all of the last are done."""
    halving = plan.section.halving
    assert halving is not None
    going: dict[int, list[Task]] = {}
    for task in plan.tasks():
        going.setdefault(task.configuration, []).append(task)
    last: dict[int, Record] = {}  # what is known of each run by now
    budget = halving.epochs
    while going:
        tasks = [_for(task, plan, budget) for own in going.values() for task in own]
        due = [task for task in tasks if task.number not in last or _goes_on(last[task.number], task)]
        if due:
            yield due
        last |= {task.number: records[task.number, task.epochs] for task in due}
        if all(task.epochs == plan.epochs(plan.configurations[task.configuration]) for task in tasks):
            return
        groups = ranking.groups([last[task.number] for task in tasks])
        chosen = [group for group in groups if group.spread.n][: math.ceil(len(groups) / halving.factor)]
        going = {group.configuration: going[group.configuration] for group in chosen}
        budget *= halving.factor


def count(plan: Plan) -> int:
    """Return how many runs all rounds have, if none of them ends early."""
    halving = plan.section.halving
    assert halving is not None
    longest = max((plan.epochs(changes) for changes in plan.configurations), default=0)
    left, budget, total = len(plan.configurations), halving.epochs, 0
    while True:
        total += left
        if budget >= longest:
            return total * plan.section.repeat
        left, budget = math.ceil(left / halving.factor), budget * halving.factor


def _for(task: Task, plan: Plan, budget: int) -> Task:
    """Return a run as it is in a round of so many epochs."""
    halving = plan.section.halving
    assert halving is not None
    epochs = min(budget, plan.epochs(task.changes))
    changes = (
        *(change for change in task.changes if change[0] != ("train", "epochs")),
        (("train", "epochs"), Node(epochs, COMMAND_LINE)),
        # every round ends with a checkpoint
        (("checkpoint", "every"), Node(halving.epochs, COMMAND_LINE)),
    )
    return replace(task, changes=changes, epochs=epochs, goes_on=budget > halving.epochs)


def _goes_on(record: Record, task: Task) -> bool:
    """Tell whether a run has anything left to do: the end of its round was not its own."""
    return record.status == "completed" and record.target < task.epochs
