"""Models in C: the bits of `Model.predict` with every compiler, and no warning."""

import ctypes

import numpy as np
import pytest

import cygd
from cygd import Model, Network
from cygd.core import dispatch
from cygd.data import Preprocessing, Table
from cygd.errors import ExportError
from cygd.export.c99.compiled import compile_library
from cygd.export.check import check_export
from cygd.export.formats import find_format
from cygd.runner.assembly import read
from tests.helpers.export_cases import (
    BUILT_INS,
    CHOSEN,
    DTYPES,
    EXPERIMENTS,
    MIXED,
    ROOT,
    columns,
    compiled,
    has_compiler,
    mixed_model,
    model_of,
    net_inputs,
    random_formulas,
    random_network,
    single_unit,
)

COMMANDS = [
    pytest.param((name, *flags), id=" ".join([name, *flags]),
                 marks=pytest.mark.skipif(not has_compiler(name), reason=f"{name} is not installed"))
    for name in ("gcc", "clang")
    for flags in (["-O0"], ["-O3"], ["-O3", "-mfma"], ["-O0", "-mfma"])
]  # fmt: skip
SHAPES = [[1, 1], [3, 5, 2], [4, 3], [8, 3], [40, 1], [300, 16], [300, 17], [7, 16], [129, 40, 3],
          [2, 257, 1], [300, 200, 10], [20, 33, 5]]  # fmt: skip

pytestmark = [
    pytest.mark.skipif(not has_compiler("gcc"), reason="gcc is not installed"),
    pytest.mark.usefixtures("fused_level"),
]


def assert_same_bits(library, network, x):
    outputs, _ = library.predict(np.ascontiguousarray(x, np.float64))
    np.testing.assert_array_equal(outputs, network.predict(x))
    np.testing.assert_array_equal(outputs[:1], network.predict(x[:1]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in BUILT_INS if name != "softmax"])
def test_built_in_activations_have_the_bits_of_the_kernels(name, dtype, tmp_path):
    network = single_unit(name, dtype)
    assert_same_bits(compiled(model_of(network), tmp_path, flags=("-O1",)), network, net_inputs(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*CHOSEN, *random_formulas(20)], ids=lambda a: a["formula"])
def test_formulas_have_the_bits_of_the_kernels(activation, dtype, tmp_path):
    network = single_unit(activation, dtype)
    if network.trainable_values[0] is not None:
        network.trainable_values[0][...] *= 1.125
    assert_same_bits(compiled(model_of(network), tmp_path, flags=("-O1",)), network, net_inputs(dtype))


@pytest.mark.parametrize("parameters", [{"name": "celu", "alpha": 1e-3}, {"name": "elu", "alpha": 2.5},
                                        {"name": "leaky_relu", "slope": 0.1}])  # fmt: skip
