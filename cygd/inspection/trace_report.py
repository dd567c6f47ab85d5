"""Traces as text and as CSV.

The text has two tables for each layer of a step, its units and its weights; a long table is cut and ends
with the number of missing rows. The CSV has one row for each step, sample, layer, unit and weight, with
every digit.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol, SupportsFloat

import numpy as np

from cygd.errors import format_count
from cygd.inspection.tracing import Array, LayerStep, ParameterStep, Step

MAX_ROWS, MAX_SAMPLES = 20, 8


class Output(Protocol):
    """What traces are written to."""

    def write(self, text: str, /) -> object:
        """Write a text."""

    def flush(self) -> object:
        """Write what is buffered."""


CSV_COLUMNS = (
    "step", "epoch", "learning_rate", "sample", "layer", "unit", "weight",
    "x", "h", "y_hat", "y", "error", "loss", "slope", "delta",
    "gradient", "numerical_gradient", "delta_w", "w", "w_after",
)  # fmt: skip


def write_text(steps: Iterable[Step], out: Output) -> None:
    """Write steps as tables."""
    for step in steps:
        out.write("\n".join(_step_lines(step)) + "\n\n")
        out.flush()


def write_csv(steps: Iterable[Step], out: Output) -> None:
    """Write steps as CSV; the bias is the weight `b`."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for step in steps:
        for index in range(len(step.layers)):
            writer.writerows(_csv_rows(step, index))
        out.flush()


# -- text -------------------------------------------------------------------------------------------


def step_title(step: Step) -> str:
    """Return the number of a step, its epoch, samples and learning rate."""
    count = len(step.samples)
    samples = "sample" if count == 1 else f"{count} samples" if count > MAX_SAMPLES else "samples"
    listed = ", ".join(str(int(sample)) for sample in step.samples[:MAX_SAMPLES])
    more = ", ..." if count > MAX_SAMPLES else ""
    title = f"step {step.number}: epoch {step.epoch}, {samples} {listed}{more}"
    return f"{title}, learning rate {format_number(step.learning_rate)}"


def _step_lines(step: Step) -> Iterator[str]:
    yield (title := step_title(step))
    yield "=" * len(title)
    for k, layer in enumerate(step.layers):
        n_inputs, n_units = layer.w.value.shape
        yield ""
        shape = f"{format_count(n_inputs, 'input')}, {format_count(n_units, 'unit')}"
        equation = _equation(layer, k == len(step.layers) - 1)
        yield f"layer {k}: {shape}, f = {layer.activation.name}, {equation}"
        yield ""
        yield from _table(*unit_table(step, k))
        yield ""
        yield from _table(*weight_table(layer, k))
    yield ""
    yield f"E = {format_number(step.loss)}"


def _equation(layer: LayerStep, last: bool) -> str:
    """Return the equation of delta."""
    if layer.derivative is None:
        return "delta through the Jacobian of f"
    return "delta = -dE/dy_hat f'(h)" if last else "delta_i = f'(h_i) sum_j w_ij delta_j"


def unit_table(step: Step, k: int) -> tuple[list[str], list[list[str]], int]:
    """Return head, first rows and number of rows of the table of a layer's units."""
    layer, last = step.layers[k], k == len(step.layers) - 1
    head = ["sample", "x", "unit", "h", "y_hat"]
    head += ["y", "y - y_hat", "E"] if last else []
    head += ["f'(h)", "delta"]
    rows: list[list[str]] = []
    for s, j in islice(np.ndindex(*layer.h.shape), MAX_ROWS):
        row = [
            str(int(step.samples[s])) if j == 0 else "",
            _format_vector(layer.x[s]) if j == 0 else "",
            str(j),
        ]
        row += [format_number(layer.h[s, j]), format_number(layer.y_hat[s, j])]
        if last:
            error = step.y[s, j] - layer.y_hat[s, j]
            row += [format_number(step.y[s, j]), format_number(error), format_number(step.elements[s, j])]
        row += [
            "row-wise" if layer.derivative is None else format_number(layer.derivative[s, j]),
            format_number(layer.delta[s, j]),
        ]
        rows.append(row)
    return head, rows, layer.h.size


