"""Activations compiled elsewhere: how a pointer is read, checked, called and kept alive."""

import ctypes
import ctypes.util
import gc
import logging
import math
import os
import re
import subprocess
import sys
import sysconfig
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cygd
from cygd import Activation, Loss, Network, Optimizer, core
from cygd.assembly import assemble
from cygd.errors import ConfigError
from cygd.trial import Unfit, try_component

REALS = {"float64": ctypes.c_double, "float32": ctypes.c_float}
NAMES = {"float64": "double", "float32": "float"}
DTYPES = list(REALS)
H = np.linspace(-4, 4, 41)

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
set_context = ctypes.pythonapi.PyCapsule_SetContext
set_context.argtypes = [ctypes.py_object, ctypes.c_void_p]


def slope_of_tanh(h):
    return 1 - math.tanh(h) ** 2


def block(h, out, n, data):
    for i in range(n):
        out[i] = math.tanh(h[i])


def derivative(h, y_hat, out, n, data):
    for i in range(n):
        out[i] = 1 - y_hat[i] * y_hat[i]


def module(dtype):
    return core._f32 if dtype == "float32" else core._f64


def ctypes_types(dtype):
    real = REALS[dtype]
    array = ctypes.POINTER(real)
    rest = (ctypes.c_ssize_t, ctypes.c_void_p)
    return (
        ctypes.CFUNCTYPE(real, real),
        ctypes.CFUNCTYPE(None, array, array, *rest),
        ctypes.CFUNCTYPE(None, array, array, array, *rest),
    )


# -- one way each to give tanh and its derivative -------------------------------------------------


def by_address(dtype):
    return module(dtype).addresses("tanh")


def by_capsule(dtype):
    f, df = module(dtype).addresses("tanh")
    bits = dtype.replace("float", "f")
    return capsule(f, f"cygd.block_{bits}.v1"), capsule(df, f"cygd.derivative_{bits}.v1")


def by_ctypes(dtype):
    _, f, df = ctypes_types(dtype)
    return f(block), df(derivative)


def by_ctypes_scalar(dtype):
    scalar, _, _ = ctypes_types(dtype)
    return scalar(math.tanh), scalar(slope_of_tanh)


def by_cdll(dtype):
    """A function of the C library, with a derivative from elsewhere."""
    name = "tanh" if dtype == "float64" else "tanhf"
    function = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
    function.argtypes, function.restype = [REALS[dtype]], REALS[dtype]
    return function, by_capsule(dtype)[1]


def by_cffi(dtype):
    ffi = pytest.importorskip("cffi").FFI()
    real = NAMES[dtype]
    f = ffi.callback(f"void(const {real} *, {real} *, ssize_t, void *)", block)
    return f, ffi.callback(f"void({real} *, const {real} *, {real} *, ptrdiff_t, void *)", derivative)


def by_cffi_scalar(dtype):
    ffi = pytest.importorskip("cffi").FFI()
    signature = f"{NAMES[dtype]}({NAMES[dtype]})"
    return ffi.callback(signature, math.tanh), ffi.callback(signature, slope_of_tanh)


def by_numba(dtype):
    numba = pytest.importorskip("numba")
    array, rest = numba.types.CPointer(getattr(numba, dtype)), (numba.intp, numba.types.voidptr)
    f = numba.cfunc(numba.void(array, array, *rest))(block)
    return f, numba.cfunc(numba.void(array, array, array, *rest))(derivative)


def by_numba_scalar(dtype):
    numba = pytest.importorskip("numba")
    real = getattr(numba, dtype)

    @numba.cfunc(real(real))
    def df(h):
        return 1 - math.tanh(h) ** 2

    return numba.cfunc(real(real))(lambda h: math.tanh(h)), df


def by_scipy(dtype):
    LowLevelCallable = pytest.importorskip("scipy").LowLevelCallable
    return tuple(map(LowLevelCallable, by_ctypes(dtype)))


