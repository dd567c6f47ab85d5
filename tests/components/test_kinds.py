"""Losses, optimizers, metrics and initializers as components."""

import numpy as np
import pytest

from cygd.components import Activation, Initializer, Loss, Metric, Optimizer, OptionError, resolve
from cygd.components.losses import LOSSES
from cygd.components.optimizers import OPTIMIZERS
from cygd.errors import DataError, PluginError
from tests.helpers.component_cases import descend, square

# -- losses ---------------------------------------------------------------------------------------


def test_loss_of_numpy_functions(caplog):
    loss = Loss("quartic", lambda y, y_hat, c: c * (y_hat - y) ** 4, parameters={"c": 1.0})
    assert "give derivative=derivative(y, y_hat)" in caplog.text
    y, y_hat = np.zeros(3), np.array([1.0, -2.0, 3.0])
    np.testing.assert_array_equal(loss.elements(y, y_hat), y_hat**4)
    np.testing.assert_allclose(loss.evaluate_derivative(y, y_hat), 4 * y_hat**3, rtol=1e-9)


def test_built_in_loss_runs_in_the_core():
    [huber] = [row for row in LOSSES if row.name == "huber"]
    y, y_hat = np.zeros((2, 1)), np.array([[1.0], [-4.0]])
    np.testing.assert_allclose(huber.configured({"delta": 2}).elements(y, y_hat), [[0.5], [6.0]])
    np.testing.assert_allclose(huber.configured({"delta": 2}).evaluate_derivative(y, y_hat), [[1.0], [-2.0]])


@pytest.mark.parametrize(
    ("name", "usual", "mean", "divisor"),
    [("sse", "sum", "mean", 6), ("mse", "mean", "mean", 6), ("cross_entropy", "mean_rows", "mean_rows", 2)],
)
def test_reduction(name, usual, mean, divisor):
    [loss] = [row for row in LOSSES if row.name == name]
    assert loss.reduction == usual
    assert loss.configured({"reduction": "sum"}).reduction == "sum"
    assert loss.configured({"reduction": "sum"}).divisor(2, 3) == 1
    back = loss.configured({"reduction": "sum"}).configured({"reduction": "mean"})
    assert back.reduction == mean
    assert back.options["reduction"] == "mean"
    assert back.divisor(2, 3) == divisor


@pytest.mark.parametrize("value", ["mean_rows", "median", 3, None])
def test_invalid_reduction(value):
    with pytest.raises(OptionError, match="option 'reduction' of loss 'sse': expected"):
        LOSSES[0].configured({"reduction": value})
    with pytest.raises(ValueError, match="reduction: expected sum, mean or mean_rows, got 'median'"):
        Loss("l", lambda y, y_hat: y, lambda y, y_hat: y, "median")


@pytest.mark.parametrize(
    ("targets", "good", "bad", "words"),
    [
        ("unit", [0, 0.3, 1], 1.5, "from 0 to 1"),
        ("nonnegative", [0, 7], -0.5, "of 0 or more"),
        ("signs", [-1, 1], 0.0, "of -1 or 1"),
    ],
)
def test_targets_outside_the_domain(targets, good, bad, words):
    loss = Loss("l", lambda y, y_hat: y, lambda y, y_hat: y, targets=targets)
    loss.check_targets(np.array(good, float).reshape(-1, 1))
    with pytest.raises(DataError) as raised:
        loss.check_targets([[good[0]], [good[1]], [bad]])
    assert str(raised.value) == f"loss 'l': expected targets {words}, got y[2, 0] = {bad}"


def test_any_targets():
    LOSSES[0].check_targets([[-1e9], [3.5]])


def test_invalid_loss():
    with pytest.raises(TypeError, match=r"loss 'l': function: expected a function of \(y, y_hat\)"):
        Loss("l", square, square)
    with pytest.raises(TypeError, match=r"loss 'l': derivative: expected a function of \(y, y_hat\)"):
        Loss("l", lambda y, y_hat: y, square)
    with pytest.raises(ValueError, match="targets: expected one of any, unit, nonnegative, signs, got 'odd'"):
        Loss("l", lambda y, y_hat: y, lambda y, y_hat: y, targets="odd")


# -- optimizers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sgd", {"learning_rate": 0.1, "momentum": 0, "dampening": 0, "nesterov": False, "weight_decay": 0}),
        (
            "adam",
            {
                "learning_rate": 1e-3,
                "beta1": 0.9,
                "beta2": 0.999,
                "epsilon": 1e-8,
                "weight_decay": 0,
                "amsgrad": False,
            },
        ),
        ("lion", {"learning_rate": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0}),
    ],
)
def test_optimizer_options(name, options):
    found = resolve("optimizer", name)
    assert found.options == options
    assert all(isinstance(found.options[o], bool) == isinstance(v, bool) for o, v in options.items())


