"""Reading of Parquet files block by block, in the memory of a row group of the columns that are needed.

As in text files, all values of a column of texts decide about each of them, so that such columns are read
twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cygd.data.column import Column, separate_strings
from cygd.data.column_kind import ColumnKind, KindCounter
from cygd.data.numbers import CellFormat
from cygd.data.sources.parquet import (
    index_columns,
    is_supported,
    locate_rows,
    open_files,
    parquet_errors,
    read_cells,
    read_column,
)
from cygd.data.sources.paths import format_files
from cygd.data.sources.table_blocks import Names, TableBlocks
from cygd.data.table import Table
from cygd.errors import DataError

log = logging.getLogger("cygd")

COUNTED_ROWS = 1 << 16  # at a time, in the first reading


def parquet_blocks(folder: Path, *, path: str, missing_values: Sequence[str] | None = None) -> TableBlocks:
    """Return the rows of Parquet files in blocks; the options are those of `load_parquet`."""
    cell_format = CellFormat.of_options(missing_values=missing_values)
    arrow, paths, opened = open_files(folder, path)
    where = format_files(paths)
    schemas = [file.schema_arrow for file in opened]
    names: dict[str, str] = {}  # the name of each column in the file, by its name in the table
    for own_name in schemas[0].names:
        name = own_name.strip()
        if name in names:
            raise DataError(f"{where}: duplicate column name {name!r}")
        names[name] = own_name
    types = {name: [schema.field(own).type for schema in schemas] for name, own in names.items()}
    for name, own_types in types.items():
        if unsupported := [kind for kind in own_types if not is_supported(arrow, kind)]:
            log.warning("%s: ignored column %r of unsupported type %s", where, name, unsupported[0])
            del names[name]
    texts = [name for name in names if not all(_is_number(arrow, kind) for kind in types[name])]
    counters = {name: KindCounter() for name in texts}
    counted = _batches(arrow, paths, opened, [names[name] for name in texts], COUNTED_ROWS) if texts else []
    for _, batch in counted:
        for name, counter in [*counters.items()]:
            try:
                cells = read_cells(arrow, [batch.column(names[name])], cell_format)
            except DataError as error:  # bytes that are not text
                log.warning("%s: ignored column %r: %s", where, name, error.message)
                del names[name], counters[name]
            else:
                counter.add(*separate_strings(*cells))
    kinds = {name: counter.kind for name, counter in counters.items()}
    index = index_columns(schemas[0].metadata)
    table = Table(
        {},
        where,
        files=locate_rows(paths, [file.metadata.num_rows for file in opened]),
        index_columns=tuple(name for name in names if name in index),
    )
    read = partial(_read_blocks, arrow, paths, opened, table, names, kinds, cell_format)
    return TableBlocks(sum(file.metadata.num_rows for file in opened), False, read)


def _read_blocks(
    arrow: Any,
    paths: Sequence[Path],
    opened: Sequence[Any],
    table: Table,  # without columns
    names: Mapping[str, str],
    kinds: Mapping[str, ColumnKind],
    cell_format: CellFormat,
    n_rows: int,
    wanted: Names,
) -> Iterator[Table]:
    """Yield tables of up to `n_rows` rows."""
    needed = {name: own for name, own in names.items() if wanted is None or name in wanted}
    read = list(needed.values()) or list(names.values())[:1]  # one at least: its rows are counted
    for start, batch in _batches(arrow, paths, opened, read, n_rows):
        empty = Column(np.full(len(batch), np.nan))
        columns = {
            name: read_column(arrow, [batch.column(own)], cell_format, kinds.get(name))
            if name in needed
            else empty
            for name, own in names.items()
        }
        index = np.arange(start, start + len(batch))
        yield Table(columns, table.where, index, index_columns=table.index_columns, files=table.files)


def _batches(
    arrow: Any, paths: Sequence[Path], opened: Sequence[Any], own_names: list[str], n_rows: int
) -> Iterator[tuple[int, Any]]:
    """Yield Arrow tables of up to `n_rows` rows, and their first rows; without columns if none is named."""
    start = 0
    for path, file in zip(paths, opened, strict=True):
        with parquet_errors(path):
            for batch in file.iter_batches(n_rows, columns=own_names):
                yield start, arrow.Table.from_batches([batch])
                start += len(batch)


def _is_number(arrow: Any, kind: Any) -> bool:
    return bool(arrow.types.is_integer(kind) or arrow.types.is_floating(kind))
