from pathlib import Path

import numpy as np

from cygd.testing import check_loss, load_plugin

plugin = load_plugin(Path(__file__).with_name("difference.py"))


def test_difference_passes_the_suite():
    check_loss(plugin.DIFFERENCE)


def test_value_derivative_and_reduction():
    y, y_hat = np.array([[4.0], [1.0]]), np.array([[2.0], [3.0]])
    assert plugin.difference(y, y_hat).tolist() == [[2.0], [-2.0]]
    assert plugin.difference_prime(y, y_hat).tolist() == [[-1.0], [-1.0]]
    assert plugin.DIFFERENCE.reduction == "sum"
