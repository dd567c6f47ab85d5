"""Compiled activations, losses and update rules: names, parameters, order, caching."""

import numpy as np
import pytest

from cygd.components.formula import compile_activation, compile_loss, compile_update
from cygd.errors import FormulaError
from tests.helpers.formula_interpreter import run


def error_of(function, *arguments):
    with pytest.raises(FormulaError) as caught:
        function(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "parameters", "trainable", "message"),
    [
        ("h * beta", {}, (), "unknown name 'beta'"),
        ("h * beta", {"beta": 1, "gamma": 2}, (), "parameter 'gamma' is not used in the formula"),
        ("h * exp(1)", {"exp": 1}, (), "parameter 'exp' has the name of a function"),
        ("h * pi", {"pi": 3}, (), "parameter 'pi' has the name of a constant"),
        ("h", {"h": 3}, (), "parameter 'h' has the name of a variable"),
        ("h * y_hat", {"y_hat": 3}, (), "parameter 'y_hat' has the name of a variable"),
        (
            "h * beta",
            {"beta": 1},
            ("bata",),
            "trainable: unknown parameter 'bata'\nhint: did you mean 'beta'?",
        ),
        ("h * beta", {"beta": 1}, ("h",), "trainable: unknown parameter 'h'"),
        ("h", {"a b": 1}, (), "invalid parameter name 'a b'"),
        ("h", {"": 1}, (), "invalid parameter name ''"),
        ("h", {"2a": 1}, (), "invalid parameter name '2a'"),
        ("h", {"lambda": 1}, (), "parameter 'lambda': a Python keyword cannot be a name"),
        ("h", {"None": 1}, (), "parameter 'None': a Python keyword cannot be a name"),
        ("h", {3: 1}, (), "invalid parameter name 3"),
        ("h * b", {"b": True}, (), "parameter 'b': expected a finite number, got True"),
        ("h * b", {"b": "1"}, (), "parameter 'b': expected a finite number, got '1'"),
        ("h * b", {"b": None}, (), "parameter 'b': expected a finite number, got None"),
        ("h * b", {"b": [1]}, (), "parameter 'b': expected a finite number, got [1]"),
        ("h * b", {"b": 1j}, (), "parameter 'b': expected a finite number, got 1j"),
        ("h * b", {"b": float("nan")}, (), "parameter 'b': expected a finite number, got nan"),
        ("h * b", {"b": float("inf")}, (), "parameter 'b': expected a finite number, got inf"),
        ("h * b", {"b": 10**400}, (), "parameter 'b': expected a finite number, got inf"),
        ("h * b", {"b": 10**5000}, (), "parameter 'b': expected a finite number, got inf"),
        ("b + h - h", {"b": 1.0}, ("b",), "the formula does not depend on h"),
        ("h * \ufb01 * fi", {"\ufb01": 1, "fi": 2}, (), "parameter 'fi' has the name of another parameter"),
    ],
)
def test_invalid_parameters(text, parameters, trainable, message):
    assert error_of(compile_activation, text, parameters, trainable).startswith(message)


def test_bool_parameter_is_an_error_despite_the_cache():
    assert compile_activation("h * b", {"b": 1.0}).forward.body
    assert "got True" in error_of(compile_activation, "h * b", {"b": True})


def test_trainable_as_string_and_duplicate_names():
    once = compile_activation("h * beta", {"beta": 2.0}, ["beta"])
    assert once.forward.uniforms == ("beta",)
    assert compile_activation("h * beta", {"beta": 2.0}, "beta") == once
    assert compile_activation("h * beta", {"beta": 2.0}, ["beta", "beta"]) == once


def test_names_are_normalized_to_nfkc():
    programs = compile_activation("h * \ufb01", {"\ufb01": 2.0}, ["\ufb01"])
    assert programs.forward.uniforms == ("fi",)


def test_programs_are_cached_by_parameter_values():
    h = np.array([2.0, -3.0])
    for beta in (0.0, -0.0, 1.0, -2.5):
        if beta:
            [found] = run(compile_activation("h * beta", {"beta": beta}).forward, [h])
            np.testing.assert_array_equal(found, beta * h)
    assert compile_activation("h * 3") is compile_activation("h * 3")
    assert compile_loss("(y - y_hat)**2") is compile_loss("(y - y_hat)**2")
    assert compile_activation("h * b", {"b": 3}) is compile_activation("h * b", {"b": 3.0})


def test_repeated_errors_are_equal():
    assert error_of(compile_activation, "h * q") == error_of(compile_activation, "h * q")


