"""Text files as other programs write them: quotes, row names, comments, totals, empty columns."""

import re

import pytest

from cygd.data.sources import csv_reader
from cygd.data.sources.csv import load_csv
from cygd.errors import DataError


@pytest.fixture
def read(tmp_path):
    def run(content, **options):
        (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_csv(tmp_path, path="t.csv", **options)

    return run


def values(table):
    """Return numbers and strings by column."""
    return {
        name: [
            number if column.string_codes is None or code < 0 else column.strings[code]
            for number, code in zip(
                column.numbers.tolist(),
                [-1] * len(table) if column.string_codes is None else column.string_codes,
                strict=True,
            )
        ]
        for name, column in table.columns.items()
    }


@pytest.fixture(params=["fast", "slow"])
def path(request, monkeypatch):
    if request.param == "slow":
        monkeypatch.setattr(csv_reader, "read_numbers", lambda *arguments: False)


# -- quotes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '"a" ,"k"  ,"y" \r\n1,"p, q" ,"2" \r\n3,"NA" ,"4" \r\n',
        '"a", "k",  "y"\n1, "p, q", "2"\n3, "NA",  "4"\n',
        '"a" , "k" , "y" \n 1 , "p, q" , "2" \n 3 , "NA" , "4" \n',
    ],
)
def test_blanks_around_quoted_cells(read, text):
    assert values(read(text)) == {"a": [1, 3], "k": ["p, q", "NA"], "y": [2, 4]}


def test_texts_as_excel_formulas(read):
    text = 'k,a,y\n="p, q",="1",="2"\n="NA", ="3" ,4\n="=""r""",="5",6\n'
    assert values(read(text)) == {"k": ["p, q", "NA", '="=""r"""'], "a": [1, 3, 5], "y": [2, 4, 6]}
    assert values(read('k;y\nx="p";1\n="q" z;2\n', delimiter=";")) == {"k": ['x="p"', '="q" z'], "y": [1, 2]}


def test_blanks_within_quoted_cells_are_kept(read):
    assert read('k,y\n"x ""y"" , z",1\n"b",2\n').columns["k"].strings == ('x "y" , z', "b")


def test_text_after_a_quoted_cell_is_an_error(read):
    with pytest.raises(DataError, match=r"t\.csv:2: ',' expected after '\"', in the quoted cell"):
        read('k,y\n1, "x" z\n2,3\n')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('km  doors  name\n18.0   2\t"red fox"\n15.5   4\t"grey owl mk ii"\n', ["red fox", "grey owl mk ii"]),
        ('km doors name\n1 2 "a ""b"" c"  \n 1 2 ""\n1 2 x"y\n', ['a "b" c', None, 'x"y']),
        ('km doors name\n1 2 "two\nlines" \n1 2 z\n', ["two\nlines", "z"]),
        ('"km" "doors" "name"\n"1" "2" "a\tb"\n', ["a\tb"]),
        ('km doors name\n1 2 "a\r\n""\nb" "c\nd"\n'.replace(' "c\nd"', ""), ['a\r\n"\nb']),
    ],
)
@pytest.mark.usefixtures("path")
def test_quotes_between_blanks(read, text, expected):
    table = read(text, delimiter="whitespace")
    assert list(table.columns) == ["km", "doors", "name"]
    assert [None if v != v else v for v in values(table)["name"]] == expected
    assert not table.columns["doors"].is_categorical


def test_quotes_between_blanks_without_header(read):
    table = read('18.0 "red fox" 3\n15.5 "grey owl" 4\n', delimiter="whitespace", header=False)
    assert values(table) == {"c0": [18, 15.5], "c1": ["red fox", "grey owl"], "c2": [3, 4]}


def test_quotes_between_blanks_can_be_ignored(read):
    table = read("a b\n1 6\"\n2 'x\n", delimiter="whitespace", quote="")
    assert values(table)["b"] == ['6"', "'x"]


