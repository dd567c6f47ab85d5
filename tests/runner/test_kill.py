"""A run that is killed repeatedly, at random moments, ends with the bits of an uninterrupted one.

There are 5 kills by default; `KILLS=100 pytest tests/runner/test_kill.py` makes 100, and `KILLS_SEED=7`
chooses other moments.
"""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cygd
from cygd.tracking.checkpoints import read

KILLS = int(os.environ.get("KILLS", "5"))
SEED = int(os.environ.get("KILLS_SEED", "0"))
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("CYGD_")},
    "PYTHONPATH": str(Path(cygd.__file__).parents[1]),
}

# everything with a state: optimizer, schedule, patience, best weights, dropout, shuffles
MOONS = """\
data: {source: synthetic, kind: moons, samples: 200, scale: standard, split: {validation: 0.25, test: 0.25}}
model:
  layers: [{units: 8, dropout: 0.2, l2: 1e-4}, {units: 1, activation: sigmoid}]
loss: binary_cross_entropy
optimizer: {name: adam, learning_rate: 0.01}
schedule: {name: reduce_on_plateau, patience: 5, warmup: 3}
train: {epochs: 60, batch_size: 4}
metrics: [accuracy]
stop: {patience: 50}
log: [jsonl]
checkpoint: {every: 1}
"""


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "cygd", "run", *map(str, arguments)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def outputs(directory, *, loggers=True):
    """Return the outputs of a run, without times; `loggers` are those that may be disabled."""
    with (directory / "metrics.csv").open(newline="") as file:
        rows = [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(file)]
    text = (directory / "metrics.jsonl").read_text() if loggers else ""
    lines = [json.loads(line) for line in text.splitlines()]
    result = json.loads((directory / "result.json").read_text())
    for line in (*lines, result):
        del line["seconds"]
    files = ["weights.npz", "preprocessing.json", "config.yaml", *(["hashes.csv"] if loggers else [])]
    return rows, lines, result, [(directory / name).read_bytes() for name in files]


def check_complete(directory):
    """Check that every checkpoint and JSON file of a folder is complete."""
    for path in directory.glob("checkpoints/*.npz"):
        read(path)
    for path in directory.glob("*.json"):
        json.loads(path.read_text())


def test_kills_at_random_moments_change_no_bit(tmp_path):
    (tmp_path / "moons.yaml").write_text(MOONS)
    uninterrupted, mine = tmp_path / "uninterrupted", tmp_path / "mine"
    began = time.monotonic()
    process = started(tmp_path / "moons.yaml", "--out", uninterrupted, "--quiet")
    assert process.wait() == 0, process.stderr.read()
    process.stderr.close()
    longest = time.monotonic() - began
    expected = outputs(uninterrupted)

    draw, kills, moments = random.Random(SEED), 0, []
    while kills < KILLS or not (mine / "result.json").exists():
        if not (mine / "config.yaml").exists():  # killed before it could be resumed
            shutil.rmtree(mine, ignore_errors=True)
            process = started(tmp_path / "moons.yaml", "--out", mine, "--quiet")
        else:
            process = started("--resume", mine, "--quiet")
        moment = draw.uniform(0, longest) if kills < KILLS else None
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        errors = process.stderr.read()
        process.stderr.close()
        if process.returncode == -signal.SIGKILL:
            kills += 1
            moments.append(round(moment, 3))
            check_complete(mine)
            continue
        assert (process.returncode, errors) == (0, ""), moments
        assert outputs(mine) == expected, moments
        if kills < KILLS:
            shutil.rmtree(mine)
    assert outputs(mine) == expected, moments


# -- the order of writes ----------------------------------------------------------------------------

# records the file operations of a process, and kills it before event number KILL_AT
RECORDER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int record = -1, events = 0, kill_at = 0;
static char below[PATH_MAX];

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RECORD"), *folder = getenv("RECORD_BELOW"), *at = getenv("KILL_AT");
    if (!path || !folder) return;
    record = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    strncpy(below, folder, sizeof below - 1);
    kill_at = at ? atoi(at) : 0;
}

static void event(const char *what, const char *path, const char *other) {
    char line[2 * PATH_MAX + 32];
    int n;
    if (record < 0 || strncmp(path, below, strlen(below))) return;
    if (++events == kill_at) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    n = snprintf(line, sizeof line, "%s\t%s\t%s\n", what, path + strlen(below), other);
    syscall(SYS_write, record, line, n);
}

static void event_at(const char *what, int descriptor) {
    char link[64], path[PATH_MAX];
    ssize_t n;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    n = readlink(link, path, sizeof path - 1);
    if (n > 0) { path[n] = 0; event(what, path, ""); }
}

