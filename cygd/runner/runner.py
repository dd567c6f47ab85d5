"""Run or resume an experiment: one experiment -> one result and one complete run folder.

Errors in an experiment, its data or its plugins are raised before a run folder exists. After that, a run
ends as completed, stopped, diverged, failed or interrupted, and each of these leaves a complete folder: the
last good weights, every measured row, and result.json, which is written last. A run that could not finish
its folder (the process was killed, the disk is full) has no result.json; `resume` continues it, like a failed
or interrupted run, from its last checkpoint or else from the beginning.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from cygd import config
from cygd.data.sources.pipes import pipe_copies
from cygd.errors import CygdError
from cygd.files import remove_durably
from cygd.network.threads import choose_threads
from cygd.runner.assembly import Assembly, LoadedExperiment, Source, assemble, build, n_folds
from cygd.runner.execution import Execution, attach_loggers, disk_errors_as_run_errors, fold_errors
from cygd.runner.loading import load_result
from cygd.runner.memory_data import store_data
from cygd.runner.provenance import custom_components
from cygd.runner.relocation import restore_paths
from cygd.tracking.directory import RunDirectory
from cygd.tracking.log_file import LogFile
from cygd.tracking.loggers.console import format_epochs
from cygd.tracking.results import Result
from cygd.tracking.terminal import echo

if TYPE_CHECKING:
    from cygd.runner.resumption import ResumePoint

log = logging.getLogger("cygd")


@pipe_copies()
def run(
    source: Source,
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    out: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    quiet: bool = True,
    data: Any = None,
) -> Result:
    """Train the network of an experiment and write a run folder.

    Parameters
    ----------
    source : path or mapping
        A YAML file, or its content.
    overrides : sequence of str
        Values that replace those of the experiment, such as `train.epochs=5`.
    plugins : sequence of str
        Modules and .py files to load in addition to those that the experiment names; `no:NAME` blocks one.
    out : path, optional
        The run folder; by default a new one under runs/.
    threads : int, optional
        The number of threads; results do not depend on it.
    quiet : bool
        Print nothing: disable the console logger and the list of custom components.
    data : data frame, Arrow table or mapping, optional
        Named columns to use in place of the experiment's data source; targets, inputs, split, scale and
        the other keys of its data section apply to them. They are written into the run folder as
        data.csv, which config.yaml names, so that the run can be resumed and repeated; arrays `x` and
        `y` of an inline source are written as data.npz.

    Raises
    ------
    ConfigError, DataError, PluginError
        If the experiment cannot be run; no run folder is created.
    RunError
        If the run failed; its `result` holds what was saved.
    KeyboardInterrupt
        If the run was interrupted, after the run folder was completed.

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
    with LogFile() as log_file:
        assembly = assemble(source, overrides, plugins, data=data)
        experiment = assembly.experiment
        if experiment.sweep is not None:
            log.warning(
                "%s sweep: ignored by this single run; use `cygd sweep` to run its configurations",
                experiment.where("sweep"),
            )
        threads = choose_threads(threads, experiment.threads)
        if n_folds(assembly):
            return _execute_folds(assembly, log_file, out, threads, quiet)
        return execute(assembly, log_file, out, threads, quiet)


@pipe_copies()
def resume(
    directory: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    threads: int | None = None,
    quiet: bool = True,
) -> Result:
    """Resume a stopped run; the result has the same bits as that of an uninterrupted run.

    Parameters
    ----------
    directory : path
        The run folder.
    overrides : sequence of str
        `train.epochs=N` may be raised, and `data.path=FILE` may name the same data in another place; any
        other difference is rejected.
    plugins : sequence of str
        Plugins with which the run began may be named again.
    threads : int, optional
        The number of threads; results do not depend on it.
    quiet : bool
        As for `run`.

    Returns
    -------
    Result
        For a finished run, the result that its folder holds.

    Raises
    ------
    ConfigError, DataError, PluginError
        If the experiment, its data or a plugin has changed, or if another process uses the folder.
    CheckpointError
        If this is not a run folder, or a required file is missing or damaged.
    RunError, KeyboardInterrupt
        As in `run`.
    """
    from cygd.runner.resumption import load_cross_validation, load_resume_point  # a new run needs neither

    with LogFile() as log_file:
        folder = RunDirectory.open(directory)
        with folder.locked():
            reading = load_cross_validation(folder, overrides)
            if reading is not None:
                with disk_errors_as_run_errors(folder.path):
                    return _resume_folds(folder, reading, overrides, plugins, threads, quiet)
            resume_point = load_resume_point(folder, overrides, plugins)
            assembly = resume_point.assembly
            result = load_result(assembly, folder.path)
            if result is not None:
                _report_finished(result, resume_point, quiet)
                return result
            if resume_point.state is None and not quiet:
                echo("no checkpoint found: training starts from the beginning")
            folder.check_writable()
            threads = choose_threads(threads, assembly.experiment.threads)
            with attach_loggers(assembly, quiet) as loggers:
                log_file.open(folder.path / "log.txt")
                _log_custom_components(assembly, quiet)
                return Execution(assembly, folder, threads, loggers, resume_point).run()


