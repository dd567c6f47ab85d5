"""Find the data files of a run folder that was moved together with them.

config.yaml names data files by absolute paths, so that the run folder can be moved while the data stay. For
the case that a whole project is moved, copied or renamed, environment.json records where the run folder was:
together they give the path of each file relative to the run folder. A file with the recorded SHA-256 is the
same file, wherever it is; if both places hold a file, the hash decides.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cygd.config import Document
from cygd.config.overrides import read_override
from cygd.config.yaml.nodes import KeyPath, Node, show_key
from cygd.errors import CheckpointError, ConfigError
from cygd.tracking.environment import file_hashes
from cygd.tracking.stored_files import HASHES, TEXT, read_json


def relocate(document: Document) -> tuple[Document, dict[str, str]]:
    """Return the document of a config.yaml with the present paths of its data files, and {old: new}."""
    folder, recorded = document.folder, _recorded(document.folder)
    if recorded is None:
        return document, {}
    before, hashes = recorded
    return move_paths(document, before, folder, hashes)


def move_paths(
    document: Document, before: Path, now: Path, hashes: Mapping[str, str]
) -> tuple[Document, dict[str, str]]:
    """Return a document with the paths of data files after the folder `before` was moved to `now`."""
    if before == now or _is_same(before, now):
        return document, {}
    changes, moved = [], {}
    for path, node in _file_options(document.root):
        new = _moved_path(node.value, before, now, hashes)
        if new != node.value:
            changes.append((path, Node(new, node.mark, node.key_mark)))
            moved[node.value] = new
    return document.changed(changes), moved


def restore_paths(content: Any, moved: Mapping[str, str]) -> Any:
    """Return a resolved experiment with the recorded paths, given {recorded: present}."""
    recorded = {new: old for old, new in moved.items()}

    def restore(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: restore(item) for key, item in value.items()}
        return recorded.get(value, value) if isinstance(value, str) else value

    return {**content, "data": restore(content["data"])} if moved else content


def missing_file_option(document: Document) -> str | None:
    """Return the first option in a run folder's config.yaml that names a data file that does not exist."""
    if not (document.folder / "environment.json").is_file():
        return None
    missing = (show_key(path) for path, node in _file_options(document.root) if not _files(node.value))
    return next(missing, None)


def absolute_overrides(overrides: Sequence[str], folder: Path) -> list[str]:
    """Return overrides in which a data file below the current folder has its absolute path.

    Other relative paths start from the run folder, where no data are.
    """
    result = []
    for override in overrides:
        try:
            path, node = read_override(override)
        except ConfigError:  # reported with the other problems of the document
            result.append(override)
            continue
        value = node.value
        if path[0] == "data" and isinstance(value, str) and _files(value) and not _files(str(folder / value)):
            override = f"{override.partition('=')[0]}={json.dumps(str(Path(value).absolute()))}"
        result.append(override)
    return result


def without_paths(data: Any) -> Any:
    """Return plain values with one text in place of every absolute path."""
    if isinstance(data, Mapping):
        return {key: without_paths(value) for key, value in data.items()}
    if isinstance(data, list):
        return [without_paths(value) for value in data]
    return "/" if isinstance(data, str) and Path(data).is_absolute() else data


def follow(path: str, before: Path, now: Path) -> str:
    """Return where an absolute path is after a folder was moved together with everything around it."""
    return os.path.normpath(now / os.path.relpath(path, before))


def _recorded(folder: Path) -> tuple[Path, dict[str, str]] | None:
    """Return where a run folder was when its config.yaml was written, and the hashes of its data files."""
    for run in (folder, folder / "fold-1"):
        try:
            content = read_json(run / "environment.json", {"directory": TEXT, "sha256": {"data": HASHES}})
        except CheckpointError:
            continue
        directory = Path(content["directory"])
        return directory if run == folder else directory.parent, content["sha256"]["data"]
    return None


def _is_same(before: Path, now: Path) -> bool:
    try:
        return before.samefile(now)
    except (OSError, ValueError):  # ValueError: a null character
        return False


def _file_options(root: Node) -> Iterator[tuple[KeyPath, Node]]:
    """Yield the options of the data section that are absolute paths."""
    data = root.child("data")
    if data is None or not isinstance(data.value, dict):
        return
    sections: list[tuple[KeyPath, Node]] = [(("data",), data)]
    sections += [(("data", part), data.value[part]) for part in ("validation", "test") if part in data.value]
    for path, section in sections:
        if isinstance(section.value, dict):
            for key, node in section.value.items():
                if isinstance(node.value, str) and Path(node.value).is_absolute() and "\0" not in node.value:
                    yield (*path, key), node


def _moved_path(path: str, before: Path, now: Path, hashes: Mapping[str, str]) -> str:
    """Return the present path of a file or pattern: of the same content if possible, else one that exists."""
    if glob.has_magic(path) and path not in hashes:  # only what the user wrote is a pattern
        new = follow(path, Path(glob.escape(str(before))), Path(glob.escape(str(now))))
        expected = [digest for name, digest in hashes.items() if fnmatchcase(name, path)]
    else:
        new = follow(path, before, now)
        expected = [hashes[path]] if path in hashes else []
    old_files, new_files = _files(path), _files(new)
    if not new_files or (old_files and _digests(old_files) == expected):
        return path
    return path if old_files and _digests(new_files) != expected else new


def _files(path: str) -> list[Path]:
    """Return the file or folder of a path, or the files that match it as a pattern."""
    if Path(path).exists():
        return [Path(path)]
    names = glob.glob(path, recursive=True) if glob.has_magic(path) else []  # noqa: PTH207 (absolute patterns)
    return [Path(name) for name in sorted(names)]


def _digests(files: list[Path]) -> list[str]:
    return list(file_hashes(file for file in files if file.is_file()).values())
