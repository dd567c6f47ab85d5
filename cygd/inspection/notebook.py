"""Traces in a notebook."""

from __future__ import annotations

from cygd.display.html import Table, block
from cygd.errors import format_count
from cygd.inspection.trace_report import format_number, step_title, unit_table, weight_table
from cygd.inspection.tracing import Step

MAX_STEPS = 10


def describe_steps(steps: list[Step]) -> str:
    """Return the HTML of a trace: tables of each layer, with the equation above each column."""
    parts: list[str | Table] = []
    for step in steps[:MAX_STEPS]:
        parts.append(step_title(step))
        for k, layer in enumerate(step.layers):
            n_inputs, n_units = layer.w.value.shape
            shape = f"{format_count(n_inputs, 'input')}, {format_count(n_units, 'unit')}"
            caption = f"layer {k}: {shape}, f = {layer.activation.name}"
            head, rows, total = unit_table(step, k)
            is_last = k == len(step.layers) - 1
            parts.append(Table(_equations(head, is_last, layer.derivative is None), rows, caption, total))
            head, rows, total = weight_table(layer, k)
            parts.append(Table([WEIGHT_EQUATIONS.get(name, name) for name in head], rows, n_rows=total))
        parts.append(f"E = {format_number(step.loss)}")
    if len(steps) > MAX_STEPS:
        parts.append(f"... and {len(steps) - MAX_STEPS} more")
    return block(f"trace of {format_count(len(steps), 'update')}", *parts)


# the equation of a column, in the notation of the text
UNIT_EQUATIONS = {"h": "h = x w + b", "y_hat": "y_hat = f(h)", "E": "E = loss(y, y_hat)"}
WEIGHT_EQUATIONS = {
    "dE/dw": "dE/dw = -sum delta_j x_i + penalty",
    "dE/dw (limit)": "(E(w + s) - E(w - s)) / 2 s",
    "Delta w": "Delta w",
    "w after": "w + Delta w",
}


def _equations(head: list[str], is_last: bool, is_rowwise: bool) -> list[str]:
    delta = "delta = -dE/dy_hat f'(h)" if is_last else "delta_i = f'(h_i) sum_j w_ij delta_j"
    equations = {**UNIT_EQUATIONS, "delta": "delta through the Jacobian of f" if is_rowwise else delta}
    return [equations.get(name, name) for name in head]
