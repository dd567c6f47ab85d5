"""Formulas: compile the text of an expression to a program that the core runs.

    text --parser--> graph --derivative--> graph --lowering--> instructions --fusion, program--> registers

Python never evaluates a formula. The graph folds constants (`constant_folding`) and applies rewrite rules
(`simplify`) as it makes a node, so that derivatives are simplified too. Quotients of sums of exponentials
get a form that does not overflow (`exponential_scaling`). Lowering is guided by how often a node is used
(`use_counts`) and which factors grow (`asymptotics`); `program` assigns registers. `compiler` runs the
stages. Names are imported on first use, because most runs have no formula.
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

_MODULES = {"FUNCTIONS": "parser", "Program": "program"}  # the other names are in compiler


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'compiler')}"), name)
    globals()[name] = value
    return value
