"""Configurations that Optuna suggests, for the block `optuna` of a sweep.

Optuna suggests configurations in rounds of fixed size. A round depends on the outcomes of all previous
rounds and on a seed, not on which run finished first, so any number of workers gets the same suggestions.
When a sweep is resumed, the rounds are replayed from the recorded runs, which also rewrites Optuna's journal.
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
from cygd.sweep.configurations import Changes, WhenConditions, parents_first
from cygd.sweep.plan import Plan
from cygd.sweep.store import Record, Store
from cygd.sweep.summary import Ranking
from cygd.sweep.tasks import Task

JOURNAL = "optuna.log"
ROUND_SIZE = 8  # configurations per round


def check_installed() -> None:
    """Raise a ConfigError if Optuna is not installed."""
    if find_spec("optuna") is None:
        hint = 'install it with: pip install "cygd[hpo]"'
        raise ConfigError("sweep.optuna requires Optuna, which is not installed", hint=hint)


def rounds(
    plan: Plan, store: Store, ranking: Ranking, records: Mapping[tuple[int, int], Record]
) -> Iterator[list[Task]]:
    """Yield the runs of each round; the caller executes a round before it asks for the next one.

    The records are the finished runs by number and rung (0: `optuna` has none); the caller adds to them.
    """
    if not plan.optuna_blocks:
        return
    store.set_aside(JOURNAL)
    for number, block in enumerate(plan.optuna_blocks):
        study = _Study(plan, block, number, store.path / JOURNAL, ranking)
        while suggested := study.ask():
            tasks = [task for repetitions in suggested for task in repetitions]
            study.check_reproduced(tasks, records)
            yield tasks
            study.tell([[records[task.number, 0] for task in repetitions] for repetitions in suggested])


class _Study:
    """An Optuna study of one block."""

    def __init__(self, plan: Plan, block: Node, number: int, journal: Path, ranking: Ranking) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        logging.getLogger("optuna").setLevel(logging.WARNING)
        self.plan, self.block, self.number, self.ranking = plan, block, number, ranking
        self.first = len(plan.configurations) + number * plan.section.samples
        self.conditions = WhenConditions(plan.document, plan.reading.experiment.resolved())
        self.n_asked = 0
        self.trials: list[Any] = []
        self.optuna: Any = optuna
        self.study: Any = optuna.create_study(
            study_name=f"{plan.name}-{number}",
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(journal))),
            direction="maximize" if ranking.greater_is_better else "minimize",
        )

    def ask(self) -> list[list[Task]]:
        """Return the repetitions of each configuration of the next round; none after the last sample."""
        count = min(ROUND_SIZE, self.plan.section.samples - self.n_asked)
        # Optuna seeds a NumPy RandomState, which takes 32 bits
        seed = (self.plan.section.seed + 1_000_003 * self.number + 7919 * self.n_asked) % 2**32
        self.study.sampler = self.optuna.samplers.TPESampler(seed=seed)
        self.trials = [self.study.ask() for _ in range(count)]
        first = self.first + self.n_asked
        self.n_asked += count
        suggested = [self._suggest(trial) for trial in self.trials]
        return [self.plan.repetitions(first + i, changes) for i, changes in enumerate(suggested)]

    def check_reproduced(self, tasks: Sequence[Task], records: Mapping[tuple[int, int], Record]) -> None:
        """Raise a ConfigError if recorded runs have other values than those suggested now."""
        for task in tasks:
            record = records.get((task.number, 0))
            if record is not None and record.values != json.loads(json.dumps(task.values)):
                version = self.optuna.__version__
                raise ConfigError(
                    f"Optuna {version} suggests other values than when the sweep was started",
                    hint="install the version of Optuna with which it was started",
                )

    def tell(self, outcomes: Sequence[Sequence[Record]]) -> None:
        """Report the mean objective of each configuration; one with a failed run counts as failed."""
        for trial, records in zip(self.trials, outcomes, strict=True):
            [group] = self.ranking.sort_groups(records)
            if group.failed:
                self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
            else:
                self.study.tell(trial, group.statistics.mean)

    def _suggest(self, trial: Any) -> Changes:
        changes = [
            (parse_key(key), _suggest_value(trial, key, node)) for key, node in self.block.value.items()
        ]
        return self.conditions.apply(parents_first(changes))


def _suggest_value(trial: Any, key: str, distribution: Node) -> Node:
    """Return the value that a trial suggests for a key."""
    [(name, arguments)] = distribution.value.items()
    if name == "choice":
        choices = {json.dumps(node.plain(), default=repr): node for node in arguments.value}
        chosen = choices[trial.suggest_categorical(key, list(choices))]
        return Node(chosen.value, chosen.mark, distribution.key_mark)
    low, high = arguments.plain()
    if name == "integers":
        value: float = trial.suggest_int(key, low, high)
    else:
        value = trial.suggest_float(key, low, high, log=name == "log_uniform")
    return Node(value, arguments.mark, distribution.key_mark)
