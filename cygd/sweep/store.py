"""The folder of a sweep: its plan and the records of its finished runs.

    runs/<name>/<time>-<hex>/
        sweep.json     the base experiment, the varied keys, and hashes of data and plugin files
        runs.jsonl     one line per finished run, appended once the run's files are on disk;
                       a shard writes runs-2-of-4.jsonl
        0000/ 0001/    the run folders
        summary.csv  groups.csv  best/  log.txt

The lines alone say which runs are finished: a run folder without a line belongs to an interrupted run. The
process that appends to a file of lines locks it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import IO, Any

from cygd import files
from cygd.errors import CheckpointError, ConfigError, abbreviate
from cygd.files import write_durably
from cygd.runner.relocation import without_paths
from cygd.tracking.directory import RunDirectory
from cygd.tracking.environment import MISSING, changed_files, link_change
from cygd.tracking.locking import is_locked, lock
from cygd.tracking.stored_files import (
    COUNT,
    HASHES,
    INTEGER,
    LIST,
    NULL,
    NUMBER,
    OBJECT,
    TEXT,
    Type,
    check_shape,
    parse_json,
    read_bytes,
    read_json,
)

PLAN_FILE = "sweep.json"
VERSION = 1
SUCCEEDED = ("completed", "stopped")  # statuses of successful runs
FLUSH_INTERVAL = 0.5  # seconds
FOLDER = Type("the name of a folder", lambda value: type(value) is str and value in ("", Path(value).name))
PLAN = {
    "name": TEXT,
    "source": TEXT,
    "stem": TEXT,
    "directory?": TEXT,
    "folder": TEXT,
    "plugins": [TEXT],
    "axes": {...: LIST},
    "experiment": OBJECT,
    "fixed": [TEXT],
    "sha256": {"data": HASHES, "plugins": HASHES},
}
RECORD = {
    "run": COUNT,
    "configuration": COUNT,
    "values": OBJECT,
    "status": TEXT,
    "seed?": (INTEGER, NULL),
    "epochs?": COUNT,
    "best_epoch?": (COUNT, NULL),
    "seconds?": NUMBER,
    "metrics?": {...: NUMBER},
    "error?": TEXT,
    "folder?": FOLDER,
    "attempts?": COUNT,
    "target?": COUNT,
}


@dataclass(frozen=True)
class Record:
    """The outcome of a finished run; a line of runs.jsonl.

    Attributes
    ----------
    run, configuration : int
        The numbers of the run and of its configuration.
    values : dict
        The values that its configuration sets, by dotted keys.
    status : str
        As in `Result`, or "killed".
    seed, epochs, best_epoch, seconds, metrics
        As in `Result`.
    error : str
        The error message of a failed or killed run.
    folder : str
        The run folder, relative to that of the sweep; empty if the run left none.
    attempts : int
        How many workers ran it: 2 if the first one was killed.
    target : int
        In successive halving, the epochs of its rung.
    """

    run: int
    configuration: int
    values: dict[str, Any]
    status: str
    seed: int | None = None
    epochs: int = 0
    best_epoch: int | None = None
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    error: str = ""
    folder: str = ""
    attempts: int = 1
    target: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether the run completed or stopped early."""
        return self.status in SUCCEEDED


@dataclass(frozen=True)
class Shard:
    """The k-th of n processes that share the runs of a sweep; k counts from 1."""

    k: int = 1
    n: int = 1

    def is_own(self, run: int) -> bool:
        """Return True if this shard executes a run."""
        return run % self.n == self.k - 1

    def allows(self, file_name: str) -> bool:
        """Return True if the shard that writes a file of lines is this one, or shares no run with it."""
        return file_name == self.file_name or (self.n > 1 and file_name.endswith(f"-of-{self.n}.jsonl"))

    @property
    def file_name(self) -> str:
        """The name of its file of lines."""
        return "runs.jsonl" if self.n == 1 else f"runs-{self.k}-of-{self.n}.jsonl"


