"""Run or resume a sweep: plan, runs in worker processes, tables."""

from __future__ import annotations

import logging
import math
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cygd.errors import ConfigError, RunError, RunInterrupted
from cygd.network.threads import available_threads
from cygd.plugins.discovery import forbids_plugins
from cygd.runner.assembly import Source
from cygd.sweep import optuna_search, successive_halving, summary
from cygd.sweep.main_guard import check_main_guard
from cygd.sweep.plan import Plan, make_plan, restore_plan
from cygd.sweep.pool import Pool
from cygd.sweep.progress import Progress, SweepStatus, make_progress
from cygd.sweep.store import PLAN_FILE, SUCCEEDED, Record, RecordWriter, Shard, Store, check_same_plan
from cygd.sweep.summary import Ranking
from cygd.sweep.tasks import Outcome, Setup, Task
from cygd.tracking.log_file import LogFile
from cygd.tracking.signals import ignore_signals, sigterm_as_interrupt

log = logging.getLogger("cygd")

RUNS = Path("runs")
MAX_ATTEMPTS = 2  # to execute a run whose worker dies


@dataclass(frozen=True)
class Sweep:
    """The result of a sweep.

    Attributes
    ----------
    directory : Path
        The folder of the sweep.
    objective : str
        The metric by which runs are compared.
    records : list of Record
        The finished runs of all shards, the best first.
    best : Record or None
        The best run of the best configuration.
    total : int
        The number of runs, finished or not.
    """

    directory: Path
    objective: str
    records: list[Record]
    best: Record | None
    total: int

    @property
    def failed(self) -> list[Record]:
        """The runs that did not succeed, sorted by number."""
        return sorted((r for r in self.records if not r.succeeded), key=lambda record: record.run)


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
        A YAML file with a `sweep` section, or its content.
    overrides : sequence of str
        Values that replace those of the experiment; `optimizer=sgd,adam` varies a key.
    plugins : sequence of str
        Modules and .py files to load in addition to those that the experiment names.
    out : path, optional
        The folder of the sweep; by default a new one under runs/.
    workers : int, optional
        The number of worker processes; by default the available threads divided by `threads`.
    threads : int, optional
        The number of threads of each run; 1 by default.
    shard : (k, n), optional
        Execute only the k-th of n parts of the runs; all parts use the same `out`.
    quiet : bool
        Show no progress.

    Raises
    ------
    ConfigError, PluginError
        If the sweep is invalid; no folder is created.
    KeyboardInterrupt
        If the sweep was interrupted, after the finished runs were recorded.
    """
    check_main_guard()
    with LogFile() as log_file:
        plan = make_plan(source, overrides, plugins)
        part = _check_shard(plan, shard)
        if shard is None:
            store = Store.create(plan.name, out, plan.to_json())
        elif out is None:
            raise ConfigError("a shard requires the folder that all shards share", hint="add --out DIR")
        else:
            store = Store.join(out, plan.to_json())
        log_file.open(store.path / "log.txt")
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
    """Execute the missing runs of a sweep, including those of other shards.

    Parameters
    ----------
    directory : path
        The folder of the sweep.
    source, overrides, plugins : optional
        The sweep as it was started, to be compared with the recorded one.
    workers, threads, shard, quiet
        As for `sweep`.

    Raises
    ------
    CheckpointError
        If this is not a sweep folder.
    ConfigError
        If the experiment, its data or a plugin has changed, or another process is running the sweep.
    """
    check_main_guard()
    with LogFile() as log_file:
        store = Store(Path(directory).expanduser().absolute())
        recorded = store.read_plan()
        if source is None:
            _check_plugins_allowed(store)
        plan = restore_plan(recorded, store.path) if source is None else make_plan(source, overrides, plugins)
        check_same_plan(recorded, plan.to_json(), store.path)
        log_file.open(store.path / "log.txt")
        return _Execution(plan, store, _check_shard(plan, shard), workers, threads, quiet).run()


def recorded_plugins(store: Store) -> list[str]:
    """Return the plugins that a sweep folder names, which resuming the sweep executes."""
    plan = store.read_plan()
    in_experiment = plan["experiment"].get("plugins")
    names = [*plan["plugins"], *(in_experiment if isinstance(in_experiment, list) else [in_experiment])]
    return [name for name in names if isinstance(name, str) and not name.startswith("no:")]


def _check_plugins_allowed(store: Store) -> None:
    names = recorded_plugins(store)
    if names and forbids_plugins(os.environ):
        raise ConfigError(
            f"the sweep in {str(store.path)!r} needs its plugins ({', '.join(names)}), "
            "which --no-plugins forbids",
            hint="if you trust their code, omit --no-plugins",
        )


def find_newest_sweep(source: Source, overrides: Sequence[str] = (), plugins: Sequence[str] = ()) -> Path:
    """Return the newest sweep folder under runs/ of an experiment's name."""
    folder = Path.cwd() / RUNS / make_plan(source, overrides, plugins).name
    sweeps = sorted(path.parent for path in folder.glob(f"*/{PLAN_FILE}"))
    if not sweeps:
        raise ConfigError(f"found no sweep in {folder}", hint="name its folder: cygd sweep --resume DIR")
    return sweeps[-1]


