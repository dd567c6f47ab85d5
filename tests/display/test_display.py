"""Blocks, tables, charts, drawings and heat maps: what they show, and that nothing escapes its place."""

import math
import struct
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest

from cygd.display.axes import Axis
from cygd.display.charts import MAX_POINTS, Series, line_chart, thin
from cygd.display.heat_map import color_scale, heat_map, png
from cygd.display.html import Table, block, escape, format_value
from cygd.display.layers import LayerFacts, draw_layers
from cygd.display.plot import Plot
from cygd.display.progress import progress_bar
from cygd.errors import CygdError

EVIL = "</style><script>alert(1)</script>\"'&\x1b[2J\u202e"
SVG = "{http://www.w3.org/2000/svg}"


def parse(svg):
    """Return an SVG as a tree; it must be well-formed XML with finite numbers."""
    assert "nan" not in svg.lower()
    assert "inf" not in svg.replace("<inf", "")
    return ElementTree.fromstring(svg)


def texts(svg):
    return [element.text for element in parse(svg).iter(f"{SVG}text")]


def shown_in(markup):
    """Return whether dangerous text is in markup as it was given."""
    return "<script" in markup or "\x1b" in markup or "\u202e" in markup or "\"'&" in markup


@pytest.mark.parametrize(
    "make",
    [
        lambda text: block(text, text, Table([text, "n"], [[text, 1]], text)),
        lambda text: progress_bar(text, 1, 2, text),
        lambda text: line_chart(text, [Series(text, [0, 1], [1, 2])], x_label=text),
        lambda text: draw_layers(2, [LayerFacts(1, text, 3)], [text, text]),
        lambda text: heat_map(text, (text, text), (np.arange(2.0),) * 2, np.eye(2), np.ones((2, 2))),
        lambda text: Plot(text, ())._repr_html_(),
    ],
)
def test_texts_of_others_are_only_texts(make):
    assert not shown_in(make(EVIL))
    assert make("plain") != make("other")


def test_escape_and_formats():
    assert escape("<a>&\"'\n") == "&lt;a&gt;&amp;&quot;&#x27;\\n"
    assert escape("x" * 300) == "x" * 197 + "..."
    values = [0.1 + 0.2, 3, True, None, "a", 1e-300, float("nan"), np.float32(0.5)]
    assert [format_value(v) for v in values] == ["0.3", "3", "True", "None", "a", "1e-300", "nan", "0.5"]


def test_numbers_are_aligned_and_rows_are_counted():
    html = Table(["name", "n"], [["a", 1], ["b", "-"], ["c", "2.5"]], "title", n_rows=5).to_html()
    assert html.count('<td class="number">') == 3
    assert html.count("<td>") == 3
    assert "<caption>title</caption>" in html
    assert "... and 2 more" in html
    assert "more" not in Table(["a"], [[1]], n_rows=1).to_html()
    assert '<th class="number">' not in Table(["a"], []).to_html()


# -- axes -------------------------------------------------------------------------------------------


def test_axis_places_the_ends_and_skips_what_has_no_place():
    axis = Axis.of([1.0, 3.0, math.nan, math.inf, 1e305], 10, 110)
    assert [axis.place(v) for v in (1.0, 2.0, 3.0)] == [10, 60, 110]
    assert [axis.place(v) for v in (math.nan, math.inf, -math.inf, 1e305)] == [None] * 4
    assert axis.ticks(3) == [(10.0, "1"), (60.0, "2"), (110.0, "3")]


def test_logarithmic_axis():
    axis = Axis.of([0.01, 100.0], 0, 100, log_ratio=20)
    assert axis.logarithmic
    assert [round(axis.place(v), 9) for v in (0.01, 1.0, 100.0)] == [0, 50, 100]
    assert axis.place(0.0) is None
    assert axis.place(-1.0) is None
    assert [label for _, label in axis.ticks(5)] == ["0.01", "0.1", "1", "10", "100"]
    assert not Axis.of([0.0, 100.0], 0, 100, log_ratio=20).logarithmic
    assert not Axis.of([10.0, 100.0], 0, 100, log_ratio=20).logarithmic


