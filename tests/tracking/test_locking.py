"""A folder has one run at a time, and no dead or orphaned process keeps it."""

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
from cygd.tracking.locking import FolderLock

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
    """Start a process that holds a folder; it ends with its stdin."""
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


def test_a_folder_is_held_until_it_is_released(tmp_path):
    words = f"the run folder '{re.escape(str(tmp_path))}' is in use by"
    with FolderLock(tmp_path), pytest.raises(ConfigError, match=words):
        FolderLock(tmp_path)
    FolderLock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []


def test_another_process_is_kept_out_and_named(tmp_path):
    process = holder(tmp_path)
    try:
        with pytest.raises(ConfigError) as caught:
            FolderLock(tmp_path)
        assert re.search(rf"in use by (process {process.pid}|another run)$", caught.value.problems[0].message)
    finally:
        ended(process)
    FolderLock(tmp_path).release()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_process_holds_nothing(tmp_path, number):
    ended(holder(tmp_path), number)
    FolderLock(tmp_path).release()


def test_an_orphan_holds_nothing(tmp_path):
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


def test_a_program_that_was_started_holds_nothing(tmp_path):
    then = "import subprocess; other = subprocess.Popen(['sleep', '60']); print(other.pid, flush=True)"
    process = holder(tmp_path, then)
    orphan = int(process.stdout.readline())
    try:
        ended(process)
        FolderLock(tmp_path).release()
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_where_the_file_system_keeps_no_locks_it_is_said(tmp_path, monkeypatch, caplog):
    def refuse(descriptor, operation):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(locking.fcntl, "flock", refuse)
    with FolderLock(tmp_path):
        assert caplog.messages == [f"cannot lock the folder {tmp_path}: No locks available"]