def test_every_flag_of_an_optimizer_is_a_parameter():
    for optimizer in OPTIMIZERS:
        assert set(optimizer.flags) <= set(optimizer.parameters)


def test_every_bound_of_the_optimizers_is_used():
    assert set(OPTIMIZERS[0].bounds) <= {p for optimizer in OPTIMIZERS for p in optimizer.parameters}


def test_optimizer_of_a_numpy_function():
    optimizer = Optimizer("descend", descend, ["m"], learning_rate=1)
    assert (optimizer.state, optimizer.learning_rate, optimizer.tier) == (("m",), 1.0, "numpy")
    assert optimizer.configured({"learning_rate": 0}).learning_rate == 0.0
    with pytest.raises(
        OptionError, match=r"'learning_rate' of optimizer 'descend': expected a value in \[0, inf\)"
    ):
        optimizer.configured({"learning_rate": -1})


def test_invalid_optimizer():
    with pytest.raises(
        TypeError, match=r"update: expected a function of \(w, g, state, learning_rate, step\)"
    ):
        Optimizer("o", square)
    with pytest.raises(TypeError, match="optimizer 'o': state: expected a list of names, got 'm'"):
        Optimizer("o", descend, "m")
    with pytest.raises(
        OptionError, match="'learning_rate' of optimizer 'o': expected a finite number, got nan"
    ):
        Optimizer("o", descend, learning_rate=float("nan"))


# -- metrics and initializers ---------------------------------------------------------------------


def test_metric():
    metric = Metric("worst", lambda y, y_hat, scale=1.0: scale * np.abs(y - y_hat).max(), False)
    assert metric.configured({"scale": 2}).measure([1, 2], [1, 4]) == 4.0
    assert np.isnan(metric.measure([1, 2], [1, float("nan")]))


@pytest.mark.parametrize(("result", "kind"), [(None, "NoneType"), ("much", "str"), (np.zeros(2), "ndarray")])
def test_invalid_metric_result(result, kind):
    metric = Metric("m", lambda y, y_hat: result)
    with pytest.raises(PluginError, match=f"metric 'm': function: expected a number, got {kind}"):
        metric.measure([1.0], [1.0])


def test_metric_with_the_wrong_signature():
    with pytest.raises(TypeError, match=r"metric 'm': function: expected a function of \(y, y_hat\)"):
        Metric("m", square)
    with pytest.raises(TypeError, match=r"metric 'm': function: expected a function of \(y, y_hat\)"):
        Metric("m", "rmse")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "initializer 'i': function: expected an array of shape \\(2, 3\\) of float64, got None"),
        (
            np.zeros((3, 2)),
            "function: expected an array of shape \\(2, 3\\) of float64, got shape \\(3, 2\\)",
        ),
        (np.full((2, 3), np.nan), "function: expected finite weights"),
    ],
)
def test_invalid_initializer_result(result, text):
    with pytest.raises(PluginError, match=text):
        Initializer("i", lambda rng, n_inputs, n_outputs: result).draw(None, 2, 3)


def test_missing_function_or_update():
    with pytest.raises(TypeError, match=r"^loss 'l': no function; give function= or formula=$"):
        Loss("l")
    with pytest.raises(TypeError, match=r"^optimizer 'o': no update; give update= or formula=$"):
        Optimizer("o", state=["m"])


@pytest.mark.parametrize(
    ("kind", "argument", "said"),
    [
        (Activation, "formla", "Activation has no argument 'formla'; did you mean 'formula'?"),
        (Activation, "derivitive", "Activation has no argument 'derivitive'; did you mean 'derivative'?"),
        (Activation, "Formula", "Activation has no argument 'Formula'; did you mean 'formula'?"),
        (Loss, "reducton", "Loss has no argument 'reducton'; did you mean 'reduction'?"),
        (Optimizer, "numerical", "Optimizer has no argument 'numerical'; it takes name, summary, "),
        (
            Activation,
            "numerical",
            "Activation has no argument 'numerical'; it takes name, ",
        ),
        (
            Metric,
            "greater_is_beter",
            "Metric has no argument 'greater_is_beter'; did you mean 'greater_is_better'",
        ),
    ],
)
def test_unknown_argument_suggests_the_closest(kind, argument, said):
    with pytest.raises(TypeError) as caught:
        kind("a", **{argument: "h"})
    assert str(caught.value).startswith(said)
