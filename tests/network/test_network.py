"""Networks compared with the NumPy reference and with central differences."""

from dataclasses import replace

import numpy as np
import pytest

from cygd import Network
from cygd.core import dispatch
from tests.helpers.network_cases import (
    DEPTHS,
    LAYERS_WITH_EVERYTHING,
    NAMES,
    TARGETS,
    assert_close,
    draw_targets,
    smooth_case,
)
from tests.helpers.reference import Reference

# gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("activation", NAMES)
def test_gradient_equals_central_differences(activation, loss, level):
    for depth in DEPTHS:
        net, x, y = smooth_case(activation, loss, depth)
        assert_close(net.gradient(x, y)[1], net.numerical_gradient(x, y), 1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("activation", NAMES)
def test_outputs_loss_and_gradient_equal_the_reference(activation, loss, dtype, level):
    tolerance = {"float64": 1e-12, "float32": 2e-4}[dtype]
    for depth in DEPTHS:
        net, x, y = smooth_case(activation, loss, depth, dtype)
        reference = Reference(net)
        objective, gradient = net.gradient(x, y)
        expected_objective, expected_gradient = reference.gradient(x, y)
        np.testing.assert_allclose(net.predict(x), reference.predict(x), rtol=tolerance, atol=tolerance)
        assert objective == net.loss(x, y) == pytest.approx(expected_objective, rel=tolerance, abs=tolerance)
        assert_close(gradient, expected_gradient, tolerance)


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 31, 33, 255, 257, 700])
@pytest.mark.parametrize("units", [1, 3, 7, 8, 9, 16, 17, 33])
def test_any_number_of_rows_and_units(rows, units, level):
    rng = np.random.default_rng(rows * units)
    net = Network(5, [(units, "tanh"), (units, "identity")], loss="mse", seed=rows)
    x, y = rng.normal(size=(rows, 5)), rng.normal(size=(rows, units))
    objective, gradient = net.gradient(x, y)
    expected_objective, expected_gradient = Reference(net).gradient(x, y)
    assert objective == pytest.approx(expected_objective, rel=1e-13)
    assert_close(gradient, expected_gradient, 1e-12)
    np.testing.assert_allclose(net.predict(x), Reference(net).predict(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("loss", TARGETS)
def test_sample_weights_penalties_and_missing_biases_equal_the_reference(loss):
    rng = np.random.default_rng(3)
    layers = [*LAYERS_WITH_EVERYTHING[:2], {"units": 2, "activation": "sigmoid", "l1": 0.3}]
    net = Network(3, layers, loss=loss, seed=3)
    x, y, weight = rng.normal(size=(9, 3)), draw_targets(loss, rng, 9, 2), rng.exponential(size=9)
    objective, gradient = net.gradient(x, y, weight)
    expected_objective, expected_gradient = Reference(net).gradient(x, y, weight)
    assert objective == pytest.approx(expected_objective, rel=1e-13)
    assert net.penalty() == pytest.approx(Reference(net).penalty(), rel=1e-13)
    assert net.loss(x, y, weight) == pytest.approx(Reference(net).loss(x, y, weight), rel=1e-13)
    assert_close(gradient, expected_gradient, 1e-12)
    assert_close(gradient, net.numerical_gradient(x, y, sample_weight=weight), 1e-6)


@pytest.mark.parametrize("loss", TARGETS)
def test_weight_two_is_the_row_twice(loss):
    rng = np.random.default_rng(4)
    net = Network(2, [(3, "tanh"), (2, "sigmoid")], loss=loss)
    x, y = rng.normal(size=(4, 2)), draw_targets(loss, rng, 4, 2)
    weight = np.array([1, 2, 0, 3])
    weighted = net.gradient(x, y, weight)
    repeated = net.gradient(np.repeat(x, weight, axis=0), np.repeat(y, weight, axis=0))
    assert weighted[0] == pytest.approx(repeated[0], rel=1e-13)
    assert_close(weighted[1], repeated[1], 1e-12)


@pytest.mark.parametrize("loss", TARGETS)
def test_a_reduction_can_be_chosen(loss):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(6, 2)), draw_targets(loss, rng, 6, 3)
    summed, averaged = (
        Network(2, [(3, "sigmoid")], loss={"name": loss, "reduction": how}) for how in ("sum", "mean")
    )
    assert summed.loss(x, y) == pytest.approx(Reference(summed).loss(x, y), rel=1e-13)
    divisor = 6 if loss == "cross_entropy" else 18
    assert averaged.loss(x, y) == pytest.approx(summed.loss(x, y) / divisor, rel=1e-13)


@pytest.mark.parametrize(
    ("activation", "loss", "h"),
    [("sigmoid", "binary_cross_entropy", 800.0), ("softmax", "cross_entropy", 800.0)],
)
def test_fused_losses_are_exact_where_the_output_underflows(activation, loss, h):
    net = Network(2, [{"units": 2, "activation": activation, "weights": np.eye(2)}], loss=loss)
    expected = {"sigmoid": h, "softmax": 2 * h}[activation]
    x, y = np.array([[h, -h]]), np.array([[0.0, 1.0]])
    assert net.loss(x, y) == expected
    assert np.isfinite(net.gradient(x, y)[1]).all()


def test_parameters_of_activations_and_losses_reach_the_engine():
    leaky = Network(1, [{"units": 1, "activation": {"name": "leaky_relu", "slope": 0.5}, "weights": [[1.0]]}])
    assert leaky.predict([[-2.0]]).tolist() == [[-1.0]]
    huber = Network(1, [{"units": 1, "weights": [[1.0]]}], loss={"name": "huber", "delta": 0.5})
    assert huber.loss([[0.0]], [[2.0]]) == 0.5 * (2 - 0.25)


# layout and construction --------------------------------------------------------------------------


def test_weights_and_biases_are_views_of_parameters():
    net = Network(2, [{"units": 3}, {"units": 2, "bias": False}])
    assert net.parameters.shape == (2 * 3 + 3 + 3 * 2,)
    net.parameters[...] = np.arange(15)
    assert net.weights[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert net.biases[0].tolist() == [6, 7, 8]
    assert net.weights[1].tolist() == [[9, 10], [11, 12], [13, 14]]
    assert net.biases[1] is None
    net.weights[1][0, 0] = 100
    assert net.parameters[9] == 100


def test_given_weights_and_biases_are_the_initial_ones():
    given = [[1.0, 2.0], [3.0, 4.0]]
    net = Network(2, [{"units": 2, "weights": given, "bias": [5.0, 6.0]}])
    assert net.weights[0].tolist() == given
    assert net.biases[0].tolist() == [5, 6]
    assert net.predict([[1.0, 1.0]]).tolist() == [[9.0, 12.0]]


def test_each_layer_draws_its_weights_from_its_own_stream():
    wide, narrow = (Network(4, [units, 3], seed=7) for units in (5, 2))
    other = Network(4, [5, 3], seed=8)
    assert np.abs(wide.weights[0]).max() <= np.sqrt(6 / 9)
    assert not np.array_equal(wide.weights[0], other.weights[0])
    assert wide.weights[1].ravel()[:6].tolist() != wide.weights[0].ravel()[:6].tolist()
    # layer 1 draws the same numbers regardless of layer 0, up to glorot's scale
    scale = np.sqrt((2 + 3) / (5 + 3))
    np.testing.assert_allclose(wide.weights[1].ravel()[:6], narrow.weights[1].ravel() * scale, rtol=1e-14)
    assert not wide.biases[0].any()


def test_layer_objects_are_used_as_they_are():
    layers = Network(2, [{"units": 3, "activation": "relu", "l2": 0.1}, (1, "identity")]).layers
    net = Network(2, layers, seed=4)
    assert all(ours is given for ours, given in zip(net.layers, layers, strict=True))
    expected = Network(2, [{"units": 3, "activation": "relu", "l2": 0.1}, 1], seed=4)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    with pytest.raises(ValueError, match=r"layers\[1\]: weights must have shape \(3, 1\), got \(2, 1\)"):
        Network(2, [3, replace(layers[1], weights=[[1.0], [2.0]])])


def test_the_last_layer_is_identity_and_the_others_tanh_by_default():
    net = Network(2, [3, (3, "relu"), 1])
    assert [layer.activation.name for layer in net.layers] == ["tanh", "relu", "identity"]
    assert repr(net) == "Network(2, [(3, 'tanh'), (3, 'relu'), (1, 'identity')], loss='sse', dtype='float64')"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_inputs": 0}, "n_inputs must be a whole number of at least 1, got 0"),
        ({"n_inputs": 2**63}, r"n_inputs must be less than 2\*\*63, got 9223372036854775808"),
        ({"layers": [2**70]}, r"layers\[0\]: units must be less than 2\*\*63, got 1180591620717411303424"),
        ({"n_inputs": True}, "n_inputs must be a whole number of at least 1, got True"),
        ({"layers": []}, r"layers must be a list of at least one layer, got \[\]"),
        ({"layers": "tanh"}, "layers must be a list of at least one layer, got 'tanh'"),
        ({"layers": [0]}, r"layers\[0\]: units must be a whole number of at least 1, got 0"),
        ({"layers": [2, 1.5]}, r"layers\[1\]: units must be a whole number of at least 1, got 1.5"),
        ({"layers": [{"unit": 2}]}, r"layers\[0\]: unknown key 'unit': did you mean 'units'\?"),
        ({"layers": [(2, "rleu")]}, r"unknown activation 'rleu'\nhint: did you mean 'relu'\?"),
        ({"layers": [{"units": 2, "weights": [[1.0]]}]}, r"weights must have shape \(n_inputs, 2\), got"),
        ({"layers": [{"units": 1, "weights": "w"}]}, r"layers\[0\]: weights must be numbers in shape"),
        ({"layers": [{"units": 1, "weights": [[np.nan], [1]]}]}, r"layers\[0\]: weights must be finite"),
        ({"layers": [{"units": 2, "bias": [1.0]}]}, r"layers\[0\]: bias must have shape \(2,\), got \(1,\)"),
        ({"layers": [{"units": 2, "dropout": 0.5}]}, "the output layer cannot drop its own outputs"),
        ({"layers": [{"units": 2, "dropout": 1.0}, 1]}, r"dropout must be a number in \[0, 1\), got 1.0"),
        ({"layers": [{"units": 2, "l2": -1}]}, "l2 must be a finite number of at least 0, got -1"),
        ({"layers": [{"units": 2, "l1": np.inf}]}, "l1 must be a finite number of at least 0, got inf"),
        ({"loss": "ssse"}, r"unknown loss 'ssse'\nhint: did you mean 'sse'\?"),
        ({"dtype": "float16"}, "dtype must be float32 or float64, got float16"),
        ({"seed": -1}, r"seed must be a whole number from 0 to 2\*\*63 - 1, got -1"),
        ({"seed": 1.0}, r"seed must be a whole number from 0 to 2\*\*63 - 1, got 1.0"),
    ],
)
def test_invalid_arguments_of_network(arguments, message):
    with pytest.raises(ValueError, match=message):
        Network(**({"n_inputs": 2, "layers": [2]} | arguments))


# levels -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not {"v3", "v4"} <= set(dispatch.levels()), reason="this CPU has not both v3 and v4")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", NAMES)
def test_v3_and_v4_give_the_same_bits(activation, dtype):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(333, 5)), rng.normal(size=(333, 19))

    def results(name):
        dispatch.select(name)
        net = Network(5, [(11, activation), (19, activation)], loss="log_cosh", dtype=dtype, seed=1)
        return net.predict(x), np.array(net.gradient(x, y)[0]), net.gradient(x, y)[1]

    before = dispatch.level()
    try:
        for narrow, wide in zip(results("v3"), results("v4"), strict=True):
            np.testing.assert_array_equal(narrow, wide)
    finally:
        dispatch.select(before)
