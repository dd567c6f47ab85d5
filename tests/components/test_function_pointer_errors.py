"""Activations compiled elsewhere: what is missing or wrong, and the trial at registration."""

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
    WAYS,
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

# -- what is missing or wrong ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", ["address", "ctypes_scalar"])
def test_a_missing_derivative_is_measured_and_said(way, dtype, caplog):
    with caplog.at_level(logging.WARNING, "cygd"):
        activation = Activation("mine", pointer=WAYS[way](dtype)[0], dtype=dtype)
    [record] = caplog.records
    assert record.getMessage().startswith(
        "activation 'mine' has no derivative: it is measured by central diff"
    )
    assert record.getMessage().endswith("give derivative_pointer=")
    assert activation.numerical
    h = np.linspace(-4, 4, 1001).astype(dtype)
    allowed = 1e-9 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(activation.evaluate_derivative(h), 1 - np.tanh(h) ** 2, atol=allowed)
    expected = fitted("tanh", dtype).parameters
    np.testing.assert_allclose(fitted(activation, dtype).parameters, expected, atol=allowed)


def test_a_network_of_another_dtype_is_refused_before_anything_is_called():
    called = []
    scalar, _, _ = ctypes_types("float64")
    activation = Activation("mine", pointer=scalar(called.append), derivative_pointer=scalar(called.append))
    words = "activation 'mine' has a pointer for float64, and cannot be used in float32"
    with pytest.raises(ConfigError, match=words) as caught:
        Network(2, [(3, activation), 1], dtype="float32")
    assert "model.dtype" in str(caught.value)
    assert "'float32': ..." in str(caught.value)
    assert called == []


def ctypes_of(result, *arguments):
    return lambda: ctypes.CFUNCTYPE(result, *arguments)(lambda *given: 0)


def cffi_of(signature):
    def make():
        return pytest.importorskip("cffi").FFI().callback(signature, lambda *given: 0)

    return make


D, P = ctypes.c_double, ctypes.POINTER(ctypes.c_double)
N, V = ctypes.c_ssize_t, ctypes.c_void_p
KERNEL = core._f64.addresses("tanh")[0]
BLOCK = r"void \(const double \*h, double \*out, Py_ssize_t n, void \*data\)"

