"""The examples of `--help` are valid command lines."""

import shlex

import pytest

from cygd.cli.commands import COMMANDS
from cygd.cli.help_examples import EXAMPLES
from cygd.cli.main import main
from cygd.cli.parser import build_parser


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
