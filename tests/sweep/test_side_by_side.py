"""Runs of a sweep that are trained side by side: each has the files, bits and fate that it has alone."""

import errno
import json
import os
import sys

import numpy as np
import pytest

import cygd
from cygd.network import evaluation, side_by_side
from cygd.sweep import sweep
from cygd.sweep.tasks import Returned
from cygd.tracking import checkpoints
from cygd.tracking.directory import RunDirectory
from cygd.tracking.loggers import CsvLogger
from tests.helpers.sweeps import TWO_AT_A_TIME as XOR
from tests.helpers.sweeps import bits, rows

ROWS = """\
name: rows
data: {source: csv, path: rows.csv, targets: [y], scale: standard, split: {validation: 0.3}}
model: {layers: [{units: 5, activation: tanh, dropout: 0.2}, {units: 1, l2: 0.01}]}
optimizer: {name: adam, learning_rate: 0.02}
train: {epochs: 30, batch_size: 8}
metrics: [rmse, r2]
stop: {monitor: validation_rmse, patience: 3}
checkpoint: {every: 7}
log: [jsonl]
"""
SEEDS = "seed=0,1,2,3,4,5,6,7,8,9,10,11"
EIGHT = "seed=0,1,2,3,4,5,6,7"


@pytest.fixture
def sizes(monkeypatch):
    """The sizes of the groups that this process trains."""
    sizes, train = [], side_by_side.train
    monkeypatch.setattr(side_by_side, "train", lambda blocks: sizes.extend(map(len, blocks)) or train(blocks))
    return sizes


@pytest.fixture
def table(tmp_path):
    """Write rows.csv."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    y = x @ [1, -2, 0.5] + np.sin(x[:, 0]) + 0.3 * rng.normal(size=60)
    lines = [",".join(map(str, [*row, target])) for row, target in zip(x.tolist(), y.tolist(), strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,y", *lines]))


def without_seconds(text):
    return [line.rpartition(",")[0] for line in text.splitlines()]


def contents(folder):
    """Return everything that a run folder holds but times, its place, and the traceback of an error."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.suffix == ".pyc":
            continue
        if name.startswith("checkpoints/"):
            read = checkpoints.read(path)
            state = read.state
            files[name] = (state.epoch, state.updates, state.step, state.parameters.tobytes())
            files[name] += (repr(state.early_stopping), repr(state.optimizer), repr(state.scalars))
        elif name == "metrics.csv":
            files[name] = without_seconds(path.read_text())
        elif name in ("result.json", "environment.json"):
            times = ("seconds", "directory", "time", "started")
            content = json.loads(path.read_text().replace(str(folder), ""))
            files[name] = {key: value for key, value in content.items() if key not in times}
        elif name == "metrics.jsonl":
            values = map(json.loads, path.read_text().splitlines())
            files[name] = [{k: v for k, v in line.items() if k != "seconds"} for line in values]
        elif name == "log.txt":
            lines = [line for line in path.read_text().splitlines() if not line.startswith("  ")]
            files[name] = [line[24:].replace(str(folder), "") for line in lines]
        else:
            files[name] = path.read_bytes()
    return files


def assert_as_alone(execute, path, overrides, **options):
    """Execute runs in a group and alone; return the outcomes, which are equal but for the seconds."""
    folder, outcomes, returned = execute(path, overrides, **options)
    other, alone, _ = execute(path, overrides, alone=True, **options)
    assert not returned
    assert len(outcomes) == len(alone)
    for number, outcome in outcomes.items():
        ours, theirs = ({**vars(each), "seconds": 0} for each in (outcome, alone[number]))
        for each, at in ((ours, folder), (theirs, other)):
            each["error"] = each["error"].replace(str(at), "")
        assert repr(ours) == repr(theirs)
        if (other / f"{number:04d}").exists():
            ours, theirs = contents(folder / f"{number:04d}"), contents(other / f"{number:04d}")
            assert list(ours) == list(theirs)
            for name in ours:
                assert ours[name] == theirs[name], f"{number:04d}/{name}"
    return list(outcomes.values())


# -- as alone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides",
    [
        [SEEDS],
        ["seed=0,1,2,3", "optimizer.learning_rate=0.01,0.1,1"],
        [SEEDS, "optimizer=nadam", "model.dtype=float32"],
        [SEEDS, "train.epochs=0"],
        [SEEDS, "train.evaluate_every=7", "log=[]"],
        ["optimizer={name: sgd, learning_rate: 1.0}", "optimizer.momentum=0.1,0.5,0.9", "seed=1,2,3"],
        ["model.layers.0.l2=0,0.001,0.1", "seed=1,2,3", "train.batch_size=full"],
        [SEEDS, "train.epochs=5,9"],
    ],
)
def test_files_and_bits_are_those_of_each_run_alone(overrides, execute, experiment, sizes):
    outcomes = assert_as_alone(execute, experiment(text=XOR), overrides)
    assert sizes == [len(outcomes)]
    assert {outcome.status for outcome in outcomes} == {"completed"}


