"""Text of a new experiment: decisions that follow from the data, filled into cygd/cli/templates."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cygd.cli.new_files import fill_template
from cygd.cli.output import UsageError
from cygd.config.yaml.writer import dump
from cygd.data.dataset import Label
from cygd.data.formatting import suggest_name
from cygd.data.sniff import ColumnGuess, TableGuess
from cygd.errors import format_count

TARGETS = re.compile(r"targets?|labels?|class(es)?|outputs?|outcome|y|species|diagnosis", re.IGNORECASE)
MIN_ROWS_TO_SPLIT = 10
MIN_ROWS_PER_LABEL = 5  # with fewer, a label may be missing from the training rows
MAX_LISTED = 40  # columns with a line each
COMMENT_COLUMN = 38
OPTION_COMMENTS = {
    "delimiter": "between the cells",
    "decimal": "decimal mark",
    "thousands": "between groups of digits",
    "percent": "5% is 0.05",
    "units": "texts before or after numbers, left out",
    "quote": "around texts",
    "encoding": "encoding of the file; the default is utf-8",
    "missing_values": "words for a missing value, besides the usual ones",
    "comment": "lines that begin with it are left out",
    "skip_rows": "lines above the table",
    "skip_footer": "lines below the table",
}
SPLIT_COMMENT = "fractions of the rows: early stopping, final test"
STOP_COMMENT = "stop after 20 epochs without progress, keep the best weights"


class Task(NamedTuple):
    """What to predict, and the settings that follow from it."""

    summary: str
    output_layer: str
    output_comment: str
    loss: str
    metrics: str
    classes: bool = False
    categorical: bool = False  # the classes are numbers


def experiment_from_table(
    name: str, guess: TableGuess, target: str | None = None, *, without_rare_labels: bool = False
) -> tuple[str, str]:
    """Return the text of an experiment for a table, and a one-line summary.

    The default target is a column named like one, or the last one. Rare labels may be missing from the
    training rows, which is an error; `without_rare_labels` leaves out the inputs that have them.
    """
    targets = _choose_targets(guess, target)
    others = [column for column in guess.columns if column not in targets]
    if any(column.missing for column in targets):
        others = [_reject_gaps(column, len(guess.table)) for column in others]
    if without_rare_labels:
        others = [_reject_rare_labels(column) for column in others]
    inputs = [column for column in others if not column.unusable]
    unused = [column for column in others if column.unusable]
    if not inputs:
        raise UsageError(f"no input column is left to predict {targets[0].name!r}", _reasons(unused))
    n_rows = len(guess.table)
    gaps = _rows_with_gaps(guess, [*inputs, *targets])
    if not _fills_gaps(guess, gaps, targets):
        targets = [_without_rows(guess, column, gaps) for column in targets]
    task = _choose_task(targets)
    data = "\n".join(_data_lines(guess, targets, task, inputs, unused))
    heading = f"{task.summary}, from {guess.options['path']} ({format_count(n_rows, 'row')})"
    split = n_rows >= MIN_ROWS_TO_SPLIT
    text = fill_template(
        "experiment.yaml.txt",
        name=name,
        summary=_printable(heading),
        data=data,
        layers=_line(f"  layers: [16, {task.output_layer}]", f"16 hidden units; {task.output_comment}"),
        loss=task.loss,
        metrics=task.metrics,
        stop=_line("stop: {monitor: validation_loss, patience: 20}", STOP_COMMENT) if split else "",
    )
    size = f"{format_count(len(inputs), 'column')} of {format_count(n_rows, 'row')}"
    return text.rstrip() + "\n", _printable(f"{task.summary} from {size}")


def _choose_targets(guess: TableGuess, target: str | None) -> list[ColumnGuess]:
    path = guess.options["path"]
    columns = {column.name: column for column in guess.columns}
    if target is not None:
        if target not in columns:
            hint = suggest_name(target, list(columns), "columns")
            raise UsageError(f"unknown column {target!r} in {path}", hint)
        if columns[target].unusable:
            raise UsageError(f"cannot predict the column {target!r}: {columns[target].unusable}")
        return [columns[target]]
    if guess.table.targets:
        return [columns[name] for name in guess.table.targets]
    usable = [column for column in guess.columns if not column.unusable]
    if not usable:
        raise UsageError(f"no column of {path} can be predicted", _reasons(guess.columns))
    complete = [column for column in usable if not _has_many_gaps(column, len(guess.table))] or usable
    return [next((column for column in usable if TARGETS.fullmatch(column.name)), complete[-1])]


def _has_many_gaps(column: ColumnGuess, n_rows: int) -> bool:
    return 5 * column.missing > n_rows


def _reject_gaps(column: ColumnGuess, n_rows: int) -> ColumnGuess:
    """Leave out an input with many gaps where they are not filled but each costs a row."""
    is_rejected = _has_many_gaps(column, n_rows) and not column.unusable
    return replace(column, unusable=f"{column.missing} missing values") if is_rejected else column


def _choose_task(targets: list[ColumnGuess]) -> Task:
    first = targets[0]
    names = ", ".join(column.name for column in targets)
    categorical = first.labels is None and first.has_class_numbers
    if len(targets) > 1 or (first.labels is None and not categorical):
        return Task(
            summary=f"regression of {names}",
            output_layer=str(len(targets)),
            output_comment="one output per target",
            loss="mse",
            metrics="r2, mae",
        )
    binary = first.distinct == 2
    units, activation = (1, "sigmoid") if binary else (first.distinct, "softmax")
    positive = "the second class in sorted order" if binary else "each class"
    return Task(
        summary=f"classification of {names}",
        classes=True,
        categorical=categorical and not first.is_boolean,
        output_layer=f"{{units: {units}, activation: {activation}}}",
        output_comment=f"the probability of {positive}",
        loss="binary_cross_entropy" if binary else "cross_entropy",
        metrics="accuracy",
    )


def _reject_rare_labels(column: ColumnGuess) -> ColumnGuess:
    rare = column.labels is not None and min(column.labels.values()) < MIN_ROWS_PER_LABEL
    return replace(column, unusable="a label with few rows") if rare and not column.unusable else column


def _reasons(columns: list[ColumnGuess]) -> str | None:
    return "; ".join(f"{column.name}: {column.unusable}" for column in columns[:5]) or None


def _data_lines(
    guess: TableGuess,
    targets: list[ColumnGuess],
    task: Task,
    inputs: list[ColumnGuess],
    unused: list[ColumnGuess],
) -> Iterator[str]:
    yield f"  source: {guess.source}"
    for option, value in guess.options.items():
        comment = OPTION_COMMENTS.get(option, "")
        if option == "header":
            comment = "the first line holds the names" if value else "the first line is a row"
        yield _line(f"  {option}: {_format_yaml(value)}", comment)
    yield from _input_lines(inputs, unused)
    names = f"[{', '.join(_format_yaml(column.name) for column in targets)}]"
    if not guess.table.targets:
        yield _line(f"  targets: {names}", f"to predict: {_describe(targets[0])}")
    if task.categorical:
        yield _line(f"  categorical: {names}", f"{targets[0].distinct} numbers that are class names")
    yield from _missing_lines(guess, inputs, targets)
    if len(guess.table) >= MIN_ROWS_TO_SPLIT:
        stratify = ", stratify: true" if task.classes else ""
        yield _line(f"  split: {{validation: 0.2, test: 0.2{stratify}}}", SPLIT_COMMENT)
    scale = "standard" if task.classes else "{inputs: standard, targets: standard}"
    yield _line(f"  scale: {scale}", "mean 0 and standard deviation 1 over the training rows")


def _input_lines(inputs: list[ColumnGuess], unused: list[ColumnGuess]) -> Iterator[str]:
    if len(inputs) <= MAX_LISTED:
        yield _line("  inputs:", "columns the network reads")
        for column in inputs:
            yield _line(f"    - {_format_yaml(column.name)}", _describe(column))
    elif unused:
        yield textwrap.indent(dump({"inputs": [column.name for column in inputs]}).rstrip(), "  ")
    else:
        yield f"  # inputs: all {len(inputs)} other columns, the default"
    if unused:
        yield "  # unused columns:"
        for column in unused[:MAX_LISTED]:
            yield f"  #   {_printable(column.name)}: {_printable(column.unusable)}"


def _rows_with_gaps(guess: TableGuess, columns: list[ColumnGuess]) -> npt.NDArray[np.bool_]:
    gaps = np.zeros(len(guess.table), bool)
    for column in columns:
        gaps |= guess.table.columns[column.name].missing
    return gaps


def _fills_gaps(guess: TableGuess, gaps: npt.NDArray[np.bool_], targets: list[ColumnGuess]) -> bool:
    """Return True to fill the gaps, False to drop the rows with gaps.

    They are filled if there are many, or if the other rows have one class, but never in a target.
    """
    if any(column.missing for column in targets):
        return False
    is_single = any(len(_kept_classes(guess, column, gaps)) == 1 for column in targets if _is_class(column))
    return is_single or 5 * int(np.count_nonzero(gaps)) > len(gaps)


def _is_class(column: ColumnGuess) -> bool:
    return column.labels is not None or column.has_class_numbers


def _kept_classes(guess: TableGuess, column: ColumnGuess, dropped: npt.NDArray[np.bool_]) -> dict[Label, int]:
    return guess.table.columns[column.name].count_labels(np.flatnonzero(~dropped))


def _without_rows(guess: TableGuess, column: ColumnGuess, dropped: npt.NDArray[np.bool_]) -> ColumnGuess:
    """Return a target with the classes of the rows that are not dropped."""
    if not _is_class(column) or not dropped.any():
        return column
    counts = _kept_classes(guess, column, dropped)
    if len(counts) < 2:
        message = f"cannot predict the column {column.name!r}: the rows without missing values have"
        raise UsageError(f"{message} {len(counts)} of its classes", "choose another --target")
    return replace(column, labels=None if column.labels is None else counts, distinct=len(counts))


def _missing_lines(guess: TableGuess, inputs: list[ColumnGuess], targets: list[ColumnGuess]) -> Iterator[str]:
    """Yield the line `missing:` if a used column has gaps: fill many gaps, drop the rows of a few."""
    gaps = _rows_with_gaps(guess, [*inputs, *targets])
    if not gaps.any():
        return
    fill = _fills_gaps(guess, gaps, targets)
    other = "drop leaves them out instead" if fill else "mean fills inputs instead"
    comment = f"{format_count(int(np.count_nonzero(gaps)), 'row')} with missing values; {other}"
    yield _line(f"  missing: {'mean' if fill else 'drop'}", comment)


def _line(text: str, comment: str = "") -> str:
    return f"{text:<{COMMENT_COLUMN - 2}}  # {_printable(comment)}" if comment else text


def _describe(column: ColumnGuess) -> str:
    """Return the range or the labels of a column, and how many values are missing."""
    if column.is_boolean:
        text = "False, True"
    elif column.labels is None:
        text = f"{column.low:g} to {column.high:g}"
    else:
        labels = [str(label) for label in column.labels]
        text = ", ".join(labels[:5]) + (f", ... ({len(labels)} labels)" if len(labels) > 5 else "")
    return f"{text}; {column.missing} missing" if column.missing else text


def _format_yaml(value: Any) -> str:
    """Return a value as YAML on one line, quoted as in a flow sequence."""
    if isinstance(value, list):
        return f"[{', '.join(map(_format_yaml, value))}]"
    lines = dump({"v": [value]}).removeprefix("v: [").rstrip().splitlines()
    if len(lines) == 1:
        return lines[0].removesuffix("]")
    escaped = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in value)
    return f'"{"".join(escaped)}"'


def _printable(text: str) -> str:
    """Replace the characters that cannot be in a comment."""
    return "".join(character if character.isprintable() else "?" for character in text)