def by_scipy_scalar(dtype):
    LowLevelCallable = pytest.importorskip("scipy").LowLevelCallable
    return tuple(map(LowLevelCallable, by_cffi_scalar(dtype)))


WAYS = {name.removeprefix("by_"): value for name, value in globals().items() if name.startswith("by_")}
KEPT = []  # names of capsules, which must outlive them


def capsule(address, name):
    KEPT.append(None if name is None else name.encode())
    return new_capsule(address, KEPT[-1], None)


def tanh(way, dtype):
    f, df = WAYS[way](dtype)
    return Activation("mine", pointer=f, derivative_pointer=df, dtype=dtype if way == "address" else None)


# -- what they compute ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", WAYS)
def test_evaluate_and_slope(way, dtype):
    activation = tanh(way, dtype)
    assert activation.tier == "pointer"
    assert not activation.numerical
    h, tolerance = H.astype(dtype), 4 * np.finfo(dtype).eps
    for shaped in (h, h[::-2], h[:40].reshape(4, 10).T, h[:1], h[:0], h[3]):
        for found, expected in (
            (activation.evaluate(shaped), np.tanh(shaped)),
            (activation.slope(shaped), 1 - np.tanh(shaped) ** 2),
        ):
            assert found.shape == np.shape(shaped)
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    g = np.full_like(h, 3)
    back = activation.backpropagate(h, activation.evaluate(h), g)
    np.testing.assert_allclose(back, 3 * (1 - np.tanh(h) ** 2), atol=3 * tolerance)


def test_the_other_dtype_is_computed_in_the_one_there_is():
    single = tanh("ctypes", "float32")
    found = single.evaluate(H)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, single.evaluate(H.astype(np.float32)))
    assert single.evaluate([1e300, -np.inf]).tolist() == [1, -1]


def fitted(activation, dtype, rows=200, threads=1, units=16):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 20)), rng.normal(size=(rows, 3))
    net = Network(20, [(units, activation), (5, activation), 3], loss="mse", dtype=dtype, seed=1)
    net.fit(x, y, epochs=3, batch_size=max(64, rows // 3), learning_rate=0.1, threads=threads)
    return net


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", WAYS)
def test_training_is_that_of_the_numpy_tier(way, dtype):
    other = Activation("other", np.tanh, lambda h, y_hat: 1 - y_hat * y_hat)
    expected = fitted(other, dtype).parameters
    found = fitted(tanh(way, dtype), dtype).parameters
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 if dtype == "float64" else 1e-5)
    start = Network(20, [(16, other), (5, other), 3], seed=1).parameters
    assert np.abs(found - start).max() > 1e-2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", ["address", "cdll", "numba", "numba_scalar", "cffi_scalar"])
def test_threads_change_no_bit(way, dtype):
    activation = tanh(way, dtype)
    alone = fitted(activation, dtype, rows=1500, units=64)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2000, 20)), rng.normal(size=(2000, 3))
    objective, gradient = alone.gradient(x, y)
    for threads in (2, 4):
        net = fitted(activation, dtype, rows=1500, threads=threads, units=64)
        np.testing.assert_array_equal(net.parameters, alone.parameters)
        again = Network(20, [(64, activation), (5, activation), 3], loss="mse", dtype=dtype)
        again.parameters[...] = net.parameters
        found, same = again.gradient(x, y, threads=threads)
        assert len(again._engine.thread_chunks) == threads
        assert found == objective
        np.testing.assert_array_equal(same, gradient)


def test_a_kernel_by_its_address_gives_the_bits_of_the_built_in():
    found, expected = fitted(tanh("address", "float64"), "float64"), fitted("tanh", "float64")
    np.testing.assert_array_equal(found.parameters, expected.parameters)


