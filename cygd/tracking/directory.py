"""Run folders: each is created for one run, and every file in it is written durably.

A run may be killed at any moment, and a folder that looks finished must be finished. So each file is
written under a temporary name, fsynced, renamed (which is atomic), and its folder fsynced: a reader sees
the old file or the new one, never a part. Files of arrays have no time stamps, so that equal weights give
equal bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from cygd.errors import CheckpointError, ConfigError
from cygd.files import fsync_folder, json_text, npz_bytes, write_durably
from cygd.tracking.locking import FolderLock

RUNS = Path("runs")  # default run folders are runs/<name>/<time>-<hex>
MAX_ATTEMPTS = 100


@dataclass(frozen=True)
class RunDirectory:
    """The folder of one run."""

    path: Path  # absolute

    @classmethod
    def create(cls, name: str, out: str | os.PathLike[str] | None = None) -> RunDirectory:
        """Create a run folder exclusively: `runs/<name>/<time>-<hex>/`, or `out`, which must be empty."""
        path: Path | None = None
        try:
            path = _create_default(name) if out is None else _create_out(Path(out))
            # exclusive creation: of two runs that find the same empty folder, only one gets it
            with (path / "log.txt").open("x"):
                pass
            fsync_folder(path.parent)  # the first file of the run syncs the folder itself
        except FileExistsError as error:
            raise _occupied_error(Path(error.filename)) from error
        except OSError as error:
            if path is not None:
                cls(path).discard(keep_folder=out is not None)
            reason = error.strerror or str(error)
            raise ConfigError(
                f"cannot create the run folder {str(error.filename or out or name)!r}: {reason}",
                hint="choose another folder with --out DIR",
            ) from error
        return cls(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunDirectory:
        """Return an existing run folder whose run has begun."""
        folder = Path(path).expanduser().absolute()
        if (folder / "config.yaml").is_file():
            _check_no_links(folder)
            return cls(folder)
        if (folder / "log.txt").is_file():
            raise CheckpointError(
                f"the run in {str(folder)!r} was stopped before it wrote its config.yaml",
                hint="there is nothing to resume: run the experiment again",
            )
        what = "is not a run folder: it has no config.yaml" if folder.is_dir() else "is not a folder"
        raise CheckpointError(f"{str(path)!r} {what}", hint="name the folder that `cygd run` printed")

    def locked(self) -> FolderLock:
        """Lock the folder for a `with` block; raise a ConfigError if another run has it."""
        return FolderLock(self.path)

    def discard(self, *, keep_folder: bool) -> None:
        """Remove the log.txt with which a run began that could not go on, so that it can begin again."""
        with contextlib.suppress(OSError):
            (self.path / "log.txt").unlink(missing_ok=True)
            if not keep_folder:
                self.path.rmdir()

    def check_writable(self) -> None:
        """Raise a ConfigError if nothing can be written into the folder."""
        probe = self.path / f".probe.{os.urandom(4).hex()}.part"
        try:
            with probe.open("xb") as file:
                file.write(b"1")
            probe.unlink()
        except OSError as error:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)
            raise ConfigError(
                f"cannot write into the run folder {str(self.path)!r}: {error.strerror}",
                hint="nothing was changed; free disk space or make the folder writable, then try again",
            ) from error

    def remove_temporary_files(self) -> None:
        """Remove the temporary files of interrupted writes."""
        for part in self.path.rglob(".*.????????.part"):
            part.unlink(missing_ok=True)

    def write_text(self, name: str, text: str, *, sync_folder: bool = True) -> Path:
        """Write a text file durably; without `sync_folder`, the next file written makes its name durable."""
        return write_durably(self.path / name, text.encode(), sync_folder=sync_folder)

    def write_bytes(self, name: str, data: bytes) -> Path:
        """Write a file durably."""
        return write_durably(self.path / name, data)

    def write_json(self, name: str, value: object, *, sync_folder: bool = True) -> Path:
        """Write a value as JSON durably, as `write_text`; non-finite numbers become null."""
        return self.write_text(name, json_text(value) + "\n", sync_folder=sync_folder)

    def write_npz(self, name: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Path:
        """Write arrays as an .npz file durably and without pickle; equal arrays give equal bytes."""
        return write_durably(self.path / name, npz_bytes(arrays))

    def copy_plugin(self, source: Path) -> str:
        """Copy a plugin file into `plugins/` and return its name relative to the run folder.

        A plugin is named after the stem of its file, so a second file of the same name is not renamed but
        copied into a numbered subfolder.
        """
        content = source.read_bytes()
        for number in range(1, MAX_ATTEMPTS):
            folder = PurePath("plugins") if number == 1 else PurePath("plugins", str(number))
            target = self.path / folder / source.name
            if not target.exists():
                write_durably(target, content)
                return (folder / source.name).as_posix()
        raise ConfigError(f"expected at most {MAX_ATTEMPTS - 1} plugin files named {source.name!r}")

    def relative_name(self, path: Path) -> str:
        """Return how config.yaml names a plugin file: relative to the run folder if it is inside."""
        return path.relative_to(self.path).as_posix() if path.is_relative_to(self.path) else str(path)


def _check_no_links(folder: Path) -> None:
    """Raise a CheckpointError if a run would append to, or cut, a file elsewhere through a link or a pipe."""
    for path in folder.iterdir():
        if path.is_dir() or (path.is_file() and not path.is_symlink()):
            continue
        raise CheckpointError(
            f"expected a regular file, got a {'link' if path.is_symlink() else 'device or pipe'}: {path}",
            hint="a run writes into its files; replace it by a copy, or remove it",
        )


def _create_default(name: str) -> Path:
    if name in {"", ".", ".."} or set(name) & {"/", "\\", "\0"}:
        raise ConfigError(f"the name {name!r} cannot be the name of a folder")
    folder = Path.cwd() / RUNS / name
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for _ in range(MAX_ATTEMPTS):
        path = folder / f"{stamp}-{os.urandom(2).hex()}"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _create_out(out: Path) -> Path:
    path = out.expanduser().absolute()
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise _occupied_error(path)
    return path


def _occupied_error(path: Path) -> ConfigError:
    if path.name == "log.txt":
        path = path.parent
    what = "is not empty" if path.is_dir() else "is not a folder"
    return ConfigError(
        f"the run folder {str(path)!r} {what}",
        hint="name a folder that does not exist, or omit --out for a new one under runs/",
    )
