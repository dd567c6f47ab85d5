"""The suite for loggers: small runs in a temporary folder, from their first hook to the last."""

from __future__ import annotations

import copy
import gc
import io
import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cygd.components.loggers import Logger
from cygd.network.epoch_rows import EpochRows
from cygd.plugins.component_checks import ComponentCheckError, failing_as
from cygd.plugins.discovery import LoadedPlugin
from cygd.plugins.manager import MAY_STOP
from cygd.plugins.registration import collect_run_hooks
from cygd.testing.arrays import guarded

if TYPE_CHECKING:
    from cygd.tracking.results import Result, Run

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

# metrics as in a run: row 0 without a running loss, an epoch without evaluation, one that diverged
EPOCHS: tuple[dict[str, float], ...] = (
    {"loss": 0.7, "learning_rate": 0.1, "seconds": 0.0},
    {"loss": 0.5, "running_loss": 0.6, "learning_rate": 0.1, "seconds": 0.1},
    {"running_loss": 0.4, "learning_rate": 0.1, "seconds": 0.2},
    {"loss": math.nan, "running_loss": math.inf, "learning_rate": 0.1, "seconds": 0.3},
)


def check_logger(logger: Logger | Callable[[], object]) -> None:
    """Check that a logger handles every kind of run without side effects.

    The runs: one that completes, one that fails in the middle, one interrupted before its first epoch. The
    object has run hooks and none that is misspelled; no hook raises, returns a value (except "stop" at the
    end of an epoch), prints to stdout, changes metrics, configuration, weights or the current folder; no
    file stays open.

    Parameters
    ----------
    logger : Logger or callable
        The logger, or the factory of its objects.

    Raises
    ------
    AssertionError
        A check fails; the message says what is wrong and names the hook.
    """
    what = str(logger) if isinstance(logger, Logger) else f"logger {getattr(logger, '__name__', logger)!r}"
    build = logger.build if isinstance(logger, Logger) else logger
    with TemporaryDirectory() as folder, _nothing_left_open(what):
        for number, call_hooks in enumerate((_completed, _failed, _interrupted)):
            run = _run(Path(folder) / str(number))
            call_hooks(_Caller(what, _build(what, build), run))


def _completed(call: _Caller) -> None:
    call("cygd_run_start")
    for epoch, metrics in enumerate(EPOCHS):
        call("cygd_epochs_end", rows=EpochRows.of_epoch(epoch, metrics))
        call("cygd_epoch_end", epoch=epoch, metrics=metrics)
    call("cygd_run_end", result=_result(call.run))


def _failed(call: _Caller) -> None:
    call("cygd_run_start")
    call("cygd_epochs_end", rows=EpochRows.of_epoch(0, EPOCHS[0]))
    call("cygd_epoch_end", epoch=0, metrics=EPOCHS[0])
    call("cygd_run_error", error=RuntimeError("the test run failed"))


def _interrupted(call: _Caller) -> None:
    call("cygd_run_start")
    call("cygd_run_error", error=KeyboardInterrupt())


def _build(what: str, build: Callable[[], object]) -> dict[str, Callable[..., Any]]:
    """Return the hooks of a new object."""
    built = guarded(f"{what}: factory failed", build)
    loaded = LoadedPlugin(type(built).__name__, type(built).__module__, built, role="logger")
    return guarded(what, collect_run_hooks, loaded)


def _run(folder: Path) -> Run:
    """Return a run before its start."""
    from cygd.runner.assembly import assemble
    from cygd.tracking.results import Run

    folder.mkdir()
    sample = assemble(EXPERIMENT, plugins=[])
    return Run("sample", folder, sample.resolved(), sample.network, sample.data, 0)


def _result(run: Run) -> Result:
    from cygd.tracking.metrics_file import history_of
    from cygd.tracking.model import Model
    from cygd.tracking.results import Result

    return Result(
        status="completed",
        metrics={"loss": 0.5},
        history=history_of(EPOCHS),
        model=Model(run.network, run.dataset.preprocessing),
        directory=run.directory,
        epochs=len(EPOCHS) - 1,
        best_epoch=None,
        seconds=0.3,
    )


@dataclass
class _Caller:
    """Calls the hooks of one object, and checks their effects."""

    what: str
    hooks: dict[str, Callable[..., Any]]
    run: Run

    def __call__(self, hook: str, **arguments: Any) -> None:
        """Call a hook as a run does, if the object implements it."""
        if hook not in self.hooks:
            return
        arguments["run"] = replace(self.run, config=copy.deepcopy(dict(self.run.config)))
        metrics = arguments.get("metrics")
        if metrics is not None:
            arguments["metrics"] = dict(metrics)
        result = self._call(hook, arguments)
        if result is not None and not (hook in MAY_STOP and result == "stop"):
            expected = 'None or "stop"' if hook in MAY_STOP else "None"
            raise ComponentCheckError(f"{self.what}: {hook}: expected {expected}, got {result!r}")
        # compared as text, in which NaN equals NaN
        if metrics is not None and repr(arguments["metrics"]) != repr(metrics):
            raise ComponentCheckError(f"{self.what}: {hook} changes the metrics", "use a copy: dict(metrics)")
        if arguments["run"].config != self.run.config:
            raise ComponentCheckError(
                f"{self.what}: {hook} changes the configuration of the run", "use a copy"
            )

    def _call(self, hook: str, arguments: dict[str, Any]) -> object:
        function = self.hooks[hook]
        accepted = function.__code__.co_varnames if hasattr(function, "__code__") else arguments
        folder, weights, printed = Path.cwd(), self.run.network.parameters.copy(), io.StringIO()
        with failing_as(f"{self.what}: {hook} failed"), redirect_stdout(printed):
            result: object = function(**{name: arguments[name] for name in arguments if name in accepted})
        if printed.getvalue():
            raise ComponentCheckError(
                f"{self.what}: {hook} prints {printed.getvalue():.40} to stdout, which is reserved for data",
                "print(..., file=sys.stderr)",
            )
        if Path.cwd() != folder:
            os.chdir(folder)
            raise ComponentCheckError(f"{self.what}: {hook} changes the current folder")
        if (weights != self.run.network.parameters).any():
            raise ComponentCheckError(f"{self.what}: {hook} changes the weights")
        return result


@contextmanager
def _nothing_left_open(what: str) -> Iterator[None]:
    """Raise a ComponentCheckError for a file or other resource that is garbage before it is closed."""
    gc.collect()  # resources that other code left open
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    for warning in caught:
        if issubclass(warning.category, ResourceWarning):
            raise ComponentCheckError(
                f"{what}: leaves a resource open: {warning.message}",
                "close it in cygd_run_end and in cygd_run_error",
            )
