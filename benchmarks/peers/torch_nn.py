"""PyTorch: modules, autograd and the fused optimizers, over batches that were cut before."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.cases import Case


class Training:
    """A torch.nn.Sequential on its way."""

    def __init__(self, case: Case, compiled: bool) -> None:
        f = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[case.activation]
        layers: list[Any] = []
        for w, b in case.parameters():
            linear = torch.nn.Linear(*w.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(w.T.copy()))
                linear.bias.copy_(torch.from_numpy(b))
            layers += [linear, f()]
        model = torch.nn.Sequential(*layers[:-1])
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[case.optimizer]
        self.optimizer: Any = kind(model.parameters(), lr=case.learning_rate, fused=True)
        self.lost: Any = torch.nn.CrossEntropyLoss() if case.softmax else torch.nn.MSELoss()

        def loss(x: Any, y: Any) -> Any:
            return self.lost(model(x), y)

        self.whole = loss
        self.forward = torch.compile(loss) if compiled else loss
        x, y = case.data()
        self.x = torch.from_numpy(x)
        self.y = torch.from_numpy(y.argmax(axis=1) if case.softmax else y)
        batches = list(zip(self.x.split(case.batch), self.y.split(case.batch), strict=True))
        self.batches = batches * case.steps if case.full else batches

    def epochs(self, n: int) -> None:
        for _ in range(n):
            for x, y in self.batches:
                self.optimizer.zero_grad()
                self.forward(x, y).backward()
                self.optimizer.step()

    def loss(self) -> float:
        with torch.no_grad():
            return float(self.whole(self.x, self.y))


def build(case: Case, threads: int, form: str = "eager") -> Training:
    """Return the training of a case, in eager operations or compiled."""
    torch.set_num_threads(threads)
    return Training(case, form == "compiled")
