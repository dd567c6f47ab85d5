"""The parquet source: columns of Parquet files."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from cygd.data.column import Column
from cygd.data.column_kind import ColumnKind, is_text
from cygd.data.containers import distinct_cells, is_declared_categorical
from cygd.data.dataset import Array, Rows
from cygd.data.formatting import format_list
from cygd.data.known_labels import tidy_time
from cygd.data.numbers import Cell, CellFormat
from cygd.data.sources.optional_imports import import_optional
from cygd.data.sources.paths import format_files, resolve_paths
from cygd.data.sources.pipes import content_of
from cygd.data.table import Table, TableFile, holds_number_texts
from cygd.errors import DataError

log = logging.getLogger("cygd")


def load_parquet(
    folder: Path,
    *,
    path: str,
    missing_values: Sequence[str] | None = None,  # words for a missing value, besides the usual ones
) -> Table:
    """Read the columns of Parquet files; strings are categories, dates are strings such as 2026-01-31."""
    cell_format = CellFormat.of_options(missing_values=missing_values)
    arrow, paths, opened = open_files(folder, path)
    tables = []
    for file, content in zip(paths, opened, strict=True):
        with parquet_errors(file):
            tables.append(content.read())
    files = locate_rows(paths, [len(table) for table in tables])
    where = format_files(paths)
    columns: dict[str, Column] = {}
    categorical, number_texts = set(), set()
    for own_name in tables[0].column_names:
        pieces = [table.column(own_name) for table in tables]
        name = own_name.strip()  # as the header of a text file
        if name in columns:
            raise DataError(f"{where}: duplicate column name {name!r}")
        if unsupported := [piece.type for piece in pieces if not is_supported(arrow, piece.type)]:
            log.warning("%s: ignored column %r of unsupported type %s", where, name, unsupported[0])
            continue
        try:
            column = columns[name] = read_column(arrow, pieces, cell_format)
        except DataError as error:  # bytes that are not text
            log.warning("%s: ignored column %r: %s", where, name, error.message)
            continue
        if any(map(is_declared_categorical, pieces)) or holds_texts(column):
            categorical.add(name)
        elif holds_number_texts(column):
            number_texts.add(name)
    index = index_columns(tables[0].schema.metadata)
    return Table(
        columns,
        where,
        categorical=frozenset(categorical),
        number_texts=frozenset(number_texts),
        files=files,
        index_columns=tuple(name for name in columns if name in index),
    )


def open_files(folder: Path, path: str) -> tuple[Any, list[Path], list[Any]]:
    """Return pyarrow, the files, and each of them as a `ParquetFile`; all have the columns of the first."""
    parquet = import_optional("pyarrow.parquet", "parquet", "pyarrow")
    paths, opened = resolve_paths(folder, path, "path"), []
    for file in paths:
        with parquet_errors(file):
            opened.append(parquet.ParquetFile(content_of(file)))
        first_names, names = opened[0].schema_arrow.names, opened[-1].schema_arrow.names
        if set(names) != set(first_names):
            expected = f"expected the columns of {paths[0]}: {format_list(first_names)}"
            raise DataError(f"{file}: {expected}, got {format_list(names)}")
    if not any(file.metadata.num_rows for file in opened):
        raise DataError(f"{paths[0]} has no rows")
    return import_module("pyarrow"), paths, opened


@contextmanager
def parquet_errors(file: Path) -> Iterator[None]:
    """Raise a DataError for a file that cannot be read."""
    arrow = import_module("pyarrow")
    try:
        yield
    except (arrow.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{file}: cannot be read as a Parquet file ({reason})") from None


def locate_rows(paths: Sequence[Path], n_rows: Sequence[int]) -> tuple[TableFile, ...]:
    """Return the files with their first rows in the table."""
    first_rows = accumulate(n_rows, initial=0)
    return tuple(TableFile(first, str(file)) for first, file in zip(first_rows, paths, strict=False))


def holds_texts(column: Column) -> bool:
    """Return True for a column of texts, and in which at least as many values are texts as numbers."""
    n_texts = sum(count for text, count in column.string_counts.items() if is_text(text))
    return n_texts > 0 and n_texts >= int(np.count_nonzero(~np.isnan(column.numbers)))


def index_columns(metadata: Mapping[bytes, bytes] | None) -> list[str]:
    """Return the columns that pandas' metadata of a file call its index; a range takes no column."""
    try:
        described = json.loads((metadata or {}).get(b"pandas", b"{}"))
        return [name for name in described.get("index_columns", []) if isinstance(name, str)]
    except (ValueError, AttributeError, TypeError):
        return []


