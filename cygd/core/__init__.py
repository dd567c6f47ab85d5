"""The compiled core: arrays in, arrays out, independent of YAML, plugins and files."""

from __future__ import annotations

from cygd.core import _f32, _f64, deterministic, dispatch, random  # noqa: F401  (submodules)
from cygd.core._f64 import names
from cygd.core.primitives import (
    activate,
    derivative,
    error_term,
    hidden_error_term,
    net_input,
    output,
    real_array,
    sse,
    weight_step,
)

__all__ = [
    "activate",
    "derivative",
    "error_term",
    "hidden_error_term",
    "info",
    "names",
    "net_input",
    "output",
    "real_array",
    "sse",
    "weight_step",
]


def info() -> dict[str, object]:
    """Return the CPU level in use, the levels available on this machine, and whether OpenMP is."""
    return {"level": dispatch.level(), "levels": dispatch.levels(), "openmp": _f64.OPENMP}
