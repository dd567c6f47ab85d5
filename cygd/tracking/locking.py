"""Locks between processes: one run at a time in a folder, one writer at a time for a file.

The locks are those of the kernel (`flock`), on the folder or file itself: no lock file remains that could be
stale, and a lock is released when its process ends, however it ends. A forked child closes its copy of a
`FolderLock` at once, so that an orphan does not keep the folder of a dead run locked.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import weakref
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from cygd.errors import ConfigError

log = logging.getLogger("cygd")

_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def lock(file: IO[Any] | int, *, wait: bool = False, where: str = "") -> bool:
    """Lock an open file until it is closed; return False if another process has locked it.

    Parameters
    ----------
    file : file or int
        An open file, or the descriptor of a file or folder.
    wait : bool
        Wait until the other process releases its lock.
    where : str
        The name of the file or folder in messages; by default that of the open file.

    On a file system without locks this warns and returns True.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        log.warning("cannot lock %s: %s", where or getattr(file, "name", "a file"), error.strerror)
    return True


def is_locked(path: Path) -> bool:
    """Return True if a process has locked a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False


class FolderLock:
    """A lock on a run folder, held until `release` or the end of a `with` block.

    Parameters
    ----------
    path : Path
        The folder; it must exist.

    Raises
    ------
    ConfigError
        If another run has locked it, in this or another process, or if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor: int | None = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise ConfigError(
                f"cannot open the run folder {str(path)!r}: {error.strerror}",
                hint="make the folder readable, then try again",
            ) from error
        if not lock(self._descriptor, where=f"the folder {path}"):
            owner = _lock_owner(self._descriptor)
            self.release()
            raise ConfigError(
                f"the run folder {str(path)!r} is in use by {owner}",
                hint="wait until that run ends, or stop it with Ctrl-C or `kill`; it can be resumed",
            )
        _held.add(self)

    def release(self) -> None:
        """Release the lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _close_inherited() -> None:
    """Close the descriptors that a forked child inherited; the parent keeps its locks."""
    for folder_lock in list(_held):
        folder_lock.release()


os.register_at_fork(after_in_child=_close_inherited)


def _lock_owner(descriptor: int) -> str:
    """Return the process that has locked an open folder, as far as /proc/locks tells."""
    status = os.fstat(descriptor)
    inode = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        entries = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EACCES):
            log.debug("cannot read /proc/locks", exc_info=error)
        return "another run"
    owners = [entry[4] for entry in entries if len(entry) > 5 and entry[5] == inode]
    if str(os.getpid()) in owners:
        return "another run of this process"
    return f"process {owners[0]}" if owners else "another run"