@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_of_activations(parameters, dtype, tmp_path):
    network = single_unit(parameters, dtype)
    assert_same_bits(compiled(model_of(network), tmp_path), network, net_inputs(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_has_the_bits_of_the_kernel(dtype, tmp_path):
    network = Network(
        3, [{"units": 3, "activation": "softmax", "weights": np.eye(3), "bias": False}], dtype=dtype
    )
    x = np.random.default_rng(0).normal(0, 20, (200, 3)).astype(dtype)
    x[:3] = [[1e9, 1e9, 0], [0, 0, 0], [-1e9, -2e9, -1e9]]
    assert_same_bits(compiled(model_of(network), tmp_path), network, x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_sums_have_the_order_of_the_kernels(sizes, dtype, tmp_path):
    network = random_network(sizes, dtype)
    x = np.random.default_rng(1).normal(size=(19, sizes[0])).astype(dtype)
    library = compiled(model_of(network), tmp_path)
    for level in {"v3", "v4"} & set(dispatch.levels()):
        dispatch.select(level)
        assert_same_bits(library, network, x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_compiler_gives_the_same_bits(command, dtype, tmp_path):
    if "-mfma" in command and "v3" not in dispatch.levels():
        pytest.skip("the CPU has no fused multiply-add")
    activations = [name for name in BUILT_INS if name not in ("softmax", "step")]
    layers = [(6, name) for name in activations] + [(6, CHOSEN[0]), (3, "softmax")]
    network = Network(4, layers, dtype=dtype, seed=5)
    x = np.random.default_rng(2).normal(0, 2, (200, 4)).astype(dtype)
    assert len(np.unique(network.predict(x))) > 100
    assert_same_bits(compiled(model_of(network), tmp_path, command[:1], command[1:]), network, x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_multiply_add_without_the_instruction_rounds_once(dtype, tmp_path):
    real, bits = (ctypes.c_float, np.uint32) if dtype == "float32" else (ctypes.c_double, np.uint64)
    source, _ = model_of(random_network([2, 2], dtype)).export(tmp_path / "m.c")
    c_type = "float" if dtype == "float32" else "double"
    function = f"{c_type} multiply_add({c_type} a, {c_type} b, {c_type} c) {{ return fma_(a, b, c); }}\n"
    source.write_text(source.read_text() + function)
    compile_library(source, tmp_path / "m.so", ["gcc"], ["-O2", "-std=c99", "-fPIC", "-shared", "-mno-fma"])
    ours = ctypes.CDLL(str(tmp_path / "m.so")).multiply_add
    exact = ctypes.CDLL("libm.so.6")["fmaf" if dtype == "float32" else "fma"]
    for call in (ours, exact):
        call.argtypes, call.restype = [real] * 3, real
    rng = np.random.default_rng(0)
    anything = rng.integers(0, np.iinfo(bits).max, (4000, 3), bits, endpoint=True).view(dtype)
    near = rng.normal(size=(8000, 3)).astype(dtype)
    near[:4000, 2] = -near[:4000, 0] * near[:4000, 1]  # the sum is the rounding error of the product
    near[4000:, 2] *= 2.0 ** rng.integers(-60, 60, 4000)
    edges = np.array([[0, 5, -0.0], [-0.0, 1, 0], [1e30, 1e30, 1], [np.inf, 0, 1], [1, 1, np.nan]], dtype)
    for a, b, c in np.concatenate([anything, near, edges]).tolist():
        ours_bits = np.array(ours(a, b, c), dtype)
        np.testing.assert_array_equal(ours_bits, np.array(exact(a, b, c), dtype), err_msg=f"{a} {b} {c}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_unfused_form_differs_by_rounding_only(dtype, tmp_path):
    network = random_network([20, 33, 5], dtype)
    x = np.random.default_rng(3).normal(size=(50, 20)).astype(dtype)
    outputs, _ = compiled(model_of(network), tmp_path, flags=("-O2", "-DM_UNFUSED")).predict(x.astype(float))
    assert not np.array_equal(outputs, network.predict(x))
    np.testing.assert_allclose(outputs, network.predict(x), atol=32 * np.finfo(dtype).eps)


# -- raw columns ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_raw_columns_are_prepared_as_in_training(dtype, tmp_path):
    model = mixed_model(dtype)
    rows = {
        "length, mm": [4.5, 6.25, 0.1, 1e6],
        "gap": [None, 1.5, -999, 0],
        'kind "*//*/ ??=': ["a\\", "", "ü", "b?"],
        "cylinders": [4, 6, 8, 4],
        "either": [1, "one", 1, "one"],
    }
    form = find_format(tmp_path / "m.c")
    files = model.export(tmp_path / "m.c")
    table = Table.from_mapping(rows, MIXED.inputs, MIXED.cell_format)
    found = check_export(model, form, files, table)
    assert (found.rows, found.same_bits, found.different_classes) == (4, True, 0)


def test_rows_that_cannot_be_predicted_say_why(tmp_path):
    library = compiled(mixed_model(), tmp_path)
    good = [4.5, 1.0, 0.0, 4.0, 1.0]
    for column, value, code in [
        (0, np.nan, -1),
        (0, -999.0, -1),
        (0, np.inf, -3),
        (1, -np.inf, -3),
        (2, 3.0, -2),
        (2, -1.0, -2),
        (2, 0.5, -2),
        (3, 5.0, -2),
        (3, np.nan, -1),
        (4, np.nan, -1),
    ]:
        row = np.array([good])
        row[0, column] = value
        outputs, results = library.predict(row)
        assert results.tolist() == [code]
        assert np.isnan(outputs).all()
    outputs, results = library.predict(np.array([good, [4.5, np.nan, np.nan, 8, 0]]))
    assert np.isfinite(outputs).all()
    assert results.tolist() == outputs.argmax(axis=1).tolist()


def test_labels_are_numbered(tmp_path):
    library = compiled(mixed_model(), tmp_path)
    label = library.label
    assert [label(2, text.encode()) for text in ("a\\", "b?", "ü", "c")] == [0, 1, 2, -1]
    assert [label(4, b"one"), label(4, b"1"), label(0, b"a\\"), label(-1, b"a"), label(5, b"a")] == [
        1,
        0,
        -1,
        -1,
        -1,
    ]
    assert np.isnan([label(2, b""), label(2, None)]).all()


def test_names_are_in_the_library(tmp_path):
    library = compiled(mixed_model(), tmp_path).library
    names = (ctypes.c_char_p * 5).in_dll(library, "m_columns")
    assert [name.decode() for name in names] == list(MIXED.inputs)
    assert [name.decode() for name in (ctypes.c_char_p * 3).in_dll(library, "m_classes")] == list(
        MIXED.classes
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_numbers_need_no_table(dtype, tmp_path):
    library = compiled(model_of(random_network([2, 3], dtype)), tmp_path)
    rows = np.array([[1.0, np.nan], [np.inf, 1.0], [1.0, -np.inf], [1.0, 2.0]])
    outputs, results = library.predict(rows)
    assert results.tolist() == [-1, -3, -3, 0]
    assert np.isnan(outputs).all(axis=1).tolist() == [True, True, True, False]


@pytest.mark.parametrize("dtype", DTYPES)
def test_targets_are_in_their_units(dtype, tmp_path):
    scaled = Preprocessing(columns(2).columns, ("a", "b"), (), (100.1, -3.0), (7.7, 1e-3))
    model = Model(random_network([2, 3, 2], dtype), scaled)
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(dtype)
    outputs, results = compiled(model, tmp_path).predict(x.astype(float))
    np.testing.assert_array_equal(outputs, model.predict(x))
    assert not results.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_single_output_predicts_the_second_class_above_one_half(dtype, tmp_path):
    network = single_unit("identity", dtype)
    model = Model(network, Preprocessing(columns(1).columns, ("y",), ("no", "yes")))
    x = np.array([[0.5], [np.nextafter(np.array(0.5, dtype), 1)], [0.0], [1.0]])
    assert compiled(model, tmp_path).predict(x)[1].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_shipped_experiments(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from cygd.data.held_out import held_out_rows

    result = cygd.run(
        ROOT / "experiments" / f"{name}.yaml", overrides=["train.epochs=3", "log=[]"], out="run"
    )
    file = tmp_path / "m.c"
    if name == "spirals_swish":
        with pytest.raises(
            ExportError, match="the activation 'swish' of plugin 'swish' is a Python function"
        ):
            result.model.export(file)
        return
    reading = read("run/config.yaml")
    _, table = held_out_rows(reading.experiment, reading.plugins)
    found = check_export(result.model, find_format(file), result.model.export(file), table)
    assert found.same_bits
    assert not found.different_classes
