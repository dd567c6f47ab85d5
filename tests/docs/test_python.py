"""docs/python.md: every example runs as a script."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```python\n(.*?)```", (CHECKOUT / "docs" / "python.md").read_text(), re.DOTALL)


def test_page_has_three_examples():
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("example", EXAMPLES, ids=["threads", "processes", "many"])
def test_example_runs(example, tmp_path):
    (tmp_path / "experiments").mkdir()
    shutil.copy(CHECKOUT / "experiments" / "xor.yaml", tmp_path / "experiments")
    (tmp_path / "script.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    results = list((tmp_path / "runs" / "xor").glob("*/result.json"))
    assert len(results) == (8 if "Thread" in example else 4 if "Process" in example else 0)
