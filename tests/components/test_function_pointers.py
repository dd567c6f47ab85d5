"""Compiled functions as activations: results, `data` and lifetime."""

import ctypes
import gc
import math
import os
import subprocess
import sys
import sysconfig
import weakref
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd import Activation, Network, core
from tests.helpers.pointer_cases import (
    DTYPES,
    FRONT_ENDS,
    H,
    by_cdll,
    by_ctypes_scalar,
    capsule,
    ctypes_types,
    fitted,
    set_context,
    tanh,
    tanh_derivative,
)

# -- results ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_evaluate_and_derivative(front_end, dtype):
    activation = tanh(front_end, dtype)
    assert activation.tier == "pointer"
    assert not activation.numerical
    h, tolerance = H.astype(dtype), 4 * np.finfo(dtype).eps
    for shaped in (h, h[::-2], h[:40].reshape(4, 10).T, h[:1], h[:0], h[3]):
        for found, expected in (
            (activation.evaluate(shaped), np.tanh(shaped)),
            (activation.evaluate_derivative(shaped), 1 - np.tanh(shaped) ** 2),
        ):
            assert found.shape == np.shape(shaped)
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    g = np.full_like(h, 3)
    back = activation.backpropagate(h, activation.evaluate(h), g)
    np.testing.assert_allclose(back, 3 * (1 - np.tanh(h) ** 2), atol=3 * tolerance)


def test_other_dtype_is_computed_in_the_dtype_of_the_pointer():
    single = tanh("ctypes", "float32")
    found = single.evaluate(H)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, single.evaluate(H.astype(np.float32)))
    assert single.evaluate([1e300, -np.inf]).tolist() == [1, -1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_training_equals_the_numpy_tier(front_end, dtype):
    other = Activation("other", np.tanh, lambda h, y_hat: 1 - y_hat * y_hat)
    expected = fitted(other, dtype).parameters
    found = fitted(tanh(front_end, dtype), dtype).parameters
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 if dtype == "float64" else 1e-5)
    start = Network(20, [(16, other), (5, other), 3], seed=1).parameters
    assert np.abs(found - start).max() > 1e-2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("front_end", ["address", "cdll", "numba", "numba_scalar", "cffi_scalar"])
def test_results_do_not_depend_on_threads(front_end, dtype):
    activation = tanh(front_end, dtype)
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
        assert len(again._engine.chunks_per_thread) == threads
        assert found == objective
        np.testing.assert_array_equal(same, gradient)


@pytest.mark.parametrize("front_end", ["address", "capsule"])
def test_one_activation_for_both_dtypes_has_the_bits_of_the_built_in(front_end):
    pairs = {dtype: FRONT_ENDS[front_end](dtype) for dtype in DTYPES}
    activation = Activation(
        "mine",
        pointer={dtype: f for dtype, (f, _) in pairs.items()},
        derivative_pointer={dtype: df for dtype, (_, df) in pairs.items()},
    )
    for dtype in DTYPES:
        h = H.astype(dtype)
        np.testing.assert_array_equal(activation.evaluate(h), core.activate(h, "tanh"))
        np.testing.assert_array_equal(fitted(activation, dtype).parameters, fitted("tanh", dtype).parameters)


@pytest.mark.parametrize("number", [int, np.int64, np.uint64])
def test_scalar_address_needs_signature_scalar(number):
    function, _ = by_cdll("float64")
    address = ctypes.cast(function, ctypes.c_void_p).value
    activation = Activation("mine", pointer=number(address), signature="scalar")
    np.testing.assert_allclose(activation.evaluate(H), np.tanh(H), atol=1e-15)


# -- data -----------------------------------------------------------------------------------------


def line(h, out, n, data):
    a, b = ctypes.cast(data, ctypes.POINTER(ctypes.c_double))[:2]
    for i in range(n):
        out[i] = a * h[i] + b


