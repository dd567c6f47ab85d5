"""One experiment -> one result, and a run folder that tells the whole story.

What is wrong with an experiment, its data or its plugins is raised before there is a folder. From
then on a run always ends with a whole folder: completed, stopped, diverged, failed or interrupted,
with the last good weights, every measured row, and result.json, which is written last. A run that could
not even do that (it was killed, the disk is full) has no result.json; like one that was interrupted or
failed it goes on, by `resume`, where its last checkpoint stands, or else from its beginning.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cygd import config
from cygd.network.threads import choose_threads
from cygd.runner import cross_validation, resumption
from cygd.runner.assembly import Assembly, Source, assemble, resolved
from cygd.runner.execution import Execution, attach_loggers
from cygd.runner.provenance import custom_components
from cygd.runner.resumption import load_result
from cygd.tracking.directory import RunDirectory
from cygd.tracking.files import remove_durably
from cygd.tracking.log_file import LogFile
from cygd.tracking.loggers.console import epochs
from cygd.tracking.results import Result, Run

__all__ = ["Result", "Run", "execute", "resume", "run"]

log = logging.getLogger("cygd")


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
    return _run(source, overrides, plugins, out, threads, quiet)


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
    with LogFile() as journal:
        folder = RunDirectory.open(directory)
        with folder.locked():
            whole = resumption.load_folded_run(folder, overrides)
            if whole is not None:
                return _resume_folds(folder, whole, overrides, plugins, threads, quiet)
            past = resumption.load_resume_point(folder, overrides, plugins)
            before = load_result(past.assembly, folder.path)
            if before is not None:
                _say_ended(before, quiet)
                return before
            if past.state is None and not quiet:
                print("there is no checkpoint yet: training starts over", file=sys.stderr)
            folder.check_writable()
            count = choose_threads(threads, past.assembly.experiment.threads)
            with attach_loggers(past.assembly, quiet) as always:
                journal.open(folder.path / "log.txt")
                _say_foreign(past.assembly, quiet)
                return Execution(past.assembly, folder, count, always, past).run()


def _run(
    source: Source,
    overrides: Sequence[str],
    plugins: Sequence[str],
    out: str | os.PathLike[str] | None,
    threads: int | None,
    quiet: bool,
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Run what an experiment describes, each fold if it has folds; `environment` may name plugins."""
    with LogFile() as journal:
        assembly = assemble(source, overrides, plugins, environment)
        if assembly.experiment.sweep is not None:
            place = assembly.experiment.where("sweep")
            log.warning(
                "%s sweep: this is one run of the experiment itself; `cygd sweep` runs the others", place
            )
        split = assembly.experiment.data.split
        if split is not None and split.every_fold:
            directory = RunDirectory.create(assembly.experiment.name, out)
            with directory.locked():
                journal.open(directory.path / "log.txt")
                directory.write_text("config.yaml", config.dump(resolved(assembly, directory.copy_plugin)))
                given = [overrides] if isinstance(overrides, str) else list(overrides)
                return cross_validation.run_all(
                    directory,
                    split.folds or 0,
                    lambda fold, folder: _run(
                        *(source, [*given, f"data.split.fold={fold}"], plugins, folder),
                        *(threads, quiet, environment),
                    ),
                    quiet,
                )
        count = choose_threads(threads, assembly.experiment.threads)
        return execute(assembly, journal, out, count, quiet)


def execute(
    assembly: Assembly, journal: LogFile, out: str | os.PathLike[str] | None, threads: int, quiet: bool = True
) -> Result:
    """Train what was assembled, and leave a run folder; `run` says what may be raised.

    Parameters
    ----------
    assembly : Assembly
        The experiment with its data and its network.
    journal : LogFile
        What has listened since before the experiment was read; it goes on in log.txt.
    out, threads, quiet
        As for `run`.
    """
    with attach_loggers(assembly, quiet) as always:
        directory = RunDirectory.create(assembly.experiment.name, out)
        with directory.locked():
            journal.open(directory.path / "log.txt")
            _say_foreign(assembly, quiet)
            return Execution(assembly, directory, threads, always).run()


def _resume_folds(
    directory: RunDirectory,
    whole: resumption.FoldedRun,
    overrides: Sequence[str],
    plugins: Sequence[str],
    threads: int | None,
    quiet: bool,
) -> Result:
    """Go on with the folds that have begun, and run the others."""
    directory.check_writable()
    directory.clear_parts()
    file = directory.path / "config.yaml"
    if overrides:
        directory.write_text("config.yaml", config.dump(whole.content))
    remove_durably(directory.path / "result.json")

    def one(fold: int, folder: Path) -> Result:
        if (folder / "config.yaml").is_file():
            return resume(folder, overrides, plugins, threads, quiet)
        if folder.exists():  # it was stopped before it had begun
            shutil.rmtree(folder)
        return _run(file, [f"data.split.fold={fold}"], (), folder, threads, quiet, whole.environment)

    return cross_validation.run_all(directory, whole.n_folds, one, quiet)


def _say_foreign(assembly: Assembly, quiet: bool) -> None:
    """Say what is used that is not built in."""
    for line in custom_components(assembly):
        log.info("%s", line)
        if not quiet:
            print(line, file=sys.stderr)


def _say_ended(result: Result, quiet: bool) -> None:
    """Say that there is nothing left to do, and what would be."""
    if not quiet:
        more = "; train.epochs=N with a larger N goes on" if result.status == "completed" else ""
        how = f"{result.status} after {epochs(result.epochs)}"
        print(f"the run has ended, {how}{more}", file=sys.stderr)
