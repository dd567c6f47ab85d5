"""Folder locks: one run at a time, and no dead or orphaned process keeps a lock."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cygd
from cygd.errors import ConfigError
from cygd.tracking import locking
from cygd.tracking.locking import FolderLock, is_locked, lock

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1])}

HOLDER = """
import sys
from pathlib import Path
from cygd.tracking.locking import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
{then}
sys.stdin.read()
"""

FORKS = """
import os, signal
if os.fork() == 0:
    print(os.getpid(), flush=True)
    signal.pause()
"""


def holder(folder, then=""):
    """Start a process that locks a folder until its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLDER.format(then=then), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stdout.readline() == "held\n"
    return process


def ended(process, number=signal.SIGKILL):
    process.send_signal(number)
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_folder_is_locked_until_released(tmp_path):
    words = f"the run folder '{re.escape(str(tmp_path))}' is in use by"
    with FolderLock(tmp_path), pytest.raises(ConfigError, match=words):
        FolderLock(tmp_path)
    FolderLock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []


def test_error_names_the_locking_process(tmp_path):
    process = holder(tmp_path)
    try:
        with pytest.raises(ConfigError) as caught:
            FolderLock(tmp_path)
        assert re.search(rf"in use by (process {process.pid}|another run)$", caught.value.problems[0].message)
    finally:
        ended(process)
    FolderLock(tmp_path).release()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_dead_process_releases_its_lock(tmp_path, number):
    ended(holder(tmp_path), number)
    FolderLock(tmp_path).release()


def test_forked_orphan_holds_no_lock(tmp_path):
    process = holder(tmp_path, FORKS)
    orphan = int(process.stdout.readline())
    try:
        with pytest.raises(ConfigError):
            FolderLock(tmp_path)  # the parent still has it
        ended(process)
        os.kill(orphan, 0)
        FolderLock(tmp_path).release()
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_started_program_holds_no_lock(tmp_path):
    then = "import subprocess; other = subprocess.Popen(['sleep', '60']); print(other.pid, flush=True)"
    process = holder(tmp_path, then)
    orphan = int(process.stdout.readline())
    try:
        ended(process)
        FolderLock(tmp_path).release()
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_warns_if_the_file_system_has_no_locks(tmp_path, monkeypatch, caplog):
    def refuse(descriptor, operation):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(locking.fcntl, "flock", refuse)
    with FolderLock(tmp_path):
        assert caplog.messages == [f"cannot lock the folder {tmp_path}: No locks available"]
    path = tmp_path / "lines.jsonl"
    with path.open("ab") as file:  # of a sweep
        assert lock(file)
        assert lock(file, wait=True)
        assert caplog.messages[1:] == 2 * [f"cannot lock {path}: No locks available"]
    assert not is_locked(path)


def test_file_is_locked_until_closed(tmp_path):
    path = tmp_path / "lines.jsonl"
    with path.open("ab") as first, path.open("ab") as second:
        assert lock(first)
        assert not lock(second)
        assert is_locked(path)
    assert not is_locked(path)
