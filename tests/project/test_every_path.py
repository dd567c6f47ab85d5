"""tools/every_path.py, which valgrind runs, gets to its end."""

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "every_path.py"


def test_every_part_runs_to_its_end():
    command = [sys.executable, str(TOOL), "--dtype", "float32", "--level", "base"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    parts = ["primitives", "kernels", "engine", "components", "recording", "side_by_side"]
    assert output.splitlines() == [f"base float32 {part}" for part in parts]
