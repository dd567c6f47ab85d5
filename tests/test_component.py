import logging
import pickle

import numpy as np
import pytest

from cygd.activations import ACTIVATIONS
from cygd.component import (
    REQUIRED,
    Activation,
    Component,
    Initializer,
    Loss,
    Metric,
    Optimizer,
    OptionError,
    Schedule,
    UnknownComponentError,
    resolve,
)
from cygd.component.options import Declared, within
from cygd.errors import CygdError, DataError, PluginError
from cygd.initializers import INITIALIZERS
from cygd.losses import LOSSES
from cygd.metrics import METRICS
from cygd.optimizers import OPTIMIZERS
from cygd.schedules import SCHEDULES

BUILT_INS: tuple[Component, ...] = (
    *ACTIVATIONS,
    *LOSSES,
    *OPTIMIZERS,
    *SCHEDULES,
    *INITIALIZERS,
    *METRICS,
)


def square(h):
    return h * h


def double(h):
    return 2 * h


def swish(h, beta):
    return h / (1 + np.exp(-beta * h))


def swish_prime(h, y_hat, beta):
    return beta * y_hat + (1 - beta * y_hat) / (1 + np.exp(-beta * h))


def softmax(h):
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(h, y_hat, g):
    return y_hat * (g - (g * y_hat).sum(axis=1, keepdims=True))


def descend(w, g, state, learning_rate, step):
    w -= learning_rate * g


SWISH = Activation("swish", swish, swish_prime, {"beta": 1.0})


# -- all components -------------------------------------------------------------------------------


@pytest.mark.parametrize("component", BUILT_INS, ids=str)
class TestBuiltIns:
    def test_is_found_by_its_name(self, component):
        found = resolve(component.kind, component.name)
        assert type(found) is type(component)
        assert found.options == component.options

    def test_says_what_it_is(self, component):
        assert component.summary
        assert component.tier == "built-in"
        assert component.name in repr(component)

    def test_takes_its_own_options(self, component):
        assert component.configured(component.options).options == component.options

    def test_bounds_speak_of_options_that_exist(self, component):
        if component.kind != "optimizer":  # theirs are shared
            assert set(component.bounds) <= set(component.options)

    def test_unknown_option(self, component):
        with pytest.raises(OptionError, match=r"has no option 'no_such_option'") as raised:
            component.configured({"no_such_option": 1})
        assert raised.value.option == "no_such_option"
        assert raised.value.hint

    def test_numbers_must_be_finite_numbers(self, component):
        for option, default in component.options.items():
            if isinstance(default, bool | str):
                continue
            for value, text in [
                (True, "must be a number, found True"),
                ("1", "must be a number, found '1'"),
                (None, "must be a number, found None"),
                (float("nan"), "must be finite, found nan"),
                (float("inf"), "must be finite, found inf"),
                (10**400, "must be finite, found a number beyond the largest float"),
            ]:
                with pytest.raises(OptionError) as raised:
                    component.configured({option: value})
                assert str(raised.value) == f"option {option!r} of {component} {text}"
                assert raised.value.option == option

    def test_survives_pickling(self, component):
        copy = pickle.loads(pickle.dumps(component))
        assert copy.options == component.options


def test_names_are_unique_within_a_kind():
    names = [(component.kind, component.name) for component in BUILT_INS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["", "9lives", "a b", "a:b", "a/b", "-a", "é", "a\n", None, 3])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match="is no name for an activation: it must begin with a letter"):
        Activation(name, square, double)


@pytest.mark.parametrize("name", ["a", "_a", "a.b-c_9"])
def test_names_that_are(name):
    assert Activation(name, square, double).name == name


def test_configured_is_a_copy_and_keeps_what_is_not_named():
    hot = SWISH.configured({"beta": 3})
    assert hot is not SWISH
    assert (SWISH.parameters, hot.parameters) == ({"beta": 1.0}, {"beta": 3.0})
    assert isinstance(hot.parameters["beta"], float)
    assert hot.configured({}).parameters == {"beta": 3.0}


def test_components_do_not_change():
    with pytest.raises(AttributeError):
        SWISH.name = "other"  # type: ignore[misc]