@pytest.mark.parametrize("delimiter", [",", ";", "tab", "whitespace"])
@pytest.mark.parametrize("length", [131_072, 131_073, 1_000_000])
def test_long_cell(read, delimiter, length):
    character = {"tab": "\t", "whitespace": " "}.get(delimiter, delimiter)
    text = f'a,note\n1,"{"x" * length}"\n2,y\n'.replace(",", character)
    table = read(text, delimiter=delimiter)
    assert table.columns["a"].numbers.tolist() == [1, 2]
    assert [len(string) for string in table.columns["note"].strings] == [length, 1]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('a,b\n1,2\n"3,4\n5,6\n', 3, "unexpected end of data"),
        ('a,b\n1,"2\n3,4\n', 2, "unexpected end of data"),
        ('a,b\n"x\ny","z\n1,2\n', 3, "unexpected end of data"),
        ('a,b\r\n"x\r\ny","z\r\n1,2\r\n', 3, "unexpected end of data"),
        ('a,b\n1,2\n"3,4\n"5",6\n', 3, "',' expected after '\"'"),
        ('a,b\n"x\n\ny","z"t\n1,2\n', 4, "',' expected after '\"'"),
        ('a,"b\n1,2\n' + "3,4\n" * 5000, 1, "unexpected end of data"),
    ],
)
def test_lost_quote_is_named_with_its_line(read, text, line, reason):
    message = f"t.csv:{line}: {reason}, in the quoted cell that begins here\nhint: close its quote, or double"
    with pytest.raises(DataError, match=re.escape(message)):
        read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a b\n1 "x y\n2 z\n', "t.csv:2: unexpected end of data, in the quoted cell that begins here"),
        ('a b\n"x\ny" "z\n2 z\n', "t.csv:3: unexpected end of data, in the quoted cell that begins here"),
        ('a b\n1 "x y"z\n2 z\n', "t.csv:2: expected a blank after the quoted cell that begins here"),
    ],
)
def test_lost_quote_between_blanks_is_named_with_its_line(read, text, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read(text, delimiter="whitespace")


def test_cell_that_never_ends_is_bounded(read, monkeypatch):
    monkeypatch.setattr("cygd.data.sources.csv_records.MAX_CELL", 1 << 18)
    before = csv_limit()
    try:
        with pytest.raises(
            DataError, match=r"t\.csv:2: more than 262144 characters, in the quoted cell that"
        ):
            read('a,b\n1,"2\n' + "3,4\n" * 100_000)
    finally:
        csv_limit(before)


def csv_limit(*value):
    import csv as module

    return module.field_size_limit(*value) if value else module.field_size_limit(1 << 17)


# -- row names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('"a"\t"y"\n"r1"\t2\t3\n"r2"\t4\t5\n', {"delimiter": "tab"}),
        ('"a" "y"\n"1" 2 3\n"2" 4 5\n', {"delimiter": "whitespace"}),
        ('"","a","y"\n"r1",2,3\n"r2",4,5\n', {}),
        (",a,y\n0,2,3\n1,4,5\n", {}),
        ("Unnamed: 0,a,y\n0,2,3\n1,4,5\n", {}),
        ("a;y\n7;2;3\n9;4;5\n", {"delimiter": ";"}),
    ],
)
@pytest.mark.usefixtures("path")
def test_row_names_are_an_index(read, caplog, text, options):
    table = read(text, **options)
    assert list(table.columns) == ["Unnamed: 0", "a", "y"]
    assert table.index_columns == ("Unnamed: 0",)
    assert (values(table)["a"], values(table)["y"]) == ([2, 4], [3, 5])
    is_short = len(text.split("\n")[0].split("y")[0]) < len(text.split("\n")[1].split("3")[0]) - 4
    assert ("fewer than the rows" in caplog.text) >= is_short


def test_header_of_row_names_is_reported(read, caplog):
    read('"a" "y"\n"r1" 2 3\n"r2" 4 5\n', delimiter="whitespace")
    assert caplog.messages[0].endswith(
        "t.csv: the header has one cell fewer than the rows: column 'Unnamed: 0', the first, holds row names"
    )


