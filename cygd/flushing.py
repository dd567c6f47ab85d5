"""Bringing what was written to the disk: each file by itself, or many of them by one barrier.

A single run flushes each of its files. Of a thousand short runs every one would wait for the disk a dozen
times, so a sweep lets the files of young runs wait (`deferred`) and brings all of them to the disk at once
(`barrier`), before anything says that they are there.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["barrier", "deferred", "flush"]

_until = 0.0  # of the monotonic clock: before it, flushing is left to a barrier


def flush(descriptor: int) -> None:
    """Bring a file or folder to the disk, unless that is left to a barrier."""
    if time.monotonic() >= _until:
        os.fsync(descriptor)


@contextmanager
def deferred(seconds: float = 1.0) -> Iterator[None]:
    """Leave flushing to a `barrier`, within a `with` block, for at most so long.

    What takes longer can afford to wait for the disk, and has more to lose.
    """
    global _until
    _until = time.monotonic() + seconds
    try:
        yield
    finally:
        _until = 0.0


def barrier(folder: Path) -> None:
    """Bring everything that any process has written to the file system of a folder to the disk.

    Raises
    ------
    OSError
        If something of it could not be written.
    """
    import ctypes  # it takes its time, and a single run never needs it

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        library = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        syncfs = getattr(library, "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)
