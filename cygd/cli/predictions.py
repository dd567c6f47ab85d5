"""Files of predictions: CSV, JSON lines or Parquet, written block by block."""

from __future__ import annotations

import contextlib
import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cygd.cli.output import UsageError
from cygd.errors import escape_formula

if TYPE_CHECKING:
    from cygd.data.dataset import Array, Label
    from cygd.tracking.terminal import DataOutput

FORMATS = ("csv", "jsonl", "parquet")
SUFFIXES = {"": "csv", ".csv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
GROUP_ROWS = 1 << 16  # of a row group of Parquet


@dataclass(frozen=True)
class Predictions:
    """The predictions of a block of rows."""

    labels: Sequence[Label] | None  # the predicted class of each row; None for numeric targets
    outputs: Array  # (n_rows, n_columns)
    usable: Array  # the rows that were predicted; the others are empty

    def rows(self) -> Iterator[list[Label | Any] | None]:
        """Yield the values of each row, with NumPy numbers, or None for an empty one."""
        for i, is_usable in enumerate(self.usable.tolist()):
            label = [] if self.labels is None else [self.labels[i]]
            yield [*label, *self.outputs[i]] if is_usable else None


Write = Callable[[Predictions], None]


def csv_writer(file: IO[str] | DataOutput, names: Sequence[str]) -> Write:
    """Return a function that writes CSV; each number is the shortest text that reads back to the same bits.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    table = csv.writer(file, lineterminator="\n")
    table.writerow(map(escape_formula, names))

    def write(predictions: Predictions) -> None:
        empty = [""] * len(names)
        table.writerows(empty if row is None else map(_cell, row) for row in predictions.rows())

    return write


def jsonl_writer(file: IO[str] | DataOutput, names: Sequence[str]) -> Write:
    """Return a function that writes a JSON object per row, with null in empty rows."""

    def write(predictions: Predictions) -> None:
        for row in predictions.rows():
            values = [None] * len(names) if row is None else map(_json_value, row)
            file.write(json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False) + "\n")

    return write


@contextlib.contextmanager
def parquet_writer(
    file: IO[bytes], names: Sequence[str], labels: Sequence[Label], dtype: Any
) -> Iterator[Write]:
    """Return a function that writes Parquet, with null in empty rows."""
    from cygd.data.sources.optional_imports import import_optional

    parquet = import_optional("pyarrow.parquet", "parquet", "pyarrow")
    arrow = import_optional("pyarrow", "parquet", "pyarrow")
    is_text = any(isinstance(label, str) for label in labels)
    kinds = [arrow.string() if is_text else arrow.array(labels).type] if labels else []
    kinds += [arrow.from_numpy_dtype(dtype)] * (len(names) - len(kinds))
    schema = arrow.schema(list(zip(names, kinds, strict=True)))
    with parquet.ParquetWriter(file, schema) as table:
        pending: list[Any] = []  # tables of a row group

        def flush() -> None:
            if pending:
                table.write_table(arrow.concat_tables(pending), GROUP_ROWS)
            pending.clear()

        def write(predictions: Predictions) -> None:
            columns: list[Any] = list(predictions.outputs.T)
            if predictions.labels is not None:
                columns.insert(0, [str(label) if is_text else label for label in predictions.labels])
            empty = ~predictions.usable
            arrays = [arrow.array(c, kind, mask=empty) for c, kind in zip(columns, kinds, strict=True)]
            pending.append(arrow.table(arrays, schema=schema))
            if sum(map(len, pending)) >= GROUP_ROWS:
                flush()

        yield write
        flush()


def format_of(file: Path | None) -> str:
    """Return the format that the suffix of a file names; CSV for stdout.

    >>> format_of(Path("a.jsonl")), format_of(None)
    ('jsonl', 'csv')
    """
    suffix = "" if file is None else file.suffix.lower()
    if suffix not in SUFFIXES:
        message = f"expected a .csv, .jsonl or .parquet file, got {str(file)!r}"
        raise UsageError(message, "--format names the format of a file with another suffix")
    return SUFFIXES[suffix]


def _cell(value: Label | Any) -> str:
    return escape_formula(value) if isinstance(value, str) else str(value)


def _json_value(value: Label | Any) -> Label | None:
    if isinstance(value, str | int):
        return value
    number = float(str(value))  # the shortest text of a float32
    return number if math.isfinite(number) else None
