"""A trace as people read it, and as programs do.

The text has two tables for each layer of a step, its units and its weights; long ones are cut, and
say by how much. The CSV has one row for each step, sample, layer, unit
and weight, uncut, with every digit.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, SupportsFloat

import numpy as np

from cygd.inspection.trace import Array, LayerStep, Step

__all__ = ["CSV_COLUMNS", "write_csv", "write_text"]

MOST_ROWS, MOST_SAMPLES = 20, 8

CSV_COLUMNS = (
    *("step", "epoch", "learning_rate", "sample", "layer", "unit", "weight"),
    *("x", "h", "y_hat", "y", "error", "loss", "slope", "delta"),
    *("gradient", "numerical_gradient", "delta_w", "w", "w_after"),
)


def write_text(steps: Iterable[Step], out: IO[str]) -> None:
    """Write steps as tables."""
    for step in steps:
        out.write("\n".join(_step_lines(step)) + "\n\n")
        out.flush()


def write_csv(steps: Iterable[Step], out: IO[str]) -> None:
    """Write steps as CSV, the weight of the bias as `b`."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for step in steps:
        for index in range(len(step.layers)):
            writer.writerows(_csv_rows(step, index))
        out.flush()


# -- text -------------------------------------------------------------------------------------------


def _step_lines(step: Step) -> Iterator[str]:
    count = len(step.samples)
    samples = "sample" if count == 1 else f"{count} samples" if count > MOST_SAMPLES else "samples"
    shown = ", ".join(str(int(sample)) for sample in step.samples[:MOST_SAMPLES])
    more = ", ..." if count > MOST_SAMPLES else ""
    title = f"step {step.number}: epoch {step.epoch}, {samples} {shown}{more}"
    title += f", learning rate {short(step.learning_rate)}"
    yield title
    yield "=" * len(title)
    for k, layer in enumerate(step.layers):
        n_inputs, n_units = layer.w.shape
        yield ""
        shape = f"{_count(n_inputs, 'input')}, {_count(n_units, 'unit')}"
        equation = _equation(layer, k == len(step.layers) - 1)
        yield f"layer {k}: {shape}, f = {layer.activation.name}, {equation}"
        yield ""
        yield from _table(*_unit_table(step, k))
        yield ""
        yield from _table(*_weight_table(layer, k))
    yield ""
    yield f"E = {short(step.loss)}"


def _equation(layer: LayerStep, last: bool) -> str:
    """Return how delta comes about."""
    if layer.slope is None:
        return "delta through the Jacobian of f"
    return "delta = -dE/dy_hat f'(h)" if last else "delta_i = f'(h_i) sum_j w_ij delta_j"


def _unit_table(step: Step, k: int) -> tuple[list[str], list[list[str]], int]:
    """Return head, rows and the number of all rows of a layer's units."""
    layer, last = step.layers[k], k == len(step.layers) - 1
    head = ["sample", "x", "unit", "h", "y_hat"]
    head += ["y", "y - y_hat", "E"] if last else []
    head += ["f'(h)", "delta"]
    rows: list[list[str]] = []
    for s, j in np.ndindex(*layer.h.shape):
        if len(rows) == MOST_ROWS:
            break
        row = [str(int(step.samples[s])) if j == 0 else "", _vector(layer.x[s]) if j == 0 else "", str(j)]
        row += [short(layer.h[s, j]), short(layer.y_hat[s, j])]
        if last:
            error = step.y[s, j] - layer.y_hat[s, j]
            row += [short(step.y[s, j]), short(error), short(step.elements[s, j])]
        row += ["row-wise" if layer.slope is None else short(layer.slope[s, j]), short(layer.delta[s, j])]
        rows.append(row)
    return head, rows, layer.h.size


