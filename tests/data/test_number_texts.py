"""Numbers written for people: read where an option says how, else an error or a warning with the remedy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygd.data.number_texts import describe_texts, only_options
from cygd.data.numbers import CellFormat
from cygd.data.sources.csv import load_csv
from cygd.errors import DataError


@pytest.mark.parametrize(
    ("texts", "hint"),
    [
        (["1,200,000", "2,350,000"], "set data.thousands: ',' if 1,200,000 is 1200000"),
        (["12,00,000", "1,50,000"], "set data.thousands: ',' if 12,00,000 is 1200000"),
        (["1,5", "2,5"], "set data.decimal: ',' if commas are decimal points"),
        (["1,200", "1,5"], "set data.decimal: ',' if commas are decimal points"),
        (["0,500", "1,200"], "set data.decimal: ',' if commas are decimal points"),
        (["1 299,99", "2 000,00"], "set data.decimal: ',' and data.thousands: ' ' if 1 299,99 is 1299.99"),
        (["1\u00a0200", "10\u202f000"], "set data.thousands: ' ' if 1\u00a0200 is 1200"),
        (["1.299,99", "2.450,00"], "set data.decimal: ',' and data.thousands: '.' if 1.299,99 is 1299.99"),
        (["1'200", "2'300"], "set data.thousands: \"'\" if 1'200 is 1200"),
        (["5%", "10%"], "set data.percent: true if 5% is 0.05"),
        (["12,5 %", "13,5 %"], "set data.decimal: ',' and data.percent: true if 12,5 % is 0.125"),
        (["$5.00", "-$10.00"], "set data.units: ['$'] if $5.00 is 5"),
        (["5 kg", "6 kg", "n/a"], "set data.units: [kg] if 5 kg is 5"),
        (["37.5\u00b0C", "36.6\u00b0C"], "set data.units: [\u00b0C] if 37.5\u00b0C is 37.5"),
        (["(5)", "(6)"], "write negative numbers as -5 if '(5)' is one"),
        (["5-", "6-"], "write negative numbers as -5 if '5-' is one"),
        (["red", "blue"], None),
        (["10th", "11th", "Bachelors"], None),
        (["1A", "2B", "3C"], None),
        (["2026-01-31", "2026-02-01"], None),
        (["10:30", "11:30"], None),
        (["18-24", "25-34"], None),
        (["1,5,3", "a"], None),
        (["N/A", "-"], None),
        ([], None),
    ],
)
def test_hint_for_texts(texts, hint):
    assert describe_texts(texts) == hint


def test_a_comma_with_two_readings_is_not_guessed():
    assert describe_texts(["1,200", "2,350"]) == (
        "'1,200' may be 1200 (data.thousands: ',') or 1.2 (data.decimal: ','): set the one that is meant"
    )
    assert describe_texts(["1,200"], in_experiment=False) == (
        "'1,200' may be 1200 (thousands=',') or 1.2 (decimal=','): set the one that is meant"
    )
    assert describe_texts(["1,200"], text_file=False) == "convert the column to numbers if '1,200' is one"


@pytest.fixture
def read(tmp_path):
    def run(*cells, **options):
        delimiter = options.setdefault("delimiter", ";")
        (tmp_path / "t.csv").write_text(f"a{delimiter}b\n" + "".join(f"{c}{delimiter}0\n" for c in cells))
        return load_csv(tmp_path, path="t.csv", **options).columns["a"]

    return run


@pytest.mark.parametrize(
    ("cells", "options", "numbers"),
    [
        (("1,200,000", "-5", "1,234.5"), {"thousands": ","}, [1200000, -5, 1234.5]),
        (('"1,200"', "950"), {"thousands": ",", "delimiter": ","}, [1200, 950]),
        (("1.299,99", "-2.000", "0,5"), {"thousands": ".", "decimal": ","}, [1299.99, -2000, 0.5]),
        (("1 299,99", "1\u00a0000", "1\u202f000"), {"thousands": " ", "decimal": ","}, [1299.99, 1000, 1000]),
        (("5%", "12.5 %", "-1%"), {"percent": True}, [0.05, 0.125, -0.01]),
        (("$5.00", "-$5", "$-5", "7"), {"units": ["$"]}, [5, -5, -5, 7]),
        (("5 kg", "6kg", "1,200 kg"), {"units": ["kg", "g"], "thousands": ","}, [5, 6, 1200]),
        (("5 kg", "6 kg"), {"units": "kg"}, [5, 6]),
        (("\u22125", "1e\u22122", "5"), {}, [-5, 0.01, 5]),
        (("1_000", "2_000"), {"thousands": "_"}, [1000, 2000]),
    ],
)
def test_options_read_such_numbers(read, cells, options, numbers):
    column = read(*cells, **options)
    assert column.numbers.tolist() == numbers
    assert column.first_string_row is None


@pytest.mark.parametrize("cell", ["1,2", "12,34", "1,2345", "0,500", ",500", "1,200.5,3", "1,,200"])
def test_groups_of_other_than_three_digits_are_not_thousands(cell):
    assert CellFormat(thousands=",").parse(cell) is None


@given(st.integers(-(10**12), 10**12), st.integers(0, 3), st.sampled_from(",.'_ "))
def test_thousands_of_any_number(value, n_digits, separator):
    decimal = "," if separator == "." else "."
    digits = "5" * n_digits
    text = f"{value:,}".replace(",", separator) + (decimal + digits if digits else "")
    assert CellFormat(decimal=decimal, thousands=separator).parse(text) == float(f"{value}.{digits or 0}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thousands": ",,"}, "thousands: expected one character"),
        ({"thousands": "1"}, "thousands: expected one character"),
        ({"thousands": "."}, "thousands and decimal are both '.'"),
        ({"units": ["5"]}, "units: expected texts such as"),
        ({"units": [""]}, "units: expected texts such as"),
        ({"missing_values": [None]}, "missing_values: expected a list of words, got None"),
        ({"missing_values": {"a": "b"}}, "missing_values: expected a list of words, got {'a': 'b'}"),
        ({"missing_values": [True]}, "missing_values: expected a list of words, got True\nhint: .*quotes"),
    ],
)
def test_invalid_options(read, options, message):
    with pytest.raises(DataError, match=message):
        read("1", **options)


@pytest.mark.parametrize(
    ("cells", "hint"),
    [
        (['"1,200,000"', '"2,350,000"'], "set data.thousands: ','"),
        (["5%", "10%"], "set data.percent: true"),
        (["$5.00", "$10.00"], "set data.units: ['$']"),
        (["1 200", "2 350"], "set data.thousands: ' '"),
        (["5 kg", "6 kg"], "set data.units: [kg]"),
        (["999", '"1,450"', '"1,450"'], "'1,450' may be 1450 (data.thousands: ',') or 1.45"),
    ],
)
def test_a_column_of_such_texts_is_a_warning(table, caplog, cells, hint):
    table("a,y\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
    (record,) = caplog.records
    assert "column 'a' is categorical, because it holds strings such as " in record.getMessage()
    assert record.hint.startswith(hint)
    assert record.hint.endswith("; list 'a' under data.categorical if they are categories")


def test_listed_and_unused_columns_are_no_warning(table, caplog):
    text = "a,b,c,y\n5%,10%,1,1\n10%,5%,2,2\n"
    table(text, inputs=("a", "c"), categorical=("a",))
    assert not caplog.records


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ('"1,200,000"', "set data.thousands: ',' if 1,200,000 is 1200000"),
        ("5%", "set data.percent: true if 5% is 0.05"),
        ('"1,450"', "'1,450' may be 1450 (data.thousands: ',') or 1.45 (data.decimal: ',')"),
        ("-", "list 'a' under data.categorical if it holds categories, or set data.missing_values: ['-'] if"),
    ],
)
def test_such_a_text_among_numbers_is_an_error(table, cell, hint):
    with pytest.raises(DataError) as caught:
        table(f"a,y\n1,1\n2,2\n{cell},3\n")
    assert caught.value.hint.startswith(hint)


def test_a_mixture_of_numbers_and_strings_is_a_warning(table, caplog):
    table("a,y\n1,1\nx,2\ny,3\n")
    assert "column 'a' is categorical, because 2 of its 3 values are strings such as 'x'" in caplog.text


def test_parquet_texts_that_look_like_numbers_are_a_warning(tmp_path, prepare, caplog):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"a": ["5%", "10%"], "y": [1, 2]}), tmp_path / "t.parquet")
    prepare(source="parquet", path="t.parquet", targets=("y",))
    assert caplog.records[0].hint.startswith("convert the column to numbers if '5%' is one")


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (["5%", "12.5 %"], {"percent": True}),
        (["$5.00", "$1,299.50"], {"units": ["$"], "thousands": ","}),
        (["5,50 €", "1.299,99 €", "n/a"], {"units": ["€"], "decimal": ",", "thousands": "."}),
        (["1\u00a0299,99", "850,00"], {"decimal": ",", "thousands": " "}),
        (["1,200,000", "900"], {"thousands": ","}),
        (["1,200", "2,350"], {}),  # two readings
        (["€1,200", "€2,350"], {}),
        (["5 kg", "6 kg"], {}),  # may be a code
        (["5%", "12%", "low", "8%", "9%", "1%"], {}),
        (["(5.00)", "(6.00)"], {}),
        (["red", "blue"], {}),
        (["-", "N/A"], {}),
    ],
)
def test_options_of_texts_with_one_reading(texts, options):
    assert only_options(texts)[0] == options
