"""CSV formats: other delimiters, decimal commas, quotes, encodings, several files."""

import gzip
import tracemalloc

import numpy as np
import pytest

from cygd.data.sources import csv_reader
from cygd.data.sources.csv import load_csv
from cygd.errors import DataError


@pytest.fixture
def read(tmp_path):
    def run(content, written="utf-8", **options):
        (tmp_path / "t.csv").write_bytes(content.encode(written))
        return load_csv(tmp_path, path="t.csv", **options)

    return run


def numbers(table):
    return {name: column.numbers.tolist() for name, column in table.columns.items()}


@pytest.fixture(params=["fast", "slow"])
def path(request, monkeypatch):
    if request.param == "slow":
        monkeypatch.setattr(csv_reader, "read_numbers", lambda *arguments: False)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a;b\n1,5;2\n-3;4e1\n", {"delimiter": ";", "decimal": ","}),
        ('a,b\n"1,5",2\n-3,"40"\n', {"decimal": ","}),
        ("a\tb\n1.5\t2\n-3\t40\n", {"delimiter": "tab"}),
        ("a\tb\n1.5\t2\n-3\t40\n", {"delimiter": "\\t"}),
        ("  a b\n 1.5   2 \n\n-3\t40\n", {"delimiter": "whitespace"}),
        ("a|b\n1.5|2\n-3|40\n", {"delimiter": "|"}),
        ("'a','b'\n'1.5',2\n-3,'40'\n", {"quote": "'"}),
        ("\ufeffa;b\r\n1,5;2\r\n-3;40\r\n", {"delimiter": ";", "decimal": ","}),
    ],
)
@pytest.mark.usefixtures("path")
def test_formats_of_one_table(read, text, options):
    assert numbers(read(text, **options)) == {"a": [1.5, -3], "b": [2, 40]}


def test_delimiter_and_decimal_need_quotes_to_be_the_same(read):
    with pytest.raises(
        DataError,
        match=r"delimiter and decimal are both ','\nhint: files with decimal commas usually have",
    ):
        read("a,b\n1,2\n", decimal=",", quote="")
    with pytest.raises(DataError, match=r"t\.csv:2: expected 2 cells as in the header, got 3"):
        read("a,b\n1,5,2\n", decimal=",")
    with pytest.raises(DataError, match=r"got 2\nhint: the only column is 'a;b'; set data\.delimiter"):
        read("a;b\n1,5;2\n2,5;3\n", decimal=",")


@pytest.mark.usefixtures("path")
def test_point_is_not_a_number_with_decimal_comma(read):
    column = read("a\n1.500\n2,5\n3\n", decimal=",", delimiter=";").columns["a"]
    assert column.strings == ("1.500",)
    assert column.numbers[1:].tolist() == [2.5, 3]


def test_undeclared_decimal_commas_have_a_hint(table, caplog):
    with pytest.raises(
        DataError, match=r"expected a number, got '1,5'\nhint: set data\.decimal: ',' if commas are"
    ):
        table("a;y\n1;2\n1,5;2\n", delimiter=";")
    assert not caplog.records
    table("a;y\n1,5;2\n2,5;3\n", delimiter=";")
    assert "column 'a' is categorical, because it holds strings such as '1,5'" in caplog.text
    assert "data.decimal" in caplog.records[0].hint


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "latin-1", "shift_jis"])
def test_encodings(read, encoding):
    word = "山" if encoding == "shift_jis" else "é"
    table = read(f"a,b\n1,{word}\n2,x\n", written=encoding, encoding=encoding)
    assert table.columns["b"].strings == (word, "x")
    assert table.files[0].line_number(1) == 3


