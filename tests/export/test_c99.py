"""Models in C: the bits of `Model.predict` with every compiler, and no warning."""

import ctypes
import shutil

import numpy as np
import pytest

import cygd
from cygd import Activation, Model, Network
from cygd.core import dispatch
from cygd.data import InputColumn, Preprocessing, Table
from cygd.errors import ExportError
from cygd.export.c99.compiled import compile_library, find_compiler
from cygd.export.check import check_export
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
    compiled,
    has_compiler,
    model_of,
    net_inputs,
    random_formulas,
    random_network,
    run_checked,
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
    pytest.mark.skipif(not {"v3", "v4"} & set(dispatch.levels()), reason="needs a fused CPU level"),
]


@pytest.fixture(autouse=True)
def fused_level():
    before = dispatch.level()
    dispatch.select(next(level for level in ("v4", "v3") if level in dispatch.levels()))
    yield
    dispatch.select(before)


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

MIXED = Preprocessing(
    (
        InputColumn("length, mm", shift=4.5, scale=0.25),
        InputColumn("gap", fill=2.5, shift=1.0, scale=3.0),
        InputColumn('kind "*/ ??=', categories=("a\\", "b?", "ü"), fill="b?"),
        InputColumn("cylinders", categories=(4, 6, 8)),
        InputColumn("either", categories=(1, "one")),
    ),
    ("class",),
    ('no "', "@P@\n", "ü"),
    cells={"missing_values": ["-999"]},
)


def mixed_model(dtype="float64"):
    return Model(Network(10, [(5, "tanh"), (3, "softmax")], dtype=dtype, seed=2), MIXED)


