"""Sweeps: many runs of one experiment, with other values in each.

`sweep` executes them in worker processes, `resume` executes those that are missing.

from cygd.sweep import sweep

result = sweep("experiments/xor.yaml", ["optimizer.learning_rate=0.1,0.5"])
result.best.values, result.best.metrics["loss"]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cygd.sweep.runner import Sweep, resume, sweep

__all__ = ["Sweep", "resume", "sweep"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with import_module("cygd")._import_lock:  # which says why; waits if another thread imports cygd
        value = getattr(import_module(f"{__name__}.runner"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