@dataclass(frozen=True)
class Store:
    """The folder of a sweep."""

    path: Path

    @classmethod
    def create(cls, name: str, out: str | os.PathLike[str] | None, plan: Mapping[str, Any]) -> Store:
        """Create the folder exclusively: `runs/<name>/<time>-<hex>/`, or `out`, which must be empty."""
        store = cls(RunDirectory.create(name, out).path)
        write_durably(store.path / PLAN_FILE, store.to_json(plan))
        return store

    @classmethod
    def join(cls, out: str | os.PathLike[str], plan: Mapping[str, Any]) -> Store:
        """Create the folder that several shards share, or open it if another shard created it."""
        path = Path(out).expanduser().absolute()
        path.mkdir(parents=True, exist_ok=True)
        others = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
        if others and not (path / PLAN_FILE).exists():
            hint = "name the folder that the other shards use, or a new one"
            raise ConfigError(f"the folder {str(path)!r} is not empty and not a sweep folder", hint=hint)
        draft = path / f".{PLAN_FILE}.{os.getpid()}"
        write_durably(draft, cls(path).to_json(plan))
        try:
            os.link(draft, path / PLAN_FILE)  # atomic: exactly one shard creates it
        except FileExistsError:
            check_same_plan(cls(path).read_plan(), plan, path)
        finally:
            draft.unlink(missing_ok=True)
        return cls(path)

    def to_json(self, plan: Mapping[str, Any]) -> bytes:
        """Return the content of sweep.json, which records where its folder is."""
        directory = os.fsencode(self.path).decode(errors="replace")  # a name may be other bytes than UTF-8
        content = {**plan, "directory": directory}
        return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()

    def read_plan(self) -> dict[str, Any]:
        """Return the content of sweep.json, or raise a CheckpointError."""
        path = self.path / PLAN_FILE
        if not path.exists():
            message = f"{str(self.path)!r} is not a sweep folder: it has no {PLAN_FILE}"
            raise CheckpointError(message, hint="name the folder that `cygd sweep` printed")
        version = read_json(path, {"version": INTEGER})["version"]
        if version != VERSION:
            raise CheckpointError(f"{path}: expected version {VERSION}, got {version}")
        plan: dict[str, Any] = read_json(path, PLAN)
        return plan

    def records(self) -> list[Record]:
        """Return the last record of each run, sorted by run."""
        records = {record.run: record for record in self.all_records()}
        return [records[run] for run in sorted(records)]

    def all_records(self) -> Iterator[Record]:
        """Yield the records of all shards; in successive halving, a run has one for each of its rungs."""
        for path in sorted(self.path.glob("runs*.jsonl")):
            lines = read_bytes(path).split(b"\n")[:-1]  # the last line may be incomplete
            for number, line in enumerate(lines, start=1):
                try:
                    content = parse_json(line)
                    check_shape(content, RECORD)
                    yield Record(**content)
                except (ValueError, TypeError, RecursionError) as error:
                    raise CheckpointError(f"{path}:{number} is damaged: {error}") from error

    def writer(self, shard: Shard) -> RecordWriter:
        """Open and lock the file of lines of a shard."""
        return RecordWriter(self.path / shard.file_name)

    def check_exclusive(self, shard: Shard) -> None:
        """Raise a ConfigError if another process executes runs of this shard under another division."""
        for path in sorted(self.path.glob("runs*.jsonl")):
            if not shard.allows(path.name) and is_locked(path):
                raise _in_use(path)

    def has_checkpoint(self, folder: str) -> bool:
        """Return True if an unfinished run can be resumed from its folder."""
        path = self.path / folder
        return (path / "config.yaml").is_file() and any((path / "checkpoints").glob("*.npz"))

    def set_aside(self, name: str) -> None:
        """Rename what an unfinished run or search left to `<name>.unfinished-<number>`."""
        path = self.path / name
        if path.exists():
            number = 1
            while (aside := self.path / f"{name}.unfinished-{number}").exists():
                number += 1
            path.rename(aside)

    def write_text(self, name: str, text: str) -> None:
        """Write a file of the folder durably."""
        write_durably(self.path / name, text.encode())


