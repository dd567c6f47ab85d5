"""Loggers: objects with run hooks, which record or report a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cygd.components.base import Component, declared_by
from cygd.errors import CygdError, PluginError, describe_exception


@dataclass(frozen=True, eq=False, repr=False)
class Logger(Component):
    """A named factory of objects with run hooks.

    Parameters
    ----------
    name : str
        The name in an experiment.
    factory : callable
        factory(**options) -> an object with any of the hooks `cygd_run_start(run)`,
        `cygd_epoch_end(run, epoch, metrics)`, `cygd_run_end(run, result)` and
        `cygd_run_error(run, error)`. Its keyword parameters with their defaults are the options.

    Examples
    --------
    >>> class Printer:
    ...     def __init__(self, ending="."):
    ...         self.ending = ending
    ...
    ...     def cygd_run_end(self, run, result):
    ...         print(result.status + self.ending)
    >>> Logger("printer", Printer).configured({"ending": "!"}).build().ending
    '!'
    """

    kind: ClassVar[str] = "logger"

    factory: Callable[..., Any]
    parameters: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._declare(declared_by(self, "factory", self.factory, ()))

    def build(self) -> object:
        """Return a new object for one run, or raise a PluginError."""
        try:
            listener = self.factory(**self.parameters)
        except CygdError:
            raise
        except Exception as error:
            raise PluginError(f"{self}: factory failed: {describe_exception(error)}") from error
        if listener is None:
            raise PluginError(f"{self}: factory: expected an object, got None", hint="is a `return` missing?")
        return listener
