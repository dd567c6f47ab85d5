"""A sweep from its plan to its summary."""

from __future__ import annotations

import logging
import math
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cygd.errors import ConfigError, RunError, RunInterrupted
from cygd.network.threads import available_threads
from cygd.runner.assembly import Source
from cygd.sweep import optuna_search, successive_halving, summary
from cygd.sweep.plan import Plan, make_plan, plan_again
from cygd.sweep.pool import Pool
from cygd.sweep.progress import Progress, SweepStatus, progress
from cygd.sweep.store import GOOD, Record, Shard, Store, Writer, check_same
from cygd.sweep.summary import Ranking
from cygd.sweep.worker import Outcome, Setup, Task
from cygd.tracking.log_file import LogFile
from cygd.tracking.signals import ignore_signals, sigterm_as_interrupt

__all__ = ["Sweep", "newest", "resume", "sweep"]

log = logging.getLogger("cygd")

RUNS = Path("runs")


@dataclass(frozen=True)
class Sweep:
    """What a sweep has found.

    Attributes
    ----------
    directory : Path
        Its folder.
    objective : str
        The measured value that counts.
    records : list of Record
        The runs that are done, of all shards, the best first.
    best : Record or None
        The best run of the best configuration.
    total : int
        How many runs there are, done or not.
    """

    directory: Path
    objective: str
    records: list[Record]
    best: Record | None
    total: int

    @property
    def failed(self) -> list[Record]:
        """The runs that did not come to a good end, by their numbers."""
        return sorted((record for record in self.records if not record.well), key=lambda record: record.run)


def sweep(
    source: Source,
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    threads: int | None = None,
    shard: tuple[int, int] | None = None,
    quiet: bool = True,
) -> Sweep:
    """Run every configuration of an experiment.

    Parameters
    ----------
    source : path or mapping
        A YAML file with a key `sweep`, or its content.
    overrides : sequence of str
        Values that override the experiment's own; `optimizer=sgd,adam` has several, all of which are run.
    plugins : sequence of str
        Modules and .py files to load besides those that the experiment names.
    out : path, optional
        The folder of the sweep; by default a fresh one under runs/.
    workers : int, optional
        How many processes; by default as many as there are threads for.
    threads : int, optional
        How many threads each run has; 1 by default.
    shard : (k, n), optional
        Make the k-th of n parts of the runs, together with other processes that have the same `out`.
    quiet : bool
        Show no progress.

    Raises
    ------
    ConfigError, PluginError
        The sweep cannot be run; there is no folder.
    KeyboardInterrupt
        After what is done was written down.
    """
    with LogFile() as journal:
        plan = make_plan(source, overrides, plugins)
        part = _part(plan, shard)
        if shard is None:
            store = Store.create(plan.name, out, plan.content())
        elif out is None:
            raise ConfigError("a shard needs the folder that all shards share", hint="add --out DIR")
        else:
            store = Store.join(out, plan.content())
        journal.open(store.path / "log.txt")
        return _Execution(plan, store, part, workers, threads, quiet).run()


def resume(
    directory: str | os.PathLike[str],
    source: Source | None = None,
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    workers: int | None = None,
    threads: int | None = None,
    shard: tuple[int, int] | None = None,
    quiet: bool = True,
) -> Sweep:
    """Go on with the runs that are missing, those of other shards among them.

    Parameters
    ----------
    directory : path
        The folder of a sweep.
    source, overrides, plugins : optional
        The sweep as it was given before, to be compared with what it was then.
    workers, threads, shard, quiet
        As for `sweep`.

    Raises
    ------
    CheckpointError
        The folder is not that of a sweep.
    ConfigError
        The experiment, the data or the plugins have changed, or another process works on the sweep.
    """
    with LogFile() as journal:
        store = Store(Path(directory).expanduser().absolute())
        then = store.plan()
        plan = plan_again(then) if source is None else make_plan(source, overrides, plugins)
        check_same(then, plan.content(), store.path)
        journal.open(store.path / "log.txt")
        return _Execution(plan, store, _part(plan, shard), workers, threads, quiet).run()


