"""Formulas: text -> graph -> derivative -> program for the core.

    text --parsing--> nodes --derivative--> nodes --lowering--> instructions --program--> registers

Nothing but the standard library is needed, and nothing is evaluated by Python. Names are imported when
they are first used: most runs have no formula.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cygd.components.formula.compiler import (
        ActivationPrograms,
        LossPrograms,
        compile_activation,
        compile_loss,
        compile_update,
    )
    from cygd.components.formula.parser import FUNCTIONS
    from cygd.components.formula.program import Program

__all__ = [
    "FUNCTIONS",
    "ActivationPrograms",
    "LossPrograms",
    "Program",
    "compile_activation",
    "compile_loss",
    "compile_update",
]

_HOMES = {"FUNCTIONS": "cygd.components.formula.parser", "Program": "cygd.components.formula.program"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'cygd.components.formula' has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "cygd.components.formula.compiler")), name)
    globals()[name] = value
    return value
