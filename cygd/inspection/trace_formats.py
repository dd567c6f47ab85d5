"""Traces for other programs and for papers: JSON with every digit, and LaTeX with the numbers inserted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from cygd.inspection.trace_report import Output, format_number
from cygd.inspection.tracing import Array, LayerStep, ParameterStep, Step

MAX_UNITS, MAX_SAMPLES, MAX_TERMS = 6, 3, 4  # of the equations of a layer


def write_json(steps: Iterable[Step], out: Output) -> None:
    """Write steps as one JSON array; numbers read back to the same bits, infinities and NaN as null."""
    separator = "["
    for step in steps:
        text = json.dumps(step_object(step), ensure_ascii=False, allow_nan=False)
        out.write(f"{separator}{text}")
        separator = ",\n"
        out.flush()
    out.write("]\n" if separator != "[" else "[]\n")


def step_object(step: Step) -> dict[str, Any]:
    """Return a step as objects of JSON: arrays are lists of rows, (n_samples, n_units) for those of units."""
    return {
        "step": step.number,
        "epoch": step.epoch,
        "samples": [int(sample) for sample in step.samples],
        "learning_rate": _number(step.learning_rate),
        "y": _list(step.y),
        "E_of_units": _list(step.elements),
        "E": _number(step.loss),
        "layers": [_layer_object(layer) for layer in step.layers],
    }


def _layer_object(layer: LayerStep) -> dict[str, Any]:
    parameters = {"w": layer.w, "b": layer.b, "a": layer.a}
    return {
        "activation": layer.activation.name,
        "x": _list(layer.x),
        "h": _list(layer.h),
        "y_hat": _list(layer.y_hat),
        "derivative": None if layer.derivative is None else _list(layer.derivative),
        "delta": _list(layer.delta),
        **{name: _parameter_object(step) for name, step in parameters.items() if step is not None},
    }


def _parameter_object(step: ParameterStep) -> dict[str, Any]:
    return {
        "before": _list(step.value),
        "gradient": _list(step.gradient),
        "numerical_gradient": None if step.numerical is None else _list(step.numerical),
        "change": _list(step.delta),
        "after": _list(step.after),
    }


def _list(array: Array) -> Any:
    """Return an array as nested lists of floats, and None for those that are not finite."""
    if array.ndim > 1:
        return [_list(row) for row in array]
    return [_number(value) for value in array]


def _number(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None


# -- LaTeX ------------------------------------------------------------------------------------------


def write_latex(steps: Iterable[Step], out: Output) -> None:
    """Write the equations of steps with their numbers, for amsmath: an align* environment for each layer."""
    for step in steps:
        out.write("\n".join(_latex_lines(step)) + "\n")
        out.flush()


def _latex_lines(step: Step) -> Iterator[str]:
    samples = ", ".join(str(int(sample)) for sample in step.samples[:MAX_SAMPLES])
    more = r", \dots" if len(step.samples) > MAX_SAMPLES else ""
    yield f"% step {step.number}, epoch {step.epoch}"
    rate = _tex(step.learning_rate)
    yield rf"\paragraph{{Step {step.number}, samples {samples}{more}, $\eta = {rate}$}}"
    for k, layer in enumerate(step.layers):
        yield from _align(_forward(step, k, layer))
    for k in reversed(range(len(step.layers))):
        yield from _align(_backward(step, k))
    for k, layer in enumerate(step.layers):
        yield from _align(_update(step, k, layer))


def _align(equations: Iterator[str]) -> Iterator[str]:
    lines = list(equations)
    if lines:
        yield r"\begin{align*}"
        yield " \\\\\n".join(f"  {line}" for line in lines)
        yield r"\end{align*}"


def _units(step: Step, layer: LayerStep) -> Iterator[tuple[int, int, str]]:
    """Yield sample, unit and the indices of the unit's symbols."""
    many = len(step.samples) > 1
    for s in range(min(len(step.samples), MAX_SAMPLES)):
        for j in range(min(layer.h.shape[1], MAX_UNITS)):
            yield s, j, rf"{j}^{{({int(step.samples[s])})}}" if many else str(j)


