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


def test_sections_of_a_sweep_are_named(tmp_path):
    from cygd.report.sweep_sections import sweep_sections
    from tests.helpers.sweep_folders import write_sweep

    named = re.findall(
        r"^\| (\w[\w ,]*) \|", PAGE.partition("## Sweeps")[2].partition("## ")[0], re.MULTILINE
    )
    named = ", ".join(named[1:])
    records = [(i, seed, {"a": i}, 0.5 + i + seed / 7) for i in range(3) for seed in (1, 2)]
    sections = sweep_sections(write_sweep(tmp_path / "s", [*records, (3, 1, {"a": 3}, "error")]))
    assert len(sections) == 7
    for section in sections:
        assert section.title.rstrip("?") in named