def test_one_activation_for_both_dtypes():
    pairs = {dtype: by_capsule(dtype) for dtype in DTYPES}
    activation = Activation(
        "mine",
        pointer={dtype: f for dtype, (f, _) in pairs.items()},
        derivative_pointer={dtype: df for dtype, (_, df) in pairs.items()},
    )
    for dtype in DTYPES:
        np.testing.assert_array_equal(fitted(activation, dtype).parameters, fitted("tanh", dtype).parameters)
        np.testing.assert_array_equal(
            activation.evaluate(H.astype(dtype)), core.activate(H.astype(dtype), "tanh")
        )


def test_integers_in_a_mapping_are_of_the_dtype_of_their_key():
    activation = Activation("mine", pointer={dtype: by_address(dtype)[0] for dtype in DTYPES})
    for dtype in DTYPES:
        h = H.astype(dtype)
        np.testing.assert_array_equal(activation.evaluate(h), core.activate(h, "tanh"))


@pytest.mark.parametrize("number", [int, np.int64, np.uint64])
def test_an_address_of_a_scalar_function_is_announced(number):
    function, _ = by_cdll("float64")
    address = ctypes.cast(function, ctypes.c_void_p).value
    activation = Activation("mine", pointer=number(address), signature="scalar")
    np.testing.assert_allclose(activation.evaluate(H), np.tanh(H), atol=1e-15)


# -- data -----------------------------------------------------------------------------------------


def line(h, out, n, data):
    a, b = ctypes.cast(data, ctypes.POINTER(ctypes.c_double))[:2]
    for i in range(n):
        out[i] = a * h[i] + b


def line_slope(h, y_hat, out, n, data):
    for i in range(n):
        out[i] = ctypes.cast(data, ctypes.POINTER(ctypes.c_double))[0]


def test_parameters_are_the_data():
    _, f, df = ctypes_types("float64")
    activation = Activation(
        "line", pointer=f(line), derivative_pointer=df(line_slope), parameters={"a": 2.0, "b": 1.0}
    )
    assert activation.evaluate([0.0, 3.0]).tolist() == [1, 7]
    steep = activation.configured({"a": -4})
    assert steep.evaluate([0.0, 3.0]).tolist() == [1, -11]
    assert steep.slope([0.0, 3.0]).tolist() == [-4, -4]
    assert activation.slope(0.5) == 2
    net = Network(1, [{"units": 1, "activation": steep, "weights": [[3.0]]}])
    assert net.predict([[2.0]]).tolist() == [[-23]]


def test_a_context_is_the_data_where_there_are_no_parameters():
    LowLevelCallable = pytest.importorskip("scipy").LowLevelCallable
    _, f, df = ctypes_types("float64")
    values = (ctypes.c_double * 2)(5, -1)
    at = ctypes.cast(values, ctypes.c_void_p)
    pair = LowLevelCallable(f(line), at), LowLevelCallable(df(line_slope), at)
    plain = Activation("line", pointer=pair[0], derivative_pointer=pair[1])
    assert plain.evaluate([0.0, 1.0]).tolist() == [-1, 4]
    assert plain.slope([1.0]).tolist() == [5]
    given = Activation("line", pointer=pair[0], derivative_pointer=pair[1], parameters={"a": 1, "b": 0})
    assert given.evaluate([3.0]).tolist() == [3]

    callback = f(line)
    named = capsule(ctypes.cast(callback, ctypes.c_void_p).value, "cygd.block_f64.v1")
    set_context(named, at)
    assert Activation("line", pointer=named).evaluate([1.0]).tolist() == [4]


def test_data_may_be_declared_as_an_array():
    numba = pytest.importorskip("numba")
    array = numba.types.CPointer(numba.float64)

    @numba.cfunc(numba.void(array, array, numba.intp, array))
    def scaled(h, out, n, data):
        for i in range(n):
            out[i] = data[0] * h[i]

    activation = Activation("scaled", pointer=scaled, parameters={"a": 3.0})
    assert activation.evaluate([1.0, 2.0]).tolist() == [3, 6]


