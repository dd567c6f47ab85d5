"""Classifiers with scikit-learn's interface: that of cygd, and MLPClassifier; `epochs` is a whole fit."""

from __future__ import annotations

import time
import warnings
from math import nan
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.estimators import FitCase
from cygd.sklearn import NetworkClassifier


class Fits:
    """Fits of one estimator, each from the same initial weights on."""

    def __init__(self, case: FitCase, form: str) -> None:
        shared = {
            "hidden_layer_sizes": case.hidden,
            "activation": "relu",
            "batch_size": case.batch,
            "learning_rate_init": case.learning_rate,
            "random_state": 0,
        }
        self.case = case
        self.model: Any = (
            NetworkClassifier(**shared, optimizer="adam", tol=None)
            if form == "cygd"
            else MLPClassifier(**shared, solver="adam", tol=0.0, n_iter_no_change=10**6)
        )
        self.x, self.y, self.test_x, self.test_y = case.data()
        self.fitted = False

    def epochs(self, n: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is given
            self.model.set_params(max_iter=n).fit(self.x, self.y)
        assert self.model.n_iter_ == n, f"stopped after {self.model.n_iter_} of {n} epochs"
        self.fitted = True

    def loss(self) -> float:
        return 1 - self.model.score(self.test_x, self.test_y) if self.fitted else nan

    def seconds_of_fit(self) -> float:
        """Return the seconds of a fit of all epochs."""
        began = time.perf_counter()
        self.epochs(self.case.checked)
        return time.perf_counter() - began


def build(case: FitCase, threads: int, form: str) -> Fits:
    """Return the fits of a case; the process sets the number of threads."""
    return Fits(case, form)
