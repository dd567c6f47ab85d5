"""Lines above the rows that are not names: titles, and the types and roles of Orange."""

import pytest

from cygd.components.registry import BuiltInComponents
from cygd.data.sniff import sniff_table
from cygd.data.source import KIND
from cygd.data.sources.csv import load_csv
from cygd.errors import ConfigError, DataError
from cygd.runner import assembly

COMPONENTS = BuiltInComponents([KIND])
NUMBERS = "".join(f"{i}.5,{i % 7},k{i % 2}\n" for i in range(20))
TEXTS = "".join(f"x{i},w{i % 7},k{i % 2}\n" for i in range(20))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(text):
    with open("t.csv", "w") as file:  # noqa: PTH123
        file.write(text)
    data = {"source": "csv", "path": "t.csv", "targets": ["kind"]}
    return assembly.assemble({"data": data, "model": {"layers": [2]}})


@pytest.mark.parametrize("rows", [NUMBERS, TEXTS])
@pytest.mark.parametrize(
    "title", ["Iris\n", "Iris, 2024\n", "Iris,,\n", "Iris data; of Fisher\n", "two lines\nof titles, here\n"]
)
def test_a_title_is_an_error_with_the_remedy_and_is_sniffed(title, rows):
    n_lines = title.count("\n")
    remedy = rf"\nhint: set data\.skip_rows: {n_lines} if the table begins on line {n_lines + 1}"
    with pytest.raises((DataError, ConfigError), match=remedy):
        check(title + "size,word,kind\n" + rows)
    guess = sniff_table("t.csv", COMPONENTS)
    assert guess.options["skip_rows"] == n_lines
    assert [column.name for column in guess.columns] == ["size", "word", "kind"]
    assert any("skip_rows" in note for note in guess.notes)


@pytest.mark.parametrize("title", ["Iris, 2024, final\n", "Table 1, 5, of 7\n"])
def test_a_title_as_wide_as_the_table(title):
    with pytest.raises(ConfigError, match="skip_rows: 1 if the table begins on line 2, which holds 'kind'"):
        check(title + "size,word,kind\n" + NUMBERS)
    guess = sniff_table("t.csv", COMPONENTS)
    assert guess.options["skip_rows"] == 1
    assert [column.name for column in guess.columns] == ["size", "word", "kind"]


def test_row_names_of_texts_are_still_row_names(here):
    (here / "r.csv").write_text("word,kind\n" + TEXTS)
    assert load_csv(here, path="r.csv").index_columns == ("Unnamed: 0",)


def test_a_first_row_with_a_gap_is_no_header(here):
    (here / "t.csv").write_text("size,word,kind\n?,unknown,k0\n" + NUMBERS)
    assert "skip_rows" not in sniff_table("t.csv", COMPONENTS).options


@pytest.mark.parametrize(
    ("second", "third", "skip"),
    [
        ("continuous,continuous,discrete", ",,class", 3),
        ("c,c,d", ",,class", 3),
        ("c,c,d", "meta,i,", 3),
        ("Continuous,d,string", ",class,meta", 3),
        ("continuous,discrete,d", NUMBERS.splitlines()[0], 2),
    ],
)
def test_types_and_roles_of_orange_are_an_error(here, second, third, skip):
    text = f"size,word,kind\n{second}\n{third}\n{NUMBERS}"
    with pytest.raises(DataError, match=rf"t\.csv:2: .* look.*\nhint: .*skip_rows: {skip} and data\.header"):
        check(text)
    with pytest.raises(DataError, match="as Orange writes them"):
        sniff_table("t.csv", COMPONENTS)
    assert len(load_csv(here, path="t.csv", skip_rows=skip, header=False)) == 20 + (skip == 2)


def test_letters_may_be_labels(here):
    (here / "t.csv").write_text("a,b\nc,d\nd,s\nc,c\n")
    assert load_csv(here, path="t.csv").columns["a"].factorize()[1] == ("c", "d")


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_decimal_commas_under_another_delimiter_are_no_title(tmp_path, mark):
    text = "n;y\n1.299,99;1\n2.450,00;2\n1.299,99;3\n".replace(";", mark)
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        load_csv(tmp_path, path="t.csv")
    assert caught.value.hint == (
        f"the only column is {f'n{mark}y'!r}; set data.delimiter if cells are separated otherwise"
    )
