"""Files in blocks: together the blocks are the table that is read at once, with the same messages."""

import gzip
from itertools import chain

import numpy as np
import pytest

from cygd.data import DATA_SOURCES, Column, Preprocessing
from cygd.data import InputColumn as Spec
from cygd.data.column_kind import ColumnKind, KindCounter
from cygd.data.sources import csv_reader
from cygd.data.sources.csv import load_csv
from cygd.errors import DataError

SOURCES = {source.name: source for source in DATA_SOURCES}
SIZES = (1, 2, 3, 7, 100)
# what a column may hold; the words decide about each other
CELLS = {
    "numbers": ["1", "2.5", "-3e2", "0.1", ""],
    "words": ["1", "2.5", "N/A", "inf", "None", ""],
    "booleans": ["True", "false", "TRUE", "", "N/A", "-"],
    "maybe": ["True", "False", "maybe", "1"],
    "bits": ["True", "1", "0", "False"],
    "texts": ["a", "b", "N/A", "Inf", '"NA"', "NA", "1", ""],
    "mixed": ["1", "01", "1.0", "1E2", "a", "b", "c", "9007199254740993"],
    "quoted": ['"1"', '"?"', "?", '"x,y"', '"two\nlines"'],
    "gaps": ["", "NA", "null"],
    "dates": ["2026-01-31", "2026-02-01", ""],
}


def random_file(rng):
    """Return the text of a file, and its number of rows."""
    n_rows, names = int(rng.integers(1, 13)), rng.choice(list(CELLS), size=3, replace=False).tolist()
    columns = []
    for name in names:
        cells = rng.choice(CELLS[name], size=int(rng.integers(1, len(CELLS[name]) + 1)), replace=False)
        columns.append(rng.choice(cells, size=n_rows).tolist())
    if rng.random() < 0.3:
        columns[0][-1] = "Total"
    lines = [",".join([*names, "end"]), *(",".join([*row, "5"]) for row in zip(*columns, strict=True))]
    return "\n".join(lines) + "\n", n_rows


def cells_of(column):
    """Return the label of each row, None for a missing value, and the column's other facts."""
    codes, cells = column.cells()
    labels = [None if code < 0 else column.label(cells[code]) for code in codes.tolist()]
    strings = [column.string_of_row(row) for row in range(len(codes))]
    return labels, strings, column.numbers.tolist()


def check_blocks(source, folder, caplog, names=None, **options):
    """Check that a file in blocks is the table of the whole, with its warnings."""
    configured = SOURCES[source].configured(options)
    caplog.clear()
    whole = configured.read(folder)
    warnings = caplog.text.splitlines()
    for size in SIZES:
        caplog.clear()
        blocks = configured.read_blocks(folder)
        assert len(blocks) == len(whole)
        tables = list(blocks.blocks(size, names))
        assert sorted(line.split("] ")[-1].split(" ", 3)[-1] for line in caplog.text.splitlines()) == sorted(
            line.split("] ")[-1].split(" ", 3)[-1] for line in warnings
        )
        assert all(len(table) <= size for table in tables)
        assert [list(table.columns) for table in tables] == [list(whole.columns)] * len(tables)
        for name in names or whole.columns:
            column = whole.column(name)
            found = [cells_of(table.column(name)) for table in tables]
            merged = [list(chain.from_iterable(parts)) for parts in zip(*found, strict=True)]
            expected = cells_of(column)
            for part, other in zip(merged, expected, strict=True):
                assert [repr(value) for value in part] == [repr(value) for value in other], (name, size)
            for table in tables:
                block = table.column(name)
                assert block.is_categorical == column.is_categorical
                assert (block.has_booleans, block.is_boolean) == (column.has_booleans, column.is_boolean)
        places = [table.location(row, "end") for table in tables for row in range(len(table))]
        assert places == [whole.location(row, "end") for row in range(len(whole))]
        assert (tables[0].default_names, tables[0].where) == (whole.default_names, whole.where)


