import re

import numpy as np
import pytest

from cygd import Activation, Loss, Metric, Optimizer, Schedule
from cygd.plugins.component_checks import ComponentCheckError, check_component, sample_points, targets_for


def problem(component):
    with pytest.raises(ComponentCheckError) as caught:
        check_component(component)
    return caught.value


def sigmoid(h):
    return 1 / (1 + np.exp(-h))


def softmax(h):
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(h, y_hat, g):
    return y_hat * (g - (g * y_hat).sum(axis=1, keepdims=True))


# -- correct derivatives --------------------------------------------------------------------------

GOOD = {
    "identity": (lambda h: h, np.ones_like),
    "square": (lambda h: h * h, lambda h: 2 * h),
    "tanh by its output": (np.tanh, lambda h, y_hat: 1 - y_hat * y_hat),
    "sigmoid": (sigmoid, lambda h, y_hat: y_hat * (1 - y_hat)),
    "absolute value": (np.abs, np.sign),
    "relu": (lambda h: np.maximum(h, 0), lambda h: np.where(h > 0, 1.0, 0.0)),
    "relu with a bool": (lambda h: np.maximum(h, 0), lambda h: h > 0),
    "leaky relu": (lambda h: np.where(h > 0, h, 0.01 * h), lambda h: np.where(h > 0, 1, 0.01)),
    "hard tanh": (lambda h: np.clip(h, -1, 1), lambda h: (np.abs(h) < 1) * 1),
    "zigzag": (lambda h: np.abs(h % 2 - 1), lambda h: np.where(h % 2 < 1, -1.0, 1.0)),
    "stairs": (np.floor, np.zeros_like),
    "step": (lambda h: np.where(h >= 0, 1, 0), np.zeros_like),
    "steep": (lambda h: np.tanh(50 * h), lambda h, y_hat: 50 * (1 - y_hat * y_hat)),
    "exponential": (np.exp, lambda h, y_hat: y_hat),
    "quick waves": (lambda h: np.sin(30 * h), lambda h: 30 * np.cos(30 * h)),
    "tiny": (lambda h: 1e-6 * np.tanh(h), lambda h: 1e-6 * (1 - np.tanh(h) ** 2)),
    "inner float32": (
        lambda h: np.tanh(h.astype(np.float32)),
        lambda h: 1 - np.tanh(h.astype(np.float32)) ** 2,
    ),
    "without a derivative": (np.tanh, None),
}


@pytest.mark.parametrize("name", GOOD)
def test_correct_derivative_is_accepted(name, caplog):
    check_component(Activation("f", *GOOD[name]))


@pytest.mark.parametrize("kink", [float(value) for value in sample_points(-4, 4, 8, 3).ravel()[:6]])
def test_kink_or_jump_at_a_sample_point_is_accepted(kink):
    check_component(Activation("v", lambda h: np.abs(h - kink), lambda h: np.sign(h - kink)))
    check_component(Activation("jump", lambda h: np.where(h >= kink, 1.0, 0.0), np.zeros_like))


def test_parameters_are_passed_to_both_functions():
    check_component(
        Activation("swish", lambda h, a: a * h, lambda h, a: a + 0 * h, parameters={"a": 3.0}),
    )


def test_surrogate_is_not_compared():
    def fast(h):
        return 1 / (1 + h * h)

    check_component(Activation("spike", lambda h: np.where(h >= 0, 1.0, 0.0), fast, surrogate=True))


def test_rowwise_activation_is_accepted():
    check_component(Activation("softmax", softmax, backward=softmax_backward))


