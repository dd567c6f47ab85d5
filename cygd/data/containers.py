"""Values of Python containers as columns: data frames, Arrow tables, mappings, arrays and lists.

No library is imported: an object is recognized by the methods of its kind. The same value is the same in all
of them: None, NaN, NaT and pandas.NA are missing, True and False are words, dates are texts (2026-01-31).
"""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Iterable, Sequence
from decimal import Decimal
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.core.primitives import is_masked
from cygd.data.dataset import Label, Rows, reject_sparse
from cygd.data.known_labels import duration_text, tidy_time
from cygd.data.numbers import USUAL_CELLS, Cell, CellFormat, exact_number, float_label
from cygd.data.sources.optional_imports import import_optional
from cygd.errors import DataError

MISSING_TYPES = ("NAType", "NaTType")  # of pandas
NOT_SCALAR = (complex, tuple, list, dict, set, frozenset, np.complexfloating, np.void, np.ndarray)


def is_named(data: Any) -> bool:
    """Return True for a mapping, a data frame, an Arrow table or another object with an Arrow C stream."""
    if hasattr(data, "collect_schema") and hasattr(data, "collect"):
        raise DataError("expected a data frame, got a query that has not run", hint="call its .collect()")
    if hasattr(data, "keys") or hasattr(data, "get_column") or hasattr(data, "schema"):
        return True
    is_column = hasattr(data, "dtype") or hasattr(data, "num_chunks")  # a series, a chunked array
    return hasattr(data, "__arrow_c_stream__") and not is_column


def read_stream(data: Any) -> Any:
    """Return data that can be read again: the Arrow table of an object that is only an Arrow C stream.

    Mappings, the data frames of pandas and Polars, and tables of pyarrow are returned as they are. The
    buffers of a stream are not copied.

    Raises
    ------
    DataError
        If pyarrow is not installed, or the stream has no columns or cannot be read.
    """
    is_readable = hasattr(data, "keys") or hasattr(data, "get_column") or _is_arrow_table(data)
    if is_readable or not hasattr(data, "__arrow_c_stream__"):
        return data
    kind, arrow = type(data).__name__, _import_arrow(data)
    try:
        return arrow.table(data)
    except Exception as error:  # of the library that produces the stream
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        hint = "some streams can be read once: make a table of it, such as pyarrow.table(...)"
        raise DataError(f"cannot read the Arrow stream of {kind}: {reason}", hint=hint) from error


def _import_arrow(data: Any) -> Any:
    """Return pyarrow, which reads the stream of an object."""
    return import_optional("pyarrow", "parquet", "pyarrow", f"an Arrow stream ({type(data).__name__})")


def _is_arrow_table(data: Any) -> bool:
    return hasattr(data, "column") and hasattr(data, "to_pydict")  # of pyarrow


def named_columns(data: Any) -> dict[str, Any]:
    """Return the columns of what `is_named` accepts by their names."""
    data = read_stream(data)
    if hasattr(data, "get_column"):  # of Polars
        names, column = data.columns, data.get_column
    elif _is_arrow_table(data):
        names, column = data.schema.names, lambda name: data.column(names.index(name))
    elif hasattr(data, "keys"):
        names, column = list(data.keys()), data.__getitem__
    else:
        raise DataError(f"expected a mapping or a data frame, got {type(data).__name__}")
    texts = [str(name).strip() for name in names]  # as the header of a text file
    if len(set(texts)) < len(texts):
        repeated = next(name for name in texts if texts.count(name) > 1)
        raise DataError(f"duplicate column name {repeated!r}")
    return {text: column(name) for text, name in zip(texts, names, strict=True)}


