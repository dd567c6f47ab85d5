"""Words that stand for a missing value, in columns of numbers and of texts, quoted or not."""

import logging

import numpy as np
import pytest

from cygd.data import Table
from cygd.data.describe import describe
from cygd.data.numbers import MISSING_NUMBERS
from cygd.data.sources.csv import load_csv
from cygd.errors import DataError
from tests.data.conftest import experiment


@pytest.fixture
def column(tmp_path):
    def read(*cells, **options):
        delimiter = options.get("delimiter", ",")
        (tmp_path / "t.csv").write_text(f"a{delimiter}b\n" + "".join(f"{c}{delimiter}0\n" for c in cells))
        return load_csv(tmp_path, path="t.csv", **options).columns["a"]

    return read


def labels(column):
    codes, names = column.factorize()
    return [names[code] if code >= 0 else None for code in codes]


@pytest.mark.parametrize("word", sorted(MISSING_NUMBERS))
def test_words_of_pandas_are_missing_in_columns_of_numbers(column, word):
    for cells in (["1.5", word, "2"], ["1.5", word, word, word, "2"]):
        read = column(*cells)
        assert not read.is_categorical
        assert read.first_string_row is None
        assert read.missing.tolist() == [cell == word for cell in cells]
        assert Table.from_mapping({"a": cells}).columns["a"].missing.tolist() == read.missing.tolist()


@pytest.mark.parametrize("word", ["N/A", "None", "NULL", "n/a", "<NA>"])
def test_in_columns_of_texts_they_are_labels_with_a_warning(table, caplog, word):
    data = table(f"a,y\nred,1\n{word},2\nblue,3\nred,4\n")
    assert len(data.inputs) == 3
    (record,) = caplog.records
    message = f"column 'a' has the label '{word}' in 1 row, which may stand for a missing value"
    assert message in record.getMessage()
    assert record.hint.startswith(f'set data.missing_values: ["{word}"] if so')


@pytest.mark.parametrize("word", ["N/A", "-", ".", "unknown", "-999", "99.5"])
@pytest.mark.parametrize("cells", [["1.5", "{}", "3"], ["red", "{}", "blue"], ["1.5", "{}", "{}", "3"]])
def test_missing_values_lists_more_words(column, word, cells):
    cells = [cell.format(word) for cell in cells]
    read = column(*cells, missing_values=["x", word])
    assert read.missing.tolist() == [cell == word for cell in cells]
    assert [label is None for label in labels(read)] == read.missing.tolist()


def test_missing_numbers_are_missing_by_value(column):
    assert column("-999", "1", "-999.0", missing_values=[-999]).missing.tolist() == [True, False, True]
    assert column("-999", "x", "y", missing_values=["-999"]).missing.tolist() == [True, False, False]


def test_the_usual_words_remain_missing_unless_the_list_is_empty(column):
    assert labels(column("x", "NA", "-", "", missing_values=["-"])) == ["x", None, None, None]
    assert labels(column("x", "NA", "-", "", missing_values=[])) == ["x", "NA", "-", None]


@pytest.mark.parametrize("word", ["-", ".", "--"])
def test_other_words_do_not_turn_numbers_into_categories(table, word):
    message = f"expected a number, got '{word}'\nhint: .* data.missing_values: \\['{word}'\\]"
    with pytest.raises(DataError, match=message):
        table(f"a,y\n1.5,1\n{word},2\n{word},3\n{word},4\n2,5\n")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_quoted_word_is_a_text(column, delimiter):
    read = column('"NA"', '"DE"', "NA", "", '""', '"FR"', '"NA"', delimiter=delimiter)
    assert labels(read) == ["NA", "DE", None, None, None, "FR", "NA"]
    assert read.missing.tolist() == [label is None for label in labels(read)]


def test_quotes_within_quoted_cells_do_not_end_them(column):
    assert labels(column('"x,""NA"",y"', '"DE"', '"x\n""NA"""')) == ['x,"NA",y', "DE", 'x\n"NA"']


def test_a_quoted_word_among_numbers_is_missing(column):
    read = column('"1.5"', '"NA"', "NA", '""', '"2"')
    assert read.missing.tolist() == [False, True, True, True, False]


def test_a_listed_word_is_missing_even_if_quoted(column):
    assert labels(column('"NA"', '"DE"', '"FR"', missing_values=["NA"])) == [None, "DE", "FR"]


def test_quoted_labels_are_found_by_predictions(table):
    data = table('a,y\n"NA",1\n"DE",2\n"NA",3\n')
    assert data.inputs == ("a=DE", "a=NA")
    assert data.preprocessing.transform_inputs({"a": ["NA", "DE"]}).tolist() == [[0, 1], [1, 0]]


def test_parquet_takes_the_same_words(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    from cygd.data.sources.parquet import load_parquet

    columns = {"a": ["x", "-", None, "NA"], "b": [-999, 1, None, 2], "c": [-999.0, 1.5, None, 2]}
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    read = load_parquet(tmp_path, path="t.parquet", missing_values=["-", -999]).columns
    assert labels(read["a"]) == ["x", None, None, None]
    assert read["b"].missing.tolist() == read["c"].missing.tolist() == [True, False, True, False]
    assert labels(load_parquet(tmp_path, path="t.parquet", missing_values=[]).columns["a"])[3] == "NA"


def test_filled_values_are_counted(tmp_path, table, caplog):
    text = "a,b,y\n1,u,1\n,u,2\n3,,3\nNA,v,4\n"
    with caplog.at_level(logging.INFO):
        table(text, missing="mean")
    messages = [record.getMessage().split("t.csv: ")[1] for record in caplog.records]
    assert messages == [
        "filled 2 of 4 values of column 'a' with the mean, 2",
        "filled 1 of 4 values of column 'b' with the most frequent label, 'u'",
    ]
    described = describe(experiment(tmp_path, path="t.csv", targets=("y",), missing="mean"))
    assert described.filled == [("a", 2, "the mean, 2"), ("b", 1, "the most frequent label, 'u'")]


def test_missing_words_are_no_files(tmp_path):
    from cygd.data.source import DATA_SOURCES

    (tmp_path / "a.csv").write_text("a\n1\n")
    csv = next(source for source in DATA_SOURCES if source.name == "csv")
    configured = csv.configured({"path": "a.csv", "missing_values": ["*", "a.csv"], "units": ["*"]})
    assert configured.files(tmp_path) == [tmp_path / "a.csv"]


def test_infinite_numbers_and_other_spellings_of_nan(column, table):
    assert column("1", "Nan", "NAN", "2").missing.tolist() == [False, True, True, False]
    assert np.isinf(column("1", "Infinity", "2").numbers[1])
    with pytest.raises(DataError, match="expected a finite number, got inf"):
        table("a,y\n1,1\nInf,2\n3,3\n")
