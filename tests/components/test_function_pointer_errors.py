"""Compiled functions as activations: invalid pointers, and the checks at registration."""

import ctypes
import logging
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cygd
from cygd import Activation, Loss, Network, Optimizer, core
from cygd.errors import ConfigError
from cygd.plugins.component_checks import ComponentCheckError, check_component
from cygd.runner.assembly import assemble
from tests.helpers.pointer_cases import (
    DTYPES,
    FRONT_ENDS,
    H,
    by_address,
    by_capsule,
    by_ctypes,
    by_ctypes_scalar,
    capsule,
    ctypes_types,
    derivative,
    fitted,
    module,
    new_capsule,
)

D, P = ctypes.c_double, ctypes.POINTER(ctypes.c_double)
N, V = ctypes.c_ssize_t, ctypes.c_void_p
KERNEL = core._f64.addresses("tanh")[0]
BLOCK = r"void \(const double \*h, double \*out, Py_ssize_t n, void \*data\)"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("front_end", ["address", "ctypes_scalar"])
def test_missing_derivative_is_numerical_and_warned_about(front_end, dtype, caplog):
    with caplog.at_level(logging.WARNING, "cygd"):
        activation = Activation("mine", pointer=FRONT_ENDS[front_end](dtype)[0], dtype=dtype)
    [record] = caplog.records
    assert record.getMessage().startswith("activation 'mine' has no derivative")
    assert record.getMessage().endswith("give derivative_pointer=")
    assert activation.numerical
    h = np.linspace(-4, 4, 1001).astype(dtype)
    allowed = 1e-9 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(activation.evaluate_derivative(h), 1 - np.tanh(h) ** 2, atol=allowed)
    expected = fitted("tanh", dtype).parameters
    np.testing.assert_allclose(fitted(activation, dtype).parameters, expected, atol=allowed)


def test_network_of_another_dtype_is_rejected_before_any_call():
    called = []
    scalar, _, _ = ctypes_types("float64")
    activation = Activation("mine", pointer=scalar(called.append), derivative_pointer=scalar(called.append))
    words = "activation 'mine' has a pointer for float64 and cannot be used in float32"
    with pytest.raises(ConfigError, match=words) as caught:
        Network(2, [(3, activation), 1], dtype="float32")
    assert "model.dtype" in str(caught.value)
    assert "'float32': ..." in str(caught.value)
    assert called == []


# -- invalid pointers -----------------------------------------------------------------------------


def ctypes_of(result, *arguments):
    return lambda: ctypes.CFUNCTYPE(result, *arguments)(lambda *given: 0)


def cffi_of(signature):
    return lambda: pytest.importorskip("cffi").FFI().callback(signature, lambda *given: 0)


def cffi_cast(kind, address):
    return lambda: pytest.importorskip("cffi").FFI().cast(kind, address)


def scipy_of(*types):
    return lambda: pytest.importorskip("scipy").LowLevelCallable(ctypes_of(*types)())


NAMES = "expected a capsule named cygd.block_f64.v1 or cygd.block_f32.v1, got"

# the pointer, and the error about it
NOT_POINTERS = [
    (lambda: True, "expected a PyCapsule, .*, got True"),
    (lambda: float(KERNEL), "expected a PyCapsule, .*, got float"),
    (lambda: math.tanh, "got builtin_function_or_method; pass a Python function as function="),
    (lambda: {"float64": {"float64": KERNEL}}, "expected a PyCapsule, .*, got dict"),
    (lambda: capsule(KERNEL, "numpy.ufunc"), f"{NAMES} 'numpy.ufunc'"),
    (lambda: capsule(KERNEL, None), f"{NAMES} ''"),
    (lambda: capsule(KERNEL, "cygd.block_f64.v2"), f"{NAMES} 'cygd.block_f64.v2'"),
    (lambda: by_capsule("float64")[1], f"{NAMES} 'cygd.derivative_f64.v1'"),
    (lambda: ctypes.CDLL(None).abs, f"ctypes function without types; set argtypes and restype: {BLOCK}"),
    (lambda: ctypes.PYFUNCTYPE(D, D)(math.tanh), "needs the GIL"),
    (ctypes_of(D, D, D), rf"expected {BLOCK} or double \(double\), got double \(double, double\)"),
    (ctypes_of(D), r"got double \(\)"),
    (ctypes_of(D, ctypes.c_float), r"got double \(float\)"),
    (ctypes_of(D, P, P, N, V), r"got double \(double\*, double\*, ssize_t, void\*\)"),
    (ctypes_of(None, P, P, ctypes.c_int, V), r"got void \(double\*, double\*, int, void\*\)"),
    (ctypes_of(None, P, P, N), r"got void \(double\*, double\*, ssize_t\)"),
    (ctypes_of(None, P, P, P, N, V), rf"expected {BLOCK}"),
    (ctypes_of(None, ctypes.POINTER(P), P, N, V), r"got void \(double\*\*, double\*, "),
    (cffi_of("float(double)"), r"got float \(double\)"),
    (cffi_cast("void *", KERNEL), rf"expected {BLOCK} or .*, got a 'void \*' of cffi"),
    (scipy_of(D, D, ctypes.c_int), r"got double \(double, int\)"),
]
NOT_ADDRESSES = [
    (lambda: 0, "expected the address of a function, got NULL"),
    (ctypes.CFUNCTYPE(D, D), "expected the address of a function, got NULL"),
    (cffi_cast("double(*)(double)", 0), "expected the address of a function, got NULL"),
    (lambda: -KERNEL, "expected the address of a function, got -"),
    (lambda: 1 << 64, "expected the address of a function, got 18446744073709551616"),
    (lambda: 1 << 4000, "expected the address of a function, got "),
    (lambda: 12, "no code at address 0xc"),
    (dict, "expected a mapping of float64 and float32, got an empty mapping"),
    (lambda: {"float16": KERNEL}, "expected a mapping of float64 and float32, got 'float16'"),
]


