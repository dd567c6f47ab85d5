"""docs/reports.md: its console blocks run, and the pages have the sections that it names."""

import re
import shutil
from pathlib import Path

import pytest

from tests.helpers.console_blocks import Shell, blocks_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reports.md").read_text()


def test_console_blocks_run(tmp_path):
    pytest.importorskip("matplotlib")
    here = tmp_path / "here"
    shutil.copytree(ROOT / "experiments", here / "experiments")
    shell = Shell(here, tmp_path / "programs")
    for block in blocks_of(PAGE, "console"):
        shell.run_block(block)
    page = (here / "surface.html").read_text()
    named = re.findall(r"^\| (\w[\w ]*) \|", PAGE.partition("## The error surface")[0], re.MULTILINE)[1:]
    headings = " ".join(re.findall("<h2>(.*?)</h2>", page))
    assert len(named) == 12
    for name in named:
        assert name in headings or name in ("Warnings", "What it learned")
