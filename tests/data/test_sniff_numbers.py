"""Sniffing of numbers written for people: those that can be read one way only are read as numbers."""

import numpy as np
import pytest

from cygd.cli.arguments import load_plugins
from cygd.data.sniff import sniff_table


@pytest.fixture
def sniff(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*rows, delimiter=";"):
        lines = [delimiter.join(["price", "x", "y"]), *map(delimiter.join, rows)]
        (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", "utf-8")
        guess = sniff_table("t.csv", load_plugins([]))
        options = {key: value for key, value in guess.options.items() if key not in ("path", "delimiter")}
        return options, guess.notes, guess.table.columns["price"]

    return run


@pytest.mark.parametrize(
    ("texts", "options", "numbers", "note"),
    [
        (["10.0%", "5%"], {"percent": True}, [0.1, 0.05], "'10.0%' is taken for 0.1 (percent: true)"),
        (["€10", "€2.5"], {"units": ["€"]}, [10, 2.5], "'€2.5' is taken for 2.5 (units: ['€'])"),
        (["1 299", "85"], {"thousands": " "}, [1299, 85], "'1 299' is taken for 1299 (thousands: ' ')"),
        (
            ["1'299.5", "1"],
            {"thousands": "'"},
            [1299.5, 1],
            '"1\'299.5" is taken for 1299.5 (thousands: "\'")',
        ),
        (
            ["1.299,99", "850,00"],
            {"decimal": ",", "thousands": "."},
            [1299.99, 850],
            "'1.299,99' is taken for 1299.99 (decimal: ',', thousands: '.')",
        ),
    ],
)
def test_numbers_with_one_reading(sniff, texts, options, numbers, note):
    guessed, notes, column = sniff(*([text, "1", "u"] for text in texts))
    assert (guessed, notes) == (options, [f"t.csv: column 'price': {note}"])
    np.testing.assert_allclose(column.numbers, numbers)


def test_units_of_several_columns(sniff):
    options, _, _ = sniff(["$5", "€1.5", "u"], ["$6", "€2.5", "v"])
    assert options == {"units": ["$", "€"]}


@pytest.mark.parametrize(
    "rows",
    [
        [["1.000.000,5", "1.001", "u"], ["2.000.000,5", "1.002", "v"]],  # x would become 1001
        [["1,200", "1", "u"], ["2,350", "2", "v"]],  # 1200 or 1.2
        [["5 kg", "1", "u"], ["6 kg", "2", "v"]],
        [["5%", "1", "u"], ["low", "2", "v"], ["7%", "3", "u"]],
        [["5%", "1", "u"], ["5", "2", "v"]],  # 5 or 0.05
        [["1.299,99", "1", "u"], ["850.50", "2", "v"]],
    ],
)
def test_other_readings_set_no_option(sniff, rows):
    options, _, column = sniff(*rows)
    assert not {"thousands", "percent", "units", "decimal"} & {*options}
    assert column.string_counts