@pytest.mark.parametrize(("make", "words"), NOT_POINTERS)
def test_object_of_another_type_or_signature_is_a_type_error(make, words):
    with pytest.raises(TypeError, match=f"^activation 'mine': pointer.*: {words}|{words}"):
        Activation("mine", pointer=make())


@pytest.mark.parametrize(("make", "words"), NOT_ADDRESSES)
def test_invalid_address_is_a_value_error(make, words):
    with pytest.raises(ValueError, match=f"^activation 'mine': pointer: {words}"):
        Activation("mine", pointer=make())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_address_of_data_is_rejected():
    with pytest.raises(ValueError, match=r"no code at address 0x.*; an address is valid only in the process"):
        Activation("mine", pointer=H.ctypes.data)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: 1.0, "derivative_pointer: expected a PyCapsule"),
        (lambda: 0, "derivative_pointer: expected the address of a function, got NULL"),
        (
            lambda: by_capsule("float64")[0],
            "expected a capsule named cygd.derivative_f64.v1 or cygd.derivative_f32.v1, got 'cygd.block_f64",
        ),
        (
            lambda: by_capsule("float32")[1],
            "expected pointer and derivative_pointer for the same dtypes, got float64, but float32",
        ),
        (lambda: by_ctypes("float64")[0], r"expected void \(const double \*h, const double \*y_hat, double"),
        (ctypes_of(D, D, D), r"derivative_pointer: expected .*, got double \(double, double\)"),
    ],
)
def test_invalid_derivative_pointer(make, words):
    with pytest.raises((TypeError, ValueError), match=f"activation 'mine': .*{words}"):
        Activation("mine", pointer=KERNEL, derivative_pointer=make())


BOTH = {dtype: by_address(dtype)[0] for dtype in DTYPES}


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"derivative_pointer": KERNEL}, "derivative_pointer= needs pointer="),
        ({"dtype": "float64", "function": np.tanh}, "give function= or dtype=, not both"),
        ({"dtype": "float32", "formula": "h"}, "give formula= or dtype=, not both"),
        ({"pointer": KERNEL, "formula": "h"}, "give formula= or pointer=, not both"),
        ({"pointer": KERNEL, "function": np.tanh}, "give function= or pointer=, not both"),
        ({"pointer": KERNEL, "derivative": np.tanh}, "give derivative= or pointer=, not both"),
        ({"pointer": KERNEL, "backward": np.tanh}, "give backward= or pointer=, not both"),
        ({"pointer": KERNEL, "kernel": "relu"}, "give kernel= or pointer=, not both"),
        ({"pointer": KERNEL, "trainable": ["a"]}, "only a formula has trainable parameters"),
        ({"pointer": KERNEL, "surrogate": True}, "surrogate=True needs a derivative"),
        ({"pointer": KERNEL, "signature": "blok"}, "signature: expected block or scalar, got 'blok'"),
        ({"pointer": KERNEL, "dtype": "float16"}, "dtype: expected float64 or float32, got 'float16'"),
        ({"pointer": KERNEL, "dtype": 8}, "dtype: expected float64 or float32, got 8"),
        ({"pointer": {"float64": KERNEL}, "dtype": "float64"}, "a mapping states its dtypes itself"),
        (
            {"pointer": by_capsule("float32")[0], "dtype": "float64"},
            r"expected float64, got float32 \(cygd.block_f32.v1\)",
        ),
        (
            {"pointer": {"float32": by_capsule("float64")[0]}},
            r"pointer\['float32'\]: expected float32, got float64 \(cygd.block_f64.v1\)",
        ),
        (
            {"pointer": by_capsule("float64")[0], "signature": "scalar"},
            r"expected signature scalar, got block \(cygd.block_f64.v1\)",
        ),
        (
            {"pointer": by_ctypes_scalar("float64")[0], "parameters": {"a": 1.0}},
            "a scalar function takes no parameters",
        ),
        (
            {"pointer": BOTH, "derivative_pointer": {"float64": KERNEL}},
            "for the same dtypes, got float64 and float32, but float64",
        ),
    ],
)
def test_contradicting_keywords(keywords, words):
    with pytest.raises((TypeError, ValueError), match=f"activation 'mine': .*{words}"):
        Activation("mine", **keywords)


