"""PyTorch: modules and fused optimizers, batches by index without a DataLoader, which would be slower."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.jobs.common import Plan, Progress, named

ACTIVATIONS = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid}


def network(plan: Plan) -> torch.nn.Sequential:
    """Return the network with its initial weights; the loss contains the softmax."""
    layers: list[torch.nn.Module] = []
    for w, b, activation, dropout in zip(
        plan.weights, plan.biases, plan.activations, plan.dropout, strict=True
    ):
        linear = torch.nn.Linear(*w.shape, dtype=getattr(torch, plan.dtype))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T.copy()))
            linear.bias.copy_(torch.from_numpy(b))
        layers.append(linear)
        if activation != "softmax":
            layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(torch.nn.Dropout(dropout))
    return torch.nn.Sequential(*layers)


def main(folder: str, out: str) -> None:
    """Run the job of a plan."""
    plan = Plan(folder)
    torch.set_num_threads(plan.threads)
    torch.manual_seed(0)
    softmax = plan.loss == "cross_entropy"
    data = {
        part: (torch.from_numpy(x), torch.from_numpy(y if softmax else y.astype(plan.dtype)))
        for part, (x, y) in plan.read().items()
    }
    model = network(plan)
    criterion: Any = torch.nn.CrossEntropyLoss() if softmax else lambda y_hat, y: ((y_hat - y) ** 2).sum() / 2
    rate = plan.rates[0]
    optimizer: Any = (
        torch.optim.Adam(model.parameters(), lr=rate, fused=True)
        if plan.optimizer["name"] == "adam"
        else torch.optim.SGD(
            model.parameters(), lr=rate, momentum=plan.optimizer.get("momentum", 0), fused=True
        )
    )

    @torch.inference_mode()
    def measure(parts: tuple[str, ...]) -> dict[str, float]:
        model.eval()
        values: dict[str, float] = {}
        for part in parts:
            if part in data:
                x, y = data[part]
                outputs = model(x)
                right = outputs.argmax(dim=1) == y if softmax else (outputs > 0.5) == (y > 0.5)
                values |= named(part, (criterion(outputs, y).item(), right.double().mean().item()))
        model.train()
        return values

    progress = Progress(plan, out)
    progress.add(measure(("train", "validation")))
    best: Any = None
    x, y = data["train"]
    for epoch_rate, order in zip(plan.rates, plan.orders, strict=True):
        optimizer.param_groups[0]["lr"] = epoch_rate
        for batch in torch.from_numpy(order).split(plan.batch_size):
            optimizer.zero_grad()
            criterion(model(x[batch]), y[batch]).backward()
            optimizer.step()
        progress.add(measure(("train", "validation")))
        if progress.improved:
            best = copy.deepcopy(model.state_dict())
        if progress.stop:
            break
    if best is not None:
        model.load_state_dict(best)
    torch.save(model.state_dict(), Path(out, "model.pt"))
    progress.finish(measure(("train", "validation", "test")))


if __name__ == "__main__":
    main(*sys.argv[1:])