def test_a_component_equals_itself_alone():
    assert SWISH == SWISH
    assert SWISH.configured({}) != SWISH
    assert len({SWISH, SWISH.configured({})}) == 2


def test_near_misses_are_hinted():
    with pytest.raises(OptionError, match=r"did you mean 'beta'\?"):
        SWISH.configured({"betta": 1})
    with pytest.raises(OptionError, match="it takes beta"):
        SWISH.configured({"x": 1})
    with pytest.raises(OptionError, match="it takes no options"):
        Activation("square", square, double).configured({"x": 1})


def test_options_out_of_range():
    schedule = Schedule("s", lambda epoch, epochs, rate=0.5: rate, bounds={"rate": "(0, 1]"})
    assert schedule.configured({"rate": 1}).parameters == {"rate": 1.0}
    with pytest.raises(OptionError, match=r"option 'rate' of schedule 's' must lie in \(0, 1\], found 0"):
        schedule.configured({"rate": 0})


@pytest.mark.parametrize(
    ("value", "domain", "inside"),
    [
        (0, "[0, 1)", True),
        (1, "[0, 1)", False),
        (0, "(0, 1]", False),
        (1, "(0, 1]", True),
        (-5, "(-inf, inf)", True),
        (1e300, "[0, inf)", True),
        ("sum", "sum | mean", True),
        ("su", "sum | mean", False),
    ],
)
def test_within(value, domain, inside):
    assert within(value, domain) is inside


def test_declared_by_a_signature():
    def function(a, b, c: int = 1, *, d="x", e, **rest): ...

    declared = Declared.by(function, 2)
    assert declared.defaults == {"c": 1, "d": "x", "e": REQUIRED}
    assert declared.integers == {"c"}
    assert declared.open


def test_whole_numbers_are_those_annotated_int():
    def every(epoch, epochs, counted: int = 2, free=1): ...

    schedule = Schedule("every", every)
    assert schedule.configured({"counted": 3.0, "free": 0.5}).parameters == {"counted": 3, "free": 0.5}
    assert isinstance(schedule.configured({"counted": 3.0}).parameters["counted"], int)
    with pytest.raises(OptionError, match=r"'counted' of schedule 'every' must be a whole number, found 2"):
        schedule.configured({"counted": 2.5})


def test_flags_and_text_keep_their_type():
    def draw(rng, n_inputs, n_outputs, flag=False, word="a"): ...

    initializer = Initializer("mine", draw)
    with pytest.raises(OptionError, match="'flag' of initializer 'mine' must be true or false, found 1"):
        initializer.configured({"flag": 1})
    with pytest.raises(OptionError, match="'word' of initializer 'mine' must be text, found 3"):
        initializer.configured({"word": 3})


def test_an_option_without_a_default_is_required():
    initializer = Initializer("mine", lambda rng, n_inputs, n_outputs, *, scale: scale)
    with pytest.raises(OptionError, match="initializer 'mine' needs the option 'scale'"):
        resolve("initializer", initializer)
    assert initializer.configured({"scale": 2.0}).parameters == {"scale": 2.0}


def test_a_function_with_any_options_takes_any():
    initializer = Initializer("mine", lambda rng, n_inputs, n_outputs, **options: options)
    assert initializer.configured({"what": [1]}).parameters == {"what": [1]}


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"beta": "one"}, "the default of parameter 'beta' must be a number, found 'one'"),
        ({"beta": float("nan")}, "the default of parameter 'beta' must be finite, found nan"),
        ({"a b": 1}, "'a b' is no name for a parameter"),
        (["beta"], r"parameters must map names to defaults, found \['beta'\]"),
    ],
)
def test_parameters_that_are_none(parameters, text):
    with pytest.raises(TypeError, match=text):
        Activation("a", lambda h, **p: h, lambda h, **p: h, parameters)


@pytest.mark.parametrize("taken", ["name", "learning_rate"])
def test_parameters_whose_name_is_taken(taken):
    with pytest.raises(ValueError, match=f"a parameter cannot be called {taken!r}"):
        Optimizer("o", lambda *a, **p: None, [], {taken: 1.0})


# -- resolve --------------------------------------------------------------------------------------


