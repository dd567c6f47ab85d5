"""Charts: what a page takes from matplotlib, and the numbers that they show."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from cygd import Activation, Network
from cygd.display.html import Table
from cygd.report.classification import (
    calibration_bins,
    confusion_matrix,
    precision_recall_curve,
    roc_curve,
)
from cygd.report.network_parts import idle_units, layer_outputs
from cygd.report.page import Details, Facts, Figure, Preformatted, Section, isolated, render_page
from cygd.report.svg import count_ticks, render_svg

pytest.importorskip("matplotlib")


def page_of(*parts, title="t"):
    return render_page(title, "s", [Section("One", parts)])


def draw_line(axes):
    axes.plot([0, 1], [1, 100])
    axes.set_yscale("log")
    axes.set_xlabel("年龄 <b> $x^2$ & العمر")


def test_chart_is_wellformed_and_follows_the_page():
    page = page_of(Figure("a", 'what "it" <shows>', draw_line))
    svg = re.search(r"<svg.*?</svg>", page, re.DOTALL)[0]
    root = ET.fromstring(svg)
    assert root.get("aria-label") == 'what "it" <shows>'
    assert "年龄 <b> $x^2$ & العمر" in "".join(root.itertext())  # neither markup nor mathematics
    assert "currentColor" in svg
    assert "#000000" not in svg
    assert "mathdefault" not in svg  # labels of the logarithmic axis
    assert "font-family" not in svg
    assert "<style" not in svg


def test_identifiers_are_unique_in_a_page():
    page = page_of(*(Figure(f"chart {i}", "alt", draw_line) for i in range(3)))
    found = re.findall(r' id="([^"]+)"', page)
    assert len(found) == len(set(found))
    used = set(re.findall(r'(?:href="|url\()#([\w-]+)', page))
    assert used <= set(found)


def test_page_has_nothing_to_fetch_and_escapes():
    parts = [
        "<script>alert(1)</script>\x1b[2J",
        Table(["<i>"], [["</table>"]], "</caption>"),
        Preformatted("a: <b>\nb: \x07"),
        Facts([("<dt>", "</dl>")]),
        Details("<summary>", ["</details>"]),
    ]
    page = page_of(*parts, title="</title><script>")
    assert "<script" not in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", page)
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert page.count("</table>") == page.count("</dl>") == page.count("</details>") == 1
    assert "http" not in page.replace("http-equiv", "")


def test_sections_without_parts_are_left_out_and_titles_may_repeat():
    page = render_page("t", "s", [Section("A", ["x"]), Section("B", []), Section("A", ["y"])])
    assert re.findall(r'<section id="([^"]+)"', page) == ["a", "a-2"]
    assert re.findall(r'<a href="#([^"]+)"', page) == ["a", "a-2"]


def test_name_in_another_direction_does_not_move_the_outcome():
    page = render_page("كبير & <b>", "s", [Section("A", ["x"])], outcome="completed")
    assert "<h1><bdi>كبير &amp; &lt;b&gt;</bdi>: completed</h1>" in page
    assert "<title>كبير &amp; &lt;b&gt;: completed</title>" in page


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.021, 0.6, {"0.05", "0.1", "0.2", "0.5"}), (1.1, 3.4, {"2", "3"}), (1e-6, 1.1, {"1e-05", "1"})],
)
def test_logarithmic_axis_has_plain_labels(low, high, expected):
    def draw(axes):
        axes.plot([0, 1], [low, high])
        axes.set_yscale("log")

    root = ET.fromstring(re.search(r"<svg.*?</svg>", page_of(Figure("a", "alt", draw)), re.DOTALL)[0])
    labels = {text.strip() for text in root.itertext()}
    assert expected <= labels
    assert "2e-05" not in labels  # of many decades only powers of ten


def test_numbers_of_a_chart_are_behind_it():
    figure = Figure("a", "alt", draw_line, Table(["n"], [[1.5]]))
    page = page_of(figure)
    assert re.search(r"<details><summary>numbers.*?<td[^>]*>1.5</td>.*?</details></figure>", page, re.DOTALL)


# the numbers ------------------------------------------------------------------------------------------------


def test_confusion_matrix_by_hand():
    true, predicted = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 2, 1, 2, 2, 0])
    assert confusion_matrix(true, predicted, 3).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 2]]


@pytest.mark.parametrize("ties", [False, True])
def test_roc_and_precision_are_those_of_scikit_learn(ties):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    positive = rng.random(300) < 0.3
    score = rng.random(300) + 0.5 * positive
    score = score.round(1) if ties else score
    assert roc_curve(positive, score).area == pytest.approx(metrics.roc_auc_score(positive, score))
    found = precision_recall_curve(positive, score)
    assert found.area == pytest.approx(metrics.average_precision_score(positive, score))


def test_curves_need_both_classes_and_finite_outputs():
    score = np.array([0.1, 0.2])
    assert roc_curve(np.array([True, True]), score) is None
    assert roc_curve(np.array([False, False]), score) is None
    assert precision_recall_curve(np.array([False, False]), score) is None
    assert roc_curve(np.array([False, True]), np.array([0.1, np.nan])) is None


def test_roc_of_a_random_order_by_hand():
    # the positives have ranks 1 and 4 of 4: two negatives lie below the first, none below the second
    curve = roc_curve(np.array([True, False, False, True]), np.array([0.9, 0.8, 0.7, 0.6]))
    assert curve.x.tolist() == [0, 0, 0.5, 1, 1]
    assert curve.y.tolist() == [0, 0.5, 0.5, 0.5, 1]
    assert curve.area == 0.5


def test_calibration_by_hand():
    bins = calibration_bins(np.array([True, False, True, True]), np.array([0.0, 0.04, 0.96, 1.0]))
    assert [(b.rows, b.observed) for b in bins] == [(2, 0.5), (2, 1.0)]
    assert [b.predicted for b in bins] == pytest.approx([0.02, 0.98])


# units ------------------------------------------------------------------------------------------------------


def test_layer_outputs_are_those_of_the_network():
    net = Network(3, [(5, "tanh"), (4, "softmax"), 2], seed=1)
    x = np.random.default_rng(0).normal(size=(7, 3))
    found = layer_outputs(net, x)
    np.testing.assert_allclose(found[-1].y, net.predict(x), rtol=1e-12)
    np.testing.assert_allclose(found[0].y, np.tanh(x @ net.weights[0] + net.biases[0]), rtol=1e-12)


def test_dead_and_saturated_units_are_found():
    net = Network(1, [(3, "relu"), (3, "tanh"), 1], seed=0)
    net.weights[0][...], net.biases[0][...] = [[1, 1, 1]], [0, -10, 10]
    net.weights[1][...], net.biases[1][...] = 0.1 * np.eye(3), [0, 4, 0]
    x = np.linspace(-1, 1, 21)[:, None]
    outputs = layer_outputs(net, x)
    assert idle_units(net.activations[0], outputs[0]) == ([1], [])
    assert idle_units(net.activations[1], outputs[1]) == ([], [1])


def test_row_wise_activations_and_single_rows_have_no_idle_units():
    net = Network(2, [(3, "softmax")], seed=0)
    assert idle_units(net.activations[0], layer_outputs(net, np.ones((5, 2)))[0]) == ([], [])
    relu = Network(1, [(1, "relu")], seed=0)
    assert idle_units(relu.activations[0], layer_outputs(relu, np.zeros((1, 1)))[0]) == ([], [])


def test_activation_of_a_formula_has_outputs():
    net = Network(1, [(1, Activation("mine", formula="h / sqrt(1 + h**2)"))], seed=0)
    net.weights[0][...], net.biases[0][...] = 1, 0
    assert layer_outputs(net, np.ones((1, 1)))[0].y[0, 0] == pytest.approx(0.5**0.5)


def test_words_from_right_to_left_are_isolated():
    name = "\u0639\u0645\u0631 \u0623\u062d\u0645\u062f"
    assert isolated(f"{name}: 0.5, {name}") == f"\u2068{name}\u2069: 0.5, \u2068{name}\u2069"
    assert isolated("a\u05d0b") == "a\u2068\u05d0\u2069b"
    assert isolated("\u6e29\u5ea6 0.5 na\u00efve") == "\u6e29\u5ea6 0.5 na\u00efve"
    # a user's own controls are shown, not obeyed
    assert isolated("\u2069\u05d0\u202e") == "\\u2069\u2068\u05d0\u2069\\u202e"
    page = render_page("t", "s", [Section(name, [f"{name}: 1"])])
    assert f"<p>\u2068{name}\u2069: 1</p>" in page
    assert f"<h2>\u2068{name}\u2069</h2>" in page


@pytest.mark.parametrize("largest", [1, 2, 3, 1500])
def test_counts_have_whole_ticks(largest):
    def draw(axes):
        axes.plot([-largest, largest], [0, 1])
        count_ticks(axes.xaxis)
        axes.set_yticks([])

    texts = re.findall(r"<text[^>]*>([^<]*)</text>", render_svg(draw, (4.6, 3.0), "f1", "counts"))
    assert texts
    assert all(text.isdecimal() for text in texts)
    assert len({*texts}) == (len(texts) + 1) / 2  # each on both sides of 0


def test_single_epoch_is_one_tick():
    def draw(axes):
        axes.plot([0], [1], marker="o")
        count_ticks(axes.xaxis)
        axes.set_yticks([])

    texts = re.findall(r"<text[^>]*>([^<]*)</text>", render_svg(draw, (4.6, 3.0), "f1", "one"))
    assert [text for text in texts if text.strip()] == ["0"]
