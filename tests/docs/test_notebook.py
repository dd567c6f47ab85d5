"""docs/frame-to-predictions.ipynb has no stored outputs and runs; docs/notebooks.md: its example runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
FILE = CHECKOUT / "docs" / "frame-to-predictions.ipynb"
NEEDED = ("nbclient", "nbformat", "ipykernel", "pandas", "narwhals")


def code_cells():
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def test_outputs_are_not_stored():
    assert len(code_cells()) >= 8
    for cell in code_cells():
        assert (cell["outputs"], cell["execution_count"]) == ([], None)


# in a process of its own: the libraries of Jupyter leave sockets open
EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


def test_notebook_runs(tmp_path):
    for module in NEEDED:
        pytest.importorskip(module)
    here = tmp_path / "docs"  # Jupyter runs a notebook in its folder
    here.mkdir()
    shutil.copytree(CHECKOUT / "experiments", tmp_path / "experiments")
    folders = ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")
    environment = {**os.environ, **{name: str(tmp_path / "jupyter") for name in folders}}
    command = [sys.executable, "-c", EXECUTE, str(FILE), "executed.ipynb"]
    done = subprocess.run(
        command, cwd=here, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    executed = json.loads((here / "executed.ipynb").read_text())
    outputs = [cell["outputs"] for cell in executed["cells"] if cell["cell_type"] == "code"]
    streams = [output for cell in outputs for output in cell if output["output_type"] == "stream"]
    assert streams == []  # not even on stderr: the progress is a display
    shown = ["".join("".join(output["data"].get("text/html", "")) for output in cell) for cell in outputs]
    for html, expected in zip(
        shown,
        [
            "bill_length_mm",
            "Dataset: 333 rows",
            '<progress value="100" max="100">',
            "Model: species from",
            "trace of 1 update",
            "E over w1[0,0] and b1[0], 200 updates",
            "Gentoo",
        ],
        strict=False,
    ):
        assert expected in html
    assert "completed after 100 epochs" in shown[2]
    assert shown[2].count("<svg") == 2
    assert "<script" not in "".join(shown)
    text = "".join(outputs[2][-1]["data"]["text/plain"])
    assert text.startswith("Result(status='completed'")  # plain text stays plain
    table = re.findall(r"<td>(\d+)</td>", shown[6])
    assert sum(map(int, table)) == 344
    assert sum(map(int, table[::4])) > 330  # right ones on the diagonal
    for name in ("curves.html", "penguins.c", "penguins.h"):
        assert list((here / "runs" / "penguins").glob(f"*/{name}"))


def test_example_of_the_page_runs(tmp_path):
    page = (CHECKOUT / "docs" / "notebooks.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shutil.copytree(CHECKOUT / "experiments", tmp_path / "experiments")
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[[")
    for name in ("curves.html", "network.svg", "surface.svg"):
        assert "<svg" in (tmp_path / name).read_text()
