"""The language of formulas, and the errors for everything outside it."""

import math
import warnings

import numpy as np
import pytest

from cygd.components.formula import FUNCTIONS, compile_activation, compile_loss
from cygd.components.formula.parser import MAX_DEPTH, MAX_LENGTH
from cygd.errors import FormulaError
from tests.helpers.formula_interpreter import run

H = np.array([-2.5, -1.0, -0.3, 0.0, 0.4, 1.0, 2.0, 7.0])


def evaluate(text, parameters=None, h=H):
    return run(compile_activation(text, parameters or {}).forward, [h])[0]


def error_of(text, parameters=None):
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
def test_valid_formulas(text, value):
    np.testing.assert_allclose(evaluate(text), value, rtol=1e-15)


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
    np.testing.assert_allclose(evaluate(f"{name}(h{more})", h=h), expected(h), rtol=1e-15)


@pytest.mark.parametrize("name", ["_", "__x__", "beta2", "\u03b1\u03b2", "\u00b5", "\ufb01", "match", "type"])
def test_parameter_names_are_normalized(name):
    # Python's parser applies NFKC, which changes the micro sign and the ligature
    np.testing.assert_array_equal(evaluate(f"h * {name}", {name: 3.0}), 3 * H)


def pointed(text, start, stop):
    return f"\n  {text}\n  {' ' * start}{'^' * (stop - start)}"