def _forward(step: Step, k: int, layer: LayerStep) -> Iterator[str]:
    """h_j = sum_i w_ij x_i + b_j and y_hat_j = f(h_j), with the numbers."""
    for s, j, index in _units(step, layer):
        terms = [
            rf"{_factor(layer.w.value[i, j])} \cdot {_factor(layer.x[s, i])}"
            for i in range(min(layer.x.shape[1], MAX_TERMS))
        ]
        terms += [r"\dots"] if layer.x.shape[1] > MAX_TERMS else []
        terms += [] if layer.b is None else [_factor(layer.b.value[j])]
        yield rf"h_{{{k},{index}}} &= {' + '.join(terms)} = {_tex(layer.h[s, j])}"
        yield rf"\hat y_{{{k},{index}}} &= f(h_{{{k},{index}}}) = {_tex(layer.y_hat[s, j])}"
    if k == len(step.layers) - 1:
        yield rf"E &= {_tex(step.loss)}"


def _backward(step: Step, k: int) -> Iterator[str]:
    """The error terms: delta = -dE/dy_hat f'(h) at the output, f'(h_i) sum_j w_ij delta_j below it."""
    layer = step.layers[k]
    above = step.layers[k + 1] if k + 1 < len(step.layers) else None
    for s, i, index in _units(step, layer):
        if layer.derivative is None:
            yield rf"\delta_{{{k},{index}}} &= {_tex(layer.delta[s, i])}"
            continue
        slope = _tex(layer.derivative[s, i])
        if above is None:
            change = rf"-\frac{{\partial E}}{{\partial \hat y_{{{k},{index}}}}}"
            yield rf"f'(h_{{{k},{index}}}) &= {slope}"
            yield rf"\delta_{{{k},{index}}} &= {change} f'(h_{{{k},{index}}}) = {_tex(layer.delta[s, i])}"
            continue
        terms = [
            rf"{_factor(above.w.value[i, j])} \cdot {_factor(above.delta[s, j])}"
            for j in range(min(above.h.shape[1], MAX_TERMS))
        ]
        terms += [r"\dots"] if above.h.shape[1] > MAX_TERMS else []
        yield rf"\delta_{{{k},{index}}} &= {slope} \, ({' + '.join(terms)}) = {_tex(layer.delta[s, i])}"


def _update(step: Step, k: int, layer: LayerStep) -> Iterator[str]:
    """The gradient of each weight, its change, and its new value."""
    n_inputs, n_units = layer.w.value.shape
    for i in range(min(n_inputs, MAX_TERMS)):
        for j in range(min(n_units, MAX_UNITS)):
            w = rf"w_{{{k},{i}{j}}}"
            yield (
                rf"\frac{{\partial E}}{{\partial {w}}} &= {_tex(layer.w.gradient[i, j])}, \quad "
                rf"\Delta {w} = {_tex(layer.w.delta[i, j])}, \quad {w} \leftarrow {_tex(layer.w.after[i, j])}"
            )


def _factor(value: Any) -> str:
    """Return a number as a factor or a term, a negative one in parentheses."""
    text = _tex(value)
    return f"({text})" if text.startswith("-") else text


def _tex(value: Any) -> str:
    r"""Return a number for LaTeX.

    >>> _tex(1.5e-07), _tex(float("inf")), _tex(-0.25)
    ('1.5 \\cdot 10^{-7}', '\\infty', '-0.25')
    """
    number = float(value)
    if np.isnan(number):
        return r"\text{NaN}"
    if np.isinf(number):
        return r"-\infty" if number < 0 else r"\infty"
    mantissa, _, exponent = format_number(number).partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa
