import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cygd.errors import ConfigError
from cygd.files import to_jsonable, write_durably
from cygd.tracking import directory
from cygd.tracking.directory import RunDirectory


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_default_folder_name_has_time_and_random_hex(here):
    path = RunDirectory.create("xor").path
    assert path.parent == here / "runs" / "xor"
    date, time, chance = path.name.split("-")
    assert (len(date), len(time), len(chance)) == (8, 6, 4)
    assert date.isdigit()
    assert time.isdigit()
    int(chance, 16)
    assert path.is_dir()


def test_existing_folder_name_is_not_reused(monkeypatch):
    drawn = iter([b"\xaa\xaa", b"\xaa\xaa", b"\xbb\xbb"])
    monkeypatch.setattr(directory.os, "urandom", lambda n: next(drawn))
    monkeypatch.setattr(directory.time, "strftime", lambda pattern: "20260101-000000")
    first, second = RunDirectory.create("xor"), RunDirectory.create("xor")
    assert first.path.name == "20260101-000000-aaaa"
    assert second.path.name == "20260101-000000-bbbb"


def test_out_is_created_with_its_parents(here):
    assert RunDirectory.create("xor", "deep/er").path == here / "deep" / "er"
    assert not (here / "runs").exists()


def test_empty_out_is_accepted(here):
    (here / "mine").mkdir()
    assert RunDirectory.create("xor", here / "mine").path == here / "mine"


def test_nonempty_out_is_rejected(here):
    (here / "mine").mkdir()
    (here / "mine" / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match=r"run folder '.*mine' is not empty") as caught:
        RunDirectory.create("xor", "mine")
    assert "runs/" in caught.value.problems[0].hint
    assert [path.name for path in (here / "mine").iterdir()] == ["thesis.tex"]


def test_second_of_two_runs_in_one_empty_folder_is_rejected(here, monkeypatch):
    (here / "mine").mkdir()
    monkeypatch.setattr(directory, "_create_out", lambda out: out)  # both found it empty
    RunDirectory.create("xor", here / "mine")
    with pytest.raises(ConfigError, match=r"run folder '.*mine' is not empty"):
        RunDirectory.create("xor", here / "mine")


def test_out_that_is_a_file_is_rejected(here):
    (here / "mine").write_text("")
    with pytest.raises(ConfigError, match=r"run folder '.*mine' is not a folder"):
        RunDirectory.create("xor", "mine")


def test_out_below_a_file_is_rejected(here):
    (here / "mine").write_text("")
    with pytest.raises(ConfigError, match=r"cannot create the run folder '.*': Not a directory"):
        RunDirectory.create("xor", "mine/deeper")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0b"])
def test_invalid_folder_name_is_rejected(name, here):
    with pytest.raises(ConfigError, match="cannot be the name of a folder"):
        RunDirectory.create(name)
    assert not (here / "runs").exists()


def test_file_is_synced_renamed_and_its_folder_synced(here, monkeypatch):
    events = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda d: events.append(str(Path(f"/proc/self/fd/{d}").readlink())) or fsync(d)
    )
    monkeypatch.setattr(Path, "replace", lambda a, b: events.append(f"{a} -> {b}") or replace(a, b))
    write_durably(here / "a.txt", b"new")
    temporary = events[0]
    assert Path(temporary).parent == here
    assert events == [temporary, f"{temporary} -> {here / 'a.txt'}", str(here)]
    assert [path.name for path in here.iterdir()] == ["a.txt"]


def test_failed_write_keeps_the_old_file(here, monkeypatch):
    (here / "a.txt").write_text("old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        write_durably(here / "a.txt", b"new")
    assert [path.name for path in here.iterdir()] == ["a.txt"]
    assert (here / "a.txt").read_text() == "old"


def test_equal_arrays_give_equal_bytes_without_pickle():
    arrays = {"w0": np.arange(6.0).reshape(2, 3), "b0": np.zeros(3, np.float32)}
    folder = RunDirectory.create("xor")
    first = folder.write_npz("weights.npz", arrays).read_bytes()
    second = folder.write_npz(
        "again.npz", {name: array.copy() for name, array in arrays.items()}
    ).read_bytes()
    assert first == second
    with np.load(folder.path / "weights.npz", allow_pickle=False) as archive:
        assert archive.files == ["w0", "b0"]
        for name, array in arrays.items():
            assert archive[name].dtype == array.dtype
            np.testing.assert_array_equal(archive[name], array)
    with zipfile.ZipFile(folder.path / "weights.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_object_arrays_are_rejected():
    with pytest.raises(ValueError, match="Object arrays cannot be saved when allow_pickle=False"):
        RunDirectory.create("xor").write_npz("w.npz", {"w0": np.array([None])})


def test_json_has_plain_values_and_a_final_newline():
    folder = RunDirectory.create("xor")
    value = {"loss": np.float64("nan"), "best": np.int64(3), "path": Path("a"), "list": (np.inf, True, None)}
    text = folder.write_json("result.json", value).read_text()
    assert text.endswith("}\n")
    assert json.loads(text) == {"loss": None, "best": 3, "path": "a", "list": [None, True, None]}


def test_to_jsonable_converts_arrays():
    assert to_jsonable(np.array([[1.5, np.nan]])) == [[1.5, None]]


def test_plugins_of_the_same_name_get_numbered_folders(here):
    folder = RunDirectory.create("xor")
    names = []
    for parent in ("a", "b"):
        (here / parent).mkdir()
        (here / parent / "swish.py").write_text(f"# {parent}")
        names.append(folder.copy_plugin(here / parent / "swish.py"))
    assert names == ["plugins/swish.py", "plugins/2/swish.py"]
    assert [(folder.path / name).read_text() for name in names] == ["# a", "# b"]
