"""One copy of the data for all workers of a sweep, memory-mapped.

The first worker that needs some data prepares them and lays the arrays down as .npy files; all workers map
these, so that the machine holds them once however many work on them. What is prepared alike is found by a
key: the data section, with what else preparation looks at. An array that is mapped from a user's file
already stays there.
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

__all__ = ["SharedData"]

Array = NDArray[Any]
PARTS = ("train", "validation", "test")
ARRAYS = ("x", "y", "sample_weight", "rows")
MOST_HELD = 16  # data sets that a worker keeps mapped


class SharedData:
    """The prepared data of a sweep in a folder that all its workers see.

    Parameters
    ----------
    folder : Path
        Where the arrays lie; whoever has made it takes it away.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: dict[str, PreparedData] = {}

    def prepare(self, experiment: Experiment, plugins: Plugins) -> PreparedData:
        """Return the data of an experiment, prepared by whoever needed them first."""
        key = _key(experiment)
        if key not in self._held:
            place = self.folder / key
            with (self.folder / f"{key}.lock").open("w") as lock_file:
                lock(lock_file, wait=True)  # a worker that dies gives it back
                if not place.is_dir():
                    _lay_down(prepare(experiment, plugins), place)
            if len(self._held) >= MOST_HELD:
                del self._held[next(iter(self._held))]
            self._held[key] = _pick_up(place)
        return self._held[key]


def _key(experiment: Experiment) -> str:
    """Return a text that is equal for experiments whose data are prepared alike."""
    content = {
        "data": experiment.resolved()["data"],
        "plugins": [*experiment.plugins, str(experiment.folder)],
        "dtype": experiment.model.dtype,
        "units": experiment.model.layers[-1].units,
    }
    text = json.dumps(content, sort_keys=True, default=lambda value: np.asarray(value).tolist())
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _lay_down(prepared: PreparedData, place: Path) -> None:
    """Write prepared data into a folder, which appears when it is whole."""
    draft = place.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)  # of a worker that died over it
    draft.mkdir()
    files: dict[int, Any] = {}  # the parts of a split share arrays
    layout: dict[str, Any] = {"preprocessing": prepared.preprocessing.to_json()}
    for name in PARTS:
        part: Part | None = getattr(prepared, name)
        layout[name] = part and {kind: _file(getattr(part, kind), draft, files) for kind in ARRAYS}
    (draft / "layout.json").write_text(json.dumps(layout))
    draft.rename(place)


def _file(array: Array | None, draft: Path, files: dict[int, Any]) -> Any:
    """Return where an array is found again; one that lies in no file yet is written."""
    if array is None:
        return None
    if id(array) not in files:
        files[id(array)] = _own_file(array)
        if files[id(array)] is None:
            files[id(array)] = f"{len(files)}.npy"
            np.save(draft / files[id(array)], array, allow_pickle=False)
    return files[id(array)]


def _own_file(array: Array) -> dict[str, Any] | None:
    """Return which part of which file an array is, if it is the rest of one from some place on."""
    if not isinstance(array, np.memmap) or not array.flags.c_contiguous or not array.filename:
        return None
    path = Path(array.filename).absolute()
    # a view keeps the offset of the array that it is a part of
    if array.offset + array.nbytes != path.stat().st_size:
        return None
    return {"path": str(path), "offset": array.offset, "dtype": array.dtype.str, "shape": list(array.shape)}


def _pick_up(place: Path) -> PreparedData:
    """Map what was laid down."""
    layout = json.loads((place / "layout.json").read_text())
    arrays: dict[str, Array] = {}

    def array(where: Any) -> Array | None:
        if where is None:
            return None
        key = json.dumps(where)
        if key not in arrays:
            arrays[key] = _mapped(where, place)
        return arrays[key]

    parts = {name: _part(layout[name], array) for name in PARTS}
    return PreparedData(**parts, preprocessing=Preprocessing.from_json(layout["preprocessing"]))


def _part(files: Any, array: Any) -> Any:
    return files and Part(**{kind: array(files[kind]) for kind in ARRAYS})


def _mapped(where: Any, place: Path) -> Array:
    if isinstance(where, str):
        whole: Array = np.load(place / where, allow_pickle=False, mmap_mode="r")
        return whole
    shape = tuple(where["shape"])
    return np.memmap(where["path"], where["dtype"], "r", where["offset"], shape)