@pytest.mark.parametrize("values", [[], [math.nan], [5.0], [0.0, 0.0], [-1e200, 1e200], [1e-320, 1e-319]])
@pytest.mark.parametrize("log_ratio", [0, 20])
def test_axes_of_unusual_numbers(values, log_ratio):
    axis = Axis.of(values, 0, 100, margin=0.1, log_ratio=log_ratio)
    for value in values:
        place = axis.place(value)
        assert place is None or (math.isfinite(place) and -1e-6 <= place <= 100 + 1e-6)
    assert axis.ticks(5)


# -- charts -----------------------------------------------------------------------------------------


def test_chart_draws_its_lines_where_the_numbers_are():
    svg = line_chart("loss", [Series("training", [0, 1, 2], [4.0, 2.0, 3.0])], log=False)
    (line,) = parse(svg).iter(f"{SVG}polyline")
    points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
    assert [x for x, _ in points] == [58.0, 213.0, 368.0]
    ys = [y for _, y in points]
    assert ys[0] < ys[2] < ys[1]  # 4 is above 3, and 3 above 2
    assert math.isclose(ys[1] - ys[2], ys[2] - ys[0], abs_tol=0.11)
    assert {"loss", "training", "epoch"} <= set(texts(svg))


@pytest.mark.parametrize(
    ("y", "n_lines", "n_dots"),
    [
        ([1.0, 2.0, 3.0, 4.0], 1, 0),
        ([1.0, 2.0, math.nan, 4.0, 5.0], 2, 0),
        ([1.0, math.nan, 3.0], 0, 2),
        ([math.inf, 1.0, 2.0], 1, 0),
        ([math.nan, math.nan], 0, 0),
        ([], 0, 0),
        ([7.0], 0, 1),
    ],
)
def test_values_that_are_not_finite_are_gaps(y, n_lines, n_dots):
    svg = parse(line_chart("loss", [Series("", range(len(y)), y)]))
    assert len([*svg.iter(f"{SVG}polyline")]) == n_lines
    assert len([*svg.iter(f"{SVG}circle")]) == n_dots


def test_chart_of_a_loss_that_falls_far_is_logarithmic():
    falling = Series("", range(5), [1.0, 0.1, 0.01, 0.001, 1e-4])
    assert "loss, log scale" in texts(line_chart("loss", [falling]))
    assert "loss" in texts(line_chart("loss", [falling], log=False))
    assert "loss" in texts(line_chart("loss", [Series("", range(2), [1.0, 0.0])]))


def test_long_lines_are_thinned_and_keep_their_extremes():
    y = np.random.default_rng(0).normal(size=100_000)
    y[12_345], y[54_321], y[70_000] = 50.0, -50.0, math.nan
    points = thin(list(zip(range(len(y)), y.tolist(), strict=True)))
    assert len(points) <= 1.3 * MAX_POINTS
    assert (12_345, 50.0) in points
    assert (54_321, -50.0) in points
    assert points[0][0] == 0
    assert points[-1][0] == len(y) - 1
    assert any(math.isnan(value) for _, value in points)
    assert [x for x, _ in points] == sorted({x for x, _ in points})
    assert thin([(0, 1.0)] * MAX_POINTS) == [(0, 1.0)] * MAX_POINTS


# -- networks ---------------------------------------------------------------------------------------


def test_drawing_has_a_circle_for_each_unit_and_a_line_for_each_weight():
    weights = np.array([[1.0, -2.0, 0.0], [math.nan, 0.5, math.inf]])
    layers = [LayerFacts(3, "tanh", 9, weights), LayerFacts(1, "identity", 1)]
    svg = draw_layers(2, layers, ["a", "b"])
    tree = parse(svg)
    assert len([*tree.iter(f"{SVG}circle")]) == 6
    lines = [*tree.iter(f"{SVG}line")]
    assert len(lines) == 2 * 3 + 3
    widths = [float(line.get("stroke-width")) for line in lines[:6]]
    assert widths == [1.5, 2.6, 0.4, 0.4, 0.95, 0.4]
    assert lines[0].get("stroke") != lines[1].get("stroke") != lines[6].get("stroke")
    assert texts(svg) == ["a", "b", "2 inputs", "3 tanh", "9 parameters", "1 identity", "1 parameter"]


