"""Test suites for plugin authors, which cygd also runs on its own components.

    from cygd.testing import check_activation, load_plugin

    swish = load_plugin("swish.py")

    def test_swish():
        check_activation(swish.SWISH)

Each suite raises an AssertionError that says what is wrong, where and by how much, and returns nothing
otherwise. The suites work with any test framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cygd.testing.activation import check_activation
    from cygd.testing.logger import check_logger
    from cygd.testing.loss import check_loss
    from cygd.testing.optimizer import check_optimizer
    from cygd.testing.plugin_loading import load_plugin

__all__ = ["check_activation", "check_logger", "check_loss", "check_optimizer", "load_plugin"]

_MODULES = {
    "check_activation": "activation",
    "check_logger": "logger",
    "check_loss": "loss",
    "check_optimizer": "optimizer",
    "load_plugin": "plugin_loading",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with import_module("cygd")._import_lock:  # which says why; waits if another thread imports cygd
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
