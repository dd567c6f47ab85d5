"""The activations of a network as C: built-ins by name, formulas as functions of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cygd.components import Activation
from cygd.export.c99.literals import real_literal
from cygd.export.elementwise import check_expressible
from cygd.export.formula_steps import Step, formula_steps

# the instructions of formulas, as expressions or as a function of the library; a pair has two results
INSTRUCTIONS: Mapping[str, str] = {
    "neg": "-{0}",
    "abs": "abs_({0})",
    "sign": "sign_({0})",
    "sqrt": "SQRT({0})",
    "inverse": "1 / {0}",
    "finite": "clamp_finite({0})",
    "flush_subnormal": "flush_subnormal_({0})",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "minimum": "minimum_({0}, {1})",
    "maximum": "maximum_({0}, {1})",
    "fma": "fma_({0}, {1}, {2})",
    "fms": "fma_({0}, {1}, -{2})",
    "fnma": "fma_(-{0}, {1}, {2})",
    "mul3": "{0} * {1} * {2}",
    "add_mul": "({0} + {1}) * {2}",
    "mul3_fma": "fma_({0} * {1} * {2}, {3}, {4})",
    "finite_mul": "clamp_finite({0}) * {1}",
    "fma_finite": "clamp_finite(fma_({0}, {1}, {2}))",
    "add_inverse": "1 / ({0} + {1})",
    "div_add": "{0} / {1} + {2}",
    "div_add_mul": "({0} / {1} + {2}) * {3}",
    "fma_mul": "fma_({0}, {1}, {2}) * {3}",
    "mul_fma": "fma_({0} * {1}, {2}, {3})",
    "fma_sqrt": "SQRT(fma_({0}, {1}, {2}))",
    "root_sum": "root_sum_({0}, {1}, {2}).hi",
    "root_ratio": "root_sum_({0}, {1}, {2}).lo",
    "root_sum_and_ratio": "root_sum_({0}, {1}, {2})",
    "where_lt": "where_lt({0}, {1}, {2}, {3})",
    "where_le": "where_le({0}, {1}, {2}, {3})",
    "where_eq": "where_eq({0}, {1}, {2}, {3})",
    "exp": "exp_({0})",
    "exp_finite": "clamp_finite(exp_({0}))",
    "mul_exp": "exp_({0} * {1})",
    "mul_exp_finite": "clamp_finite(exp_({0} * {1}))",
    "expm1": "expm1_({0})",
    "log": "log_({0})",
    "log1p": "log1p_({0})",
    "sin": "sin_({0})",
    "cos": "cos_({0})",
    "tan": "tan_({0})",
    "sinh": "sinh_({0})",
    "cosh": "cosh_({0})",
    "tanh": "tanh_({0})",
    "arctan": "arctan_({0})",
    "sigmoid": "logistic_({0}).hi",
    "softplus": "softplus_({0})",
    "erf": "erf_({0})",
    "erfc": "erfc_({0})",
    "logistic": "logistic_({0})",
    "tanh_log1p": "tanh_log1p_({0}).hi",
    "tanh_log1p_derivative": "tanh_log1p_({0}).lo",
    "tanh_log1p_value_and_derivative": "tanh_log1p_({0})",
}


class ActivationCode(NamedTuple):
    """An activation in C."""

    definition: str  # a function to define before, or ""
    statement: str  # f(h) in place, for `n` units of the array `h`; "" for the identity


def activation_code(activation: Activation, index: int, dtype: np.dtype[Any]) -> ActivationCode:
    """Return the C of the activation of a layer, or raise an ExportError that names it."""
    check_expressible(activation, "C")
    if activation.kernel == "identity":
        return ActivationCode("", "")
    if activation.kernel == "softmax":
        return ActivationCode("", "softmax_(h, n);")
    if activation.kernel:
        parameters = [real_literal(dtype.type(value)) for value in activation.parameters.values()]
        call = f"{activation.kernel}_({', '.join(['h[j]', *parameters])})"
        return ActivationCode("", f"for (j = 0; j < n; j++) h[j] = {call};")
    name = f"activation_{index}"
    return ActivationCode(
        formula_function(name, activation, dtype), f"for (j = 0; j < n; j++) h[j] = {name}(h[j]);"
    )


def formula_function(name: str, activation: Activation, dtype: np.dtype[Any]) -> str:
    """Return the function of a formula: its instructions in the order in which the core runs them."""
    steps, result = formula_steps(activation, dtype)
    lines = [f"    {_statement(step)}" for step in steps]
    return "\n".join(
        [f"static inline real {name}(real h) {{", *lines, f"    return {_operand(result)};", "}"]
    )


def _statement(step: Step) -> str:
    expression = INSTRUCTIONS[step.op].format(*map(_operand, step.operands))
    if len(step.results) == 1:
        return f"const real {step.results[0]} = {expression};"
    first = step.results[0].removesuffix("a")
    return f"const pair {first} = {expression};"


def _operand(value: str | np.floating[Any]) -> str:
    """Return a number or a value in C; the two results of an instruction are parts of a pair."""
    if not isinstance(value, str):
        literal = real_literal(value)
        return f"({literal})" if literal.startswith("-") else literal
    return f"{value[:-1]}.{'hi' if value[-1] == 'a' else 'lo'}" if value[-1] in "ab" else value
