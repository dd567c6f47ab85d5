"""Models in ONNX: valid graphs, and the outputs of `Model.predict` in onnxruntime."""

import json

import numpy as np
import pytest

import cygd
from cygd import Activation, Model, Network
from cygd.data import InputColumn, Preprocessing, Table
from cygd.data.held_out import held_out_rows
from cygd.errors import ExportError
from cygd.export.check import TOLERANCE, check_export
from cygd.export.formats import find_format
from cygd.runner.assembly import read
from tests.helpers import pointer_cases
from tests.helpers.export_cases import (
    BUILT_INS,
    CHOSEN,
    DTYPES,
    EXPERIMENTS,
    ROOT,
    columns,
    model_of,
    net_inputs,
    random_formulas,
    random_network,
    single_unit,
)

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def session_of(model, folder, **options):
    """Export a model, check the file, and open it."""
    [file] = model.export(folder / "m.onnx", **options)
    onnx.checker.check_model(onnx.load(file), full_check=True)
    return runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def run(session, **feeds):
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def well_conditioned(activation, h):
    """Return where f(h) does not depend on how numbers are rounded: both dtypes agree.

    Next to 0, h < tanh(h) and the like depend on it, whatever the dtypes say.
    """
    single = single_unit(activation, "float32").predict(h)
    double = single_unit(activation, "float64").predict(h.astype(float))
    with np.errstate(invalid="ignore"):
        near = abs(single - double) <= 1e-4 * np.maximum(1, abs(double))
    return (near | (single == double) | (np.isnan(single) & np.isnan(double))) & (abs(h) > 1e-12)


def assert_close(got, expected, dtype):
    assert got.dtype == dtype
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in BUILT_INS if name != "softmax"])
def test_built_in_activations(name, dtype, tmp_path):
    network, h = single_unit(name, dtype), net_inputs(dtype)
    assert_close(run(session_of(model_of(network), tmp_path), c0=h)["variable"], network.predict(h), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*CHOSEN, *random_formulas(20)], ids=lambda a: a["formula"])
