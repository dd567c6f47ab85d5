"""Invalid arguments of networks and of fit are errors that name them."""

import numpy as np
import pytest

from cygd import Network

X, Y = np.zeros((4, 2)), np.zeros((4, 1))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"clip": 1}, ValueError, "clip must be"),
        ({"validation": X}, TypeError, r"validation must be a pair \(x, y\)"),
        ({"stop": 3}, TypeError, "stop must be a mapping"),
        ({"callback": 3}, TypeError, "callback must be a function, got 3"),
        ({"shuffle": "no"}, TypeError, "shuffle must be true or false, got 'no'"),
    ],
)
def test_wrong_arguments_of_fit(options, error, message):
    with pytest.raises(error, match=message):
        Network(2, [1]).fit(X, Y, **options)


def test_wrong_arguments_of_other_methods():
    net = Network(2, [1])
    with pytest.raises(ValueError, match="threads must be a whole number of at least 1, got 0"):
        net.predict(X, threads=0)
    with pytest.raises(ValueError, match="step must be a finite number above 0, got 0"):
        net.numerical_gradient(X, Y, step=0)
    with pytest.raises(ValueError, match="layers must be a list of at least one layer, got None"):
        Network(2, None)


def test_predict_in_place():
    net = Network(3, [(5, "tanh"), 3], seed=1)
    x = np.random.default_rng(0).normal(size=(3000, 3))
    expected = net.predict(x)
    assert net.predict(x, out=x, threads=2) is x
    np.testing.assert_array_equal(x, expected)
