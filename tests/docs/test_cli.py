"""docs/cli.md: its synopsis is current, and its console blocks run."""

import re
import shutil
from importlib import import_module
from pathlib import Path

import pytest

from cygd.cli.commands import COMMANDS
from tests.helpers.console_blocks import Shell, blocks_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text()


def test_synopsis_is_current():
    usages = [
        f"cygd {name} {import_module(f'cygd.cli.commands.{module}').USAGE}".split("\n  ")
        for name, module in COMMANDS.items()
    ]
    synopsis = re.findall(r"^    (cygd .*)", PAGE.partition("\n`python -m cygd`")[0], re.MULTILINE)
    assert synopsis == [line for usage in usages for line in usage]


def test_every_command_has_a_section():
    assert set(re.findall("^## cygd (.*)", PAGE, re.MULTILINE)) == set(COMMANDS)


def test_console_blocks_run(tmp_path):
    pytest.importorskip("matplotlib")
    here = tmp_path / "here"
    for folder in ("experiments", "plugins"):
        shutil.copytree(ROOT / folder, here / folder)
    shell = Shell(here, tmp_path / "programs")
    for block in blocks_of(PAGE, "console"):
        shell.run_block(block)
