"""Python components that fail during training."""

import numpy as np
import pytest

from cygd import Activation, Loss, Metric, Optimizer, PluginError
from tests.helpers.training_cases import X, Y, network, optimizer


def fail(*arrays):
    raise ZeroDivisionError("no such number")


def write(*arrays):
    arrays[-1][...] = 0
    return arrays[-1]


MISTAKES = {
    "raises": (fail, "ZeroDivisionError: no such number"),
    "returns None": (lambda *a: None, "TypeError: it returned None"),
    "wrong shape": (lambda *a: a[-1][:1], r"ValueError: it returned shape \(1,\) for input of shape"),
    "complex": (lambda *a: a[-1] * 1j, "TypeError: it returned dtype complex128, not real numbers"),
    "NaN": (lambda *a: a[-1] * np.nan, "ValueError: it returned NaN for finite input"),
    "changes its input": (write, "ValueError: assignment destination is read-only"),
}


class Failing:
    """A function that does as it should for some calls, and then makes a mistake."""

    def __init__(self, function, mistake, good_calls):
        self.function, self.mistake, self.good_calls = function, mistake, good_calls

    def __call__(self, *arrays):
        self.good_calls -= 1
        return self.function(*arrays) if self.good_calls >= 0 else self.mistake(*arrays)


def tanh_derivative(h, y_hat):
    return 1 - y_hat**2


def square(y, y_hat):
    return (y - y_hat) ** 2


def square_derivative(y, y_hat):
    return 2 * (y_hat - y)


def right(role, mistake=None, good_calls=0):
    """Return a network of Python functions, one of which goes wrong after some calls."""
    functions = {
        "tanh": np.tanh,
        "tanh_derivative": tanh_derivative,
        "square": square,
        "square_derivative": square_derivative,
    }
    if mistake is not None:
        functions[role] = Failing(functions[role], mistake, good_calls)
    failing = functions["tanh_derivative"]
    derivative = (lambda h, y_hat: failing(h, y_hat)) if role == "tanh_derivative" else tanh_derivative
    activation = Activation("mine", functions["tanh"], derivative)
    loss = Loss("mine", functions["square"], functions["square_derivative"])
    return network([(4, "tanh"), (3, activation), (2, "identity")], loss)


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("tanh", "activation 'mine' of layer 1"),
        ("tanh_derivative", "activation 'mine' of layer 1"),
        ("square", "loss 'mine'"),
        ("square_derivative", "loss 'mine'"),
    ],
)
def test_a_failing_component_is_named_and_the_last_complete_epoch_kept(role, name, mistake):
    wrong, message = MISTAKES[mistake]
    # 5 updates an epoch, each one call: the eighth is in the second epoch
    net, expected = right(role, wrong, good_calls=7), right(role)
    with pytest.raises(PluginError, match=f"{name}: {message}"):
        net.fit(X, Y, epochs=4, batch_size=10)
    expected.fit(X, Y, epochs=1, batch_size=10)
    assert (net.epochs, net.updates) == (1, 5)
    np.testing.assert_array_equal(net.parameters, expected.parameters)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (fail, "ZeroDivisionError: no such number"),
        (lambda w, *rest: w.fill(np.nan), "ValueError: it made a parameter NaN"),
    ],
)
def test_a_failing_optimizer_is_named_and_the_last_complete_epoch_kept(wrong, message):
    def update(w, g, state, learning_rate, step):
        if step == 8:
            wrong(w, g)
        w -= learning_rate * g

    net, expected = network(), network()
    with pytest.raises(PluginError, match=f"optimizer 'mine': {message}"):
        net.fit(X, Y, Optimizer("mine", update, learning_rate=0.1), epochs=4, batch_size=10)
    expected.fit(X, Y, "sgd", 0.1, epochs=1, batch_size=10)
    assert (net.epochs, net.updates) == (1, 5)
    np.testing.assert_allclose(net.parameters, expected.parameters, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["sgd", "adam", "nadam", "rmsprop"])
def test_training_continues_after_a_failure_with_the_same_bits(name):
    options = {"momentum": 0.9} if name in ("sgd", "rmsprop") else {}
    net, expected = right("tanh", fail, good_calls=7), right("tanh")
    same = optimizer(name, **options)
    with pytest.raises(PluginError):
        net.fit(X, Y, same, epochs=4, batch_size=10)
    net.layers[1].activation.function.good_calls = len(X) * 100
    net.fit(X, Y, same, epochs=3, batch_size=10)
    expected.fit(X, Y, optimizer(name, **options), epochs=4, batch_size=10)
    np.testing.assert_array_equal(net.parameters, expected.parameters)


def test_ctrl_c_in_a_python_function_is_raised():
    def interrupted(*arrays):
        raise KeyboardInterrupt

    net, expected = right("tanh", interrupted, good_calls=7), right("tanh")
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, epochs=4, batch_size=10)
    expected.fit(X, Y, epochs=1, batch_size=10)
    np.testing.assert_array_equal(net.parameters, expected.parameters)


def test_a_failing_metric_or_schedule_keeps_the_weights_after_its_epoch():
    net, expected = network(), network()
    with pytest.raises(PluginError, match="metric 'text': function: expected a number, got str"):
        net.fit(X, Y, epochs=2, metrics=[Metric("text", lambda y, y_hat: "good")])
    expected.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
