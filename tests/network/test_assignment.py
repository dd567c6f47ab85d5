"""Networks: assignments to parameters and attributes."""

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
