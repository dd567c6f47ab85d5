"""Files that are read as tables of some rows each, with what all rows decide about their columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from cygd.data.table import Table
from cygd.errors import DataError

Names = Collection[str] | None  # of the columns that are needed; None: all


@dataclass(frozen=True)
class TableBlocks:
    """The rows of files, read block by block; together the blocks are the table that the files hold.

    A first reading has counted the rows and found the kind of each column, so that a block means what it
    means in the whole table.
    """

    n_rows: int
    default_names: bool  # as in `Table`
    read: Callable[[int, Names], Iterator[Table]]  # the number of rows of each table, and the columns

    def __len__(self) -> int:
        return self.n_rows

    def blocks(self, n_rows: int, names: Names = None) -> Iterator[Table]:
        """Yield tables of up to `n_rows` rows, whose columns other than `names` are empty."""
        n_read = 0
        for table in self.read(n_rows, names):
            n_read += len(table)
            yield table
        if n_read != self.n_rows:
            raise changed_error()


def changed_error() -> DataError:
    """Return the error for a file that is not what it was when it was read first."""
    return DataError("the file changed while it was read")
