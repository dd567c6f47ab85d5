"""Loading of a plugin file for its tests."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import cast

from cygd.plugins.discovery import Request, load
from cygd.plugins.manager import Plugins


def load_plugin(path: str | os.PathLike[str]) -> ModuleType:
    """Load a plugin file as `-p` does, and return its module.

    Parameters
    ----------
    path : path
        The .py file; a relative path starts from the current folder.

    Raises
    ------
    PluginError
        The import fails, or one of its hooks or components is invalid.
    """
    request = Request(os.fspath(path), "load_plugin", Path.cwd())
    Plugins.load([request], environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})
    return cast(ModuleType, load(request).plugin)