def test_resolve_a_name_a_mapping_and_a_component():
    assert resolve("activation", "leaky_relu").parameters == {"slope": 0.01}
    assert resolve("activation", {"name": "leaky_relu", "slope": 0.1}).parameters == {"slope": 0.1}
    assert resolve("activation", SWISH).name == "swish"


def test_resolve_asks_the_components_given():
    class Only:
        def get(self, kind, name):
            return SWISH

    assert resolve("activation", {"name": "anything", "beta": 2}, Only()).parameters == {"beta": 2.0}


def test_resolve_an_unknown_name():
    with pytest.raises(UnknownComponentError, match="unknown activation 'rleu'") as raised:
        resolve("activation", "rleu")
    assert isinstance(raised.value, CygdError)
    assert isinstance(raised.value, ValueError)
    assert raised.value.hint == "did you mean 'relu'?"


def test_unknown_without_a_near_miss():
    assert UnknownComponentError("data_source", "q", ["csv", "npz"]).hint == "known: csv, npz"
    assert UnknownComponentError("activation", "ReLU", ["relu", "tanh"]).hint == "did you mean 'relu'?"
    assert str(UnknownComponentError("data_source", "q", [])).startswith("unknown data source 'q'")


@pytest.mark.parametrize(
    ("spec", "error", "text"),
    [
        ({"slope": 0.1}, OptionError, "an activation given as a mapping needs a 'name'"),
        (3, TypeError, "an activation is a name or a mapping with a name, found 3"),
        ({"name": None}, TypeError, "an activation is a name or a mapping with a name, found None"),
        (LOSSES[0], TypeError, "expected an activation, found loss 'sse'"),
    ],
)
def test_resolve_what_is_no_component(spec, error, text):
    with pytest.raises(error, match=text):
        resolve("activation", spec)


# -- activations ----------------------------------------------------------------------------------


def test_activation_of_numpy_functions():
    h = np.linspace(-3, 3, 12).reshape(4, 3)
    y_hat = SWISH.evaluate(h)
    assert SWISH.tier == "numpy"
    assert SWISH.derivative_takes_y_hat
    np.testing.assert_array_equal(y_hat, swish(h, 1.0))
    measured = (swish(h + 1e-6, 1.0) - swish(h - 1e-6, 1.0)) / 2e-6
    np.testing.assert_allclose(SWISH.slope(h), measured, rtol=1e-8)
    np.testing.assert_array_equal(SWISH.slope(h), SWISH.slope(h, y_hat))
    np.testing.assert_array_equal(SWISH.backpropagate(h, y_hat, h), h * SWISH.slope(h))


@pytest.mark.parametrize(
    ("derivative", "parameters", "takes"),
    [
        (lambda h: h, {}, False),
        (lambda h, beta: h, {"beta": 1.0}, False),
        (lambda h, y_hat: h, {}, True),
        (lambda h, y, beta: h, {"beta": 1.0}, True),
        (lambda h, *, beta: h, {"beta": 1.0}, False),
        (lambda h, y_hat=None: h, {}, True),
        (lambda h, out=None: h, {}, False),
        (np.cos, {}, False),
        (np.multiply, {}, True),
    ],
)
def test_the_signature_says_whether_the_derivative_wants_y_hat(derivative, parameters, takes):
    activation = Activation("a", lambda h, **p: h, derivative, parameters)
    assert activation.derivative_takes_y_hat is takes


def test_a_missing_derivative_is_measured_and_said(caplog):
    with caplog.at_level(logging.WARNING, "cygd"):
        activation = Activation("cube", lambda h, scale: scale * h**3, parameters={"scale": 1.0})
    assert "activation 'cube' has no derivative: it is measured by central differences" in caplog.text
    assert "give derivative=df(h)" in caplog.text
    assert activation.numerical
    h = np.linspace(-30, 30, 25)
    np.testing.assert_allclose(activation.slope(h), 3 * h**2, rtol=1e-9, atol=1e-9)
    caplog.clear()
    twice = activation.configured({"scale": 2})
    assert not caplog.records
    narrow = twice.slope(h.astype(np.float32))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, 6 * h**2, rtol=1e-6, atol=1e-9)


