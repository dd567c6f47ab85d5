import os
import pickle
import re
import zipfile

import numpy as np
import pytest

from cygd.data.sources.arrays import load_inline, load_npy, load_npz
from cygd.errors import DataError


def test_inline_numbers(tmp_path):
    data = load_inline(tmp_path, x=[[0, 1], [1, 0.5]], y=[1, 0])
    assert data.x.tolist() == [[0, 1], [1, 0.5]]
    assert data.y.tolist() == [[1], [0]]
    assert data.classes == ()


def test_inline_class_numbers_and_labels(tmp_path):
    data = load_inline(tmp_path, x=[1, 2, 3], y=[7, 3, 7], classes=True)
    assert (data.classes, data.y.tolist()) == ((3, 7), [[1], [0], [1]])
    data = load_inline(tmp_path, x=[1, 2, 3], y=["no", "yes", "no"])
    assert (data.classes, data.y.tolist()) == (("no", "yes"), [[0], [1], [0]])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([[1, 2], [3]], [1, 2], "x[1]: expected 2 values as in x[0], got 1"),
        ([[1, 2], 3], [1, 2], "x[1]: expected a list like the rows before, got a number"),
        ([1, [3]], [1, 2], "x[1]: expected a number like the rows before, got a list"),
        ([[1, "a"]], [1], "x[0][1]: expected a number, got 'a'"),
        ([1, True], [1, 2], "x[1]: expected a number, got True"),
        ([[1, None]], [1], "x[0][1]: expected a number, got None"),
        ([[1, [2]]], [1], "x[0][1]: expected a number, got [2]"),
        ([1, 2], [[1], [None]], "y[1][0]: expected a number, got None"),
        ([1, 2], ["a", True], "y[1]: expected a class label, a string or a number, got True"),
        (
            [1, 2],
            [["a", "b"], ["a", "c"]],
            "y[0]: expected a class label, a string or a number, got ['a', 'b']",
        ),
        ([1, 2], [1], "y: expected 2 rows as in x, got 1"),
        ([], [], "x and y have no rows"),
    ],
)
def test_invalid_inline_values_are_located(tmp_path, x, y, message):
    with pytest.raises(DataError, match=re.escape(message)):
        load_inline(tmp_path, x=x, y=y)


def test_npy_files_are_memory_mapped(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(3, 2))
    np.save(tmp_path / "y.npy", np.array([5, 3, 5]))
    data = load_npy(tmp_path, x="x.npy", y="y.npy")
    assert isinstance(data.x, np.memmap)
    assert data.y.shape == (3, 1)
    data = load_npy(tmp_path, x="x.npy", y="y.npy", classes=True)
    assert (data.classes, data.y.tolist()) == ((3, 5), [[1], [0], [1]])


def test_npz_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(2), y=np.array(["b", "a"]), sample_weight=[1.0, 2.0])
    data = load_npz(tmp_path, path="a.npz")
    assert (data.classes, data.y.tolist()) == (("a", "b"), [[1], [0]])
    assert data.sample_weight.tolist() == [1, 2]


def write(folder, name, content):
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    elif name.endswith(".npz"):
        np.savez(folder / name, **content)
    else:
        np.save(folder / name, content)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (b"", [1], {}, "x.npy is empty"),
        (b"1,2\n", [1], {}, "x.npy: cannot be read as a NumPy file"),
        (np.array([{}, 1], object), [1, 2], {}, "x.npy: expected numbers, got Python objects"),
        (np.array([1j]), [1], {}, "x.npy: expected real numbers, got the type complex128"),
        (np.array(["a"]), [1], {}, "x.npy: expected real numbers, got the type <U1"),
        (
            [1.0],
            np.array(["2020-01-01"], "M8[D]"),
            {},
            "y: expected real numbers, got the type datetime64[D]",
        ),
        ([1.0, 2.0], [1.0], {}, "y.npy: expected 2 rows as in "),
        (
            [1.0],
            [[1, 2]],
            {"classes": True},
            "y.npy: expected one column of class labels, got the shape (1, 2)",
        ),
        ([1.0, 2], [1, np.nan], {"classes": True}, "y.npy: row 1 (from 0): the class label is missing"),
        (np.empty((0, 3)), np.empty(0), {}, "no rows"),
    ],
)
def test_invalid_npy_file_is_an_error(tmp_path, x, y, options, message):
    write(tmp_path, "x.npy", x)
    write(tmp_path, "y.npy", y)
    with pytest.raises(DataError, match=re.escape(message)):
        load_npy(tmp_path, x="x.npy", y="y.npy", **options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.npz: cannot be read as a NumPy file"),
        (b"PK\x03\x04 and so on", "a.npz: cannot be read as a NumPy file"),
        ({"x": np.eye(2), "t": [1]}, "a.npz: expected an array 'y', got x, t"),
        ({"x": np.array([None]), "y": [1]}, "a.npz: expected numbers, got Python objects"),
        ({"x": np.eye(2), "y": [1]}, "a.npz: y: expected 2 rows as in "),
    ],
)
def test_invalid_npz_file_is_an_error(tmp_path, content, message):
    write(tmp_path, "a.npz", content)
    with pytest.raises(DataError, match=re.escape(message)):
        load_npz(tmp_path, path="a.npz")


def test_npy_and_npz_confusion_has_a_hint(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(2))
    np.savez(tmp_path / "a.npz", x=np.eye(2))
    with pytest.raises(
        DataError, match=r"a\.npy: expected an \.npz file, got an \.npy file\nhint: use source: npy"
    ):
        load_npz(tmp_path, path="a.npy")
    with pytest.raises(
        DataError, match=r"a\.npz: expected an \.npy file, got an \.npz file\nhint: use source: npz"
    ):
        load_npy(tmp_path, x="a.npz", y="a.npy")
    with pytest.raises(DataError, match=r"none\.npy: no such file"):
        load_npy(tmp_path, x="a.npy", y="none.npy")
    with pytest.raises(DataError, match=r"none\.npz: no such file"):
        load_npz(tmp_path, path="none.npz")
    with pytest.raises(DataError, match=r"x: expected the name of a file, got \[1\]"):
        load_npy(tmp_path, x=[1], y="a.npy")


def claim(path, size):
    """Let the directory of a zip file say that its first entry has another size when unpacked."""
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    data[at + 24 : at + 28] = size.to_bytes(4, "little")
    path.write_bytes(data)


def test_npz_that_claims_more_than_the_memory_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((100, 1)), y=np.zeros(100))
    claim(tmp_path / "bomb.npz", 4_000_000_000)
    sysconf = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sysconf.__getitem__)
    message = r"bomb\.npz: x takes 4000000000 bytes when unpacked, more than the memory of 4096000 bytes"
    with pytest.raises(DataError, match=message):
        load_npz(tmp_path, path="bomb.npz")


def test_array_that_claims_a_huge_shape_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(3))
    data = (tmp_path / "x.npy").read_bytes().replace(b"(3,), }            ", b"(3000000000000,), }")
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("x.npy", data)
        archive.writestr("y.npy", data)
    with pytest.raises(DataError, match=r"huge\.npz: cannot be read as a NumPy file"):
        load_npz(tmp_path, path="huge.npz")


def test_pickles_are_not_loaded_and_not_recommended(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "list.npy").write_bytes(pickle.dumps([1]))
    (tmp_path / "text.npy").write_text("x,y\n")
    for name, reason in [
        ("objects.npy", "expected numbers, got Python objects"),
        ("list.npy", r"cannot be read as a NumPy file \(it holds no array; pickles are never loaded\)"),
        ("text.npy", r"cannot be read as a NumPy file \(it holds no array; pickles are never loaded\)"),
    ]:
        with pytest.raises(DataError, match=f"{name}: {reason}$"):
            load_npy(tmp_path, x=name, y=name)
    (tmp_path / "list.npz").write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match=r"list\.npz: cannot be read as a NumPy file \(it holds no array;"):
        load_npz(tmp_path, path="list.npz")