UNSUPPORTED = "unsupported syntax"
LANGUAGE = "\nhint: a formula has numbers, names, + - * / **, parentheses and functions"
COMPARISON = "a comparison is only supported in where(...)"
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
            "\nhint: nan is not a number; use where(condition, x, y) to replace undefined values",
        ),
        (
            "h + NaN",
            "unknown name 'NaN'",
            (4, 7),
            "\nhint: nan is not a number; use where(condition, x, y) to replace undefined values",
        ),
        (
            "minimum(h, inf)",
            "unknown name 'inf'",
            (11, 14),
            "\nhint: numbers must be finite; use minimum and maximum to set limits",
        ),
        ("pow(h, 2)", "unknown function 'pow'", (0, 3), "\nhint: write a power as h**2"),
        ("pow * h", "unknown name 'pow'", (0, 3), "\nhint: write a power as h**2"),
        ("log2(h)", "unknown function 'log2'", (0, 4), "\nhint: write log(h) / log(2)"),
        (
            "lambda * h",
            "'lambda': a Python keyword cannot be a name",
            (0, 6),
            "\nhint: rename it to lambda_",
        ),
        (
            "h * from + 1",
            "'from': a Python keyword cannot be a name",
            (4, 8),
            "\nhint: rename it to from_",
        ),
        ("h^2", "'^' is not the power operator", (0, 3), "\nhint: write h**2"),
        ("h if h > 0 else 0", "'if' is not supported", (0, 17), WRITE_WHERE),
        (
            "2h",
            "missing operator between a number and a name",
            (0, 2),
            "\nhint: write a product as 2 * h",
        ),
        ("1 + 1if h else 2", "missing operator between a number and a name", (4, 6), None),
        ("0x10 * h", "missing operator between a number and a name", (0, 2), None),
        ("1e*h", "missing operator between a number and a name", (0, 2), None),
        (
            "h = 3",
            "invalid syntax",
            (2, 3),
            "\nhint: write only the right-hand side of the =",
        ),
        ("h := 3", "invalid syntax", (2, 3), None),
        ("np.tanh(h)", "'.' is not supported", (0, 7), "\nhint: write tanh"),
        ("h.__class__", "'.' is not supported", (0, 11), ""),
        ("1j * h", "expected a real number, got 1j", (0, 2), ""),
        ("1jif h else 2", "expected a real number, got 1j", (0, 2), ""),
        ("True * h", "expected a real number, got True", (0, 4), ""),
        ("None", "expected a real number, got None", (0, 4), ""),
        ("... + h", "expected a real number, got ...", (0, 3), ""),
        ("h + 'a'", "quotes and backslashes are not supported", (4, 5), ""),
        ('"\\d"', "quotes and backslashes are not supported", (0, 1), ""),
        ("h \\ + 1", "quotes and backslashes are not supported", (2, 3), ""),
        ("h # c", "comments are not supported", (2, 5), ""),
        ("(lambda: h)()", UNSUPPORTED, (1, 10), LANGUAGE),
        ("[h]", UNSUPPORTED, (0, 3), LANGUAGE),
        ("(h, 1)", UNSUPPORTED, (0, 6), LANGUAGE),
        ("()", UNSUPPORTED, (0, 2), LANGUAGE),
        ("h[0]", UNSUPPORTED, (0, 4), LANGUAGE),
        ("{h: 1}", UNSUPPORTED, (0, 6), LANGUAGE),
        ("[h for h in h]", UNSUPPORTED, (0, 14), LANGUAGE),
        ("(yield)", UNSUPPORTED, (1, 6), LANGUAGE),
        ("(h := 3)", UNSUPPORTED, (1, 7), LANGUAGE),
        ("h @ h", UNSUPPORTED, (0, 5), LANGUAGE),
        ("h // 2", UNSUPPORTED, (0, 6), LANGUAGE),
        ("h % 2", UNSUPPORTED, (0, 5), LANGUAGE),
        ("h << 2", UNSUPPORTED, (0, 6), LANGUAGE),
        ("~h", UNSUPPORTED, (0, 2), LANGUAGE),
        ("not h", UNSUPPORTED, (0, 5), LANGUAGE),
        ("h(h)(h)", UNSUPPORTED, (0, 4), LANGUAGE),
        ("h and 1", COMPARISON, (0, 7), WRITE_WHERE),
        ("h > 0", COMPARISON, (0, 5), WRITE_WHERE),
        ("1 + (h > 0)", COMPARISON, (5, 10), WRITE_WHERE),
        ("where(h, 1, 2)", "expected a comparison as the first argument", (6, 7), None),
        ("where(h is 1, h, 0)", "expected one of the comparisons < <= > >= == !=", (6, 12), ""),
        ("where(h > 0, 1)", "where expected 3 arguments, got 2", (0, 15), ""),
        ("sin", "expected arguments in parentheses after the function 'sin'", (0, 3), ""),
        ("sin()", "sin expected 1 argument, got 0", (0, 5), ""),
        ("sin(h, h)", "sin expected 1 argument, got 2", (0, 9), ""),
        ("sin(*h)", "sin takes positional arguments only", (0, 7), ""),
        ("sin(x=h)", "sin takes positional arguments only", (0, 8), ""),
        ("pi(h)", "'pi' is not a function", (0, 5), "\nhint: write a product as pi * (...)"),
        ("h(2)", "'h' is not a function", (0, 4), "\nhint: write a product as h * (...)"),
        ("h / 0", "division by zero", (0, 5), ""),
        ("h / -0.0", "division by zero", (0, 8), ""),
        ("h / (h - h)", "division by zero", (0, 11), ""),
        ("h / 1e-320", "division by zero", (0, 10), ""),
        ("h**(1 / 0)", "division by zero", (4, 9), ""),
        ("h + 0**-1", "division by zero: 0 to a negative power", (4, 9), ""),
        ("h * log(0)", "log(0) is -inf", (4, 10), ""),
        ("log(-1) * h", "the result is not a number (nan)", (0, 7), ""),
        ("sqrt(-2) + h", "the result is not a number (nan)", (0, 8), ""),
        ("1e999 - 1e999 + h", "the result is not a number (nan)", (0, 17), ""),
        ("1e999 * h - 1e999 * h", "the result is not a number (nan)", (0, 21), ""),
        ("(-8)**(1 / 3) * h", "a negative number to a fractional power is not a real number", (0, 13), ""),
        ("(-2)**h", "expected a positive base for an exponent that varies, got -2", (0, 7), ""),
        ("0**h", "expected a positive base for an exponent that varies, got 0", (0, 4), ""),
        ("h**9**9**9", "expected a finite exponent, got inf", (3, 10), ""),
        ("h**1e10", "expected an exponent of magnitude at most 1e+09, got 1e+10", (0, 7), ""),
        ("(h**1e8)**1e8", "expected an exponent of magnitude at most 1e+09, got 1e+16", (0, 13), ""),
        ("clip(h, 1, 0)", "clip expected low <= high, got low = 1 and high = 0", (0, 13), ""),
        ("h)+(h", "invalid syntax: unmatched ')'", (1, 2), ""),
        ("h +", "invalid syntax", (2, 3), ""),
        ("h; h", "invalid syntax", (1, 2), ""),
        ("import os", "'import': a Python keyword cannot be a name", (0, 6), None),
        ("h and", "invalid syntax", (4, 5), None),
    ],
)
def test_errors_show_the_place(text, message, span, hint):
    parameters = {"betta": {"beta": 1.0}, "\u00e9*sigmo": {"\u00e9": 2.0}}
    error = error_of(text, next((parameters[key] for key in parameters if key in text), None))
    expected = message + pointed(text, *span)
    assert error.startswith(expected)
    if hint is not None:
        assert error == expected + hint


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00a0"])
def test_empty_formula(text):
    assert error_of(text) == "the formula is empty"


