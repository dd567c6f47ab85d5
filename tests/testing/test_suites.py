"""The suites for plugin authors: built-ins pass, faulty components fail with the right message."""

import ctypes

import numpy as np
import pytest

from cygd import Activation, Loss, Optimizer
from cygd.testing import check_activation, check_loss, check_optimizer
from tests.helpers.testing_cases import CHECKS, fails, needs_contiguous, registry
from tests.helpers.tracker_cases import skip_without


def built_in():
    return [
        pytest.param(entry.component, id=f"{entry.component.kind} {entry.component.name}")
        for entry in registry().entries
        if entry.component.kind in CHECKS
    ]


@pytest.mark.parametrize("component", built_in())
def test_built_in_passes(component, tmp_path, monkeypatch):
    if component.kind == "logger":
        skip_without(component.name)
        monkeypatch.setenv("WANDB_MODE", "offline")
        monkeypatch.chdir(tmp_path)
    CHECKS[component.kind](component)


# -- activations ------------------------------------------------------------------------------------


def sigmoid(h):
    return (1 + np.tanh(h / 2)) / 2


def softmax(h):
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(h, y_hat, g):
    return y_hat * (g - (g * y_hat).sum(axis=1, keepdims=True))


GOOD_ACTIVATIONS = [
    Activation("square", lambda h: h * h, lambda h: 2 * h),
    Activation("tanh", np.tanh, lambda h, y_hat: 1 - y_hat * y_hat),
    Activation("relu", lambda h: np.maximum(h, 0), lambda h: h > 0),
    Activation("absolute", np.abs, np.sign),
    Activation("waves", lambda h, k: np.sin(k * h), lambda h, k: k * np.cos(k * h), parameters={"k": 3.0}),
    Activation("knee", lambda h: np.abs(h - 0.7), lambda h: np.sign(h - 0.7), kinks=(0.7,)),
    Activation("own_softmax", softmax, backward=softmax_backward),
    Activation("spike", lambda h: np.heaviside(h, 1), lambda h: 1 / (1 + h * h), surrogate=True),
]


@pytest.mark.parametrize("activation", GOOD_ACTIVATIONS, ids=str)
def test_correct_activation_passes(activation):
    check_activation(activation)


def test_activation_without_a_derivative_passes(caplog):
    check_activation(Activation("measured", np.tanh))


def drifting():
    calls = []

    def function(h):
        calls.append(h)
        return h + 1e-9 * len(calls)

    return function


def naive_sigmoid_prime(h):
    e = np.exp(h)
    return e / (1 + e) ** 2


def fills_its_buffer(h):
    h = h if h.flags.writeable else h.copy()
    return np.tanh(h, out=h)


def fails_on_no_row(h):
    return h + 0 * h.max()


BROKEN_ACTIVATIONS = {
    "wrong factor": (
        lambda h: h * h,
        lambda h: h,
        "derivative is not the derivative of function: f'(0.944272): expected 1.88854, got 0.944272",
    ),
    "wrong far away": (
        lambda h: np.where(np.abs(h) < 10, h, 2 * h),
        np.ones_like,
        ": expected 2, got 1",
    ),
    "wrong around zero": (
        lambda h: np.where(np.abs(h) < 0.01, 5 * h, h),
        np.ones_like,
        ": expected 5, got 1",
    ),
    "changes its input": (fills_its_buffer, lambda h: 1 - np.tanh(h) ** 2, "function changes its input"),
    "writes what is there": (
        lambda h: np.multiply(h, 1.0, out=h),
        np.ones_like,
        "function changes its input",
    ),
    "always float64": (
        lambda h: h.astype(np.float64) * 2,
        lambda h: np.full_like(h, 2),
        "function: expected float32, got float64",
    ),
    "derivative always float64": (
        lambda h: 2 * h,
        lambda h: 2 * np.ones(h.shape),
        "derivative: expected float32, got float64",
    ),
    "hides a NaN": (
        lambda h: np.where(h > 0, h, 0),
        lambda h: h > 0,
        "f(nan): expected nan, got 0, which would hide a diverged run",
    ),
    "NaN in the tails": (sigmoid, naive_sigmoid_prime, "derivative is nan at h = "),
    "no row": (fails_on_no_row, np.ones_like, "zero-size array to reduction operation maximum"),
    "strides": (needs_contiguous, np.ones_like, "function failed on every second row: RuntimeError: cannot"),
    "has a memory": (drifting(), np.ones_like, "function gives different results for the same h"),
}


