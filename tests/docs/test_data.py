"""docs/data.md: its Python examples run as scripts."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```python\n(.*?)```", (CHECKOUT / "docs" / "data.md").read_text(), re.DOTALL)


def test_page_has_two_examples():
    assert [("read_csv" in example, "cygd_data_sources" in example) for example in EXAMPLES] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=["frame", "plugin"])
def test_example_runs(example, tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("narwhals")
    shutil.copytree(CHECKOUT / "experiments", tmp_path / "experiments")
    (tmp_path / "script.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("Adelie" in done.stdout) == ("read_csv" in example)
