"""The messages of `cygd predict` name options as the command line takes them."""

import logging
import re
import shlex
from inspect import signature
from pathlib import Path

import pytest

from cygd.cli.arguments import parse_mapping
from cygd.cli.commands.predict import quote_characters
from cygd.cli.option_hints import command_line_hints, for_command_line, hint_for_command_line
from cygd.data.sources.csv import load_csv
from cygd.data.sources.svmlight import load_svmlight
from cygd.errors import DataError

OPTIONS = {*signature(load_csv).parameters, *signature(load_svmlight).parameters}


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("set data.first_index: 0", "set first_index=0"),
        ("set data.delimiter: ';'", "set delimiter=';'"),
        ("set data.delimiter: 'tab'", "set delimiter='tab'"),
        ("close its quote; data.quote: '' ignores quotes", "close its quote; quote='' ignores quotes"),
        ('set data.missing_values: ["N/A", "-"] if so', """set missing_values='["N/A", "-"]' if so"""),
        ("set data.percent: true if 5% is 0.05", "set percent=true if 5% is 0.05"),
        ("data.skip_footer: 1 leaves it out", "skip_footer=1 leaves it out"),
        ("a text (data.encoding: utf-16-le)", "a text (encoding=utf-16-le)"),
        ("data.inputs may name 'Unnamed: 0'", None),
        ("name it; list 'a' under data.categorical if it is a label", "name it"),
        ("data.missing: drop removes such rows", None),
        (None, None),
    ],
)
def test_hints_are_arguments(hint, expected):
    assert hint_for_command_line(hint, OPTIONS) == expected


def test_arguments_of_hints_can_be_parsed():
    """Every option that a message of the data sources suggests has the value that it names."""
    folder = Path(load_csv.__code__.co_filename).parent.parent
    found = 0
    for file in folder.rglob("*.py"):
        for name, value in re.findall(r"data\.(\w+): ('[^'{]*'|\w[\w-]*)", file.read_text()):
            if name in OPTIONS:
                arguments = shlex.split(for_command_line(f"data.{name}: {value}", OPTIONS))
                expected = value.strip("'")
                assert str(parse_mapping(quote_characters(arguments))[name]).lower() == expected
                found += 1
    assert found > 5


def test_messages_and_warnings_are_reworded(caplog):
    log = logging.getLogger("cygd")

    @command_line_hints(OPTIONS)
    def read():
        log.warning("%s: data.%s leaves out", "f", "skip_rows", extra={"hint": "data.skip_rows: 0"})
        raise DataError("f.svm:1: expected 3 features (data.features)", hint="set data.features: 4")

    with pytest.raises(DataError, match=r"^f\.svm:1: expected 3 features \(features\)\nhint: set features=4"):
        read()
    record = caplog.records[0]
    assert (record.getMessage(), record.hint) == ("f: skip_rows leaves out", "skip_rows=0")
