"""docs/export.md: its files are written and its console blocks run."""

import re
import shutil
from pathlib import Path

import pytest

from tests.helpers.console_blocks import Shell, blocks_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "export.md").read_text()

FILES = re.findall(r"`(\w+\.(?:py|c))`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.skipif(shutil.which("cc") is None, reason="cc is not installed")
def test_console_blocks_run(tmp_path):
    for library in ("onnx", "onnxruntime", "safetensors"):
        pytest.importorskip(library)
    here = tmp_path / "here"
    shutil.copytree(ROOT / "experiments", here / "experiments")
    for name, content in FILES:
        (here / name).write_text(content)
    shell = Shell(here, tmp_path / "programs")
    for block in blocks_of(PAGE, "console"):
        shell.run_block(block)
