"""PyTorch over precomputed batches: modules with the fused optimizers, or a compiled step."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.cases import Case

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
ACTIVATIONS = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}


class Training:
    """The module with its initial weights and the batches, which both forms share."""

    def __init__(self, case: Case) -> None:
        self.case = case
        layers: list[Any] = []
        for w, b in case.parameters():
            linear = torch.nn.Linear(*w.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(w.T.copy()))
                linear.bias.copy_(torch.from_numpy(b))
            layers += [linear, ACTIVATIONS[case.activation]()]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.criterion: Any = torch.nn.CrossEntropyLoss() if case.softmax else torch.nn.MSELoss()
        x, y = case.data()
        self.x = torch.from_numpy(x)
        self.y = torch.from_numpy(y.argmax(axis=1) if case.softmax else y)
        batches = list(zip(self.x.split(case.batch), self.y.split(case.batch), strict=True))
        self.batches = batches * case.steps if case.full else batches

    def loss(self) -> float:
        with torch.no_grad():
            return float(self.criterion(self.model(self.x), self.y))


class Eager(Training):
    """The training loop of PyTorch's tutorials."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[case.optimizer]
        self.optimizer: Any = kind(self.model.parameters(), lr=case.learning_rate, fused=True)

    def epochs(self, n: int) -> None:
        for _ in range(n):
            for x, y in self.batches:
                self.optimizer.zero_grad()
                self.criterion(self.model(x), y).backward()
                self.optimizer.step()


class Compiled(Training):
    """Forward pass, backward pass and update in one torch.compile: faster than compiling only the model."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.w = {name: w.detach() for name, w in self.model.named_parameters()}
        self.m = {name: torch.zeros_like(w) for name, w in self.w.items()}
        self.v = {name: torch.zeros_like(w) for name, w in self.w.items()}
        self.t = torch.zeros(())
        rate, adam = case.learning_rate, case.optimizer == "adam"

        def objective(w: Any, x: Any, y: Any) -> Any:
            return self.criterion(torch.func.functional_call(self.model, w, (x,)), y)

        def step(w: Any, m: Any, v: Any, t: Any, x: Any, y: Any) -> Any:
            g, loss = torch.func.grad_and_value(objective)(w, x, y)
            if adam:
                t.add_(1)
                eta, root = rate / (1 - BETA1**t), 1 / torch.sqrt(1 - BETA2**t)
            for name in w:
                if adam:
                    m[name].mul_(BETA1).add_(g[name], alpha=1 - BETA1)
                    v[name].mul_(BETA2).add_(g[name] * g[name], alpha=1 - BETA2)
                    w[name].sub_(eta * m[name] / (v[name].sqrt() * root + EPSILON))
                else:
                    w[name].sub_(g[name], alpha=rate)
            return loss

        self.step = torch.compile(step)

    def epochs(self, n: int) -> None:
        with torch.no_grad():
            for _ in range(n):
                for x, y in self.batches:
                    self.step(self.w, self.m, self.v, self.t, x, y)


def build(case: Case, threads: int, form: str = "eager") -> Training:
    """Return the training of a case, eager or compiled."""
    torch.set_num_threads(threads)
    torch.compiler.reset()  # otherwise later cases fill the compiler's cache and run uncompiled
    return Compiled(case) if form == "compiled" else Eager(case)
