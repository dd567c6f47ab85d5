"""The text of a new experiment: what is known of the data, decided and explained line by line."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from cygd.cli.output import UsageError
from cygd.config.yaml.writer import dump
from cygd.data.sniff import ColumnGuess, TableGuess
from cygd.data.table import Table
from cygd.errors import did_you_mean

__all__ = ["SAMPLE", "Template", "experiment_template"]

TARGETS = re.compile(r"targets?|labels?|class(es)?|outputs?|outcome|y|species|diagnosis", re.IGNORECASE)
FEW_ROWS = 10  # that are not worth a split
RARE = 5  # rows of a label, which may all fall out of the training rows
MOST_LISTED = 40  # inputs, a line each
MARGIN = 40  # the column of the comments
REMARKS = {
    "delimiter": "between the cells",
    "decimal": "in front of the fraction",
    "encoding": "what its bytes stand for; utf-8 is usual",
    "header": "the first line holds no names",
}

SAMPLE = """\
# NAME: two half moons that lie in each other, an experiment to begin with. Change it, and see what happens.
#
#   cygd run NAME.yaml                        train, and leave a run folder
#   cygd run NAME.yaml train.epochs=20        try another value of any key
#   cygd check NAME.yaml                      is it right?
#
# `cygd run NAME.yaml --dry-run` prints it with every key there is and its default.

data:
  source: synthetic                 # or csv, npz, ...: `cygd plugins --kind data_source`
  kind: moons                       # points of two classes, 0 and 1
  samples: 500
  noise: 0.15
  split: {validation: 0.2, test: 0.2}     # shares of the rows: to stop in time, and to judge at the end
model:
  activation: tanh                  # of the hidden layers: `cygd plugins --kind activation`
  layers: [16, {units: 1, activation: sigmoid}]     # 16 hidden units, and one output: how likely is class 1?