#define NEXT(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t n) {
    event_at("write", fd);
    return NEXT(write)(fd, data, n);
}
int fsync(int fd) { event_at("fsync", fd); return NEXT(fsync)(fd); }
int rename(const char *a, const char *b) {
    event("rename", a, strncmp(b, below, strlen(below)) ? b : b + strlen(below));
    return NEXT(rename)(a, b);
}
int unlink(const char *path) { event("unlink", path, ""); return NEXT(unlink)(path); }
int mkdir(const char *path, mode_t mode) { event("mkdir", path, ""); return NEXT(mkdir)(path, mode); }
"""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    """A library to preload that records file operations."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("recorder")
    (folder / "recorder.c").write_text(RECORDER)
    library = folder / "recorder.so"
    command = [compiler, "-shared", "-fPIC", "-O1", str(folder / "recorder.c"), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return library


def recorded(recorder, tmp_path, *arguments, kill_at=0):
    """Run the command; return its operations below `mine`, (name, path, other path), and the exit code."""
    record = tmp_path / "record.txt"
    record.unlink(missing_ok=True)
    environment = {
        **ENVIRONMENT,
        "LD_PRELOAD": str(recorder),
        "RECORD": str(record),
        "RECORD_BELOW": f"{tmp_path / 'mine'}",
        "KILL_AT": str(kill_at),
    }
    command = [sys.executable, "-P", "-m", "cygd", "run", *map(str, arguments), "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = record.read_text().splitlines() if record.exists() else []
    return [tuple(line.split("\t")) for line in lines], done.returncode


@pytest.fixture(scope="module")
def record(recorder, tmp_path_factory):
    """The file operations of a run of three epochs."""
    folder = tmp_path_factory.mktemp("record")
    (folder / "moons.yaml").write_text(MOONS.replace("epochs: 60", "epochs: 3"))
    events, code = recorded(recorder, folder, folder / "moons.yaml", "--out", folder / "mine")
    assert code == 0
    return events


def test_file_is_written_synced_renamed_and_its_folder_synced(record):
    renamed = [(index, event) for index, event in enumerate(record) if event[0] == "rename"]
    names = [event[2] for _, event in renamed]
    epochs = [f"/checkpoints/{epoch:06d}.npz" for epoch in (1, 2, 3)]
    assert names == [
        *("/preprocessing.json", "/environment.json", "/config.yaml"),
        *epochs,
        *("/weights.npz", "/result.json"),
    ]
    for index, (_, temporary, name) in renamed:
        folder = name.rpartition("/")[0]
        before = [event for event in record[:index] if event[1] == temporary]
        assert [what for what, *_ in before] == ["write"] * (len(before) - 1) + ["fsync"], name
        assert len(before) > 1
        if name == "/preprocessing.json":  # the sync after environment.json, before config.yaml, covers both
            continue
        assert record[index + 1] == ("fsync", folder, ""), name


def test_new_folder_is_synced_into_its_parent(record):
    index = record.index(("mkdir", "/checkpoints", ""))
    assert record[index + 1] == ("fsync", "", "")


def test_rows_are_synced_before_the_checkpoint_that_needs_them(record):
    for name in (*(f"/checkpoints/{epoch:06d}.npz" for epoch in (1, 2, 3)), "/weights.npz", "/result.json"):
        index = next(index for index, event in enumerate(record) if event[2] == name)
        rows = [what for what, path, _ in record[:index] if path == "/metrics.csv"]
        assert rows
        assert rows[-1] == "fsync", name


def test_old_checkpoint_is_removed_after_the_new_one_is_written(record):
    gone = record.index(("unlink", "/checkpoints/000001.npz", ""))
    renamed = next(k for k, event in enumerate(record) if event[2] == "/checkpoints/000003.npz")
    assert record[renamed + 1] == ("fsync", "/checkpoints", "")
    assert gone > renamed + 1


@pytest.mark.exhaustive
def test_kill_between_any_two_steps_of_a_checkpoint_changes_no_bit(recorder, record, tmp_path):
    (tmp_path / "moons.yaml").write_text(MOONS.replace("epochs: 60", "epochs: 3"))
    process = started(tmp_path / "moons.yaml", "--out", tmp_path / "uninterrupted", "--quiet")
    assert process.wait() == 0
    process.stderr.close()
    expected = outputs(tmp_path / "uninterrupted")
    mine = tmp_path / "mine"
    names = [event[2] for event in record]
    first = names.index("/checkpoints/000002.npz") + 1  # from the sync of its folder to that of the next
    steps = range(first, names.index("/checkpoints/000003.npz") + 5)
    for number in [k for k in steps if k == first or record[k] != record[k - 1]]:
        shutil.rmtree(mine, ignore_errors=True)
        events, code = recorded(
            recorder, tmp_path, tmp_path / "moons.yaml", "--out", mine, kill_at=number + 1
        )
        assert code == -signal.SIGKILL
        assert len(events) == number
        check_complete(mine)
        process = started("--resume", mine, "--quiet")
        assert process.wait() == 0
        process.stderr.close()
        assert outputs(mine) == expected, record[number]
