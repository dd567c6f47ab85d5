"""Faults of the machine during a run: failing system calls, signals, clocks, files that change.

The system calls fail in a library that is preloaded; `FAULTS=all` lets every call fail once with every error.
"""

import errno
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.tracking import checkpoints
from tests.runner.test_kill import ENVIRONMENT, check_complete, outputs, started

MOONS = """\
data: {source: synthetic, kind: moons, samples: 60, split: {validation: 0.25}}
model: {layers: [{units: 6, dropout: 0.2}, {units: 1, activation: sigmoid}]}
loss: binary_cross_entropy
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 3, batch_size: 8}
log: [jsonl]
checkpoint: {every: 1}
"""
ERRORS = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS]

# lets call number FAIL_AT that changes something below a folder fail with an error
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int calls = 0;

#define NEXT(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static int fails(const char *path) {
    const char *below = getenv("FAIL_BELOW"), *at = getenv("FAIL_AT"), *count = getenv("FAIL_COUNT");
    if (!below || strncmp(path, below, strlen(below))) return 0;
    ++calls;
    if (count) {
        int file = NEXT(open)(count, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (file >= 0) { NEXT(write)(file, ".", 1); close(file); }
    }
    if (!at || calls != atoi(at)) return 0;
    errno = atoi(getenv("FAIL_WITH"));
    return 1;
}

static int fails_at(int descriptor) {
    char link[64], path[PATH_MAX];
    ssize_t n;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return fails(path);
}

