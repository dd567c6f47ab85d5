"""Run folders: created once, for one run only, and every file in them written durably.

A run may be killed at any moment, and a folder that looks finished must be finished. So a file
that must survive is written under a temporary name in the same folder, flushed to the disk, renamed
(which is atomic), and then the folder itself is flushed; a reader sees the old file or the new one,
never half of one. The files of NumPy arrays carry no time stamps: the same weights are the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from cygd.errors import CheckpointError, ConfigError
from cygd.tracking.files import _flush_folder, npz_bytes, to_jsonable, write_durably
from cygd.tracking.locking import FolderLock

__all__ = ["RunDirectory"]

# what a folder of a run is called: runs/<name>/<time>-<hex>
RUNS = Path("runs")
ATTEMPTS = 100


@dataclass(frozen=True)
class RunDirectory:
    """The folder of one run.

    Attributes
    ----------
    path : Path
        Where it is, absolute.
    """

    path: Path

    @classmethod
    def create(cls, name: str, out: str | os.PathLike[str] | None = None) -> RunDirectory:
        """Create the folder that nobody else has: `runs/<name>/<time>-<hex>/`, or `out`.

        Parameters
        ----------
        name : str
            The experiment's name.
        out : path, optional
            A folder of the user's choice; it is created if it is missing, and must be empty.

        Raises
        ------
        ConfigError
            `out` has something in it, or the folder cannot be created.
        """
        try:
            path = _fresh(name) if out is None else _chosen(Path(out))
            # the first file is made exclusively: of two runs that want one empty folder, one gets it
            with (path / "log.txt").open("x"):
                pass
            _flush_folder(path)
            _flush_folder(path.parent)
        except FileExistsError as error:
            raise _occupied(Path(error.filename)) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(
                f"cannot create the run folder {str(error.filename or out or name)!r}: {reason}",
                hint="choose another place with --out DIR",
            ) from error
        return cls(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunDirectory:
        """Return the folder of a run that began some time ago.

        Raises
        ------
        CheckpointError
            It is none, or the run was stopped before it began.
        """
        folder = Path(path).expanduser().absolute()
        if (folder / "config.yaml").is_file():
            return cls(folder)
        if (folder / "log.txt").is_file():
            raise CheckpointError(
                f"the run in {str(folder)!r} was stopped before it had written its config.yaml",
                hint="there is nothing to go on with: run the experiment again",
            )
        what = "is not a run folder: it has no config.yaml" if folder.is_dir() else "is not a folder"
        raise CheckpointError(f"{str(path)!r} {what}", hint="name the folder that `cygd run` printed")

    def locked(self) -> FolderLock:
        """Hold the folder until the end of a `with` block; ConfigError where another run has it."""
        return FolderLock(self.path)

    def check_writable(self) -> None:
        """Raise a ConfigError if nothing can be written into the folder."""
        probe = self.path / f".probe.{secrets.token_hex(4)}.part"
        try:
            with probe.open("xb") as file:
                file.write(b"1")
            probe.unlink()
        except OSError as error:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)
            raise ConfigError(
                f"cannot write into the run folder {str(self.path)!r}: {error.strerror}",
                hint="nothing was changed; make room, or the folder writable, and say it again",
            ) from error

    def clear_parts(self) -> None:
        """Remove what writes that were broken off have left behind."""
        for part in self.path.rglob(".*.????????.part"):
            part.unlink(missing_ok=True)

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file durably."""
        return write_durably(self.path / name, text.encode())

    def write_bytes(self, name: str, data: bytes) -> Path:
        """Write a file durably."""
        return write_durably(self.path / name, data)

    def write_json(self, name: str, value: object) -> Path:
        """Write a value as JSON, durably; a number that is not finite becomes null."""
        return self.write_text(name, json.dumps(to_jsonable(value), indent=2, ensure_ascii=False) + "\n")

    def write_npz(self, name: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Path:
        """Write arrays as an .npz file without pickle, durably; equal arrays give equal bytes."""
        return write_durably(self.path / name, npz_bytes(arrays))

    def copy_plugin(self, source: Path) -> str:
        """Copy a plugin file into `plugins/` and return its name relative to the run folder.

        A plugin is called by its stem, so a second file of the same name goes into a numbered
        folder of its own instead of getting another name.
        """
        text = source.read_bytes()
        for number in range(1, ATTEMPTS):
            folder = PurePath("plugins") if number == 1 else PurePath("plugins", str(number))
            target = self.path / folder / source.name
            if not target.exists():
                write_durably(target, text)
                return (folder / source.name).as_posix()
        raise ConfigError(f"{ATTEMPTS} plugin files are called {source.name!r}")


def _fresh(name: str) -> Path:
    if name in {"", ".", ".."} or set(name) & {"/", "\\", "\0"}:
        raise ConfigError(f"the name {name!r} cannot be the name of a folder")
    folder = Path.cwd() / RUNS / name
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for attempt in range(ATTEMPTS):
        path = folder / f"{stamp}-{secrets.token_hex(2)}"
        try:
            path.mkdir()
        except FileExistsError:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return path
    raise AssertionError("unreachable")


def _chosen(out: Path) -> Path:
    path = out.expanduser().absolute()
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise _occupied(path)
    return path


def _occupied(path: Path) -> ConfigError:
    if path.name == "log.txt":
        path = path.parent
    what = "is not empty" if path.is_dir() else "is not a folder"
    return ConfigError(
        f"the run folder {str(path)!r} {what}",
        hint="name a folder that does not exist yet, or leave --out away for a fresh one under runs/",
    )
