"""The text of models in C: no warning from any compiler, no state, and other processors."""

import shutil

import numpy as np
import pytest

from cygd import Activation, Model, Network
from cygd.errors import ExportError
from cygd.export.c99.compiled import compile_library, find_compiler
from tests.helpers import pointer_cases
from tests.helpers.export_cases import (
    BUILT_INS,
    CHOSEN,
    DTYPES,
    MIXED,
    has_compiler,
    mixed_model,
    model_of,
    random_network,
    run_checked,
)

pytestmark = pytest.mark.skipif(not has_compiler("gcc"), reason="gcc is not installed")

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
@pytest.mark.usefixtures("fused_level")
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
    assert " * where -999.0 is read as NaN." in header
    assert " * y gets the outputs of the classes, in their order.\n" in header
    assert header.count("*/") == header.count("/*")