def weight_table(layer: LayerStep, k: int) -> tuple[list[str], list[list[str]], int]:
    """Return head, first rows and number of rows of the table of a layer's weights, then biases."""
    head = ["weight", "w", "dE/dw", "dE/dw (limit)", "Delta w", "w after"]
    rows = [
        [name, *("-" if number is None else format_number(number) for number in numbers)]
        for name, numbers in islice(_weights(layer, k), MAX_ROWS)
    ]
    return head, rows, sum(step.value.size for step in (layer.w, layer.b, layer.a) if step is not None)


def _weights(layer: LayerStep, k: int) -> Iterator[tuple[str, list[float | None]]]:
    """Yield the name of each parameter with its value, gradients, change and new value."""
    for kind, step in (("w", layer.w), ("b", layer.b), ("a", layer.a)):
        if step is not None:
            for place in np.ndindex(*step.value.shape):
                name = f"{kind}{k}[{','.join(map(str, place))}]"
                if kind == "a":
                    name += f" {layer.activation.trainable[place[0]]}"
                arrays = (step.value, step.gradient, step.numerical, step.delta, step.after)
                yield name, [_at(array, place) for array in arrays]


def _at(array: Array | None, place: tuple[int, ...]) -> float | None:
    return None if array is None else float(array[place])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], total: int) -> Iterator[str]:
    """Yield the lines of a table; columns are right-aligned and as wide as necessary."""
    widths = [max(len(row[c]) for row in [head, *rows]) for c in range(len(head))]
    for row in [head, *rows]:
        yield ("  " + "   ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
    if total > len(rows):
        yield f"  ... and {total - len(rows)} more"


def format_number(number: SupportsFloat) -> str:
    """Format a number with eight digits.

    Examples
    --------
    >>> format_number(0.37754066879814546), format_number(-0.5)
    ('0.37754067', '-0.5')
    """
    return f"{float(number) + 0.0:.8g}"  # + 0.0 turns -0 into 0


def _format_vector(values: Array) -> str:
    listed = ", ".join(f"{float(value):.5g}" for value in values[:4])
    return f"({listed}{', ...' if len(values) > 4 else ''})"


# -- CSV --------------------------------------------------------------------------------------------


def _csv_rows(step: Step, k: int) -> Iterator[list[object]]:
    layer, last = step.layers[k], k == len(step.layers) - 1
    for s, sample in enumerate(step.samples):
        for j in range(layer.h.shape[1]):
            h, y_hat, y = layer.h[s, j], layer.y_hat[s, j], step.y[s, j] if last else None
            unit = [_exact(h), _exact(y_hat), _exact(y)]
            unit += [_exact(y - y_hat), _exact(step.elements[s, j])] if last else ["", ""]
            unit += [_exact(_at(layer.derivative, (s, j))), _exact(layer.delta[s, j])]
            head = [step.number, step.epoch, _exact(step.learning_rate), int(sample), k, j]
            for i in range(len(layer.w.value)):
                yield [*head, i, _exact(layer.x[s, i]), *unit, *_csv_numbers(layer.w, (i, j))]
            if layer.b is not None:
                yield [*head, "b", "1.0", *unit, *_csv_numbers(layer.b, (j,))]
            if layer.a is not None and not j:
                for i in range(len(layer.a.value)):
                    yield [*head, f"a{i}", "", *unit, *_csv_numbers(layer.a, (i,))]


def _csv_numbers(step: ParameterStep, place: tuple[int, ...]) -> list[str]:
    """Return the last columns of a row: gradient, numerical_gradient, delta_w, w, w_after."""
    arrays = (step.gradient, step.numerical, step.delta, step.value, step.after)
    return [_exact(_at(array, place)) for array in arrays]


def _exact(number: float | None) -> str:
    return "" if number is None else repr(float(number))