def is_numeric(arrow: Any, kind: Any) -> bool:
    """Return True if values of an Arrow type are numbers or booleans."""
    types = arrow.types
    return any(
        test(kind) for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    )


def is_supported(arrow: Any, kind: Any) -> bool:
    """Return True if values of an Arrow type can be read as numbers or strings."""
    types = arrow.types
    if types.is_dictionary(kind):
        return is_supported(arrow, kind.value_type)
    tests = (types.is_string, types.is_large_string, types.is_temporal, types.is_null, types.is_binary)
    is_text = any(test(kind) for test in (*tests, types.is_large_binary)) or is_view(kind)
    return is_text or is_numeric(arrow, kind)


def is_view(kind: Any) -> bool:
    """Return True for strings in views, a type that older versions of pyarrow do not know."""
    return str(kind) == "string_view"


def read_column(
    arrow: Any, pieces: Sequence[Any], cell_format: CellFormat, kind: ColumnKind | None = None
) -> Column:
    """Return the column whose pieces the files hold; `kind` is that of a column of which these are a part."""
    if all(is_held_by_float64(arrow, piece) for piece in pieces):
        numbers = np.concatenate([read_numbers(arrow, piece) for piece in pieces])
        if cell_format.missing_numbers:
            numbers[np.isin(numbers, cell_format.missing_numbers)] = np.nan
        return Column(numbers)
    return Column.from_distinct(*read_cells(arrow, pieces, cell_format), kind)


def read_cells(arrow: Any, pieces: Sequence[Any], cell_format: CellFormat) -> tuple[Rows, list[Cell]]:
    """Return codes and the distinct cells of a column whose pieces the files hold."""
    codes: list[Rows] = []
    values: list[object] = []
    for piece in pieces:
        if arrow.types.is_dictionary(piece.type):
            piece = piece.cast(piece.type.value_type)
        if is_view(piece.type):
            piece = piece.cast(arrow.large_string())
        if arrow.types.is_null(piece.type):
            codes.append(np.full(len(piece), -1))
            continue
        encoded = piece.combine_chunks().dictionary_encode()
        indices = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
        codes.append(np.where(indices < 0, -1, indices + len(values)))
        values += read_values(arrow, encoded.dictionary)
    return distinct_cells(np.concatenate(codes), values, cell_format)


def is_held_by_float64(arrow: Any, piece: Any) -> bool:
    """Return True if all numbers of an Arrow column are floats without a loss that a label would show.

    Decimals are not: Arrow casts 4.1 to 4.1000000000000005.
    """
    types, kind = arrow.types, piece.type
    if types.is_integer(kind):
        compute = import_module("pyarrow.compute")
        low, high = compute.min_max(piece).as_py().values() if kind.bit_width == 64 else (0, 0)
        return low is None or max(high, -low) <= 2**53
    return bool(types.is_floating(kind))


def read_numbers(arrow: Any, piece: Any) -> Array:
    """Return the numbers of an Arrow column; null becomes NaN."""
    if piece.type != arrow.float64():
        piece = piece.cast(arrow.float64(), safe=False)
    return np.array(piece.to_numpy(), np.float64)


def read_values(arrow: Any, values: Any) -> list[object]:
    """Return the distinct values of an Arrow column as Python objects, times as texts."""
    if arrow.types.is_duration(values.type):
        return [np.timedelta64(count, values.type.unit) for count in values.cast(arrow.int64()).to_pylist()]
    if arrow.types.is_temporal(values.type):
        try:
            return [tidy_time(text) for text in values.cast(arrow.string()).to_pylist()]
        except (arrow.ArrowNotImplementedError, arrow.ArrowInvalid):
            pass
    return list(values.to_pylist())