def execute(
    assembly: Assembly,
    log_file: LogFile,
    out: str | os.PathLike[str] | None,
    threads: int,
    quiet: bool = True,
) -> Result:
    """Train an assembled experiment in a new run folder, and continue the log of its reading there."""
    with new_execution(assembly, log_file, out, threads, quiet) as execution:
        return execution.run()


@contextmanager
def new_execution(
    assembly: Assembly,
    log_file: LogFile,
    out: str | os.PathLike[str] | None,
    threads: int,
    quiet: bool = True,
) -> Iterator[Execution]:
    """Create and lock the run folder of an assembled experiment within a `with` block."""
    # loggers first: an error of their factories must not leave a folder
    with attach_loggers(assembly, quiet) as loggers, _new_folder(assembly, log_file, out) as folder:
        _log_custom_components(assembly, quiet)
        yield Execution(store_data(assembly, folder), folder, threads, loggers)


def _execute_folds(
    assembly: Assembly, log_file: LogFile, out: str | os.PathLike[str] | None, threads: int, quiet: bool
) -> Result:
    """Cross-validate an assembled experiment in a new folder with one run folder per fold."""
    from cygd.runner.cross_validation import cross_validate  # imported here: a single run does not need it

    with _new_folder(assembly, log_file, out) as folder, disk_errors_as_run_errors(folder.path):
        assembly = store_data(assembly, folder)
        copies: dict[Path, Path] = {}

        def copy_plugin(path: Path) -> str:
            name = folder.copy_plugin(path)
            copies[path] = folder.path / name
            return name

        folder.write_text("config.yaml", config.dump(assembly.resolved(copy_plugin)))
        reading = replace(assembly, plugin_copies=copies)

        def run_fold(fold: int, path: Path) -> Result:
            with fold_errors(folder.path):
                return _execute_fold(reading, fold, path, threads, quiet)

        return cross_validate(folder, n_folds(assembly), run_fold, quiet)


def _resume_folds(
    folder: RunDirectory,
    reading: LoadedExperiment,
    overrides: Sequence[str],
    plugins: Sequence[str],
    threads: int | None,
    quiet: bool,
) -> Result:
    """Resume the folds that have begun and run the others."""
    import shutil

    from cygd.runner.cross_validation import cross_validate

    folder.check_writable()
    folder.remove_temporary_files()
    if overrides:
        content = restore_paths(reading.resolved(folder.relative_name), reading.moved)
        folder.write_text("config.yaml", config.dump(content))
    remove_durably(folder.path / "result.json")

    fold_threads = choose_threads(threads, reading.experiment.threads)

    def run_fold(fold: int, path: Path) -> Result:
        with fold_errors(folder.path):
            if (path / "config.yaml").is_file():
                return resume(path, overrides, plugins, threads, quiet)
            if path.exists():  # stopped before its config.yaml was written: nothing to resume
                shutil.rmtree(path)
            return _execute_fold(reading, fold, path, fold_threads, quiet)

    return cross_validate(folder, n_folds(reading), run_fold, quiet)


def _execute_fold(reading: LoadedExperiment, fold: int, path: Path, threads: int, quiet: bool) -> Result:
    """Train one fold of a cross-validation in its own run folder."""
    with LogFile() as log_file:
        return execute(build(reading, fold), log_file, path, threads, quiet)


@contextmanager
def _new_folder(
    assembly: Assembly, log_file: LogFile, out: str | os.PathLike[str] | None
) -> Iterator[RunDirectory]:
    """Create and lock a run folder within a `with` block, and continue the log in its log.txt."""
    folder = RunDirectory.create(assembly.experiment.name, out)
    with ExitStack() as stack:
        try:
            stack.enter_context(folder.locked())
            log_file.open(folder.path / "log.txt")
        except CygdError:
            folder.discard(keep_folder=out is not None)
            raise
        yield folder


def _log_custom_components(assembly: Assembly, quiet: bool) -> None:
    """Log the components that are not built in, and print them unless quiet."""
    for line in custom_components(assembly):
        log.info("%s", line)
        if not quiet:
            echo(line)


def _report_finished(result: Result, resume_point: ResumePoint, quiet: bool) -> None:
    """Print that the run is finished; warn if the user asks for more epochs, which do not continue it."""
    epochs = format_epochs(result.epochs)
    if resume_point.epochs_raised:
        experiment = resume_point.assembly.experiment
        if result.status == "diverged":
            step = float(experiment.optimizer.component.learning_rate)
            cause, remedy = "loss or weights were no longer finite", f"optimizer.learning_rate={step / 10:g}"
        elif experiment.stop is not None:
            cause, remedy = "early stopping ended it", "stop=null"
        else:
            cause, remedy = "a plugin ended it", "-p no:PLUGIN"
        file = quote(str(result.directory / "config.yaml"))
        command = f"cygd run {file} train.epochs={experiment.train.epochs} {remedy}"
        log.warning(
            "the run in %s %s after %s, and more epochs do not continue it: %s",
            result.directory,
            result.status,
            epochs,
            cause,
            extra={"hint": f"start a new run: {command}"},
        )
    elif not quiet:
        hint = "; raise train.epochs to continue" if result.status == "completed" else ""
        echo(f"the run is finished, {result.status} after {epochs}{hint}")
