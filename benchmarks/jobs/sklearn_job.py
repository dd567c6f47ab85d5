"""scikit-learn: MLPClassifier, one call of partial_fit per epoch.

It has no dropout, and only cross-entropy for classes. The rate of an epoch is set on its optimizer.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import joblib
from sklearn.neural_network import MLPClassifier

from benchmarks.jobs.common import Plan, Progress, evaluate, named


def main(folder: str, out: str) -> None:
    """Run the job of a plan."""
    plan = Plan(folder)
    data = plan.read()
    x, y = data["train"]
    model: Any = MLPClassifier(
        hidden_layer_sizes=[w.shape[1] for w in plan.weights[:-1]],
        activation=plan.activations[0],
        solver=plan.optimizer["name"],
        alpha=0,
        batch_size=plan.batch_size,
        learning_rate_init=plan.rates[0],
        momentum=plan.optimizer.get("momentum", 0),
        nesterovs_momentum=False,
        shuffle=False,
    )
    model.partial_fit(x[: plan.batch_size], y[: plan.batch_size], classes=range(plan.weights[-1].shape[1]))
    model.coefs_ = [w.copy() for w in plan.weights]
    model.intercepts_ = [b.copy() for b in plan.biases]
    del model._optimizer  # the next call creates a new one

    def measure(parts: tuple[str, ...]) -> dict[str, float]:
        values: dict[str, float] = {}
        for part in parts:
            if part in data:
                values |= named(part, evaluate(plan, model.predict_proba(data[part][0]), data[part][1]))
        return values

    progress = Progress(plan, out)
    progress.add(measure(("train", "validation")))
    best: Any = None
    for rate, order in zip(plan.rates, plan.orders, strict=True):
        if progress.epoch:
            model._optimizer.learning_rate_init = rate
        model.partial_fit(x[order], y[order])
        progress.add(measure(("train", "validation")))
        if progress.improved:
            best = [w.copy() for w in model.coefs_], [b.copy() for b in model.intercepts_]
        if progress.stop:
            break
    if best is not None:
        model.coefs_, model.intercepts_ = best
    joblib.dump(model, Path(out, "model.joblib"))
    progress.finish(measure(("train", "validation", "test")))


if __name__ == "__main__":
    main(*sys.argv[1:])
