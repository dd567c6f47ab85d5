"""Networks: what they compute against the reference in NumPy and the limit of the definition."""

import json
import os
import subprocess
import sys
import threading
from itertools import count

import numpy as np
import pytest

from cygd import Activation, CheckpointError, DataError, Loss, Network, PluginError
from cygd.activations import ACTIVATIONS
from cygd.component import UnknownComponentError
from cygd.core import dispatch
from cygd.losses import LOSSES
from tests.reference import Reference

NAMES = [activation.name for activation in ACTIVATIONS]
TARGETS = {loss.name: loss.targets for loss in LOSSES}
DOMAINS = {"poisson": "positive", "cross_entropy": "positive", "binary_cross_entropy": "unit"}
POSITIVE = {"sigmoid", "softplus", "gaussian", "softmax", "hard_sigmoid"}
UNIT = POSITIVE - {"softplus"}
DEPTHS = (1, 2, 3, 4)
ROWS, INPUTS, UNITS, OUTPUTS = 5, 3, 4, 3


def fitting_output(activation, loss):
    """Return the activation itself where the loss can take its outputs, else the sigmoid."""
    fits = {"positive": POSITIVE, "unit": UNIT}.get(DOMAINS.get(loss), {activation})
    return activation if activation in fits else "sigmoid"


def draw_targets(loss, rng, rows, outputs):
    if loss == "cross_entropy":
        return rng.dirichlet(np.ones(outputs), rows)
    draw = {
        "any": rng.normal,
        "unit": rng.uniform,
        "nonnegative": rng.exponential,
        "signs": lambda size: rng.choice([-1.0, 1.0], size),
    }
    return draw[TARGETS[loss]](size=(rows, outputs))


def random_case(activation, loss, depth, dtype, seed):
    rng = np.random.default_rng(seed)
    layers = [(UNITS, activation)] * (depth - 1) + [(OUTPUTS, fitting_output(activation, loss))]
    net = Network(INPUTS, layers, loss=loss, dtype=dtype, seed=seed)
    net.parameters[...] = rng.uniform(-0.8, 0.8, net.parameters.shape)
    return net, rng.normal(size=(ROWS, INPUTS)), draw_targets(loss, rng, ROWS, OUTPUTS)


def smooth_case(activation, loss, depth, dtype="float64"):
    """Return a random network, x and y at which nothing sits near a kink."""
    cases = (random_case(activation, loss, depth, dtype, seed) for seed in count())
    return next(case for case in cases if Reference(case[0]).distance_to_kinks(*case[1:]) > 1e-3)


def assert_close(actual, expected, tolerance):
    """Compare gradients: to a tolerance relative to the largest component."""
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


# gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("activation", NAMES)
def test_the_gradient_is_the_limit_of_its_definition(activation, loss, level):
    for depth in DEPTHS:
        net, x, y = smooth_case(activation, loss, depth)
        assert_close(net.gradient(x, y)[1], net.numerical_gradient(x, y), 1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("activation", NAMES)
def test_outputs_loss_and_gradient_are_those_of_the_reference(activation, loss, dtype, level):
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
def test_any_number_of_rows_and_units_is_computed_alike(rows, units, level):
    rng = np.random.default_rng(rows * units)
    net = Network(5, [(units, "tanh"), (units, "identity")], loss="mse", seed=rows)
    x, y = rng.normal(size=(rows, 5)), rng.normal(size=(rows, units))
    objective, gradient = net.gradient(x, y)
    expected_objective, expected_gradient = Reference(net).gradient(x, y)
    assert objective == pytest.approx(expected_objective, rel=1e-13)
    assert_close(gradient, expected_gradient, 1e-12)
    np.testing.assert_allclose(net.predict(x), Reference(net).predict(x), rtol=1e-12, atol=1e-13)


LAYERS_WITH_EVERYTHING = [
    {"units": 6, "activation": "tanh", "l1": 0.01, "l2": 0.1, "dropout": 0.5},
    {"units": 5, "activation": "silu", "bias": False, "l2": 0.2},
    {"units": 2, "activation": "identity", "l1": 0.3},
]


@pytest.mark.parametrize("loss", TARGETS)
def test_sample_weights_penalties_and_missing_biases_are_those_of_the_reference(loss):
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
def test_joint_forms_are_exact_where_the_output_has_underflowed(activation, loss, h):
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


def test_parameters_are_one_vector_of_which_weights_and_biases_are_views():
    net = Network(2, [{"units": 3}, {"units": 2, "bias": False}])
    assert net.parameters.shape == (2 * 3 + 3 + 3 * 2,)
    net.parameters[...] = np.arange(15)
    assert net.weights[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert net.biases[0].tolist() == [6, 7, 8]
    assert net.weights[1].tolist() == [[9, 10], [11, 12], [13, 14]]
    assert net.biases[1] is None
    net.weights[1][0, 0] = 100
    assert net.parameters[9] == 100


def test_given_weights_and_biases_are_where_training_begins():
    given = [[1.0, 2.0], [3.0, 4.0]]
    net = Network(2, [{"units": 2, "weights": given, "bias": [5.0, 6.0]}])
    assert net.weights[0].tolist() == given
    assert net.biases[0].tolist() == [5, 6]
    assert net.predict([[1.0, 1.0]]).tolist() == [[9.0, 12.0]]


def test_weights_are_drawn_from_a_stream_of_each_layer_and_biases_are_zero():
    wide, narrow = (Network(4, [units, 3], seed=7) for units in (5, 2))
    other = Network(4, [5, 3], seed=8)
    assert np.abs(wide.weights[0]).max() <= np.sqrt(6 / 9)
    assert not np.array_equal(wide.weights[0], other.weights[0])
    assert wide.weights[1].ravel()[:6].tolist() != wide.weights[0].ravel()[:6].tolist()
    # layer 1 draws the same numbers whatever layer 0 drew, up to glorot's scale
    scale = np.sqrt((2 + 3) / (5 + 3))
    np.testing.assert_allclose(wide.weights[1].ravel()[:6], narrow.weights[1].ravel() * scale, rtol=1e-14)
    assert not wide.biases[0].any()


def test_the_last_layer_is_identity_and_the_others_tanh_by_default():
    net = Network(2, [3, (3, "relu"), 1])
    assert [layer.activation.name for layer in net.layers] == ["tanh", "relu", "identity"]
    assert repr(net) == "Network(2, [(3, 'tanh'), (3, 'relu'), (1, 'identity')], loss='sse', dtype='float64')"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_inputs": 0}, "n_inputs must be a whole number of at least 1, got 0"),
        ({"n_inputs": True}, "n_inputs must be a whole number of at least 1, got True"),
        ({"layers": []}, r"layers must be a list of at least one layer, got \[\]"),
        ({"layers": "tanh"}, "layers must be a list of at least one layer, got 'tanh'"),
        ({"layers": [0]}, r"layers\[0\]: units must be a whole number of at least 1, got 0"),
        ({"layers": [2, 1.5]}, r"layers\[1\]: units must be a whole number of at least 1, got 1.5"),
        ({"layers": [{"unit": 2}]}, r"layers\[0\]: unknown key 'unit': did you mean 'units'\?"),
        ({"layers": [(2, "rleu")]}, r"unknown activation 'rleu'\nhint: did you mean 'relu'\?"),
        ({"layers": [{"units": 2, "weights": [[1.0]]}]}, r"weights must have shape \(2, 2\), got \(1, 1\)"),
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
def test_what_is_no_network_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Network(**({"n_inputs": 2, "layers": [2]} | arguments))


# arrays in and out --------------------------------------------------------------------------------


def small():
    return Network(2, [(3, "tanh"), (2, "identity")], seed=1)


X = np.array([[0.5, -1.0], [2.0, 0.25], [0.0, 1.0]])


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
def test_arrays_of_any_make_give_the_same_bits(convert):
    np.testing.assert_array_equal(small().predict(convert(X)), small().predict(X))
    assert small().loss(convert(X), X) == small().loss(X, convert(X)) == small().loss(X, X)


def test_integers_bools_and_memory_maps_are_taken(tmp_path):
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
        (X.astype(object), TypeError, "x: expected real numbers, got dtype object"),
        (X.astype(complex), TypeError, "x: expected real numbers, got dtype complex128"),
        (X.astype(str), TypeError, "x: expected real numbers, got dtype <U"),
        (X[0], ValueError, r"x must have shape \(n_samples, 2\), got \(2,\)"),
        (X[:, :1], ValueError, r"x must have shape \(n_samples, 2\), got \(3, 1\)"),
        (X[None], ValueError, r"x must have shape \(n_samples, 2\), got \(1, 3, 2\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(x, error, message):
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
def test_targets_and_weights_that_do_not_fit_are_refused(y, weight, message):
    for call in (small().loss, small().gradient, small().numerical_gradient):
        with pytest.raises(ValueError, match=message):
            call(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match=message):
        small().fit(X, y, sample_weight=weight)


def test_targets_outside_the_domain_of_the_loss_are_refused_before_training():
    net = Network(2, [1], loss="hinge")
    message = r"loss 'hinge' needs targets of -1 or 1, but y\[1, 0\] is 0.5"
    with pytest.raises(DataError, match=message):
        net.fit(X, [[1.0], [0.5], [-1.0]])


def test_targets_of_one_output_may_have_one_dimension():
    net = Network(2, [1])
    assert net.loss(X, [1.0, 2.0, 3.0]) == net.loss(X, [[1.0], [2.0], [3.0]])


def test_predictions_go_where_they_are_wanted():
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
def test_an_unfit_out_is_refused(out, message):
    with pytest.raises(ValueError, match=message):
        small().predict(X, out=out)


def test_an_out_that_is_no_array_is_refused():
    with pytest.raises(TypeError, match="out: expected an array, got list"):
        small().predict(X, out=[0.0])


def test_an_out_that_overlaps_the_input_is_refused():
    memory = np.zeros((4, 2))
    with pytest.raises(ValueError, match="out overlaps x: give x itself, or separate memory"):
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
def test_a_row_that_is_not_finite_touches_no_other(rows):
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


def test_a_loss_over_rows_that_are_not_finite_is_not_finite():
    spoilt = np.where(X == 2, np.nan, X)
    assert np.isnan(small().loss(spoilt, X))
    assert np.isnan(small().gradient(X, spoilt)[0])


# plugins ------------------------------------------------------------------------------------------


def swish(h):
    return h / (1 + np.exp(-h))


def swish_slope(h, y_hat):
    s = 1 / (1 + np.exp(-h))
    return y_hat + s * (1 - y_hat)


def row_softmax(h):
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def row_softmax_backward(h, y_hat, g):
    return y_hat * (g - (g * y_hat).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rows", [1, 5, 300])
def test_components_of_python_functions_compute_what_the_built_in_ones_do(rows, dtype):
    ours = [
        (4, Activation("swish", swish, swish_slope)),
        (3, Activation("row_softmax", row_softmax, backward=row_softmax_backward)),
    ]
    loss = Loss("square", lambda y, y_hat: (y - y_hat) ** 2, lambda y, y_hat: 2 * (y_hat - y))
    plugin = Network(2, ours, loss=loss, dtype=dtype, seed=2)
    built_in = Network(2, [(4, "silu"), (3, "softmax")], loss="mse", dtype=dtype, seed=2)
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=(rows, 2)), rng.normal(size=(rows, 3))
    tolerance = {"float64": 1e-13, "float32": 1e-5}[dtype]
    np.testing.assert_allclose(plugin.predict(x), built_in.predict(x), rtol=tolerance, atol=tolerance)
    assert plugin.loss(x, y) == pytest.approx(built_in.loss(x, y), rel=tolerance)
    assert_close(plugin.gradient(x, y)[1], built_in.gradient(x, y)[1], 10 * tolerance)


def fail(*arrays):
    raise ZeroDivisionError("no such number")


def write(h, *others):
    h[...] = 0
    return h


MISTAKES = [
    (fail, "ZeroDivisionError: no such number"),
    (lambda *a: None, "TypeError: it returned None"),
    (lambda *a: a[-1][:1], r"ValueError: it returned shape \(1,\) for input of shape \(\d+,\)"),
    (lambda *a: a[-1] * 1j, "TypeError: it returned dtype complex128, not real numbers"),
    (lambda *a: a[-1].astype(object), "TypeError: it returned dtype object, not real numbers"),
    (write, "ValueError: assignment destination is read-only"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_a_mistake_of_an_activation_names_it_and_its_layer(mistake, message):
    net = Network(2, [(2, "tanh"), (2, Activation("mine", mistake, np.ones_like))])
    for call in (net.predict, lambda x: net.loss(x, x), lambda x: net.numerical_gradient(x, x)):
        with pytest.raises(PluginError, match=f"activation 'mine' of layer 1: {message}"):
            call(X)


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_a_mistake_of_a_derivative_names_the_activation_and_its_layer(mistake, message):
    net = Network(2, [(2, Activation("mine", np.tanh, mistake)), 2])
    net.predict(X)
    with pytest.raises(PluginError, match=f"activation 'mine' of layer 0: {message}"):
        net.gradient(X, X)


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_a_mistake_of_a_loss_names_it(mistake, message):
    for functions in ((mistake, lambda y, y_hat: y), (lambda y, y_hat: y, mistake)):
        net = Network(2, [2], loss=Loss("mine", *functions))
        with pytest.raises(PluginError, match=f"loss 'mine': {message}") as caught:
            net.gradient(X, X)
        assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (fail, "ZeroDivisionError: no such number"),
        (lambda h, y_hat, g: g[:, :1], r"ValueError: it returned shape \(\d+, 1\) for input of shape"),
    ],
)
def test_a_mistake_of_a_rowwise_activation_names_it_and_its_layer(backward, message):
    net = Network(2, [(2, Activation("mine", row_softmax, backward=backward))])
    with pytest.raises(PluginError, match=f"activation 'mine' of layer 0: {message}"):
        net.gradient(X, X)


def test_a_network_goes_on_after_a_mistake():
    def moody(h):
        if h.max() > 10:
            raise ValueError("too large")
        return h

    net = Network(2, [(2, Activation("moody", moody, np.ones_like))])
    expected = net.predict(X)
    with pytest.raises(PluginError, match="too large"):
        net.predict(X * 1000)
    np.testing.assert_array_equal(net.predict(X), expected)


# side by side -------------------------------------------------------------------------------------


def run_all(jobs):
    """Run functions in threads of their own, all at once; return their results or exceptions."""
    results = [None] * len(jobs)
    start = threading.Barrier(len(jobs))

    def run(index):
        start.wait(60)
        try:
            results[index] = jobs[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", Activation("swish", swish, swish_slope)])
def test_calls_run_side_by_side_on_one_network(activation, threads):
    net = Network(6, [(40, activation), (3, "identity")], seed=4)
    rng = np.random.default_rng(4)
    parts = [(rng.normal(size=(n, 6)), rng.normal(size=(n, 3))) for n in (900, 1, 300, 2000)]
    alone = [(net.predict(x), net.loss(x, y), net.gradient(x, y)[1]) for x, y in parts]

    def job(x, y):
        return lambda: [
            (net.predict(x, threads=threads), net.loss(x, y, threads=threads), net.gradient(x, y)[1])
            for _ in range(10)
        ]

    for expected, found in zip(alone, run_all([job(x, y) for x, y in parts]), strict=True):
        for round_ in found:
            for a, b in zip(expected, round_, strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_failing_call_fails_alone():
    failed, other_is_done = threading.Event(), threading.Event()

    def picky(h):
        if h.min() < 0:
            raise ValueError("negative")
        return h

    def waiting(h):
        """Keep the failing call on its way until the other one has come and gone."""
        if not h.any():
            failed.set()
            other_is_done.wait(60)
        return h

    layers = [
        {"units": 1, "activation": Activation("picky", picky, np.ones_like), "weights": [[1.0]]},
        {"units": 1, "activation": Activation("waiting", waiting, np.ones_like), "weights": [[1.0]]},
    ]
    net = Network(1, layers)

    def good():
        failed.wait(60)
        try:
            return net.predict([[2.0]])
        finally:
            other_is_done.set()

    bad_result, good_result = run_all([lambda: net.predict([[-1.0]]), good])
    assert isinstance(bad_result, PluginError)
    assert isinstance(good_result, np.ndarray), good_result
    assert good_result.tolist() == [[2.0]]


FORK = """
import os, numpy as np, cygd
rng = np.random.default_rng(0)
x, y = rng.normal(size=(4000, 8)), rng.normal(size=(4000, 2))
def train():
    net = cygd.Network(8, [(64, "tanh"), (2, "identity")], loss="mse", seed=1)
    net._engine.together = True
    net.fit(x, y, epochs=2, batch_size=1000, threads=2)
    return net
before = train()
assert len(before._engine.thread_chunks) == 2
child = os.fork()
if child == 0:
    after = train()
    same = np.array_equal(after.parameters, before.parameters)
    os._exit(0 if same and len(after._engine.thread_chunks) == 1 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_after_a_fork_the_child_trains_with_one_thread_to_the_same_bits():
    subprocess.run([sys.executable, "-P", "-c", FORK], check=True, timeout=120)


# files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_network_comes_back_from_its_file(tmp_path, dtype):
    layers = [*LAYERS_WITH_EVERYTHING[:2], (2, {"name": "leaky_relu", "slope": 0.3})]
    net = Network(3, layers, loss={"name": "huber", "delta": 2.0, "reduction": "sum"}, dtype=dtype, seed=6)
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    net.fit(x, y, epochs=2, learning_rate=0.01)
    net.save(tmp_path / "net.npz")
    again = Network.load(tmp_path / "net.npz")
    assert repr(again) == repr(net)
    assert (again.epochs, again.updates) == (net.epochs, net.updates) == (2, 2)
    np.testing.assert_array_equal(again.parameters, net.parameters)
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
    assert again.gradient(x, y)[0] == net.gradient(x, y)[0]
    for one in (net, again):
        one.fit(x, y, epochs=2, learning_rate=0.01)
    np.testing.assert_array_equal(again.parameters, net.parameters)


def test_a_saved_network_is_plain_arrays(tmp_path):
    small().save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
        assert sorted(file.files) == ["b0", "b1", "network", "w0", "w1"]
        assert file["w0"].shape == (2, 3)
        assert json.loads(str(file["network"]))["loss"]["name"] == "sse"


def test_a_network_of_a_plugin_needs_the_plugin_to_come_back(tmp_path):
    mine = Activation("mine", np.tanh, lambda h, y_hat: 1 - y_hat**2)
    net = Network(2, [(2, mine)])
    net.save(tmp_path / "net.npz")
    with pytest.raises(UnknownComponentError, match="unknown activation 'mine'"):
        Network.load(tmp_path / "net.npz")

    class Known:
        def get(self, kind, name):
            from cygd.component import BuiltIns

            return mine if name == "mine" else BuiltIns().get(kind, name)

    np.testing.assert_array_equal(Network.load(tmp_path / "net.npz", Known()).predict(X), net.predict(X))


def test_a_file_cut_short_is_refused(tmp_path):
    small().save(tmp_path / "net.npz")
    whole = (tmp_path / "net.npz").read_bytes()
    for length in range(0, len(whole), 29):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"cut\.npz is not a saved network"):
            Network.load(tmp_path / "cut.npz")


def test_a_file_with_a_changed_byte_is_refused_or_harmless(tmp_path):
    small().save(tmp_path / "net.npz")
    whole = (tmp_path / "net.npz").read_bytes()
    refused = 0
    for place in range(0, len(whole), 11):
        changed = bytearray(whole)
        changed[place] ^= 0x55
        (tmp_path / "changed.npz").write_bytes(changed)
        try:
            found = Network.load(tmp_path / "changed.npz")
            np.testing.assert_array_equal(found.parameters, small().parameters)
        except CheckpointError:
            refused += 1
    assert refused > len(whole) // 22


def rewritten(path, **changes):
    small().save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def description(**changes):
    layers = [{"units": 3, "activation": {"name": "tanh"}}, {"units": 2}]
    whole = {"n_inputs": 2, "layers": layers, "loss": "sse", "dtype": "float64", "seed": 0}
    return np.array(json.dumps(whole | {"epochs": 0, "updates": 0} | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"w0": None},
        {"w0": np.zeros((5, 5))},
        {"w0": np.full((2, 3), np.nan)},
        {"w0": np.array([["a"] * 3] * 2)},
        {"b1": np.zeros(7)},
        {"network": None},
        {"network": np.array("{")},
        {"network": np.array("[1, 2]")},
        {"network": np.array("null")},
        {"network": description(n_inputs=-1)},
        {"network": description(layers=7)},
        {"network": description(layers=[])},
        {"network": description(dtype="float16")},
        {"network": description(dtype="nonsense")},
        {"network": description(seed="x")},
        {"network": description(epochs="many")},
        {"network": description(loss=3)},
    ],
)
def test_a_file_whose_content_makes_no_network_is_refused(tmp_path, changes):
    path = tmp_path / "net.npz"
    rewritten(path, **changes)
    with pytest.raises(CheckpointError, match=r"net\.npz is not a saved network"):
        Network.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"weights", b"\x93NUMPY", b"PK\x03\x04" + bytes(100), b"\x80\x04N."]
)
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "net.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"net\.npz is not a saved network"):
        Network.load(tmp_path / "net.npz")


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        Network.load(tmp_path / "net.npz")


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
