"""The facts of a run: what `cygd list` prints, selects and sorts by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from cygd.errors import CygdError
from cygd.tracking.run_folders import describe_folder

MISSING: Any = object()  # the value of a key that a run lacks
ALIASES = {"time": "seconds"}  # the header of the table -> the key
INDEX = re.compile(r"\[(\d+)\]")


class RunFacts:
    """The facts of a run or sweep; its configuration is read when it is asked for.

    Attributes
    ----------
    folder : Path
        The folder of the run.
    facts : dict
        What `cygd list --json` prints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = describe_folder(folder)

    def value(self, key: str) -> Any:
        """Return a fact, a metric or else a value of the configuration, or MISSING."""
        name = ALIASES.get(key, key)
        if name in self.facts and name != "metrics":
            value = self.facts[name]
            return MISSING if value is None else value
        metric = key.removeprefix("metrics.")
        if metric in self.facts["metrics"]:
            return self.facts["metrics"][metric]
        return self.configuration.get(INDEX.sub(r".\1", key), MISSING)

    @property
    def keys(self) -> list[str]:
        """The keys that have a value in this run, the metrics first."""
        facts = [key for key, value in self.facts.items() if key != "metrics" and value is not None]
        return [*self.facts["metrics"], *facts, *self.configuration]

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The values of config.yaml by their dotted paths; empty if it cannot be read."""
        from cygd import config

        try:
            document = config.read(self.folder / "config.yaml", []).root.plain()
        except CygdError:  # the run is listed all the same
            return {}
        return {INDEX.sub(r".\1", path): value for path, value in leaves(document)}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of each leaf of nested mappings and lists.

    Examples
    --------
    >>> dict(leaves({"train": {"epochs": 5}, "layers": [16, {"units": 3}]}))
    {'train.epochs': 5, 'layers[0]': 16, 'layers[1].units': 3}
    """
    if isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from leaves(child, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, list | Mapping) for item in value):
        for index, child in enumerate(value):
            yield from leaves(child, f"{path}[{index}]")
    else:
        yield path, value
