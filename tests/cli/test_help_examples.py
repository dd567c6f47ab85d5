"""The examples of `--help` are valid command lines."""

import os
import shlex
import shutil
import sys

import pytest

from cygd.cli.commands import COMMANDS
from cygd.cli.help_examples import EXAMPLES
from cygd.cli.main import main
from cygd.cli.parser import _terminal_width, build_parser


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_valid_and_shown(capsys, name):
    assert len(EXAMPLES[name]) >= 2
    for example, purpose in EXAMPLES[name]:
        plain = example.removeprefix("folder=$(").removeprefix("source <(").rstrip(")").partition(" > ")[0]
        program, command, *words = shlex.split(plain)
        assert (program, command) == ("cygd", name)
        _, unknown = build_parser(name).parse_known_intermixed_args(words)
        assert unknown == []
        assert purpose
        assert len(example) + len(purpose) < 100
    assert main([name, "--help"]) == 0
    assert f"\nexamples:\n  {EXAMPLES[name][0][0]} " in capsys.readouterr().out


def test_every_command_has_examples():
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("columns", [None, "100", "0", "-3", "wide", ""])
@pytest.mark.parametrize("terminal", [None, 132, 0])
def test_help_is_as_wide_as_shutil_finds_the_terminal(monkeypatch, columns, terminal):
    class Stream:
        def fileno(self):
            return 1

    def get_terminal_size(descriptor):
        if terminal is None:
            raise OSError("not a terminal")
        return os.terminal_size((terminal, 40))

    monkeypatch.setattr(sys, "__stdout__", Stream())
    monkeypatch.setattr(os, "get_terminal_size", get_terminal_size)
    monkeypatch.delenv("LINES", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert _terminal_width() == shutil.get_terminal_size().columns


def test_help_without_a_standard_output_has_the_usual_width(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "__stdout__", None)
    assert _terminal_width() == shutil.get_terminal_size().columns == 80
