"""Work on column names grows linearly with their number: no name is compared with all others."""

from types import SimpleNamespace

import numpy as np
import pytest

from cygd.data.columns import ColumnRoles, resolve_columns
from cygd.data.dataset import Dataset
from cygd.data.describe import column_roles
from cygd.data.encoding import InputColumn
from cygd.data.inplace import convert_in_place
from cygd.data.sources.csv import load_csv
from cygd.data.sources.csv_header import check_distinct
from cygd.data.table import Column, Table
from cygd.errors import DataError

N = 300


class Name(str):
    """A name that counts how often it is compared."""

    __slots__ = ()
    comparisons = 0

    def __eq__(self, other):
        Name.comparisons += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


@pytest.fixture
def names():
    Name.comparisons = 0
    yield [Name(f"c{i}") for i in range(N)]
    assert Name.comparisons < 20 * N


def table(names):
    matrix = np.arange(2.0 * N).reshape(2, N)
    return Table({name: Column(matrix[:, i]) for i, name in enumerate(names)}, matrix=matrix)


def test_header(names):
    check_distinct("t.csv:1", names)
    with pytest.raises(DataError, match=r"t\.csv:1: duplicate column name 'c5'"):
        check_distinct("t.csv:1", [*names, "c5"])


def test_listed_inputs(names):
    assert resolve_columns(table(names), None, "data.inputs", names) == tuple(names)


def test_inputs_in_place(names):
    columns = [SimpleNamespace(**vars(InputColumn(name)), features=(name,)) for name in reversed(names)]
    x = convert_in_place(table(names), columns, np.dtype("float64"))
    assert x[0].tolist() == list(range(N))[::-1]


def test_description(names):
    roles = ColumnRoles(tuple(names[1:]), tuple(names[:1]), frozenset(), None, names[0])
    assert column_roles(roles) == {names[0]: "target, weight", **dict.fromkeys(names[1:], "input")}


def test_names_of_a_dataset(names):
    x = np.zeros((1, N))
    Dataset(x, [1], inputs=names, targets=["y"])
    with pytest.raises(DataError, match="duplicate column name 'c7'"):
        Dataset(x, [1], inputs=names, targets=["c7"])


def test_wide_file(tmp_path):
    rows = [",".join(map(str, range(row, row + 30_000))) for row in range(12)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(f"c{i}" for i in range(30_000)), *rows]))
    assert load_csv(tmp_path, path="t.csv").matrix.sum(axis=1)[11] == sum(range(11, 30_011))
