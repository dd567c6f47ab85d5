"""What a formula may hold, and what is said of everything else."""

import math
import warnings

import numpy as np
import pytest

from cygd.components.formula import FUNCTIONS, compile_activation, compile_loss
from cygd.components.formula.parser import MAX_DEPTH, MAX_LENGTH
from cygd.errors import FormulaError
from tests.helpers.formula_interpreter import run

H = np.array([-2.5, -1.0, -0.3, 0.0, 0.4, 1.0, 2.0, 7.0])


def f(text, parameters=None, h=H):
    return run(compile_activation(text, parameters or {}).forward, [h])[0]


def refused(text, parameters=None):
    with pytest.raises(FormulaError) as caught:
        compile_activation(text, parameters or {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("h", H),
        ("+h", H),
        ("--h", H),
        ("h - -h", 2 * H),
        ("-h**2", -(H**2)),
        ("(-h)**2", H**2),
        ("2 - h - 3", -1 - H),
        ("2 - (h - 3)", 5 - H),
        ("h / 4 / 2", H / 8),
        ("h / (4 / 2)", H / 2),
        ("2**3**2 * h", 512 * H),
        ("h * 1_000", 1000 * H),
        ("h + 1e3", H + 1000),
        ("h + .5 + 5.", H + 5.5),
        ("h * 1.5E-3", H * 1.5e-3),
        ("h * pi + e", H * math.pi + math.e),
        ("e**h", np.exp(H)),
        ("2**h", 2**H),
        ("h +\n  1", H + 1),
        ("\t h\u00a0* 2 \r\n", H * 2),
        ("\uff48 * 2", H * 2),
        ("\u210e * 2", H * 2),
        ("((((h))))", H),
        ("relu(h)", np.maximum(H, 0)),
        ("clip(h, -1, 2)", np.clip(H, -1, 2)),
        ("minimum(h, 1) + maximum(h, -1)", np.minimum(H, 1) + np.maximum(H, -1)),
        ("where(h > 1, h, 0)", np.where(H > 1, H, 0)),
        ("where(h >= 1, h, 0)", np.where(H >= 1, H, 0)),
        ("where(h < 1, h, 0)", np.where(H < 1, H, 0)),
        ("where(h <= 1, h, 0)", np.where(H <= 1, H, 0)),
        ("where(h == 1, h, 0)", np.where(H == 1, H, 0)),
        ("where(h != 1, h, 0)", np.where(H != 1, H, 0)),
        ("where(-1 < h <= 1, h, 5)", np.where((H > -1) & (H <= 1), H, 5)),
        ("where(h < -1 or h > 1, h, 5)", np.where((H < -1) | (H > 1), H, 5)),
        ("where(h > -1 and h < 1, h, 5)", np.where((H > -1) & (H < 1), H, 5)),
        ("where(not h > -1, h, 5)", np.where(H <= -1, H, 5)),
        ("where(not (h > -1 and h < 1), h, 5)", np.where((H > -1) & (H < 1), 5, H)),
        ("where(h == 1 or h > -1 and not h > 1, h, 5)", np.where((H == 1) | (H > -1) & (H <= 1), H, 5)),
        ("where(-1 < h < 1 or h == 2, h, 5)", np.where((H > -1) & (H < 1) | (H == 2), H, 5)),
        ("where(2 > 1, h, 5)", H),
        ("h + 9**9**9", np.full(8, np.inf)),
        ("h + 1e999", np.full(8, np.inf)),
        ("h**0 + h", H + 1),
        ("h * 0 + h", H),
        ("h / 3 * 3 - h + h", H),
    ],
)
def test_what_is_allowed(text, value):
    np.testing.assert_allclose(f(text), value, rtol=1e-15)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function(name):
    h = np.array([0.25, 0.5, 0.75])
    if name == "where":
        return
    more = {"minimum": ", 0.6", "maximum": ", 0.6", "clip": ", 0.3, 0.6"}.get(name, "")
    expected = {
        "sign": np.sign,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "softplus": lambda x: np.log(1 + np.exp(x)),
        "relu": lambda x: x,
        "erf": np.vectorize(math.erf),
        "erfc": np.vectorize(math.erfc),
        "minimum": lambda x: np.minimum(x, 0.6),
        "maximum": lambda x: np.maximum(x, 0.6),
        "clip": lambda x: np.clip(x, 0.3, 0.6),
    }.get(name) or getattr(np, name)
    np.testing.assert_allclose(f(f"{name}(h{more})", h=h), expected(h), rtol=1e-15)


