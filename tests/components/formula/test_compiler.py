"""Activations, losses and update rules from formulas: names, parameters, order, caching."""

import numpy as np
import pytest

from cygd.components.formula import compile_activation, compile_loss, compile_update
from cygd.errors import FormulaError
from tests.helpers.formula_interpreter import run


def refused(function, *arguments):
    with pytest.raises(FormulaError) as caught:
        function(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "parameters", "trainable", "said"),
    [
        ("h * beta", {}, (), "unknown name 'beta'"),
        ("h * beta", {"beta": 1, "gamma": 2}, (), "the parameter 'gamma' does not stand in the formula"),
        ("h * exp(1)", {"exp": 1}, (), "the parameter 'exp' has the name of a function"),
        ("h * pi", {"pi": 3}, (), "the parameter 'pi' has the name of a constant"),
        ("h", {"h": 3}, (), "the parameter 'h' has the name of a variable"),
        ("h * y_hat", {"y_hat": 3}, (), "the parameter 'y_hat' has the name of a variable"),
        (
            "h * beta",
            {"beta": 1},
            ("bata",),
            "trainable: there is no parameter 'bata'\nhint: did you mean 'beta'?",
        ),
        ("h * beta", {"beta": 1}, ("h",), "trainable: there is no parameter 'h'"),
        ("h", {"a b": 1}, (), "the parameter 'a b' has a name that cannot stand in a formula"),
        ("h", {"": 1}, (), "the parameter '' has a name that cannot"),
        ("h", {"2a": 1}, (), "the parameter '2a' has a name that cannot"),
        ("h", {"lambda": 1}, (), "the parameter 'lambda' has the name of a keyword of Python"),
        ("h", {"None": 1}, (), "the parameter 'None' has the name of a keyword of Python"),
        ("h", {3: 1}, (), "the parameter 3 has a name that cannot"),
        ("h * b", {"b": True}, (), "the parameter 'b' must be a finite number, found True"),
        ("h * b", {"b": "1"}, (), "the parameter 'b' must be a finite number, found '1'"),
        ("h * b", {"b": None}, (), "the parameter 'b' must be a finite number, found None"),
        ("h * b", {"b": [1]}, (), "the parameter 'b' must be a finite number, found [1]"),
        ("h * b", {"b": 1j}, (), "the parameter 'b' must be a finite number, found 1j"),
        ("h * b", {"b": float("nan")}, (), "the parameter 'b' must be a finite number, found nan"),
        ("h * b", {"b": float("inf")}, (), "the parameter 'b' must be a finite number, found inf"),
        ("h * b", {"b": 10**400}, (), "the parameter 'b' must be a finite number, found inf"),
        ("h * b", {"b": 10**5000}, (), "the parameter 'b' must be a finite number, found inf"),
        ("b + h - h", {"b": 1.0}, ("b",), "the formula does not depend on h"),
        ("h * \ufb01 * fi", {"\ufb01": 1, "fi": 2}, (), "the parameter 'fi' has the name of another"),
    ],
)
def test_wrong_parameters(text, parameters, trainable, said):
    assert refused(compile_activation, text, parameters, trainable).startswith(said)


def test_a_number_is_no_bool_to_the_cache_either():
    assert compile_activation("h * b", {"b": 1.0}).forward.body
    assert "found True" in refused(compile_activation, "h * b", {"b": True})


def test_one_trainable_name_is_one_name_and_twice_is_once():
    once = compile_activation("h * beta", {"beta": 2.0}, ["beta"])
    assert once.forward.uniforms == ("beta",)
    assert compile_activation("h * beta", {"beta": 2.0}, "beta") == once
    assert compile_activation("h * beta", {"beta": 2.0}, ["beta", "beta"]) == once


def test_names_are_normalized_as_python_does():
    programs = compile_activation("h * \ufb01", {"\ufb01": 2.0}, ["\ufb01"])
    assert programs.forward.uniforms == ("fi",)


def test_each_set_of_values_is_a_program_of_its_own():
    h = np.array([2.0, -3.0])
    for beta in (0.0, -0.0, 1.0, -2.5):
        if beta:
            [found] = run(compile_activation("h * beta", {"beta": beta}).forward, [h])
            np.testing.assert_array_equal(found, beta * h)
    assert compile_activation("h * 3") is compile_activation("h * 3")
    assert compile_loss("(y - y_hat)**2") is compile_loss("(y - y_hat)**2")
    assert compile_activation("h * b", {"b": 3}) is compile_activation("h * b", {"b": 3.0})


def test_an_error_is_the_same_the_second_time():
    assert refused(compile_activation, "h * q") == refused(compile_activation, "h * q")


