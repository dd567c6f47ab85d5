import numpy as np
import pytest

from cygd.data import Dataset, DataSource
from cygd.errors import ConfigError, DataError


@pytest.fixture
def arrays(tmp_path, prepare):
    """Return a function that prepares the files x.npy and y.npy."""

    def run(x, y, **keys):
        np.save(tmp_path / "x.npy", x)
        np.save(tmp_path / "y.npy", y)
        return prepare(**{"source": "npy", "x": "x.npy", "y": "y.npy", **keys})

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_memory_mapped_array_is_not_copied(arrays, dtype):
    prepared = arrays(np.ones((10, 2), dtype), np.arange(10), dtype=dtype, split={"test": 0.5})
    assert isinstance(prepared.train.x, np.memmap)
    assert prepared.test.x is prepared.train.x
    assert prepared.train.y.dtype == dtype


@pytest.mark.parametrize("dtype", [">f8", "f2", "i4", "?"])
def test_other_types_are_converted(arrays, dtype):
    prepared = arrays(np.eye(4).astype(dtype), np.arange(4))
    assert prepared.train.x.dtype == np.float64
    assert prepared.train.x.tolist() == np.eye(4).tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_values_are_located(arrays, bad):
    x = np.zeros((9000, 3))
    x[8999, 1] = bad
    message = rf"x\.npy, .*y\.npy: row 8999 \(from 0\), column 'x1': expected a finite number, got {bad}"
    for scale in ("none", "standard"):
        with pytest.raises(DataError, match=message):
            arrays(x, np.arange(9000), scale=scale)
    y = np.zeros(3)
    y[2] = bad
    with pytest.raises(DataError, match=r"row 2 \(from 0\), column 'y0': "):
        arrays(np.zeros((3, 1)), y)


def test_class_numbers_of_an_array(arrays):
    prepared = arrays(np.eye(4), [7, 3, 5, 3], classes=True, units=3)
    assert prepared.classes == (3, 5, 7)
    assert prepared.train.y.argmax(axis=1).tolist() == [2, 0, 1, 0]
    with pytest.raises(ConfigError, match=r"if y holds class numbers, set data\.classes: true"):
        arrays(np.eye(4), [7, 3, 5, 3], units=3)


def test_columns_of_an_array_by_name(arrays):
    x = np.array([[1, 2, np.nan], [4, 5, 1], [7, 8, 2]])
    prepared = arrays(x, [1, 2, 3], inputs=("x1", 0))
    assert prepared.train.x.tolist() == [[2, 1], [5, 4], [8, 7]]
    prepared = arrays(x, [1, 2, 3], categorical=("x0",), missing="drop")
    assert prepared.train.x.tolist() == [[1, 0, 5, 1], [0, 1, 8, 2]]
    prepared = arrays(x, [1, 2, 3], missing="mean", sample_weight="x0")
    assert prepared.train.x.tolist() == [[2, 1.5], [5, 1], [8, 2]]
    with pytest.raises(DataError, match=r"row 0 \(from 0\), column 'x2': the value is missing"):
        arrays(x, [1, 2, 3], inputs=("x2",))


def test_validation_array_needs_the_same_columns(arrays, tmp_path):
    np.save(tmp_path / "v.npy", np.eye(3))
    with pytest.raises(DataError, match=r"expected the shape \(n_samples, 2\), got \(3, 3\)"):
        arrays(np.ones((3, 2)), [1, 2, 3], validation={"x": "v.npy"})


def test_unknown_label_in_validation_array_is_an_error(arrays, tmp_path):
    np.save(tmp_path / "v.npy", [0, 9, 1])
    with pytest.raises(DataError, match=r"row 1 \(from 0\), column 'y0': unknown label 9"):
        arrays(np.eye(3), [0, 1, 2], classes=True, units=3, validation={"y": "v.npy"})


def test_one_hot_targets_of_a_dataset(prepare):
    y = [[0, 1], [1, 0], [0, 1]]
    source = DataSource("own", lambda folder: Dataset([1, 2, 3], y, classes=("no", "yes")))
    assert prepare(source="own", component=source, units=2).train.y.tolist() == y
    assert prepare(source="own", component=source, units=1).train.y.tolist() == [[1], [0], [1]]


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "f2"])
@pytest.mark.parametrize("target_dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("keys", "columns"), [({}, [0, 1]), ({"targets": ("y1",)}, [1])])
def test_targets_of_any_layout_become_c_contiguous(arrays, dtype, target_dtype, order, keys, columns):
    y = np.arange(8).reshape(4, 2) / 4
    x = np.eye(4, dtype=target_dtype)
    prepared = arrays(x, np.array(y, dtype, order=order), units=len(columns), dtype=target_dtype, **keys)
    assert prepared.train.y.dtype == target_dtype
    assert prepared.train.y.flags.c_contiguous
    np.testing.assert_array_equal(prepared.train.y, y[:, columns])


def test_single_target_column_is_not_copied(arrays, tmp_path):
    prepared = arrays(np.eye(4, dtype="f4"), np.arange(4, dtype="f4"), dtype="float32", split={"test": 0.5})
    y = prepared.train.y
    while not isinstance(y, np.memmap):
        assert y.base is not None
        y = y.base
    assert y.filename == tmp_path / "y.npy"


@pytest.mark.parametrize("scale", ["none", "standard"])
def test_float32_targets_are_computed_in_float64(arrays, scale):
    y = (np.arange(50) / 7).astype("f4")
    single = arrays(np.eye(50), y, scale={"targets": scale})
    double = arrays(np.eye(50), y.astype("f8"), scale={"targets": scale})
    np.testing.assert_array_equal(single.train.y, double.train.y)
    assert single.preprocessing == double.preprocessing
