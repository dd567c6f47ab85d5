"""What networks, results, models, datasets, traces and surfaces show in a notebook."""

import re
import sys
import types

import numpy as np
import pytest

import cygd
from cygd import Dataset, Network
from cygd.tracking.loggers.console import ConsoleLogger
from cygd.tracking.loggers.notebook_progress import find_display

COLUMNS = {
    "<b>a</b>": [1.0, 2.0, None, 4.0] * 5,
    "kind": ["u", "<i>", "w", "u"] * 5,
    "y": ["no", "yes", "<script>", "no"] * 5,
}
REST = {"train": {"epochs": 4}, "optimizer": {"name": "sgd", "learning_rate": 0.01}}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def result():
    section = {"targets": ["y"], "missing": "mean", "scale": "standard", "split": {"validation": 0.3}}
    layers = [4, {"units": 3, "activation": "softmax"}]
    content = {"data": section, "model": {"layers": layers}, "loss": "cross_entropy", "metrics": ["accuracy"]}
    return cygd.run({**content, **REST}, data=COLUMNS)


def cells(html):
    """Return the rows of all tables as lists of texts."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]


def check(html):
    assert html.startswith('<div class="cygd"><style>')
    assert html.endswith("</div>")
    assert "<script" not in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert html.count("<svg") == html.count("</svg>")
    return html


def test_network():
    first = {"units": 3, "activation": {"name": "leaky_relu", "slope": 0.1}, "dropout": 0.5, "bias": False}
    network = Network(2, [first, (1, "sigmoid")], loss="mse", dtype="float32")
    html = check(network._repr_html_())
    assert "Network: 10 parameters, loss mse, float32" in html
    assert cells(html) == [
        ["layer", "inputs", "units", "activation", "bias", "parameters", "dropout"],
        ["0", "2", "3", "leaky_relu", "no", "6", "0.5"],
        ["1", "3", "1", "sigmoid", "yes", "4", "0"],
    ]
    assert html.count("<circle") == 6
    assert repr(network).startswith("Network(2, [")
    assert "bill" in network.plot(["bill", "depth"])._repr_html_()


def test_networks_of_many_layers_and_units():
    network = Network(1000, [(500, "relu")] + [2] * 20)
    html = network._repr_html_()
    assert len(html) < 60_000
    assert "the first 8 drawn" in network.plot().title
    assert len(cells(html)) == 22


def test_trainable_parameters_are_counted():
    activation = {"formula": "h * sigmoid(beta * h)", "beta": 1.0, "trainable": ["beta"]}
    network = Network(2, [(3, activation), 1])
    assert cells(network._repr_html_())[1][-1] == str(2 * 3 + 3 + 1)


def test_networks_that_diverged_are_drawn():
    network = Network(2, [3, 1])
    network.weights[0][...] = np.nan
    network.weights[1][...] = np.inf
    assert "nan" not in network._repr_html_()


def test_result(result):
    html = check(result._repr_html_())
    assert "completed after 4 epochs" in html
    rows = {row[0]: row[1:] for row in cells(html)}
    assert rows["metric"] == ["training", "validation"]
    assert rows["loss"] == [f"{result.metrics[name]:.6g}" for name in ("loss", "validation_loss")]
    assert rows["accuracy"] == [f"{result.metrics[f'{part}accuracy']:.6g}" for part in ("", "validation_")]
    assert html.count("<svg") == 2
    assert str(result.directory) in html
    assert repr(result).startswith("Result(status='completed'")


def test_results_with_few_measurements(result):
    content = {"data": {"targets": ["y"], "inputs": ["kind"]}, "model": {"layers": [3]}, **REST}
    never = cygd.run({**content, "train": {"epochs": 3, "evaluate_every": 0}}, data=COLUMNS)
    assert never.plot().drawings[0].count("<polyline") == 1
    assert "running loss" in never._repr_html_()
    none = cygd.run({**content, "train": {"epochs": 0}}, data=COLUMNS)
    check(none._repr_html_())
    fast = {**content, "optimizer": {"name": "sgd", "learning_rate": 1e300}}
    diverged = cygd.run(fast, data=COLUMNS)
    assert diverged.status == "diverged"
    assert "diverged after" in check(diverged._repr_html_())


def test_result_of_a_cross_validation():
    section = {"targets": ["y"], "inputs": ["kind"], "split": {"folds": 2, "stratify": True}}
    content = {"data": section, "model": {"layers": [3]}, **REST}
    assert "completed" in check(cygd.run(content, data=COLUMNS)._repr_html_())


def test_plot_of_a_result_is_saved(result, here):
    result.plot().save("curves.html")
    assert (here / "curves.html").read_text().count("<svg") == 2


def test_model(result):
    html = check(cygd.load(result.directory)._repr_html_())
    rows = cells(html)
    assert rows[0] == ["input", "type", "enters the network as", "missing values are"]
    number = result.model.preprocessing.columns[0]
    change = f"(v - {number.shift:.6g}) / {number.scale:.6g}"
    assert rows[1] == ["&lt;b&gt;a&lt;/b&gt;", "number", change, f"{number.fill:.6g}"]
    assert rows[2][:3] == ["kind", "category", "one column for each of &lt;i&gt;, u, w"]
    assert "classes of y: &lt;script&gt;, no, yes" in html
    assert "kind=&lt;i&gt;" in html  # beside the circle of the input


def test_model_of_scaled_targets():
    columns = {"x": [1.0, 2.0, 4.0], "y": [10.0, 30.0, 20.0]}
    section = {"targets": ["y"], "scale": {"targets": "minmax"}}
    model = cygd.run({"data": section, "model": {"layers": [1]}, **REST}, data=columns).model
    assert "y = 20 output + 10" in check(model._repr_html_())
    assert ["x", "number", "v"] in cells(model._repr_html_())


def test_dataset():
    known = {name: [value or 3.0 for value in values] for name, values in COLUMNS.items()}
    data = Dataset.from_frame({**known, "w": [1] * 20}, "y", sample_weight="w")
    html = check(data._repr_html_())
    rows = cells(html)
    assert rows[0] == ["column", "role", "type", "missing", "values"]
    assert rows[1][:4] == ["&lt;b&gt;a&lt;/b&gt;", "input", "number", "0"]
    assert rows[1][4].startswith("1 to 4, mean 2.5")
    assert rows[-1] == ["y", "target", "category", "0", "3 labels: no (10), &lt;script&gt; (5), yes (5)"]
    assert "Dataset: 20 rows, 4 inputs, 1 target" in html
    assert "the sample weights sum to 20" in html
    wide = Dataset(np.ones((3, 100)), np.ones((3, 2)))
    assert "... and 60 more" in wide._repr_html_()
    assert "y1" in wide._repr_html_()
    assert repr(wide).startswith("Dataset(x=array(")


def test_trace():
    content = {
        "data": {"source": "inline", "x": [[1.0, 2.0]], "y": [[0.5]]},
        "model": {
            "layers": [{"units": 1, "activation": "sigmoid", "weights": [[0.5], [-0.5]], "bias": False}]
        },
        "optimizer": {"name": "sgd", "learning_rate": 0.5},
        "train": {"epochs": 1, "batch_size": 1},
    }
    steps = cygd.trace(content, steps=3)
    assert isinstance(steps, list)
    html = check(steps._repr_html_())
    rows = cells(html)
    head = dict(zip(rows[0], rows[1], strict=True))
    assert head["h = x w + b"] == "-0.5"
    assert head["y_hat = f(h)"] == "0.37754067"
    y_hat = 0.37754066879814546  # as in the worked example of the equations
    delta = (0.5 - y_hat) * y_hat * (1 - y_hat)
    assert float(head["delta = -dE/dy_hat f&#x27;(h)"]) == pytest.approx(delta, rel=1e-7)
    weights = {row[0]: dict(zip(rows[2], row, strict=True)) for row in rows[3:5]}
    changes = [float(weights[name]["Delta w"]) for name in ("w0[0,0]", "w0[1,0]")]
    assert changes == pytest.approx([0.5 * delta, delta], rel=1e-6)
    assert "layer 0: 2 inputs, 1 unit, f = sigmoid" in html


def test_long_traces_are_cut():
    content = {
        "data": {"source": "synthetic", "kind": "moons", "samples": 50},
        "model": {"layers": [30, {"units": 1, "activation": "sigmoid"}]},
        "train": {"epochs": 5, "batch_size": 10},
    }
    html = check(cygd.trace(content, steps=20)._repr_html_())
    assert "trace of 20 updates" in html
    assert "... and 10 more" in html
    assert len(html) < 400_000


@pytest.mark.parametrize("weights", [["w0[0,0]"], ["w0[0,0]", "b0[0]"]])
@pytest.mark.parametrize("rate", [0.1, 1e6])
def test_loss_surfaces(weights, rate):
    content = {
        "data": {"source": "inline", "x": [[0.0], [1.0], [2.0]], "y": [[1.0], [3.0], [5.0]]},
        "model": {"layers": [1]},
        "loss": "mse",
        "optimizer": {"name": "sgd", "learning_rate": rate},
        "train": {"epochs": 20},
    }
    surface = cygd.loss_surface(content, weights)
    html = check(surface._repr_html_())
    assert f"E over {' and '.join(weights)}" in html
    assert "nan" not in html.split("base64")[0]
    assert ("<image" in html) == (len(weights) == 2)


# -- progress ---------------------------------------------------------------------------------------


class FakeDisplay(types.ModuleType):
    """IPython.display, which keeps what it shows."""

    def __init__(self):
        super().__init__("IPython.display")
        self.shown = []

    def HTML(self, text):
        return text

    def display(self, content, display_id):
        assert display_id
        self.shown.append(content)
        return self

    def update(self, content):
        self.shown.append(content)


@pytest.fixture
def kernel(monkeypatch):
    display, ipython = FakeDisplay(), types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return display


def test_progress_of_a_run_is_one_display(kernel, capsys):
    content = {"data": {"targets": ["y"], "inputs": ["kind"]}, "model": {"layers": [3]}, **REST}
    result = cygd.run(content, data=COLUMNS, quiet=False)
    assert "4 epochs, in " in kernel.shown[0]
    assert '<progress value="0" max="4">' in kernel.shown[0]
    assert '<progress value="4" max="4">' in kernel.shown[-1]
    assert "completed after 4 epochs" in kernel.shown[-1]
    assert f"loss {result.metrics['loss']:.4g}" in kernel.shown[-1]
    assert capsys.readouterr() == ("", "")


def test_progress_of_a_run_that_fails(kernel):
    content = {"data": {"targets": ["y"], "inputs": ["kind"]}, "model": {"layers": [3]}, **REST}

    logger = ConsoleLogger()
    run = types.SimpleNamespace(name="x", config=content, directory="here", resumed=None)
    logger.cygd_run_start(run)
    logger.cygd_run_error(run, KeyboardInterrupt())
    assert "did not finish" in kernel.shown[-1]


def test_quiet_runs_show_nothing(kernel):
    content = {"data": {"targets": ["y"], "inputs": ["kind"]}, "model": {"layers": [3]}, **REST}
    cygd.run(content, data=COLUMNS)
    assert kernel.shown == []


@pytest.mark.parametrize("shell", [None, types.SimpleNamespace()])
def test_other_shells_get_lines(monkeypatch, capsys, shell):
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert find_display() is None
    content = {"data": {"targets": ["y"], "inputs": ["kind"]}, "model": {"layers": [3]}, **REST}
    cygd.run(content, data=COLUMNS, quiet=False)
    assert "epoch 4/4" in capsys.readouterr().err
