"""The parquet source: columns of Parquet files."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from cygd.data.dataset import Array
from cygd.data.formatting import format_list
from cygd.data.sources.optional_imports import import_optional
from cygd.data.sources.paths import format_files, resolve_paths
from cygd.data.sources.pipes import content_of
from cygd.data.table import Column, ColumnReader, Table, TableFile
from cygd.errors import DataError

log = logging.getLogger("cygd")


def load_parquet(folder: Path, *, path: str) -> Table:
    """Read the columns of Parquet files; strings are categories, dates are strings such as 2026-01-31."""
    parquet = import_optional("pyarrow.parquet", "parquet", "pyarrow")
    arrow = import_module("pyarrow")
    paths = resolve_paths(folder, path, "path")
    tables, files, n_rows = [], [], 0
    for file in paths:
        try:
            tables.append(parquet.ParquetFile(content_of(file)).read())
        except (arrow.ArrowException, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(f"{file}: cannot be read as a Parquet file ({reason})") from None
        first_names, names = tables[0].column_names, tables[-1].column_names
        if set(names) != set(first_names):
            expected = f"expected the columns of {paths[0]}: {format_list(first_names)}"
            raise DataError(f"{file}: {expected}, got {format_list(names)}")
        files.append(TableFile(n_rows, str(file)))
        n_rows += len(tables[-1])
    if not n_rows:
        raise DataError(f"{paths[0]} has no rows")
    where = format_files(paths)
    columns: dict[str, Column] = {}
    categorical = set()
    for name in tables[0].column_names:
        pieces = [table.column(name) for table in tables]
        if unsupported := [piece.type for piece in pieces if not is_supported(arrow, piece.type)]:
            log.warning("%s: ignored column %r of unsupported type %s", where, name, unsupported[0])
            continue
        reader = ColumnReader()
        values = [read_column(arrow, piece, reader) for piece in pieces]
        numbers = np.concatenate([numbers for numbers, _ in values])
        codes = np.concatenate([codes for _, codes in values])
        columns[name] = Column(numbers, codes if reader.strings else None, tuple(reader.strings))
        if any(not is_numeric(arrow, piece.type) for piece in pieces):
            categorical.add(name)
    return Table(columns, where, categorical=frozenset(categorical), files=tuple(files))


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
    tests = (types.is_string, types.is_large_string, types.is_temporal, types.is_null)
    return is_numeric(arrow, kind) or any(test(kind) for test in tests)


def read_column(arrow: Any, column: Any, reader: ColumnReader) -> tuple[Array, Array]:
    """Return the numbers of an Arrow column, and the codes of its strings."""
    if is_numeric(arrow, column.type):
        if not arrow.types.is_floating(column.type) or column.type != arrow.float64():
            column = column.cast(arrow.float64(), safe=False)
        numbers = np.array(column.to_numpy(), np.float64)  # null becomes NaN
        return numbers, np.full(len(numbers), -1, np.int32)
    if arrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = column.cast(arrow.string()).combine_chunks().dictionary_encode()
    # the last cell is for null, whose index is -1
    cells = [*(reader.read_cell(string) for string in encoded.dictionary.to_pylist()), (np.nan, -1)]
    values, codes = zip(*cells, strict=True)
    indices = encoded.indices.fill_null(-1).to_numpy()
    return np.array(values)[indices], np.array(codes, np.int32)[indices]