def test_several_columns_of_row_names(read):
    table = read(",,a,Unnamed: 1\nx,1,2,3\nx,2,4,5\n")
    assert list(table.columns) == ["Unnamed: 0", "Unnamed: 2", "a", "Unnamed: 1"]
    assert table.index_columns == ("Unnamed: 0", "Unnamed: 2", "Unnamed: 1")


@pytest.mark.parametrize("rows", ["1,2,3\n", "0.5,2,3\n1.5,4,5\n", "x,2,3\nx,4,5\n", "x,2,3\ny,4\n"])
def test_other_additional_cells_are_an_error(read, rows):
    with pytest.raises(DataError, match="expected 2 cells as in the header, got 3"):
        read("a,b\n" + rows)


# -- columns without name and values ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a,y\n1,4,\n2,5,\n",
        "a,y,\n1,4,\n2,5,\n",
        "a,y,,\n1,4,,\n2,5,,\n",
        "a,y\n1,4,,\n2,5,,\n",
        "a,y,\n1,4\n2,5\n",
        "a,,y\n1,,4\n2,,5\n",
        'a,y,""\n1,4," "\n2,5,\n',
    ],
)
def test_empty_columns_are_left_out(read, caplog, text):
    assert values(read(text)) == {"a": [1, 2], "y": [4, 5]}
    n_lines = len(caplog.messages)
    assert n_lines == (0 if text.startswith("a,y,\n1,4\n") else 1)
    assert all("neither a name nor values" in message for message in caplog.messages)


def test_empty_columns_without_header(read):
    assert values(read("1,4,\n2,5,\n", header=False)) == {"c0": [1, 2], "c1": [4, 5]}
    rows = "1,4,\n" * 200 + "2,5,6\n"
    assert values(read(rows, header=False))["c2"][200] == 6


def test_late_value_behind_the_last_delimiter_is_an_error(read):
    with pytest.raises(DataError, match=r"t\.csv:202: expected 2 cells as in the header, got 3"):
        read("a,y\n" + "1,4,\n" * 200 + "1,4,5\n")
    with pytest.raises(DataError, match=r"t\.csv:1: column 3 of the header has no name"):
        read("a,y,\n" + "1,4,\n" * 200 + "1,4,5\n")


# -- lines that hold no data ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("# exported 2026-01-31\na,y\n1,4\n# half\n2,5\n", {"comment": "#"}),
        ("// x, y\n//\na,y\n1,4\n 2,5\n", {"comment": "//"}),
        ("Report\n\na,y\n1,4\n2,5\n", {"skip_rows": 2}),
        ("a,y\n1,4\n2,5\nTotal,9\n\n", {"skip_footer": 1}),
        ("a,y\n1,4\n2,5\n\nTotal,9\n\nSource: us\n", {"skip_footer": 2}),
        ("Report 1\n% x\na,y\n1,4\n2,5\nend\n", {"skip_rows": 1, "comment": "%", "skip_footer": 1}),
        ("sep=,\na,y\n1,4\n2,5\n", {}),
        ("\ufeffsep=;\r\na;y\r\n1;4\r\n2;5\r\n", {"delimiter": ";"}),
        ('"sep=\t"\na\ty\n1\t4\n2\t5\n', {"delimiter": "tab"}),
        ("sep=;\na,y\n1,4\n2,5\n", {"skip_rows": 1}),
    ],
)
@pytest.mark.usefixtures("path")
def test_lines_without_data(read, text, options):
    table = read(text, **options)
    assert values(table) == {"a": [1, 2], "y": [4, 5]}
    lines = text.replace("\r\n", "\n").split("\n")
    second = next(i for i, line in enumerate(lines, 1) if line.strip() in ("2,5", "2;5", "2\t5"))
    assert table.location(1, "y").endswith(f"t.csv:{second}: row 2, column 'y'")


