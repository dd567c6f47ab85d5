# cython: wraparound=True
"""Select the CPU level at import and hold its kernel tables.

A level's module is imported only on a CPU that supports the level, because its initialization is compiled
for the level as well. `CYGD_CPU` forces a level; one that the CPU or the build does not support raises an
ImportError instead of crashing.
"""

import os
from importlib import import_module
from importlib.util import find_spec

from cpython.pycapsule cimport PyCapsule_GetPointer

cdef extern from "simd/vec.h":
    int cpu_level()

LEVELS = {"base": 2, "v3": 3, "v4": 4}
_levels = []        # that this machine and this build support
_loaded = []        # the name of the level in use and its modules, which own the tables


def levels():
    """Return the names of the CPU levels that this machine and this build support, lowest first."""
    if not _levels:
        highest = cpu_level()
        _levels.extend(
            name for name, number in LEVELS.items()
            if number <= highest and find_spec(f"cygd.core.kernels.f64_{name}") is not None
        )
    return list(_levels)


def level():
    """Return the name of the level in use."""
    return _loaded[0]


def select(name):
    """Use the kernels of a level from now on; existing engines keep theirs.

    Raises
    ------
    ImportError
        If the name is unknown, or if the CPU or the build does not support the level.
    """
    global kernels_f32, kernels_f64
    if name not in LEVELS:
        raise ImportError(f"unknown CPU level {name!r}: CYGD_CPU is one of {', '.join(LEVELS)}")
    if name not in levels():
        raise ImportError(
            f"CPU level {name!r} is not supported on this machine: "
            f"CYGD_CPU may be {', '.join(levels())}, or unset for the best of them"
        )
    modules = [import_module(f"cygd.core.kernels.{dtype}_{name}") for dtype in ("f32", "f64")]
    kernels_f32 = <f32.kernels *> PyCapsule_GetPointer(modules[0].capsule, "cygd.kernels.v1")
    kernels_f64 = <f64.kernels *> PyCapsule_GetPointer(modules[1].capsule, "cygd.kernels.v1")
    _loaded[:] = [name, modules]


select(os.environ.get("CYGD_CPU") or levels()[-1])