def test_a_given_derivative_is_not_measured(caplog):
    assert not Activation("square", square, double).numerical
    assert not caplog.records


def test_row_wise_activation():
    activation = Activation("mine", softmax, backward=softmax_backward)
    assert activation.rowwise
    h, g = np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([[1.0, 2.0], [0.5, 0.0]])
    y_hat = activation.evaluate(h)
    delta = activation.backpropagate(h, y_hat, g)
    np.testing.assert_array_equal(delta, softmax_backward(h, y_hat, g))
    [built_in] = [row for row in ACTIVATIONS if row.name == "softmax"]
    assert built_in.rowwise
    np.testing.assert_allclose(built_in.backpropagate(h, y_hat, g), delta, rtol=1e-14)
    with pytest.raises(TypeError, match=r"activation 'mine' is row-wise: .* so there is no f'\(h\)"):
        activation.slope(h)


def test_built_in_activation_runs_in_the_core():
    [leaky] = [row for row in ACTIVATIONS if row.name == "leaky_relu"]
    leaky = leaky.configured({"slope": 0.5})
    np.testing.assert_array_equal(leaky.evaluate([-2.0, 2.0]), [-1.0, 2.0])
    np.testing.assert_array_equal(leaky.slope([-2.0, 2.0]), [0.5, 1.0])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "^activation 'a' has no function: give function=, formula= or pointer=$"),
        ({"function": None}, "activation 'a' has no function"),
        ({"derivative": double}, "activation 'a' has no function"),
        ({"function": 3}, r"function must be a function of \(h\), found int"),
        ({"function": lambda: 1}, r"function must take \(h\), but its signature is \(\)"),
        ({"function": lambda x, y: x}, r"function must take \(h\), but its signature is \(x, y\)"),
        (
            {"function": square, "derivative": double, "parameters": {"beta": 1.0}},
            r"function must take \(h, beta\), but its signature is \(h\)",
        ),
        ({"function": square, "derivative": lambda: 1}, r"derivative must take \(h\)"),
        ({"function": square, "derivative": lambda a, b, c: 1}, r"derivative must take \(h\)"),
        ({"function": square, "derivative": "double"}, r"derivative must be a function of \(h\), found str"),
        ({"function": square, "backward": double}, r"backward must take \(h, y_hat, g\)"),
        (
            {"function": square, "derivative": double, "backward": double},
            "give derivative= or backward=",
        ),
        (
            {"function": square, "surrogate": True},
            "surrogate=True says that the derivative is not f'",
        ),
    ],
)
def test_activations_that_cannot_work(arguments, text):
    with pytest.raises(TypeError, match=text):
        Activation("a", **arguments)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, r"activation 'a': function returned None instead of an array of shape \(2, 3\)"),
        (np.zeros(3), r"function returned shape \(3,\) instead of an array of shape \(2, 3\)"),
        (1.0, r"function returned shape \(\) instead"),
        (np.zeros((2, 3), complex), r"function returned values of type complex128 instead .* of float64"),
        (np.full((2, 3), "x"), r"function returned values of type <U1 instead"),
    ],
)
def test_activations_that_return_nonsense(result, text):
    activation = Activation("a", lambda h: result, double)
    with pytest.raises(PluginError, match=text):
        activation.evaluate(np.zeros((2, 3)))


def test_an_activation_cannot_change_its_input():
    def careless(h):
        h *= 2
        return h

    h = np.ones(3)
    with pytest.raises(ValueError, match="read-only"):
        Activation("careless", careless, double).evaluate(h)
    np.testing.assert_array_equal(h, 1)


# -- losses ---------------------------------------------------------------------------------------


def test_loss_of_numpy_functions(caplog):
    loss = Loss("quartic", lambda y, y_hat, c: c * (y_hat - y) ** 4, parameters={"c": 1.0})
    assert "give derivative=derivative(y, y_hat)" in caplog.text
    y, y_hat = np.zeros(3), np.array([1.0, -2.0, 3.0])
    np.testing.assert_array_equal(loss.elements(y, y_hat), y_hat**4)
    np.testing.assert_allclose(loss.slope(y, y_hat), 4 * y_hat**3, rtol=1e-9)


