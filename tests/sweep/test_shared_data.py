"""Data that workers share equal the data of a single run."""

import numpy as np
import pytest

from cygd.runner.assembly import build, read
from cygd.sweep.shared_data import SharedData

CSV = "x,colour,w,y\n" + "".join(f"{i / 7},{'rgb'[i % 3]},{1 + i % 2},{'ab'[i % 2]}\n" for i in range(40))
MIXED = {
    "data": {
        "source": "csv",
        "path": "d.csv",
        "targets": ["y"],
        "scale": "standard",
        "sample_weight": "w",
        "split": {"validation": 0.25, "test": 0.2},
    },
    "model": {"layers": [{"units": 1, "activation": "sigmoid"}]},
}
NPY = {
    "data": {"source": "npy", "x": "x.npy", "y": "y.npy", "split": {"validation": 0.25}},
    "model": {"layers": [1]},
}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "d.csv").write_text(CSV)
    np.save("x.npy", np.arange(80.0).reshape(40, 2))
    np.save("y.npy", np.arange(40.0))
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


def arrays(prepared):
    for part in (prepared.train, prepared.validation, prepared.test):
        for kind in ("x", "y", "sample_weight", "rows"):
            yield None if part is None else getattr(part, kind)


@pytest.mark.parametrize("experiment", [MIXED, NPY], ids=["csv", "npy"])
def test_shared_data_equal_the_data_of_a_single_run(experiment, files):
    single = build(read(experiment)).data
    reading = read(experiment)
    for worker in (SharedData(files), SharedData(files)):
        shared = build(reading, prepare=worker.prepare).data
        for ours, theirs in zip(arrays(single), arrays(shared), strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                assert ours.dtype == theirs.dtype
                np.testing.assert_array_equal(ours, theirs)
        assert single.preprocessing.to_json() == shared.preprocessing.to_json()
        assert shared.train.x is shared.validation.x
        assert isinstance(shared.train.x, np.memmap)
        assert not shared.train.x.flags.writeable


def test_data_are_prepared_once(files, monkeypatch):
    calls = []
    real = __import__("cygd.sweep.shared_data", fromlist=["prepare"]).prepare
    monkeypatch.setattr("cygd.sweep.shared_data.prepare", lambda *given: calls.append(given) or real(*given))
    first, second = SharedData(files), SharedData(files)
    for worker in (first, second, first):
        build(read(MIXED, ["seed=3", "train.epochs=5"]), prepare=worker.prepare)
    assert len(calls) == 1
    for other in ("data.scale=none", "data.split.seed=1", "model.dtype=float32"):
        build(read(MIXED, [other]), prepare=first.prepare)
    assert len(calls) == 4


def test_mapped_file_is_not_copied(files):
    build(read(NPY), prepare=SharedData(files).prepare)
    copied = {path.name: np.load(path).shape for path in files.glob("*/*.npy")}
    assert (40, 2) not in copied.values()


def test_part_of_a_mapped_file_is_copied(files):
    whole = np.load("x.npy", mmap_mode="r")
    from cygd.sweep.shared_data import _mapped_region

    assert _mapped_region(whole)["shape"] == [40, 2]
    assert _mapped_region(whole[:20]) is None
    assert _mapped_region(whole[1:]) is None
    assert _mapped_region(whole.T) is None
    assert _mapped_region(np.array(whole)) is None


def test_partial_data_of_a_dead_worker_are_replaced(files):
    worker = SharedData(files)
    build(read(NPY), prepare=worker.prepare)
    [place] = [path for path in files.iterdir() if path.is_dir()]
    place.rename(place.with_suffix(".part"))
    assert len(build(read(NPY), prepare=SharedData(files).prepare).data.train) == 30


def test_invalid_data_fail_every_time(files, tmp_path):
    (tmp_path / "d.csv").write_text("x,colour,w,y\n1,r,1,a\n,g,1,b\n")
    worker = SharedData(files)
    for _ in range(2):
        with pytest.raises(ValueError, match="the value is missing"):
            build(read(MIXED, ["data.split=null"]), prepare=worker.prepare)
