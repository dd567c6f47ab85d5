"""scikit-learn: MLPRegressor and MLPClassifier; one call of partial_fit is an epoch of batches."""

from __future__ import annotations

from typing import Any

from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.cases import Case


class Training:
    """An estimator in training."""

    def __init__(self, case: Case) -> None:
        self.case = case
        kind = MLPClassifier if case.softmax else MLPRegressor
        # its loss is half the squared error summed over the outputs; Adam is invariant to the factor
        halved = case.optimizer == "sgd" and not case.softmax
        rate = case.learning_rate * (2 / case.widths[-1] if halved else 1)
        self.model: Any = kind(
            hidden_layer_sizes=case.widths[1:-1],
            activation=case.activation,
            solver=case.optimizer,
            alpha=0,
            batch_size=case.batch,
            learning_rate_init=rate,
            momentum=0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        self.x, y = case.data()
        self.y = y.argmax(axis=1) if case.softmax else y[:, 0] if y.shape[1] == 1 else y
        self.options = {"classes": range(case.widths[-1])} if case.softmax else {}
        self.model.partial_fit(self.x, self.y, **self.options)  # creates its arrays
        for w, b, (given, shift) in zip(
            self.model.coefs_, self.model.intercepts_, case.parameters(), strict=True
        ):
            w[...], b[...] = given, shift
        del self.model._optimizer  # the next call creates a new one

    def epochs(self, n: int) -> None:
        for _ in range(n * (self.case.steps if self.case.full else 1)):
            self.model.partial_fit(self.x, self.y)

    def loss(self) -> float:
        if self.case.softmax:
            p = self.model.predict_proba(self.x)
            return float(log_loss(self.y, p, labels=list(range(self.case.widths[-1]))))
        return float(((self.model.predict(self.x) - self.y) ** 2).mean())


def build(case: Case, threads: int) -> Training:
    """Return the training of a case; the process sets the number of threads."""
    return Training(case)
