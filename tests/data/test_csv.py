import gzip
import re

import numpy as np
import pytest

from cygd.data.sources import csv_reader
from cygd.data.sources.csv import load_csv
from cygd.errors import DataError


@pytest.fixture
def read(tmp_path):
    def run(content, name="t.csv", **options):
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return load_csv(tmp_path, path=name, **options)

    return run


def numbers(table):
    return {name: column.numbers.tolist() for name, column in table.columns.items()}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_plain_and_gzipped_files(read, name):
    assert numbers(read("a,b\n1,2\n3,4.5\n", name)) == {"a": [1, 3], "b": [2, 4.5]}


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n",
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\r1,2\r3,4\r",
        "\ufeffa,b\n1,2\n3,4\n",
        '"a","b"\n"1","2"\n3,"4"\n',
        " a , b \n 1 , 2\n3,4\n",
        "\n\na,b\n\n1,2\n\n3,4\n\n",
    ],
    ids=["plain", "no last newline", "CRLF", "CR", "BOM", "quotes", "blanks", "empty lines"],
)
@pytest.mark.parametrize("fast", [True, False])
def test_equivalent_files_give_the_same_table(read, text, fast, monkeypatch):
    if not fast:
        monkeypatch.setattr(csv_reader, "read_numbers", lambda *arguments: None)
    assert numbers(read(text)) == {"a": [1, 3], "b": [2, 4]}


def test_numbers_take_the_fast_path_and_have_the_same_bits(read, monkeypatch):
    values = np.random.default_rng(0).normal(size=(100, 3)) * 10.0 ** np.arange(-100, 200, 100)
    text = "a,b,c\n" + "\n".join(",".join(map(repr, row)) for row in values.tolist())
    with monkeypatch.context() as context:
        context.setattr(csv_reader, "read_records", None)
        fast = read(text)
    monkeypatch.setattr(csv_reader, "read_numbers", lambda *arguments: None)
    assert numbers(fast) == numbers(read(text))
    assert np.array_equal(np.stack([fast.columns[name].numbers for name in "abc"], axis=1), values)


def test_columns_without_header_get_default_names(read):
    table = read("1,2\n3,4\n", header=False)
    assert numbers(table) == {"c0": [1, 3], "c1": [2, 4]}
    assert table.default_names


def test_other_delimiters(read):
    assert numbers(read("a;b\n1;2\n", delimiter=";")) == {"a": [1], "b": [2]}
    assert numbers(read("a\tb\n1\tx\n", delimiter="\t"))["a"] == [1]


def test_columns_are_read_chunk_by_chunk(read, monkeypatch):
    monkeypatch.setattr(csv_reader, "CHUNK", 2)
    column = read("a\n1\n2\nx\n01\nx\ny\n").columns["a"]
    codes, labels = column.factorize()
    assert labels == (1, 2, "x", "y")
    assert codes.tolist() == [0, 1, 2, 0, 2, 3]


@pytest.mark.parametrize("cell", ["", " ", "NA", "NaN", "nan", "null", "?"])
def test_missing_values(read, cell):
    column = read(f"a,b\n1,{cell}\n2,3\n").columns["b"]
    assert column.missing.tolist() == [True, False]


@pytest.mark.parametrize("fast", [True, False])
def test_line_number_counts_empty_lines_and_multiline_records(read, fast):
    text = "a,b\n\n1,2\n\n\n3,4\n" if fast else 'a,b\n"x\ny",2\n\nz,4\n'
    table = read(text)
    assert [table.files[0].line_number(row) for row in (0, 1)] == ([3, 6] if fast else [2, 5])
    assert table.location(1, "b").endswith(f"t.csv:{6 if fast else 5}: row 2, column 'b'")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "t.csv is empty"),
        ("\n\n", {}, "t.csv is empty"),
        ("\ufeff", {"header": False}, "t.csv is empty"),
        ("a,b\n", {}, "t.csv has a header but no rows"),
        ("a,b\n1,2\n3\n", {}, "t.csv:3: expected 2 cells as in the header, got 1"),
        ("a,b\n\n1,2,3\n", {}, "t.csv:3: expected 2 cells as in the header, got 3"),
        ("1,2\n3,4,5\n", {"header": False}, "t.csv:2: expected 2 cells as in the first row, got 3"),
        ("a,b\nx,2\ny\n", {}, "t.csv:3: expected 2 cells as in the header, got 1"),
        ("a,,b\n1,2,3\n", {}, "t.csv:1: column 2 of the header has no name"),
        (
            "a,b,a\n1,2,3\n",
            {},
            "t.csv:1: duplicate column name 'a'\nhint: give each column its own name in the header, or "
            "set data.header: false and data.skip_rows: 1 to name them",
        ),
        ("1,2\n", {}, "no rows\nhint: use header: false if the file has no column names"),
        (b"a,b\n1,2\n\xe9,3\n", {}, "t.csv:3: not UTF-8 text"),
        ("a,b\n1,2\n".encode("utf-16"), {}, "t.csv:1: not UTF-8 text"),
        ('a,b\n1,2\n"3,4\n', {}, "t.csv:3: unexpected end of data"),
        ('a,b\n1,2\n"3"x,4\n', {}, "t.csv:3: ',' expected after '\"'"),
        (
            "a,b\n1,2\n",
            {"delimiter": ";;"},
            "delimiter: expected one character, such as ',' or ';', or tab, or whitespace, got ';;'",
        ),
        ("a,b\n1,2\n", {"delimiter": ""}, "delimiter: expected one character, "),
    ],
)
def test_invalid_csv_is_an_error_with_its_line(read, content, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read(content, **options)


def test_invalid_gzip_files(tmp_path):
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 10000)
    for name, content, message in [
        ("no.csv.gz", b"a,b\n1,2\n", "no.csv.gz: not a gzip file"),
        ("cut.csv.gz", whole[:-20], "cut.csv.gz: the gzip file is damaged or truncated"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=re.escape(message)):
            load_csv(tmp_path, path=name)
    (tmp_path / "named.csv").write_bytes(whole)
    with pytest.raises(
        DataError, match=r"not UTF-8 text[^\n]*\nhint: the file is gzip-compressed: rename it to end in \.gz"
    ):
        load_csv(tmp_path, path="named.csv")


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: no such file\nhint: relative paths start from "):
        load_csv(tmp_path, path="none.csv")
    with pytest.raises(DataError, match="expected a file, got a folder"):
        load_csv(tmp_path, path=".")
    with pytest.raises(DataError, match="path: expected the name of a file, got 3"):
        load_csv(tmp_path, path=3)


def test_messages_show_paths_relative_to_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("a,b\n1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"^t\.csv:2: expected 2 cells"):
        load_csv(tmp_path, path="t.csv")
