"""Networks: assignments to parameters and attributes."""

import pickle

import numpy as np
import pytest

from cygd import Network

X = np.array([[0.5, -1.0], [2.0, 0.25]])


def network(dtype="float64"):
    return Network(2, [(3, "tanh"), {"units": 1, "bias": False}], dtype=dtype, seed=1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "values",
    [
        np.linspace(-1, 1, 12),
        np.linspace(-1, 1, 12, dtype=np.float16),
        np.arange(12),
        np.linspace(-1, 1, 24)[::2],
        np.linspace(-1, 1, 12).astype(">f8"),
        np.linspace(-1, 1, 12).tolist(),
        np.frombuffer(np.linspace(-1, 1, 12).tobytes()),
    ],
    ids=["float64", "float16", "integers", "strided", "byte-swapped", "list", "read-only"],
)
def test_assigned_parameters_are_seen_everywhere(tmp_path, dtype, values):
    net, expected = network(dtype), network(dtype)
    vector, weights = net.parameters, net.weights[0]
    net.parameters = values
    expected.parameters[...] = values
    assert net.parameters is vector
    np.testing.assert_array_equal(weights, np.asarray(values, dtype)[:6].reshape(2, 3))
    np.testing.assert_array_equal(net.predict(X), expected.predict(X))
    net.save(tmp_path / "net.npz")
    np.testing.assert_array_equal(Network.load(tmp_path / "net.npz").parameters, expected.parameters)
    for one in (net, expected):
        one.fit(X, [[1.0], [0.0]], epochs=3)
    np.testing.assert_array_equal(net.parameters, expected.parameters)


def test_parameters_change_in_place():
    net = network()
    before, vector = net.parameters.copy(), net.parameters
    net.parameters += 1
    net.parameters *= 0.5
    net.parameters[...] -= 0.25
    assert net.parameters is vector
    np.testing.assert_array_equal(net.parameters, (before + 1) * 0.5 - 0.25)
    net.parameters = net.parameters[::-1]
    np.testing.assert_array_equal(net.parameters, ((before + 1) * 0.5 - 0.25)[::-1])
    net.biases[0][:] = 7
    net.weights[1][0, 0] = 8
    assert net.parameters[6:10].tolist() == [7, 7, 7, 8]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(11), r"parameters: expected shape \(12,\), got \(11,\)"),
        (np.zeros((1, 12)), r"parameters: expected shape \(12,\), got \(1, 12\)"),
        (0.0, r"parameters: expected shape \(12,\), got \(\)"),
        ([0.0] * 7 + [np.nan] + [0.0] * 4, r"parameters: expected finite numbers, got parameters\[7\] = nan"),
        ([-np.inf] + [0.0] * 11, r"parameters: expected finite numbers, got parameters\[0\] = -inf"),
        (None, "parameters: expected an array, got None"),
        (np.zeros(12, complex), "parameters: expected real numbers, got dtype complex128"),
    ],
)
def test_invalid_parameters_are_refused_and_change_nothing(values, message):
    net = network()
    before = net.parameters.copy()
    with pytest.raises((ValueError, TypeError), match=message):
        net.parameters = values
    np.testing.assert_array_equal(net.parameters, before)


def test_numbers_beyond_float32_are_refused():
    net = network("float32")
    with pytest.raises(ValueError, match=r"expected finite numbers, got parameters\[0\] = inf"):
        net.parameters = np.full(12, 1e300)


def test_lists_of_layers_cannot_be_assigned():
    net = network()
    for views in (net.weights, net.biases, net.trainable_values, net.layers, net.activations):
        with pytest.raises(TypeError, match="does not support item assignment"):
            views[0] = np.zeros((2, 3))


@pytest.mark.parametrize("index", [0, -1, slice(0, 1)])
@pytest.mark.parametrize("name", ["weights", "biases"])
def test_the_error_for_an_assigned_array_says_what_to_do(name, index):
    net = network()
    before = net.parameters.copy()
    with pytest.raises(
        TypeError, match=rf"net\.{name}\[-?\d\]\[\.\.\.\] = values, .*net\.parameters = values"
    ):
        getattr(net, name)[index] = np.zeros((2, 3))
    np.testing.assert_array_equal(net.parameters, before)


def test_arrays_change_in_place():
    net = network()
    before = net.parameters.copy()
    net.biases[0] += 1
    net.weights[0] *= 2
    net.weights[-1] -= 0.5
    np.testing.assert_array_equal(net.parameters[:6], 2 * before[:6])
    np.testing.assert_array_equal(net.parameters[6:9], [1, 1, 1])
    np.testing.assert_array_equal(net.parameters[9:], before[9:] - 0.5)
    with pytest.raises(TypeError, match="NoneType"):
        net.biases[1] += 1


def test_the_lists_of_arrays_are_tuples():
    net = network()
    assert isinstance(net.weights, tuple)
    made = pickle.loads(pickle.dumps(net.weights))
    assert type(made) is type(net.weights)
    np.testing.assert_array_equal(made[0], net.weights[0])


@pytest.mark.parametrize("name", ["epochs", "updates", "seed"])
@pytest.mark.parametrize("value", [-1, 2.5, True, "3", None, 2**64])
def test_invalid_counts_are_refused(name, value):
    net = network()
    before = getattr(net, name)
    with pytest.raises(ValueError, match=rf"{name} must be a whole number from 0 to 2\*\*6[23]"):
        setattr(net, name, value)
    assert getattr(net, name) == before


def test_counts_can_be_set():
    net, same = network(), network()
    net.fit(X, [[1.0], [0.0]], epochs=2, batch_size=1)
    same.parameters, same.epochs, same.updates = net.parameters, 2, np.int64(4)
    for one in (net, same):
        one.fit(X, [[1.0], [0.0]], epochs=2, batch_size=1)
    np.testing.assert_array_equal(net.parameters, same.parameters)


@pytest.mark.parametrize(
    ("n_inputs", "layers", "message"),
    [
        (2, [2**62], r"layers\[0\]: units = 4611686018427387904 is too large"),
        (2, [3, {"units": 2**62, "bias": False}], r"layers\[1\]: units = 4611686018427387904 is too large"),
        (
            2,
            [2**31, 2**31],
            r"layers\[0\]: units = 2147483648 is too large: no array can hold so many parameters",
        ),
        (2, [10**400, 1], r"layers\[0\]: units must be less than 2\*\*63, got about 2\*\*1328"),
        (2**62, [1], "n_inputs = 4611686018427387904 is too large"),
    ],
)
def test_networks_beyond_any_array_are_refused(n_inputs, layers, message):
    with pytest.raises(ValueError, match=message):
        Network(n_inputs, layers)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("weights", r"net\.weights\[0\]\[\.\.\.\] = values"),
        ("biases", r"net\.biases\[0\]\[\.\.\.\] = values"),
        ("trainable_values", r"net\.trainable_values\[0\]\[\.\.\.\] = values"),
        ("layers", "create a new Network"),
        ("loss_function", "create a new Network"),
        ("dtype", "create a new Network"),
        ("n_inputs", "create a new Network"),
    ],
)
def test_attributes_that_the_engine_would_not_see_cannot_be_assigned(name, remedy):
    with pytest.raises(AttributeError, match=f"{name} cannot be assigned; .*{remedy}"):
        setattr(network(), name, None)
