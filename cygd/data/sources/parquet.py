"""The sources that read with a library of their own, which is imported when one is used."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from cygd.data.dataset import Array
from cygd.data.sources.paths import resolve_paths
from cygd.data.table import Column, ColumnReader, Source, Table, listed
from cygd.errors import DataError

__all__ = ["load_parquet"]

log = logging.getLogger("cygd")


def load_parquet(folder: Path, *, path: str) -> Table:
    """Read the columns of a Parquet file; texts are categories, dates are texts such as 2026-01-31.

    Parameters
    ----------
    folder : Path
        Where a relative path starts from.
    path : str
        The file, or a pattern such as `part-*.parquet`, whose files are read in the order of their names.
    """
    parquet = needed("pyarrow.parquet", "parquet", "pyarrow")
    arrow = import_module("pyarrow")
    files = resolve_paths(folder, path, "path")
    tables, sources, count = [], [], 0
    for file in files:
        try:
            tables.append(parquet.ParquetFile(file).read())
        except (arrow.ArrowException, OSError) as error:
            raise DataError(f"{file}: not a Parquet file that can be read ({first_line(error)})") from None
        if set(tables[-1].column_names) != set(tables[0].column_names):
            there, wanted = listed(tables[-1].column_names), listed(tables[0].column_names)
            raise DataError(f"{file} has the columns {there}; {files[0]} has {wanted}")
        sources.append(Source(count, str(file)))
        count += len(tables[-1])
    if not count:
        raise DataError(f"{files[0]} has no rows")
    where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    columns: dict[str, Column] = {}
    texts = set()
    for name in tables[0].column_names:
        pieces = [table.column(name) for table in tables]
        if odd := [piece.type for piece in pieces if not readable(arrow, piece.type)]:
            log.warning("%s: column %r holds %s, and is left out", where, name, odd[0])
            continue
        reader = ColumnReader()
        read = [values(arrow, piece, reader) for piece in pieces]
        numbers = np.concatenate([number for number, _ in read])
        codes = np.concatenate([code for _, code in read])
        columns[name] = Column(numbers, codes if reader.words else None, tuple(reader.words))
        if any(not numeric(arrow, piece.type) for piece in pieces):
            texts.add(name)
    return Table(
        columns, where, categorical=frozenset(texts), sources=tuple(sources) if len(files) > 1 else ()
    )


def needed(module: str, extra: str, package: str) -> Any:
    """Return a module of a library that is no dependency of cygd, or say how to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        if error.name and error.name != module.partition(".")[0] and not module.startswith(error.name):
            raise DataError(f"source: {extra}: {package} cannot be imported: {error}") from error
        hint = f'pip install "cygd[{extra}]"'
        raise DataError(f"source: {extra} needs {package}, which is not installed", hint=hint) from None


def numeric(arrow: Any, kind: Any) -> bool:
    """Return whether values of a type of Arrow are numbers here."""
    types = arrow.types
    return any(
        test(kind) for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    )


def readable(arrow: Any, kind: Any) -> bool:
    """Return whether values of a type of Arrow are numbers or texts here."""
    types = arrow.types
    if types.is_dictionary(kind):
        return readable(arrow, kind.value_type)
    tests = (types.is_string, types.is_large_string, types.is_temporal, types.is_null)
    return numeric(arrow, kind) or any(test(kind) for test in tests)


def values(arrow: Any, column: Any, reader: ColumnReader) -> tuple[Array, Array]:
    """Return the numbers of a column of Arrow, and the codes of its texts."""
    if numeric(arrow, column.type):
        if not arrow.types.is_floating(column.type) or column.type != arrow.float64():
            column = column.cast(arrow.float64(), safe=False)
        numbers = np.array(column.to_numpy(), np.float64)  # a missing one is NaN
        return numbers, np.full(len(numbers), -1, np.int32)
    if arrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = column.cast(arrow.string()).combine_chunks().dictionary_encode()
    return of_words(encoded.dictionary.to_pylist(), encoded.indices.fill_null(-1).to_numpy(), reader)


def of_words(words: Iterable[str], indices: Array, reader: ColumnReader) -> tuple[Array, Array]:
    """Return numbers and codes of texts that are given by their index, -1 where there is none."""
    read = [*(reader.cell(word) for word in words), (np.nan, -1)]
    numbers = np.array([number for number, _ in read])
    codes = np.array([code for _, code in read], np.int32)
    return numbers[indices], codes[indices]


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
