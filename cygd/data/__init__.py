"""From a data source to arrays: source -> Dataset or Table -> PreparedData.

`prepare` runs all steps for an experiment. Each step has a file: `sources/` (one row each in `DATA_SOURCES`),
the meaning of cells in `numbers`, raw columns in `column` and `table`, their roles in `columns`, the rows of
each part in `split`, fitting on the training rows in `fit`, and what a prediction needs of it in
`preprocessing`; `prediction` matches new data with it.
"""

from cygd.data.column import Column
from cygd.data.dataset import Dataset, Part
from cygd.data.encoding import InputColumn
from cygd.data.preparation import PreparedData, fingerprint, load, prepare
from cygd.data.preprocessing import Preprocessing
from cygd.data.source import DATA_SOURCES, DataSource
from cygd.data.split import SplitRows, split_rows
from cygd.data.table import Table

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
