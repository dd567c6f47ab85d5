"""A script without the main guard gets one error, and is not run again by workers."""

import subprocess
import sys

import pytest

EXPERIMENT = """\
data: {source: synthetic, kind: moons, samples: 40}
model: {layers: [2, {units: 1, activation: sigmoid}]}
loss: binary_cross_entropy
train: {epochs: 2}
log: []
sweep: {grid: {optimizer.learning_rate: [0.1, 0.5]}}
"""
REMEDY = 'hint: put what the script does below `if __name__ == "__main__":`'
IMPORT = "from cygd.sweep import sweep\nprint('the script runs')\n"

UNGUARDED = {
    "call": 'found = sweep("e.yaml", workers=2)\n',
    "call in a function": 'def main():\n    sweep("e.yaml", workers=2)\n\nmain()\n',
    "another condition": 'if True:\n    sweep("e.yaml", workers=2)\n',
    "resume": 'from cygd.sweep import resume\nresume("runs/none", workers=2)\n',
}
GUARDED = {
    "guard of a function": 'def main():\n    sweep("e.yaml", workers=1)\n\n'
    'if "__main__" == __name__:\n    main()\n',
    "process": "from multiprocessing import current_process\n"
    'if current_process().name == "MainProcess":\n    sweep("e.yaml", workers=1)\n',
}


@pytest.fixture
def script(tmp_path):
    (tmp_path / "e.yaml").write_text(EXPERIMENT)

    def run(text, *, stdin=False):
        (tmp_path / "script.py").write_text(IMPORT + text)
        command = [sys.executable, *([] if stdin else ["script.py"])]
        with (tmp_path / "script.py").open() as file:
            return subprocess.run(
                command, stdin=file, capture_output=True, text=True, cwd=tmp_path, timeout=100, check=False
            )

    return run


@pytest.mark.parametrize("text", UNGUARDED.values(), ids=UNGUARDED)
def test_script_without_guard_gets_one_error_with_the_remedy(script, tmp_path, text):
    done = script(text)
    assert (done.returncode, done.stdout) == (1, "the script runs\n")
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.rstrip().endswith(REMEDY)
    assert "script.py:" in done.stderr.rstrip().splitlines()[-2]
    assert not (tmp_path / "runs").exists()


def test_sweep_in_a_thread_of_an_unguarded_script_gets_one_error(script):
    done = script(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as pool:\n"
        "    pool.submit(sweep, 'e.yaml', workers=1).result()\n"
    )
    assert done.returncode == 1
    assert done.stderr.count("CygdError") == 1
    assert done.stderr.rstrip().endswith(REMEDY)


@pytest.mark.parametrize("text", GUARDED.values(), ids=GUARDED)
def test_guarded_script_runs(script, text):
    done = script(text)
    assert (done.returncode, done.stderr) == (0, "")


def test_script_from_stdin_cannot_start_workers(script):
    done = script('sweep("e.yaml", workers=2)\n', stdin=True)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("'<stdin>' is not a file\nhint: save the script in a file")
