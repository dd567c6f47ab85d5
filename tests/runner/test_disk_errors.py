"""A full or read-only disk: a clear error, no lost data, and the same bits after resuming."""

import csv
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cygd
from cygd.cli.main import main
from cygd.errors import ConfigError, RunError
from cygd.files import write_durably

MOONS = {
    "name": "moons",
    "data": {"source": "synthetic", "kind": "moons", "samples": 60, "split": {"validation": 0.25}},
    "model": {"layers": [{"units": 6, "dropout": 0.2}, {"units": 1, "activation": "sigmoid"}]},
    "optimizer": {"name": "adam", "learning_rate": 0.05},
    "train": {"epochs": 4, "batch_size": 8},
    "checkpoint": {"every": 1},
}

RESUME = "fix the cause, then resume: cygd run --resume"
AGAIN = "fix the cause, then run the experiment again, into a new folder"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outputs(directory):
    with (directory / "metrics.csv").open(newline="") as file:
        rows = [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(file)]
    return rows, (directory / "weights.npz").read_bytes()


def names(directory):
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


class FullDisk:
    """A disk on which the first `room` calls of fsync succeed and all later ones fail."""

    def __init__(self, monkeypatch, room):
        self.calls, self.room, self.fsync = 0, room, os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, descriptor):
        self.calls += 1
        if self.calls > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.fsync(descriptor)


def test_full_disk_at_any_fsync_loses_nothing(monkeypatch, here):
    with monkeypatch.context() as patch:
        enough = FullDisk(patch, 1000)
        expected = outputs(cygd.run(MOONS, out="uninterrupted").directory)
    messages = set()
    for room in range(enough.calls - 1):  # the last one syncs log.txt, after the run
        mine = here / f"mine{room}"
        with monkeypatch.context() as patch:
            FullDisk(patch, room)
            with pytest.raises((RunError, ConfigError), match="No space left on device") as caught:
                cygd.run(MOONS, out=mine)
        if isinstance(caught.value, ConfigError):
            assert str(caught.value).startswith("cannot create the run folder")
        else:
            messages.add(caught.value.message)
            has_begun = (mine / "config.yaml").exists()
            assert caught.value.hint == (f"{RESUME} {mine}" if has_begun else AGAIN)
            assert caught.value.result.status == "failed"
        assert not list(mine.rglob("*.part"))
        if (mine / "result.json").exists():
            assert json.loads((mine / "result.json").read_text())["status"] in ("completed", "failed")
        if (mine / "config.yaml").exists():
            assert outputs(cygd.resume(mine).directory) == expected
    files = {message.split("'")[1].rpartition("/")[2] for message in messages}
    assert files == {
        *(
            "preprocessing.json",
            "environment.json",
            "config.yaml",
            "metrics.csv",
            "weights.npz",
            "result.json",
        ),
        *(f"{epoch:06d}.npz" for epoch in range(1, 5)),
    }


def test_resume_on_a_full_disk_loses_nothing(monkeypatch, here):
    uninterrupted = cygd.run(MOONS, overrides=["train.epochs=8"], out="uninterrupted")
    cygd.run(MOONS, out="mine")
    for room in (0, 1, 2, 5, 9):
        with monkeypatch.context() as patch:
            FullDisk(patch, room)
            with pytest.raises(RunError, match="No space left on device"):
                cygd.resume("mine", ["train.epochs=8"])
    assert outputs(cygd.resume("mine", ["train.epochs=8"]).directory) == outputs(uninterrupted.directory)


def test_failed_write_of_metrics_csv_fails_the_run(monkeypatch, here):
    from cygd.tracking.loggers import csv as csv_logger

    class Torn:
        name = str(here / "mine" / "metrics.csv")

        def __init__(self, file):
            self.file = file

        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

    start = csv_logger.CsvLogger.cygd_run_start

    def broken(self, run):
        start(self, run)
        self._file = Torn(self._file)

    with monkeypatch.context() as patch:
        patch.setattr(csv_logger.CsvLogger, "cygd_run_start", broken)
        with pytest.raises(RunError, match=r"cannot write '.*/mine/metrics\.csv': No space left on device"):
            cygd.run(MOONS, out="mine", overrides=["checkpoint.every=0"])
    assert outputs(cygd.resume("mine").directory) == outputs(cygd.run(MOONS, out="uninterrupted").directory)


