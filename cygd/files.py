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
import stat
import struct
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from json.encoder import encode_basestring
from pathlib import Path
from typing import IO, Any

import numpy as np

# the entries of a zip file: version 4.5 of the format, whose sizes have 64 bits; the time 0:00 of 1980-01-01,
# as a fixed date makes equal arrays equal bytes; written by Unix, as a file that its owner may read and write
ZIP_VERSION, ZIP_STAMP, ZIP_UNIX, ZIP_MODE = 45, (0, 0x21), 3, 0o600 << 16
ZIP_UTF8 = 0x800  # the flag of a name that is not ASCII
ZIP_LIMIT, ZIP_ENTRIES = 2**31 - 2**20, 2**16 - 2  # bytes and entries that need no further records

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
    if time.monotonic() < _deferred_until:
        return
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
    """Return the bytes of an .npz file without pickle; the comment becomes its last bytes.

    `zipfile` writes the same bytes, but takes longer than the training of a small network.
    """
    contents = {f"{key}.npy": _npy_bytes(np.asanyarray(array)) for key, array in arrays.items()}
    if sum(map(len, contents.values())) > ZIP_LIMIT or len(contents) > ZIP_ENTRIES:
        return _large_zip_bytes(contents, comment)
    parts: list[bytes] = []  # name and content of each entry, each with what precedes it
    directory: list[bytes] = []
    size = 0
    for name, content in contents.items():
        encoded, flags = name.encode(), 0 if name.isascii() else ZIP_UTF8
        entry = struct.pack("<5HL", ZIP_VERSION, flags, 0, *ZIP_STAMP, zlib.crc32(content))
        sizes, lengths = (len(content), len(content)), struct.pack("<2H", len(encoded), 20)
        local = [
            b"PK\3\4",
            entry,
            b"\xff" * 8,
            lengths,
            encoded,
            struct.pack("<2H2Q", 1, 16, *sizes),
            content,
        ]
        version = struct.pack("<4s2B", b"PK\1\2", ZIP_VERSION, ZIP_UNIX)
        tail = struct.pack("<2L5H2L", *sizes, len(encoded), 0, 0, 0, 0, ZIP_MODE, size)
        directory += [version, entry, tail, encoded]
        parts += local
        size += sum(map(len, local))
    count, length = len(contents), sum(map(len, directory))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, length, size, len(comment))
    return b"".join([*parts, *directory, end, comment])


def _large_zip_bytes(contents: Mapping[str, bytes], comment: bytes) -> bytes:
    """Return the bytes of a zip file that needs further records for its size."""
    import zipfile  # imported here because it is slow

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = comment
        for name, content in contents.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as file:
                file.write(content)
    return buffer.getvalue()


def _npy_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Return the bytes of an .npy file without pickle."""
    if array.dtype.hasobject:
        raise ValueError("Object arrays cannot be saved when allow_pickle=False")
    in_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    return _npy_header(array.dtype, in_columns, array.shape) + (array.T if in_columns else array).tobytes()


@lru_cache(256)  # the runs of a sweep have the same arrays
def _npy_header(dtype: np.dtype[Any], in_columns: bool, shape: tuple[int, ...]) -> bytes:
    """Return what precedes the numbers in an .npy file."""
    buffer = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": in_columns, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def read_npz(data: bytes, kinds: str = NUMERIC) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of an .npz file, or raise a ValueError; a small file takes no great memory."""
    import zipfile  # imported here because it is slow, and a new run reads none

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


def write_durably(
    path: Path,
    data: bytes,
    *,
    new: bool = False,
    permissions: int | None = None,
    sync_folder: bool = True,
) -> Path:
    """Write a file atomically, as `open_durably`, and create its folder."""
    with open_durably(path, new=new, create_folder=True, sync_folder=sync_folder) as file:
        if permissions is not None:
            os.fchmod(file.fileno(), permissions)
        file.write(data)
    return path


@contextmanager
def open_durably(
    path: Path, *, new: bool = False, create_folder: bool = False, sync_folder: bool = True
) -> Iterator[IO[bytes]]:
    """Open a file for writing: after a crash or an error it has its old or its new content, never a part.

    A symbolic link is replaced, not followed. With `new`, a file that exists raises a FileExistsError.
    Without `sync_folder`, the name of the file survives a crash from the next sync of its folder on.
    """
    stem = os.fsencode(path.name)[:MAX_STEM].decode(errors="ignore")
    folder = path.parent
    temporary = folder / f".{stem}.{os.urandom(4).hex()}.part"
    try:
        if create_folder and not folder.is_dir():
            _create_folder(folder)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            fsync(file.fileno())
        if new:
            _rename_exclusively(temporary, path)
        else:
            temporary.replace(path)
        if sync_folder:
            fsync_folder(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise


@contextmanager
def open_unnamed(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that has no name before it is complete: if the process is killed, nothing remains.

    Where the system has no such files, it has a temporary name, as in `open_durably`. A file that exists
    raises a FileExistsError.
    """
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_RDWR, 0o666)
        is_linkable = Path(f"/proc/self/fd/{descriptor}").exists()
    except (AttributeError, OSError):
        is_linkable, descriptor = False, -1
    if not is_linkable:
        if descriptor >= 0:
            os.close(descriptor)
        with open_durably(path, new=True) as file:
            yield file
        return
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            fsync(descriptor)
            # only with a folder does Python follow the link in /proc; it is not used for an absolute path
            os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)
        fsync_folder(path.parent)
    except OSError as error:
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
    if value is None or type(value) in (str, int, bool):  # most values
        return value
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


def json_text(value: object) -> str:
    """Return a value as JSON with an indent of 2, after the conversions of `to_jsonable`.

    `json.dumps(to_jsonable(value), indent=2, ensure_ascii=False)` returns the same text; with an indent it
    runs in Python, and slower.

    Examples
    --------
    >>> print(json_text({"loss": 0.5, "rows": [1, None]}))
    {
      "loss": 0.5,
      "rows": [
        1,
        null
      ]
    }
    """
    return _format_json(to_jsonable(value), "\n")


def _format_json(value: Any, line: str) -> str:
    """Return the JSON of a value of JSON types; `line` is the line break before its closing bracket."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, dict):
        items = [
            f"{encode_basestring(key)}: {_format_json(item, line + '  ')}" for key, item in value.items()
        ]
        left, right = "{}"
    else:
        items = [_format_json(item, line + "  ") for item in value]
        left, right = "[]"
    if not items:
        return left + right
    return f"{left}{line}  {f',{line}  '.join(items)}{line}{right}"


def _create_folder(path: Path) -> None:
    """Create a folder and its parents so that they survive a crash."""
    if not path.parent.is_dir():
        _create_folder(path.parent)
    path.mkdir(exist_ok=True)
    fsync_folder(path.parent)