def test_runs_stop_by_themselves(execute, experiment, sizes, table):
    outcomes = assert_as_alone(execute, experiment(text=ROWS), [EIGHT])
    assert sizes == [8]
    assert len({outcome.epochs for outcome in outcomes}) > 2
    assert {outcome.status for outcome in outcomes} >= {"stopped"}


@pytest.mark.parametrize("overrides", [[], ["schedule=cosine"], ["schedule={name: reduce_on_plateau}"]])
def test_schedules(overrides, execute, experiment, sizes, table):
    assert_as_alone(execute, experiment(text=ROWS), [EIGHT, *overrides])
    assert sizes == [8]


def test_a_run_in_a_group_is_that_of_cygd_run(execute, experiment, sizes, table, tmp_path):
    path = experiment(text=ROWS)
    folder, _, _ = execute(path, [EIGHT])
    cygd.run(path, ["seed=5"], out="single")
    ours, theirs = contents(folder / "0005"), contents(tmp_path / "single")
    for name in ("metrics.csv", "hashes.csv", "weights.npz", "result.json", "config.yaml", "metrics.jsonl"):
        assert ours[name] == theirs[name]


def test_runs_without_folders(execute, experiment, sizes, table):
    outcomes = assert_as_alone(execute, experiment(text=ROWS), [EIGHT, "sweep.runs=summary", "log=[]"])
    assert sizes == [8]
    assert len({outcome.epochs for outcome in outcomes}) > 2


@pytest.mark.parametrize("n_workers", [1, 2])
def test_the_sweep_itself(n_workers, execute, experiment, table, tmp_path):
    events = tmp_path / "events"
    (tmp_path / "events.py").write_text(
        "import os\nfrom cygd import hookimpl\n\n"
        f"def add(event):\n    with open({str(events)!r}, 'a') as file:\n"
        "        file.write(f'{os.getpid()} {event}\\n')\n\n"
        "@hookimpl\ndef cygd_run_start(run): add('start')\n\n"
        "@hookimpl\ndef cygd_run_end(run, result): add('end')\n"
    )
    path, overrides = experiment(text=ROWS), [EIGHT]
    result = sweep(path, overrides, plugins=["events.py"], workers=n_workers, out="s")
    assert len(rows(result.directory)) == 8
    other, _, _ = execute(path, overrides, alone=True)
    assert bits(result.directory) == bits(other)
    by_worker = {}
    for line in events.read_text().splitlines():
        pid, event = line.split()
        by_worker.setdefault(pid, []).append(event)
    size = 8 // n_workers
    assert [events[:size] for events in by_worker.values()] == [["start"] * size] * n_workers
    assert {record.attempts for record in result.records} == {1}


def test_targets_in_original_units_are_shared(execute, experiment, sizes, table, monkeypatch):
    copies, restore = [], evaluation.Units.restore
    monkeypatch.setattr(evaluation.Units, "restore", lambda *a: copies.append(a) or restore(*a))
    path = experiment(text=ROWS.replace("scale: standard", "scale: {inputs: standard, targets: standard}"))
    execute(path, [EIGHT])
    assert sizes == [8]
    assert len(copies) == 2  # of the training and the validation rows


# -- what happens to one of them -----------------------------------------------------------------------


def test_a_run_that_diverges(execute, experiment, sizes):
    rates = "optimizer.learning_rate=0.1,1.0e+308,0.2,0.3,0.4,0.5"
    path = experiment(text=XOR.replace("activation: sigmoid", "activation: identity"))
    outcomes = assert_as_alone(execute, path, [rates])
    assert sizes == [6]
    assert [outcome.status for outcome in outcomes] == ["completed", "diverged", *["completed"] * 4]


LISTENER = """\
from cygd import Logger, Metric, hookimpl

SEED = None

@hookimpl
def cygd_run_start(run):
    global SEED
    SEED = run.seed

@hookimpl
def cygd_epoch_end(run, epoch, metrics):
    if SEED == 2 and epoch == 3:
        return "stop"
    if SEED == 3 and epoch == 4:
        raise ValueError("of seed 3")

class Mine:
    def cygd_epochs_end(self, run, rows):
        if SEED == 4 and rows.last > 0:
            raise SystemExit("of seed 4")
        with open(run.directory / "mine.txt", "a") as file:
            file.writelines(f"{epoch} {SEED}\\n" for epoch, _ in rows)

@hookimpl
def cygd_loggers():
    return Logger("mine", Mine)

CALLS = 0

def fragile(y, y_hat):
    global CALLS
    CALLS += 1
    if SEED == 5 and CALLS > 7:
        raise ValueError("of seed 5")
    return float(CALLS)

@hookimpl
def cygd_metrics():
    return Metric("fragile", fragile)
"""


def test_listeners_and_metrics_that_fail_or_stop(execute, experiment, sizes, tmp_path):
    (tmp_path / "mine.py").write_text(LISTENER)
    path = experiment("plugins: [mine.py]\nlog: [mine]\n", XOR.replace("[accuracy]", "[accuracy, fragile]"))
    outcomes = assert_as_alone(execute, path, [SEEDS])
    assert sizes == [12]
    statuses = ["stopped" if n == 2 else "failed" if n == 5 else "completed" for n in range(12)]
    assert [outcome.status for outcome in outcomes] == statuses
    assert "of seed 5" in outcomes[5].error


