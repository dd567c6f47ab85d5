"""Records of a run: folder, checkpoints, metrics, environment, logs, result and model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cygd.tracking.directory import RunDirectory
    from cygd.tracking.model import Model
    from cygd.tracking.results import Result, Run

__all__ = ["Model", "Result", "Run", "RunDirectory"]

# imported on first use: the command line needs signal handling, but not NumPy
_MODULES = {"RunDirectory": "directory", "Model": "model", "Result": "results", "Run": "results"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