# what is given as pointer, and what is said of it
BAD = {
    "zero": (lambda: 0, ValueError, "pointer is NULL: there is no function to call"),
    "negative": (lambda: -KERNEL, ValueError, f"pointer is no address: -{KERNEL}"),
    "too large": (lambda: 1 << 64, ValueError, "pointer is no address: 18446744073709551616"),
    "enormous": (lambda: 1 << 4000, ValueError, "pointer is no address: "),
    "small": (lambda: 12, ValueError, "pointer is 0xc, where there is no code"),
    "true": (lambda: True, TypeError, "pointer must be a PyCapsule, .* found True"),
    "NumPy bool": (lambda: np.True_, TypeError, "pointer must be .* found np.True_|found True"),
    "float": (lambda: float(KERNEL), TypeError, "pointer must be .* found float"),
    "text": (lambda: hex(KERNEL), TypeError, "pointer must be .* found str"),
    "array": (lambda: np.array([KERNEL]), TypeError, "pointer must be .* found ndarray"),
    "Python function": (
        lambda: math.tanh,
        TypeError,
        "found builtin_function_or_method; a Python function is",
    ),
    "class": (lambda: ctypes.CFUNCTYPE(D, D), TypeError, "pointer must be .* found PyCFuncPtrType"),
    "void pointer": (lambda: V(KERNEL), TypeError, "pointer must be .* found c_void_p"),
    "name of another": (
        lambda: capsule(KERNEL, "numpy.ufunc"),
        TypeError,
        "a capsule named 'numpy.ufunc', exp",
    ),
    "no name": (
        lambda: capsule(KERNEL, None),
        TypeError,
        "a capsule named None, expected cygd.block_f64.v1 or",
    ),
    "empty name": (lambda: capsule(KERNEL, ""), TypeError, "a capsule named '', expected cygd.block_f64.v1"),
    "version 2": (
        lambda: capsule(KERNEL, "cygd.block_f64.v2"),
        TypeError,
        "capsule of version 2 .* version 1",
    ),
    "version 10": (lambda: capsule(KERNEL, "cygd.block_f64.v10"), TypeError, "capsule of version 10 "),
    "no version": (
        lambda: capsule(KERNEL, "cygd.block_f64"),
        TypeError,
        "a capsule named 'cygd.block_f64', exp",
    ),
    "half precision": (
        lambda: capsule(KERNEL, "cygd.block_f16.v1"),
        TypeError,
        "capsule named 'cygd.block_f16",
    ),
    "derivative": (
        lambda: by_capsule("float64")[1],
        TypeError,
        r"pointer is a capsule of a derivative \(cygd.derivative_f64.v1\), expected cygd.block_f64.v1 or "
        "cygd.block_f32.v1: a function takes no y_hat$",
    ),
    "undeclared": (lambda: ctypes.CDLL(None).abs, TypeError, "does not say its arguments; set its argtypes"),
    "NULL of ctypes": (lambda: ctypes.CFUNCTYPE(D, D)(), ValueError, "pointer is NULL"),
    "needs the GIL": (lambda: ctypes.PYFUNCTYPE(D, D)(math.tanh), TypeError, "needs the GIL"),
    "two numbers": (
        ctypes_of(D, D, D),
        TypeError,
        rf"a function double \(double, double\), expected {BLOCK} or",
    ),
    "no argument": (ctypes_of(D), TypeError, r"a function double \(\), expected"),
    "int": (ctypes_of(ctypes.c_int, ctypes.c_int), TypeError, r"a function int \(int\), expected"),
    "mixed": (ctypes_of(D, ctypes.c_float), TypeError, r"a function double \(float\), expected"),
    "result": (
        ctypes_of(D, P, P, N, V),
        TypeError,
        r"a function double \(double\*, double\*, ssize_t, void\*\)",
    ),
    "short n": (ctypes_of(None, P, P, ctypes.c_int, V), TypeError, r"double\*, int, void\*\), expected"),
    "unsigned n": (
        ctypes_of(None, P, P, ctypes.c_size_t, V),
        TypeError,
        r"double\*, \w+, void\*\), expected",
    ),
    "no data": (ctypes_of(None, P, P, N), TypeError, r"double\*, ssize_t\), expected"),
    "5 arguments": (ctypes_of(None, P, P, P, N, V), TypeError, rf"expected {BLOCK}"),
    "pointers to pointers": (
        ctypes_of(None, ctypes.POINTER(P), P, N, V),
        TypeError,
        r"void \(double\*\*, double\*,",
    ),
    "cffi": (cffi_of("double(double, int)"), TypeError, r"a function double \(double, int\), expected"),
    "cffi of two dtypes": (cffi_of("float(double)"), TypeError, r"a function float \(double\), expected"),
    "cffi object": (
        lambda: pytest.importorskip("cffi").FFI().cast("void *", KERNEL),
        TypeError,
        r"is a 'void \*' of cffi",
    ),
    "NULL of cffi": (
        lambda: pytest.importorskip("cffi").FFI().cast("double(*)(double)", 0),
        ValueError,
        "pointer is NULL",
    ),
    "scipy": (
        lambda: pytest.importorskip("scipy").LowLevelCallable(ctypes_of(D, D, ctypes.c_int)()),
        TypeError,
        r"a function double \(double, int\), expected",
    ),
    "empty mapping": (dict, ValueError, "pointer is empty"),
    "unknown dtype": (lambda: {"float16": KERNEL}, ValueError, "found the key 'float16'"),
    "wrong dtype in a mapping": (
        lambda: {"float32": by_capsule("float64")[0]},
        ValueError,
        r"pointer\['float32'\] is of float64 \(cygd.block_f64.v1\), but float32 is what was said",
    ),
    "mapping in a mapping": (lambda: {"float64": {"float64": KERNEL}}, TypeError, "found dict"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pointer(name):
    make, error, words = BAD[name]
    with pytest.raises(error, match=f"^activation 'mine': .*({words})"):
        Activation("mine", pointer=make())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_an_address_of_data_is_no_function():
    with pytest.raises(ValueError, match="where there is no code; an address is good only in the process"):
        Activation("mine", pointer=H.ctypes.data)


@pytest.mark.parametrize("name", ["float", "cygd.block_f64.v1", "float32", "zero", "block", "two numbers"])
def test_bad_derivative_pointer(name):
    given, words = {
        "float": (1.0, "derivative_pointer must be"),
        "cygd.block_f64.v1": (
            by_capsule("float64")[0],
            r"derivative_pointer is a capsule of a function \(cygd.block_f64.v1\), expected "
            "cygd.derivative_f64.v1 or cygd.derivative_f32.v1: a derivative takes y_hat too$",
        ),
        "float32": (
            by_capsule("float32")[1],
            "pointer is for float64, derivative_pointer for float32",
        ),
        "zero": (0, "derivative_pointer is NULL"),
        "block": (
            by_ctypes("float64")[0],
            r"expected void \(const double \*h, const double \*y_hat, double \*out",
        ),
        "two numbers": (ctypes_of(D, D, D)(), r"derivative_pointer is a function double \(double, double\)"),
    }[name]
    with pytest.raises((TypeError, ValueError), match=f"activation 'mine': .*{words}"):
        Activation("mine", pointer=KERNEL, derivative_pointer=given)


WITH_OTHERS = {
    "only a derivative": ({"derivative_pointer": KERNEL}, "derivative_pointer= goes with pointer="),
    "only a dtype": ({"dtype": "float64", "function": np.tanh}, "give function= or dtype=, not both"),
    "formula": ({"pointer": KERNEL, "formula": "h"}, "give formula= or pointer=, not both"),
    "formula of a dtype": ({"dtype": "float32", "formula": "h"}, "give formula= or dtype=, not both"),
    "function": ({"pointer": KERNEL, "function": np.tanh}, "give function= or pointer=, not both"),
    "derivative": ({"pointer": KERNEL, "derivative": np.tanh}, "give derivative= or pointer=, not both"),
    "backward": ({"pointer": KERNEL, "backward": np.tanh}, "give backward= or pointer=, not both"),
    "kernel": ({"pointer": KERNEL, "kernel": "relu"}, "give kernel= or pointer=, not both"),
    "trainable": ({"pointer": KERNEL, "trainable": ["a"]}, "only a formula has trainable parameters"),
    "surrogate": ({"pointer": KERNEL, "surrogate": True}, "surrogate=True says .* so give one"),
    "signature": (
        {"pointer": KERNEL, "signature": "blok"},
        "signature must be block or scalar, found 'blok'",
    ),
    "dtype": ({"pointer": KERNEL, "dtype": "float16"}, "dtype must be float64 or float32, found 'float16'"),
    "no dtype": ({"pointer": KERNEL, "dtype": 8}, "dtype must be float64 or float32, found 8"),
    "dtype of a mapping": ({"pointer": {"float64": KERNEL}, "dtype": "float64"}, "says the dtypes itself"),
    "other dtype": (
        {"pointer": by_capsule("float32")[0], "dtype": "float64"},
        r"is of float32 \(cygd.block_f32.v1\), but float64 is what was said",
    ),
    "other signature": (
        {"pointer": by_capsule("float64")[0], "signature": "scalar"},
        r"has the block signature \(cygd.block_f64.v1\), but signature='scalar' was said",
    ),
    "parameters of a scalar": (
        {"pointer": by_ctypes_scalar("float64")[0], "parameters": {"a": 1.0}},
        "a function of one number takes no parameters",
    ),
    "half of the derivatives": (
        {
            "pointer": {dtype: by_address(dtype)[0] for dtype in DTYPES},
            "derivative_pointer": {"float64": KERNEL},
        },
        "pointer is for float64 and float32, derivative_pointer for float64; give both for the same",
    ),
}


@pytest.mark.parametrize("name", WITH_OTHERS)
def test_what_does_not_go_together(name):
    keywords, words = WITH_OTHERS[name]
    with pytest.raises((TypeError, ValueError), match=f"activation 'mine': .*{words}"):
        Activation("mine", **keywords)


@given(st.binary(max_size=40).filter(lambda name: b"\0" not in name))
def test_capsules_of_any_other_name_are_refused(name):
    other = new_capsule(KERNEL, name, None)
    with pytest.raises(TypeError, match="expected"):
        Activation("mine", pointer=other)


# -- the trial at registration --------------------------------------------------------------------

KERNELS = [row["name"] for row in core.names()["activations"] if not row["rowwise"]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [name for name in KERNELS if name != "step"])
def test_right_pointers_are_accepted(kernel, dtype):
    f, df = module(dtype).addresses(kernel)
    check_component(Activation("mine", pointer=f, derivative_pointer=df, dtype=dtype))


def test_a_wrong_derivative_is_found():
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


TRIALS = {
    "changes h": (changing, "activation 'mine': function changes its input"),
    "NaN": (lambda h, out, n, data: out.__setitem__(0, math.nan), r"activation 'mine': f\(\S+\) is nan"),
    "joins": (
        lambda h, out, n, data: [out.__setitem__(i, sum(h[:n])) for i in range(n)],
        "the output of a unit depends on the values of others",
    ),
}


@pytest.mark.parametrize("name", TRIALS)
def test_a_function_that_misbehaves_is_found(name):
    function, words = TRIALS[name]
    _, f, df = ctypes_types("float64")
    with pytest.raises(ComponentCheckError, match=words):
        check_component(Activation("mine", pointer=f(function), derivative_pointer=df(derivative)))


def test_formulas_have_their_trial_too():
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


def test_an_experiment_with_a_pointer(tmp_path):
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
        f"plugin 'mine' ({tmp_path / 'mine.py'}): activation 'mine' has a pointer for float64, and cannot be"
    )
    assert str(caught.value).startswith(f"experiment model.layers[0].activation: {words} used in float32\n")
    assert "hint: choose float64 for the network (model.dtype), or" in str(caught.value)
    assert not (tmp_path / "again").exists()


def test_an_activation_of_all_layers_is_refused_once_where_it_stands(tmp_path):
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
