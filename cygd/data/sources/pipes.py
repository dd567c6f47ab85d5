"""Data that can be read only once: standard input, named pipes, and the pipes of `<(command)`.

A data file is read several times: for its header, its rows, the lines that messages name, and its hash. What
a pipe holds is therefore copied to a temporary file when it is first opened, which is read from then on. The
copies last until the end of a run (`pipe_copies`) or of a command.
"""

from __future__ import annotations

import hashlib
import re
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

from cygd.errors import DataError

STDIN = Path("/dev/stdin")  # also named "-"
DESCRIPTOR = re.compile(r"/(dev|proc/(self|\d+))/fd/\d+")
PIPE_HINT = "pipe the data again, or save them to a file and name it: data.path=FILE"

Key: TypeAlias = tuple[int, int] | None  # device and inode; None: standard input

_copies: dict[Key, IO[bytes]] = {}
_lock = threading.Lock()
_users = 0  # `pipe_copies` blocks that are active


def is_pipe(path: Path) -> bool:
    """Return True for a source that can be read only once."""
    if path == STDIN:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def content_of(path: Path) -> Path:
    """Return the file to open for a path: the path itself, or the copy of what a pipe held."""
    if not is_pipe(path):
        return path
    identity = None if path == STDIN else path.stat()
    # a pipe that is named in two ways, relative and absolute, is one
    key = None if identity is None else (identity.st_dev, identity.st_ino)
    with _lock:
        if key not in _copies:
            _copies[key] = copy_pipe(path)
        return Path(_copies[key].name)


def content_hash(path: Path) -> str:
    """Return the SHA-256 of what a file or pipe holds."""
    with content_of(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def pipe_copies() -> Iterator[None]:
    """Remove the copies after the outermost such block, so that the next run reads its pipes anew."""
    global _users
    with _lock:
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _remove_copies()


def forget_pipes() -> None:
    """Remove the copies."""
    with _lock:
        _remove_copies()


def _remove_copies() -> None:
    while _copies:
        _copies.popitem()[1].close()


def copy_pipe(path: Path) -> IO[bytes]:
    """Return a temporary file with everything that a pipe holds."""
    import tempfile  # imported here: only pipes need it

    copy = tempfile.NamedTemporaryFile(prefix="cygd-pipe-")  # noqa: SIM115 (closed by `forget_pipes`)
    try:
        if path == STDIN:
            copy_stdin(copy)
        elif not stat.S_ISFIFO(path.stat().st_mode):
            raise DataError(f"{path}: expected a file or a pipe, got a device or a socket")
        else:
            with path.open("rb") as pipe:
                _copy_stream(pipe, copy)
        copy.flush()
        if not copy.tell():
            raise DataError(f"{path} is empty", hint=f"a pipe is read once: {PIPE_HINT}")
    except OSError as error:
        copy.close()
        raise DataError(f"{path}: {error.strerror or error}") from None
    except BaseException:
        copy.close()
        raise
    return copy


def copy_stdin(copy: IO[bytes]) -> None:
    """Copy standard input."""
    if sys.stdin is None or sys.stdin.closed:
        raise DataError("standard input is closed", hint=PIPE_HINT)
    if sys.stdin.isatty():
        hint = f"for example cygd ... < FILE; {PIPE_HINT}"
        raise DataError("standard input: expected a file or a pipe, got the terminal", hint=hint)
    binary = getattr(sys.stdin, "buffer", None)
    if binary is None:  # replaced by text in memory
        copy.write(sys.stdin.read().encode())
    else:
        _copy_stream(binary, copy)


def _copy_stream(source: IO[bytes], target: IO[bytes]) -> None:
    import shutil

    shutil.copyfileobj(source, target)
