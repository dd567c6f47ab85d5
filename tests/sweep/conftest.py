"""Small experiments for sweeps, and `cygd sweep` in a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cygd
from cygd.sweep.plan import make_plan
from cygd.sweep.tasks import Returned, Setup
from cygd.sweep.worker import Worker

XOR = """\
name: xor
data: {source: inline, x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [[0], [1], [1], [0]]}
model: {layers: [4, {units: 1, activation: sigmoid}]}
optimizer: {name: sgd, learning_rate: 0.5}
train: {epochs: 20, batch_size: 1}
metrics: [accuracy]
"""


# sleeps at every evaluation, until a file named `fast` exists
SLOW_METRIC = """\
import os, time
from cygd import Metric, hookimpl

def slow(y, y_hat):
    if not os.path.exists("fast"):
        time.sleep({seconds})
    return 1.0

@hookimpl
def cygd_metrics():
    return Metric("slow", slow, True)
"""


@pytest.fixture(autouse=True)
def in_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("CYGD_THREADS", "CYGD_PLUGINS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def experiment(tmp_path):
    """Write an experiment with additional keys, and return its path."""

    def write(more="", text=XOR, name="xor.yaml"):
        path = tmp_path / name
        path.write_text(text + more)
        return path

    return write


@pytest.fixture
def slow_experiment(experiment, tmp_path):
    """Write an experiment that evaluates a slow metric, and return its path."""

    def write(more, seconds=0.02):
        (tmp_path / "slow.py").write_text(SLOW_METRIC.format(seconds=seconds))
        text = XOR.replace("metrics: [accuracy]", "metrics: [slow]")
        return experiment("plugins: [slow.py]\n" + more, text=text)

    return write


def command(*arguments, **options):
    """Start `cygd` in a process that handles Ctrl-C as in a terminal."""
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1]), "NO_COLOR": "1"}
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from cygd.cli.main import main\nif __name__ == '__main__': sys.exit(main())"
    )
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.fixture
def cygd_sweep():
    """Run `cygd sweep` and return its exit code, stdout and stderr."""

    def run(*arguments):
        process = command("sweep", *arguments)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    return run


@pytest.fixture
def start():
    """Start `cygd sweep` in a process group, and kill it at the end of the test."""
    started = []

    def run(*arguments):
        started.append(command("sweep", *arguments, start_new_session=True))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def execute(tmp_path):
    """Execute the runs of a sweep in this process, in one group or alone; return folder, outcomes, others."""

    def run(path, overrides, *, alone=False, plugins=()):
        name = f"sweep-{len(list(tmp_path.glob('sweep-*')))}"
        plan = make_plan(path, overrides, plugins)
        folder, shared = tmp_path / name, tmp_path / name / ".data"
        shared.mkdir(parents=True)
        folders = plan.section.runs == "folders"
        worker = Worker(Setup(plan.base, plan.plugins, folder, shared, None, folders))
        messages = []
        tasks = plan.tasks()
        for group in [[task] for task in tasks] if alone else [tasks]:
            worker.execute(group, messages.append)
        returned = [message for message in messages if isinstance(message, Returned)]
        return folder, dict(sorted(m for m in messages if not isinstance(m, Returned))), returned

    return run
