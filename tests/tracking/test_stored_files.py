"""Files of a run folder that are read back: shapes of JSON, arrays without objects, bounded memory."""

import io
import os
import zipfile

import numpy as np
import pytest

from cygd.errors import CheckpointError
from cygd.files import npz_bytes, read_npz
from cygd.tracking.stored_files import (
    COUNT,
    FINISHED,
    NULL,
    NUMBER,
    RESULT,
    TEXT,
    check_shape,
    read_bytes,
    read_json,
)

GOOD = {"status": "completed", "metrics": {"loss": 0.5, "r2": None}, "epochs": 3, "best_epoch": None}


def test_expected_shapes_are_accepted():
    check_shape({**GOOD, "seconds": 1, "a key of a later version": [1]}, RESULT)
    check_shape([1, 0], [COUNT])
    check_shape(None, (NULL, {"a": COUNT}))
    check_shape({"a": 1}, (NULL, {"a": COUNT}))


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        ({**GOOD, "epochs": True}, RESULT, "epochs: expected a whole number of at least 0, got True"),
        ({**GOOD, "epochs": 10**30}, RESULT, "epochs: expected a whole number of at least 0, got 1000"),
        (
            {**GOOD, "metrics": {"loss": []}},
            RESULT,
            r"metrics.loss: expected a finite number or null, got \[\]",
        ),
        ({**GOOD, "seconds": float("nan")}, RESULT, "seconds: expected a finite number or null, got nan"),
        ({"status": "completed"}, FINISHED, "the key 'metrics' is missing"),
        ({}, RESULT, "the key 'status' is missing"),
        (["a"], RESULT, r"expected an object, got \['a'\]"),
        ([1, "2"], [NUMBER], r"\[1\]: expected a number, got '2'"),
        ({"a": {"b": 1}}, {...: {"b": TEXT}}, "a.b: expected a text, got 1"),
        ({"a": "b"}, (NULL, {"a": COUNT}), "a: expected a whole number of at least 0, got 'b'"),
        (["x" * 1000], (NULL, TEXT), r"expected null or a text, got \['x{55}\.\.\."),
    ],
)
def test_other_shapes_are_refused_with_the_key(value, shape, message):
    with pytest.raises(ValueError, match=message):
        check_shape(value, shape)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "can't decode byte"),
        (b"[" * 200_000, "it is nested too deeply"),
        (rb'{"status": "\ud800"}', "surrogates not allowed"),
        (rb'{"status": "\ud83d\ude00", "metrics": {}}', "the key 'epochs' is missing"),
        (b"1" * 5000, "integer string conversion"),
    ],
)
def test_unreadable_json_is_one_error_that_names_the_file(tmp_path, content, reason):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"result.json is damaged: .*{reason}"):
        read_json(path, FINISHED)


def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "zeros", tmp_path):
        with pytest.raises(CheckpointError, match="is damaged: expected a regular file"):
            read_bytes(path)


def test_size_is_checked_before_the_file_is_read(tmp_path):
    with (tmp_path / "result.json").open("wb") as file:
        file.truncate(10**12)  # sparse
    with pytest.raises(CheckpointError, match="expected at most 64000000 bytes, got 1000000000000"):
        read_json(tmp_path / "result.json", RESULT)


# -- arrays -----------------------------------------------------------------------------------------


def archive(compression=zipfile.ZIP_STORED, **entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array, **header):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f8", "uint8", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (4, 0, 2)])
def test_arrays_are_those_that_numpy_reads(dtype, shape):
    array = np.asfortranarray(np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype))
    for data in (npz_bytes({"a": array}), archive(zipfile.ZIP_DEFLATED, a=npy(array))):
        found = read_npz(data)["a"]
        np.testing.assert_array_equal(found, array)
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.flags.writeable


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(np.array([{}], dtype=object)), "a.npy: expected an array of numbers, got Python objects"),
        (npy(np.array(["text"])), "a.npy: expected an array of numbers, got the type <U4"),
        (npy(np.zeros(2, [("x", "f8")])), "a.npy: expected an array of numbers, got the type"),
        (npy(np.zeros(2))[:-1], "a.npy: expected 16 bytes for the shape .*, got 15"),
        (npy(np.zeros(2)).replace(b"(2,)", b"(9,)"), "a.npy: expected 72 bytes for the shape .*, got 16"),
        (b"\x80\x04K\x01.", "a.npy: expected an array of numbers, got something else"),
        (b"", "a.npy: expected an array of numbers, got something else"),
        (b"\x93NUMPY\x01\x00\x05\x00((((\n", "a.npy: "),
        (b"\x93NUMPY\x09\x00", "a.npy: "),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        read_npz(archive(a=content))


def test_bomb_is_refused_before_it_is_unpacked():
    bomb = archive(zipfile.ZIP_DEFLATED, **{f"w{k}": npy(np.zeros(2_000_000)) for k in range(5)})
    assert len(bomb) < 200_000
    with pytest.raises(ValueError, match=r"expected arrays that fit its \d+ bytes, got 80000640 bytes"):
        read_npz(bomb)


def test_no_archive_is_refused():
    for data in (b"", b"PK", npy(np.zeros(3)), archive(a=npy(np.zeros(3)))[:-30]):
        with pytest.raises(ValueError, match="File is not a zip file"):
            read_npz(data)