@pytest.mark.parametrize("name", BROKEN_ACTIVATIONS)
def test_broken_activation_fails(name):
    function, derivative, words = BROKEN_ACTIVATIONS[name]
    message = fails(check_activation, Activation("bad", function, derivative))
    assert "activation 'bad'" in message
    assert words in message


def test_rowwise_activation_over_rows_fails():
    def centred(h):
        return h - h.mean(axis=0)

    bad = Activation("bad", centred, backward=lambda h, y_hat, g: g * (1 - 1 / max(1, len(h))))
    assert "the output of a row depends on other rows" in fails(check_activation, bad)


def test_rowwise_activation_with_a_wrong_backward_fails():
    bad = Activation("bad", softmax, backward=lambda h, y_hat, g: g * y_hat)
    assert "backward is not the derivative of function" in fails(check_activation, bad)


@pytest.mark.parametrize("check", CHECKS.values())
def test_object_of_another_type_fails(check):
    assert "7" in fails(check, 7)


# -- losses -----------------------------------------------------------------------------------------


def square(y, y_hat):
    return (y_hat - y) ** 2


def square_prime(y, y_hat):
    return 2 * (y_hat - y)


def spoils(y, y_hat):
    y_hat = y_hat if y_hat.flags.writeable else y_hat.copy()
    y_hat -= y
    return y_hat * y_hat


GOOD_LOSSES = [
    Loss("square", square, square_prime),
    Loss("summed", square, square_prime, reduction="sum"),
    Loss("absolute", lambda y, y_hat: np.abs(y_hat - y), lambda y, y_hat: np.sign(y_hat - y)),
    Loss(
        "rate",
        lambda y, y_hat: y_hat - y * np.log(y_hat),
        lambda y, y_hat: 1 - y / y_hat,
        targets="nonnegative",
    ),
    Loss(
        "margin",
        lambda y, y_hat, at: np.maximum(0, at - y * y_hat),
        lambda y, y_hat, at: np.where(y * y_hat < at, -y, 0),
        parameters={"at": 1.0},
        targets="signs",
    ),
]


@pytest.mark.parametrize("loss", GOOD_LOSSES, ids=str)
def test_correct_loss_passes(loss):
    check_loss(loss)


BROKEN_LOSSES = {
    "sign": (square, lambda y, y_hat: 2 * (y - y_hat), "derivative is not dE/dy_hat: at y = "),
    "changes its input": (spoils, square_prime, "function changes its input"),
    "reduced": (
        lambda y, y_hat: square(y, y_hat).mean(),
        square_prime,
        "function: expected an array of shape (16, 3) of float64, got shape ()",
    ),
    "joins elements": (
        lambda y, y_hat: square(y, y_hat) + 1e-3 * y.sum(),
        square_prime,
        "function of an element depends on other elements",
    ),
    "hides a NaN": (
        lambda y, y_hat: np.nan_to_num(square(y, y_hat)),
        square_prime,
        "the loss of y_hat = nan: expected nan, got 0, which would hide a diverged run",
    ),
    "float64": (
        lambda y, y_hat: square(y, y_hat).astype(np.float64),
        square_prime,
        "function: expected float32, got float64",
    ),
}