def newest(source: Source, overrides: Sequence[str] = (), plugins: Sequence[str] = ()) -> Path:
    """Return the newest folder of a sweep of this name under runs/.

    Raises
    ------
    ConfigError
        There is none.
    """
    folder = Path.cwd() / RUNS / make_plan(source, overrides, plugins).name
    found = sorted(path.parent for path in folder.glob("*/sweep.json"))
    if not found:
        raise ConfigError(f"there is no sweep in {folder}", hint="name its folder: cygd sweep --resume DIR")
    return found[-1]


def _part(plan: Plan, shard: tuple[int, int] | None) -> Shard:
    """Return which runs are to be made, and see that they can be."""
    part = Shard(*shard) if shard else Shard()
    if plan.section.halving and (plan.optuna or part.n > 1 or plan.section.runs == "summary"):
        with_what = "sweep.optuna" if plan.optuna else "--shard" if part.n > 1 else "sweep.runs: summary"
        raise ConfigError(f"sweep.halving and {with_what} exclude each other", hint="leave out one of them")
    if plan.optuna:
        optuna_search.check_installed()
        if part.n > 1:
            raise ConfigError(
                "sweep.optuna looks at all runs, and cannot be made in shards", hint="leave --shard out"
            )
    return part


class _Execution:
    """One sweep, or a part of it, on its way: the source of the pool's runs."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        shard: Shard,
        workers: int | None,
        threads: int | None,
        quiet: bool,
    ) -> None:
        self.plan = plan
        self.store = store
        self.shard = shard
        self.threads = threads
        self.workers = workers or max(1, available_threads() // (threads or 1))
        self.quiet = quiet
        self.ranking = Ranking(plan.objective, plan.greater_is_better)
        self.waiting: deque[Task] = deque()
        self.under_way = 0
        self.coming = self.rounds()
        self.records: dict[tuple[int, int], Record] = {}  # by the number and the round
        self.standing = SweepStatus(0, plan.objective)
        self.writer: Writer | None = None
        self.shown: Progress | None = None

    def run(self) -> Sweep:
        """Make the runs that are missing, and sum up."""
        self.writer = self.store.writer(self.shard)
        try:
            self.store.check_alone(self.shard)
            self.look_back()
            with sigterm_as_interrupt():
                self.make()
        except KeyboardInterrupt as interrupt:
            with ignore_signals():
                self.sum_up()
            raise RunInterrupted(self.store.path, resume="cygd sweep --resume") from interrupt
        except OSError as error:
            self.writer.abandon()
            raise self.unwritten(error) from error
        except BaseException:
            self.writer.close()
            raise
        try:
            return self.sum_up()
        except OSError as error:
            raise self.unwritten(error) from error

    def unwritten(self, error: OSError) -> RunError:
        """Return what is said when the disk takes no more."""
        message = f"the sweep in {self.store.path} cannot be written: {error.strerror or error}"
        return RunError(message, hint=f"what is done is kept: cygd sweep --resume {self.store.path}")

    def look_back(self) -> None:
        """See which runs are done, by this process or by others; one that was killed is not done."""
        known = [record for record in self.store.lines() if record.status != "killed"]
        self.records.update({(record.run, record.target): record for record in known})
        known = list(self.records.values())
        before = [record for record in known if self.shard.mine(record.run)]
        if self.plan.section.halving:
            self.standing.total = successive_halving.count(self.plan)
        else:
            self.standing.total = sum(map(self.shard.mine, range(self.plan.total)))
        self.standing.done = self.standing.before = len(before)
        self.standing.failed = sum(not record.well for record in before)
        best = self.ranking.runs(before)[:1]
        self.standing.best = self.ranking.value(best[0]) if best else math.nan
        left = self.standing.total - self.standing.done
        log.info("sweep %s in %s: %d runs to make", self.plan.name, self.store.path, left)

    def make(self) -> None:
        """Make the runs that are missing in worker processes."""
        assert self.writer is not None
        self.shown = progress(self.standing.total, quiet=self.quiet)
        try:
            with _data_folder(self.store.path) as shared:
                setup = Setup(
                    document=self.plan.base,
                    plugins=self.plan.plugins,
                    directory=self.store.path,
                    shared=shared,
                    threads=self.threads,
                    folders=self.plan.section.runs == "folders",
                )
                with closing(Pool(self.workers, setup).run(self, pause=1.0)) as steps:
                    for _ in steps:
                        self.writer.bring()
        finally:
            self.shown.stop()

    def sum_up(self) -> Sweep:
        """Bring everything to the disk and write the tables."""
        assert self.writer is not None
        self.writer.close()
        plan = self.plan
        best = summary.write(self.store, self.ranking, plan.keys, repeated=plan.section.repeat > 1)
        records = self.ranking.runs(self.store.records())
        return Sweep(self.store.path, plan.objective, records, best, plan.total)

    def rounds(self) -> Iterator[list[Task]]:
        """Yield runs that do not wait for each other; the next ones when all of these are done."""
        if self.plan.section.halving:
            yield from successive_halving.rounds(self.plan, self.ranking, self.records)
        else:
            yield self.plan.tasks()
        yield from optuna_search.rounds(self.plan, self.store, self.ranking, self.records)

    # -- what the pool asks ---------------------------------------------------------------------------

    def next(self) -> Task | None:
        """Return the next run."""
        while not self.waiting and not self.under_way:
            assert self.writer is not None
            self.writer.bring(now=True)  # a round begins when it is sure that the last one is known
            tasks = next(self.coming, None)
            if tasks is None:
                return None
            self.waiting.extend(
                task
                for task in tasks
                if self.shard.mine(task.number) and (task.number, task.epochs) not in self.records
            )
        if not self.waiting:
            return None
        task = self.waiting.popleft()
        self.under_way += 1
        if task.folder and not task.goes_on:
            if self.store.has_checkpoint(task.folder):
                return replace(task, goes_on=True)  # to the same bits
            self.store.set_aside(task.folder)
        return task

    def again(self, task: Task) -> None:
        """Take back a run that has to be made once more."""
        self.under_way -= 1
        self.waiting.appendleft(task)

    def done(self, task: Task, outcome: Outcome, attempts: int) -> None:
        """Write down what became of a run."""
        assert self.writer is not None
        assert self.shown is not None
        if outcome.status in GOOD and self.plan.objective not in outcome.metrics:
            error = f"the objective {self.plan.objective!r} is not measured"
            outcome = replace(outcome, status="failed", error=error)
        folder = task.folder if (self.store.path / task.folder / "result.json").is_file() else ""
        record = Record(
            run=task.number,
            configuration=task.configuration,
            values=task.values,
            status=outcome.status,
            seed=self.plan.seed(task.changes),
            epochs=outcome.epochs,
            best_epoch=outcome.best_epoch,
            seconds=outcome.seconds,
            metrics=outcome.metrics,
            error=outcome.error,
            folder=folder if task.folder else "",
            attempts=attempts,
            target=task.epochs,
        )
        self.writer.add(record)
        self.records[record.run, record.target] = record
        self.under_way -= 1
        self.standing.done += 1
        if not record.well:
            self.standing.failed += 1
            log.info("run %d %s: %s", record.run, record.status, record.error)
        value = self.ranking.value(record)
        if not self.ranking.key(value) >= self.ranking.key(self.standing.best):
            self.standing.best = value
        self.shown.show(self.standing)


@contextmanager
def _data_folder(directory: Path) -> Iterator[Path]:
    """Make a folder for the arrays that the workers share, for as long as they work."""
    for leftover in directory.glob(".data-*"):
        if not _alive(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".data-{os.getpid()}-", dir=directory))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _alive(folder: Path) -> bool:
    """Tell whether the process that has made a folder may still use it."""
    try:
        os.kill(int(folder.name.split("-")[1]), 0)
    except (ValueError, IndexError, ProcessLookupError):
        return False
    except OSError:
        pass
    return True
