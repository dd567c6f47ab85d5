"""One experiment -> one result, and a run folder that tells the whole story.

What is wrong with an experiment, its data or its plugins is raised before there is a folder. From
then on a run always ends with a whole folder: completed, stopped, diverged, failed or interrupted,
with the last good weights, every measured row, and result.json, which is written last. A run that could
not even do that (it was killed, the disk is full) has no result.json; like one that was interrupted or
failed it goes on, by `resume`, where its last checkpoint stands, or else from its beginning.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cygd import config, folds, resumption, training
from cygd.assembly import Assembly, Source, assemble, resolved
from cygd.checkpoints import Keeper
from cygd.ending import ended, history_of
from cygd.environment import facts, hashes, warn_if_changed
from cygd.errors import CheckpointError, CygdError, RunError
from cygd.interrupts import undisturbed
from cygd.journal import Journal
from cygd.loggers import Console, Csv, Hashes
from cygd.loggers.console import epochs
from cygd.model import Model
from cygd.results import Result, Run
from cygd.resumption import Past, digest, fingerprint, plugin_hashes
from cygd.rundir import RunDirectory, remove_durably
from cygd.saving import arrays_of
from cygd.threads import choose_threads
from cygd.tiers import foreign

__all__ = ["Result", "Run", "resume", "run"]

log = logging.getLogger("cygd")

INCOMPLETE = "the run folder could not be completed"


def run(
    source: Source,
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    out: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    quiet: bool = True,
) -> Result:
    """Train what an experiment describes, and leave a run folder.

    Parameters
    ----------
    source : path or mapping
        A YAML file, or its content.
    overrides : sequence of str
        Values that override the experiment's own, such as `train.epochs=5`.
    plugins : sequence of str
        Modules and .py files to load besides those that the experiment names; `no:NAME` blocks one.
    out : path, optional
        The run folder; by default a fresh one under runs/.
    threads : int, optional
        How many threads; never changes the result.
    quiet : bool
        Leave the console logger away, and do not say which components are not built in.

    Raises
    ------
    ConfigError, DataError, PluginError
        The experiment cannot be run; there is no run folder.
    RunError
        The run failed; its `result` says what is left.
    KeyboardInterrupt
        After the run folder was brought in order.

    Examples
    --------
    >>> result = run({  # doctest: +SKIP
    ...     "data": {"source": "inline", "x": [[0.0], [1.0]], "y": [[1.0], [3.0]]},
    ...     "model": {"layers": [1]},
    ...     "train": {"epochs": 100},
    ... })
    >>> result.status  # doctest: +SKIP
    'completed'
    """
    with Journal() as journal:
        assembly = assemble(source, overrides, plugins)
        split = assembly.experiment.data.split
        if split is not None and split.every_fold:
            directory = RunDirectory.create(assembly.experiment.name, out)
            journal.open(directory.path / "log.txt")
            directory.write_text("config.yaml", config.dump(resolved(assembly, directory.copy_plugin)))
            return _all_folds(
                directory,
                split.folds or 0,
                lambda fold, folder: run(
                    source, [*_listed(overrides), f"data.split.fold={fold}"], plugins, folder, threads, quiet
                ),
                quiet,
            )
        count = choose_threads(threads, assembly.experiment.threads)
        directory = RunDirectory.create(assembly.experiment.name, out)
        with directory.locked():
            journal.open(directory.path / "log.txt")
            return _execute(assembly, directory, count, quiet)


def resume(
    directory: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    threads: int | None = None,
    quiet: bool = True,
) -> Result:
    """Let a run go on that was stopped, to the very result that it would have had.

    Parameters
    ----------
    directory : path
        Its run folder.
    overrides : sequence of str
        `train.epochs=N` may be raised; any other difference is refused.
    plugins : sequence of str
        Those that the run began with may be named again.
    threads : int, optional
        How many threads; never changes the result.
    quiet : bool
        As for `run`.

    Returns
    -------
    Result
        Of a run that had ended already, what it ended with.

    Raises
    ------
    ConfigError, DataError, PluginError
        The experiment, its data or a plugin is not what it was; or another run has the folder.
    CheckpointError
        It is not a run folder, or a file that is needed is missing or damaged.
    RunError, KeyboardInterrupt
        As by `run`.
    """
    with Journal() as journal:
        folder = RunDirectory.open(directory)
        with folder.locked():
            past = resumption.look(folder, overrides, plugins)
            before = ended(past.assembly, folder.path)
            if before is not None:
                if not quiet:
                    more = "; train.epochs=N with a larger N goes on" if before.status == "completed" else ""
                    how = f"{before.status} after {epochs(before.epochs)}"
                    print(f"the run has ended, {how}{more}", file=sys.stderr)
                return before
            if past.state is None and not quiet:
                print("there is no checkpoint yet: training starts over", file=sys.stderr)
            folder.check_writable()
            journal.open(folder.path / "log.txt")
            count = choose_threads(threads, past.assembly.experiment.threads)
            return _execute(past.assembly, folder, count, quiet, past)


def _all_folds(
    directory: RunDirectory, count: int, one: Callable[[int, Path], Result], quiet: bool
) -> Result:
    """Run every fold; return what they have in common, and the model that validates best."""
    results = folds.in_turn(directory, count, one)
    log.info("%s", folds.spoken(results))
    if not quiet:
        print(folds.spoken(results), file=sys.stderr)
    best = min(results, key=lambda result: _finite(result.metrics["validation_loss"]))
    return Result(
        status=folds.common(results),
        metrics=folds.means(results),
        history={},
        model=best.model,
        directory=directory.path,
        epochs=max(result.epochs for result in results),
        best_epoch=None,
        seconds=sum(result.seconds for result in results),
    )


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def _listed(overrides: Sequence[str]) -> list[str]:
    return [overrides] if isinstance(overrides, str) else list(overrides)


def _execute(
    assembly: Assembly, directory: RunDirectory, threads: int, quiet: bool, past: Past | None = None
) -> Result:
    """Run with everything that listens."""
    csv, others = _listeners(assembly.experiment, quiet)
    with assembly.plugins.with_objects(csv, *others):
        for line in foreign(assembly):
            log.info("%s", line)
            if not quiet:
                print(line, file=sys.stderr)
        return _Execution(assembly, directory, threads, csv, past).run()


def _listeners(experiment: config.Experiment, quiet: bool) -> tuple[Csv, list[object]]:
    """Return what writes metrics.csv, which is always there, as hashes.csv is, and the other objects of `log`."""
    chosen = [spec.component.build() for spec in experiment.log]
    kept = [listener for listener in chosen if not (quiet and isinstance(listener, Console))]
    csv = next((listener for listener in kept if isinstance(listener, Csv)), Csv())
    return csv, [Hashes(), *(listener for listener in kept if listener is not csv)]


class _Execution:
    """One run on its way through training, whatever becomes of it."""

    def __init__(
        self, assembly: Assembly, directory: RunDirectory, threads: int, csv: Csv, past: Past | None
    ) -> None:
        self.assembly = assembly
        self.experiment = assembly.experiment
        self.directory = directory
        self.threads = threads
        self.csv = csv
        self.past = past
        self.start = None if past is None else past.state
        self.keeper: Keeper | None = None
        self.where: Callable[[], training.State | None] | None = None
        # of the whole epochs, row 0 in front
        self.rows = [] if self.start is None else [dict(row) for row in self.start.rows]
        self.began = time.perf_counter() - (0.0 if self.start is None else self.start.seconds)
        self.model = Model(assembly.network, assembly.data.preprocessing)
        self.seen: Run | None = None
        if self.start is not None:  # what is stopped at once leaves no weights that have learned nothing
            self.start.put_weights_back(assembly.network)

    def run(self) -> Result:
        try:
            self.seen = self.open()
            self.assembly.plugins.run_start(self.seen)
            self.csv.check()
            history = self.train()
            result = self.close(history)
        except KeyboardInterrupt as interrupt:
            with undisturbed():
                self.interrupted(interrupt)
            raise
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
        self.keeper = Keeper(
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

    def go_on(self, past: Past) -> Mapping[str, Any]:
        """Bring the files of a run that was stopped in order, and return the content of config.yaml."""
        folder = self.directory
        folder.clear_parts()
        if past.raised:
            folder.write_text("config.yaml", config.dump(past.content))
        remove_durably(folder.path / "result.json")
        epoch = 0 if self.start is None else self.start.epoch
        log.info("run %s goes on from epoch %d", self.experiment.name, epoch)
        return past.content

    def train(self) -> training.History:
        """Run all epochs."""
        experiment, part = self.experiment, self.assembly.data.train
        return training.train(
            self.assembly.network,
            part.x,
            part.y,
            rows=part.rows,
            sample_weight=part.sample_weight,
            optimizer=experiment.optimizer.component,
            schedule=experiment.schedule.component,
            clip=experiment.clip,
            epochs=experiment.train.epochs,
            batch_size=experiment.train.batch_size,
            shuffle=experiment.train.shuffle,
            evaluate_every=experiment.train.evaluate_every,
            metrics=[spec.component for spec in experiment.metrics],
            validation=self.assembly.data.validation,
            stop=experiment.stop,
            unscale=self.model.preprocessing.inverse_targets,
            threads=self.threads,
            on_epoch=self.on_epoch,
            start=self.start,
            on_start=self.take_state,
        )

    def take_state(self, where: Callable[[], training.State | None]) -> None:
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
        if self.keeper is not None and state is not None and extent is not None:
            self.keeper.write(state, extent)

    def close(self, history: training.History) -> Result:
        """Measure the kept weights and write everything down."""
        self.csv.flush()
        return self.write(
            Result(
                status=history.status,
                metrics=self.measure(),
                history=dict(history),
                model=self.model,
                directory=self.directory.path,
                epochs=history.epochs,
                best_epoch=history.best_epoch,
                seconds=history.seconds,
            )
        )

    def measure(self) -> dict[str, float]:
        """Return the loss and the metrics of all parts at the kept weights."""
        prepared, found = self.assembly.data, {}
        parts = {"": prepared.train, "validation_": prepared.validation, "test_": prepared.test}
        metrics = [spec.component for spec in self.experiment.metrics]
        for prefix, part in parts.items():
            if part is not None:
                values = training.evaluate(
                    self.assembly.network,
                    part,
                    metrics,
                    unscale=self.model.preprocessing.inverse_targets,
                    threads=self.threads,
                )
                found.update({prefix + name: value for name, value in values.items()})
        return found

    # -- when it does not end well ------------------------------------------------------------------

    def interrupted(self, interrupt: KeyboardInterrupt) -> None:
        """Keep what the whole epochs have learned, and say where."""
        log.info("interrupted after %d epochs", self.epochs)
        for error in self.try_all(self.keep, lambda: self.write(self.partial("interrupted"))):
            log.warning("%s: %s", INCOMPLETE, _spoken(error))
        interrupt.add_note(f"kept: {self.directory.path}")
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
        self.directory.write_npz("weights.npz", arrays_of(self.assembly.network))
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
