"""The compiled core: arrays in, arrays out. It knows no YAML, no plugins and no files."""

from __future__ import annotations

from cygd.core import _f32, _f64, deterministic, dispatch, random  # noqa: F401  (loaded with the core)
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
    """Return what the build offers here: CPU level in use, levels to choose from, OpenMP."""
    return {"level": dispatch.level(), "levels": dispatch.levels(), "openmp": _f64.OPENMP}
