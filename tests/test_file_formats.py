"""The texts and bytes of JSON and .npz files are those of the general writers."""

import enum
import io
import json
import math
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cygd import files
from cygd.files import json_text, npz_bytes, read_npz, to_jsonable


def npz_of_zipfile(arrays, comment=b""):
    """Return the bytes that NumPy and `zipfile` write."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = comment
        for key, array in arrays.items():
            entry = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, wherever the test runs
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


MATRIX = np.arange(12.0).reshape(3, 4) / 7
ARRAYS = {
    "none": {},
    "weights": {"w0": MATRIX, "b0": np.zeros(4), "w1": np.ones((4, 1), np.float32)},
    "scalars": {"a": np.float64(3.5), "b": np.array(7), "c": 5, "network": '{"n": "\u00e4"}'},
    "empty": {"a": np.empty((0, 3)), "b": np.empty(0, np.int8)},
    "orders": {
        "columns": np.asfortranarray(MATRIX),
        "row": np.asfortranarray(MATRIX[:1]),
        "cut": MATRIX[:, ::2],
    },
    "types": {
        name: np.arange(3).astype(name) for name in ("?", "i1", "u8", ">f4", "<i2", "c16", "f2", "U5", "S4")
    },
    "names": {"\u00e4\u00f6": MATRIX, "a b/c": MATRIX, "x" * 300: MATRIX},
    "structured": {"a": np.zeros(2, [("x", "f8"), ("y", "i4", (2,))])},
    "many": {f"a{n}": np.full(n, n) for n in range(40)},
}


@pytest.mark.parametrize("comment", [b"", b"cygd checkpoint 7"])
@pytest.mark.parametrize("name", ARRAYS)
def test_npz_has_the_bytes_that_zipfile_writes(name, comment):
    assert npz_bytes(ARRAYS[name], comment) == npz_of_zipfile(ARRAYS[name], comment)


@pytest.mark.parametrize("limit", ["ZIP_LIMIT", "ZIP_ENTRIES"])
@pytest.mark.parametrize("name", ARRAYS)
def test_npz_beyond_the_limits_of_a_simple_directory_has_the_same_bytes(monkeypatch, name, limit):
    expected = npz_bytes(ARRAYS[name], b"end")
    monkeypatch.setattr(files, limit, -1)
    assert npz_bytes(ARRAYS[name], b"end") == expected


def test_npz_is_read_by_numpy_and_by_cygd():
    data = npz_bytes(ARRAYS["weights"])
    with np.load(io.BytesIO(data)) as loaded:
        assert list(loaded) == ["w0", "b0", "w1"]
        for key, array in read_npz(data).items():
            np.testing.assert_array_equal(array, loaded[key], strict=True)
            np.testing.assert_array_equal(array, ARRAYS["weights"][key], strict=True)
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


def test_npz_of_more_entries_than_a_simple_directory_holds():
    arrays = {f"a{n}": np.uint8(0) for n in range(2**16 + 1)}
    with zipfile.ZipFile(io.BytesIO(npz_bytes(arrays))) as archive:
        assert archive.namelist() == [f"{key}.npy" for key in arrays]


@pytest.mark.parametrize("array", [np.array([None]), np.zeros(1, [("x", "f8"), ("o", "O")])])
def test_npz_holds_no_python_objects(array):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        npz_bytes({"a": array})


# -- JSON -------------------------------------------------------------------------------------------


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


VALUES = {
    "numbers": [0, -1, 2**70, 0.1, 1e-300, 1e16, -0.0, math.nan, math.inf, -math.inf],
    "numpy": {"a": np.float32(0.1), "b": np.arange(6).reshape(2, 3), "c": np.bool_(True), "d": np.array(2.5)},
    "texts": ["", "a\"b\\c\n\t\x00\x1f\x7f", "\u00e4\u2028\U0001f600", "\ud800", "</script>"],
    "constants": [True, False, None],
    "empty": {"a": {}, "b": [], "c": (), "d": [[], {}], "e": np.empty((0, 2))},
    "keys": {1: "a", "1": "b", None: "c", 2.5: {"\u00e4": 1}},
    "others": [Path("a/b"), Level.HIGH, Text("x"), {Text("k"): (1, 2)}, 1 + 2j],
    "scalar": 0.25,
    "text": "alone",
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_json_is_that_of_the_standard_library(name):
    value = VALUES[name]
    assert json_text(value) == json.dumps(to_jsonable(value), indent=2, ensure_ascii=False)


def random_value(draw, depth=0):
    kind = draw.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [random_value(draw, depth + 1) for _ in range(draw.randrange(4))]
    if kind == 7:
        return {
            draw.choice("abcdef\u00e4\n"): random_value(draw, depth + 1) for _ in range(draw.randrange(5))
        }
    return draw.choice([None, True, draw.randrange(-5, 10**20), draw.uniform(-9, 9), "t\u00ebxt", "a\nb"])


def test_json_of_random_values_is_that_of_the_standard_library():
    draw = random.Random(0)
    for _ in range(300):
        value = random_value(draw)
        assert json_text(value) == json.dumps(to_jsonable(value), indent=2, ensure_ascii=False)
        assert json.loads(json_text(value)) == to_jsonable(value)