@pytest.mark.parametrize(
    ("text", "written", "options", "message"),
    [
        (
            "a,b\n1,2\n",
            "utf-16",
            {},
            "t.csv:1: not UTF-8 text .*\nhint: .* byte order mark: set data.encoding: utf-16",
        ),
        (
            "a\né\n",
            "cp1252",
            {},
            "t.csv:2: not UTF-8 text .*\nhint: save the file as UTF-8, or set its encoding",
        ),
        ("a\n1\n", "utf-8", {"encoding": "utf-16"}, "t.csv:1: not utf-16 text"),
        ("a\n1\n", "utf-8", {"encoding": "utf8x"}, "unknown encoding 'utf8x'\nhint: did you mean"),
        ("a\n1\n", "utf-8", {"encoding": "rot13"}, "unknown encoding 'rot13'\nhint: common encodings"),
        ("a\n1\n", "utf-8", {"encoding": "a\0b"}, "unknown encoding"),
        ("a\n1\n", "utf-8", {"quote": "''"}, "quote: expected one character, or '' for none, got \"''\""),
        ("a\n1\n", "utf-8", {"quote": ","}, "delimiter: expected one character, .*, got ','"),
    ],
)
def test_unreadable_file_has_a_hint(read, text, written, options, message):
    with pytest.raises(DataError, match=message):
        read(text, written, **options)


def test_quotes_can_be_disabled(read):
    assert read('a,b\n1,6"\n2,7"\n', quote="").columns["b"].strings == ('6"', '7"')


def parts(folder, **contents):
    for name, content in contents.items():
        (folder / f"{name}.csv").write_text(content)


@pytest.mark.usefixtures("path")
def test_several_files_are_one_table_in_the_order_of_their_names(tmp_path):
    parts(tmp_path, p2="a,b\n3,4\n", p1="a,b\n1,2\n", p3="a,b\n\n5,x\n7,8\n", other="c\n0\n")
    (tmp_path / "p4.csv").mkdir()
    table = load_csv(tmp_path, path="p*.csv")
    assert numbers(table)["a"] == [1, 3, 5, 7]
    assert table.columns["b"].string_codes.tolist() == [-1, -1, 0, -1]
    assert table.where.endswith("p1.csv and 2 more")
    assert table.location(1, "a").endswith("p2.csv:2: row 1, column 'a'")
    assert table.location(2, "b").endswith("p3.csv:3: row 1, column 'b'")
    assert table.take(np.array([0, 2, 3])).location(2, "b").endswith("p3.csv:4: row 2, column 'b'")


def test_files_with_different_headers_are_an_error(tmp_path):
    parts(tmp_path, p1="a,b\n1,2\n", p2="a,c\n1,2\n", q1="a\n1\n", q2="a,b\n1,2\n")
    with pytest.raises(DataError, match=r"p2\.csv: expected column 2 to be 'b' as in .*p1\.csv, got 'c'"):
        load_csv(tmp_path, path="p?.csv")
    with pytest.raises(DataError, match=r"q2\.csv: expected 1 column as in .*q1\.csv, got 2"):
        load_csv(tmp_path, path="q[12].csv")
    with pytest.raises(DataError, match=r"z\*\.csv: no file matches the pattern\nhint: relative paths start"):
        load_csv(tmp_path, path="z*.csv")


def test_file_name_that_looks_like_a_pattern(tmp_path):
    parts(tmp_path, **{"p[1]": "a\n1\n", "p1": "a\n2\n"})
    assert numbers(load_csv(tmp_path, path="p[1].csv")) == {"a": [1]}
    (tmp_path / "p[1].csv").unlink()
    assert numbers(load_csv(tmp_path, path="p[1].csv")) == {"a": [2]}


def test_gzipped_and_plain_files_can_be_combined(tmp_path):
    (tmp_path / "p1.csv.gz").write_bytes(gzip.compress(b"a\n1\n"))
    parts(tmp_path, p2="a\n2\n")
    assert numbers(load_csv(tmp_path, path="p*")) == {"a": [1, 2]}


