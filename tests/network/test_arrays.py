"""Networks: input and output arrays of every memory layout."""

import numpy as np
import pytest

from cygd import DataError, Network, core
from tests.helpers.network_cases import X, small


def misaligned(array):
    raw = bytearray(1) + bytearray(array.tobytes())
    return np.frombuffer(raw, array.dtype, array.size, offset=1).reshape(array.shape)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "convert",
    [
        np.ndarray.tolist,
        np.asfortranarray,
        read_only,
        misaligned,
        lambda x: x.astype(">f8"),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.repeat(x, 3, axis=1)[:, ::3],
        lambda x: x[::-1][::-1],
        lambda x: x.astype(np.float32),
        lambda x: x.astype(np.float16),
        lambda x: x.astype(np.longdouble),
    ],
)
def test_any_memory_layout_gives_the_same_bits(convert):
    np.testing.assert_array_equal(small().predict(convert(X)), small().predict(X))
    assert small().loss(convert(X), X) == small().loss(X, convert(X)) == small().loss(X, X)


def test_integers_bools_and_memory_maps_are_accepted(tmp_path):
    whole = np.array([[1, 0], [0, 1]])
    expected = small().predict(whole.astype(float))
    np.save(tmp_path / "x.npy", whole.astype(float))
    for x in (whole, whole.astype(bool), whole.astype(np.uint8), np.load(tmp_path / "x.npy", mmap_mode="r")):
        np.testing.assert_array_equal(small().predict(x), expected)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (None, TypeError, "x: expected an array, got None"),
        (np.ma.array(X), TypeError, r"x: masked arrays are not supported; fill it first \(x.filled"),
        (list(np.ma.array(X)), TypeError, r"x: masked arrays are not supported; fill it first \(x.filled"),
        ([[1.0, np.ma.masked]], TypeError, r"x: masked arrays are not supported; fill it first \(x.filled"),
        (X.astype(object), TypeError, "x: expected real numbers, got dtype object"),
        (X.astype(complex), TypeError, "x: expected real numbers, got dtype complex128"),
        (X.astype(str), TypeError, "x: expected real numbers, got dtype <U"),
        (X[0], ValueError, r"x must have shape \(n_samples, 2\), got \(2,\)"),
        (X[:, :1], ValueError, r"x must have shape \(n_samples, 2\), got \(3, 1\)"),
        (X[None], ValueError, r"x must have shape \(n_samples, 2\), got \(1, 3, 2\)"),
    ],
)
def test_invalid_x_is_an_error(x, error, message):
    for call in (small().predict, lambda x: small().loss(x, X), lambda x: small().fit(x, X)):
        with pytest.raises(error, match=message):
            call(x)


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        (X[:2], None, "x has 3 rows, y has 2"),
        (X[:, :1], None, r"y must have shape \(n_samples, 2\), got \(3, 1\)"),
        (X, [1.0, 2.0], r"sample_weight must have shape \(3,\), got \(2,\)"),
        (X, [[1.0], [1.0], [1.0]], r"sample_weight must have shape \(3,\), got \(3, 1\)"),
        (X, [1.0, -1.0, 1.0], "sample_weight must be finite and not negative"),
        (X, [1.0, np.nan, 1.0], "sample_weight must be finite and not negative"),
    ],
)
def test_invalid_y_and_sample_weight_are_errors(y, weight, message):
    for call in (small().loss, small().gradient, small().numerical_gradient):
        with pytest.raises(ValueError, match=message):
            call(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match=message):
        small().fit(X, y, sample_weight=weight)


def test_targets_outside_the_domain_of_the_loss_are_errors():
    net = Network(2, [1], loss="hinge")
    message = r"loss 'hinge': expected targets of -1 or 1, got y\[1, 0\] = 0.5"
    with pytest.raises(DataError, match=message):
        net.fit(X, [[1.0], [0.5], [-1.0]])


def test_targets_of_one_output_may_have_one_dimension():
    net = Network(2, [1])
    assert net.loss(X, [1.0, 2.0, 3.0]) == net.loss(X, [[1.0], [2.0], [3.0]])


def test_predict_fills_out():
    out = np.full((3, 2), np.nan)
    assert small().predict(X, out=out) is out
    np.testing.assert_array_equal(out, small().predict(X))


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.empty((2, 2)), r"out must be C-contiguous, of shape \(3, 2\) and dtype float64"),
        (np.empty((3, 2), np.float32), r"it has shape \(3, 2\) and dtype float32"),
        (np.empty((3, 2), order="F"), "out must be C-contiguous"),
        (read_only(np.empty((3, 2))), "out is read-only"),
    ],
)
def test_invalid_out_is_an_error(out, message):
    with pytest.raises(ValueError, match=message):
        small().predict(X, out=out)


def test_out_must_be_an_array():
    with pytest.raises(TypeError, match="out: expected an array, got list"):
        small().predict(X, out=[0.0])


def test_out_that_overlaps_x_is_an_error():
    memory = np.zeros((4, 2))
    with pytest.raises(ValueError, match="out overlaps x: pass x itself or a separate array"):
        small().predict(memory[:3], out=memory[1:])


def test_no_rows_give_no_predictions_and_no_loss():
    net = Network(2, [{"units": 2, "l2": 1.0}])
    nothing = np.empty((0, 2))
    assert net.predict(nothing).shape == (0, 2)
    assert net.loss(nothing, nothing) == 0
    objective, gradient = net.gradient(nothing, nothing)
    assert objective == net.penalty() > 0
    np.testing.assert_array_equal(gradient[:4], net.weights[0].ravel())
    with pytest.raises(ValueError, match="no rows to train on"):
        net.fit(nothing, nothing)


@pytest.mark.parametrize("rows", [1, 9, 40])
def test_a_non_finite_row_changes_no_other_row(rows):
    x = np.random.default_rng(rows).normal(size=(rows, 2))
    expected = small().predict(x)
    for value in (np.nan, np.inf, -np.inf):
        for place in {0, rows // 2, rows - 1}:
            spoilt = x.copy()
            spoilt[place, 0] = value
            found = small().predict(spoilt)
            others = np.arange(rows) != place
            np.testing.assert_array_equal(found[others], expected[others])
            assert np.isnan(found[place]).all() == np.isnan(value)


def test_the_loss_of_non_finite_rows_is_not_finite():
    spoilt = np.where(X == 2, np.nan, X)
    assert np.isnan(small().loss(spoilt, X))
    assert np.isnan(small().gradient(X, spoilt)[0])


@pytest.mark.parametrize("out", [np.ma.zeros((3, 2)), np.ma.array(np.zeros((3, 2)), mask=True)])
def test_masked_outputs_are_refused(out):
    with pytest.raises(TypeError, match="out: masked arrays are not supported"):
        small().predict(X, out=out)
    with pytest.raises(TypeError, match="out: masked arrays are not supported"):
        core.activate(X, "tanh", out=out)


@pytest.mark.parametrize("key", ["weights", "bias"])
def test_masked_initial_values_are_refused(key):
    values = np.ma.masked_array(np.ones((2, 3) if key == "weights" else 3), mask=True)
    with pytest.raises(
        ValueError, match=rf"layers\[0\]: {key}: masked arrays are not supported; fill it first"
    ):
        Network(2, [{"units": 3, key: values}])
