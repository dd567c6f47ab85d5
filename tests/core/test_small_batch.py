"""Fewer rows than a vector has elements, through layers wide enough that vectors lie along their units."""

import numpy as np
import pytest

from cygd import Network, Optimizer
from tests.helpers.reference import Reference
from tests.helpers.ulp import needs_both_fused_levels, same_at_both_levels

INPUTS, OUTPUTS = 70, 3
ROWS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 24]
# parameters of so many units are updated while they are in cache; 203 leaves part of a vector
UNITS = [136, 203, 256]

both_types = pytest.mark.parametrize("dtype", ["float64", "float32"])
every_width = pytest.mark.parametrize("units", UNITS)
every_count = pytest.mark.parametrize("rows", ROWS)


def network(units, dtype, **options):
    """Return a network whose layers are wide, without a bias in one of them."""
    layers = [
        {"units": units, "activation": "tanh", "l2": 0.01},
        {"units": units, "activation": "silu", "bias": False, "l1": 0.01, **options},
        {"units": OUTPUTS, "activation": "identity"},
    ]
    return Network(INPUTS, layers, loss="mse", dtype=dtype, seed=3)


def data(rows, dtype):
    rng = np.random.default_rng(rows)
    return rng.normal(size=(rows, INPUTS)).astype(dtype), rng.normal(size=(rows, OUTPUTS)).astype(dtype)


def trained(rows, dtype, units, optimizer="sgd", dropout=0, **options):
    """Return parameters and losses after some steps with batches of so many rows."""
    x, y = data(5 * rows, dtype)
    net = network(units, dtype, dropout=dropout)
    history = net.fit(x, y, optimizer=optimizer, learning_rate=1e-3, epochs=2, batch_size=rows, **options)
    return net.parameters, history["running_loss"]


@both_types
@every_width
@every_count
def test_a_row_has_the_same_bits_alone_and_among_others(rows, units, dtype, level):
    x, _ = data(64, dtype)
    net = network(units, dtype)
    among_others = net.predict(x)
    for start in (0, 64 - rows):
        np.testing.assert_array_equal(
            net.predict(x[start : start + rows]), among_others[start : start + rows]
        )


@both_types
@every_width
@every_count
def test_the_gradient_is_that_of_the_reference(rows, units, dtype, level):
    x, y = data(rows, dtype)
    net = network(units, dtype)
    objective, gradient = net.gradient(x, y)
    expected_objective, expected = Reference(net).gradient(x, y)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(objective, expected_objective, rtol=tolerance)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerance * np.abs(expected).max())


RULE = {"m": "0.9 * m + g", "w": "w - learning_rate * m"}
OPTIMIZERS = {
    "plain": {"optimizer": "sgd"},
    "momentum": {"optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}},
    "adam": {"optimizer": "adam", "dropout": 0.3},
    "adamw": {"optimizer": "adamw", "shuffle": False},
    "formula": {"optimizer": Optimizer("momentum", state=["m"], formula=RULE)},
}


@both_types
@pytest.mark.parametrize("options", OPTIMIZERS.values(), ids=OPTIMIZERS)
@every_width
def test_updates_on_the_way_have_the_bits_of_updates_at_the_end(units, options, dtype, level):
    # what limits the gradient's norm has to see the whole gradient, so nothing is updated before it is there
    for rows in ROWS[1:]:
        on_the_way = trained(rows, dtype, units, **options)
        at_the_end = trained(rows, dtype, units, clip={"norm": 1e30}, **options)
        for found, expected in zip(on_the_way, at_the_end, strict=True):
            np.testing.assert_array_equal(found, expected)


@needs_both_fused_levels
@both_types
@every_width
@every_count
def test_v3_and_v4_give_the_same_bits(rows, units, dtype):
    same_at_both_levels(lambda: trained(rows, dtype, units, "adam"))


@both_types
@every_width
def test_threads_change_no_bit(units, dtype):
    for rows in (2, 12, 24):
        alone = trained(rows, dtype, units, "adam")
        for threads in (2, 8):
            for found, expected in zip(
                trained(rows, dtype, units, "adam", threads=threads), alone, strict=True
            ):
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("special", [np.nan, np.inf])
@both_types
@every_count
def test_a_row_that_is_not_finite_touches_no_other(rows, dtype, special, level):
    x, _ = data(rows, dtype)
    net = network(136, dtype)
    expected = net.predict(x)
    for place in {0, rows - 1}:
        spoilt = x.copy()
        spoilt[place, 5] = special
        others = np.arange(rows) != place
        np.testing.assert_array_equal(net.predict(spoilt)[others], expected[others])
        assert np.isnan(net.gradient(spoilt, np.zeros((rows, OUTPUTS)))[1]).any() or not np.isnan(special)
