"""Large networks: rows of x read in place, and gradients summed and updated strip by strip."""

import copy

import numpy as np
import pytest

from cygd import Activation, Network
from tests.helpers.reference import Reference
from tests.helpers.ulp import needs_both_fused_levels, same_at_both_levels

# x is read in place where the inputs outnumber the units of the first layer, a line of numbers or more
SHAPES = {
    "in place": (389, [(101, "tanh"), (3, "identity")]),
    "narrow in place": (2100, [(16, "tanh"), (3, "identity")]),
    "transposed": (60, [(289, "tanh"), (120, "silu"), (3, "identity")]),
    "no bias": (700, [{"units": 64, "activation": "sin", "bias": False}, (130, "tanh"), (1, "identity")]),
    "dropout": (300, [{"units": 120, "activation": "tanh", "dropout": 0.3, "l2": 0.01}, (2, "sigmoid")]),
}
# around vectors and panels; a chunk has at most 256 rows, and eight chunks are kept at once
ROWS = [1, 2, 7, 9, 12, 13, 16, 17, 31, 33, 63, 65, 128, 257, 600, 2600]

both_types = pytest.mark.parametrize("dtype", ["float64", "float32"])
every_shape = pytest.mark.parametrize("shape", SHAPES)


def case(shape, rows, dtype):
    """Return a network whose threads never go home, x and y."""
    rng = np.random.default_rng(rows)
    n_inputs, layers = SHAPES[shape]
    net = Network(n_inputs, layers, loss="mse", dtype=dtype, seed=3)
    net._engine.force_parallel = True
    return net, rng.normal(size=(rows, n_inputs)) / 4, rng.normal(size=(rows, net.n_outputs))


def trained(shape, rows, dtype, threads=1, **options):
    net, x, y = case(shape, rows, dtype)
    options = {"optimizer": "adam", "epochs": 2, "batch_size": max(1, rows - rows // 3), **options}
    history = net.fit(x, y, threads=threads, **options)
    return net.parameters, np.array(history["running_loss"])


@both_types
@every_shape
def test_outputs_and_gradient_are_those_of_the_reference(shape, dtype, level):
    tolerance = 1e-11 if dtype == "float64" else 2e-5
    for rows in ROWS:
        net, x, y = case(shape, rows, dtype)
        _, gradient = net.gradient(x, y)
        reference = Reference(net)
        np.testing.assert_allclose(net.predict(x), reference.predict(x), rtol=tolerance, atol=tolerance)
        _, expected = reference.gradient(x, y)
        np.testing.assert_allclose(
            gradient, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max()
        )


@both_types
@every_shape
def test_outputs_of_a_row_do_not_depend_on_the_other_rows(shape, dtype):
    net, x, _ = case(shape, 600, dtype)
    whole = net.predict(x)
    for rows in (1, 5, 16, 40, 65, 300):
        np.testing.assert_array_equal(net.predict(x[-rows:]), whole[-rows:])


@both_types
@every_shape
def test_threads_change_no_bit(shape, dtype):
    for rows in ROWS[-6:]:
        alone = trained(shape, rows, dtype)
        for threads in (2, 3, 8):
            for found, expected in zip(trained(shape, rows, dtype, threads), alone, strict=True):
                np.testing.assert_array_equal(found, expected)


@both_types
@every_shape
@needs_both_fused_levels
def test_levels_change_no_bit(shape, dtype):
    for rows in (1, 9, 13, 65, 600):
        same_at_both_levels(lambda rows=rows: trained(shape, rows, dtype))


@both_types
@pytest.mark.parametrize("rows", [9, 100, 600, 2600])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("threads", [1, 3])
def test_updates_on_the_way_are_those_of_the_complete_gradient(optimizer, rows, dtype, threads):
    for shape in SHAPES:
        at_once = trained(shape, rows, dtype, threads, optimizer=optimizer)
        # a clip that never binds needs the complete gradient first
        complete = trained(shape, rows, dtype, threads, optimizer=optimizer, clip={"value": 1e9})
        for found, expected in zip(at_once, complete, strict=True):
            np.testing.assert_array_equal(found, expected)


@both_types
def test_an_update_follows_the_gradient(dtype):
    for shape in ("in place", "transposed"):
        for rows in ROWS:
            net, x, y = case(shape, rows, dtype)
            _, gradient = net.gradient(x, y)
            expected = net.parameters - net.parameters.dtype.type(0.5) * gradient
            net.fit(x, y, optimizer="sgd", learning_rate=0.5, epochs=1, batch_size="full", shuffle=False)
            tolerance = 1e-12 if dtype == "float64" else 1e-5
            np.testing.assert_allclose(net.parameters, expected, rtol=tolerance, atol=tolerance)


@both_types
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_without_weight_take_no_part_whatever_they_hold(dtype, threads):
    for rows in (9, 100, 600):
        net, x, y = case("in place", rows, dtype)
        weight = np.ones(rows)
        weight[::3] = 0
        x[::3], y[::3] = np.nan, np.inf
        other = copy.deepcopy(net)
        net.fit(
            x,
            y,
            epochs=2,
            batch_size="full",
            shuffle=False,
            sample_weight=weight,
            threads=threads,
            check_finite=False,
        )
        assert np.isfinite(net.parameters).all()
        kept = weight > 0
        other.fit(x[kept], y[kept], epochs=2, batch_size="full", shuffle=False, threads=threads)
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(net.parameters, other.parameters, rtol=tolerance, atol=tolerance)


@both_types
def test_every_layer_is_updated_where_the_last_chunk_has_few_rows(dtype):
    """More chunks than are kept at once, and the last one is a small batch by itself."""
    layers = [(256, "tanh"), (256, "tanh"), (3, "identity")]
    rng = np.random.default_rng(0)
    for rows in (9 * 64, 9 * 128):
        for n in range(rows - 127, rows + 1, 7):
            net = Network(300, layers, loss="mse", dtype=dtype, seed=3)
            x, y = rng.normal(size=(n, 300)) / 4, rng.normal(size=(n, 3))
            _, gradient = net.gradient(x, y)
            expected = net.parameters - net.parameters.dtype.type(0.5) * gradient
            net.fit(x, y, optimizer="sgd", learning_rate=0.5, epochs=1, batch_size="full", shuffle=False)
            _, reference = Reference(Network(300, layers, loss="mse", dtype=dtype, seed=3)).gradient(x, y)
            np.testing.assert_allclose(gradient, reference, rtol=2e-5, atol=2e-5 * np.abs(reference).max())
            np.testing.assert_allclose(net.parameters, expected, rtol=1e-5, atol=1e-6)


@both_types
def test_every_layer_is_updated_in_small_batches_with_functions_in_python(dtype):
    tanh = Activation("own", function=np.tanh, derivative=lambda h: 1 - np.tanh(h) ** 2)
    built_in, own = (
        Network(400, [(100, f), (90, f), (3, "identity")], loss="mse", dtype=dtype, seed=3)
        for f in ("tanh", tanh)
    )
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 400)) / 4, rng.normal(size=(5, 3))
    for net in (built_in, own):
        net.fit(x, y, optimizer="sgd", learning_rate=0.5, epochs=2, batch_size="full", shuffle=False)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(own.parameters, built_in.parameters, rtol=tolerance, atol=tolerance)


def test_a_diverging_batch_leaves_the_epoch_before():
    net, x, y = case("in place", 600, "float32")
    before = net.parameters.copy()
    history = net.fit(x, 1e30 * y, epochs=3, batch_size=200, learning_rate=1e10, threads=2)
    assert history.status == "diverged"
    np.testing.assert_array_equal(net.parameters, before)