def convert_values(
    values: Any, cell_format: CellFormat = USUAL_CELLS
) -> npt.NDArray[Any] | tuple[Rows, list[Cell]]:
    """Return the numbers of an array, a list or the column of a data frame, or codes and their cells.

    A scalar is one row. A code of -1 is missing.
    """
    reject_sparse(values)
    is_known = hasattr(values, "to_pylist") or hasattr(values, "to_list")
    if hasattr(values, "__arrow_c_stream__") and not is_known:
        values = _import_arrow(values).chunked_array(values)
    array = numeric_array(values)
    if array is not None:
        return array
    objects = objects_of(values)
    types = set(map(type, objects))
    gaps = {kind for kind in types if kind.__name__ in MISSING_TYPES}
    if gaps and types - gaps <= {int, float, NoneType}:  # a nullable column of numbers
        objects = [None if type(value) in gaps else value for value in objects]
        types = (types - gaps) | {NoneType}
    if types <= {int, float, NoneType}:
        try:
            array = np.array(objects, np.float64)
        except OverflowError:
            pass
        else:
            if int not in types or not (np.abs(array[~np.isnan(array)]) >= 2**53).any():
                return array
    index: dict[tuple[type, Any], int] = {}
    try:
        codes = np.array([index.setdefault((type(v), v), len(index)) for v in objects], np.int64)
    except TypeError:
        kind = next((kind for kind in types if kind.__hash__ is None), tuple)
        raise DataError(f"expected a number or a text, got {kind.__name__}") from None
    return distinct_cells(codes, [value for _, value in index], cell_format)


def numeric_array(values: Any) -> npt.NDArray[Any] | None:
    """Return values as an array of numbers or booleans if nothing is lost by that."""
    if isinstance(values, np.ndarray):
        if is_masked(values):
            raise DataError("masked arrays are not supported", hint="fill it first: .filled(...)")
        return np.atleast_1d(values) if values.dtype.kind in "biuf" else None
    null_count = getattr(values, "null_count", None)  # of Arrow, and a method in Polars
    null_count = null_count() if callable(null_count) else null_count
    is_frame_column = null_count == 0 or isinstance(getattr(values, "dtype", None), np.dtype)
    if not is_frame_column or not hasattr(values, "__array__"):
        return None
    array = np.atleast_1d(values)
    return array if array.dtype.kind in "biuf" else None


def objects_of(values: Any) -> list[Any]:
    """Return values as Python objects."""
    if hasattr(values, "to_pylist"):  # of Arrow
        return list(values.to_pylist())
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        return [values]
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "mM":
            return list(np.atleast_1d(values))  # tolist() would return the integers of nanoseconds
        return list(np.atleast_1d(values).tolist())
    if hasattr(values, "to_list"):  # of pandas and Polars
        return list(values.to_list())
    return list(values)


def distinct_cells(
    codes: Rows, values: Sequence[object], cell_format: CellFormat = USUAL_CELLS
) -> tuple[Rows, list[Cell]]:
    """Return codes and the cells of distinct Python objects, -1 for those that are missing."""
    no_value = np.array([*map(is_missing, values), True])
    cells = [
        Cell(None, is_missing=True) if missing else cell_of(value, cell_format)
        for value, missing in zip(values, no_value.tolist(), strict=False)
    ]
    return np.where(no_value[codes], -1, codes), cells


def is_missing(value: Any) -> bool:
    """Return True for None, NaN, NaT and pandas.NA."""
    if value is None or type(value).__name__ in MISSING_TYPES:
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return isinstance(value, float | np.floating | Decimal) and bool(value != value)


def cell_of(value: object, cell_format: CellFormat) -> Cell:
    """Return what a Python object holds."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise DataError(f"expected UTF-8 text, got {value!r}") from None
    if isinstance(value, str):
        return cell_format.cell(value.strip())
    if isinstance(value, datetime.timedelta | np.timedelta64):
        return Cell(duration_text(value))
    if isinstance(value, datetime.date | datetime.time | np.datetime64):
        return Cell(tidy_time(str(value)))
    if isinstance(value, bool | np.bool):
        return Cell(str(bool(value)))
    if isinstance(value, int | np.integer):
        number: Label = int(value) if abs(int(value)) < 2**1024 else exact_number(Decimal(int(value)))
    elif isinstance(value, Decimal):
        number = exact_number(value)
    elif isinstance(value, numbers.Real):
        number = float_label(float(value))
    elif isinstance(value, NOT_SCALAR) or type(value).__repr__ is object.__repr__:
        raise DataError(f"expected a number or a text, got {type(value).__name__}")
    else:  # a period or an interval of pandas, an enumeration, a UUID
        return Cell(str(value))
    return Cell(None, number, number in cell_format.missing_numbers)


def is_declared_categorical(values: Any) -> bool:
    """Return True for a column whose type says that it holds categories.

    These are a category of pandas, Categorical and Enum of Polars, and a dictionary of Arrow.
    """
    kind = str(getattr(values, "dtype", getattr(values, "type", "")))
    return kind.startswith(("category", "dictionary<", "Categorical", "Enum"))