def test_loss_formulas():
    assert error_of(compile_loss, "y * 2") == "the formula does not depend on y_hat"
    assert "unknown name 'h'" in error_of(compile_loss, "h - y")
    assert error_of(compile_loss, "y - y_hat", {"y": 1.0}).startswith(
        "parameter 'y' has the name of a variable"
    )
    programs = compile_loss("delta * abs(y - y_hat)", {"delta": 3.0})
    y, y_hat = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 1.0])
    np.testing.assert_array_equal(run(programs.forward, [y, y_hat])[0], [3, 0, 6])
    np.testing.assert_array_equal(run(programs.derivative, [y, y_hat])[0], [3, 0, -3])


# update rules


def step(program, values, learning_rate=0.1, number=1):
    out = run(program, [values[name] for name in program.inputs], [learning_rate, number])
    return dict(zip(program.outputs, out, strict=True))


def test_update_formulas_run_in_order():
    values = {"g": np.array([1.0]), "w": np.array([5.0]), "m": np.array([3.0])}
    first = compile_update({"m": "m + g", "w": "w - m"}, ["m"])
    assert step(first, values) == {"w": [1.0], "m": [4.0]}
    second = compile_update({"w": "w - m", "m": "m + g"}, ["m"])
    assert step(second, values) == {"w": [2.0], "m": [4.0]}


def test_rotating_states_with_outputs_over_inputs():
    program = compile_update({"t": "a", "a": "b", "b": "c", "c": "t", "w": "w + g"}, ["a", "b", "c", "t"])
    values = {name: np.array([float(n)]) for n, name in enumerate("g w a b c t".split())}  # noqa: SIM905
    inputs = [values[name] for name in program.inputs]
    # each output overwrites its own input, as in an optimizer
    alias = [(k, program.inputs.index(name)) for k, name in enumerate(program.outputs)]
    found = dict(zip(program.outputs, run(program, inputs, [0.1, 1], alias), strict=True))
    assert found == {"w": [1.0], "a": [3.0], "b": [4.0], "c": [2.0], "t": [2.0]}


def test_adam_as_a_formula():
    formulas = {
        "m": "b1 * m + (1 - b1) * g",
        "v": "b2 * v + (1 - b2) * g**2",
        "w": "w - learning_rate * m / (1 - b1**step) / (sqrt(v / (1 - b2**step)) + eps)",
    }
    b1, b2, eps = 0.9, 0.999, 1e-8
    program = compile_update(formulas, ["m", "v"], {"b1": b1, "b2": b2, "eps": eps})
    assert {op for op, *_ in program.prologue} >= {"expm1"}  # the bias corrections, once per call
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
    ("formulas", "state", "parameters", "message"),
    [
        ({"m": "g"}, ["m"], {}, "no formula for 'w'"),
        ({"w": "w - m"}, ["m"], {}, "no formula for 'm'"),
        ({"w": "w - g", "q": "w"}, [], {}, "unexpected formula for 'q', which is neither w nor in state"),
        ({"w": "w - lr * g"}, [], {}, "formula of 'w': unknown name 'lr'"),
        ({"w": "w - g"}, [], {"beta": 1.0}, "parameter 'beta' is not used in the formula"),
        ({"w": "w - g"}, [], {"step": 1.0}, "parameter 'step' has the name of a variable"),
        ({"w": "w - g", "m": "g"}, ["m"], {"m": 1.0}, "parameter 'm' has the name of a variable"),
        ({"w": "w - g", "exp": "g"}, ["exp"], {}, "state 'exp' has the name of a function"),
        ({"w": "w - g"}, ["w"], {}, "state 'w' has the name of a variable"),
        ({"w": "w - g", "m": "g"}, ["m", "m"], {}, "state 'm' has the name of another state"),
        ({"w": "w - g", "if": "g"}, ["if"], {}, "state 'if': a Python keyword cannot be a name"),
        ({"w": None}, [], {}, "formula of 'w': expected a formula as text, got NoneType"),
        ({"w": ["w"]}, [], {}, "formula of 'w': expected a formula as text, got list"),
    ],
)
def test_invalid_updates(formulas, state, parameters, message):
    assert error_of(compile_update, formulas, state, parameters).startswith(message)


def test_deep_nesting_across_states_is_an_error():
    names = [f"s{n}" for n in range(12)]
    formulas, before = {}, "w"
    for name in names:
        formulas[name] = "sin(" * 90 + before + ")" * 90
        before = name
    assert "nested too deeply" in error_of(compile_update, formulas | {"w": before}, names)