ssize_t write(int fd, const void *data, size_t n) { return fails_at(fd) ? -1 : NEXT(write)(fd, data, n); }
int fsync(int fd) { return fails_at(fd) ? -1 : NEXT(fsync)(fd); }
int rename(const char *a, const char *b) { return fails(b) ? -1 : NEXT(rename)(a, b); }
int mkdir(const char *path, mode_t mode) { return fails(path) ? -1 : NEXT(mkdir)(path, mode); }
int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if (flags & (O_WRONLY | O_RDWR) && fails(path)) return -1;
    return NEXT(open64)(path, flags, mode);
}
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """A library to preload that lets system calls fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    command = [
        compiler,
        "-shared",
        "-fPIC",
        "-O1",
        str(folder / "shim.c"),
        "-o",
        str(folder / "shim.so"),
        "-ldl",
    ]
    subprocess.run(command, check=True)
    return folder / "shim.so"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The experiment, and the outputs and the duration of a run of it that nothing disturbs."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "moons.yaml").write_text(MOONS)
    began = time.monotonic()
    process = started(folder / "moons.yaml", "--out", folder / "run", "--quiet")
    assert process.wait() == 0, process.stderr.read()
    process.stderr.close()
    return folder / "moons.yaml", outputs(folder / "run"), time.monotonic() - began


def run_with_fault(shim, experiment, out, **fault):
    command = [sys.executable, "-P", "-m", "cygd", "run", str(experiment), "--out", str(out), "--quiet"]
    environment = {**ENVIRONMENT, "LD_PRELOAD": str(shim), "FAIL_BELOW": str(out)}
    environment |= {name.upper(): str(value) for name, value in fault.items()}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_one_failing_system_call_loses_nothing(shim, uninterrupted, tmp_path):
    experiment, expected, _ = uninterrupted
    assert run_with_fault(shim, experiment, tmp_path / "count", fail_count=tmp_path / "calls").returncode == 0
    without_loggers = outputs(tmp_path / "count", loggers=False)
    calls = (tmp_path / "calls").stat().st_size
    assert calls > 30
    every = os.environ.get("FAULTS") == "all"
    cases = [(at, code) for at in range(1, calls + 1) for code in ERRORS]
    for at, code in cases if every else cases[3 :: len(cases) // 6]:
        out = tmp_path / f"run-{at}-{code}"
        done = run_with_fault(shim, experiment, out, fail_at=at, fail_with=code)
        place = f"call {at}, {errno.errorcode[code]}: {done.stderr}"
        assert done.returncode in (0, 1, 2), place
        assert "Traceback" not in done.stderr, place
        assert "unexpected" not in done.stderr, place
        if done.returncode:
            assert os.strerror(code) in done.stderr, place
            check_names_the_file(done.stderr, out)
        if not (out / "config.yaml").exists():
            continue  # nothing to resume: the message says to run again
        check_complete(out)
        process = started("--resume", out, "--quiet")
        assert process.wait() == 0, place + process.stderr.read()
        process.stderr.close()
        # hashes.csv and metrics.jsonl are given up with a warning, as the files of all loggers
        if "it is disabled, the run continues" in done.stderr:
            assert done.returncode == 0, place
            assert outputs(out, loggers=False) == without_loggers, place
        else:
            assert outputs(out) == expected, place


def check_names_the_file(errors, out):
    """Check that an error names the file that failed, and says what works: to resume, or to run again."""
    named = re.search(rf"(?:cannot write|cannot create the run folder) '{out}([^']*)'", errors)
    assert named, errors
    if (out / "config.yaml").exists():
        assert f"then resume: cygd run --resume {out}\n" in errors
    else:
        assert "resume" not in errors
        assert "run the experiment again, into a new folder" in errors or named[1] in ("", "/log.txt"), errors


def test_failing_system_call_in_a_fold_names_the_whole_run(shim, tmp_path):
    experiment, out = tmp_path / "folds.yaml", tmp_path / "run"
    experiment.write_text(MOONS.replace("split: {validation: 0.25}", "split: {folds: 2}"))
    run_with_fault(shim, experiment, out, fail_count=tmp_path / "calls")
    expected = [(out / f"fold-{n}" / "weights.npz").read_bytes() for n in (1, 2)]
    calls = (tmp_path / "calls").stat().st_size
    failed = set()
    for at in range(3, calls, 1 if os.environ.get("FAULTS") == "all" else calls // 8):
        shutil.rmtree(out)
        done = run_with_fault(shim, experiment, out, fail_at=at, fail_with=errno.ENOSPC)
        if done.returncode:
            check_names_the_file(done.stderr, out)
            failed.add((out / "fold-1").exists())
        if (out / "config.yaml").exists():
            assert main(["run", "--resume", str(out), "--quiet"]) == 0, f"call {at}: {done.stderr}"
            assert [(out / f"fold-{n}" / "weights.npz").read_bytes() for n in (1, 2)] == expected
    assert failed == {False, True}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_at_any_moment_and_once_more_loses_nothing(uninterrupted, tmp_path, number):
    experiment, expected, duration = uninterrupted
    for part in (0.2, 0.6, 0.8, 0.9):
        out = tmp_path / f"run-{part}"
        process = started(experiment, "--out", out, "train.epochs=3")
        time.sleep(part * duration)
        for _ in range(2):
            process.send_signal(number)
            time.sleep(0.01)
        status, errors = process.wait(), process.stderr.read()
        process.stderr.close()
        # before Python runs, a signal ends the process; while it imports `runpy`, Python exits with 1
        is_starting = "Traceback" in errors and "cygd/" not in errors and not (out / "config.yaml").exists()
        assert status in (0, 130, -number) or is_starting, errors
        assert "Traceback" not in errors or is_starting
        if (out / "config.yaml").exists():
            check_complete(out)
            process = started("--resume", out, "--quiet")
            assert process.wait() == 0, process.stderr.read()
            process.stderr.close()
            assert outputs(out) == expected


def test_data_file_truncated_under_a_run_loses_only_the_process(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(200_000, 8)))
    np.save(tmp_path / "y.npy", np.zeros(200_000))
    (tmp_path / "mapped.yaml").write_text(
        "data: {source: npy, x: x.npy, y: y.npy}\nmodel: {layers: [4, 1]}\n"
        "optimizer: {name: adam, learning_rate: 0.0001}\n"
        "train: {epochs: 100000, batch_size: 1000}\ncheckpoint: {every: 1}\n"
    )
    process = started(tmp_path / "mapped.yaml", "--out", tmp_path / "run", "--quiet")
    while not (tmp_path / "run" / "checkpoints" / "000002.npz").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    content = (tmp_path / "x.npy").read_bytes()
    os.truncate(tmp_path / "x.npy", 200)
    # the kernel ends a process that reads pages which are gone; nothing can be saved then
    assert process.wait(60) == -signal.SIGBUS
    process.stderr.close()
    assert checkpoints.latest(tmp_path / "run") is not None
    process = started("--resume", tmp_path / "run", "--quiet")
    assert process.wait() == 2
    assert "x.npy" in process.stderr.read()
    process.stderr.close()
    (tmp_path / "x.npy").write_bytes(content)
    process = started("--resume", tmp_path / "run", "--quiet")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait() in (130, -signal.SIGINT)
    process.stderr.close()


def test_array_changed_under_a_fit_is_no_crash():
    x, y = np.random.default_rng(0).normal(size=(500, 3)), np.zeros((500, 1))
    net = cygd.Network(3, [(4, "tanh"), (1, "identity")], seed=0)

    def change(epoch, values):
        x[:] = epoch
        with pytest.raises(ValueError, match="resize"):  # NumPy refuses while others refer to the memory
            x.resize((1, 1))
        return False

    net.fit(x, y, epochs=3, optimizer="sgd", callback=change)
    assert np.isfinite(net.predict(x)).all()


def test_clock_that_jumps_back_changes_nothing(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    Path("moons.yaml").write_text(MOONS)
    expected = outputs(cygd.run("moons.yaml", out="before").directory)
    now = iter(range(2_000_000_000, 0, -10_000_000))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    for name in ("after", None):
        assert outputs(cygd.run("moons.yaml", out=name).directory) == expected
    os.utime("after", (2**40, 2**40))
    assert main(["list", "."]) == 0
    os.utime("after", (-(2**40), -(2**40)))
    assert main(["list", "."]) == 0


def test_network_beyond_the_memory_is_one_error(tmp_path, capsys):
    (tmp_path / "huge.yaml").write_text(
        "data: {source: inline, x: [0, 1], y: [1, 3]}\nmodel: {layers: [10000000, 10000000, 1]}\n"
        "train: {epochs: 1}\n"
    )
    assert main(["run", str(tmp_path / "huge.yaml"), "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err.startswith("error: not enough memory: Unable to allocate")
    assert not (tmp_path / "run").exists()


def test_copied_and_renamed_folders_resume(uninterrupted, tmp_path, unset):
    experiment, expected, _ = uninterrupted
    cygd.run(experiment, ["train.epochs=2"], out=tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    (tmp_path / "run").rename(tmp_path / "renamed")
    for name in ("copy", "renamed"):
        assert outputs(cygd.resume(tmp_path / name, ["train.epochs=3"]).directory)[0] == expected[0]


def test_temporary_files_of_a_killed_run_are_removed(uninterrupted, tmp_path, unset):
    experiment, _, _ = uninterrupted
    cygd.run(experiment, ["train.epochs=2"], out=tmp_path / "run")
    left = [
        tmp_path / "run" / ".result.json.0a1b2c3d.part",
        tmp_path / "run/checkpoints/.000003.npz.ffffffff.part",
    ]
    for path in left:
        path.write_text("half")
    assert main(["list", str(tmp_path / "run")]) == 0
    cygd.resume(tmp_path / "run", ["train.epochs=3"])
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize(("umask", "modes"), [(0o077, {0o600, 0o700}), (0, {0o666, 0o777})])
def test_every_file_of_a_run_and_a_sweep_respects_the_umask(tmp_path, unset, monkeypatch, umask, modes):
    monkeypatch.chdir(tmp_path)
    Path("moons.yaml").write_text(MOONS)
    Path("p.py").write_text("from cygd import hookimpl\n\n\n@hookimpl\ndef cygd_run_start(run):\n    pass\n")
    before = os.umask(umask)
    try:
        Path("new").mkdir()
        assert main(["run", "moons.yaml", "-p", "p.py", "--quiet", "--out", "new/run"]) == 0
        varied = ["seed=1,2", "--workers", "1", "--quiet", "--out", "new/sweep"]
        assert main(["sweep", "moons.yaml", *varied]) == 0
        assert main(["schema", "-o", "new/schema.json"]) == 0
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path("new").rglob("*")} == modes