@pytest.mark.parametrize("name", ["_", "__x__", "beta2", "\u03b1\u03b2", "\u00b5", "\ufb01", "match", "type"])
def test_names_of_parameters(name):
    # what the parser normalizes (the micro sign, a ligature) is the same name here
    np.testing.assert_array_equal(f(f"h * {name}", {name: 3.0}), 3 * H)


def pointed(text, start, stop):
    return f"\n  {text}\n  {' ' * start}{'^' * (stop - start)}"


NO_PLACE = "this has no place in a formula"
WITH = "\nhint: numbers, names, + - * / ** and functions do"
COMPARISON = "a comparison stands only in where(...)"
WRITE_WHERE = "\nhint: write where(h > 0, h, 0)"


@pytest.mark.parametrize(
    ("text", "message", "span", "hint"),
    [
        ("h * sigmod(h)", "unknown function 'sigmod'", (4, 10), "\nhint: did you mean 'sigmoid'?"),
        ("max(h, 0)", "unknown function 'max'", (0, 3), "\nhint: did you mean 'maximum'?"),
        ("ln(h)", "unknown function 'ln'", (0, 2), "\nhint: did you mean 'log'?"),
        ("x * 2", "unknown name 'x'", (0, 1), "\nhint: did you mean 'h'?"),
        ("h*betta", "unknown name 'betta'", (2, 7), "\nhint: did you mean 'beta'?"),
        ("\u00e9\u00e9*h + q", "unknown name '\u00e9\u00e9'", (0, 2), None),
        ("h + \u00e9*sigmo(h)", "unknown function 'sigmo'", (6, 11), "\nhint: did you mean 'sigmoid'?"),
        ("H * 2", "unknown name 'H'", (0, 1), "\nhint: did you mean 'h'?"),
        ("PI * h", "unknown name 'PI'", (0, 2), "\nhint: did you mean 'pi'?"),
        ("Tanh(h)", "unknown function 'Tanh'", (0, 4), "\nhint: did you mean 'tanh'?"),
        (
            "h + nan",
            "unknown name 'nan'",
            (4, 7),
            "\nhint: a formula is made of numbers; where(condition, x, y) "
            "says what stands for what is undefined",
        ),
        (
            "h + NaN",
            "unknown name 'NaN'",
            (4, 7),
            "\nhint: a formula is made of numbers; where(condition, x, y) "
            "says what stands for what is undefined",
        ),
        (
            "minimum(h, inf)",
            "unknown name 'inf'",
            (11, 14),
            "\nhint: a formula is made of finite numbers; minimum and maximum set limits",
        ),
        ("pow(h, 2)", "unknown function 'pow'", (0, 3), "\nhint: a power is written h**2"),
        ("pow * h", "unknown name 'pow'", (0, 3), "\nhint: a power is written h**2"),
        ("log2(h)", "unknown function 'log2'", (0, 4), "\nhint: write log(h) / log(2)"),
        (
            "lambda * h",
            "'lambda' is a keyword of Python, which no formula can hold",
            (0, 6),
            "\nhint: call it lambda_",
        ),
        (
            "h * from + 1",
            "'from' is a keyword of Python, which no formula can hold",
            (4, 8),
            "\nhint: call it from_",
        ),
        ("h^2", "'^' is not a power here", (0, 3), "\nhint: write h**2"),
        ("h if h > 0 else 0", "'if' has no place in a formula", (0, 17), WRITE_WHERE),
        (
            "2h",
            "a number and a name stand side by side",
            (0, 2),
            "\nhint: write the sign of a product: 2 * h",
        ),
        ("1 + 1if h else 2", "a number and a name stand side by side", (4, 6), None),
        ("0x10 * h", "a number and a name stand side by side", (0, 2), None),
        ("1e*h", "a number and a name stand side by side", (0, 2), None),
        (
            "h = 3",
            "it cannot be read here",
            (2, 3),
            "\nhint: a formula is only what stands to the right of the =",
        ),
        ("h := 3", "it cannot be read here", (2, 3), None),
        ("np.tanh(h)", "a formula has no '.'", (0, 7), "\nhint: write tanh"),
        ("h.__class__", "a formula has no '.'", (0, 11), ""),
        ("1j * h", "a formula is made of real numbers", (0, 2), ""),
        ("1jif h else 2", "a formula is made of real numbers", (0, 2), ""),
        ("True * h", "a formula is made of real numbers", (0, 4), ""),
        ("None", "a formula is made of real numbers", (0, 4), ""),
        ("... + h", "a formula is made of real numbers", (0, 3), ""),
        ("h + 'a'", "a formula has no quotes and no backslashes", (4, 5), ""),
        ('"\\d"', "a formula has no quotes and no backslashes", (0, 1), ""),
        ("h \\ + 1", "a formula has no quotes and no backslashes", (2, 3), ""),
        ("h # c", "a formula has no comments", (2, 5), ""),
        ("(lambda: h)()", NO_PLACE, (1, 10), WITH),
        ("[h]", NO_PLACE, (0, 3), WITH),
        ("(h, 1)", NO_PLACE, (0, 6), WITH),
        ("()", NO_PLACE, (0, 2), WITH),
        ("h[0]", NO_PLACE, (0, 4), WITH),
        ("{h: 1}", NO_PLACE, (0, 6), WITH),
        ("[h for h in h]", NO_PLACE, (0, 14), WITH),
        ("(yield)", NO_PLACE, (1, 6), WITH),
        ("(h := 3)", NO_PLACE, (1, 7), WITH),
        ("h @ h", NO_PLACE, (0, 5), WITH),
        ("h // 2", NO_PLACE, (0, 6), WITH),
        ("h % 2", NO_PLACE, (0, 5), WITH),
        ("h << 2", NO_PLACE, (0, 6), WITH),
        ("~h", NO_PLACE, (0, 2), WITH),
        ("not h", NO_PLACE, (0, 5), WITH),
        ("h(h)(h)", NO_PLACE, (0, 4), WITH),
        ("h and 1", COMPARISON, (0, 7), WRITE_WHERE),
        ("h > 0", COMPARISON, (0, 5), WRITE_WHERE),
        ("1 + (h > 0)", COMPARISON, (5, 10), WRITE_WHERE),
        ("where(h, 1, 2)", "where needs a comparison first", (6, 7), None),
        ("where(h is 1, h, 0)", "a comparison is one of < <= > >= == !=", (6, 12), ""),
        ("where(h > 0, 1)", "where takes 3 arguments, found 2", (0, 15), ""),
        ("sin", "the function 'sin' needs its argument in parentheses", (0, 3), ""),
        ("sin()", "sin takes 1 argument, found 0", (0, 5), ""),
        ("sin(h, h)", "sin takes 1 argument, found 2", (0, 9), ""),
        ("sin(*h)", "sin takes plain arguments", (0, 7), ""),
        ("sin(x=h)", "sin takes plain arguments", (0, 8), ""),
        ("pi(h)", "'pi' is no function", (0, 5), "\nhint: a product is written pi * (...)"),
        ("h(2)", "'h' is no function", (0, 4), "\nhint: a product is written h * (...)"),
        ("h / 0", "division by zero", (0, 5), ""),
        ("h / -0.0", "division by zero", (0, 8), ""),
        ("h / (h - h)", "division by zero", (0, 11), ""),
        ("h / 1e-320", "division by zero", (0, 10), ""),
        ("h**(1 / 0)", "division by zero", (4, 9), ""),
        ("h + 0**-1", "division by zero: 0 to a negative power", (4, 9), ""),
        ("h * log(0)", "log(0) is -inf", (4, 10), ""),
        ("log(-1) * h", "this is not a number (nan)", (0, 7), ""),
        ("sqrt(-2) + h", "this is not a number (nan)", (0, 8), ""),
        ("1e999 - 1e999 + h", "this is not a number (nan)", (0, 17), ""),
        ("1e999 * h - 1e999 * h", "this is not a number (nan)", (0, 21), ""),
        ("(-8)**(1 / 3) * h", "a negative number to a fraction is not a real number", (0, 13), ""),
        ("(-2)**h", "-2 to a power that varies is not a real number", (0, 7), ""),
        ("0**h", "0 to a power that varies is not a real number", (0, 4), ""),
        ("h**9**9**9", "the exponent is inf", (3, 10), ""),
        ("h**1e10", "the exponent is 1e+10, at most 1e+09 can be", (0, 7), ""),
        ("(h**1e8)**1e8", "a power above 1e+09", (0, 13), ""),
        ("clip(h, 1, 0)", "clip between 1 and 0: the limits are turned around", (0, 13), ""),
        ("h)+(h", "it cannot be read here: unmatched ')'", (1, 2), ""),
        ("h +", "it cannot be read here", (2, 3), ""),
        ("h; h", "it cannot be read here", (1, 2), ""),
        ("import os", "'import' is a keyword of Python, which no formula can hold", (0, 6), None),
        ("h and", "it cannot be read here", (4, 5), None),
    ],
)
def test_what_is_refused(text, message, span, hint):
    parameters = {"betta": {"beta": 1.0}, "\u00e9*sigmo": {"\u00e9": 2.0}}
    said = refused(text, next((parameters[key] for key in parameters if key in text), None))
    expected = message + pointed(text, *span)
    assert said.startswith(expected)
    if hint is not None:
        assert said == expected + hint


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00a0"])
def test_nothing(text):
    assert refused(text) == "the formula is empty"


