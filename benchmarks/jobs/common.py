"""What the scripts share: the plan of a job, reading its data, the metrics table, early stopping.

The plan holds what must be equal for equal results: the rows of each part, the initial weights, the order of
the rows in each epoch and its learning rate. A script without it would spend time to draw them.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
PARTS = ("train", "validation", "test")


class Plan:
    """A job as `benchmarks.plans` writes it: plan.json and arrays.npz in a folder."""

    def __init__(self, folder: str) -> None:
        options = json.loads(Path(folder, "plan.json").read_text())
        arrays = dict(np.load(Path(folder, "arrays.npz")))
        self.data: dict[str, Any] = options["data"]
        self.dtype: str = options["dtype"]
        self.activations: list[str] = options["activations"]
        self.dropout: list[float] = options["dropout"]
        self.loss: str = options["loss"]
        self.optimizer: dict[str, Any] = options["optimizer"]
        self.rates: list[float] = options["rates"]
        self.batch_size: int = options["batch_size"]
        self.patience: int | None = options["patience"]
        self.loss_below: float | None = options["loss_below"]
        self.threads: int = options["threads"]
        self.rows = {part: arrays[f"rows_{part}"] for part in PARTS if f"rows_{part}" in arrays}
        self.orders = arrays["orders"]  # epochs x training rows
        self.weights = [arrays[f"w{k}"] for k in range(len(self.activations))]
        self.biases = [arrays[f"b{k}"] for k in range(len(self.activations))]

    def read(self) -> dict[str, tuple[Array, Array]]:
        """Return x and y of each part; y is class numbers for cross_entropy, else a column of numbers."""
        source = self.data["source"]
        if source == "inline":
            x, y = (np.array(self.data[name], self.dtype) for name in "xy")
            return {"train": (x, y)}
        if source == "npy":
            x, y = (np.load(self.data[name]) for name in "xy")
        else:
            x, y = self._read_csv()
        return {part: (x[rows].astype(self.dtype), y[rows]) for part, rows in self.rows.items()}

    def _read_csv(self) -> tuple[Array, Array]:
        path = Path(self.data["path"])
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            header, *lines = csv.reader(file)
        target = self.data["target"]
        inputs = self.data["inputs"] or [name for name in header if name != target]
        used = [header.index(name) for name in (*inputs, target)]
        if self.data["missing"] == "drop":
            lines = [line for line in lines if all(line[k] not in ("", "NA") for k in used)]
        columns = [np.array([line[k] for line in lines]) for k in used]
        train = self.rows["train"]
        features = [feature for column in columns[:-1] for feature in self._encode(column, train)]
        _, y = np.unique(columns[-1], return_inverse=True)
        return np.column_stack(features), y

    def _encode(self, column: Array, train: Array) -> list[Array]:
        """Scale numbers by their training rows, and encode text one-hot."""
        try:
            numbers = column.astype(float)
        except ValueError:
            return [(column == category).astype(float) for category in np.unique(column[train])]
        fitted = numbers[train]
        if self.data["scale"] == "standard":
            return [(numbers - fitted.mean()) / (fitted.std() or 1)]
        if self.data["scale"] == "minmax":
            low, high = fitted.min(), fitted.max()
            return [(numbers - low) / ((high - low) or 1)]
        return [numbers]


class Progress:
    """The metrics table of a training, and the decision when it ends.

    Attributes
    ----------
    improved : bool
        Whether the last row has the best validation loss so far.
    stop : bool
        Whether training ends after the last row.
    """

    def __init__(self, plan: Plan, out: str) -> None:
        self.plan, self.out = plan, Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.file = (self.out / "metrics.csv").open("w", newline="")
        self.writer = csv.writer(self.file)
        self.epoch, self.best, self.waited = -1, math.inf, 0
        self.improved = self.stop = False

    def add(self, metrics: dict[str, float]) -> None:
        """Write the row of an epoch; the first one is before training."""
        self.epoch += 1
        if not self.epoch:
            self.writer.writerow(["epoch", *metrics])
        self.writer.writerow([self.epoch, *metrics.values()])
        if self.plan.patience is not None:
            self.improved = metrics["validation_loss"] < self.best
            self.waited = 0 if self.improved else self.waited + 1
            self.best = min(self.best, metrics["validation_loss"])
            self.stop = self.waited >= self.plan.patience
        if self.plan.loss_below is not None:
            self.stop = self.stop or metrics["loss"] < self.plan.loss_below

    def finish(self, metrics: dict[str, float]) -> None:
        """Write the metrics of the saved model."""
        self.file.close()
        (self.out / "result.json").write_text(json.dumps({"epochs": self.epoch, "metrics": metrics}))


def evaluate(plan: Plan, outputs: Any, y: Any) -> tuple[float, float]:
    """Return loss and accuracy of NumPy outputs."""
    if plan.loss == "cross_entropy":
        correct = outputs[np.arange(len(y)), y]
        loss = -np.log(np.maximum(correct, np.finfo(outputs.dtype).tiny)).mean()
        return float(loss), float((outputs.argmax(axis=1) == y).mean())
    return float(((outputs - y) ** 2).sum() / 2), float(((outputs > 0.5) == (y > 0.5)).mean())


def named(part: str, values: tuple[float, float]) -> dict[str, float]:
    """Return loss and accuracy under the names of a part's columns."""
    prefix = "" if part == "train" else f"{part}_"
    return {f"{prefix}loss": values[0], f"{prefix}accuracy": values[1]}
