"""The folder of a sweep: what it is about, and which runs are done.

    runs/<name>/<time>-<hex>/
        sweep.json     the base experiment, what is varied, and the hashes of data and plugins
        runs.jsonl     one line for each run that is done, appended when all of the run is on the disk;
                       of a shard it is runs-2-of-4.jsonl
        0000/ 0001/    the run folders
        summary.csv  groups.csv  best/  log.txt

Which runs are done is read from the lines alone: a run folder that no line names was interrupted. The
process that appends to a file of lines holds a lock on it, which the system takes back when the process
ends, however it does.
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

from cygd.errors import CheckpointError, ConfigError
from cygd.tracking import files
from cygd.tracking.directory import RunDirectory
from cygd.tracking.files import write_durably
from cygd.tracking.locking import is_locked, lock

__all__ = ["GOOD", "VERSION", "Record", "Shard", "Store", "Writer", "check_same"]

PLAN = "sweep.json"
VERSION = 1
GOOD = ("completed", "stopped")  # what a run ends with when it ends well
BRING_EVERY = 0.5  # seconds between two barriers


@dataclass(frozen=True)
class Record:
    """A run that is done.

    Attributes
    ----------
    run, configuration : int
        Its number, and that of its configuration.
    values : dict
        What its configuration changes, by dotted keys.
    status : str
        That of a `Result`, or "killed".
    seed, epochs, best_epoch, seconds, metrics, error
        What became of it.
    folder : str
        Its folder below that of the sweep; empty where it left none.
    attempts : int
        2 where its first worker was killed.
    target : int
        The epochs of its round, where the sweep has rounds.
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
    def well(self) -> bool:
        """Whether the run came to a good end."""
        return self.status in GOOD


@dataclass(frozen=True)
class Shard:
    """The k-th of n processes that share the runs of a sweep, k from 1 to n."""

    k: int = 1
    n: int = 1

    def mine(self, run: int) -> bool:
        """Tell whether a run is this shard's to make."""
        return run % self.n == self.k - 1

    def goes_with(self, file: str) -> bool:
        """Tell whether a process that appends to a file makes none of the runs of this one."""
        return file == self.file or (self.n > 1 and file.endswith(f"-of-{self.n}.jsonl"))

    @property
    def file(self) -> str:
        """The name of its file of lines."""
        return "runs.jsonl" if self.n == 1 else f"runs-{self.k}-of-{self.n}.jsonl"


@dataclass(frozen=True)
class Store:
    """The folder of a sweep."""

    path: Path

    @classmethod
    def create(cls, name: str, out: str | os.PathLike[str] | None, plan: Mapping[str, Any]) -> Store:
        """Create the folder, `runs/<name>/<time>-<hex>/` or `out`, which nobody else has.

        Raises
        ------
        ConfigError
            `out` has something in it, or the folder cannot be created.
        """
        store = cls(RunDirectory.create(name, out).path)
        write_durably(store.path / PLAN, _text(plan))
        return store

    @classmethod
    def join(cls, out: str | os.PathLike[str], plan: Mapping[str, Any]) -> Store:
        """Create a folder for several processes, or enter the one that another process has made for the same.

        Raises
        ------
        ConfigError
            The folder holds something else.
        """
        path = Path(out).expanduser().absolute()
        path.mkdir(parents=True, exist_ok=True)
        others = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
        if others and not (path / PLAN).exists():
            hint = "name the folder that the other shards use, or one that does not exist yet"
            raise ConfigError(f"the folder {str(path)!r} is not empty, and not that of a sweep", hint=hint)
        draft = path / f".{PLAN}.{os.getpid()}"
        write_durably(draft, _text(plan))
        try:
            os.link(draft, path / PLAN)  # the first one makes it, whole
        except FileExistsError:
            check_same(cls(path).plan(), plan, path)
        finally:
            draft.unlink(missing_ok=True)
        return cls(path)

    def plan(self) -> dict[str, Any]:
        """Return what the sweep is about.

        Raises
        ------
        CheckpointError
            The folder is not that of a sweep.
        """
        path = self.path / PLAN
        try:
            plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            version = plan["version"]
        except FileNotFoundError:
            message = f"{str(self.path)!r} is not the folder of a sweep: it has no {PLAN}"
            raise CheckpointError(message, hint="name the folder that `cygd sweep` printed") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged: {error}") from error
        if version != VERSION:
            raise CheckpointError(f"{path} is of version {version}, this cygd reads version {VERSION}")
        return plan

    def records(self) -> list[Record]:
        """Return the runs that are done, of all shards, by their numbers; the last line of a run counts."""
        found = {record.run: record for record in self.lines()}
        return [found[run] for run in sorted(found)]

    def lines(self) -> Iterator[Record]:
        """Yield what was written down, of runs with several rounds once for each.

        Raises
        ------
        CheckpointError
            A file of lines is damaged.
        """
        for path in sorted(self.path.glob("runs*.jsonl")):
            for line in path.read_bytes().split(b"\n")[:-1]:  # a line without an end was never finished
                try:
                    yield Record(**json.loads(line))
                except (ValueError, TypeError) as error:
                    raise CheckpointError(f"{path} is damaged: {error}") from error

    def writer(self, shard: Shard) -> Writer:
        """Return what appends to the lines of a shard.

        Raises
        ------
        ConfigError
            Another process is at it.
        """
        return Writer(self.path, shard.file)

    def check_alone(self, shard: Shard) -> None:
        """Raise a ConfigError while another process makes runs that are this one's as well."""
        for path in sorted(self.path.glob("runs*.jsonl")):
            if not shard.goes_with(path.name) and is_locked(path):
                raise _not_alone(path)

    def has_checkpoint(self, folder: str) -> bool:
        """Return whether a run that was not finished can go on."""
        path = self.path / folder
        return (path / "config.yaml").is_file() and any((path / "checkpoints").glob("*.npz"))

    def set_aside(self, folder: str) -> None:
        """Give the folder of a run that was not finished another name, so that nothing of it is lost."""
        path = self.path / folder
        if path.exists():
            number = 1
            while (aside := self.path / f"{folder}.unfinished-{number}").exists():
                number += 1
            path.rename(aside)

    def write_text(self, name: str, text: str) -> None:
        """Write one of its files."""
        write_durably(self.path / name, text.encode())


