"""What `cygd new plugin` writes: for each kind a plugin that works as it is, and its test.

NAME and CONSTANT are put in by the command.
"""

from __future__ import annotations

__all__ = ["PLUGINS", "TESTS"]

PLUGINS = {
    "activation": '''\
"""The activation NAME: what it is good for, in a line.

    plugins: [NAME.py]
    model: {activation: {name: NAME, beta: 1.5}, layers: [16, 1]}
"""

from cygd import Activation, hookimpl

# An expression in h and the parameters; its derivative is found for you, and both run in the compiled core.
CONSTANT = Activation(
    "NAME",
    formula="h * sigmoid(beta * h)",
    parameters={"beta": 1.0},
    summary="h sigmoid(beta h)",
)

# What no formula can say is written as functions of arrays, which run at the speed of NumPy:
#
# import numpy as np
#
#
# def f(h, beta):
#     return h * (1 + np.tanh(beta * h / 2)) / 2
#
#
# def f_prime(h, y_hat, beta):
#     s = (1 + np.tanh(beta * h / 2)) / 2
#     return s + beta * y_hat * (1 - s)
#
#
# CONSTANT = Activation("NAME", f, f_prime, parameters={"beta": 1.0}, summary="h sigmoid(beta h)")


@hookimpl
def cygd_activations():
    return CONSTANT
''',
    "loss": '''\
"""The loss NAME: what it is good for, in a line.

    plugins: [NAME.py]
    loss: {name: NAME, delta: 0.5}
"""

from cygd import Loss, hookimpl

# An expression in y, y_hat and the parameters: the loss of one element, before the reduction. Its derivative
# by y_hat is found for you, and both run in the compiled core.
CONSTANT = Loss(
    "NAME",
    formula="delta**2 * (sqrt(1 + ((y_hat - y) / delta)**2) - 1)",
    parameters={"delta": 1.0},
    bounds={"delta": "(0, inf)"},
    reduction="mean",
    summary="delta^2 (sqrt(1 + (e / delta)^2) - 1)",
)

# What no formula can say is written as functions of arrays, which run at the speed of NumPy:
#
# import numpy as np
#
#
# def loss(y, y_hat, delta):
#     return delta**2 * (np.sqrt(1 + ((y_hat - y) / delta) ** 2) - 1)
#
#
# def loss_prime(y, y_hat, delta):
#     return (y_hat - y) / np.sqrt(1 + ((y_hat - y) / delta) ** 2)
#
#
# CONSTANT = Loss("NAME", loss, loss_prime, parameters={"delta": 1.0}, bounds={"delta": "(0, inf)"})


@hookimpl
def cygd_losses():
    return CONSTANT
''',
    "optimizer": '''\
"""The optimizer NAME: what it is good for, in a line.

    plugins: [NAME.py]
    optimizer: {name: NAME, learning_rate: 0.05, beta: 0.8}
"""

from cygd import Optimizer, hookimpl

# Expressions in w, the gradient g, the state, learning_rate, step (from 1) and the parameters, one for each
# array that an update changes, computed in this order by the compiled core.
CONSTANT = Optimizer(
    "NAME",
    state=["m"],
    formula={"m": "beta * m + g", "w": "w - learning_rate * m"},
    parameters={"beta": 0.9},
    bounds={"beta": "[0, 1)"},
    learning_rate=0.01,
    summary="w - rate * m, m a decaying sum of the gradients",
)

# What no formula can say is written as a function of arrays, which runs at the speed of NumPy:
#
#
# def update(w, g, state, learning_rate, step, beta):
#     m = state["m"]
#     m *= beta
#     m += g
#     w -= learning_rate * m
#
#
# CONSTANT = Optimizer("NAME", update, state=["m"], parameters={"beta": 0.9}, bounds={"beta": "[0, 1)"})


@hookimpl
def cygd_optimizers():
    return CONSTANT
''',
}

HEAD = """\
from pathlib import Path

import pytest

from cygd.testing import check_KIND, load_plugin

plugin = load_plugin(Path(__file__).with_name("NAME.py"))

"""

TESTS = {
    "activation": HEAD
    + """
@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_NAME_passes_the_suite(beta):
    check_activation(plugin.CONSTANT.configured({"beta": beta}))


def test_values_of_NAME():
    h = [-1000.0, 0.0, 1.0, 1000.0]
    assert plugin.CONSTANT.evaluate(h) == pytest.approx([0, 0, 0.7310585786, 1000])
    assert plugin.CONSTANT.evaluate_derivative(h) == pytest.approx([0, 0.5, 0.9276705119, 1])
""",
    "loss": HEAD
    + """
@pytest.mark.parametrize("delta", [0.5, 1.0, 3.0])
def test_NAME_passes_the_suite(delta):
    check_loss(plugin.CONSTANT.configured({"delta": delta}))


def test_values_of_NAME():
    y, y_hat = [0.0, 0.0, 2.0], [0.0, 0.75, 2.75]
    assert plugin.CONSTANT.elements(y, y_hat) == pytest.approx([0, 0.25, 0.25])
    assert plugin.CONSTANT.evaluate_derivative(y, y_hat) == pytest.approx([0, 0.6, 0.6])
""",
    "optimizer": HEAD.replace("import pytest\n\n", "from cygd import Network\n")
    + """
def test_NAME_passes_the_suite():
    check_optimizer(plugin.CONSTANT)


def test_steps_of_NAME():
    # one weight on one sample: g = w x - y = w - 1, so with rate 0.5 and beta 0.9
    # m = -1, w = 0.5; then m = -0.9 - 0.5 = -1.4, w = 1.2
    network = Network(1, [{"units": 1, "activation": "identity", "bias": False, "weights": [[0.0]]}])
    network.fit([[1.0]], [[1.0]], optimizer=plugin.CONSTANT, learning_rate=0.5, epochs=2, batch_size=1)
    assert abs(network.weights[0][0, 0] - 1.2) < 1e-12
""",
}
