"""The built-in components, registered through the same hooks as those of any plugin.

A new built-in is a row of its table; nothing here changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

from cygd.components import Component, Logger
from cygd.components.registry import KINDS as COMPONENT_KINDS
from cygd.components.registry import Kind
from cygd.data.source import KIND as DATA_SOURCE
from cygd.plugins.hookspecs import hookimpl
from cygd.tracking.loggers import LOGGERS

KINDS: tuple[Kind, ...] = (*COMPONENT_KINDS, DATA_SOURCE, Kind("logger", Logger, "cygd_loggers", LOGGERS))


def _implement(kind: Kind) -> Callable[[], Sequence[Component]]:
    """Return the implementation of the hook of a kind."""

    @hookimpl
    def built_ins() -> Sequence[Component]:
        return kind.built_ins

    return built_ins


BUILT_IN_PLUGIN = SimpleNamespace(**{kind.hook: _implement(kind) for kind in KINDS})
