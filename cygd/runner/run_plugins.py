"""The plugins of a run folder: code that resuming or loading the run executes.

A run folder holds copies of the plugin files with which the run began, and may come from elsewhere. So
commands that only read a folder never execute them, and the others say what they execute (SECURITY.md).
"""

from __future__ import annotations

from pathlib import Path

from cygd import config
from cygd.errors import CheckpointError
from cygd.plugins.discovery import Request


def run_plugins(folder: Path) -> list[Request]:
    """Return the plugins that the config.yaml of a run names, without loading any of them."""
    requests = [Request(*fields) for fields in config.read(folder / "config.yaml").plugin_requests]
    return [request for request in requests if not request.blocks]


def check_plugin_paths(folder: Path) -> list[Request]:
    """Return the plugins of a run; raise a CheckpointError for a file that is not in the run folder."""
    requests = run_plugins(folder)
    for request in requests:
        if request.path is not None and not request.path.is_relative_to(folder.resolve()):
            raise CheckpointError(
                f"{request.source}: expected a plugin file in the run folder, got {request.path}",
                hint="a run folder holds copies of its plugins; the path, or a link, leads out of it",
            )
    return requests