def test_a_run_that_cannot_be_read(execute, experiment, sizes):
    path = experiment(text=XOR)
    rates = "optimizer.learning_rate=-1,0.1,0.2,0.3,0.4,-2,0.5"
    outcomes = assert_as_alone(execute, path, [rates])
    assert sizes == [5]
    failed = [number for number, outcome in enumerate(outcomes) if outcome.status == "failed"]
    assert failed == [0, 5]


def test_a_run_whose_folder_is_occupied(execute, experiment, sizes, monkeypatch):
    create = RunDirectory.create

    def occupied(name, out):
        if out.name == "0003":
            out.mkdir()
            (out / "mine").touch()
        return create(name, out)

    monkeypatch.setattr(RunDirectory, "create", occupied)
    outcomes = assert_as_alone(execute, experiment(text=XOR), [SEEDS])
    assert [number for number, outcome in enumerate(outcomes) if outcome.status == "failed"] == [3]
    assert "is not empty" in outcomes[3].error
    assert sizes == [11]


def test_a_full_disk_in_one_run(execute, experiment, sizes, monkeypatch):
    end = CsvLogger.cygd_epochs_end

    def full(self, run, rows):
        end(self, run, rows)
        if run.seed == 4 and rows.last > 3:
            self._error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(CsvLogger, "cygd_epochs_end", full)
    outcomes = assert_as_alone(execute, experiment("checkpoint: {every: 2}\n", XOR), [SEEDS])
    assert sizes == [12]
    assert [number for number, outcome in enumerate(outcomes) if outcome.status == "killed"] == [4]


def test_a_module_with_hooks_goes_alone(execute, experiment, sizes, tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "hooks_of_mine.py").write_text(
        "from cygd import hookimpl\n\n@hookimpl\ndef cygd_epoch_end(run, epoch, metrics): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "modules")
    _, outcomes, [returned] = execute(experiment("plugins: [hooks_of_mine]\n", XOR), [SEEDS])
    assert (list(outcomes), returned) == ([0], Returned(tuple(range(1, 12)), 1))
    assert sizes == []
    del sys.modules["hooks_of_mine"]


# -- what cannot go together ---------------------------------------------------------------------------

WAVE = """\
import numpy as np
from cygd import Activation, hookimpl

@hookimpl
def cygd_activations():
    return Activation("wave", np.sin, np.cos)
"""


@pytest.mark.parametrize(
    "overrides",
    [
        ["train.batch_size=1"],
        ["clip={norm: 1}"],
        ["model.layers=[{units: 1, activation: sigmoid}]"],
        ["model.activation=wave"],
        ["optimizer={formula: {w: w - learning_rate * g}}"],
    ],
)
def test_others_go_alone(overrides, execute, experiment, sizes, tmp_path):
    (tmp_path / "wave.py").write_text(WAVE)
    path = experiment("plugins: [wave.py]\n", XOR)
    _, outcomes, [returned] = execute(path, [SEEDS, *overrides])
    assert sizes == []
    assert [outcome.status for outcome in outcomes.values()] == ["completed"]  # the first one
    assert returned == Returned(tuple(range(1, 12)), 1)


def test_few_runs_go_alone(execute, experiment, sizes):
    _, outcomes, [returned] = execute(experiment(text=XOR), ["seed=0,1,2"])
    assert (list(outcomes), returned.numbers, sizes) == ([0], (1, 2), [])
    assert returned.most > 3


def test_runs_of_another_form_are_returned(execute, experiment, sizes):
    _, outcomes, [returned] = execute(experiment(text=XOR), ["seed=0,1,2,3,4", "model.layers.0.units=3,4"])
    assert list(outcomes) == [0, 2, 4, 6, 8]
    assert returned.numbers == (1, 3, 5, 7, 9)
    assert sizes == [5]


def test_runs_of_many_forms_are_read_once(execute, experiment, sizes):
    units = ["model.layers.0.units=3,4,5,6,7", "seed=0,1"]
    _, outcomes, [returned] = execute(experiment(text=XOR), units)
    assert (list(outcomes), returned, sizes) == ([0], Returned(tuple(range(1, 10)), 1), [])


def test_a_group_has_a_largest_size(execute, experiment, sizes, monkeypatch):
    monkeypatch.setattr("cygd.sweep.group.MAX_RUNS", 8)
    _, outcomes, [returned] = execute(experiment(text=XOR), [SEEDS])
    assert (list(outcomes), returned) == (list(range(8)), Returned((8, 9, 10, 11), 8))
    sizes.clear()
    monkeypatch.setattr("cygd.sweep.group.MEMORY", 20_000)  # 21 epochs of 6 numbers
    _, outcomes, [returned] = execute(experiment(text=XOR), [SEEDS])
    assert (list(outcomes), returned.most) == (list(range(4)), 4)
