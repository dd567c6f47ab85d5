"""Traces: the equations of each update, in the order of training, with the weights of training."""

import csv
import io

import numpy as np
import pytest

import cygd
from cygd.errors import ConfigError
from cygd.inspection.trace_report import CSV_COLUMNS, format_number, write_csv, write_text
from cygd.inspection.tracing import trace_steps
from cygd.network.serialization import parameter_arrays
from cygd.runner.assembly import assemble

UNIT = {
    "name": "one_unit",
    "data": {"source": "inline", "x": [[1, 2]], "y": [[0.5]]},
    "model": {"layers": [{"units": 1, "activation": "sigmoid", "bias": False, "weights": [[0.5], [-0.5]]}]},
    "optimizer": {"name": "sgd", "learning_rate": 0.5},
}


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def moons(**changes):
    return {
        "name": "moons",
        "data": {"source": "synthetic", "kind": "moons", "samples": 23, "split": {"validation": 0.2}},
        "model": {"layers": [3, {"units": 1, "activation": "sigmoid"}]},
        "optimizer": {"name": "sgd", "learning_rate": 0.3},
        "train": {"epochs": 2, "batch_size": 5},
        **changes,
    }


def every_step(source):
    """Trace all updates of an experiment and return them with its network."""
    assembly = assemble(source)
    return list(trace_steps(assembly, 1000)), assembly.network


def text_of(source, count=1):
    out = io.StringIO()
    write_text(trace_steps(assemble(source), count), out)
    return out.getvalue()


def csv_of(source, count=1):
    out = io.StringIO()
    write_csv(trace_steps(assemble(source), count), out)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def test_values_of_one_sigmoid_unit():
    [step] = trace_steps(assemble(UNIT), 1)
    [layer] = step.layers
    assert layer.h.tolist() == [[-0.5]]
    np.testing.assert_allclose(layer.y_hat, [[0.37754066879814546]], rtol=1e-15)
    np.testing.assert_allclose(step.y - layer.y_hat, [[0.12245933120185454]], rtol=1e-15)
    np.testing.assert_allclose(layer.w.delta, [[0.01438920], [0.02877840]], atol=5e-9)
    np.testing.assert_allclose(layer.w.after, [[0.5 + 0.01438920], [-0.5 + 0.02877840]], atol=5e-9)
    np.testing.assert_allclose(step.loss, 0.5 * 0.12245933120185454**2, rtol=1e-14)


WORKED = """\
step 1: epoch 1, sample 0, learning rate 0.5
============================================

layer 0: 2 inputs, 1 unit, f = sigmoid, delta = -dE/dy_hat f'(h)

  sample        x   unit      h        y_hat     y    y - y_hat              E        f'(h)         delta
       0   (1, 2)      0   -0.5   0.37754067   0.5   0.12245933   0.0074981439   0.23500371   0.028778397

   weight      w          dE/dw   dE/dw (limit)       Delta w      w after
  w0[0,0]    0.5   -0.028778397    -0.028778397   0.014389199    0.5143892
  w0[1,0]   -0.5   -0.057556795    -0.057556795   0.028778397   -0.4712216

E = 0.0074981439

"""


def test_text_of_a_worked_example():
    assert text_of(UNIT) == WORKED


LAYERS = [
    {"units": 3, "activation": "tanh", "l1": 0.01, "l2": 0.1},
    {"units": 4, "activation": "softmax"},
    {"units": 2, "activation": {"name": "leaky_relu", "slope": 0.2}, "bias": False},
    {"units": 1, "activation": "sigmoid"},
]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"train": {"epochs": 2, "batch_size": "full"}},
        {"train": {"epochs": 3, "batch_size": 1, "shuffle": False}},
        {"model": {"layers": LAYERS}},
        {"loss": "binary_cross_entropy"},
        {"loss": {"name": "huber", "delta": 0.1}},
        {"loss": {"name": "mse", "reduction": "sum"}},
        {"schedule": {"name": "exponential", "rate": 0.5}},
        {"schedule": {"name": "reduce_on_plateau", "patience": 1}},
        {"model": {"dtype": "float32", "layers": [3, 1]}, "loss": "mse"},
    ],
)
def test_weights_after_the_trace_are_those_of_training(changes):
    source = moons(**changes)
    traced, network = every_step(source)
    assert len(traced) > 1
    np.testing.assert_array_equal(network.parameters, cygd.run(source).model.network.parameters)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}},
        {"optimizer": "adam"},
        {"optimizer": {"name": "adamw", "learning_rate": 0.01}, "schedule": "cosine"},
        {"clip": {"norm": 0.01}},
        {"clip": {"value": 0.001}},
    ],
)
def test_the_update_is_that_of_the_optimizer(changes):
    traced, network = every_step(moons(**changes))
    trained = cygd.run(moons(**changes)).model.network
    np.testing.assert_array_equal(network.parameters, trained.parameters)
    last = traced[-1]
    for index, layer in enumerate(last.layers):
        np.testing.assert_array_equal(layer.w.after, network.weights[index])


