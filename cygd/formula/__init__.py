"""Formulas: text -> graph -> derivative -> program for the core.

    text --parsing--> nodes --derivative--> nodes --lowering--> instructions --program--> registers

Nothing but the standard library is needed, and nothing is evaluated by Python.
"""

from cygd.formula.compiler import (
    ActivationPrograms,
    LossPrograms,
    compile_activation,
    compile_loss,
    compile_update,
)
from cygd.formula.parsing import FUNCTIONS
from cygd.formula.program import Program

__all__ = [
    "FUNCTIONS",
    "ActivationPrograms",
    "LossPrograms",
    "Program",
    "compile_activation",
    "compile_loss",
    "compile_update",
]
