"""What trackers know of a run: its place in a group, its parameters, and what trackers.json remembers of it.

trackers.json in the run folder has an object for each tracker: the identity of the run in the tracker, so
that a resumed run continues there, how many rows it received, and how many are missing.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cygd.files import json_text
from cygd.tracking.locking import lock
from cygd.tracking.redaction import HIDDEN, redact

RECORDS = "trackers.json"
SWEEP = "sweep.json"  # the plan of a sweep, beside its run folders
MAX_TEXT = 250  # characters of a parameter; the limits of the tools are between 250 and 6000
OMITTED = {"log", "plugins", "checkpoint", "threads", "sweep"}  # sections that do not change a result
_lock = threading.Lock()  # several trackers of a process write one file


@dataclass(frozen=True)
class TrackedRun:
    """A run as trackers see it.

    Attributes
    ----------
    name : str
        The name of the experiment.
    label : str
        The name of the run beside others: NAME/FOLDER, or the folder in its group.
    directory : Path
        The run folder.
    config : mapping
        The resolved experiment.
    seed, epochs : int
    first : int
        The epoch of the first row; the tracker may have rows from there on, of the stopped run.
    group : Path or None
        The folder of the sweep or cross-validation that the run belongs to.
    record : dict
        What trackers.json has of this tracker.
    """

    name: str
    label: str
    directory: Path
    config: Mapping[str, Any] = field(repr=False)
    seed: int
    epochs: int
    first: int
    group: Path | None
    record: dict[str, Any]

    def parameters(self) -> dict[str, str | bool | int | float]:
        """Return the values of the experiment by dotted key; long values are cut, secrets replaced."""
        sections = {key: value for key, value in self.config.items() if key not in OMITTED}
        return dict(_leaves("", sections))


def find_group(directory: Path) -> Path | None:
    """Return the folder of the sweep or cross-validation to which a run folder belongs, if there is one."""
    parent = directory.parent
    if (parent / SWEEP).is_file():
        return parent
    is_fold = directory.name.startswith("fold-") and not (parent / "environment.json").exists()
    return parent if is_fold and (parent / "config.yaml").is_file() else None


def read_record(directory: Path, key: str) -> dict[str, Any]:
    """Return what trackers.json has of a tracker; empty if it is missing or damaged."""
    record = _read(directory / RECORDS).get(key)
    return dict(record) if isinstance(record, dict) else {}


def write_record(directory: Path, key: str, record: Mapping[str, Any]) -> None:
    """Replace what trackers.json has of a tracker; an OSError is raised."""
    path = directory / RECORDS
    with _lock:
        text = json_text({**_read(path), key: record}) + "\n"
        part = directory / f".{RECORDS}.{os.urandom(4).hex()}.part"
        try:
            # not synced: it is written often, and a crash of the machine loses rows of the trackers anyway
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def shared_record(folder: Path) -> Iterator[dict[str, Any]]:
    """Lock the trackers.json of a group within a `with` block, and write the changes of its content."""
    with _lock, (folder / RECORDS).open("a+", encoding="utf-8") as file:
        lock(file, wait=True)
        content = _parse(file)
        before = dict(content)
        yield content
        if content != before:
            file.truncate(0)
            file.write(json_text(content) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            return _parse(file)
    except (OSError, UnicodeDecodeError):
        return {}


def _parse(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    try:
        content = json.loads(file.read())
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str | bool | int | float]]:
    """Yield the values in nested mappings, and lists of mappings, by dotted key."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), below)
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(f"{path}.{index}", item)
    elif isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        yield path, value
    elif value is not None:
        text = str(value)
        if redact(f"{path.rpartition('.')[2]}: {text}") != f"{path.rpartition('.')[2]}: {text}":
            text = HIDDEN
        yield path, text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
