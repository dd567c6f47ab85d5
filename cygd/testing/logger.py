"""The suite for loggers: whole lives of a small run, told to the logger in a temporary folder."""

from __future__ import annotations

import copy
import gc
import io
import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cygd.components.loggers import Logger
from cygd.errors import CygdError, describe_exception, hint_of
from cygd.plugins.component_checks import ComponentCheckError
from cygd.plugins.discovery import LoadedPlugin
from cygd.plugins.registration import run_hooks

if TYPE_CHECKING:
    from cygd.tracking.results import Result, Run

__all__ = ["check_logger"]

EXPERIMENT = {
    "name": "sample",
    "data": {
        "source": "inline",
        "x": [[0, 0], [0, 1], [1, 0], [1, 1]],
        "y": [[0], [1], [1], [0]],
    },
    "model": {"layers": [{"units": 2, "activation": "tanh"}, 1]},
    "train": {"epochs": 3},
    "log": [],
}

# what a run may measure: row 0 without a running loss, an epoch that was not evaluated, one that diverged
EPOCHS: tuple[dict[str, float], ...] = (
    {"loss": 0.7, "learning_rate": 0.1, "seconds": 0.0},
    {"loss": 0.5, "running_loss": 0.6, "learning_rate": 0.1, "seconds": 0.1},
    {"running_loss": 0.4, "learning_rate": 0.1, "seconds": 0.2},
    {"loss": math.nan, "running_loss": math.inf, "learning_rate": 0.1, "seconds": 0.3},
)


def check_logger(logger: Logger | Callable[[], object]) -> None:
    """Check that a logger lives through every kind of run and does it no harm.

    A run that completes, one that fails in the middle, one that is interrupted before its first epoch.
    Its object has hooks of a run and none that is misspelt; no hook raises, returns anything (but "stop"
    at the end of an epoch), prints to stdout, changes metrics, configuration, weights or the current
    folder; and no file is left open.

    Parameters
    ----------
    logger : Logger or callable
        The logger, or the factory of its objects.

    Raises
    ------
    AssertionError
        What is wrong, and in which hook.
    """
    what = str(logger) if isinstance(logger, Logger) else f"logger {getattr(logger, '__name__', logger)!r}"
    build = logger.build if isinstance(logger, Logger) else logger
    with TemporaryDirectory() as folder, _nothing_left_open(what):
        for number, life in enumerate((_complete, _fails, _interrupted)):
            run = _run(Path(folder) / str(number))
            life(_Told(what, _build(what, build), run))


def _complete(told: _Told) -> None:
    told("cygd_run_start")
    for epoch, metrics in enumerate(EPOCHS):
        told("cygd_epoch_end", epoch=epoch, metrics=metrics)
    told("cygd_run_end", result=_result(told.run))


def _fails(told: _Told) -> None:
    told("cygd_run_start")
    told("cygd_epoch_end", epoch=0, metrics=EPOCHS[0])
    told("cygd_run_error", error=RuntimeError("something broke"))


def _interrupted(told: _Told) -> None:
    told("cygd_run_start")
    told("cygd_run_error", error=KeyboardInterrupt())


def _build(what: str, build: Callable[[], object]) -> dict[str, Callable[..., Any]]:
    """Return the hooks of a new object."""
    try:
        built = build()
        return run_hooks(LoadedPlugin(type(built).__name__, type(built).__module__, built, role="logger"))
    except CygdError as error:
        raise ComponentCheckError(error.message, error.hint) from error
    except Exception as error:
        raise ComponentCheckError(
            f"{what}: its factory failed: {describe_exception(error)}", hint_of(error)
        ) from error


def _run(folder: Path) -> Run:
    """Return a run that is about to start."""
    from cygd.runner.assembly import assemble
    from cygd.tracking.results import Run

    folder.mkdir()
    sample = assemble(EXPERIMENT, plugins=[])
    return Run("sample", folder, sample.resolved(), sample.network, sample.data, 0)


def _result(run: Run) -> Result:
    from cygd.tracking.model import Model
    from cygd.tracking.results import Result

    names = dict.fromkeys(name for row in EPOCHS for name in row)
    return Result(
        status="completed",
        metrics={"loss": 0.5},
        history={name: [row[name] for row in EPOCHS if name in row] for name in names},
        model=Model(run.network, run.dataset.preprocessing),
        directory=run.directory,
        epochs=len(EPOCHS) - 1,
        best_epoch=None,
        seconds=0.3,
    )


class _Told:
    """One object that is told of a run, and watched while it listens."""

    def __init__(self, what: str, hooks: dict[str, Callable[..., Any]], run: Run) -> None:
        self.what = what
        self.hooks = hooks
        self.run = run

    def __call__(self, hook: str, **arguments: Any) -> None:
        """Call a hook as a run would, if the object has it."""
        if hook not in self.hooks:
            return
        given = {"run": replace(self.run, config=copy.deepcopy(dict(self.run.config))), **arguments}
        if "metrics" in given:
            given["metrics"] = dict(arguments["metrics"])
        answer = self._call(hook, given)
        if answer is not None and not (hook == "cygd_epoch_end" and answer == "stop"):
            raise ComponentCheckError(f"{self.what}: {hook} returns {answer!r}, which means nothing")
        # by their text, in which NaN is NaN
        if "metrics" in given and repr(given["metrics"]) != repr(arguments["metrics"]):
            raise ComponentCheckError(
                f"{self.what}: {hook} changes the metrics", "work on a copy: dict(metrics)"
            )
        if given["run"].config != self.run.config:
            raise ComponentCheckError(
                f"{self.what}: {hook} changes the configuration of the run", "work on a copy"
            )

    def _call(self, hook: str, given: dict[str, Any]) -> object:
        function = self.hooks[hook]
        accepted = function.__code__.co_varnames if hasattr(function, "__code__") else given
        folder, weights, printed = Path.cwd(), self.run.network.parameters.copy(), io.StringIO()
        try:
            with redirect_stdout(printed):
                answer: object = function(
                    **{name: value for name, value in given.items() if name in accepted}
                )
        except (Exception, SystemExit) as error:
            raise ComponentCheckError(
                f"{self.what}: {hook} failed: {describe_exception(error)}", hint_of(error)
            ) from error
        if printed.getvalue():
            raise ComponentCheckError(
                f"{self.what}: {hook} prints {printed.getvalue():.40} to stdout, which belongs to the data",
                "print(..., file=sys.stderr)",
            )
        if Path.cwd() != folder:
            os.chdir(folder)
            raise ComponentCheckError(f"{self.what}: {hook} changes the current folder")
        if (weights != self.run.network.parameters).any():
            raise ComponentCheckError(f"{self.what}: {hook} changes the weights")
        return answer


@contextmanager
def _nothing_left_open(what: str) -> Iterator[None]:
    """Fail if a file, or whatever else warns about it, is garbage before it is closed."""
    gc.collect()  # what others left is theirs
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    for warning in caught:
        if issubclass(warning.category, ResourceWarning):
            raise ComponentCheckError(
                f"{what}: leaves something open: {warning.message}",
                "close it in cygd_run_end and in cygd_run_error",
            )