@given(st.binary(max_size=40).filter(lambda name: b"\0" not in name))
def test_capsules_of_any_other_name_are_rejected(name):
    other = new_capsule(KERNEL, name, None)
    with pytest.raises(TypeError, match="expected"):
        Activation("mine", pointer=other)


# -- checks at registration -----------------------------------------------------------------------

KERNELS = [row["name"] for row in core.names()["activations"] if not row["rowwise"]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [name for name in KERNELS if name != "step"])
def test_correct_pointers_are_accepted(kernel, dtype):
    f, df = module(dtype).addresses(kernel)
    check_component(Activation("mine", pointer=f, derivative_pointer=df, dtype=dtype))


def test_wrong_derivative_is_detected():
    sigmoid, relu = core._f64.addresses("sigmoid"), core._f64.addresses("relu")
    wrong = {"pointer": sigmoid[0], "derivative_pointer": relu[1]}
    words = "activation 'mine': derivative_pointer is not the derivative of pointer: f'("
    with pytest.raises(ComponentCheckError, match=re.escape(words)):
        check_component(Activation("mine", **wrong))
    check_component(Activation("mine", **wrong, surrogate=True))


def changing(h, out, n, data):
    for i in range(n):
        out[i] = h[i]
        h[i] = 0


FAULTY = {
    "changes h": (changing, "activation 'mine': function changes its input"),
    "NaN": (lambda h, out, n, data: out.__setitem__(0, math.nan), r"activation 'mine': f\(\S+\) is nan"),
    "joins": (
        lambda h, out, n, data: [out.__setitem__(i, sum(h[:n])) for i in range(n)],
        "the output of a unit depends on other units",
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_function_is_detected(name):
    function, words = FAULTY[name]
    _, f, df = ctypes_types("float64")
    with pytest.raises(ComponentCheckError, match=words):
        check_component(Activation("mine", pointer=f(function), derivative_pointer=df(derivative)))


def test_formulas_are_checked_too():
    check_component(Activation("mine", formula="h * sigmoid(h)"))
    check_component(Loss("mine", formula="log(cosh(y_hat - y))"))
    check_component(Optimizer("mine", formula={"w": "w - learning_rate * sign(g)"}))
    with pytest.raises(ComponentCheckError, match=r"activation 'mine': f\(\S+\) is nan"):
        check_component(Activation("mine", formula="where(h > 3.1, where(h < 3.9, log(3 - h), h), h)"))


PLUGIN = """
import ctypes, ctypes.util
from cygd import Activation, hookimpl

@hookimpl
def cygd_activations():
    tanh = ctypes.CDLL(ctypes.util.find_library("m")).tanh
    tanh.argtypes, tanh.restype = [ctypes.c_double], ctypes.c_double
    yield Activation("mine", pointer=tanh)
"""


def test_experiment_with_a_pointer(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    experiment = {
        "plugins": [str(tmp_path / "mine.py")],
        "data": {"source": "inline", "x": [[0, 0], [0, 1], [1, 0], [1, 1]], "y": [[0], [1], [1], [0]]},
        "model": {"layers": [{"units": 4, "activation": "mine"}, 1]},
        "train": {"epochs": 3},
    }
    result = cygd.run(experiment, out=tmp_path / "run", quiet=True)
    assert result.status == "completed"
    experiment["model"]["dtype"] = "float32"
    with pytest.raises(ConfigError) as caught:
        cygd.run(experiment, out=tmp_path / "again", quiet=True)
    words = (
        f"plugin 'mine' ({tmp_path / 'mine.py'}): activation 'mine' has a pointer for float64 and cannot be"
    )
    assert str(caught.value).startswith(f"experiment model.layers[0].activation: {words} used in float32\n")
    assert "hint: choose float64 for the network (model.dtype), or" in str(caught.value)
    assert not (tmp_path / "again").exists()


def test_default_activation_of_another_dtype_is_one_problem_at_its_line(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "mine.yaml").write_text(
        "plugins: [mine.py]\ndata: {source: inline, x: [[0, 1]], y: [[0]]}\n"
        "model:\n  dtype: float32\n  activation: mine\n"
        "  layers: [3, 3, {units: 1, activation: 'mine:mine'}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        assemble(tmp_path / "mine.yaml")
    places = [(problem.where.rpartition("mine.yaml:")[2], problem.key) for problem in caught.value.problems]
    assert places == [("5:15", "model.activation"), ("6:41", "model.layers[2].activation")]