def _weight_table(layer: LayerStep, k: int) -> tuple[list[str], list[list[str]], int]:
    """Return head, rows and the number of all rows of a layer's weights, the biases behind them."""
    head = ["weight", "w", "dE/dw", "dE/dw (limit)", "Delta w", "w after"]
    rows: list[list[str]] = []
    for name, numbers in _weights(layer, k):
        if len(rows) == MOST_ROWS:
            break
        rows.append([name, *("-" if number is None else short(number) for number in numbers)])
    return head, rows, sum(array.size for array in (layer.w, layer.b, layer.a) if array is not None)


def _weights(layer: LayerStep, k: int) -> Iterator[tuple[str, list[float | None]]]:
    """Yield the name of a parameter with its value, gradients, change and new value."""
    arrays = (layer.w, layer.gradient_w, layer.numerical_w, layer.delta_w, layer.w_after)
    for place in np.ndindex(*layer.w.shape):
        yield f"w{k}[{place[0]},{place[1]}]", [_at(array, place) for array in arrays]
    if layer.b is not None:
        biases = (layer.b, layer.gradient_b, layer.numerical_b, layer.delta_b, layer.b_after)
        for place in np.ndindex(*layer.b.shape):
            yield f"b{k}[{place[0]}]", [_at(array, place) for array in biases]
    if layer.a is not None:
        trained = (layer.a, layer.gradient_a, layer.numerical_a, layer.delta_a, layer.a_after)
        for index, name in enumerate(layer.activation.trainable):
            yield f"a{k}[{index}] {name}", [_at(array, (index,)) for array in trained]


def _at(array: Array | None, place: tuple[int, ...]) -> float | None:
    return None if array is None else float(array[place])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], total: int) -> Iterator[str]:
    """Yield the lines of a table whose columns are as wide as they need, numbers to the right."""
    widths = [max(len(row[c]) for row in [head, *rows]) for c in range(len(head))]
    for row in [head, *rows]:
        yield ("  " + "   ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
    if total > len(rows):
        yield f"  ... and {total - len(rows)} more"


def short(number: SupportsFloat) -> str:
    """Return a number in eight digits.

    Examples
    --------
    >>> short(0.37754066879814546), short(-0.5)
    ('0.37754067', '-0.5')
    """
    return f"{float(number) + 0.0:.8g}"  # + 0.0: a -0 is no news to a reader


def _vector(values: Array) -> str:
    shown = ", ".join(f"{float(value):.5g}" for value in values[:4])
    return f"({shown}{', ...' if len(values) > 4 else ''})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# -- CSV --------------------------------------------------------------------------------------------


def _csv_rows(step: Step, k: int) -> Iterator[list[object]]:
    layer, last = step.layers[k], k == len(step.layers) - 1
    for s, sample in enumerate(step.samples):
        for j in range(layer.h.shape[1]):
            h, y_hat, y = layer.h[s, j], layer.y_hat[s, j], step.y[s, j] if last else None
            unit = [_exact(h), _exact(y_hat), _exact(y)]
            unit += [_exact(y - y_hat), _exact(step.elements[s, j])] if last else ["", ""]
            unit += [_exact(_at(layer.slope, (s, j))), _exact(layer.delta[s, j])]
            head = [step.number, step.epoch, _exact(step.learning_rate), int(sample), k, j]
            for i in range(layer.w.shape[0]):
                arrays = (layer.gradient_w, layer.numerical_w, layer.delta_w, layer.w, layer.w_after)
                numbers = [_exact(_at(array, (i, j))) for array in arrays]
                yield [*head, i, _exact(layer.x[s, i]), *unit, *numbers]
            if layer.b is not None:
                biases = (layer.gradient_b, layer.numerical_b, layer.delta_b, layer.b, layer.b_after)
                yield [*head, "b", "1.0", *unit, *(_exact(_at(array, (j,))) for array in biases)]
            if layer.a is not None and not j:
                trained = (layer.gradient_a, layer.numerical_a, layer.delta_a, layer.a, layer.a_after)
                for index in range(len(layer.a)):
                    values = [_exact(_at(array, (index,))) for array in trained]
                    yield [*head, f"a{index}", "", *unit, *values]


def _exact(number: float | None) -> str:
    return "" if number is None else repr(float(number))