@pytest.mark.parametrize("dtype", DTYPES)
def test_raw_columns_are_prepared_as_in_training(dtype, tmp_path):
    model = mixed_model(dtype)
    rows = {
        "length, mm": [4.5, 6.25, 0.1, 1e6],
        "gap": [None, 1.5, -999, 0],
        'kind "*/ ??=': ["a\\", "", "ü", "b?"],
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


# -- the text -------------------------------------------------------------------------------------------

STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-Wundef", "-Wshadow", "-Wstrict-prototypes"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "words",
    [["gcc", "-std=c99", *STRICT], ["gcc", "-std=c2x", *STRICT], ["g++", "-std=c++11", "-x", "c++"],
     ["clang", "-std=c99", *STRICT], ["clang++", "-std=c++17", "-x", "c++"]],
    ids=lambda words: " ".join(words[:2]),
)  # fmt: skip
def test_no_compiler_warns(words, dtype, tmp_path):
    if not has_compiler(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    layers = [(3, name) for name in BUILT_INS if name != "softmax"]
    layers += [(3, activation) for activation in CHOSEN] + [(3, "softmax")]
    source, _ = Model(Network(10, layers, dtype=dtype), MIXED).export(tmp_path / "my-model 2.c")
    strict = [flag for flag in STRICT if "++" not in words[0] or "prototypes" not in flag]
    for flag in ("-O0", "-O3", "-mfma"):
        run_checked(*words, *strict, flag, "-c", source, "-o", tmp_path / "m.o")


def test_object_has_no_state_and_allocates_nothing(tmp_path):
    if not has_compiler("nm"):
        pytest.skip("nm is not installed")
    layers = [(3, name) for name in BUILT_INS if name != "softmax"]
    source, _ = Model(Network(10, [*layers, (3, "softmax")]), MIXED).export(tmp_path / "m.c")
    run_checked("gcc", "-std=c99", "-O2", "-mfma", "-c", source, "-o", tmp_path / "m.o")
    symbols = [line.split()[-2:] for line in run_checked("nm", tmp_path / "m.o").decode().splitlines()]
    assert {kind for kind, _ in symbols} <= {"U", "T", "t", "R", "r", "D", "d"}
    # constants with addresses of texts are data that the loader relocates, not state
    assert {name for kind, name in symbols if kind in "Dd"} <= {
        "COLUMNS",
        "LABELS_2",
        "LABELS_4",
        "m_columns",
        "m_classes",
    }
    of_libraries = {"strcmp", "memcpy", "fma", "sqrt", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}
    assert {name for kind, name in symbols if kind == "U"} <= of_libraries
    assert {name for kind, name in symbols if kind == "T"} == {"m_predict", "m_label"}


def test_only_the_functions_in_use_are_written(tmp_path):
    text = model_of(random_network([2, 3, 1], "float64")).export(tmp_path / "m.c")[0].read_text()
    assert "real tanh_(" in text
    assert "real erf_(" not in text
    assert "reduced_angle" not in text


@pytest.mark.parametrize(
    ("name", "function"),
    [("my-model.v2.c", "my_model_v2_predict"), ("3d.h", "model_3d_predict"),
     ("double.c", "model_double_predict"), ("Ü.c", "model_predict")],
)  # fmt: skip
def test_functions_are_named_like_the_file(name, function, tmp_path):
    files = model_of(random_network([1, 1], "float64")).export(tmp_path / name)
    assert [file.suffix for file in files] == [".c", ".h"]
    assert f"int {function}(const double row[" in files[1].read_text()
    run_checked("gcc", "-std=c99", "-c", files[0], "-o", tmp_path / "m.o")


def test_name_that_c_cannot_include_is_refused(tmp_path):
    with pytest.raises(ExportError, match="expected a file name that C can include, without quotes"):
        model_of(random_network([1, 1], "float64")).export(tmp_path / 'a"b.c')


@pytest.mark.parametrize("flag", ["-ffast-math", "-mfpmath=387"])
def test_flags_that_change_results_are_refused_by_the_compiler(flag, tmp_path):
    source, _ = model_of(random_network([1, 1], "float64")).export(tmp_path / "m.c")
    with pytest.raises(ExportError, match="compile "):
        compile_library(source, tmp_path / "m.so", ["gcc"], ["-std=c99", "-shared", "-fPIC", flag])


def test_activations_without_a_formula_are_refused_by_name(tmp_path):
    square = Activation("square", lambda h: h * h, lambda h: 2 * h)
    pointer = pointer_cases.tanh("capsule", "float64")
    for activation, kind in [(square, "a Python function"), (pointer, "a function pointer")]:
        with pytest.raises(
            ExportError, match=f"the activation {activation.name!r} is {kind}, which C cannot"
        ):
            model_of(Network(2, [(3, activation), 1])).export(tmp_path / "m.c")
    assert list(tmp_path.iterdir()) == []


def test_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CC", "nothing")
    with pytest.raises(ExportError, match="found no C compiler to run the file: none of cc, gcc, clang"):
        find_compiler()


# -- other processors -------------------------------------------------------------------------------------

MAIN = """\
#include <stdio.h>
#include "m.h"
int main(void) {
    double row[M_INPUTS];
    %s y[M_OUTPUTS];
    while (fread(row, sizeof row, 1, stdin) == 1) {
        int result = m_predict(row, y);
        fwrite(y, sizeof y, 1, stdout);
        if (result < 0) return 1;
    }
    return 0;
}
"""


def every_activation(dtype):
    layers = [(4, name) for name in BUILT_INS if name not in ("softmax", "step")]
    return Network(3, [*layers, (4, CHOSEN[8]), (3, "softmax")], dtype=dtype, seed=3)


@pytest.mark.skipif(
    not has_compiler("aarch64-linux-gnu-gcc"), reason="aarch64-linux-gnu-gcc is not installed"
)
@pytest.mark.skipif(not (has_compiler("qemu-aarch64") or has_compiler("qemu-aarch64-static")),
                    reason="qemu-user is not installed")  # fmt: skip
@pytest.mark.parametrize("level", ["-O0", "-O3"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_aarch64_gives_the_same_bits(dtype, level, tmp_path):
    network = every_activation(dtype)
    source, _ = model_of(network).export(tmp_path / "m.c")
    (tmp_path / "main.c").write_text(MAIN % ("float" if dtype == "float32" else "double"))
    strict = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    program = tmp_path / "main"
    run_checked(
        "aarch64-linux-gnu-gcc", *strict, level, "-static", source, tmp_path / "main.c", "-o", program, "-lm"
    )
    x = np.random.default_rng(4).normal(0, 2, (50, 3)).astype(dtype)
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    printed = run_checked(emulator, program, input=x.astype(np.float64).tobytes())
    np.testing.assert_array_equal(np.frombuffer(printed, dtype).reshape(-1, 3), network.predict(x))


@pytest.mark.skipif(not has_compiler("arm-none-eabi-gcc"), reason="arm-none-eabi-gcc is not installed")
@pytest.mark.parametrize(
    ("dtype", "processor"),
    [("float32", ["-mcpu=cortex-m0"]),
     ("float32", ["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]),
     ("float64", ["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]),
     ("float64", ["-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"])],
    ids=lambda value: value if isinstance(value, str) else value[0],
)  # fmt: skip
def test_microcontrollers_compile_it(dtype, processor, tmp_path):
    source, _ = Model(Network(10, [(4, "tanh"), (3, "softmax")], dtype=dtype), MIXED).export(tmp_path / "m.c")
    strict = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Os", "-mthumb"]
    run_checked("arm-none-eabi-gcc", *strict, *processor, "-c", source, "-o", tmp_path / "m.o")
    sizes = run_checked("arm-none-eabi-size", tmp_path / "m.o").decode().splitlines()[1].split()
    assert sizes[1:3] == ["0", "0"]  # no bytes of data, nor of bss: all is in flash


def test_header_describes_a_row(tmp_path):
    header = mixed_model().export(tmp_path / "m.c")[1].read_text()
    assert "#define M_INPUTS 5" in header
    assert "#define M_OUTPUTS 3" in header
    assert "#define M_CLASSES 3" in header
    assert " *   1   gap: a number; 2.5 in place of NaN" in header
    assert " *   3   cylinders: one of the numbers 4, 6, 8" in header
    assert header.count("*/") == header.count("/*")
