"""cygd: `Network.fit` without shuffling, many epochs in one call."""

from __future__ import annotations

from benchmarks.cases import Case
from cygd import Network
from cygd.components import Optimizer, resolve
from cygd.network import recording, training


def build_network(case: Case, number: int = 0) -> Network:
    """Return the network of a case, one of many, with its initial weights."""
    hidden = [(units, case.activation) for units in case.widths[1:-1]]
    last = (case.widths[-1], "softmax" if case.softmax else "identity")
    loss = "cross_entropy" if case.softmax else "mse"
    network = Network(case.widths[0], [*hidden, last], loss=loss, dtype="float32")
    for w, b, (given, shift) in zip(network.weights, network.biases, case.parameters(number), strict=True):
        assert b is not None
        w[...], b[...] = given, shift
    return network


class Training:
    """A network in training."""

    def __init__(self, case: Case, threads: int) -> None:
        self.network = build_network(case)
        self.x, self.y = case.data()
        self.case, self.threads = case, threads
        optimizer = resolve("optimizer", {"name": case.optimizer, "learning_rate": case.learning_rate})
        assert isinstance(optimizer, Optimizer)
        self.optimizer = optimizer  # reused, so that its state continues

    def epochs(self, n: int) -> None:
        history = self.network.fit(
            self.x,
            self.y,
            optimizer=self.optimizer,
            epochs=n * (self.case.steps if self.case.full else 1),
            batch_size=self.case.batch,
            shuffle=False,
            threads=self.threads,
        )
        assert not history.get("loss"), "fit has evaluated the loss, which the peers do not"

    def loss(self) -> float:
        return self.network.loss(self.x, self.y)


def build(case: Case, threads: int) -> Training:
    """Return the training of a case."""
    skip_last_evaluation()
    return Training(case, threads)


def skip_last_evaluation() -> None:
    """Keep `fit` from evaluating the loss over all rows after its last epoch, as the peers do not."""
    recording.Recording.prepare = _prepare_without_last  # type: ignore[method-assign]
    training.TrainingLoop.finish = lambda loop: loop.history  # type: ignore[method-assign]


_prepare = recording.Recording.prepare


def _prepare_without_last(
    self: recording.Recording, evaluate_every: int, epochs: int, milliseconds: float, hashed: bool
) -> None:
    """Prepare for one epoch more, so that the last one is not evaluated."""
    _prepare(self, evaluate_every, epochs + 1, milliseconds, hashed)
