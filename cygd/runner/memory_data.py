"""Data that a program passes to `cygd.run`: arrays, data frames, and long lists.

A run folder must hold what it takes to resume or repeat the run, and YAML is not made for large arrays. So
arrays and long lists become data.npz and frames data.csv in the run folder, and config.yaml names these
files. Both are read back to the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from cygd.data.sources.arrays import load_inline
from cygd.data.sources.frame import csv_of, load_frame
from cygd.runner.assembly import LoadedExperiment
from cygd.tracking.directory import RunDirectory

# of a frame, which still hold for data.csv and new files: its numbers are written as usual
KEPT_OPTIONS = ("percent", "units", "missing_values")

Reading = TypeVar("Reading", bound=LoadedExperiment)

MAX_LISTED = 100_000  # values of a list that config.yaml holds; reading them takes about two seconds


def store_data(reading: Reading, folder: RunDirectory) -> Reading:
    """Write data that are in memory into a run folder, and return the experiment that reads them there."""
    section = reading.experiment.data
    held_out = [part for part in ("validation", "test") if getattr(section, part)]
    given = [section.options, *(getattr(section, part) for part in held_out)]
    if section.source not in ("inline", "frame") or not any(
        in_memory(value) for options in given for value in options.values()
    ):
        return reading
    source = "npz" if section.source == "inline" else "csv"
    options = _store(section.source, section.options, "data", folder)
    parts = {
        part: _store(section.source, {**section.options, **getattr(section, part)}, part, folder)
        for part in held_out
    }
    if section.source == "frame":
        # in a text file they would be numbers
        declared = load_frame(folder.path, **section.options).categorical
        names = [name for name in declared if name not in map(str, section.categorical)]
        section = section.replace(categorical=(*section.categorical, *sorted(names)))
    component = reading.plugins.get("data_source", source).configured(options)
    section = section.replace(source=source, options=options, component=component, **parts)
    return replace(reading, experiment=reading.experiment.replace(data=section))


def in_memory(value: Any) -> bool:
    """Return True for an array or a data frame, which YAML cannot hold, and for a list too long for it."""
    return not isinstance(value, bool | int | float | str | list | tuple | dict) or _count(value) > MAX_LISTED


def _count(value: Any) -> int:
    """Return the number of values in nested lists."""
    return sum(map(_count, value)) if isinstance(value, list | tuple) else 1


def _store(source: str, options: Mapping[str, Any], stem: str, folder: RunDirectory) -> dict[str, Any]:
    """Write the data of one part, and return the options of the source that reads them."""
    if source == "frame":
        table = load_frame(folder.path, **options)
        path = folder.write_text(f"{stem}.csv", csv_of(table))
        return {"path": str(path), **{key: options[key] for key in KEPT_OPTIONS if key in options}}
    data = load_inline(folder.path, **options)
    labels = np.array(data.classes)
    y = labels[data.class_indices()] if data.classes else data.y
    path = folder.write_npz(f"{stem}.npz", {"x": np.asarray(data.x), "y": np.asarray(y)})
    is_text = labels.dtype.kind in "US"
    return {"path": str(path), **({"classes": True} if data.classes and not is_text else {})}
