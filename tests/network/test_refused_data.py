"""What `fit` refuses: numbers that are not finite, parts without rows, networks that cannot learn."""

import tracemalloc

import numpy as np
import pytest

from cygd import DataError, Network

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.random.default_rng(1).random((40, 2))
HINT = r"; fill or drop such rows \(check_finite=False takes them as they are\)"


def network(dtype="float64", loss="mse"):
    return Network(3, [(4, "tanh"), (2, "sigmoid")], loss=loss, dtype=dtype, seed=2)


def spoiled(array, place, value):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["x", "y", "validation x", "validation y"])
def test_a_number_that_is_not_finite_is_refused_with_its_place(name, dtype, value):
    array = name[-1]
    rows = {"x": X, "y": Y, array: spoiled({"x": X, "y": Y}[array], (7, 1), value)}
    x, y = (rows["x"], rows["y"]) if len(name) == 1 else (X, Y)
    validation = None if len(name) == 1 else (rows["x"], rows["y"])
    net = network(dtype)
    before = net.parameters.copy()
    expected = f"{name}: expected finite numbers, got {name}\\[7, 1\\] = {value} \\(row 7, column 1\\){HINT}"
    with pytest.raises(ValueError, match=expected):
        net.fit(x, y, epochs=2, validation=validation)
    with pytest.raises(ValueError, match=expected):
        next(net.steps(x, y, epochs=2, validation=validation))
    np.testing.assert_array_equal(net.parameters, before)
    assert net.epochs == 0


@pytest.mark.parametrize(
    "form",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a.astype(np.float16),
        np.ndarray.tolist,
    ],
    ids=["Fortran", "strided", "float16", "list"],
)
def test_the_place_is_that_in_the_array_of_the_caller(form):
    with pytest.raises(ValueError, match=r"got x\[39, 2\] = nan \(row 39, column 2\)"):
        network().fit(form(spoiled(X, (39, 2), np.nan)), Y)


def test_the_first_of_many_is_named():
    x = np.zeros((70_000, 3))
    x[66_001:] = np.nan
    with pytest.raises(ValueError, match=r"got x\[66001, 0\] = nan"):
        network().fit(x, np.zeros((70_000, 2)))


def test_large_numbers_are_finite_though_their_sum_is_not():
    net = Network(1, [{"units": 1, "weights": [[1e-300]]}], loss="mae")
    history = net.fit([[1e308], [1e308], [-1e308]], [[0.0]] * 3, learning_rate=0.0)
    assert history.status == "completed"


def test_a_number_that_float32_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"got x\[3, 0\] = inf \(row 3, column 0\)"):
        network("float32").fit(spoiled(X, (3, 0), 1e300), Y)
    assert network().fit(spoiled(X, (3, 0), 1e300), Y, epochs=1).status == "completed"


def test_a_target_of_a_row_of_weight_0_may_be_outside_the_domain():
    weight = np.ones(40)
    weight[7] = 0
    y = spoiled(Y, (7, 1), 5.0)
    with pytest.raises(DataError, match="expected targets from 0 to 1"):
        network(loss="binary_cross_entropy").fit(X, y)
    history = network(loss="binary_cross_entropy").fit(X, y, sample_weight=weight, epochs=1)
    assert history.status == "completed"


def test_targets_of_validation_rows_are_checked():
    with pytest.raises(DataError, match="expected targets from 0 to 1"):
        network(loss="binary_cross_entropy").fit(X, Y, validation=(X, Y + 3))


def test_parameters_that_are_not_finite_are_refused():
    net = network()
    net.biases[0][2] = np.nan
    with pytest.raises(ValueError, match=r"parameters: expected finite numbers, got parameters\[14\] = nan"):
        net.fit(X, Y)


def test_prediction_takes_numbers_that_are_not_finite():
    out = network().predict(spoiled(X, (7, 1), np.nan))
    assert np.flatnonzero(np.isnan(out).any(axis=1)).tolist() == [7]


def test_the_check_needs_no_memory():
    from cygd.network.checks import check_finite

    x = np.ones((500, 1000))
    tracemalloc.start()
    check_finite("x", x)
    x[499, 999] = np.inf
    with pytest.raises(ValueError, match=r"x\[499, 999\]"):
        check_finite("x", x)
    assert tracemalloc.get_traced_memory()[1] < x.nbytes / 10
    tracemalloc.stop()


@pytest.mark.parametrize("stop", [None, {"patience": 3}])
def test_validation_without_rows_is_refused(stop):
    with pytest.raises(ValueError, match=r"no rows to validate on: validation x has shape \(0, 3\)"):
        network().fit(X, Y, validation=(X[:0], Y[:0]), stop=stop)


def test_training_without_rows_is_refused():
    with pytest.raises(ValueError, match=r"no rows to train on: x has shape \(0, 3\)"):
        network().fit(X[:0], Y[:0], epochs=0)


@pytest.mark.parametrize("layers", [[(1, "softmax")], [(1, "softmax"), 2], [3, (1, {"name": "softmax"})]])
def test_softmax_of_one_unit_is_refused(layers):
    with pytest.raises(ValueError, match=r"layers\[\d\]: softmax of one unit is always 1; use sigmoid"):
        Network(3, layers)


def test_cross_entropy_of_one_unit_is_refused():
    with pytest.raises(ValueError, match="cross_entropy of one unit is minimal if the output is always 1"):
        Network(3, [(1, "sigmoid")], loss="cross_entropy")


def test_a_schedule_that_watches_the_loss_is_shown_every_epoch():
    plateau = {"name": "reduce_on_plateau", "patience": 2, "factor": 0.5, "threshold": 0.9}
    history = network().fit(X, Y, learning_rate=0.01, epochs=9, schedule=plateau)
    assert history["learning_rate"] == [0.01] * 4 + [0.005] * 3 + [0.0025] * 2
    assert history["epoch"] == list(range(10))
    sparse = network().fit(X, Y, learning_rate=0.01, epochs=9, schedule=plateau, evaluate_every=3)
    assert sparse["epoch"] == [0, 3, 6, 9]


def test_rows_of_different_lengths_are_refused_by_name():
    with pytest.raises(ValueError, match="x: expected rows of equal length: setting an array element"):
        network().fit([[1.0, 2.0, 3.0], [1.0]], Y[:2])


@pytest.mark.parametrize("y", [[0, 1, 1], [[0], [1], [1]]])
def test_class_numbers_are_refused_with_the_remedy(y):
    with pytest.raises(ValueError, match=r"; class numbers need one column per class: np\.eye\(2\)"):
        network().fit(X[:3], y)


@pytest.mark.parametrize("batch_size", [1, 8, "full"])
@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e300])
def test_rows_of_weight_0_may_hold_anything(garbage, batch_size):
    weight = np.where(np.arange(40) % 5 == 3, 0.0, 1.5)
    ends = []
    for value in (0.0, garbage):
        x, y = X.copy(), Y.copy()
        x[weight == 0], y[weight == 0] = value, value
        net = network()
        history = net.fit(
            x, y, epochs=3, batch_size=batch_size, sample_weight=weight, metrics=["mae"], evaluate_every=1
        )
        assert history.status == "completed"
        ends.append([net.parameters.tolist(), history["loss"], history["mae"], history["running_loss"]])
    assert ends[0] == ends[1]
