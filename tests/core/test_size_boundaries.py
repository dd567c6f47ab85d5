"""Networks at every size where the core changes its way: around vectors, lines, panels, strips and chunks."""

import numpy as np
import pytest

from cygd import Network
from tests.helpers.reference import Reference
from tests.helpers.ulp import needs_both_fused_levels, same_at_both_levels

# float32 has lines of 16 and panels of 64 numbers, float64 of 8 and 32; a chunk has at most 256 rows
UNITS = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129]
ROWS = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513]
INPUTS, OUTPUTS = 5, 3
SHAPES = {
    "hidden": lambda units: (INPUTS, [(units, "tanh"), (units, "silu"), (OUTPUTS, "identity")]),
    "inputs": lambda units: (units, [(OUTPUTS, "sigmoid")]),
    "outputs": lambda units: (INPUTS, [(4, "sigmoid"), (units, "softmax" if units > 1 else "sigmoid")]),
}

both_types = pytest.mark.parametrize("dtype", ["float64", "float32"])
every_shape = pytest.mark.parametrize("shape", SHAPES)
every_width = pytest.mark.parametrize("units", UNITS)


def case(shape, units, rows, dtype):
    """Return a network whose threads never go home, x and y."""
    rng = np.random.default_rng(rows)
    n_inputs, layers = SHAPES[shape](units)
    net = Network(n_inputs, layers, loss="mse", dtype=dtype, seed=units)
    net._engine.force_parallel = True
    return net, rng.normal(size=(rows, n_inputs)), rng.normal(size=(rows, net.n_outputs))


def results(shape, units, rows, dtype, threads=1):
    """Return outputs, loss, gradient, and the parameters after a whole batch, and one that leaves a row."""
    net, x, y = case(shape, units, rows, dtype)
    outputs = net.predict(x, threads=threads)
    objective, gradient = net.gradient(x, y, threads=threads)
    for batch_size in (rows, max(1, rows - 1)):
        net.fit(x, y, optimizer="adam", epochs=1, batch_size=batch_size, threads=threads)
    return outputs, np.array(objective), gradient, net.parameters


@both_types
@every_shape
@every_width
def test_outputs_and_gradient_are_those_of_the_reference(units, shape, dtype, level):
    tolerance = 1e-11 if dtype == "float64" else 2e-5
    for rows in ROWS:
        net, x, y = case(shape, units, rows, dtype)
        _, gradient = net.gradient(x, y)
        reference = Reference(net)
        np.testing.assert_allclose(net.predict(x), reference.predict(x), rtol=tolerance, atol=tolerance)
        _, expected = reference.gradient(x, y)
        largest = np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance * largest)


@both_types
@every_shape
@every_width
def test_threads_change_no_bit(units, shape, dtype):
    for rows in ROWS[-12:]:
        alone = results(shape, units, rows, dtype)
        for threads in (2, 3, 4, 8):
            for found, expected in zip(results(shape, units, rows, dtype, threads), alone, strict=True):
                np.testing.assert_array_equal(found, expected)


@needs_both_fused_levels
@both_types
@every_shape
@every_width
def test_v3_and_v4_give_the_same_bits(units, shape, dtype):
    for rows in ROWS:
        same_at_both_levels(lambda rows=rows: results(shape, units, rows, dtype))


@every_shape
@every_width
def test_the_gradient_is_the_limit_of_differences(units, shape, level):
    for rows in (1, 9, 65, 257):
        net, x, y = case(shape, units, rows, "float64")
        _, gradient = net.gradient(x, y)
        start = np.array(net.parameters)
        direction = np.random.default_rng(1).normal(size=start.shape)
        losses = []
        for step in (1e-5, -1e-5):
            net.parameters[...] = start + step * direction
            losses.append(net.loss(x, y))
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert abs((losses[0] - losses[1]) / 2e-5 - gradient @ direction) < 1e-7 * (scale + 1)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@both_types
@every_shape
def test_a_row_that_is_not_finite_touches_no_other(shape, dtype, special, level):
    for units in UNITS[::2]:
        for rows in ROWS[1:]:
            net, x, _ = case(shape, units, rows, dtype)
            expected = net.predict(x)
            for place in {0, rows // 2, rows - 1}:
                spoilt = x.copy()
                spoilt[place, -1] = special
                found = net.predict(spoilt)
                others = np.arange(rows) != place
                np.testing.assert_array_equal(found[others], expected[others])
                assert np.isnan(found[place]).all() or not np.isnan(special)


@both_types
@every_shape
def test_rows_beyond_a_batch_are_neither_read_nor_written(shape, dtype, level):
    for units in UNITS[::2]:
        for rows in ROWS:
            net, x, y = case(shape, units, rows + 2, dtype)
            x[rows:], y[rows:] = np.nan, np.nan
            out = np.full((rows + 2, net.n_outputs), 7.0, net.dtype)
            net.predict(x[:rows], out=out[:rows])
            assert np.isfinite(out[:rows]).all()
            assert (out[rows:] == 7).all()
            assert np.isfinite(net.gradient(x[:rows], y[:rows])[1]).all()
