"""From a data source to arrays: reading, splitting, encoding, scaling.

`prepare` does it for a whole experiment. Each step has a file: the sources in `csv_file`, `arrays` and
`synthetic` (one row each in `DATA_SOURCES`), named raw columns in `table`, the rows of each part in
`split`, what is fitted on the training rows in `fitting`, what a prediction needs of it in
`preprocessing`.
"""

from cygd.data.dataset import Dataset, Part
from cygd.data.prepare import fingerprint, load, prepare
from cygd.data.prepared import PreparedData
from cygd.data.preprocessing import InputColumn, Preprocessing
from cygd.data.source import DATA_SOURCES, DataSource
from cygd.data.split import SplitRows, split_rows
from cygd.data.table import Column, Table

__all__ = [
    "DATA_SOURCES",
    "Column",
    "DataSource",
    "Dataset",
    "InputColumn",
    "Part",
    "PreparedData",
    "Preprocessing",
    "SplitRows",
    "Table",
    "fingerprint",
    "load",
    "prepare",
    "split_rows",
]
