"""Durable files: write, fsync, rename; and one sync for the files of many runs.

A single run fsyncs each of its files. A thousand short runs would each wait for the disk a dozen times, so a
sweep defers the fsync of young runs (`deferred_fsync`) and syncs the whole file system once
(`sync_filesystem`) before it records that they are done.
"""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
import secrets
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "deferred_fsync",
    "fsync",
    "npz_bytes",
    "remove_durably",
    "sync_filesystem",
    "to_jsonable",
    "write_durably",
]

_until = 0.0  # of the monotonic clock: before it, flushing is left to a barrier


def fsync(descriptor: int) -> None:
    """Bring a file or folder to the disk, unless that is left to a barrier."""
    if time.monotonic() >= _until:
        os.fsync(descriptor)


@contextmanager
def deferred_fsync(seconds: float = 1.0) -> Iterator[None]:
    """Leave flushing to a `sync_filesystem`, within a `with` block, for at most so long.

    What takes longer can afford to wait for the disk, and has more to lose.
    """
    global _until
    _until = time.monotonic() + seconds
    try:
        yield
    finally:
        _until = 0.0


def sync_filesystem(folder: Path) -> None:
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


# zip files cannot hold an earlier date; any fixed one makes equal arrays equal bytes
EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)


# what a file system answers that cannot flush folders; anything else is trouble with the disk
UNABLE = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM, errno.ENOSYS}


def npz_bytes(arrays: Mapping[str, np.ndarray[Any, Any]], comment: bytes = b"") -> bytes:
    """Return arrays as the bytes of an .npz file without pickle; a comment stands at its very end."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = comment
        for key, array in arrays.items():
            entry = zipfile.ZipInfo(f"{key}.npy", EPOCH_OF_ZIP)
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


def write_durably(path: Path, data: bytes) -> Path:
    """Write a file so that after a crash the old content or the new one is there, never a part.

    Raises
    ------
    OSError
        It names the file, which is there as it was, or as it should be.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        if not path.parent.is_dir():
            _make_folder(path.parent)
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise
    return path


def remove_durably(path: Path) -> None:
    """Remove a file so that it does not come back after a crash."""
    path.unlink(missing_ok=True)
    _flush_folder(path.parent)


def to_jsonable(value: object) -> Any:
    """Return a value as JSON can hold it: NumPy numbers and paths unpacked, nan and inf as None.

    Examples
    --------
    >>> to_jsonable({"loss": float("nan"), "epochs": 3})
    {'loss': None, 'epochs': 3}
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    return str(value)


def _make_folder(path: Path) -> None:
    """Make a folder within a run folder, such that it outlives a crash."""
    if not path.parent.is_dir():
        _make_folder(path.parent)
    path.mkdir(exist_ok=True)
    _flush_folder(path.parent)


def _flush_folder(path: Path) -> None:
    # not every file system lets a folder be flushed; there the rename has to do
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in UNABLE:
            raise