def test_losses():
    assert refused(compile_loss, "y * 2") == "the formula does not depend on y_hat"
    assert "unknown name 'h'" in refused(compile_loss, "h - y")
    assert refused(compile_loss, "y - y_hat", {"y": 1.0}).startswith(
        "the parameter 'y' has the name of a variable"
    )
    programs = compile_loss("delta * abs(y - y_hat)", {"delta": 3.0})
    y, y_hat = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 1.0])
    np.testing.assert_array_equal(run(programs.forward, [y, y_hat])[0], [3, 0, 6])
    np.testing.assert_array_equal(run(programs.derivative, [y, y_hat])[0], [3, 0, -3])


# update rules


def step(program, values, learning_rate=0.1, number=1):
    out = run(program, [values[name] for name in program.inputs], [learning_rate, number])
    return dict(zip(program.outputs, out, strict=True))


def test_formulas_are_computed_in_their_order():
    values = {"g": np.array([1.0]), "w": np.array([5.0]), "m": np.array([3.0])}
    first = compile_update({"m": "m + g", "w": "w - m"}, ["m"])
    assert step(first, values) == {"w": [1.0], "m": [4.0]}
    second = compile_update({"w": "w - m", "m": "m + g"}, ["m"])
    assert step(second, values) == {"w": [2.0], "m": [4.0]}


def test_a_swap_through_three_states():
    program = compile_update({"t": "a", "a": "b", "b": "c", "c": "t", "w": "w + g"}, ["a", "b", "c", "t"])
    values = {name: np.array([float(n)]) for n, name in enumerate("g w a b c t".split())}  # noqa: SIM905
    inputs = [values[name] for name in program.inputs]
    # every output over its own input, as they lie in an optimizer
    alias = [(k, program.inputs.index(name)) for k, name in enumerate(program.outputs)]
    found = dict(zip(program.outputs, run(program, inputs, [0.1, 1], alias), strict=True))
    assert found == {"w": [1.0], "a": [3.0], "b": [4.0], "c": [2.0], "t": [2.0]}


def test_adam():
    formulas = {
        "m": "b1 * m + (1 - b1) * g",
        "v": "b2 * v + (1 - b2) * g**2",
        "w": "w - learning_rate * m / (1 - b1**step) / (sqrt(v / (1 - b2**step)) + eps)",
    }
    b1, b2, eps = 0.9, 0.999, 1e-8
    program = compile_update(formulas, ["m", "v"], {"b1": b1, "b2": b2, "eps": eps})
    assert {op for op, *_ in program.prologue} >= {"expm1"}  # the corrections, once a call
    assert "expm1" not in {op for op, *_ in program.body}
    rng = np.random.default_rng(0)
    w = rng.normal(size=8)
    ours = {"w": w, "m": np.zeros(8), "v": np.zeros(8)}
    m = v = np.zeros(8)
    for number in range(1, 60):
        g = rng.normal(size=8)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        w = w - 0.01 * (m / (1 - b1**number)) / (np.sqrt(v / (1 - b2**number)) + eps)
        ours = step(program, ours | {"g": g}, 0.01, number)
        np.testing.assert_allclose(ours["w"], w, rtol=1e-13, atol=1e-15)
    assert set(program.outputs) == {"w", "m", "v"}


@pytest.mark.parametrize(
    ("formulas", "state", "parameters", "said"),
    [
        ({"m": "g"}, ["m"], {}, "there is no formula for 'w'"),
        ({"w": "w - m"}, ["m"], {}, "there is no formula for 'm'"),
        ({"w": "w - g", "q": "w"}, [], {}, "a formula for 'q', which is neither w nor in the state"),
        ({"w": "w - lr * g"}, [], {}, "formula of 'w': unknown name 'lr'"),
        ({"w": "w - g"}, [], {"beta": 1.0}, "the parameter 'beta' does not stand in the formula"),
        ({"w": "w - g"}, [], {"step": 1.0}, "the parameter 'step' has the name of a variable"),
        ({"w": "w - g", "m": "g"}, ["m"], {"m": 1.0}, "the parameter 'm' has the name of a variable"),
        ({"w": "w - g", "exp": "g"}, ["exp"], {}, "the state 'exp' has the name of a function"),
        ({"w": "w - g"}, ["w"], {}, "the state 'w' has the name of a variable"),
        ({"w": "w - g", "m": "g"}, ["m", "m"], {}, "the state 'm' has the name of another"),
        ({"w": "w - g", "if": "g"}, ["if"], {}, "the state 'if' has the name of a keyword of Python"),
        ({"w": None}, [], {}, "formula of 'w': a formula is text, found NoneType"),
        ({"w": ["w"]}, [], {}, "formula of 'w': a formula is text, found list"),
    ],
)
def test_wrong_updates(formulas, state, parameters, said):
    assert refused(compile_update, formulas, state, parameters).startswith(said)


def test_formulas_through_many_states_are_no_crash():
    names = [f"s{n}" for n in range(12)]
    formulas, before = {}, "w"
    for name in names:
        formulas[name] = "sin(" * 90 + before + ")" * 90
        before = name
    assert "nested too deeply" in refused(compile_update, formulas | {"w": before}, names)
