"""One copy of the prepared data for all workers of a sweep, memory-mapped.

The first worker that needs a data set prepares it and saves the arrays as .npy files; every worker maps
these files, so that memory holds the data once. Data sets are found by a hash of the data section and of
everything else that preparation depends on. An array that is mapped from a file of the user is not copied.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.config import Experiment
from cygd.data import Part, PreparedData, prepare
from cygd.data.preprocessing import Preprocessing
from cygd.plugins.manager import Plugins
from cygd.tracking.locking import lock

Array = NDArray[Any]
PARTS = ("train", "validation", "test")
ARRAYS = ("x", "y", "sample_weight", "rows")
MAX_CACHED = 16  # data sets that a worker keeps mapped


class SharedData:
    """The prepared data of a sweep, in a folder that all its workers use and the caller removes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cache: dict[str, PreparedData] = {}

    def prepare(self, experiment: Experiment, plugins: Plugins) -> PreparedData:
        """Return the data of an experiment, prepared by the first worker that needs them."""
        key = _cache_key(experiment)
        if key not in self._cache:
            folder = self.folder / key
            with (self.folder / f"{key}.lock").open("w") as lock_file:
                lock(lock_file, wait=True)
                if not folder.is_dir():
                    _save(prepare(experiment, plugins), folder)
            if len(self._cache) >= MAX_CACHED:
                del self._cache[next(iter(self._cache))]
            self._cache[key] = _load(folder)
        return self._cache[key]


def _cache_key(experiment: Experiment) -> str:
    """Return a hash of everything that the prepared data depend on."""
    content = {
        "data": experiment.resolved_data(),
        "plugins": [*experiment.plugins, str(experiment.folder)],
        "dtype": experiment.model.dtype,
        "units": experiment.model.layers[-1].units,
    }
    text = json.dumps(content, sort_keys=True, default=lambda value: np.asarray(value).tolist())
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _save(prepared: PreparedData, folder: Path) -> None:
    """Save prepared data in a folder that is renamed into place when it is complete."""
    draft = folder.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)  # of a worker that died while saving
    draft.mkdir()
    sources: dict[int, Any] = {}  # by id: the parts of a split share arrays

    def source(array: Array | None) -> Any:
        if array is None:
            return None
        if id(array) not in sources:
            sources[id(array)] = _mapped_region(array) or f"{len(sources)}.npy"
            if isinstance(sources[id(array)], str):
                np.save(draft / sources[id(array)], array, allow_pickle=False)
        return sources[id(array)]

    layout: dict[str, Any] = {"preprocessing": prepared.preprocessing.to_json()}
    for name in PARTS:
        part: Part | None = getattr(prepared, name)
        layout[name] = part and {kind: source(getattr(part, kind)) for kind in ARRAYS}
    (draft / "layout.json").write_text(json.dumps(layout))
    draft.rename(folder)


def _mapped_region(array: Array) -> dict[str, Any] | None:
    """Return the region of a file that an array maps, if it is known to extend to the end of the file."""
    if not isinstance(array, np.memmap) or not array.flags.c_contiguous or not array.filename:
        return None
    path = Path(array.filename).absolute()
    # a view has the offset of its base, which is wrong unless both start at the same place
    if array.offset + array.nbytes != path.stat().st_size:
        return None
    return {"path": str(path), "offset": array.offset, "dtype": array.dtype.str, "shape": list(array.shape)}


def _load(folder: Path) -> PreparedData:
    """Map saved data."""
    layout = json.loads((folder / "layout.json").read_text())
    arrays: dict[str, Array] = {}

    def load(source: Any) -> Any:
        if source is None:
            return None
        key = json.dumps(source)
        if key not in arrays:
            arrays[key] = _map_array(source, folder)
        return arrays[key]

    parts: dict[str, Any] = {
        name: layout[name] and Part(**{kind: load(layout[name][kind]) for kind in ARRAYS}) for name in PARTS
    }
    return PreparedData(**parts, preprocessing=Preprocessing.from_json(layout["preprocessing"]))


def _map_array(source: Any, folder: Path) -> Array:
    if isinstance(source, str):
        array: Array = np.load(folder / source, allow_pickle=False, mmap_mode="r")
        return array
    return np.memmap(source["path"], source["dtype"], "r", source["offset"], tuple(source["shape"]))
