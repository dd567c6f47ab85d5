"""Benchmarks: every speed claim is a ratio to another library, measured in one run.

They measure the cygd of this checkout if its extensions are built in place, else the installed cygd.
"""

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BUILT = any((CHECKOUT / "cygd" / "core" / f"dispatch{suffix}").exists() for suffix in EXTENSION_SUFFIXES)

if not BUILT:
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != CHECKOUT]
