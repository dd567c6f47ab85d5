"""Rows of numbers as text: each number as `repr` writes it."""

import numpy as np
import pytest

from cygd.core.csv_rows import format_hashes, format_rows

RNG = np.random.default_rng(0)
ONE_COLUMN = np.zeros(1, np.int32)
POWERS = np.array([*(2.0**k for k in range(-1074, 1024)), *(float(f"1e{k}") for k in range(-323, 309))])
NUMBERS = {
    "bits": RNG.integers(0, 2**64, 200_000, dtype=np.uint64).view(np.float64),
    "losses": RNG.exponential(size=100_000),
    "float32": RNG.normal(size=100_000).astype(np.float32).astype(np.float64),
    "microseconds": np.arange(100_000) * 1e-6,
    "short": np.round(RNG.uniform(-1e4, 1e4, 100_000), 3),
    "whole": RNG.integers(-(2**53), 2**53, 100_000).astype(float),
    "subnormal": RNG.integers(0, 2**52, 100_000, dtype=np.uint64).view(np.float64),
    "powers": POWERS,
    "below powers": np.nextafter(POWERS, 0),
    "above powers": np.nextafter(POWERS, np.inf),
    "few digits": np.array([float(f"{d}e{k}") for d in (5, 9, 15, 123, 99999) for k in range(-323, 300)]),
    "special": np.array(
        [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1e23, 2e23, 1e16, 9999999999999998, 1e-5]
    ),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_those_of_repr(kind):
    values = NUMBERS[kind][:, None]
    text, _ = format_rows(0, values, np.ones(len(values), np.uint8), ONE_COLUMN, 1)
    assert text.decode().split() == [f"{n},{value!r}" for n, value in enumerate(values[:, 0].tolist())]


def test_columns_that_are_missing_or_not_measured_are_empty():
    values = np.array([[0.5, 1.0, 2.0], [0.25, 3.0, 4.0]])
    columns = np.array([1, -1, 2, 0], np.int32)
    text, last = format_rows(998, values, np.array([0, 1], np.uint8), columns, 2)
    assert text == b"998,,,2.0,\n999,3.0,,4.0,0.25\n"
    assert text[last:] == b"999,3.0,,4.0,0.25\n"
    assert format_rows(0, values[:0], np.ones(0, np.uint8), columns, 2) == (b"", 0)
    longest = np.full((3, 40), -1.2345678901234567e-308)
    text, _ = format_rows(2**62, longest, np.ones(3, np.uint8), np.arange(40, dtype=np.int32), 40)
    assert [line.count(b",") for line in text.splitlines()] == [40] * 3


def test_hashes():
    text = format_hashes(9, np.array([0, 0xFFFFFFFF, 0x0012ABCD], np.uint32))
    assert text == b"9,00000000\n10,ffffffff\n11,0012abcd\n"
    assert format_hashes(0, np.empty(0, np.uint32)) == b""


def test_arguments_that_do_not_fit_are_refused():
    values, flags = np.ones((2, 3)), np.ones(2, np.uint8)
    for column in (3, -2):
        with pytest.raises(ValueError, match="expected columns below 3"):
            format_rows(0, values, flags, np.array([column], np.int32), 1)
    with pytest.raises(ValueError, match="expected 2 flags"):
        format_rows(0, values, flags[:1], ONE_COLUMN, 1)
    with pytest.raises(ValueError, match="epochs from 0 on"):
        format_rows(-1, values, flags, ONE_COLUMN, 1)
