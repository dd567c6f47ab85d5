"""Hold cygd and its peers to one CPU level.

A library selects its instructions when it is imported. The variables of a level are therefore set in the
environment of a child process, one per level; `benchmarks.instructions` verifies that the libraries obey.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from benchmarks.workers import xla_flags

__all__ = ["environment", "levels_to_measure"]

# at v3; XLA's limit does not reach the libraries that it calls for matrix products: oneDNN has a limit of its
# own, YNNPACK has none and is left out
XLA_AVX2 = "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type="
AVX2 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+fma",
    # the C library's memcpy and strlen
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512BW,-AVX512VL",
}


def levels_to_measure(available: Sequence[str], requested: Sequence[str], quick: bool) -> list[str]:
    """Return the levels to run: those requested, or all above base; with `quick`, the highest one.

    Raises
    ------
    ValueError
        If this machine lacks a requested level.
    """
    for level in requested:
        if level not in available:
            known = ", ".join(available)
            raise ValueError(f"expected a level of this machine ({known}), got {level!r}")
    if requested:
        return [level for level in available if level in requested]
    return list(available[-1:] if quick else available[1:] or available)


def environment(level: str, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment in which cygd and all peers run at a level; by default based on os.environ."""
    variables = dict(os.environ if given is None else given)
    variables["CYGD_CPU"] = level
    if level == "v3":
        variables |= AVX2
        variables["XLA_FLAGS"] = xla_flags(XLA_AVX2, variables)
        if features := _numpy_features_above_avx2():
            variables["NPY_DISABLE_CPU_FEATURES"] = features
    return variables


@functools.cache
def _numpy_features_above_avx2() -> str:
    """Return the features of NumPy's dispatch above AVX2 that this CPU has, as NumPy names them.

    A child process lists them, because in this one they may be disabled already.
    """
    program = (
        "from numpy._core import _multiarray_umath as m; "
        "print(*(f for f in m.__cpu_dispatch__ if m.__cpu_features__[f] and ('512' in f or f == 'X86_V4')))"
    )
    clean = {name: value for name, value in os.environ.items() if name != "NPY_DISABLE_CPU_FEATURES"}
    try:
        found = subprocess.run(
            [sys.executable, "-c", program], env=clean, capture_output=True, text=True, check=True
        )
    except subprocess.CalledProcessError:  # NumPy before 2.0 has no _core
        return ""
    return found.stdout.strip()
