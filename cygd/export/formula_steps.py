"""The program of a formula as single assignments, with its scalars computed: what every backend lowers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cygd.components import Activation
from cygd.components.formula.program import Program
from cygd.core import _f32, _f64

PAIRS = ("logistic", "root_sum_and_ratio", "tanh_log1p_value_and_derivative")  # instructions of two results


@dataclass(frozen=True)
class Step:
    """One instruction: the names of its results, and its operands, names or numbers of the dtype."""

    op: str
    results: tuple[str, ...]
    operands: tuple[str | np.floating[Any], ...]


def formula_steps(activation: Activation, dtype: np.dtype[Any]) -> tuple[list[Step], str | np.floating[Any]]:
    """Return the steps from "h" to the value of a formula, and the name of that value, or its number.

    The parameters have their present values, and steps without use are left out.
    """
    programs = activation.programs
    assert programs is not None
    program = programs.forward
    [output] = range(len(program.inputs), len(program.inputs) + 1)
    first_scalar = len(program.inputs) + 1 + program.temporaries
    scalars = scalar_values(program, [activation.parameters[name] for name in activation.trainable], dtype)
    values: dict[int, str | np.floating[Any]] = dict(enumerate(program.inputs))
    values |= {first_scalar + k: value for k, value in enumerate(scalars)}
    steps: list[Step] = []
    for op, *slots in program.body:
        n_results = 2 if op in PAIRS else 1
        results, operands = slots[:n_results], [values[int(slot)] for slot in slots[n_results:]]
        if op == "copy":
            values[int(results[0])] = operands[0]
            continue
        names = tuple(f"v{len(steps)}{'ab'[k] if n_results > 1 else ''}" for k in range(n_results))
        steps.append(Step(str(op), names, tuple(operands)))
        values |= {int(slot): name for slot, name in zip(results, names, strict=True)}
    return used_steps(steps, values[output]), values[output]


def used_steps(steps: list[Step], result: str | np.floating[Any]) -> list[Step]:
    """Return the steps on which a result depends."""
    wanted, used = {result} if isinstance(result, str) else set(), []
    for step in reversed(steps):
        if not wanted.isdisjoint(step.results):
            used.append(step)
            wanted |= {operand for operand in step.operands if isinstance(operand, str)}
    return used[::-1]


def scalar_values(program: Program, uniforms: list[float], dtype: np.dtype[Any]) -> list[np.floating[Any]]:
    """Return the scalars of a program in the dtype: uniforms, constants, and the results of its prologue.

    The core computes them: each by a program that copies it.
    """
    core: Any = _f32 if dtype == np.float32 else _f64
    n_scalars = len(program.uniforms) + len(program.constants) + len(program.prologue)
    first = len(program.inputs) + 1
    h, out = np.zeros(1, dtype), np.zeros(1, dtype)
    values = []
    for k in range(n_scalars):
        copying = program._replace(outputs=("scalar",), body=(("copy", first - 1, first + k),), temporaries=0)
        core.Program(copying).run([h] * len(program.inputs), [out], uniforms)
        values.append(out[0].copy())
    return values