LOSSES = {
    "squared": (lambda y, y_hat: (y - y_hat) ** 2, lambda y, y_hat: 2 * (y_hat - y), "any"),
    "absolute": (lambda y, y_hat: np.abs(y - y_hat), lambda y, y_hat: np.sign(y_hat - y), "any"),
    "difference": (lambda y, y_hat: y - y_hat, lambda y, y_hat: -np.ones_like(y_hat), "any"),
    "log loss": (
        lambda y, y_hat: -y * np.log(y_hat) - (1 - y) * np.log(1 - y_hat),
        lambda y, y_hat: (y_hat - y) / (y_hat * (1 - y_hat)),
        "unit",
    ),
    "poisson": (lambda y, y_hat: y_hat - y * np.log(y_hat), lambda y, y_hat: 1 - y / y_hat, "nonnegative"),
    "hinge": (
        lambda y, y_hat: np.maximum(0, 1 - y * y_hat),
        lambda y, y_hat: np.where(y * y_hat < 1, -y, 0),
        "signs",
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_correct_loss_is_accepted(name):
    function, derivative, targets = LOSSES[name]
    check_component(Loss("f", function, derivative, targets=targets))


def test_components_of_other_kinds_are_not_checked():
    check_component(Metric("m", lambda y, y_hat: 1 / 0))


# -- wrong derivatives ----------------------------------------------------------------------------

WRONG = {
    "sign": (-1.0, "(-1 times the expected value everywhere)"),
    "factor of two": (2.0, "(2 times the expected value everywhere)"),
    "half": (0.5, "(0.5 times the expected value everywhere)"),
    "one percent": (1.01, "(1.01 times the expected value everywhere)"),
    "one per mille": (1.001, "(1.001 times the expected value everywhere)"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("f", ["square", "tanh by its output", "leaky relu", "exponential", "absolute value"])
def test_wrong_factor_is_rejected(name, f):
    function, derivative = GOOD[f]
    factor, words = WRONG[name]

    def wrong(h, y_hat):
        with_output = f in ("tanh by its output", "exponential")
        return factor * (derivative(h, y_hat) if with_output else derivative(h))

    message = problem(Activation("f", function, wrong)).message
    assert words in message


def test_wrong_derivative_error_names_point_and_values():
    error = problem(Activation("square", lambda h: h * h, lambda h: h))
    found = re.fullmatch(
        r"activation 'square': derivative is not the derivative of function: f'\((\S+)\): expected (\S+), "
        r"got (\S+) \(0\.5 times the expected value everywhere\)",
        error.message,
    )
    h, expected, given = (float(number) for number in found.groups())
    assert given == h
    assert expected == pytest.approx(2 * h, rel=1e-4)
    assert error.hint == "if it deliberately differs from f', state it: surrogate=True"


def test_derivative_wrong_on_one_side_is_rejected():
    activation = Activation("elu", lambda h: np.where(h > 0, h, np.exp(h) - 1), np.ones_like)
    assert re.search(r"f'\(-\d\S+\): expected 0\.\d+, got 1$", problem(activation).message)


def test_smooth_derivative_of_a_jump_is_rejected():
    activation = Activation("spike", lambda h: np.where(h >= 0, 1.0, 0.0), lambda h: 1 / (1 + h * h))
    assert problem(activation).hint == "if it deliberately differs from f', state it: surrogate=True"


def test_wrong_backward_is_rejected():
    message = problem(Activation("own", softmax, backward=lambda h, y_hat, g: g * y_hat)).message
    assert message.startswith(
        "activation 'own': backward is not the derivative of function: delta of unit 0 at h = ["
    )


def test_wrong_loss_derivative_error_names_point_and_values():
    error = problem(Loss("squared", lambda y, y_hat: (y - y_hat) ** 2, lambda y, y_hat: 2 * (y - y_hat)))
    assert re.fullmatch(
        r"loss 'squared': derivative is not dE/dy_hat: at y = \S+, y_hat = \S+: expected \S+, "
        r"got \S+ \(-1 times the expected value everywhere\)",
        error.message,
    )
    assert error.hint.startswith("it is taken with respect to y_hat")


# -- faulty functions -----------------------------------------------------------------------------


def in_place(h):
    h *= 2
    return h


def in_place_twice(h, y_hat):
    y_hat *= y_hat
    return y_hat


def no_return(h):
    np.tanh(h)


TWO = np.full_like

BAD = {
    "None": (no_return, "function: expected an array of shape (8, 3) of float64, got None"),
    "scalar": (lambda h: 1.0, "function: expected an array of shape (8, 3) of float64, got shape ()"),
    "mean": (
        lambda h: h.mean(axis=0),
        "function: expected an array of shape (8, 3) of float64, got shape (3,)",
    ),
    "transposed": (lambda h: h.T, "function: expected an array of shape (8, 3) of float64, got shape (3, 8)"),
    "complex": (
        lambda h: np.sqrt(h + 0j),
        "function: expected an array of shape (8, 3) of float64, got dtype complex128",
    ),
    "object": (
        lambda h: h.astype(object),
        "function: expected an array of shape (8, 3) of float64, got dtype object",
    ),
    "text": (lambda h: h.astype(str), "function: expected an array of shape (8, 3) of float64, got dtype <U"),
    "changed input": (in_place, "function changes its input"),
    "raises": (lambda h: np.dot(h, h), "function failed on an array of shape (8, 3) of float64: ValueError"),
    "exits": (lambda h: exit(3), "function failed on an array of shape (8, 3) of float64: SystemExit: 3"),
    "nan": (np.log, "f(-"),
    "inf": (lambda h: h / 0, "f(0.944272) is inf"),
}


@pytest.mark.parametrize("name", BAD)
def test_faulty_function(name):
    function, words = BAD[name]
    message = problem(Activation("bad", function, np.ones_like)).message
    assert message.startswith(f"activation 'bad': {words}")


def test_nan_error_names_the_point():
    message = problem(Activation("log", np.log, lambda h: 1 / h)).message
    assert re.fullmatch(r"activation 'log': f\(-\d\.\d+\) is nan", message)


def test_exception_of_a_function_is_reported_with_its_line():
    def bad(h):
        raise RuntimeError("no")

    line = bad.__code__.co_firstlineno + 1
    message = problem(Activation("bad", bad, np.ones_like)).message
    assert message.endswith(f"RuntimeError: no (test_component_checks.py, line {line})")


BAD_DERIVATIVES = {
    "None": (no_return, "derivative: expected an array of shape (8, 3) of float64, got None"),
    "shape": (lambda h: 1.0, "derivative: expected an array of shape (8, 3) of float64, got shape ()"),
    "changed input": (in_place, "derivative changes its input"),
    "changed output": (in_place_twice, "derivative changes its input"),
    "nan": (lambda h: h * np.nan, "f'(0.944272) is nan"),
    "complex": (
        lambda h: h + 0j,
        "derivative: expected an array of shape (8, 3) of float64, got dtype complex128",
    ),
}


@pytest.mark.parametrize("name", BAD_DERIVATIVES)
def test_faulty_derivative(name):
    derivative, words = BAD_DERIVATIVES[name]
    message = problem(Activation("bad", lambda h: h, derivative)).message
    assert message.startswith(f"activation 'bad': {words}")


def test_activation_over_units_is_hinted_to_be_rowwise():
    error = problem(Activation("centred", lambda h: h - h.mean(), np.ones_like))
    assert error.message == "activation 'centred': the output of a unit depends on other units"
    assert error.hint.startswith("such an activation is row-wise: give backward=")


BAD_LOSSES = {
    "None": (lambda y, y_hat: None, "function: expected an array of shape (16, 3) of float64, got None"),
    "reduced": (
        lambda y, y_hat: ((y - y_hat) ** 2).sum(),
        "function: expected an array of shape (16, 3) of float64, got shape ()",
    ),
    "undefined": (lambda y, y_hat: np.sqrt(-1 - y_hat**2), "E at y_hat = 0.944272 is nan"),
    "complex": (
        lambda y, y_hat: y - y_hat + 0j,
        "function: expected an array of shape (16, 3) of float64, got dtype complex128",
    ),
}


@pytest.mark.parametrize("name", BAD_LOSSES)
def test_faulty_loss(name):
    function, words = BAD_LOSSES[name]
    message = problem(Loss("bad", function, lambda y, y_hat: y_hat)).message
    assert message.startswith(f"loss 'bad': {words}")


def test_loss_that_changes_the_targets():
    def bad(y, y_hat):
        y -= y_hat
        return y * y

    message = problem(Loss("bad", bad, lambda y, y_hat: 2 * (y_hat - y))).message
    assert message == "loss 'bad': function changes its input"


# -- optimizers and schedules ---------------------------------------------------------------------


def test_optimizer_that_returns_instead_of_changing_w():
    error = problem(Optimizer("lost", lambda w, g, state, learning_rate, step: w - learning_rate * g))
    assert error.message == "optimizer 'lost': update: expected a change of w in place, got a returned array"


def test_exception_of_an_optimizer_is_reported():
    error = problem(Optimizer("bad", lambda w, g, state, learning_rate, step: state["m"]))
    assert error.message.startswith(
        "optimizer 'bad': update failed: KeyError: 'm' (test_component_checks.py, line "
    )


def test_optimizer_that_produces_nan():
    def bad(w, g, state, learning_rate, step):
        w /= state["v"]

    message = problem(Optimizer("bad", bad, state=["v"])).message
    assert re.fullmatch(r"optimizer 'bad': after one update of \S+ w is -?inf", message)


def test_faulty_schedule():
    error = problem(Schedule("bad", lambda epoch, epochs: 1 / epoch))
    assert error.message.startswith("schedule 'bad': failed within 10 epochs: ZeroDivisionError: division by")
    assert "expected a number, got None" in problem(Schedule("none", lambda epoch, epochs: None)).message


def test_correct_schedule_and_optimizer_are_accepted():
    def descend(w, g, state, learning_rate, step):
        w -= learning_rate * g

    check_component(Optimizer("descend", descend))
    check_component(Schedule("halve", lambda epoch, epochs: 0.5**epoch))


def test_targets_for_are_in_the_domain():
    for targets in ("any", "unit", "nonnegative", "signs"):
        loss = Loss("f", lambda y, y_hat: y, lambda y, y_hat: y, targets=targets)
        loss.check_targets(targets_for(loss, 16, 3))
