"""One run on its way: files before the first update, rows and checkpoints, and a good order at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from cygd import config
from cygd.errors import CheckpointError, CygdError, RunError, RunInterrupted
from cygd.network import History, TrainingState
from cygd.network.serialization import parameter_arrays
from cygd.runner.assembly import Assembly, resolved
from cygd.runner.fit import evaluate, fit
from cygd.runner.resumption import ResumePoint, digest, fingerprint, history_of, plugin_hashes
from cygd.tracking.checkpoints import CheckpointWriter
from cygd.tracking.directory import RunDirectory
from cygd.tracking.environment import facts, hashes, warn_if_changed
from cygd.tracking.files import remove_durably
from cygd.tracking.loggers import ConsoleLogger, CsvLogger, WeightHashLogger
from cygd.tracking.model import Model
from cygd.tracking.results import Result, Run
from cygd.tracking.signals import ignore_signals

__all__ = ["Execution", "attach_loggers"]

log = logging.getLogger("cygd")

INCOMPLETE = "the run folder could not be completed"


@contextmanager
def attach_loggers(assembly: Assembly, quiet: bool) -> Iterator[tuple[CsvLogger, WeightHashLogger]]:
    """Let listen, for the length of a `with` block, those of `log` and what is always written.

    Yields
    ------
    tuple of Csv and Hashes
        What writes metrics.csv, without which there is no run, and hashes.csv.
    """
    chosen = [spec.component.build() for spec in assembly.experiment.log]
    kept = [listener for listener in chosen if not (quiet and isinstance(listener, ConsoleLogger))]
    csv = next((listener for listener in kept if isinstance(listener, CsvLogger)), CsvLogger())
    weight_hashes = WeightHashLogger()
    others = [listener for listener in kept if listener is not csv]
    with assembly.plugins.with_objects(*others, first=[csv, weight_hashes]):
        yield csv, weight_hashes


class Execution:
    """One run on its way through training, whatever becomes of it.

    Parameters
    ----------
    assembly : Assembly
        The experiment, its data and its network.
    directory : RunDirectory
        Where it is written down; locked.
    threads : int
        How many.
    always : tuple of Csv and Hashes
        What `attach_loggers` gives.
    past : Past, optional
        The run that goes on; None for a new one.
    """

    def __init__(
        self,
        assembly: Assembly,
        directory: RunDirectory,
        threads: int,
        always: tuple[CsvLogger, WeightHashLogger],
        past: ResumePoint | None = None,
    ) -> None:
        self.assembly = assembly
        self.experiment = assembly.experiment
        self.directory = directory
        self.threads = threads
        self.csv, self.hashes = always
        self.past = past
        self.start = None if past is None else past.state
        self.keeper: CheckpointWriter | None = None
        self.where: Callable[[], TrainingState | None] | None = None
        # of the whole epochs, row 0 in front
        self.rows = [] if self.start is None else [dict(row) for row in self.start.rows]
        self.began = time.perf_counter() - (0.0 if self.start is None else self.start.seconds)
        self.model = Model(assembly.network, assembly.data.preprocessing)
        self.seen: Run | None = None
        if self.start is not None:  # what is stopped at once leaves no weights that have learned nothing
            self.start.load_weights_into(assembly.network)

    def run(self) -> Result:
        """Train, and bring the run folder in order, however it ends."""
        try:
            self.seen = self.open()
            self.assembly.plugins.run_start(self.seen)
            self.csv.check()
            history = self.train()
            result = self.close(history)
        except KeyboardInterrupt as interrupt:
            with ignore_signals():
                self.interrupted(interrupt)
            raise RunInterrupted(self.directory.path) from interrupt
        except (Exception, SystemExit) as error:
            self.failed(error)
        self.assembly.plugins.run_end(self.seen, result)
        log.info("%s after %d epochs", result.status, result.epochs)
        return result

    # -- before, during and after training ----------------------------------------------------------

    def open(self) -> Run:
        """Write what is known before the first update; config.yaml last, from there on a run may go on."""
        experiment, folder, past = self.experiment, self.directory.path, self.past
        content = self.begin() if past is None else self.go_on(past)
        checkpoint = experiment.checkpoint
        self.keeper = CheckpointWriter(
            self.directory,
            **checkpoint.plain(),
            config=content,
            data=lambda: digest(self.assembly),
        )
        return Run(
            name=experiment.name,
            directory=folder,
            config=content,
            network=self.assembly.network,
            dataset=self.assembly.data,
            seed=experiment.seed,
            resumed=None if self.start is None else self.start.epoch,
        )

    def begin(self) -> Mapping[str, Any]:
        """Write the files of a run that is new, and return the content of config.yaml."""
        experiment, folder = self.experiment, self.directory.path
        content = resolved(self.assembly, self.directory.copy_plugin)
        self.directory.write_json("preprocessing.json", self.model.preprocessing.to_json())
        data_files = hashes(experiment.data_files())
        plugins = plugin_hashes(self.assembly, content, folder)
        about = facts(self.threads, {"data": data_files, "plugins": plugins})
        self.directory.write_json("environment.json", {**about, "config_sha256": fingerprint(content)})
        self.directory.write_text("config.yaml", config.dump(content))
        warn_if_changed(
            experiment.folder, data_files, hashes(self.assembly.plugins.files, experiment.folder.resolve())
        )
        log.info("run %s in %s", experiment.name, folder)
        return content

    def go_on(self, past: ResumePoint) -> Mapping[str, Any]:
        """Bring the files of a run that was stopped in order, and return the content of config.yaml."""
        folder = self.directory
        folder.clear_parts()
        if past.raised:
            folder.write_text("config.yaml", config.dump(past.content))
        remove_durably(folder.path / "result.json")
        epoch = 0 if self.start is None else self.start.epoch
        log.info("run %s goes on from epoch %d", self.experiment.name, epoch)
        return past.content

    def train(self) -> History:
        """Run all epochs."""
        return fit(
            self.assembly,
            self.threads,
            metrics=[spec.component for spec in self.experiment.metrics],
            evaluate_every=self.experiment.train.evaluate_every,
            on_epoch=self.on_epoch,
            start=self.start,
            on_start=self.take_state,
        )

    def take_state(self, where: Callable[[], TrainingState | None]) -> None:
        """Remember who knows where training stands."""
        self.where = where

    def on_epoch(self, epoch: int, values: dict[str, float]) -> bool:
        """Take the row of an epoch; return whether a listener wants to stop."""
        assert self.seen is not None
        self.rows.append(values)  # ours alone: listeners get copies
        stop = self.assembly.plugins.epoch_end(self.seen, epoch, values)
        self.csv.check()
        assert self.keeper is not None
        if self.keeper.due(epoch, last=epoch == self.experiment.train.epochs):
            try:
                self.keep()
            except CheckpointError as error:  # training itself is none the worse
                log.warning("%s", error.message, extra={"hint": error.hint})
                self.keeper.give_up()
        return stop

    def keep(self) -> None:
        """Write a checkpoint, unless training has not begun or its state is gone."""
        state = None if self.where is None else self.where()
        extent = None if state is None else self.csv.sync(state.epoch)
        self.hashes.flush()
        if self.keeper is not None and state is not None and extent is not None:
            self.keeper.write(state, extent)

    def close(self, history: History) -> Result:
        """Measure the kept weights and write everything down."""
        self.csv.flush()
        return self.write(
            Result(
                status=history.status,
                metrics=evaluate(self.assembly, self.threads),
                history=dict(history),
                model=self.model,
                directory=self.directory.path,
                epochs=history.epochs,
                best_epoch=history.best_epoch,
                seconds=history.seconds,
            )
        )

    # -- when it does not end well ------------------------------------------------------------------

    def interrupted(self, interrupt: KeyboardInterrupt) -> None:
        """Keep what the whole epochs have learned, and say where."""
        log.info("interrupted after %d epochs", self.epochs)
        for error in self.try_all(self.keep, lambda: self.write(self.partial("interrupted"))):
            log.warning("%s: %s", INCOMPLETE, _spoken(error))
        if self.seen is not None:
            self.assembly.plugins.run_error(self.seen, interrupt)

    def failed(self, error: BaseException) -> NoReturn:
        """Keep the last good weights and the traceback, and raise a RunError."""
        log.info("the run failed", exc_info=error)
        result = self.partial("failed")
        hint = error.hint if isinstance(error, CygdError) else None
        if isinstance(error, OSError) and error.filename:
            hint = f"when that is mended: cygd run --resume {self.directory.path}"
        hint = hint or f"the traceback is in {self.directory.path / 'log.txt'}"
        message = _spoken(error)
        for second in self.try_all(self.keep, lambda: self.write(result, error=message)):
            log.info(INCOMPLETE, exc_info=second)
        if self.seen is not None:
            self.assembly.plugins.run_error(self.seen, error)
        raise RunError(f"the run failed: {message}", result, hint=hint) from error

    def try_all(self, *steps: Callable[[], object]) -> Iterator[Exception]:
        """Take steps, each although another may have failed; yield what went wrong."""
        for step in steps:
            try:
                step()
            except (OSError, CygdError) as error:
                yield error

    @property
    def epochs(self) -> int:
        """How many epochs are whole."""
        return max(0, len(self.rows) - 1)

    def partial(self, status: str) -> Result:
        """Return the result of a run that did not get to its end."""
        last = self.rows[-1] if self.rows else {}
        unmeasured = {"running_loss", "learning_rate", "seconds"}
        return Result(
            status=status,
            metrics={name: value for name, value in last.items() if name not in unmeasured},
            history=history_of(self.rows),
            model=self.model,
            directory=self.directory.path,
            epochs=self.epochs,
            best_epoch=None,
            seconds=time.perf_counter() - self.began,
        )

    def write(self, result: Result, error: str | None = None) -> Result:
        """Write the weights, and result.json as the last file."""
        self.directory.write_npz("weights.npz", parameter_arrays(self.assembly.network))
        content = {
            "status": result.status,
            "metrics": result.metrics,
            "epochs": result.epochs,
            "best_epoch": result.best_epoch,
            "seconds": result.seconds,
        }
        self.directory.write_json("result.json", {**content, "error": error} if error else content)
        return result


def _spoken(error: BaseException) -> str:
    """Return an error as people say it."""
    if isinstance(error, CygdError):
        return error.message
    if isinstance(error, OSError) and error.filename:
        return f"cannot write {str(error.filename)!r}: {error.strerror}"
    text = str(error).strip().splitlines()
    return f"unexpected {type(error).__name__}" + (f": {text[0]}" if text else "")