@pytest.mark.parametrize("text", [None, 3, True, b"h", ["h"], {"h": 1}, ([],)])
def test_what_is_no_text(text):
    message = f"^a formula is text, found {type(text).__name__}$"
    with pytest.raises(FormulaError, match=message):
        compile_activation(text)
    with pytest.raises(FormulaError, match=message):
        compile_loss(text)


@pytest.mark.parametrize("text", ["3", "pi + e", "h - h", "h * 0", "h / h", "where(1 < 2, 3, h)"])
def test_what_does_not_depend_on_its_variable(text):
    assert refused(text) == "the formula does not depend on h"


def test_the_caps():
    assert refused("h" * 10_000).startswith("a formula of 10000 characters: at most 4000 are allowed\nhint:")
    long = "h" + " + 1" * ((MAX_LENGTH - 1) // 4)
    assert len(long) <= MAX_LENGTH
    assert f(long)[3] == (MAX_LENGTH - 1) // 4
    for text in ("(" * 1000 + "h" + ")" * 1000, "exp(" * 500 + "h" + ")" * 500, "-" * 3000 + "h"):
        said = refused(text)
        assert said.startswith(f"it is nested more than {MAX_DEPTH} deep\n")
        assert said.endswith("\nhint: write it as a function in a plugin")
    assert f("-" * (MAX_DEPTH - 2) + "h")[-1] == 7
    assert f"nested more than {MAX_DEPTH} deep" in refused("-" * (MAX_DEPTH + 1) + "h")
    assert "more than 100 comparisons" in refused("where(" + " and ".join(["h > 1"] * 300) + ", h, 0)")
    assert "more than 100 comparisons" in refused("where(" + " < ".join(["h"] * 300) + ", h, 0)")


def test_a_long_text_is_shown_around_the_fault():
    text = "h + 1" * 1 + " + h" * 40 + " + sigmod(h)" + " + h" * 40
    said = refused(text)
    shown, carets = said.splitlines()[1:3]
    assert shown.startswith("  ...")
    assert shown.endswith("...")
    at = carets.index("^")
    assert shown[at : at + carets.count("^")] == "sigmod"


@pytest.mark.parametrize(
    "text", ["'\\d' + h", "1if h else 2", "0or h", "h * 1or 2", "1e5if h", ".5and h", "1_0in h"]
)
def test_python_warns_of_nothing(text):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        refused(text)
    assert caught == []
