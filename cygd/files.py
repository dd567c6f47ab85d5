"""Durable files: write, fsync, rename; and one sync for the files of many runs.

A single run fsyncs each of its files. A thousand short runs would each wait for the disk a dozen times, so a
sweep defers the fsync of young runs (`deferred_fsync`) and syncs the whole file system once
(`sync_filesystem`) before it records that they have finished.
"""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
import secrets
import stat
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

# zip files cannot hold an earlier date; a fixed one makes equal arrays equal bytes
ZIP_DATE = (1980, 1, 1, 0, 0, 0)

MAX_STEM = 200  # bytes of a file name that its temporary name repeats

# errors of file systems that cannot fsync a folder; any other error is a problem of the disk
FSYNC_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM, errno.ENOSYS}

FREE_SIZE = 64_000_000  # bytes of arrays that a small compressed .npz file may hold
MAX_RATIO = 16  # of the size of larger arrays to that of their file
NUMERIC = "biufc"  # the kinds of NumPy's numeric types
HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

_deferred_until = 0.0  # monotonic time before which `fsync` does nothing


def fsync(descriptor: int) -> None:
    """Sync an open file or folder to the disk, unless deferred."""
    if time.monotonic() >= _deferred_until:
        os.fsync(descriptor)


def fsync_folder(path: Path) -> None:
    """Sync a folder to the disk, so that files created or renamed in it survive a crash."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in FSYNC_UNSUPPORTED:
            raise


@contextmanager
def deferred_fsync(seconds: float = 1.0) -> Iterator[None]:
    """Skip `fsync` within a `with` block for the given time; the caller syncs with `sync_filesystem`.

    A run that takes longer can afford to wait for the disk, and would lose more work in a crash.
    """
    global _deferred_until
    _deferred_until = time.monotonic() + seconds
    try:
        yield
    finally:
        _deferred_until = 0.0


def sync_filesystem(folder: Path) -> None:
    """Sync everything that any process has written to the file system of a folder."""
    import ctypes  # imported here because it is slow and only sweeps need it

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


def npz_bytes(arrays: Mapping[str, np.ndarray[Any, Any]], comment: bytes = b"") -> bytes:
    """Return the bytes of an .npz file without pickle; the comment becomes its last bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = comment
        for key, array in arrays.items():
            entry = zipfile.ZipInfo(f"{key}.npy", ZIP_DATE)
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


def read_npz(data: bytes, kinds: str = NUMERIC) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of an .npz file, or raise a ValueError; a small file takes no great memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > max(FREE_SIZE, MAX_RATIO * len(data)):
                raise ValueError(
                    f"expected arrays that fit its {len(data)} bytes, got {size} bytes when unpacked"
                )
            arrays = {}
            for entry in archive.infolist():
                content = archive.read(entry)
                arrays[entry.filename.removesuffix(".npy")] = _read_array(content, entry.filename, kinds)
            return arrays
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        # the last two: an unknown compression, an encrypted entry
        raise ValueError(str(error) or type(error).__name__) from None


def _read_array(content: bytes, name: str, kinds: str) -> np.ndarray[Any, Any]:
    """Return the array in the content of an .npy file; NumPy's reader would allocate what a header claims."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = HEADER_READERS.get(version)
        if read_header is None:
            raise ValueError(f"expected format version 1.0 or 2.0, got {version}")
        shape, in_columns, dtype = read_header(stream)
    except Exception as error:  # the header is a Python literal, which can fail in many ways
        # a pickle has no header
        reason = (
            error if content.startswith(b"\x93NUMPY") else "expected an array of numbers, got something else"
        )
        raise ValueError(f"{name}: {reason}") from None
    if dtype.kind not in kinds:
        got = "Python objects" if dtype.hasobject else f"the type {dtype}"
        raise ValueError(f"{name}: expected an array of numbers, got {got}")
    size = math.prod(shape) * dtype.itemsize
    if size != len(content) - stream.tell():
        raise ValueError(
            f"{name}: expected {size} bytes for the shape {shape}, got {len(content) - stream.tell()}"
        )
    order: Any = "F" if in_columns else "C"
    return np.ndarray(shape, dtype, content, stream.tell(), order=order).copy(order)


def write_user_file(path: Path, data: bytes) -> Path:
    """Write a file that a user named, atomically.

    A file that is replaced passes on its permissions; the target of a symbolic link is replaced, and a
    device or pipe is written to.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        target.write_bytes(data)
    else:
        write_durably(target, data, permissions=None if mode is None else stat.S_IMODE(mode))
    return path


def write_durably(path: Path, data: bytes, *, new: bool = False, permissions: int | None = None) -> Path:
    """Write a file atomically, as `open_durably`, and create its folder."""
    with open_durably(path, new=new, create_folder=True) as file:
        if permissions is not None:
            os.fchmod(file.fileno(), permissions)
        file.write(data)
    return path


@contextmanager
def open_durably(path: Path, *, new: bool = False, create_folder: bool = False) -> Iterator[IO[bytes]]:
    """Open a file for writing: after a crash or an error it has its old or its new content, never a part.

    A symbolic link is replaced, not followed. With `new`, a file that exists raises a FileExistsError.
    """
    stem = os.fsencode(path.name)[:MAX_STEM].decode(errors="ignore")
    temporary = path.with_name(f".{stem}.{secrets.token_hex(4)}.part")
    try:
        if create_folder and not path.parent.is_dir():
            _create_folder(path.parent)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            fsync(file.fileno())
        if new:
            _rename_exclusively(temporary, path)
        else:
            temporary.replace(path)
        fsync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise


def _rename_exclusively(source: Path, target: Path) -> None:
    """Rename a file, or raise a FileExistsError if the other name exists."""
    try:
        os.link(source, target)  # a rename would replace the other file
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        with target.open("xb"):
            pass
        source.replace(target)
    else:
        source.unlink()


def remove_durably(path: Path) -> None:
    """Remove a file so that it does not reappear after a crash."""
    path.unlink(missing_ok=True)
    fsync_folder(path.parent)


def to_jsonable(value: object) -> Any:
    """Convert a value to JSON types: NumPy values to Python, paths to text, NaN and infinity to None."""
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


def _create_folder(path: Path) -> None:
    """Create a folder and its parents so that they survive a crash."""
    if not path.parent.is_dir():
        _create_folder(path.parent)
    path.mkdir(exist_ok=True)
    fsync_folder(path.parent)