def line_derivative(h, y_hat, out, n, data):
    for i in range(n):
        out[i] = ctypes.cast(data, ctypes.POINTER(ctypes.c_double))[0]


def test_parameters_are_passed_as_data():
    _, f, df = ctypes_types("float64")
    activation = Activation(
        "line", pointer=f(line), derivative_pointer=df(line_derivative), parameters={"a": 2.0, "b": 1.0}
    )
    assert activation.evaluate([0.0, 3.0]).tolist() == [1, 7]
    steep = activation.configured({"a": -4})
    assert steep.evaluate([0.0, 3.0]).tolist() == [1, -11]
    assert steep.evaluate_derivative([0.0, 3.0]).tolist() == [-4, -4]
    assert activation.evaluate_derivative(0.5) == 2
    net = Network(1, [{"units": 1, "activation": steep, "weights": [[3.0]]}])
    assert net.predict([[2.0]]).tolist() == [[-23]]


def test_context_is_passed_as_data_without_parameters():
    LowLevelCallable = pytest.importorskip("scipy").LowLevelCallable
    _, f, df = ctypes_types("float64")
    values = (ctypes.c_double * 2)(5, -1)
    at = ctypes.cast(values, ctypes.c_void_p)
    pair = LowLevelCallable(f(line), at), LowLevelCallable(df(line_derivative), at)
    plain = Activation("line", pointer=pair[0], derivative_pointer=pair[1])
    assert plain.evaluate([0.0, 1.0]).tolist() == [-1, 4]
    assert plain.evaluate_derivative([1.0]).tolist() == [5]
    given = Activation("line", pointer=pair[0], derivative_pointer=pair[1], parameters={"a": 1, "b": 0})
    assert given.evaluate([3.0]).tolist() == [3]

    callback = f(line)
    named = capsule(ctypes.cast(callback, ctypes.c_void_p).value, "cygd.block_f64.v1")
    set_context(named, at)
    assert Activation("line", pointer=named).evaluate([1.0]).tolist() == [4]


def test_data_may_be_typed_as_an_array():
    numba = pytest.importorskip("numba")
    array = numba.types.CPointer(numba.float64)

    @numba.cfunc(numba.void(array, array, numba.intp, array))
    def scaled(h, out, n, data):
        for i in range(n):
            out[i] = data[0] * h[i]

    activation = Activation("scaled", pointer=scaled, parameters={"a": 3.0})
    assert activation.evaluate([1.0, 2.0]).tolist() == [3, 6]


def test_data_is_null_without_parameters_and_context():
    seen = []
    _, f, _ = ctypes_types("float64")
    activation = Activation("f", pointer=f(lambda h, out, n, data: seen.append(data)))
    activation.evaluate(H)
    assert seen == [None]


# -- lifetime -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_activation_keeps_its_functions_alive(front_end):
    activation = tanh(front_end, "float64")
    expected = fitted(activation, "float64").parameters
    engine = Network(1, [(1, activation)])._engine
    for _ in range(3):
        gc.collect()
        [by_ctypes_scalar("float64") for _ in range(200)]  # takes the place of what has been freed
    np.testing.assert_array_equal(fitted(activation, "float64").parameters, expected)
    del activation
    gc.collect()
    seconds = core._f64.activation_seconds(engine, H[:40], 1)
    assert all(part >= 0 for part in seconds)


def test_engine_keeps_a_callback_alive_and_releases_it():
    scalar, _, _ = ctypes_types("float64")
    f, df = scalar(math.tanh), scalar(tanh_derivative)
    callbacks = weakref.ref(f), weakref.ref(df)
    activation = Activation("mine", pointer=f, derivative_pointer=df)
    engine = Network(1, [(1, activation)])._engine
    del f, df, activation
    gc.collect()
    assert all(callback() is not None for callback in callbacks)
    core._f64.activation_seconds(engine, H[:40], 1)
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
def test_library_closed_by_its_owner_stays_loaded(tmp_path):
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
