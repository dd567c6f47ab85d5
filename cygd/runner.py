"""One experiment -> one result, and a run folder that tells the whole story.

What is wrong with an experiment, its data or its plugins is raised before there is a folder. From
then on a run always ends with a whole folder: completed, stopped, diverged, failed or interrupted,
with the last good weights, every measured row, and result.json, which is written last.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from cygd import config, folds, training
from cygd.assembly import Assembly, Source, assemble, resolved
from cygd.data import Prepared
from cygd.environment import facts, hashes, warn_if_changed
from cygd.errors import CygdError, RunError
from cygd.interrupts import undisturbed
from cygd.journal import Journal
from cygd.loggers import Console, Csv, Hashes
from cygd.model import Model
from cygd.network import Network
from cygd.rundir import RunDirectory
from cygd.saving import arrays_of
from cygd.threads import choose_threads
from cygd.tiers import foreign

__all__ = ["Result", "Run", "run"]

log = logging.getLogger("cygd")


@dataclass(frozen=True)
class Result:
    """What a run ended with.

    Attributes
    ----------
    status : str
        "completed", "stopped" (early, as asked), "diverged", "failed" or "interrupted".
    metrics : dict
        `loss`, `validation_loss`, each metric, and `test_*`, at the weights that were kept.
    history : dict
        Each measured number over the epochs, by name.
    model : Model
        What predicts, with the kept weights.
    directory : Path
        The run folder.
    epochs : int
        How many epochs were completed.
    best_epoch : int or None
        The epoch that early stopping thinks best.
    seconds : float
        How long training took.
    """

    status: str
    metrics: dict[str, float]
    history: Mapping[str, list[float]] = field(repr=False)
    model: Model = field(repr=False)
    directory: Path
    epochs: int
    best_epoch: int | None
    seconds: float


@dataclass(frozen=True)
class Run:
    """A run as hooks and loggers see it.

    Attributes
    ----------
    name : str
        The experiment's name.
    directory : Path
        The run folder.
    config : dict
        The resolved experiment, keys as in the YAML.
    network : Network
        With the weights of the moment.
    dataset : Prepared
        The training, validation and test rows, with the names of their columns.
    seed : int
        The experiment's seed.
    """

    name: str
    directory: Path
    config: Mapping[str, Any] = field(repr=False)
    network: Network = field(repr=False)
    dataset: Prepared = field(repr=False)
    seed: int


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
        with assembly.plugins.with_objects(*_listeners(assembly.experiment, quiet)):
            directory = RunDirectory.create(assembly.experiment.name, out)
            journal.open(directory.path / "log.txt")
            for line in foreign(assembly):
                log.info("%s", line)
                if not quiet:
                    print(line, file=sys.stderr)
            return _Execution(assembly, directory, count).run()


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


def _listeners(experiment: config.Experiment, quiet: bool) -> list[object]:
    """Return the objects that listen: those of `log`, and always metrics.csv."""
    chosen = [spec.component.build() for spec in experiment.log]
    kept = [listener for listener in chosen if not (quiet and isinstance(listener, Console))]
    always = [Hashes()] if any(isinstance(listener, Csv) for listener in kept) else [Csv(), Hashes()]
    return [*always, *kept]


class _Execution:
    """One run on its way through training, whatever becomes of it."""

    def __init__(self, assembly: Assembly, directory: RunDirectory, threads: int) -> None:
        self.assembly = assembly
        self.experiment = assembly.experiment
        self.directory = directory
        self.threads = threads
        self.rows: list[dict[str, float]] = []  # of the whole epochs, row 0 in front
        self.began = time.perf_counter()
        self.model = Model(assembly.network, assembly.data.preprocessing)
        self.seen: Run | None = None

    def run(self) -> Result:
        try:
            self.seen = self.open()
            self.assembly.plugins.run_start(self.seen)
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
        """Write what is known before the first update."""
        experiment, folder = self.experiment, self.directory.path
        content = resolved(self.assembly, self.directory.copy_plugin)
        self.directory.write_text("config.yaml", config.dump(content))
        self.directory.write_json("preprocessing.json", self.model.preprocessing.to_json())
        kept = [folder / name for name in content["plugins"] if (folder / name).is_file()]
        data_files = hashes(experiment.data_files())
        self.directory.write_json(
            "environment.json",
            facts(self.threads, {"data": data_files, "plugins": hashes(kept, folder)}),
        )
        warn_if_changed(
            experiment.folder, data_files, hashes(self.assembly.plugins.files, experiment.folder.resolve())
        )
        log.info("run %s in %s", experiment.name, folder)
        return Run(
            experiment.name, folder, content, self.assembly.network, self.assembly.data, experiment.seed
        )

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
        )

    def on_epoch(self, epoch: int, values: dict[str, float]) -> bool:
        """Take the row of an epoch; return whether a listener wants to stop."""
        assert self.seen is not None
        self.rows.append(values)  # ours alone: listeners get copies
        every = self.experiment.checkpoint.every
        if every and epoch and epoch % every == 0:
            self.directory.write_npz(f"checkpoints/{epoch:06d}.npz", arrays_of(self.assembly.network))
        return self.assembly.plugins.epoch_end(self.seen, epoch, values)

    def close(self, history: training.History) -> Result:
        """Measure the kept weights and write everything down."""
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
        self.write(self.partial("interrupted"))
        interrupt.add_note(f"kept: {self.directory.path}")
        if self.seen is not None:
            self.assembly.plugins.run_error(self.seen, interrupt)

    def failed(self, error: BaseException) -> NoReturn:
        """Keep the last good weights and the traceback, and raise a RunError."""
        log.info("the run failed", exc_info=error)
        result = self.partial("failed")
        if self.seen is not None:
            self.assembly.plugins.run_error(self.seen, error)
        message, hint = _unexpected(error), None
        if isinstance(error, CygdError):
            message, hint = error.message, error.hint
        hint = hint or f"the traceback is in {self.directory.path / 'log.txt'}"
        try:
            self.write(result, error=message)
        except OSError as second:
            log.info("the run folder could not be completed", exc_info=second)
        raise RunError(f"the run failed: {message}", result, hint=hint) from error

    @property
    def epochs(self) -> int:
        """How many epochs are whole."""
        return max(0, len(self.rows) - 1)

    def partial(self, status: str) -> Result:
        """Return the result of a run that did not get to its end."""
        last = self.rows[-1] if self.rows else {}
        unmeasured = {"running_loss", "learning_rate", "seconds"}
        names = dict.fromkeys(name for row in self.rows for name in row)
        return Result(
            status=status,
            metrics={name: value for name, value in last.items() if name not in unmeasured},
            history={name: [row[name] for row in self.rows if name in row] for name in names},
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


def _unexpected(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"unexpected {type(error).__name__}" + (f": {text[0]}" if text else "")
