"""One run at a time in a folder: a lock that ends with whoever holds it.

The lock is the kernel's, on the folder itself: no file is left behind that somebody would have to
judge, and however a process dies, its lock dies with it. A process that was forked from the holder
closes its share at once, so that an orphan cannot keep a folder whose run is gone.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self

from cygd.errors import ConfigError

__all__ = ["FolderLock"]

log = logging.getLogger("cygd")

_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()


class FolderLock:
    """Holds a folder from when it is made until `release`, or for the length of a `with` block.

    Parameters
    ----------
    path : Path
        The folder; it must exist.

    Raises
    ------
    ConfigError
        Another run has it, in this process or another.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self._descriptor)
            self.release()
            raise ConfigError(
                f"the run folder {str(path)!r} is in use by {holder}",
                hint="wait until that run has ended; Ctrl-C or `kill` ends it in good order",
            ) from None
        except OSError as error:  # not every file system keeps locks
            log.warning("the folder %s cannot be locked: %s", path, error.strerror)
        _held.add(self)

    def release(self) -> None:
        """Give the folder free."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _let_go() -> None:
    """Close what a fork has inherited; the parent's lock stays."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_let_go)


def _holder(descriptor: int) -> str:
    """Return who holds the lock on an open folder, as far as the system tells."""
    status = os.fstat(descriptor)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        entries = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EACCES):
            log.debug("/proc/locks cannot be read", exc_info=error)
        return "another run"
    holders = [entry[4] for entry in entries if len(entry) > 5 and entry[5] == place]
    if str(os.getpid()) in holders:
        return "another run of this process"
    return f"process {holders[0]}" if holders else "another run"
