"""The csv source: the options of text files of columns, which `csv_reader` reads. Few runs import that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cygd.data.table import Table

if TYPE_CHECKING:
    from cygd.data.sources.csv_records import CsvFormat


def load_csv(
    folder: Path,
    *,
    path: str,  # a file, or a pattern such as `part-*.csv`
    header: bool = True,  # without a header the columns are c0, c1, ...
    delimiter: str = ",",  # a character, or tab, or whitespace for any number of blanks
    decimal: str = ".",  # "." or ","
    quote: str = '"',  # around cells that contain a delimiter; "" for none
    encoding: str = "utf-8",
    comment: str = "",  # lines that begin with it are left out
    skip_rows: int = 0,  # lines to leave out at the start of a file
    skip_footer: int = 0,  # lines to leave out at the end, not counting empty ones
    thousands: str = "",  # between groups of three digits, as "," in 1,200,000
    percent: bool = False,  # whether 5% is 0.05
    units: Sequence[str] | None = None,  # texts before or after numbers, such as [$, kg]
    missing_values: Sequence[str] | None = None,  # words for a missing value, besides the usual ones
) -> Table:
    """Read CSV files, in the order of their names, as named columns."""
    from cygd.data.sources.csv_reader import read_csv

    csv_format = csv_format_of(
        header, delimiter, decimal, quote, encoding, comment, skip_rows, skip_footer, thousands, percent,
        units, missing_values,
    )  # fmt: skip
    return read_csv(folder, path, csv_format)


def csv_format_of(
    header: bool,
    delimiter: str,
    decimal: str,
    quote: str,
    encoding: str,
    comment: str,
    skip_rows: int,
    skip_footer: int,
    thousands: str,
    percent: bool,
    units: Sequence[str] | None,
    missing_values: Sequence[str] | None,
) -> CsvFormat:
    """Return the format that the options of `load_csv` describe."""
    from cygd.data.numbers import CellFormat
    from cygd.data.sources.csv_records import DELIMITER_NAMES, CsvFormat
    from cygd.data.sources.text_io import normalize_encoding

    encoding = normalize_encoding(encoding)
    cells = CellFormat.of_options(decimal, thousands, percent, units, missing_values)
    return CsvFormat(
        header,
        DELIMITER_NAMES.get(delimiter, delimiter),
        decimal,
        quote,
        encoding,
        comment,
        skip_rows,
        skip_footer,
        cells,
    )
