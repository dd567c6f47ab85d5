"""docs/trackers.md: its console blocks run, those of a tool where the tool is installed."""

import re
import shutil
from pathlib import Path

import pytest

from tests.helpers.console_blocks import Shell, blocks_of
from tests.helpers.tracker_cases import skip_without

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "trackers.md").read_text()

FILES = re.findall(r"`(\w+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def shell(tmp_path):
    here = tmp_path / "here"
    shutil.copytree(ROOT / "experiments", here / "experiments")
    for name, content in FILES:
        (here / name).write_text(content)
    return Shell(here, tmp_path / "programs")


def test_console_blocks_run(shell):
    skip_without("tensorboard")
    blocks = blocks_of(PAGE, "console")
    assert len(blocks) == 4
    assert [name for name, _ in FILES] == ["best.py", "load.py"]
    for block in blocks:
        shell.run_block(block)


@pytest.mark.parametrize("tool", ["mlflow", "wandb"])
def test_console_blocks_of_a_tool_run(tool, shell):
    skip_without(tool)
    blocks = blocks_of(PAGE, f"console {tool}")
    assert blocks
    for block in blocks:
        shell.run_block(block)
