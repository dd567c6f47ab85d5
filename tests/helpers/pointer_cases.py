"""Compiled tanh from every front end, and a network with it."""

import ctypes
import ctypes.util
import math

import numpy as np
import pytest

from cygd import Activation, Network, core

REALS = {"float64": ctypes.c_double, "float32": ctypes.c_float}
NAMES = {"float64": "double", "float32": "float"}
DTYPES = list(REALS)
H = np.linspace(-4, 4, 41)

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
set_context = ctypes.pythonapi.PyCapsule_SetContext
set_context.argtypes = [ctypes.py_object, ctypes.c_void_p]


def tanh_derivative(h):
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


# -- tanh and its derivative -------------------------------------------------


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
    return scalar(math.tanh), scalar(tanh_derivative)


def by_cdll(dtype):
    """Return a function of the C library, with a derivative from a capsule."""
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
    return ffi.callback(signature, math.tanh), ffi.callback(signature, tanh_derivative)


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


FRONT_ENDS = {name.removeprefix("by_"): value for name, value in globals().items() if name.startswith("by_")}
CAPSULE_NAMES = []  # must outlive the capsules


def capsule(address, name):
    CAPSULE_NAMES.append(None if name is None else name.encode())
    return new_capsule(address, CAPSULE_NAMES[-1], None)


def tanh(front_end, dtype):
    f, df = FRONT_ENDS[front_end](dtype)
    return Activation(
        "mine", pointer=f, derivative_pointer=df, dtype=dtype if front_end == "address" else None
    )


def fitted(activation, dtype, rows=200, threads=1, units=16):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 20)), rng.normal(size=(rows, 3))
    net = Network(20, [(units, activation), (5, activation), 3], loss="mse", dtype=dtype, seed=1)
    net.fit(x, y, epochs=3, batch_size=max(64, rows // 3), learning_rate=0.1, threads=threads)
    return net