def test_large_layers_show_their_first_and_last_units():
    svg = draw_layers(
        784, [LayerFacts(8, "relu", 1), LayerFacts(9, "relu", 1)], [f"x{i}" for i in range(784)]
    )
    assert len([*parse(svg).iter(f"{SVG}circle")]) == 7 + 8 + 7
    assert [text for text in texts(svg) if text.startswith("x")] == [
        "x0", "x1", "x2", "x3", "x781", "x782", "x783",
    ]  # fmt: skip
    assert texts(svg).count("\u22ee") == 2


# -- heat maps --------------------------------------------------------------------------------------


def decode(data):
    """Return the pixels of a PNG that `png` wrote."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind = struct.unpack(">2I2B", data[16:26])
    assert (depth, kind) == (8, 6)
    length = struct.unpack(">I", data[33:37])[0]
    assert data[37:41] == b"IDAT"
    assert struct.unpack(">I", data[41 + length : 45 + length])[0] == zlib.crc32(data[37 : 41 + length])
    rows = np.frombuffer(zlib.decompress(data[41 : 41 + length]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 4)


def test_png_holds_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, size=(5, 3, 4)).astype(np.uint8)
    assert np.array_equal(decode(png(pixels)), pixels)


def test_png_is_read_by_others():
    image = pytest.importorskip("matplotlib.image")
    import io

    pixels = np.random.default_rng(1).integers(0, 256, size=(4, 6, 4)).astype(np.uint8)
    assert np.array_equal((image.imread(io.BytesIO(png(pixels))) * 255).round(), pixels)


def test_colors_follow_the_ranks():
    colors = color_scale(np.array([[0.0, 1.0], [1e9, math.nan]]))
    assert colors[0, 0].tolist() == [42, 20, 84, 255]
    assert colors[0, 1].tolist() == [32, 144, 140, 255]
    assert colors[1, 0].tolist() == [250, 230, 60, 255]
    assert colors[1, 1, 3] == 0
    assert color_scale(np.full((2, 2), 3.0))[0, 0].tolist() == [42, 20, 84, 255]
    assert color_scale(np.full((2, 2), math.nan))[..., 3].tolist() == [[0, 0], [0, 0]]


def test_heat_map_has_its_axes_and_a_path():
    axes = (np.linspace(0, 1, 4), np.linspace(-1, 1, 3))
    surface = np.arange(12.0).reshape(4, 3)
    svg = heat_map("E", ("w0[0,0]", "b0[0]"), axes, surface, np.array([[0.0, -1], [1, 1], [math.nan, 0]]))
    tree = parse(svg)
    (line,) = tree.iter(f"{SVG}polyline")
    assert line.get("points") == "62.0,280.0 366.0,24.0"  # the lower left and the upper right corner
    import base64

    (image,) = tree.iter(f"{SVG}image")
    pixels = decode(base64.b64decode(image.get("href").partition(",")[2]))
    assert pixels.shape == (3, 4, 4)
    assert pixels[2, 0].tolist() == [42, 20, 84, 255]  # the lowest value is at the lower left
    assert pixels[0, 3].tolist() == [250, 230, 60, 255]
    nowhere = heat_map("E", ("a", "b"), axes, surface, np.full((2, 2), math.inf))
    assert not [*parse(nowhere).iter(f"{SVG}polyline")]


# -- plots ------------------------------------------------------------------------------------------


def test_plots_are_saved(tmp_path):
    chart = line_chart("loss", [Series("", [0, 1], [1, 2])])
    plot = Plot("a < b", (chart,))
    assert repr(plot) == "Plot('a < b', 1 drawing; .save('plot.html') writes it)"
    assert plot.save(tmp_path / "p.svg") == tmp_path / "p.svg"
    tree = ElementTree.parse(tmp_path / "p.svg").getroot()
    assert tree.tag == f"{SVG}svg"
    assert "prefers-color-scheme: dark" in (tmp_path / "p.svg").read_text()
    plot.save(str(tmp_path / "p.html"))
    page = (tmp_path / "p.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "a &lt; b" in page
    with pytest.raises(CygdError, match=r"expected a \.svg or \.html file, got 'p\.png'"):
        plot.save("p.png")
    with pytest.raises(CygdError, match=r"expected one drawing for 'p\.svg', got 2\nhint: save them"):
        Plot("two", (chart, chart)).save("p.svg")
    with pytest.raises(CygdError, match=r"cannot write .*: No such file or directory"):
        plot.save(tmp_path / "none" / "p.svg")