@pytest.mark.parametrize("name", BROKEN_LOSSES)
def test_broken_loss_fails(name):
    function, derivative, words = BROKEN_LOSSES[name]
    message = fails(check_loss, Loss("bad", function, derivative))
    assert message.startswith("loss 'bad'")
    assert words in message


# -- optimizers -------------------------------------------------------------------------------------


def descend(w, g, state, learning_rate, step):
    w -= learning_rate * g


def heavy_ball(w, g, state, learning_rate, step, momentum):
    v = state["v"]
    v *= momentum
    v -= learning_rate * g
    w += v


def test_correct_optimizer_passes():
    check_optimizer(Optimizer("descend", descend))
    check_optimizer(Optimizer("heavy_ball", heavy_ball, state=["v"], parameters={"momentum": 0.9}))


def climb(w, g, state, learning_rate, step):
    w += learning_rate * g


def lost(w, g, state, learning_rate, step):
    w = w - learning_rate * g


def returns(w, g, state, learning_rate, step):
    w -= learning_rate * g
    return w


def spoils_g(w, g, state, learning_rate, step):
    g *= learning_rate
    w -= g


def rebinds(w, g, state, learning_rate, step):
    state["v"] = 0.9 * state["v"] + g
    w -= learning_rate * state["v"]


def adds_state(w, g, state, learning_rate, step):
    state["last"] = g
    w -= learning_rate * g


def divides(w, g, state, learning_rate, step):
    state["v"] += g * g
    w -= learning_rate * g / np.sqrt(state["v"])


def remembers():
    velocity = {}

    def update(w, g, state, learning_rate, step):
        velocity["v"] = 0.5 * velocity.get("v", 0) + g if velocity.get("n") == w.size else g
        velocity["n"] = w.size
        w -= learning_rate * velocity["v"]

    return update


BROKEN_OPTIMIZERS = {
    "climbs": (climb, [], "does not descend on a parabola: from 2.5 to "),
    "changes nothing": (lost, [], "20 updates do not change w"),
    "returns": (returns, [], "update: expected a change of w in place and None, got ndarray"),
    "changes g": (spoils_g, [], "update changes the gradient g"),
    "puts new arrays": (rebinds, ["v"], "update replaces the array state['v']"),
    "adds state": (adds_state, [], "state after update: expected [], got ['last']"),
    "zero by zero": (divides, ["v"], "with a gradient of zeros w is nan after 1 step of float64"),
    "remembers": (remembers(), [], "a second run of the same steps differs by "),
}


@pytest.mark.parametrize("name", BROKEN_OPTIMIZERS)
def test_broken_optimizer_fails(name):
    update, state, words = BROKEN_OPTIMIZERS[name]
    message = fails(check_optimizer, Optimizer("bad", update, state=state))
    assert message.startswith("optimizer 'bad'")
    assert words in message


# -- function pointers that raise -------------------------------------------------------------------


def raising_callback(at):
    def f(h):
        if h == at:
            raise OverflowError("too far")
        return h

    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(f)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("at", [1e-300, np.inf, -1e4])
def test_exception_of_a_ctypes_callback_is_found(at):
    one = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda h: h * 0 + 1)
    activation = Activation("far", pointer=raising_callback(at), derivative_pointer=one)
    message = fails(check_activation, activation)
    assert message.startswith(f"activation 'far': function raised OverflowError: too far at h = {at:g}")


def test_exception_of_a_numba_function_is_found():
    numba = pytest.importorskip("numba")

    @numba.cfunc(numba.float64(numba.float64))
    def f(h):
        return h + 0.0 / (h - 1e-300)

    @numba.cfunc(numba.float64(numba.float64))
    def derivative(h):
        return 1.0 + h * 0.0

    activation = Activation("far", pointer=f, derivative_pointer=derivative)
    assert fails(check_activation, activation).startswith(
        "activation 'far': function raised ZeroDivisionError: division by zero at h = 1e-300"
    )
