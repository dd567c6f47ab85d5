"""Configurations that Optuna proposes, for the block `optuna` of a sweep.

Proposals are made in rounds of a fixed number, each round from the outcomes of the rounds before it and a
seed of its own. So they do not depend on which run ended first: any number of workers gets the same ones.
When a sweep goes on, the rounds are played again from the runs that are done, which also writes Optuna's
journal anew.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cygd.config.yaml.nodes import Node, parse_key
from cygd.errors import ConfigError
from cygd.sweep.configurations import Changes, Conditions
from cygd.sweep.plan import Plan
from cygd.sweep.store import Record, Store
from cygd.sweep.summary import Ranking
from cygd.sweep.worker import Task

__all__ = ["JOURNAL", "ROUND", "check_installed", "rounds"]

JOURNAL = "optuna.log"
ROUND = 8  # proposals that are made at once


def check_installed() -> None:
    """Raise a ConfigError where Optuna is missing."""
    if find_spec("optuna") is None:
        hint = 'install it with: pip install "cygd[hpo]"'
        raise ConfigError("sweep.optuna needs Optuna, which is not installed", hint=hint)


def rounds(
    plan: Plan, store: Store, ranking: Ranking, records: Mapping[tuple[int, int], Record]
) -> Iterator[list[Task]]:
    """Yield the runs of one round after the other; the next is asked for when all of the last are done.

    Parameters
    ----------
    plan : Plan
        Whose `optuna` block is searched.
    store : Store
        The folder of the sweep, where the journal goes.
    ranking : Ranking
        What is better.
    records : mapping to Record
        The runs that are done, by their numbers and rounds; it grows.
    """
    blocks = plan.optuna
    if not blocks:
        return
    check_installed()
    store.set_aside(JOURNAL)
    for number, block in enumerate(blocks):
        search = _Search(plan, block, number, store.path / JOURNAL, ranking)
        while tasks := search.ask():
            search.compare(tasks, records)
            yield [task for repeated in tasks for task in repeated]
            search.tell([[records[task.number, 0] for task in repeated] for repeated in tasks])


class _Search:
    """One study of Optuna's."""

    def __init__(self, plan: Plan, block: Node, number: int, journal: Path, ranking: Ranking) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        logging.getLogger("optuna").setLevel(logging.WARNING)
        self.plan, self.block, self.number, self.ranking = plan, block, number, ranking
        self.first = len(plan.configurations) + number * plan.section.samples
        self.conditions = Conditions(plan.document, plan.reading.experiment.resolved())
        self.asked = 0
        self.trials: list[Any] = []
        self.optuna: Any = optuna
        self.study: Any = optuna.create_study(
            study_name=f"{plan.name}-{number}",
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(journal))),
            direction="maximize" if ranking.greater_is_better else "minimize",
        )

    def ask(self) -> list[list[Task]]:
        """Return the runs of the next proposals, each with its repetitions; none when there are enough."""
        count = min(ROUND, self.plan.section.samples - self.asked)
        # 2**32 seeds are all that NumPy's old generator takes
        seed = (self.plan.section.seed + 1_000_003 * self.number + 7919 * self.asked) % 2**32
        self.study.sampler = self.optuna.samplers.TPESampler(seed=seed)
        self.trials = [self.study.ask() for _ in range(count)]
        proposed = [self._changes(trial) for trial in self.trials]
        first, repeat = self.first + self.asked, self.plan.section.repeat
        self.asked += count
        return [
            [self.plan.task((first + i) * repeat + turn, first + i, changes, turn) for turn in range(repeat)]
            for i, changes in enumerate(proposed)
        ]

    def compare(self, tasks: Sequence[Sequence[Task]], records: Mapping[tuple[int, int], Record]) -> None:
        """Raise a ConfigError where what was run before is not what is proposed now."""
        for task in (task for repeated in tasks for task in repeated):
            record = records.get((task.number, 0))
            if record is not None and record.values != json.loads(json.dumps(task.values)):
                message = (
                    f"Optuna {self.optuna.__version__} does not propose what it did when the sweep began"
                )
                raise ConfigError(message, hint="install the version of Optuna with which it began")

    def tell(self, outcomes: Sequence[Sequence[Record]]) -> None:
        """Tell the mean of the objective for each proposal; nothing can be learned from one that failed."""
        for trial, records in zip(self.trials, outcomes, strict=True):
            [group] = self.ranking.groups(records)
            if group.failed:
                self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
            else:
                self.study.tell(trial, group.spread.mean)

    def _changes(self, trial: Any) -> Changes:
        changes = [(parse_key(key), _value(trial, key, node)) for key, node in self.block.value.items()]
        return self.conditions.applied(tuple(sorted(changes, key=lambda change: len(change[0]))))


def _value(trial: Any, key: str, distribution: Node) -> Node:
    """Return what a trial proposes for a key."""
    [(name, given)] = distribution.value.items()
    if name == "choice":
        choices = {json.dumps(node.plain(), default=repr): node for node in given.value}
        chosen = choices[trial.suggest_categorical(key, list(choices))]
        return Node(chosen.value, chosen.mark, distribution.key_mark)
    low, high = given.plain()
    if name == "integers":
        value: float = trial.suggest_int(key, low, high)
    else:
        value = trial.suggest_float(key, low, high, log=name == "log_uniform")
    return Node(value, given.mark, distribution.key_mark)
