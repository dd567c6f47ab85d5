import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygd.config.yaml.scalars import format_float, read_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1E5", 1e5), ("+1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("-.5e1", -5.0),
        ("010", 10), ("007", 7), ("0o17", 15), ("0x1F", 31), ("-3", -3), ("+3", 3),
        ("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None),
        ("", None), ("Null", None),
        ("no", "no"), ("Yes", "Yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("nULL", "nULL"),
        ("2024-01-01", "2024-01-01"), ("1:30", "1:30"), ("1_000", "1_000"), ("0b11", "0b11"), ("1e", "1e"),
        (".", "."), ("-", "-"), ("e5", "e5"), ("nan", "nan"), ("inf", "inf"), ("٣", "٣"), ("1.2.3", "1.2.3"),
        (".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf),
    ],
)  # fmt: skip
def test_plain_scalars_follow_yaml_1_2(text, value):
    assert read_scalar(text) == value
    assert type(read_scalar(text)) is type(value)


def test_nan_is_read():
    assert math.isnan(read_scalar(".nan"))


def test_huge_integer_is_rejected():
    with pytest.raises(ValueError, match="a number of 5000 digits is too large"):
        read_scalar("9" * 5000)


@given(st.floats())
def test_floats_read_back_exactly(value):
    back = read_scalar(format_float(value))
    assert type(back) is float
    assert back.hex() == value.hex()
