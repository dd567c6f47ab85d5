"""The digits of formulas beside those of mpmath."""

import pytest

from cygd import Activation, Loss
from cygd.cli.commands import plugins_check
from cygd.testing import digits


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "formula",
    [
        "h * sigmoid(h)",
        "(sqrt(h**2 + 4) + h) / 2",
        "log(cosh(h) + 1)",
        "where(h > 0, h, expm1(h))",
        "relu(h)",
    ],
)
def test_stable_formulas_keep_their_digits(formula, dtype):
    assert digits.lost_digits(Activation("f", formula=formula), dtype) is None


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_difference_that_cancels_is_found(dtype):
    worst = digits.lost_digits(Activation("f", formula="(1 + h**2)**1.5 - 1 + 0 * h"), dtype)
    assert worst.role == "f"
    assert abs(worst.at) == pytest.approx(1e-6)
    assert worst.exact == pytest.approx(1.5e-12)
    assert worst.error > 1e-6


def test_an_overflow_is_found():
    worst = digits.lost_digits(Activation("f", formula="log(1 + sqrt(1 + exp(h)))"), "float32")
    assert worst.error == float("inf")
    assert worst.at >= 90


def test_a_loss_is_sampled_over_its_outputs():
    assert digits.lost_digits(Loss("l", formula="log(cosh(y_hat - y))"), "float64") is None


def test_the_report_says_where_digits_are_lost(capsys):
    plugins_check.check(Activation("f", formula="(1 + h**2)**1.5 - 1"), "activation f")
    out = capsys.readouterr().out
    assert "digits                      lost" in out
    assert "exactly 1.5e-12" in out


def test_the_report_says_that_mpmath_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(digits, "is_available", lambda: False)
    plugins_check.check(Activation("f", formula="h * sigmoid(h)"), "activation f")
    assert "digits                      not checked: mpmath is not installed" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("formula", ["log(sinh(h) / h)", "log(expm1(h) / h)", "h / expm1(h)"])
def test_a_removable_zero_over_zero_is_found(formula, dtype):
    worst = digits.lost_digits(Activation("f", formula=f"where(h == 0, 0, {formula})"), dtype)
    assert worst.role == "f'"
    assert abs(worst.at) == pytest.approx(1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_series_near_zero_keeps_its_digits(dtype):
    series = "h**2 / 6 - h**4 / 180 + h**6 / 2835"
    formula = f"where(abs(h) < 0.1, {series}, log(sinh(h) / h))"
    assert digits.lost_digits(Activation("f", formula=formula), dtype) is None