@pytest.mark.parametrize("text", [None, 3, True, b"h", ["h"], {"h": 1}, ([],)])
def test_formula_that_is_not_text(text):
    message = f"^expected a formula as text, got {type(text).__name__}$"
    with pytest.raises(FormulaError, match=message):
        compile_activation(text)
    with pytest.raises(FormulaError, match=message):
        compile_loss(text)


@pytest.mark.parametrize("text", ["3", "pi + e", "h - h", "h * 0", "h / h", "where(1 < 2, 3, h)"])
def test_formula_that_does_not_depend_on_h(text):
    assert error_of(text) == "the formula does not depend on h"


def test_limits_of_length_and_depth():
    assert error_of("h" * 10_000).startswith(
        "expected a formula of at most 4000 characters, got 10000\nhint:"
    )
    long = "h" + " + 1" * ((MAX_LENGTH - 1) // 4)
    assert len(long) <= MAX_LENGTH
    assert evaluate(long)[3] == (MAX_LENGTH - 1) // 4
    for text in ("(" * 1000 + "h" + ")" * 1000, "exp(" * 500 + "h" + ")" * 500, "-" * 3000 + "h"):
        message = error_of(text)
        assert message.startswith(f"the formula is nested more than {MAX_DEPTH} levels deep\n")
        assert message.endswith("\nhint: write it as a function in a plugin")
    assert evaluate("-" * (MAX_DEPTH - 2) + "h")[-1] == 7
    assert f"nested more than {MAX_DEPTH} levels deep" in error_of("-" * (MAX_DEPTH + 1) + "h")
    assert "at most 100 comparisons, got 300" in error_of(
        "where(" + " and ".join(["h > 1"] * 300) + ", h, 0)"
    )
    assert "at most 100 comparisons, got 299" in error_of("where(" + " < ".join(["h"] * 300) + ", h, 0)")


def test_long_formula_is_shown_around_the_error():
    text = "h + 1" * 1 + " + h" * 40 + " + sigmod(h)" + " + h" * 40
    message = error_of(text)
    excerpt, carets = message.splitlines()[1:3]
    assert excerpt.startswith("  ...")
    assert excerpt.endswith("...")
    at = carets.index("^")
    assert excerpt[at : at + carets.count("^")] == "sigmod"


@pytest.mark.parametrize(
    "text", ["'\\d' + h", "1if h else 2", "0or h", "h * 1or 2", "1e5if h", ".5and h", "1_0in h"]
)
def test_no_python_warnings(text):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error_of(text)
    assert caught == []