def test_run_fails_if_metrics_csv_cannot_be_opened(monkeypatch, here):
    opened = Path.open

    def refuse(self, mode="r", *arguments, **options):
        if self.name == "metrics.csv":
            raise OSError(errno.EROFS, "Read-only file system", str(self))
        return opened(self, mode, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        with pytest.raises(RunError, match=r"cannot write '.*metrics\.csv': Read-only file system"):
            cygd.run(MOONS, out="mine")


def test_resume_leaves_a_read_only_folder_unchanged(monkeypatch, here, capsys):
    cygd.run(MOONS, out="mine")
    before = {path: path.read_bytes() for path in (here / "mine").rglob("*") if path.is_file()}
    opened = Path.open

    def refuse(self, mode="r", *arguments, **options):
        if "r" not in mode:
            raise OSError(errno.EROFS, "Read-only file system", str(self))
        return opened(self, mode, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert main(["run", "--resume", "mine", "train.epochs=5"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: cannot write into the run folder '{here / 'mine'}': Read-only file system",
        "hint: nothing was changed; free disk space or make the folder writable, then try again",
    ]
    assert {path: path.read_bytes() for path in (here / "mine").rglob("*") if path.is_file()} == before


def refuse_to_open(patch, name, mode, time=1):
    """Raise an EIO when a file whose name begins with `name` is opened in a mode for the n-th time."""
    opened, count = Path.open, 0

    def open_file(self, *arguments, **options):
        nonlocal count
        if self.name.startswith(name) and mode in arguments:
            count += 1
            if count == time:
                raise OSError(errno.EIO, "Input/output error", str(self))
        return opened(self, *arguments, **options)

    patch.setattr(Path, "open", open_file)


@pytest.mark.parametrize("out", ["mine", None])
def test_log_that_cannot_be_opened_again_is_named(monkeypatch, here, out):
    with monkeypatch.context() as patch:
        refuse_to_open(patch, "log.txt", "a")
        with pytest.raises(RunError, match=r"cannot write '.*log\.txt': Input/output error") as caught:
            cygd.run(MOONS, out=out)
    assert caught.value.hint == "free disk space or make the file writable, then try again"
    assert cygd.run(MOONS, out=out).status == "completed"  # as the hint says
    assert out or len(list((here / "runs" / "moons").iterdir())) == 1


def test_resume_names_a_log_that_cannot_be_opened(monkeypatch, here, capsys):
    cygd.run(MOONS, out="mine")
    with monkeypatch.context() as patch:
        refuse_to_open(patch, "log.txt", "a")
        assert main(["run", "--resume", "mine", "train.epochs=5"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: cannot write '{here / 'mine' / 'log.txt'}': Input/output error",
        "hint: free disk space or make the file writable, then try again",
    ]
    assert cygd.resume("mine", ["train.epochs=5"]).epochs == 5


def test_sweep_names_a_log_that_cannot_be_opened(monkeypatch):
    from cygd.sweep import sweep

    refuse_to_open(monkeypatch, "log.txt", "a")
    with pytest.raises(RunError, match=r"cannot write '.*mine/log\.txt': Input/output error"):
        sweep(MOONS, ["seed=0,1"], out="mine")


def test_folder_that_cannot_be_locked_is_named(monkeypatch):
    opened = os.open

    def refuse(path, flags, *arguments, **options):
        if flags & os.O_DIRECTORY:
            raise OSError(errno.EACCES, "Permission denied", str(path))
        return opened(path, flags, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(ConfigError, match=r"cannot open the run folder '.*mine': Permission denied"):
            cygd.run(MOONS, out="mine")
    assert cygd.run(MOONS, out="mine").status == "completed"


@pytest.mark.parametrize("folds", [None, 2])
@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("plugin.py", "rb", r"cannot read '.*plugin\.py'"),
        (".plugin.py", "xb", r"cannot write '.*plugins/plugin\.py'"),
        (".preprocessing.json", "xb", r"cannot write '.*mine.*/preprocessing\.json'"),
        (".environment.json", "xb", r"cannot write '.*mine.*/environment\.json'"),
        (".config.yaml", "xb", r"cannot write '.*mine.*/config\.yaml'"),
        ("metrics.csv", "wb", r"cannot write '.*mine.*/metrics\.csv'"),
        (".result.json", "xb", r"cannot write '.*mine.*/result\.json'"),
    ],
)
def test_error_names_the_file_that_failed_and_the_hint_works(monkeypatch, here, name, mode, message, folds):
    (here / "plugin.py").write_text("from cygd import hookimpl\n@hookimpl\ndef cygd_run_end(): pass\n")
    experiment = {
        "plugins": ["plugin.py"],
        "data": {"source": "synthetic", "kind": "moons", "samples": 30, "split": folds and {"folds": folds}},
        "model": {"layers": [{"units": 1, "activation": "sigmoid"}]},
        "train": {"epochs": 1},
    }
    with monkeypatch.context() as patch:
        refuse_to_open(patch, name, mode, time=2 if name == "plugin.py" else 1)
        with pytest.raises(RunError, match=message) as caught:
            cygd.run(experiment, out="mine")
    folder = here / "mine"
    fold = folder / "fold-1" if folds else folder
    if caught.value.hint == AGAIN:
        assert not (fold / "config.yaml").exists()
        assert cygd.run(experiment, out="new").status == "completed"
    else:
        # a fold resumes with the whole of its cross-validation
        assert caught.value.hint == f"{RESUME} {folder}"
        assert (folder / "config.yaml").exists()
        assert cygd.resume(folder).status == "completed"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_failed_fsync_of_a_folder_raises_unless_unsupported(monkeypatch, here, number):
    fsync = os.fsync

    def fail(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_dir():
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    code = errno.EINVAL
    write_durably(here / "a.txt", b"text")
    code = number
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        write_durably(here / "a.txt", b"other")
    assert caught.value.filename == str(here / "a.txt")


# -- a real disk ------------------------------------------------------------------------------------

# runs on a small disk that fills up and is then enlarged, in a mount namespace that needs no privileges
SMALL = """
import subprocess, sys
small, kept, experiment, ballast = sys.argv[1:]

def mount(options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", small], check=True)

def run(*arguments):
    command = [sys.executable, "-P", "-m", "cygd", "run", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.returncode, done.stderr.replace("\\n", " / "), flush=True)

mount("size=1m")
with open(small + "/ballast", "wb") as file:
    file.write(bytes(int(ballast)))
run(experiment, "--out", small + "/mine")
mount("remount,ro")
run("--resume", small + "/mine")
mount("remount,rw,size=9m")
run("--resume", small + "/mine")
subprocess.run(["cp", "-r", small + "/mine", kept], check=True)
"""


def can_mount():
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs permission to mount a file system")
@pytest.mark.parametrize("ballast", [1_022_000, 1_026_000, 1_030_000])
def test_run_on_a_real_disk_that_is_full_then_read_only(here, ballast):
    (here / "small").mkdir()
    (here / "kept").mkdir()
    (here / "moons.yaml").write_text(json.dumps(MOONS))
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1])}
    arguments = [here / "small", here / "kept" / "mine", here / "moons.yaml", ballast]
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-P", "-c", SMALL, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    full, read_only, enlarged = done.stdout.splitlines()
    assert full.startswith("1 error: the run failed: cannot write ")
    assert "No space left on device" in full
    assert f"fix the cause, then resume: cygd run --resume {here / 'small' / 'mine'}" in full
    assert read_only.startswith("2 error: cannot write into the run folder ")
    assert "Read-only file system" in read_only
    assert enlarged.strip() == "0"
    assert outputs(here / "kept" / "mine") == outputs(cygd.run(MOONS, out="uninterrupted").directory)
    assert names(here / "kept" / "mine") == names(here / "uninterrupted")