@pytest.mark.parametrize("changes", [{}, {"model": {"layers": LAYERS}}, {"loss": "cross_entropy",
    "model": {"layers": [3, {"units": 2, "activation": "softmax"}]}}])  # fmt: skip
def test_gradients_equal_those_of_the_network_and_central_differences(changes):
    assembly = assemble(moons(**changes))
    part = assembly.data.train
    before = assembly.network.parameters.copy()
    for step in trace_steps(assembly, 3):
        after = assembly.network.parameters.copy()
        assembly.network.parameters[:] = before
        objective, gradient = assembly.network.gradient(part.x[step.samples], part.y[step.samples])
        assembly.network.parameters[:] = before = after
        flat = [p.gradient.ravel() for layer in step.layers for p in (layer.w, layer.b) if p is not None]
        limit = [p.numerical.ravel() for layer in step.layers for p in (layer.w, layer.b) if p is not None]
        np.testing.assert_allclose(np.concatenate(flat), gradient, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(np.concatenate(limit), gradient, rtol=1e-5, atol=1e-8)
        assert step.loss == objective


def test_sample_weights(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,y,w\n1,2,0,1\n2,1,1,3\n3,3,1,0.5\n")
    source = moons(
        data={"source": "csv", "path": "a.csv", "targets": ["y"], "sample_weight": "w"}, loss="mse"
    )
    _, network = every_step(source)
    np.testing.assert_array_equal(network.parameters, cygd.run(source).model.network.parameters)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("loss", "factor"), [("mse", 2), ("squared_error", 2), ("sse", 1)])
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_a_small_batch_divides_by_its_rows_times_the_mean_weight(tmp_path, batch_size, loss, factor, dtype):
    (tmp_path / "a.csv").write_text("a,y,w\n1,2,1\n2,1,3\n3,5,0\n4,1,0.5\n")
    steps = cygd.trace(
        {
            "data": {
                "source": "csv",
                "path": str(tmp_path / "a.csv"),
                "targets": ["y"],
                "inputs": ["a"],
                "sample_weight": "w",
            },
            "model": {"layers": [{"units": 1, "bias": False, "weights": [[0.5]]}], "dtype": dtype},
            "loss": loss,
            "optimizer": {"name": "sgd", "learning_rate": 1e-3},
            "train": {"epochs": 1, "batch_size": batch_size, "shuffle": False},
        },
        4,
    )
    x, y, weight = np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 5, 1]), np.array([1, 3, 0, 0.5])
    w, start = 0.5, 0
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    for step in steps[: -(-4 // batch_size)]:
        batch = slice(start, start + batch_size)
        error = w * x[batch] - y[batch]
        divisor = len(error) * weight.mean() if loss == "mse" else 1
        gradient = factor * (weight[batch] * error * x[batch]).sum() / divisor
        value = factor / 2 * (weight[batch] * error**2).sum() / divisor
        np.testing.assert_allclose(step.loss, value, rtol=tolerance)
        np.testing.assert_allclose(step.layers[0].w.gradient, gradient, rtol=tolerance)
        np.testing.assert_allclose(step.layers[0].w.numerical, gradient, rtol=max(tolerance, 1e-6), atol=1e-9)
        w -= 1e-3 * gradient
        np.testing.assert_allclose(step.layers[0].w.after, w, rtol=tolerance)
        start += batch_size


def test_loss_and_activation_of_a_plugin(tmp_path):
    (tmp_path / "own.py").write_text(
        "import numpy as np\n"
        "from cygd import Activation, Loss, hookimpl\n"
        "@hookimpl\n"
        "def cygd_losses():\n"
        "    yield Loss('difference', lambda y, y_hat: y - y_hat, lambda y, y_hat: -np.ones_like(y), 'sum')\n"
        "@hookimpl\n"
        "def cygd_activations():\n"
        "    yield Activation('same', lambda h: h * 1.0, np.ones_like)\n"
    )
    source = {
        "plugins": ["own.py"],
        "data": {"source": "inline", "x": [[2]], "y": [[4]]},
        "model": {"layers": [{"units": 1, "activation": "same", "bias": False, "weights": [[1]]}]},
        "loss": "difference",
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
    }
    first, second = trace_steps(assemble(source), 2)
    assert first.layers[0].y_hat.tolist() == [[2.0]]
    assert first.loss == 2.0
    assert first.layers[0].w.after.tolist() == [[1.2]]
    assert second.loss == pytest.approx(1.6)


def test_the_trace_ends_with_the_training():
    traced, _ = every_step(moons())
    assert [step.epoch for step in traced] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert [len(step.samples) for step in traced] == [5, 5, 5, 3] * 2
    assert sorted(np.concatenate([step.samples for step in traced[:4]])) == sorted(
        assemble(moons()).data.train.rows
    )


def test_dropout_is_an_error_with_a_hint():
    source = moons(model={"layers": [{"units": 3, "dropout": 0.5}, {"units": 1, "activation": "sigmoid"}]})
    with pytest.raises(ConfigError, match=r"model\.layers\[0\]\.dropout: dropout cannot be traced") as caught:
        next(trace_steps(assemble(source), 1))
    assert "model.layers.0.dropout=0" in caught.value.problems[0].hint


def test_long_tables_are_cut():
    source = moons(model={"layers": [30, {"units": 1, "activation": "sigmoid"}]})
    text = text_of(source)
    assert "  ... and 70 more" in text  # 2 x 30 weights and 30 biases, 20 shown
    assert "  ... and 130 more" in text  # 5 samples x 30 units
    assert max(map(len, text.splitlines())) < 160


@pytest.mark.parametrize(
    ("size", "samples"),
    [(1, "sample 0,"), (3, "samples 0, 1, 2,"), (12, "12 samples 0, 1, 2, 3, 4, 5, 6, 7, ...,")],
)
def test_samples_in_the_title(size, samples):
    data = {"source": "synthetic", "kind": "moons", "samples": 12}
    train = {"epochs": 1, "batch_size": size, "shuffle": False}
    title = text_of(moons(data=data, train=train)).splitlines()[0]
    assert title == f"step 1: epoch 1, {samples} learning rate 0.3"


def test_large_networks_have_no_numerical_gradient(monkeypatch):
    monkeypatch.setattr("cygd.inspection.tracing.MAX_NUMERICAL", 3)
    [step] = trace_steps(assemble(moons()), 1)
    assert step.layers[0].w.numerical is None
    row = csv_of(moons())[0]
    assert row["numerical_gradient"] == ""
    assert row["gradient"] != ""


def test_row_wise_activations_have_no_derivative():
    source = moons(loss="cross_entropy", model={"layers": [{"units": 2, "activation": "softmax"}]})
    assert "row-wise" in text_of(source)
    assert {row["slope"] for row in csv_of(source)} == {""}


def test_csv_has_a_row_for_each_step_sample_layer_unit_and_weight():
    rows = csv_of(moons(), count=2)
    assert tuple(rows[0]) == CSV_COLUMNS
    assert len(rows) == 2 * 5 * (3 * (2 + 1) + 1 * (3 + 1))
    keys = {(row["step"], row["sample"], row["layer"], row["unit"], row["weight"]) for row in rows}
    assert len(keys) == len(rows)


def test_csv_numbers_are_exact_and_consistent():
    source = moons()
    rows = [row for row in csv_of(source) if row["layer"] == "1"]
    for name in ("0", "1", "2", "b"):
        mine = [row for row in rows if row["weight"] == name]
        step = 0.3 * sum(float(row["delta"]) * float(row["x"]) for row in mine)
        assert float(mine[0]["delta_w"]) == pytest.approx(step, rel=1e-10)
        assert float(mine[0]["w_after"]) == pytest.approx(float(mine[0]["w"]) + step, rel=1e-12)
    for row in rows:
        assert float(row["error"]) == float(row["y"]) - float(row["y_hat"])


def test_the_last_weights_are_those_of_the_network():
    assembly = assemble(moons())
    *_, last = trace_steps(assembly, 3)
    views = parameter_arrays(assembly.network)
    np.testing.assert_array_equal(last.layers[1].b.after, views["b1"])


@pytest.mark.parametrize(
    ("number", "text"), [(1 / 3, "0.33333333"), (-2.0, "-2"), (1e-20, "1e-20"), (np.nan, "nan")]
)
def test_numbers_have_eight_digits(number, text):
    assert format_number(number) == text


def test_early_stopping_does_not_end_a_trace():
    assert len(list(trace_steps(assemble(moons(stop={"loss_below": 100.0})), 3))) == 3


def test_the_public_function_takes_experiments_and_runs():
    result = cygd.run(moons())
    expected = every_step(moons())[0]
    for source in (moons(), result, result.directory):
        steps = cygd.trace(source, steps=2)
        assert [step.number for step in steps] == [1, 2]
        for step, same in zip(steps, expected, strict=False):
            np.testing.assert_array_equal(step.layers[0].w.after, same.layers[0].w.after)
    assert len(cygd.trace(moons())) == 1
