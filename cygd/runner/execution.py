"""One run: the files before training, rows and checkpoints during it, and the result after it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, NoReturn

from cygd import config
from cygd.errors import CheckpointError, ConfigError, CygdError, RunError, RunInterrupted
from cygd.files import remove_durably
from cygd.network import History, TrainingState
from cygd.network.epoch_rows import UNMEASURED, EpochRows
from cygd.network.serialization import parameter_arrays
from cygd.network.training import TrainingLoop
from cygd.runner.assembly import Assembly
from cygd.runner.fit import evaluate, fit_options, training_loop
from cygd.runner.provenance import config_hash, data_hash, plugin_hashes
from cygd.tracking.checkpoints import CheckpointWriter
from cygd.tracking.directory import RunDirectory
from cygd.tracking.environment import (
    describe_environment,
    file_hashes,
    provenance,
    read_provenance,
    warn_if_changed,
)
from cygd.tracking.loggers import ConsoleLogger, CsvLogger, WeightHashLogger
from cygd.tracking.model import Model
from cygd.tracking.results import Result, Run
from cygd.tracking.signals import deferred_signals, ignore_signals

if TYPE_CHECKING:
    from cygd.runner.resumption import ResumePoint

log = logging.getLogger("cygd")

MAX_MILLISECONDS = 20.0  # for which rows are kept before they are written
INCOMPLETE = "the run folder could not be completed"


@contextmanager
def attach_loggers(assembly: Assembly, quiet: bool) -> Iterator[tuple[CsvLogger, WeightHashLogger]]:
    """Register the loggers of an experiment within a `with` block, and yield those that every run has."""
    loggers = [spec.component.build() for spec in assembly.experiment.log]
    if quiet:
        loggers = [logger for logger in loggers if not isinstance(logger, ConsoleLogger)]
    csv = next((logger for logger in loggers if isinstance(logger, CsvLogger)), CsvLogger())
    weight_hashes = WeightHashLogger()
    others = [logger for logger in loggers if logger is not csv]
    with assembly.plugins.with_objects(*others, first=[csv, weight_hashes]):
        yield csv, weight_hashes


class Execution:
    """One run, which completes its folder also when it is interrupted or fails."""

    def __init__(
        self,
        assembly: Assembly,
        directory: RunDirectory,  # locked
        threads: int,
        loggers: tuple[CsvLogger, WeightHashLogger],  # from `attach_loggers`
        resume_point: ResumePoint | None = None,  # None: a new run
    ) -> None:
        self.assembly = assembly
        self.experiment = assembly.experiment
        self.directory = directory
        self.threads = threads
        self.csv, self.weight_hashes = loggers
        self.resume_point = resume_point
        self.state = None if resume_point is None else resume_point.state
        self.checkpoints: CheckpointWriter | None = None
        self.get_state: Callable[[], TrainingState | None] | None = None
        self.history = History.of_rows([] if self.state is None else self.state.rows)
        self.last_row: Mapping[str, float] = {}
        self.loop: TrainingLoop | None = None
        self.start_time = time.perf_counter() - (0.0 if self.state is None else self.state.seconds)
        self.model = Model(assembly.network, assembly.data.preprocessing)
        self.run_context: Run | None = None
        if self.state is not None:  # at once, so that an immediate interrupt does not save untrained weights
            self.state.load_weights_into(assembly.network)

    def run(self) -> Result:
        """Train the network and complete the run folder."""
        try:
            history = self.begin().run()
            result = self.finish(history)
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            self.fail(error)
        self.end(result)
        return result

    # -- before, during and after training ----------------------------------------------------------

    def begin(self) -> TrainingLoop:
        """Write what precedes the first update, tell the listeners, and return the training."""
        self.run_context = self.prepare()
        self.assembly.plugins.run_start(self.run_context)
        self.csv.check()
        self.loop = training_loop(
            self.assembly,
            fit_options(self.experiment, self.threads),
            listener=self,
            critical=deferred_signals,
            start=self.state,
            on_start=self.on_start,
        )
        self.history = self.loop.history
        return self.loop

    def prepare(self) -> Run:
        """Write the files that precede the first update, and return the run for the hooks."""
        point = self.resume_point
        content = self.start() if point is None else self.restore(point)
        self.checkpoints = CheckpointWriter(
            self.directory,
            **self.experiment.checkpoint.plain(),
            config=content if point is None else point.recorded_content,
            data_hash=lambda: data_hash(self.assembly),
        )
        return Run(
            name=self.experiment.name,
            directory=self.directory.path,
            config=content,
            network=self.assembly.network,
            dataset=self.assembly.data,
            seed=self.experiment.seed,
            resumed=None if self.state is None else self.state.epoch,
        )

    def start(self) -> Mapping[str, Any]:
        """Write the files of a new run and return the content of config.yaml.

        config.yaml is the last one: once it exists, the run can be resumed.
        """
        experiment, folder = self.experiment, self.directory.path
        content = self.assembly.resolved(self.directory.copy_plugin)
        preprocessing = self.model.preprocessing.to_json()
        self.directory.write_json("preprocessing.json", preprocessing, sync_folder=False)
        data_files = file_hashes(experiment.data_files())
        hashes = {"data": data_files, "plugins": plugin_hashes(self.assembly, content, folder)}
        environment = describe_environment(self.threads, hashes)
        directory = os.fsencode(folder).decode(errors="replace")  # a name may be other bytes than UTF-8
        environment |= {"directory": directory, "config_sha256": config_hash(content)}
        self.model.provenance = provenance(experiment.name, folder, environment["config_sha256"])
        self.directory.write_json("environment.json", environment)
        self.directory.write_text("config.yaml", config.dump(content))
        plugin_files = file_hashes(self.assembly.plugins.files, experiment.folder.resolve())
        warn_if_changed(experiment.folder, data_files, plugin_files)
        log.info("run %s in %s", experiment.name, folder)
        return content

    def restore(self, resume_point: ResumePoint) -> Mapping[str, Any]:
        """Prepare the folder of a stopped run to resume it, and return the content of config.yaml."""
        folder = self.directory
        folder.remove_temporary_files()
        self.model.provenance = read_provenance(self.experiment.name, folder.path)
        if resume_point.is_changed:
            folder.write_text("config.yaml", config.dump(resume_point.recorded_content))
        remove_durably(folder.path / "result.json")
        epoch = 0 if self.state is None else self.state.epoch
        log.info("run %s resumes from epoch %d", self.experiment.name, epoch)
        return resume_point.content

    def on_start(self, get_state: Callable[[], TrainingState | None]) -> None:
        """Keep the function that returns the current training state."""
        self.get_state = get_state

    @property
    def every_epoch(self) -> bool:
        """Whether a plugin follows each epoch."""
        return self.assembly.plugins.needs_every_epoch

    @property
    def milliseconds(self) -> float:
        """How often rows are written."""
        seconds = self.experiment.checkpoint.seconds
        return MAX_MILLISECONDS if seconds is None else min(MAX_MILLISECONDS, 1e3 * seconds)

    reads_hashes = True  # for hashes.csv

    def next_pause(self, epoch: int) -> int | None:
        """Return the next epoch with a checkpoint."""
        return None if self.checkpoints is None else self.checkpoints.next_epoch(epoch)

    def on_epoch(self, epoch: int, values: dict[str, float]) -> bool:
        """Call the hooks that follow each epoch; return True if one stops the run."""
        assert self.run_context is not None
        return self.assembly.plugins.epoch_end(self.run_context, epoch, values)

    def on_rows(self, rows: EpochRows) -> bool:
        """Record consecutive epochs, and return True if a listener stops the run."""
        assert self.run_context is not None
        assert self.checkpoints is not None
        epoch, self.last_row = rows.last, rows.last_values()
        stop = self.assembly.plugins.epochs_end(self.run_context, rows)
        self.csv.check()
        if self.checkpoints.should_save(epoch, last=epoch == self.experiment.train.epochs):
            try:
                self.save_checkpoint()
            except CheckpointError as error:  # training can continue without checkpoints
                log.warning("%s", error.message, extra={"hint": error.hint})
                self.checkpoints.disable()
        return stop

    def save_checkpoint(self) -> None:
        """Write a checkpoint if there is a training state to save."""
        state = None if self.get_state is None else self.get_state()
        extent = None if state is None else self.csv.sync(state.epoch)
        self.weight_hashes.flush()
        if self.checkpoints is not None and state is not None and extent is not None:
            self.checkpoints.write(state, extent)

    def finish(self, history: History) -> Result:
        """Evaluate the final weights and write the result."""
        self.csv.flush()
        result = Result(
            status=history.status,
            metrics=evaluate(self.assembly, self.threads),
            history=history,
            model=self.model,
            directory=self.directory.path,
            epochs=history.epochs,
            best_epoch=history.best_epoch,
            seconds=history.seconds,
        )
        self.write(result)
        return result

    def end(self, result: Result) -> None:
        """Tell the listeners the result."""
        assert self.run_context is not None
        self.assembly.plugins.run_end(self.run_context, result)
        log.info("%s after %d epochs", result.status, result.epochs)

    # -- interrupts and errors ----------------------------------------------------------------------

    def fail(self, error: BaseException) -> NoReturn:
        """Complete the run folder after an exception, and raise the one to report."""
        if not isinstance(error, KeyboardInterrupt):
            self.on_error(error)
        with ignore_signals():
            self.on_interrupt(error)
        raise RunInterrupted(self.directory.path) from error

    def on_interrupt(self, interrupt: KeyboardInterrupt) -> None:
        """Save the completed epochs and tell the listeners."""
        for error in self.try_all(self.flush):
            log.warning("%s: %s", INCOMPLETE, describe_error(error, self.directory.path))
        log.info("interrupted after %d epochs", self.epochs)
        result = self.partial_result("interrupted")
        for error in self.try_all(self.save_checkpoint, lambda: self.write(result)):
            log.warning("%s: %s", INCOMPLETE, describe_error(error, self.directory.path))
        if self.run_context is not None:
            self.assembly.plugins.run_error(self.run_context, interrupt)

    def on_error(self, error: BaseException) -> NoReturn:
        """Save the last good weights, tell the listeners, and raise a RunError."""
        log.info("the run failed", exc_info=error)
        for second in self.try_all(self.flush):
            log.info(INCOMPLETE, exc_info=second)
        result = self.partial_result("failed")
        message = describe_error(error, self.directory.path)
        for second in self.try_all(self.save_checkpoint, lambda: self.write(result, error=message)):
            log.info(INCOMPLETE, exc_info=second)
        if self.run_context is not None:
            self.assembly.plugins.run_error(self.run_context, error)
        hint = error.hint if isinstance(error, CygdError) else None
        if isinstance(error, OSError) and error.filename:
            hint = hint_after_disk_error(self.directory.path)
        hint = hint or f"the traceback is in {self.directory.path / 'log.txt'}"
        raise RunError(f"the run failed: {message}", result, hint=hint) from error

    def flush(self) -> None:
        """Report the rows that the training has kept back."""
        if self.loop is not None and self.get_state is not None:  # it has begun
            self.loop.flush()

    def try_all(self, *steps: Callable[[], object]) -> Iterator[Exception]:
        """Run every step, also after one has failed, and yield the errors."""
        for step in steps:
            try:
                step()
            except (OSError, CygdError) as error:
                yield error

    @property
    def epochs(self) -> int:
        """The number of completed epochs."""
        return self.history.epochs

    def partial_result(self, status: str) -> Result:
        """Return the result of a run that did not finish; its metrics are those of the last row."""
        return Result(
            status=status,
            metrics={name: value for name, value in self.last_row.items() if name not in UNMEASURED},
            history=self.history,
            model=self.model,
            directory=self.directory.path,
            epochs=self.epochs,
            best_epoch=None,
            seconds=time.perf_counter() - self.start_time,
        )

    def write(self, result: Result, error: str | None = None) -> None:
        """Write the weights, then result.json as the last file."""
        self.directory.write_npz("weights.npz", parameter_arrays(self.assembly.network))
        content = {
            "status": result.status,
            "metrics": result.metrics,
            "epochs": result.epochs,
            "best_epoch": result.best_epoch,
            "seconds": result.seconds,
        }
        self.directory.write_json("result.json", {**content, "error": error} if error else content)


@contextmanager
def disk_errors_as_run_errors(folder: Path) -> Iterator[None]:
    """Raise a RunError in place of an OSError within a `with` block that reads or writes files of a run."""
    try:
        yield
    except OSError as error:
        message = f"the run failed: {describe_error(error, folder)}"
        raise RunError(message, hint=hint_after_disk_error(folder)) from error


@contextmanager
def fold_errors(folder: Path) -> Iterator[None]:
    """Name the folder of the cross-validation as the one to resume, after an error of the disk in a fold."""
    try:
        yield
    except CygdError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        message = error.problems[0].message if isinstance(error, ConfigError) else error.message
        result = getattr(error, "result", None)
        raise RunError(message, result, hint=hint_after_disk_error(folder)) from error


def hint_after_disk_error(folder: Path) -> str:
    """Return what the user can do after a file of a run could not be read or written."""
    if (folder / "config.yaml").is_file():
        return f"fix the cause, then resume: cygd run --resume {quote(str(folder))}"
    return "fix the cause, then run the experiment again, into a new folder"


def describe_error(error: BaseException, folder: Path) -> str:
    """Return the message of an error, in one line unless cygd raised it; `folder` is that of the run."""
    if isinstance(error, CygdError):
        return error.message
    if isinstance(error, OSError) and error.filename:
        # a run reads files of the user, and writes those of its folder
        verb = "write" if Path(os.fsdecode(error.filename)).is_relative_to(folder) else "read"
        return f"cannot {verb} {os.fsdecode(error.filename)!r}: {error.strerror}"
    lines = str(error).strip().splitlines()
    return f"unexpected {type(error).__name__}" + (f": {lines[0]}" if lines else "")
