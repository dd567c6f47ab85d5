"""Gradient descent for neural networks: a compiled core and a plugin-based experiment runner.

    import cygd

    result = cygd.run("experiments/xor.yaml")     # train what a YAML file describes
    model = cygd.load(result.directory)           # and predict with it later
    cygd.resume(directory)                        # resume a run that was stopped
    net = cygd.Network(n_inputs=2, layers=[(3, "tanh"), (1, "sigmoid")])    # or without YAML
    cygd.core.sse(y, y_hat)                       # or the bare equations

Names are imported on first use, so that `import cygd` is fast and a plugin that needs only `Activation` does
not load the runner.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cygd import core
    from cygd.components import Activation, Initializer, Logger, Loss, Metric, Optimizer, Schedule
    from cygd.data import Dataset, DataSource
    from cygd.errors import (
        CheckpointError,
        ConfigError,
        CygdError,
        DataError,
        FormulaError,
        PluginError,
        RunError,
    )
    from cygd.network import Network, fit_many
    from cygd.plugins.hookspecs import hookimpl
    from cygd.runner.loading import load
    from cygd.runner.runner import resume, run
    from cygd.tracking.model import Model
    from cygd.tracking.results import Result

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "CheckpointError",
    "ConfigError",
    "CygdError",
    "DataError",
    "DataSource",
    "Dataset",
    "FormulaError",
    "Initializer",
    "Logger",
    "Loss",
    "Metric",
    "Model",
    "Network",
    "Optimizer",
    "PluginError",
    "Result",
    "RunError",
    "Schedule",
    "__version__",
    "core",
    "fit_many",
    "hookimpl",
    "load",
    "loss_surface",
    "resume",
    "run",
    "trace",
]

_HOMES = {
    "cygd.components": ("Activation", "Initializer", "Logger", "Loss", "Metric", "Optimizer", "Schedule"),
    "cygd.data": ("DataSource", "Dataset"),
    "cygd.errors": (
        "CheckpointError",
        "ConfigError",
        "CygdError",
        "DataError",
        "FormulaError",
        "PluginError",
        "RunError",
    ),
    # not imported above: inspection is in the same layer
    "cygd.inspection": ("loss_surface", "trace"),
    "cygd.network": ("Network", "fit_many"),
    "cygd.plugins.hookspecs": ("hookimpl",),
    "cygd.runner.loading": ("load",),
    "cygd.runner.runner": ("resume", "run"),
    "cygd.tracking.model": ("Model",),
    "cygd.tracking.results": ("Result",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

# Two threads that import modules of one package at the same time may see each other's unfinished modules:
# Python prefers that to a deadlock. No module of cygd imports one of these names, so this lock causes none.
# cygd.testing and cygd.sweep, which users import directly, take it for their names too.
_import_lock = RLock()
os.register_at_fork(after_in_child=_import_lock._at_fork_reinit)  # type: ignore[attr-defined]


def __getattr__(name: str) -> Any:
    if name == "core":
        return import_module("cygd.core")
    if f"cygd.{name}" in sys.modules:  # another thread imports it and has not set the attribute yet
        return import_module(f"cygd.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'cygd' has no attribute {name!r}")
    with _import_lock:
        value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