@pytest.mark.parametrize("seed", range(60))
def test_random_text_files(tmp_path, caplog, seed):
    text, _ = random_file(np.random.default_rng([3, seed]))
    (tmp_path / "t.csv").write_text(text)
    check_blocks("csv", tmp_path, caplog, path="t.csv")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a;b;end\n1,5;u;1\n2;v;2\n", {"delimiter": ";", "decimal": ","}),
        ("1 2 3\n4 5 6\n7 8 x\n", {"header": False, "delimiter": "whitespace"}),
        ("# made by hand\na,b,end\n1,2,3\n# more\n4,5,6\n", {"comment": "#"}),
        ("title\na,end\n1,2\n3,4\nsum,6\n", {"skip_rows": 1, "skip_footer": 1}),
        ("a,end\n1.2k,2\n-,4\n-999,5\n", {"missing_values": ["-", -999], "units": ["k"]}),
        ("a,end,,\n1,2,,\n3,4,,\n", {}),
        (",a,end\n1,2,3\n2,3,4\n", {}),
        ("a,end\nrow1,2,3\nrow2,3,4\nrow3,5,4\n", {}),
        ('a,end\n"1,200",2\n"3,400",4\n', {"thousands": ","}),
        ("sep=,\na,end\n1,2\n", {}),
    ],
)
def test_formats_of_text_files(tmp_path, caplog, text, options):
    (tmp_path / "t.csv").write_text(text)
    if not options.get("header", True):
        text = text.replace("x", "9")
        (tmp_path / "t.csv").write_text(text)
        whole = load_csv(tmp_path, path="t.csv", **options)
        blocks = SOURCES["csv"].configured({"path": "t.csv", **options}).read_blocks(tmp_path)
        assert blocks.default_names
        rows = [table.column("c2").numbers.tolist() for table in blocks.blocks(2)]
        assert rows == [[3.0, 6.0], [9.0]] == [whole.column("c2").numbers.tolist()[:2], [9.0]]
        return
    check_blocks("csv", tmp_path, caplog, path="t.csv", **options)


def test_several_files_and_compressed_ones(tmp_path, caplog):
    rng = np.random.default_rng(5)
    for name in ("p-1.csv", "p-2.csv", "p-3.csv"):
        rows = "\n".join(f"{rng.integers(9)},{rng.choice(['u', 'v', ''])},{i}" for i in range(5))
        (tmp_path / name).write_text(f"a,b,end\n{rows}\nTotal,w,{rng.integers(9)}\n")
    check_blocks("csv", tmp_path, caplog, path="p-*.csv")
    with gzip.open(tmp_path / "p.csv.gz", "wt") as file:
        file.write((tmp_path / "p-2.csv").read_text())
    check_blocks("csv", tmp_path, caplog, path="p.csv.gz")


def test_columns_that_are_not_needed_are_empty(tmp_path, caplog):
    (tmp_path / "t.csv").write_text("a,b,end\n1,u,2\n2,v,3\n")
    check_blocks("csv", tmp_path, caplog, names=["b"], path="t.csv")
    (table,) = SOURCES["csv"].configured({"path": "t.csv"}).read_blocks(tmp_path).blocks(9, ["b"])
    assert table.column("a").missing.all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv is empty"),
        ("a,b\n", "t.csv has a header but no rows"),
        ("a,b\n1,2\n3\n", "t.csv:3: expected 2 cells as in the header, got 1"),
        ("a,b\n1,2\n3,4,5\n", "t.csv:3: expected 2 cells as in the header, got 3"),
        ('a,b\n1,2\n"3,4\n', "t.csv:3: "),
        ("a,a\n1,2\n", "t.csv:1: "),
    ],
)
def test_errors_are_those_of_the_whole_before_the_first_block(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    source = SOURCES["csv"].configured({"path": "t.csv"})
    with pytest.raises(DataError) as whole:
        source.read(tmp_path)
    with pytest.raises(DataError) as blocks:
        source.read_blocks(tmp_path)
    assert str(blocks.value) == str(whole.value)
    assert message in str(blocks.value)


@pytest.mark.parametrize("later", ["a,b\n1,2\n", "a,b\n1,2\n3,4\n5,6\n", "a,b\n1,2\n3\n"])
def test_file_that_changes_is_an_error(tmp_path, later):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    blocks = SOURCES["csv"].configured({"path": "t.csv"}).read_blocks(tmp_path)
    (tmp_path / "t.csv").write_text(later)
    with pytest.raises(DataError, match="the file changed while it was read"):
        list(blocks.blocks(1))


def test_only_one_block_is_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_reader, "CHUNK", 2)
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{i},text {i}\n" for i in range(50)))
    blocks = SOURCES["csv"].configured({"path": "t.csv"}).read_blocks(tmp_path)
    tables = blocks.blocks(5)
    assert next(tables).column("b").strings == tuple(f"text {i}" for i in range(5))
    assert next(tables).column("b").strings == tuple(f"text {i}" for i in range(5, 10))


