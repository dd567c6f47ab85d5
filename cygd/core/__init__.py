"""The compiled core: arrays in, arrays out, independent of YAML, plugins and files."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

try:
    from cygd.core import _f32, _f64, deterministic, dispatch, random  # noqa: F401  (submodules)
except ImportError:
    folder = Path(__file__).parent
    if any((folder / f"dispatch{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
        raise
    raise ImportError(
        f"the compiled core of cygd is not built in {folder}; start Python in another folder to use an "
        "installed cygd, or build it here: python setup.py build_ext --inplace"
    ) from None
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
