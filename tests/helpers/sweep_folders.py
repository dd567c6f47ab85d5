"""Folders of sweeps that were never run."""

import json

from cygd.report.sweep_results import read_sweep

EXPERIMENT = {
    "name": "small",
    "data": {
        "source": "synthetic",
        "kind": "moons",
        "samples": 40,
        "split": {"validation": 0.25},
    },
    "model": {"layers": [2, {"units": 1, "activation": "sigmoid"}]},
    "train": {"epochs": 2},
    "metrics": ["accuracy"],
    "log": [],
}


def write_sweep(folder, records, *, experiment=None, **plan):
    """Write the folder of a sweep: records as (configuration, seed, values, objective or error)."""
    folder.mkdir()
    content = {
        "version": 1,
        "name": "small",
        "source": "small.yaml",
        "stem": "small",
        "folder": str(folder),
        "plugins": [],
        "axes": {},
        "experiment": experiment or {**EXPERIMENT, "sweep": {"repeat": 2}},
        "fixed": [],
        "sha256": {"data": {}, "plugins": {}},
    }
    (folder / "sweep.json").write_text(json.dumps({**content, **plan}))
    lines = []
    for run, (configuration, seed, values, outcome) in enumerate(records):
        line = {"run": run, "configuration": configuration, "seed": seed, "values": values, "epochs": 10}
        if isinstance(outcome, str):
            line |= {"status": "failed", "error": outcome}
        else:
            line |= {"status": "completed", "metrics": {"validation_loss": outcome}, "seconds": 1.5}
        lines.append(json.dumps(line) + "\n")
    (folder / "runs.jsonl").write_text("".join(lines))
    return read_sweep(folder)


def grid(**keys):
    return {**EXPERIMENT, "sweep": {"grid": keys}}