def test_built_in_loss_runs_in_the_core():
    [huber] = [row for row in LOSSES if row.name == "huber"]
    y, y_hat = np.zeros((2, 1)), np.array([[1.0], [-4.0]])
    np.testing.assert_allclose(huber.configured({"delta": 2}).elements(y, y_hat), [[0.5], [6.0]])
    np.testing.assert_allclose(huber.configured({"delta": 2}).slope(y, y_hat), [[1.0], [-2.0]])


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
def test_reductions_that_are_none(value):
    with pytest.raises(OptionError, match="option 'reduction' of loss 'sse' must be"):
        LOSSES[0].configured({"reduction": value})
    with pytest.raises(ValueError, match="reduction must be sum, mean or mean_rows, found 'median'"):
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
    assert str(raised.value) == f"loss 'l' needs targets {words}, but y[2, 0] is {bad}"


def test_any_targets():
    LOSSES[0].check_targets([[-1e9], [3.5]])


def test_losses_that_cannot_work():
    with pytest.raises(TypeError, match=r"loss 'l': function must take \(y, y_hat\)"):
        Loss("l", square, square)
    with pytest.raises(TypeError, match=r"loss 'l': derivative must take \(y, y_hat\)"):
        Loss("l", lambda y, y_hat: y, square)
    with pytest.raises(ValueError, match="targets must be one of any, unit, nonnegative, signs, found 'odd'"):
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
    with pytest.raises(OptionError, match=r"'learning_rate' of optimizer 'descend' must lie in \[0, inf\)"):
        optimizer.configured({"learning_rate": -1})


def test_optimizers_that_cannot_work():
    with pytest.raises(TypeError, match=r"update must take \(w, g, state, learning_rate, step\)"):
        Optimizer("o", square)
    with pytest.raises(TypeError, match="optimizer 'o': state must be a list of names, found 'm'"):
        Optimizer("o", descend, "m")
    with pytest.raises(OptionError, match="'learning_rate' of optimizer 'o' must be finite, found nan"):
        Optimizer("o", descend, learning_rate=float("nan"))


# -- metrics and initializers ---------------------------------------------------------------------


def test_metric():
    metric = Metric("worst", lambda y, y_hat, scale=1.0: scale * np.abs(y - y_hat).max(), False)
    assert metric.configured({"scale": 2}).measure([1, 2], [1, 4]) == 4.0
    assert np.isnan(metric.measure([1, 2], [1, float("nan")]))


@pytest.mark.parametrize(("result", "kind"), [(None, "NoneType"), ("much", "str"), (np.zeros(2), "ndarray")])
def test_metrics_that_return_nonsense(result, kind):
    metric = Metric("m", lambda y, y_hat: result)
    with pytest.raises(PluginError, match=f"metric 'm': function must return a number, returned {kind}"):
        metric.measure([1.0], [1.0])


def test_metric_with_the_wrong_signature():
    with pytest.raises(TypeError, match=r"metric 'm': function must take \(y, y_hat\)"):
        Metric("m", square)
    with pytest.raises(TypeError, match=r"metric 'm': function must be a function of \(y, y_hat\)"):
        Metric("m", "rmse")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "initializer 'i': function returned None instead of an array of shape \\(2, 3\\)"),
        (np.zeros((3, 2)), "function returned shape \\(3, 2\\) instead of an array of shape \\(2, 3\\)"),
        (np.full((2, 3), np.nan), "function returned weights that are not finite"),
    ],
)
def test_initializers_that_return_nonsense(result, text):
    with pytest.raises(PluginError, match=text):
        Initializer("i", lambda rng, n_inputs, n_outputs: result).draw(None, 2, 3)


def test_a_loss_without_a_function_and_an_optimizer_without_an_update():
    with pytest.raises(TypeError, match=r"^loss 'l' has no function: give function= or formula=$"):
        Loss("l")
    with pytest.raises(TypeError, match=r"^optimizer 'o' has no update: give update= or formula=$"):
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
def test_an_argument_that_there_is_not(kind, argument, said):
    with pytest.raises(TypeError) as caught:
        kind("a", **{argument: "h"})
    assert str(caught.value).startswith(said)
