"""Running experiments: read, build, train, resume, and load results."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cygd.runner.assembly import Assembly, assemble
    from cygd.runner.loading import load
    from cygd.runner.runner import resume, run

__all__ = ["Assembly", "assemble", "load", "resume", "run"]

# imported on first use: loading a model does not need the training code
_MODULES = {
    "Assembly": "assembly",
    "assemble": "assembly",
    "load": "loading",
    "resume": "runner",
    "run": "runner",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