@pytest.mark.parametrize("seed", range(20))
def test_random_parquet_files(tmp_path, caplog, seed):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rng = np.random.default_rng([4, seed])
    n_rows = int(rng.integers(1, 13))
    texts = rng.choice(CELLS[str(rng.choice(list(CELLS)))], size=n_rows).tolist()
    columns = {
        "float": arrow.array(rng.normal(size=n_rows)),
        "id": arrow.array((2**53 + rng.integers(4, size=n_rows)).tolist()),
        "texts": arrow.array([text or None for text in texts]),
        "kind": arrow.array(rng.choice(["u", "v"], size=n_rows)).dictionary_encode(),
        "flag": arrow.array(
            [None if v == 2 else bool(v) for v in rng.integers(3, size=n_rows)], arrow.bool_()
        ),
        "blob": arrow.array([b"\xff" if i == n_rows - 1 else b"x" for i in range(n_rows)]),
        "list": arrow.array([[1.0]] * n_rows),
        "null": arrow.nulls(n_rows),
        "end": arrow.array(range(n_rows)),
    }
    for name in ("p-1.parquet", "p-2.parquet"):
        parquet.write_table(arrow.table(columns), tmp_path / name, row_group_size=int(rng.integers(1, 9)))
    check_blocks("parquet", tmp_path, caplog, path="p-*.parquet")
    check_blocks("parquet", tmp_path, caplog, path="p-1.parquet", names=["texts", "float"])
    assert "ignored column 'blob'" in caplog.text
    assert "ignored column 'list' of unsupported type" in caplog.text


def test_parquet_files_with_other_columns_or_without_rows(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"a": [1.0], "b": [2.0]}), tmp_path / "p-1.parquet")
    parquet.write_table(arrow.table({"a": [1.0], "c": [2.0]}), tmp_path / "p-2.parquet")
    parquet.write_table(arrow.table({"a": arrow.array([], arrow.float64())}), tmp_path / "e.parquet")
    (tmp_path / "t.parquet").write_text("a,b\n1,2\n")
    for path, message in (
        ("p-*.parquet", "expected the columns of .*: a, b, got a, c"),
        ("e.parquet", "e.parquet has no rows"),
        ("t.parquet", "t.parquet: cannot be read as a Parquet file"),
    ):
        source = SOURCES["parquet"].configured({"path": path})
        for read in (source.read, source.read_blocks):
            with pytest.raises(DataError, match=message):
                read(tmp_path)


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in ("csv", "parquet")])
def test_other_sources_have_no_blocks(tmp_path, name):
    assert SOURCES[name].read_blocks(tmp_path) is None


@pytest.mark.parametrize(
    ("numbers", "strings", "kind"),
    [
        ([1, 2], [], (False, False, False, True)),
        ([], ["a"], (True, False, False, False)),
        ([1], ["a"], (False, False, False, True)),
        ([1], ["a", "b"], (True, False, False, True)),
        ([], ["N/A", "inf"], (False, False, False, False)),
        ([], ["True", "false"], (False, True, True, False)),
        ([1], ["True", "false", "-"], (False, True, False, True)),
        ([], ["True", "a"], (True, False, False, False)),
        ([], ["-"], (True, False, False, False)),
        ([], [], (False, False, False, False)),
    ],
)
def test_kind_of_a_column_counted_in_parts(numbers, strings, kind):
    counter = KindCounter()
    for number in numbers:
        counter.add(np.array([number, np.nan]), None, ())
    for text in strings:
        counter.add(np.array([np.nan, np.nan]), np.array([0, -1]), (text, "never"))
    assert counter.kind == ColumnKind(*kind)
    column = Column.from_values([*numbers, *strings])
    assert (column.is_categorical, column.has_booleans, column.is_boolean) == kind[:3]


def test_a_block_is_transformed_as_a_part_of_the_whole(tmp_path):
    """N/A is missing and filled, and True a number, because the other rows say so."""
    (tmp_path / "t.csv").write_text("a,b\n1,True\nN/A,False\n3,1\n")
    (tmp_path / "u.csv").write_text("a,b\nu,True\nN/A,maybe\nv,1\n")
    model = Preprocessing((Spec("a", fill=7.0), Spec("b")), ("y",))
    for name, expected in (("t.csv", [[1, 1], [7, 0], [3, 1]]), ("u.csv", None)):
        blocks = SOURCES["csv"].configured({"path": name}).read_blocks(tmp_path)
        tables = list(blocks.blocks(1))
        if expected is not None:
            assert [model.transform_inputs(table)[0].tolist() for table in tables] == expected
        else:
            for table in tables[:2]:
                with pytest.raises(DataError, match="expected a number"):
                    model.transform_inputs(table)
