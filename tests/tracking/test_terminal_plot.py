"""Plots drawn with characters, compared with the expected text."""

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cygd.display.axes import ticks
from cygd.tracking.terminal_plot import ASCII, BRAILLE, best_style, draw, sample_points, y_limits


def plot(function, low, high, width, height, style):
    x = sample_points(low, high, width)
    return draw(x, [function(value) for value in x], width=width, height=height, style=style)


def lines_of(text):
    return text.split("\n")


def test_step_in_ascii():
    assert plot(lambda x: float(x >= 0), -2, 2, 30, 5, ASCII) == lines_of(
        """\
  1 +            '''''''''''''
    |            |
0.5 +            |
    |            |
  0 +.............------------
    `+-----+-----+-----+-----+
    -2    -1     0     1     2"""
    )


def test_parabola_in_braille():
    assert plot(lambda x: 1 - x * x, -1, 1, 26, 4, BRAILLE) == lines_of(
        """\
  1 ┤     ⢀⡤⠖⠚⠉⠉⠉⠓⠲⢤⡀
    │   ⣠⠞⠉    ╎    ⠉⠳⣄
0.5 ┤ ⢠⠞⠁      ╎      ⠈⠳⡄
  0 ┤⡴⠋╌╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌⠙⢦
    └┬────┬────┬────┬────┬
    -1  -0.5   0   0.5   1"""
    )


def test_lines_fit_the_width():
    for width in (20, 21, 40, 80, 100):
        for style in (ASCII, BRAILLE):
            for low, high in ((-4, 4), (0, 1e6), (-1e-9, 1e-9), (-123456.7, 0.001)):
                lines = plot(math.atan, low, high, width, 6, style)
                assert max(map(len, lines)) <= width
                assert len(lines) == 8


def test_width_and_height_have_a_minimum():
    x = sample_points(-1, 1, 20)
    least = draw(x, [abs(value) for value in x], width=20, height=3, style=ASCII)
    assert draw(x, [abs(value) for value in x], width=-5, height=0, style=ASCII) == least


@pytest.mark.parametrize("style", [ASCII, BRAILLE])
def test_steep_curve_has_no_gap_and_jump_has_one(style):
    lines = plot(lambda x: math.tanh(20 * x), -1, 1, 40, 10, style)
    assert all(line[5:].strip(" |╎-╌+┼") for line in lines[:10])
    lines = plot(lambda x: float(x > 0), -1, 1, 40, 10, style)
    assert not any(line[5:].strip(" |╎") for line in lines[1:9])


def test_nonfinite_points_are_left_out():
    lines = draw([0, 1, 2], [math.nan, math.inf, -math.inf], width=30, height=4, style=ASCII)
    assert not any("." in line or "'" in line or ":" in line for line in lines[:4])
    partial = plot(lambda x: x if x > 0 else math.nan, -1, 1, 30, 4, ASCII)
    assert len(partial) == 6


def test_constant_is_drawn_in_the_middle():
    lines = plot(lambda x: 3.0, 0, 1, 24, 5, ASCII)
    assert lines[2] == "  3 +" + 19 * "'"
    assert not lines[1][5:].strip()
    assert not lines[3][5:].strip()


def test_pole_is_cut_off():
    y = [1 / x for x in sample_points(1e-6, 1, 50)]
    low, high = y_limits(y)
    assert low == 1
    assert high < 100
    assert y_limits([0.0] * 100 + [1.0]) == (0.0, 1.0)  # a single spike is not cut off


@given(
    st.lists(st.floats(), min_size=2, max_size=40),
    st.integers(-5, 120),
    st.integers(-5, 30),
    st.sampled_from([ASCII, BRAILLE]),
)
@example([1.7e308, -1.7e308], 40, 8, ASCII)
@example([5e-324, 1e-323], 40, 8, ASCII)
@example([1e300, 1e300], 40, 8, BRAILLE)
@example([1.0, 1.0 + 3e-16], 40, 8, BRAILLE)
def test_any_floats_can_be_drawn(y, width, height, style):
    lines = draw(list(range(len(y))), y, width=width, height=height, style=style)
    assert len(lines) == max(3, height) + 2
    assert max(map(len, lines)) <= max(20, width)


def test_rounding_errors_are_not_magnified():
    assert y_limits([1.0, 1.0 + 2e-16]) == (0.0, pytest.approx(2.0))


def test_ticks_are_evenly_spaced_within_the_interval():
    for low, high in ((-4, 4), (0, 1), (0.3, 0.7), (-1e-12, 1e-12), (1e9, 2e9), (-7, 3), (99.5, 100.5)):
        for most in range(1, 10):
            found = ticks(low, high, most)
            assert len(found) <= most
            assert all(low - 1e-9 * abs(low) <= value <= high + 1e-9 * abs(high) for value in found)
            steps = {round((b - a) / (high - low), 6) for a, b in pairwise(found)}
            assert len(steps) <= 1


@pytest.mark.parametrize(
    ("encoding", "style"),
    [("utf-8", BRAILLE), ("UTF8", BRAILLE), ("ascii", ASCII), ("cp437", ASCII), ("latin-1", ASCII),
     (None, ASCII), ("no such thing", ASCII)],
)  # fmt: skip
def test_style_depends_on_the_encoding(encoding, style):
    assert best_style(encoding) is style