class RecordWriter:
    """Appends records to a locked file of lines, in batches, each after the files of its runs are on disk."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._pending: list[Record] = []
        self._last_flush = monotonic()
        self._file: IO[bytes] = path.open("ab+")
        if not lock(self._file):
            self._file.close()
            raise _in_use(path)
        self._truncate_partial_line()
        self._thread = ThreadPoolExecutor(1, "cygd-sweep-writer")
        self._flushing: Future[None] | None = None

    def add(self, record: Record) -> None:
        """Queue a record."""
        self._pending.append(record)

    def flush(self, *, wait: bool = False) -> None:
        """Write the queued records in a background thread, at most every FLUSH_INTERVAL seconds.

        With `wait`, write them now and return when they are on disk. An OSError may be that of the previous
        flush.
        """
        busy = self._flushing is not None and not self._flushing.done()
        if wait or (not busy and monotonic() - self._last_flush >= FLUSH_INTERVAL):
            self._join()
            if self._pending:
                records, self._pending = self._pending, []
                self._flushing = self._thread.submit(self._append, records)
            self._last_flush = monotonic()
        if wait:
            self._join()

    def close(self) -> None:
        """Write the queued records and release the file."""
        try:
            self.flush(wait=True)
        finally:
            self._thread.shutdown()
            self._file.close()

    def discard(self) -> None:
        """Drop the queued records and release the file, after an error of the disk."""
        self._pending.clear()
        self._flushing = None
        self._thread.shutdown()
        with suppress(OSError):
            self._file.close()

    def _join(self) -> None:
        if self._flushing is not None:
            self._flushing.result()
            self._flushing = None

    def _append(self, records: list[Record]) -> None:
        if any(record.folder for record in records):
            files.sync_filesystem(self._folder)
        lines = [json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records]
        self._file.write("".join(lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def _truncate_partial_line(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        complete = content.rfind(b"\n") + 1
        if complete < len(content):
            self._file.truncate(complete)


def _in_use(path: Path) -> ConfigError:
    message = f"another process is running the sweep in {path.parent} ({path.name})"
    return ConfigError(message, hint="wait until it ends")


def check_same_plan(recorded: Mapping[str, Any], current: Mapping[str, Any], path: Path) -> None:
    """Raise a ConfigError that names the first difference between the plan in `path` and the current one."""
    for kind, noun in (("data", "data file"), ("plugins", "plugin file")):
        before, now = (plan.get("sha256", {}).get(kind, {}) for plan in (recorded, current))
        for name, change in changed_files(before, now):
            hint = None
            if change == MISSING and kind == "data":
                hint = f"name the experiment beside the moved data: cygd sweep FILE --resume {path}"
            when = f"{link_change(change)} the sweep in {path} was started"
            raise ConfigError(f"the {noun} {name} {change} {when}", hint=hint)
    recorded, current = _comparable(recorded), _comparable(current)
    for key in dict.fromkeys([*recorded, *current]):
        expected, got = recorded.get(key), current.get(key)
        if expected == got:
            continue
        while isinstance(expected, dict) and isinstance(got, dict):
            keys = dict.fromkeys([*expected, *got])
            step = next(step for step in keys if expected.get(step) != got.get(step))
            key, expected, got = f"{key}.{step}", expected.get(step), got.get(step)
        raise ConfigError(
            f"{path} holds another sweep: expected {key} {_format_value(expected)}, got {_format_value(got)}",
            hint="choose another folder, or undo the change",
        )


def _comparable(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan without the places of its files, whose contents are compared themselves."""
    places = ("source", "folder", "directory", "sha256")
    content = {key: value for key, value in plan.items() if key not in places}
    experiment, plugins = dict(plan["experiment"]), plan["plugins"]
    if "data" in experiment:
        experiment["data"] = without_paths(experiment["data"])
    names = [Path(name).name if Path(name).is_absolute() else name for name in plugins]
    return {**content, "experiment": experiment, "plugins": names}


def _format_value(value: Any) -> str:
    return abbreviate(json.dumps(value, ensure_ascii=False))