def test_comment_within_a_quoted_cell_is_kept(read):
    table = read('a,y\n"x\n# z",1\n# w,2\n#"\n', comment="#")
    assert values(table) == {"a": ["x\n# z"], "y": [1]}


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("# x\na,y\n1,4\n", {}, "t.csv:2: expected 1 cell as in the header, got 2\n"
         "hint: set data.comment: '#' if line 1 is a comment"),
        ("a,y\n1,4\n% x\n", {}, "t.csv:3: expected 2 cells as in the header, got 1\n"
         "hint: set data.comment: '%' if line 3 is a comment"),
        ("Report\n2026\n\na,y\n1,4\n2,5\n", {}, "t.csv:4: expected 1 cell as in the header, got 2\n"
         "hint: set data.skip_rows: 3 if the table begins on line 4"),
        ("a,y\n1,4\n2,5\n\nend\n", {}, "t.csv:5: expected 2 cells as in the header, got 1\n"
         "hint: set data.skip_footer: 1 if the table ends before this line"),
        ("a,y\n1,4\n2,5\nTotal\nSource: us\n", {}, "hint: set data.skip_footer: 2 if the table"),
        ("sep=;\na;y\n1;1\n", {}, "t.csv:1: the line 'sep=;' of Excel declares another delimiter\n"
         "hint: set data.delimiter: ';'"),
        ("sep=\t\na\ty\n1\t1\n", {}, "hint: set data.delimiter: 'tab'"),
        ("a,y\n1,4\n", {"skip_footer": 1}, "t.csv has a header but no rows"),
        ("a,y\n1,4\n", {"skip_rows": 9}, "t.csv is empty"),
        ("a,y\n1,4\n", {"comment": ","}, "comment and delimiter are both ','"),
        ("a\0,\0y\0\n\0001\0,\0004\0\n\0", {}, "t.csv:1: expected text, got null characters"),
    ],
)  # fmt: skip
def test_lines_without_data_are_named(read, text, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read(text, **options)


@pytest.mark.parametrize("label", ["Total", "TOTALS", "grand total", "Sum:", "Summe", "average"])
def test_total_is_a_warning(read, caplog, label):
    read(f"a,y\nx,1\nx,2\n{label},3\n")
    assert caplog.messages[0].endswith(
        f"t.csv:4: row 3, column 'a': the last row may be a total: it holds {label!r}"
    )
    assert caplog.records[0].hint == "data.skip_footer: 1 leaves it out"


def test_total_in_the_first_row_is_a_warning(read, caplog):
    text = "a,y\nTOTALS,6\nx,1\nx,2\nz,3\n"
    read(text)
    assert caplog.messages[0].endswith(
        "t.csv:2: row 1, column 'a': the first row may be a total: it holds 'TOTALS'"
    )
    assert caplog.records[0].hint == "data.comment: 'TOTALS' leaves it out"
    caplog.clear()
    assert len(read(text, comment="TOTALS")) == 3
    assert not caplog.records


@pytest.mark.parametrize(
    "text", ["a,y\nTotal,1\nx,2\n", "a,y\nTotal,1\nx,2\nTotal,3\n", "a,y\nx,1\nTotality,2\n"]
)
def test_other_labels_are_no_totals(read, caplog, text):
    read(text)
    assert not caplog.records


def test_skipped_row_of_numbers_written_for_people_is_a_warning(read, caplog):
    options = {"delimiter": ";", "decimal": ",", "thousands": ".", "percent": True, "units": ["kg"]}
    read("a;b;y\n1.000,5;5 %;2 kg\n2.000,5;7%;3 kg\n", skip_footer=1, **options)
    assert [message.split("t.csv: ")[1] for message in caplog.messages] == [
        "data.skip_footer leaves out the row '2.000,5;7%;3 kg'"
    ]


def test_skipped_row_of_numbers_is_a_warning(read, caplog):
    read("1,2\n3,4\n5,6\n", header=False, skip_rows=1, skip_footer=1)
    assert [message.split("t.csv: ")[1] for message in caplog.messages] == [
        "data.skip_rows leaves out the row '1,2'",
        "data.skip_footer leaves out the row '5,6'",
    ]
