"""Plugins: hook specifications, discovery, registration, and the manager that calls the hooks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cygd.plugins.discovery import Request
    from cygd.plugins.hookspecs import hookimpl
    from cygd.plugins.manager import Plugins

__all__ = ["Plugins", "Request", "hookimpl"]

# imported on first use, so that a plugin that imports `hookimpl` does not load the manager
_MODULES = {"Request": "discovery", "hookimpl": "hookspecs", "Plugins": "manager"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
