"""cygd: many networks on the same rows, side by side by `fit_many`, or one after the other by `fit`."""

from __future__ import annotations

import numpy as np

from benchmarks.cases import MANY, Case
from benchmarks.peers.ours import build_network, skip_last_evaluation
from cygd import fit_many


class Training:
    """Networks in training."""

    def __init__(self, case: Case, threads: int, alone: bool) -> None:
        self.networks = [build_network(case, number) for number in range(MANY)]
        self.x, self.y = case.data()
        self.case, self.threads, self.alone = case, threads, alone

    def epochs(self, n: int) -> None:
        options = {
            "optimizer": self.case.optimizer,
            "learning_rate": self.case.learning_rate,
            "epochs": n,
            "batch_size": self.case.batch,
            "shuffle": False,
            "threads": self.threads,
        }
        if self.alone:
            for network in self.networks:
                network.fit(self.x, self.y, **options)
        else:
            fit_many(self.networks, self.x, self.y, **options)

    def loss(self) -> float:
        return float(np.mean([network.loss(self.x, self.y) for network in self.networks]))


def build(case: Case, threads: int, form: str = "") -> Training:
    """Return the training of a case; the form `alone` trains one network after the other."""
    skip_last_evaluation()
    return Training(case, threads, form == "alone")
