"""Benchmarks: every claim of speed is a ratio, measured against its peer in one run.

Measured is the cygd that is installed, or the one beside this folder where that is built.
"""

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BUILT = any((CHECKOUT / "cygd" / "core" / f"dispatch{suffix}").exists() for suffix in EXTENSION_SUFFIXES)

if not BUILT:
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != CHECKOUT]