def test_formulas(activation, dtype, tmp_path):
    h = net_inputs("float32")
    stable = well_conditioned(activation, h)[:, 0]
    assert stable.mean() > 0.8
    network, h = single_unit(activation, dtype), h[stable].astype(dtype)
    assert_close(run(session_of(model_of(network), tmp_path), c0=h)["variable"], network.predict(h), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_trained_parameters_are_exported(dtype, tmp_path):
    network = single_unit(CHOSEN[0], dtype)
    network.trainable_values[0][0] = -0.75
    h = net_inputs(dtype)
    assert_close(run(session_of(model_of(network), tmp_path), c0=h)["variable"], network.predict(h), dtype)
    layer = json.loads(metadata(tmp_path / "m.onnx")["model"])["layers"][0]
    assert layer["activation"] == {"formula": CHOSEN[0]["formula"], "beta": -0.75}


@pytest.mark.parametrize("parameters", [{"name": "celu", "alpha": 0.5}, {"name": "elu", "alpha": 2.5},
                                        {"name": "leaky_relu", "slope": 0.1}])  # fmt: skip
@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_of_activations(parameters, dtype, tmp_path):
    network, h = single_unit(parameters, dtype), net_inputs(dtype)
    assert_close(run(session_of(model_of(network), tmp_path), c0=h)["variable"], network.predict(h), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_activation_in_one_network(dtype, tmp_path):
    activations = [name for name in BUILT_INS if name not in ("softmax", "step")]
    layers = [(6, name) for name in activations] + [{"units": 6, "activation": "tanh", "bias": False}]
    network = Network(4, [*layers, (3, "softmax")], dtype=dtype, seed=5)
    x = np.random.default_rng(0).normal(0, 2, (100, 4)).astype(dtype)
    session = session_of(model_of(network), tmp_path, matrix=True)
    assert_close(run(session, X=x)["variable"], network.predict(x), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [0, 1, 7])
def test_any_number_of_rows(batch, dtype, tmp_path):
    network = random_network([3, 5, 2], dtype)
    x = np.ones((batch, 3), dtype)
    assert run(session_of(model_of(network), tmp_path, matrix=True), X=x)["variable"].shape == (batch, 2)


# -- raw columns ----------------------------------------------------------------------------------------

MIXED = Preprocessing(
    (
        InputColumn("length, mm", shift=4.5, scale=0.25),
        InputColumn("gap", fill=2.5, shift=1.0, scale=3.0),
        InputColumn("kind", categories=("a", "b?", "ü"), fill="b?"),
        InputColumn("cylinders", categories=(4, 6, 8)),
        InputColumn("either", categories=(1, "one")),
        InputColumn("last", scale=2.0),
    ),
    ("class",),
    ("no", "yes", "ü"),
    cells={"missing_values": ["-999"]},
)
ROWS = {
    "length, mm": [4.5, 6.25, 0.1, 1e6],
    "gap": [None, 1.5, -999, 0],
    "kind": ["a", "", "ü", "b?"],
    "cylinders": [4, 6, 8, 4],
    "either": [1, "one", 1, "one"],
    "last": [0, 1, 2, 3],
}
NUMBERS = Preprocessing(
    (
        InputColumn("a", shift=4.5, scale=0.25),
        InputColumn("cylinders", categories=(4, 6, 8), fill=6),
        InputColumn("b", fill=2.5),
    ),
    ("y",),
    ("no", "yes"),
)


def mixed_model(dtype="float64"):
    return Model(Network(11, [(5, "tanh"), (3, "softmax")], dtype=dtype, seed=2), MIXED)


def texts(*values):
    return np.array(values, object)[:, None]


def good_row(**changes):
    row = {"length, mm": 4.5, "gap": 1.0, "kind": "a", "cylinders": 4.0, "either": "1", "last": 0.0} | changes
    return {name: texts(v) if isinstance(v, str) else np.array([[v]]) for name, v in row.items()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_raw_columns_are_prepared_as_in_training(dtype, tmp_path):
    model, file = mixed_model(dtype), tmp_path / "m.onnx"
    table = Table.from_mapping(ROWS, MIXED.inputs, MIXED.cell_format)
    found = check_export(model, find_format(file), model.export(file), table)
    assert (found.rows, found.different_classes) == (4, 0)
    assert found.excess <= 1


def test_inputs_are_named_like_the_columns(tmp_path):
    session = session_of(mixed_model("float32"), tmp_path)
    assert [(given.name, given.type, given.shape[1]) for given in session.get_inputs()] == [
        ("length, mm", "tensor(double)", 1),
        ("gap", "tensor(double)", 1),
        ("kind", "tensor(string)", 1),
        ("cylinders", "tensor(double)", 1),
        ("either", "tensor(string)", 1),
        ("last", "tensor(double)", 1),
    ]
    assert [(output.name, output.type) for output in session.get_outputs()] == [
        ("label", "tensor(string)"),
        ("probabilities", "tensor(float)"),
    ]


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_numbers_enter_in_the_dtype_of_the_network(dtype, tmp_path):
    session = session_of(model_of(random_network([2, 1], dtype)), tmp_path)
    expected = "tensor(float)" if dtype == "float32" else "tensor(double)"
    assert [given.type for given in session.get_inputs()] == [expected, expected]


def test_rows_that_cannot_be_predicted_are_nan(tmp_path):
    session = session_of(mixed_model(), tmp_path)
    assert np.isfinite(run(session, **good_row())["probabilities"]).all()
    for change in [
        {"length, mm": np.nan},
        {"length, mm": -999.0},
        {"gap": np.inf},
        {"kind": "c"},
        {"cylinders": 5.0},
        {"cylinders": np.nan},
        {"either": ""},
        {"last": -np.inf},
    ]:
        outputs = run(session, **good_row(**change))
        assert np.isnan(outputs["probabilities"]).all(), change
        assert outputs["label"].tolist() == [""]
    filled = run(session, **good_row(gap=np.nan, kind=""))
    np.testing.assert_array_equal(
        filled["probabilities"], run(session, **good_row(gap=2.5, kind="b?"))["probabilities"]
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_matrix_of_all_columns(dtype, tmp_path):
    model = Model(Network(5, [(4, "tanh"), (1, "sigmoid")], dtype=dtype, seed=1), NUMBERS)
    file = tmp_path / "m.onnx"
    rows = {"a": [4.5, 6.25, 0.1], "cylinders": [4, None, 8], "b": [None, 1.5, 3]}
    table = Table.from_mapping(rows, NUMBERS.inputs)
    found = check_export(model, find_format(file), model.export(file, matrix=True), table, matrix=True)
    assert found.agrees
    session = runtime.InferenceSession(str(file))
    assert [(given.name, given.shape) for given in session.get_inputs()] == [("X", ["rows", 3])]
    outputs = run(session, X=np.array([[4.5, 4, 1], [4.5, 5, 1]], np.float64))
    assert outputs["label"].tolist()[1] == ""
    assert outputs["probabilities"].shape == (2, 2)
    np.testing.assert_allclose(outputs["probabilities"][0].sum(), 1, rtol=1e-6)


def test_matrix_of_texts_is_refused(tmp_path):
    with pytest.raises(
        ExportError, match="matrix: the column 'kind' holds texts, and a matrix holds numbers"
    ):
        mixed_model().export(tmp_path / "m.onnx", matrix=True)


def test_columns_may_have_any_name(tmp_path):
    names = ["sub", "div", "cast", "constant", "w0", "X", " ", "a/b:c", "ü", "gemm", "labelencoder"]
    parts = [
        InputColumn(name, shift=1.0, scale=2.0) if i % 2 else InputColumn(name, categories=("u", "v"))
        for i, name in enumerate(names)
    ]
    model = Model(Network(17, [2], seed=0), Preprocessing(tuple(parts), ("y", "z")))
    rows = {name: ["u", "v"] if i % 2 == 0 else [0.5, 3.0] for i, name in enumerate(names)}
    file = tmp_path / "m.onnx"
    found = check_export(model, find_format(file), model.export(file), Table.from_mapping(rows, names))
    assert found.agrees


@pytest.mark.parametrize(
    ("name", "message"),
    [("label", "a column has the name of an output: 'label'"), ("", "a column has no name")],
)
def test_column_that_cannot_be_an_input_is_refused(name, message, tmp_path):
    model = Model(random_network([1, 1], "float64"), Preprocessing((InputColumn(name),), ("y",)))
    with pytest.raises(ExportError, match=f"{message}\nhint: --matrix takes all columns as one input"):
        model.export(tmp_path / "m.onnx")
    assert session_of(model, tmp_path, matrix=True).get_inputs()[0].name == "X"


@pytest.mark.parametrize("dtype", DTYPES)
def test_targets_are_in_their_units(dtype, tmp_path):
    scaled = Preprocessing(columns(2).columns, ("a", "b"), (), (100.1, -3.0), (7.7, 1e-3))
    model = Model(random_network([2, 3, 2], dtype), scaled)
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(dtype)
    outputs = run(session_of(model, tmp_path), c0=x[:, :1], c1=x[:, 1:])
    assert_close(outputs["variable"], model.predict(x), dtype)


@pytest.mark.parametrize(
    ("classes", "labels", "kind"),
    [
        (("no", "yes"), ["no", "yes", ""], "tensor(string)"),
        ((3, 7), [3, 7, 2], "tensor(int64)"),
        ((1, "one"), ["1", "one", ""], "tensor(string)"),
        ((0.5, 1), [0.5, 1.0, pytest.approx(np.nan, nan_ok=True)], "tensor(double)"),
    ],
)
def test_labels_of_one_output(classes, labels, kind, tmp_path):
    model = Model(single_unit("identity", "float64"), Preprocessing(columns(1).columns, ("y",), classes))
    session = session_of(model, tmp_path)
    assert [(o.name, o.type) for o in session.get_outputs()] == [
        ("label", kind),
        ("scores", "tensor(double)"),
    ]
    x = np.array([[0.5], [np.nextafter(0.5, 1)], [np.nan]])
    outputs = run(session, c0=x)
    assert outputs["label"].tolist() == labels
    np.testing.assert_array_equal(outputs["scores"], x)


def metadata(file):
    return {entry.key: entry.value for entry in onnx.load(file).metadata_props}


def test_metadata_name_run_and_columns(tmp_path):
    model = mixed_model()
    model.provenance = {"experiment": "mine", "run": "20260101-120000-ab12", "config_sha256": "12ab"}
    [file] = model.export(tmp_path / "m.onnx")
    found = metadata(file)
    assert {key: found[key] for key in model.provenance} == model.provenance
    assert json.loads(found["classes"]) == ["no", "yes", "ü"]
    assert json.loads(found["columns"]) == list(MIXED.inputs)
    loaded = onnx.load(file)
    assert (loaded.graph.name, loaded.producer_name, loaded.ir_version) == ("mine", "cygd", 8)
    assert {opset.domain: opset.version for opset in loaded.opset_import} == {"": 18, "ai.onnx.ml": 3}
    assert {"w0", "b0", "w1", "b1"} <= {tensor.name for tensor in loaded.graph.initializer}


@pytest.mark.parametrize("matrix", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_shipped_experiments(name, dtype, matrix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = ["train.epochs=3", "log=[]", f"model.dtype={dtype}"]
    result = cygd.run(ROOT / "experiments" / f"{name}.yaml", overrides=overrides, out="run")
    file = tmp_path / "m.onnx"
    if name == "spirals_swish" or (name == "penguins" and matrix):
        message = (
            "the column 'island' holds texts" if matrix and name == "penguins" else "swish.*Python function"
        )
        with pytest.raises(ExportError, match=message):
            result.model.export(file, matrix=matrix)
        return
    reading = read("run/config.yaml")
    _, table = held_out_rows(reading.experiment, reading.plugins)
    form, files = find_format(file), result.model.export(file, matrix=matrix)
    onnx.checker.check_model(onnx.load(file), full_check=True)
    found = check_export(result.model, form, files, table, matrix=matrix)
    assert found.excess <= 1
    assert not found.different_classes


def test_activations_without_a_formula_are_refused_by_name(tmp_path):
    square = Activation("square", lambda h: h * h, lambda h: 2 * h)
    pointer = pointer_cases.tanh("capsule", "float64")
    for activation, kind in [(square, "a Python function"), (pointer, "a function pointer")]:
        message = f"the activation {activation.name!r} is {kind}, which ONNX cannot express"
        with pytest.raises(ExportError, match=message):
            model_of(Network(2, [(3, activation), 1])).export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx.helper", None)
    with pytest.raises(ExportError) as caught:
        mixed_model().export(tmp_path / "m.onnx")
    assert str(caught.value) == (
        'an .onnx file requires onnx, which is not installed\nhint: pip install "cygd[onnx]"'
    )