loss: binary_cross_entropy
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 200, batch_size: 32}      # 200 times through all rows, 32 rows to an update
metrics: [accuracy]
stop: {monitor: validation_loss, patience: 20}      # without progress for 20 epochs, keep the best weights
"""


class Template(NamedTuple):
    """An experiment as text, and a sentence about it."""

    text: str
    summary: str


class Task(NamedTuple):
    """What is to be learned, and the parts of an experiment that follow from it."""

    question: str
    categorical: bool
    classes: int
    units: int
    output: str
    loss: str
    metrics: str
    remark: str


def experiment_template(
    stem: str, guess: TableGuess, target: str | None = None, *, only_frequent: bool = False
) -> Template:
    """Return an experiment for what a file of data seems to be.

    Parameters
    ----------
    stem : str
        The name of the experiment.
    guess : TableGuess
        The data.
    target : str, optional
        The column to predict; by default the one that looks most like it.
    only_frequent : bool
        Leave out inputs with labels of few rows, which may be missing among the training rows.

    Raises
    ------
    UsageError
        Where there is nothing to predict, or nothing to predict it from.
    """
    targets = _targets(guess, target)
    task = _task(targets)
    inputs, left_out = _inputs(guess, targets, only_frequent)
    if not inputs:
        raise UsageError(f"no column is left to predict {targets[0].name!r} from", _reasons(left_out))
    lines = [*_head(stem, guess, task), *_data(guess, targets, task, inputs, left_out), *_model(guess, task)]
    whence = f"{_count(len(inputs), 'column')} of {_count(len(guess.table), 'row')}"
    return Template("\n".join(lines) + "\n", f"{_plain(task.question)}? from {whence}")


# -- what is decided --------------------------------------------------------------------------------


def _targets(guess: TableGuess, wanted: str | None) -> list[ColumnGuess]:
    """Return the columns to predict."""
    views = {view.name: view for view in guess.columns}
    if wanted is not None and wanted not in views:
        hint = did_you_mean(wanted, list(views)) or f"there are {', '.join(list(views)[:20])}"
        raise UsageError(f"there is no column {wanted!r} in {guess.options['path']}", hint)
    if wanted is not None:
        if views[wanted].unusable:
            raise UsageError(f"the column {wanted!r} cannot be predicted: {views[wanted].unusable}")
        return [views[wanted]]
    if guess.table.targets:
        return [views[name] for name in guess.table.targets]
    fit = [view for view in guess.columns if not view.unusable]
    if not fit:
        raise UsageError(f"no column of {guess.options['path']} can be predicted", _reasons(guess.columns))
    return [next((view for view in fit if TARGETS.fullmatch(view.name)), fit[-1])]


def _task(targets: list[ColumnGuess]) -> Task:
    """Return what is to be learned about the targets."""
    first = targets[0]
    names = ", ".join(view.name for view in targets)
    numbered = first.labels is None and first.has_class_numbers
    if len(targets) > 1 or (first.labels is None and not numbered):
        remark = "one output for each target"
        return Task(f"how much {names}", False, 0, len(targets), "identity", "mse", "r2, mae", remark)
    classes, question = first.distinct, f"which {names}"
    if classes == 2:
        remark = "one output: how likely is the second class in sorted order?"
        return Task(question, numbered, 2, 1, "sigmoid", "binary_cross_entropy", "accuracy", remark)
    remark = "one output for each class, how likely it is"
    return Task(question, numbered, classes, classes, "softmax", "cross_entropy", "accuracy", remark)


def _inputs(
    guess: TableGuess, targets: list[ColumnGuess], only_frequent: bool
) -> tuple[list[ColumnGuess], list[ColumnGuess]]:
    """Return the columns that enter the network, and those that do not."""
    others = [view for view in guess.columns if view not in targets]
    if only_frequent:
        others = [
            replace(view, unusable="a label with few rows") if _rare(view) and not view.unusable else view
            for view in others
        ]
    return [view for view in others if not view.unusable], [view for view in others if view.unusable]


def _rare(view: ColumnGuess) -> bool:
    return view.labels is not None and min(view.labels.values()) < RARE


def _gaps(table: Table, used: list[ColumnGuess]) -> int:
    """Return how many rows have a gap in a column that is used."""
    gap = np.zeros(len(table), bool)
    for view in used:
        gap |= table.columns[view.name].missing
    return int(np.count_nonzero(gap))


# -- how it is written ------------------------------------------------------------------------------


def _head(stem: str, guess: TableGuess, task: Task) -> Iterator[str]:
    yield f"# {stem}: {_plain(task.question)}? From {_plain(guess.options['path'])}, {len(guess.table)} rows."
    yield "#"
    yield f"#   cygd run {stem}.yaml                        train, and leave a run folder"
    yield f"#   cygd run {stem}.yaml train.epochs=20        try another value of any key"
    yield f"#   cygd check {stem}.yaml                      is it right?"
    yield "#"
    yield f"# `cygd run {stem}.yaml --dry-run` prints it with every key there is and its default."
    yield ""


def _data(
    guess: TableGuess,
    targets: list[ColumnGuess],
    task: Task,
    inputs: list[ColumnGuess],
    left_out: list[ColumnGuess],
) -> Iterator[str]:
    """Yield the lines of the data section."""
    n_rows = len(guess.table)
    yield "data:"
    yield f"  source: {guess.source}"
    for option, value in guess.options.items():
        yield _line(f"  {option}: {_value(value)}", REMARKS.get(option, ""))
    yield from _columns(inputs, left_out)
    names = f"[{', '.join(_value(view.name) for view in targets)}]"
    if not guess.table.targets:
        yield _line(f"  targets: {names}", f"what is to be predicted: {_about(targets[0])}")
    if task.categorical:
        yield _line(
            f"  categorical: {names}",
            f"its {targets[0].distinct} numbers are names of classes, not quantities",
        )
    gaps = _gaps(guess.table, [*inputs, *targets])
    if gaps:
        fill = 5 * gaps > n_rows and not any(view.missing for view in targets)
        other = "drop leaves such rows out" if fill else "mean fills the gaps of inputs instead"
        yield _line(f"  missing: {'mean' if fill else 'drop'}", f"{_count(gaps, 'row')} with gaps; {other}")
    if n_rows >= FEW_ROWS:
        stratify = ", stratify: true" if task.classes else ""
        remark = "shares of the rows: to stop in time, and to judge at the end"
        yield _line(f"  split: {{validation: 0.2, test: 0.2{stratify}}}", remark)
    scale = "standard" if task.classes else "{inputs: standard, targets: standard}"
    yield _line(f"  scale: {scale}", "to mean 0 and deviation 1, as in the training rows")


def _columns(inputs: list[ColumnGuess], left_out: list[ColumnGuess]) -> Iterator[str]:
    """Yield the lines of the inputs, and of what is none."""
    if len(inputs) <= MOST_LISTED:
        yield _line("  inputs:", "what the network sees")
        for view in inputs:
            yield _line(f"    - {_value(view.name)}", _about(view))
    elif left_out:
        listed = dump({"inputs": [view.name for view in inputs]})
        yield textwrap.indent(listed.rstrip(), "  ")
    else:
        yield f"  # inputs: all other columns, {len(inputs)} of them"
    if left_out:
        yield "  # left out:"
        for view in left_out[:MOST_LISTED]:
            yield f"  #   {_plain(view.name)}: {_plain(view.unusable)}"


def _model(guess: TableGuess, task: Task) -> Iterator[str]:
    """Yield the lines behind the data section."""
    output = f"{{units: {task.units}, activation: {task.output}}}" if task.classes else str(task.units)
    yield "model:"
    yield _line("  activation: tanh", "of the hidden layers: `cygd plugins --kind activation`")
    yield _line(f"  layers: [16, {output}]", f"16 hidden units; {task.remark}")
    yield f"loss: {task.loss}"
    yield "optimizer: {name: adam, learning_rate: 0.01}"
    yield _line("train: {epochs: 200, batch_size: 32}", "200 times through all rows, 32 rows to an update")
    yield f"metrics: [{task.metrics}]"
    if len(guess.table) >= FEW_ROWS:
        remark = "without progress for 20 epochs, keep the best weights"
        yield _line("stop: {monitor: validation_loss, patience: 20}", remark)


def _line(text: str, remark: str = "") -> str:
    return f"{text:<{MARGIN - 2}}  # {_plain(remark)}" if remark else text


def _about(view: ColumnGuess) -> str:
    """Return what a column holds, in a few words."""
    if view.labels is None:
        words = f"{view.low:g} to {view.high:g}"
    else:
        labels = [str(label) for label in view.labels]
        words = ", ".join(labels[:5]) + (f", ... ({len(labels)} in all)" if len(labels) > 5 else "")
    return words + (f"; {view.missing} missing" if view.missing else "")


def _value(value: Any) -> str:
    """Return a value as YAML, on one line."""
    lines = dump({"v": [value]}).removeprefix("v: [").rstrip().splitlines()  # as it is quoted in a list
    if len(lines) == 1:
        return lines[0].removesuffix("]")
    escaped = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in value)
    return f'"{"".join(escaped)}"'


def _plain(text: str) -> str:
    """Return a text that can stand in a comment."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _reasons(views: list[ColumnGuess]) -> str | None:
    return "; ".join(f"{view.name}: {view.unusable}" for view in views[:5]) or None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