class Writer:
    """Appends the runs that are done, in groups: first all that they have written, then their lines."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self._waiting: list[Record] = []
        self._since = monotonic()
        self._file: IO[bytes] = (folder / name).open("ab+")
        if not lock(self._file):
            self._file.close()
            raise _not_alone(folder / name)
        self._cut()
        self._thread = ThreadPoolExecutor(1, "cygd-sweep-writer")
        self._busy: Future[None] | None = None

    def add(self, record: Record) -> None:
        """Take a run that is done."""
        self._waiting.append(record)

    def bring(self, *, now: bool = False) -> None:
        """Bring what waits to the disk, if it is time, while others go on.

        Raises
        ------
        OSError
            What was to be brought there last time could not be.
        """
        if now or (monotonic() - self._since >= BRING_EVERY and (self._busy is None or self._busy.done())):
            self._await()
            if self._waiting:
                records, self._waiting = self._waiting, []
                self._busy = self._thread.submit(self._append, records)
            self._since = monotonic()
        if now:
            self._await()

    def close(self) -> None:
        """Bring everything to the disk, and let go."""
        try:
            self.bring(now=True)
        finally:
            self._thread.shutdown()
            self._file.close()

    def abandon(self) -> None:
        """Let go, where the disk takes no more."""
        self._waiting.clear()
        self._busy = None
        self._thread.shutdown()
        with suppress(OSError):
            self._file.close()

    def _await(self) -> None:
        if self._busy is not None:
            self._busy.result()
            self._busy = None

    def _append(self, records: list[Record]) -> None:
        if any(record.folder for record in records):
            files.sync_filesystem(self.folder)
        lines = [json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records]
        self._file.write("".join(lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def _cut(self) -> None:
        """Take away a last line that was never finished."""
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)


def _not_alone(path: Path) -> ConfigError:
    message = f"another process works on the sweep in {path.parent} ({path.name})"
    return ConfigError(message, hint="wait until it has ended")


def check_same(then: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Raise a ConfigError that names what differs between two plans."""
    files = [now.get("sha256", {}), then.get("sha256", {})]
    for kind in ("data", "plugins"):
        ours, theirs = (hashes.get(kind, {}) for hashes in files)
        for name in sorted(ours.keys() & theirs.keys()):
            if ours[name] != theirs[name]:
                what = "data file" if kind == "data" else "plugin file"
                raise ConfigError(f"the {what} {name} has changed since the sweep in {path} began")
    for key in dict.fromkeys([*then, *now]):
        if then.get(key) == now.get(key):
            continue
        here, there = then.get(key), now.get(key)
        what = key
        while isinstance(here, dict) and isinstance(there, dict):
            step = next(step for step in dict.fromkeys([*here, *there]) if here.get(step) != there.get(step))
            what, here, there = f"{what}.{step}", here.get(step), there.get(step)
        raise ConfigError(
            f"{path} is another sweep's: {what} was {_short(here)} there, and is {_short(there)} here",
            hint="name a folder of its own, or leave the sweep as it was",
        )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _text(plan: Mapping[str, Any]) -> bytes:
    return (json.dumps(plan, indent=2, ensure_ascii=False) + "\n").encode()
