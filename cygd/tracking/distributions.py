"""Installed distributions: a quick look at their metadata files.

`importlib.metadata` imports the email package and parses the metadata of every installed distribution, which
takes longer than training a small network. Two questions are answered here by reading the files themselves:
the version of a distribution, and whether any distribution may have entry points of a group. Whatever is not
a plain folder on `sys.path` is left to `importlib.metadata`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import PathFinder

SUFFIXES = (".dist-info", ".egg-info")
VERSION = re.compile(rb"^Version:[ \t]*([\w.!+-]+)[ \t]*\r?$", re.MULTILINE)


class _NotPlainError(Exception):
    """Distributions may be found in another way than as folders of `sys.path`."""


@cache
def version(package: str) -> str | None:
    """Return the version of a distribution, or None if it is not installed."""
    try:
        for info in _metadata_folders():
            name = os.path.basename(info).rpartition(".")[0].partition("-")[0]  # noqa: PTH119
            if _normalized(name) == _normalized(package):
                headers = _read(f"{info}/METADATA") or _read(f"{info}/PKG-INFO")
                found = VERSION.search(headers.partition(b"\n\n")[0])
                if found:
                    return found[1].decode()
                break
    except _NotPlainError:
        pass
    import importlib.metadata  # imported here because it is slow

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def may_have_entry_points(group: str) -> bool:
    """Return False if no installed distribution has entry points of a group; True if one may have some."""
    section = f"[{group}]".encode()
    try:
        return any(section in _read(f"{info}/entry_points.txt") for info in _metadata_folders())
    except _NotPlainError:
        return True


def _metadata_folders() -> Iterator[str]:
    """Yield the metadata folders of the distributions on `sys.path`, as `importlib.metadata` finds them."""
    for finder in sys.meta_path:
        if hasattr(finder, "find_distributions") and finder is not PathFinder:
            raise _NotPlainError
    for folder in sys.path:
        if not isinstance(folder, str):
            raise _NotPlainError
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208
        except FileNotFoundError:
            continue
        except OSError as error:  # a zip file
            raise _NotPlainError from error
        for name in names:
            lower = name.lower()
            if lower.endswith(SUFFIXES):
                yield os.path.join(folder, name)  # noqa: PTH118
            elif lower == "egg-info":  # in the folder of an egg
                raise _NotPlainError


def _read(path: str) -> bytes:
    """Return the content of a file, which is empty if there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise _NotPlainError from error


def _normalized(name: str) -> str:
    """Return the normalized name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
