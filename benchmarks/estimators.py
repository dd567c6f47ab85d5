"""Compare NetworkClassifier with scikit-learn's MLPClassifier, and with `Network.fit` alone."""

from __future__ import annotations

import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import Comparison, compare, summarize
from benchmarks.report import Section, Table, progress, ratio_cell, verdict, versions
from benchmarks.workers import Worker

TEXT = """
Whole fits in float32, relu, softmax and Adam with scikit-learn's defaults, from random weights of each
library's own, with shuffling and without early stopping. Each side runs in a process that is pinned to one
core, and the processes are timed alternately. The score is the accuracy on rows that were held out; both must
reach it within 0.01. Ratios are medians over the rounds, with the interquartile range in brackets.
"""
LEAST = 3.0  # minimum speedup over MLPClassifier
SAME = 0.01  # maximum difference of the scores
OVERHEAD = 300  # maximum microseconds of a fit besides those of `Network.fit`
IMPORT = 60  # maximum milliseconds of `import cygd.sklearn` besides those of `import sklearn`
IMPORT_CODE = """
import time
import sklearn
began = time.process_time()
import cygd.sklearn
print(time.process_time() - began)
"""


@dataclass(frozen=True)
class FitCase:
    """A fit of a classifier.

    Attributes
    ----------
    name : {"digits", "blobs"}
        The digits of scikit-learn, or 10 overlapping clusters in 784 dimensions.
    rows : int
        Of training and of test rows together.
    hidden : tuple of int
    batch : int
    checked : int
        Epochs.
    learning_rate : float
    """

    name: str
    rows: int
    hidden: tuple[int, ...]
    batch: int
    checked: int
    learning_rate: float = 1e-3

    @property
    def label(self) -> str:
        """The training rows and the layer sizes."""
        x, *_ = self.data()
        return f"{self.name}, {len(x)} x {x.shape[1]}, {'-'.join(map(str, self.hidden))}-10"

    def data(self) -> tuple[Any, Any, Any, Any]:
        """Return x and y of the training rows, and of the test rows."""
        rng = np.random.default_rng(0)
        if self.name == "digits":
            from sklearn.datasets import load_digits

            x, y = load_digits(return_X_y=True)
            x = x[: self.rows] / 16
            y = y[: self.rows]
        else:
            y = rng.integers(0, 10, self.rows)
            x = 0.12 * rng.normal(size=(10, 784))[y] + rng.normal(size=(self.rows, 784))
        order = rng.permutation(len(x))
        x, y, n_test = x[order].astype(np.float32), y[order], len(x) // 6
        return x[n_test:], y[n_test:], x[:n_test], y[:n_test]


CASES = [
    FitCase("digits", 1797, (64,), 32, 60),
    FitCase("digits", 1797, (64, 32), 200, 100),
    FitCase("blobs", 12_000, (128,), 128, 10),
    FitCase("blobs", 12_000, (512, 256), 256, 5),
]


def run(quick: bool = False) -> Section:
    """Measure the fits and the overheads."""
    text = f"{TEXT.strip()}\n\nPeer: {versions('scikit-learn')}."
    tables = [_fits(2 if quick else 7, quick), _overhead(3 if quick else 15, quick)]
    return Section("estimators", "Estimators for scikit-learn", text, tables)


def _fits(rounds: int, quick: bool) -> Table:
    head = ["data", "batch, epochs", "cygd, s", "MLPClassifier", "scores", "target"]
    table = Table("Fits with one thread", head)
    with ExitStack() as stack:
        sides = {
            form: stack.enter_context(Worker(f"estimators:{form}", 1)) for form in ("cygd", "MLPClassifier")
        }
        for case in CASES[:1] if quick else CASES:
            progress(case.label)
            scores = {form: 1 - worker.ask("build", case)[1] for form, worker in sides.items()}
            times: dict[str, list[float]] = {form: [] for form in sides}
            for turn in range(rounds):
                for form in list(sides)[:: 1 if turn % 2 == 0 else -1]:
                    times[form].append(sides[form].ask("call", "seconds_of_fit"))
            table.rows.append(_row(case, summarize(times), scores))
    return table


def _row(case: FitCase, comparison: Comparison, scores: dict[str, float]) -> list[str]:
    same = abs(scores["cygd"] - scores["MLPClassifier"]) <= SAME
    targets = [
        verdict(f"{LEAST:g}", comparison.ratios["MLPClassifier"] >= LEAST),
        verdict(f"scores within {SAME:g}", same),
    ]
    return [
        case.label,
        f"{case.batch}, {case.checked}",
        f"{comparison.seconds['cygd']:.3f}",
        ratio_cell(comparison, "MLPClassifier"),
        f"{scores['cygd']:.3f}, {scores['MLPClassifier']:.3f}",
        ", ".join(targets),
    ]


def _overhead(rounds: int, quick: bool) -> Table:
    """Measure what an estimator adds to a small fit, and its import."""
    from cygd import Network
    from cygd.sklearn import NetworkClassifier

    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(150, 4)), rng.integers(0, 3, 150)
    y = np.eye(3)[labels]
    model = NetworkClassifier((16,), batch_size=32, max_iter=10, tol=None, random_state=0)

    def fit() -> None:
        layers = [{"units": 16, "activation": "relu"}, {"units": 3, "activation": "softmax"}]
        Network(4, layers, loss="cross_entropy").fit(x, y, "adam", epochs=10, threads=1)

    comparison = compare({"network": fit, "estimator": lambda: model.fit(x, labels)}, rounds, 0.05)
    beyond = 1e6 * (comparison.seconds["estimator"] - comparison.seconds["network"])
    table = Table("Overhead", ["what", "alone", "with cygd.sklearn", "difference", "target"])
    table.rows.append(
        [
            "a fit of 150 x 4, 16-3, against a new Network and its fit",
            f"{1e6 * comparison.seconds['network']:.0f} us",
            f"{1e6 * comparison.seconds['estimator']:.0f} us",
            f"{beyond:.0f} us",
            verdict(f"at most {OVERHEAD} us", beyond <= OVERHEAD),
        ]
    )
    took = statistics.median(_import_seconds() for _ in range(1 if quick else 9))
    target = verdict(f"at most {IMPORT} ms", 1e3 * took <= IMPORT)
    table.rows.append(["import cygd.sklearn after import sklearn", "-", "-", f"{1e3 * took:.0f} ms", target])
    return table


def _import_seconds() -> float:
    done = subprocess.run([sys.executable, "-c", IMPORT_CODE], capture_output=True, text=True, check=True)
    return float(done.stdout)
