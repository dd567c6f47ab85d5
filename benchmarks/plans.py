"""Write the plan of a job for the scripts in `benchmarks.jobs`, from the experiment that cygd runs.

The plan gives the scripts the rows, the initial weights, the orders of the rows and the learning rates of the
run of cygd, so that all train the same updates and must reach the same losses.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from cygd.core.random import epoch_order
from cygd.data.preparation import Preparation
from cygd.runner.assembly import assemble

__all__ = ["read_metrics", "write_plan"]


def read_metrics(folder: Path) -> dict[str, list[float]]:
    """Return the columns of metrics.csv in a folder; an empty cell is NaN."""
    with (folder / "metrics.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    columns = zip(*rows, strict=True)
    return {
        name: [float(cell) if cell else np.nan for cell in column]
        for name, column in zip(header, columns, strict=True)
    }


def write_plan(folder: Path, run: Path, threads: int, dropout: bool = True) -> None:
    """Write plan.json and arrays.npz to a folder, for the experiment of a run folder of cygd.

    Parameters
    ----------
    folder : Path
        Where to write.
    run : Path
        The folder of a finished run; its metrics.csv has the learning rates.
    threads : int
        Number of threads of the scripts.
    dropout : bool
        Whether the scripts drop units, as the experiment says.
    """
    assembly = assemble(run / "config.yaml")
    resolved = assembly.resolved()
    data, layers, train = resolved["data"], resolved["model"]["layers"], resolved["train"]
    stop = resolved["stop"] or {}
    rates = read_metrics(run)["learning_rate"][1:]
    rates += rates[-1:] * (train["epochs"] - len(rates))  # a script that stops later fails the comparison
    plan = {
        "data": _source(data, run),
        "dtype": resolved["model"]["dtype"],
        "activations": [layer["activation"] for layer in layers],
        "dropout": [layer.get("dropout", 0.0) if dropout else 0.0 for layer in layers],
        "loss": resolved["loss"]["name"],
        "optimizer": resolved["optimizer"],
        "rates": rates,
        "batch_size": train["batch_size"],
        "patience": stop.get("patience"),
        "loss_below": stop.get("loss_below"),
        "threads": threads,
    }
    preparation = Preparation(assembly.experiment, None)
    samples = preparation.load(None)
    preparation.select(samples)
    split = preparation.split(preparation.drop_missing(samples))
    network, arrays = assembly.network, dict[str, Any]()
    n = len(assembly.data.train.x)
    if split is not None:
        n = len(split.train)
        rows = {"train": split.train, "validation": split.validation, "test": split.test}
        arrays = {f"rows_{part}": found for part, found in rows.items() if found is not None}
    for k, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        arrays |= {f"w{k}": w, f"b{k}": b}
    orders = [epoch_order(network.seed, epoch, n) for epoch in range(train["epochs"])]
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    np.savez(folder / "arrays.npz", orders=np.array(orders, np.int32), **arrays)


def _source(data: dict[str, Any], run: Path) -> dict[str, Any]:
    """Return what a script needs to read the data."""
    if data["source"] == "inline":
        return {name: data[name] for name in ("source", "x", "y")}
    if data["source"] == "npy":
        return {"source": "npy", "x": str(run / data["x"]), "y": str(run / data["y"])}
    (target,) = data["targets"]
    return {
        "source": "csv",
        "path": str(run / data["path"]),
        "inputs": data.get("inputs", []),
        "target": target,
        "missing": data["missing"],
        "scale": data["scale"]["inputs"],
    }