@pytest.mark.parametrize("text", ["", ",x"])
@pytest.mark.parametrize("late", ["", "1\n", "?,2,3{}\n", "1,b,3{}\n"])
def test_error_after_many_rows_keeps_its_line(read, text, late):
    content = f"a,b,c{',t' if text else ''}\n" + f"1,2,3{text}\n" * 10_000 + late.format(text)
    if late == "1\n":
        with pytest.raises(DataError, match=r"t\.csv:10002: expected [34] cells as in the header, got 1"):
            read(content)
        return
    table = read(content)
    assert len(table) == 10_000 + bool(late)
    assert table.columns["c"].numbers.tolist() == [3.0] * len(table)
    assert table.columns["a"].missing.sum() == late.startswith("?")
    assert table.columns["b"].strings == (("b",) if "b" in late else ())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", ["none", "standard"])
def test_reading_needs_little_more_memory_than_the_arrays(tmp_path, prepare, dtype, scale):
    values = np.random.default_rng(0).normal(size=(40_000, 12))
    with (tmp_path / "t.csv").open("w") as file:
        file.write(",".join("abcdefghijkl") + "\n")
        np.savetxt(file, values, delimiter=",", fmt="%.9g")
    prepare(path="t.csv", targets=("b",), scale=scale)  # imports are not measured
    tracemalloc.start()
    try:
        prepared = prepare(path="t.csv", targets=("b",), scale=scale, dtype=dtype, missing="mean")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < values.nbytes * 1.4 + 4e6
    x = np.delete(np.loadtxt(tmp_path / "t.csv", delimiter=",", skiprows=1), 1, axis=1)
    if scale == "none":
        assert np.array_equal(prepared.train.x, x.astype(dtype))
    assert prepared.train.x.dtype == dtype
    assert prepared.train.x.flags.c_contiguous


def assert_same(one, other):
    assert list(one.columns) == list(other.columns)
    for name, column in one.columns.items():
        assert np.array_equal(column.numbers, other.columns[name].numbers, equal_nan=True)
        codes, labels = column.factorize()
        assert labels == other.columns[name].factorize()[1]
        assert np.array_equal(codes, other.columns[name].factorize()[0])
        assert (column.string_codes is None) == (other.columns[name].string_codes is None)


CELLS = {
    "numbers": ["1", " 2.5", "-1e-3", "07", "1e400", "nan"],
    "gaps": ["1", "", "NA", "?", "3"],
    "texts": ["u", "v ", "", "7", "1_0", "é", "u v"],
    "quoted": ["u", '"v,w"', '"a\nb"', '""', '"1"', '"say ""a"""', '"\n1,2,3,4"'],
}


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
@pytest.mark.parametrize("last", list(CELLS))
@pytest.mark.parametrize("seed", range(3))
def test_fast_and_slow_path_read_the_same_table(read, monkeypatch, chunk, last, seed):
    monkeypatch.setattr(csv_reader, "CHUNK", chunk)
    monkeypatch.setattr(csv_reader, "FIRST_RECORDS", 4)  # so that strings may follow in a column of numbers
    draw = np.random.default_rng(seed)
    rows = [[draw.choice(CELLS[kind]) for kind in ("numbers", "gaps", "texts", last)] for _ in range(20)]
    text = "a,b,c,d\n" + "\n".join(",".join(row) for row in rows) + "\n"
    fast = read(text)
    monkeypatch.setattr(csv_reader, "read_numbers", lambda *arguments: False)
    assert_same(fast, read(text))


def test_string_columns_use_the_fast_path(read, monkeypatch):
    monkeypatch.setattr(csv_reader, "CHUNK", 2)
    monkeypatch.setattr(csv_reader, "read_records", None)
    column = read("a,b\n1,u\n2,v\n3,\n4,u\n5,7\n").columns["b"]
    assert column.factorize()[1] == (7, "u", "v")
    assert column.factorize()[0].tolist() == [1, 2, -1, 1, 0]