def _check_shard(plan: Plan, shard: tuple[int, int] | None) -> Shard:
    """Return the shard to execute; raise a ConfigError if the kind of sweep cannot be divided."""
    part = Shard(*shard) if shard else Shard()
    if plan.section.halving and (plan.optuna_blocks or part.n > 1 or plan.section.runs == "summary"):
        other = "sweep.optuna" if plan.optuna_blocks else "--shard" if part.n > 1 else "sweep.runs: summary"
        raise ConfigError(f"sweep.halving cannot be combined with {other}", hint="remove one of them")
    if plan.optuna_blocks:
        optuna_search.check_installed()
        if part.n > 1:
            hint = "Optuna needs the outcomes of all runs; remove --shard"
            raise ConfigError("sweep.optuna cannot be combined with --shard", hint=hint)
    return part


class _Execution:
    """The execution of a sweep, or of one shard of it."""

    def __init__(
        self, plan: Plan, store: Store, shard: Shard, workers: int | None, threads: int | None, quiet: bool
    ) -> None:
        self.plan = plan
        self.store = store
        self.shard = shard
        self.threads = threads
        self.workers = workers or max(1, available_threads() // (threads or 1))
        self.quiet = quiet
        self.ranking = Ranking(plan.objective, plan.greater_is_better)
        self.records: dict[tuple[int, int], Record] = {}  # by run and rung
        self.deaths: Counter[int] = Counter()  # of workers, by run
        self.status = SweepStatus(0, plan.objective)
        self.progress = Progress()
        self.writer: RecordWriter

    def run(self) -> Sweep:
        """Execute the missing runs and write the tables."""
        self.writer = self.store.writer(self.shard)
        try:
            self.store.check_exclusive(self.shard)
            self.load_finished_runs()
            with sigterm_as_interrupt():
                self.run_missing()
        except KeyboardInterrupt as interrupt:
            with ignore_signals():
                self.summarize()
            raise RunInterrupted(self.store.path, resume="cygd sweep --resume") from interrupt
        except OSError as error:
            self.writer.discard()
            raise self.write_error(error) from error
        except BaseException:
            self.writer.close()
            raise
        try:
            return self.summarize()
        except OSError as error:
            raise self.write_error(error) from error

    def write_error(self, error: OSError) -> RunError:
        """Return the error for a sweep folder that cannot be written."""
        message = f"cannot write the sweep in {self.store.path}: {error.strerror or error}"
        return RunError(message, hint=f"recorded runs are kept: cygd sweep --resume {self.store.path}")

    def load_finished_runs(self) -> None:
        """Load the records of all shards; a killed run is not finished."""
        finished = [record for record in self.store.all_records() if record.status != "killed"]
        self.records.update({(record.run, record.target): record for record in finished})
        own = [record for record in self.records.values() if self.shard.is_own(record.run)]
        status = self.status
        if self.plan.section.halving:
            status.total = successive_halving.count_runs(self.plan)
        else:
            status.total = sum(map(self.shard.is_own, range(self.plan.total)))
        status.done = status.done_before = len(own)
        status.failed = sum(not record.succeeded for record in own)
        best = self.ranking.sort_runs(own)[:1]
        status.best = self.ranking.value(best[0]) if best else math.nan
        missing = status.total - status.done
        log.info("sweep %s in %s: %d runs to execute", self.plan.name, self.store.path, missing)

    def run_missing(self) -> None:
        """Execute the missing runs in worker processes."""
        self.progress = make_progress(self.status.total, quiet=self.quiet)
        with closing(self.progress), _shared_data_folder(self.store.path) as shared:
            setup = Setup(
                document=self.plan.base,
                plugins=self.plan.plugins,
                directory=self.store.path,
                shared=shared,
                threads=self.threads,
                folders=self.plan.section.runs == "folders",
            )
            with closing(Pool(self.workers, setup)) as pool:
                for tasks in self.rounds():
                    self.run_round(pool, tasks)

    def rounds(self) -> Iterator[list[Task]]:
        """Yield the runs in rounds; each round may depend on the outcomes of the previous ones."""
        if self.plan.section.halving:
            yield from successive_halving.rungs(self.plan, self.ranking, self.records)
        else:
            yield self.plan.tasks()
        yield from optuna_search.rounds(self.plan, self.store, self.ranking, self.records)

    def run_round(self, pool: Pool, tasks: Sequence[Task]) -> None:
        """Execute the missing runs of a round; return when their records are on disk."""
        remaining = 0
        for task in tasks:
            if self.shard.is_own(task.number) and (task.number, task.epochs) not in self.records:
                pool.submit(self.prepare(task))
                remaining += 1
        while remaining:
            for task, outcome in pool.wait(timeout=1.0):
                self.deaths[task.number] += outcome.worker_died
                if outcome.worker_died and self.deaths[task.number] < MAX_ATTEMPTS:
                    log.warning("run %d: %s; executing it again", task.number, outcome.error)
                    pool.submit(self.prepare(replace(task, alone=True)))
                else:
                    self.record(task, outcome)
                    remaining -= 1
            self.writer.flush()
        self.writer.flush(wait=True)

    def prepare(self, task: Task) -> Task:
        """Resume an unfinished run from its checkpoint, or set its folder aside."""
        if task.folder and not task.resumes:
            if self.store.has_checkpoint(task.folder):
                return replace(task, resumes=True)
            self.store.set_aside(task.folder)
        return task

    def record(self, task: Task, outcome: Outcome) -> None:
        """Record the outcome of a run and show the progress."""
        attempts = self.deaths[task.number] + (not outcome.worker_died)
        if outcome.worker_died:
            outcome = replace(outcome, error=f"{outcome.error}, {attempts} times")
        if outcome.status in SUCCEEDED and self.plan.objective not in outcome.metrics:
            error = f"the objective {self.plan.objective!r} was not measured"
            outcome = replace(outcome, status="failed", error=error)
        has_folder = bool(task.folder) and (self.store.path / task.folder / "result.json").is_file()
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
            folder=task.folder if has_folder else "",
            attempts=attempts,
            target=task.epochs,
        )
        self.writer.add(record)
        self.records[record.run, record.target] = record
        status = self.status
        status.done += 1
        if not record.succeeded:
            status.failed += 1
            log.info("run %d %s: %s", record.run, record.status, record.error)
        value = self.ranking.value(record)
        if self.ranking.sort_key(value) < self.ranking.sort_key(status.best):
            status.best = value
        self.progress.update(status)

    def summarize(self) -> Sweep:
        """Write the queued records and the tables, and return the result."""
        self.writer.close()
        plan = self.plan
        best = summary.write_tables(self.store, self.ranking, plan.keys, repeated=plan.section.repeat > 1)
        records = self.ranking.sort_runs(self.store.records())
        return Sweep(self.store.path, plan.objective, records, best, plan.total)


@contextmanager
def _shared_data_folder(directory: Path) -> Iterator[Path]:
    """Create a folder for the data that the workers share; remove it and those of killed sweeps."""
    for leftover in directory.glob(".data-*"):
        if not _is_creator_alive(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".data-{os.getpid()}-", dir=directory))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_creator_alive(folder: Path) -> bool:
    """Return False if the process that created a folder has certainly ended."""
    try:
        os.kill(int(folder.name.split("-")[1]), 0)
    except (ValueError, IndexError, ProcessLookupError):
        return False
    except OSError:
        pass
    return True