def test_without_either_the_data_is_null():
    seen = []
    _, f, _ = ctypes_types("float64")
    activation = Activation("f", pointer=f(lambda h, out, n, data: seen.append(data)))
    activation.evaluate(H)
    assert seen == [None]


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
    np.testing.assert_allclose(activation.slope(h), 1 - np.tanh(h) ** 2, atol=allowed)
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


# -- life -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_nothing_else_need_be_kept(way):
    activation = tanh(way, "float64")
    expected = fitted(activation, "float64").parameters
    engine = Network(1, [(1, activation)])._engine
    for _ in range(3):
        gc.collect()
        [by_ctypes_scalar("float64") for _ in range(200)]  # takes the place of what has been freed
    np.testing.assert_array_equal(fitted(activation, "float64").parameters, expected)
    del activation
    gc.collect()
    seconds = core._f64.block_seconds(engine, H[:40], 1)
    assert all(part >= 0 for part in seconds)


def test_the_engine_keeps_a_callback_alive_and_lets_it_go():
    scalar, _, _ = ctypes_types("float64")
    f, df = scalar(math.tanh), scalar(slope_of_tanh)
    callbacks = weakref.ref(f), weakref.ref(df)
    activation = Activation("mine", pointer=f, derivative_pointer=df)
    engine = Network(1, [(1, activation)])._engine
    del f, df, activation
    gc.collect()
    assert all(callback() is not None for callback in callbacks)
    core._f64.block_seconds(engine, H[:40], 1)
    del engine
    gc.collect()
    assert all(callback() is None for callback in callbacks)


LIBRARY = "void f(const double *h, double *out, long n, void *data) { while (n--) out[n] = 2 * h[n] + 1; }"
USER = """
import gc, sys, cffi
from cygd import Activation
ffi = cffi.FFI()
ffi.cdef("void f(const double *h, double *out, long n, void *data);")
library = ffi.dlopen(sys.argv[1])
activation = Activation("mine", pointer=library.f)
del library, ffi
gc.collect()
print(activation.evaluate([3.0]).tolist())
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_a_library_that_its_owner_closes_stays_loaded(tmp_path):
    pytest.importorskip("cffi")
    (tmp_path / "f.c").write_text(LIBRARY)
    library = tmp_path / "f.so"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    subprocess.run([*compiler, "-shared", "-fPIC", str(tmp_path / "f.c"), "-o", str(library)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1])}
    command = [sys.executable, "-P", "-c", USER, str(library)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "[7.0]\n", done.stderr
    assert done.returncode == 0


# -- the trial at registration --------------------------------------------------------------------

KERNELS = [row["name"] for row in core.names()["activations"] if not row["rowwise"]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [name for name in KERNELS if name != "step"])
def test_right_pointers_are_accepted(kernel, dtype):
    f, df = module(dtype).addresses(kernel)
    try_component(Activation("mine", pointer=f, derivative_pointer=df, dtype=dtype))


def test_a_wrong_derivative_is_found():
    sigmoid, relu = core._f64.addresses("sigmoid"), core._f64.addresses("relu")
    wrong = {"pointer": sigmoid[0], "derivative_pointer": relu[1]}
    words = "activation 'mine': derivative_pointer is not the derivative of pointer: f'("
    with pytest.raises(Unfit, match=re.escape(words)):
        try_component(Activation("mine", **wrong))
    try_component(Activation("mine", **wrong, surrogate=True))


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
    with pytest.raises(Unfit, match=words):
        try_component(Activation("mine", pointer=f(function), derivative_pointer=df(derivative)))


def test_formulas_have_their_trial_too():
    try_component(Activation("mine", formula="h * sigmoid(h)"))
    try_component(Loss("mine", formula="log(cosh(y_hat - y))"))
    try_component(Optimizer("mine", formula={"w": "w - learning_rate * sign(g)"}))
    with pytest.raises(Unfit, match=r"activation 'mine': f\(\S+\) is nan"):
        try_component(Activation("mine", formula="where(h > 3.1, where(h < 3.9, log(3 - h), h), h)"))


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
