"""Pickled function pointers: found again by name in another process, or refused."""

import ctypes
import ctypes.util
import math
import os
import pickle
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd import Activation, Network
from cygd.components.pickling import ComponentPickleError
from cygd.components.plugin_file import run_plugin_file
from tests.helpers.pointer_cases import H, by_ctypes, capsule, ctypes_types, set_context, tanh_derivative

LIBRARY = """
#include <stddef.h>
void f(const double *h, double *out, ptrdiff_t n, void *data) { while (n--) out[n] = 2 * h[n] + 1; }
void df(const double *h, const double *y, double *out, ptrdiff_t n, void *data) { while (n--) out[n] = 2; }
float triple(float h) { return 3 * h; }
"""

LOADER = """
import pickle, sys
try:
    activation = pickle.loads(sys.stdin.buffer.read())
    print(activation.evaluate([0.5, 3.0]).tolist(), activation.evaluate_derivative([0.5, 3.0]).tolist())
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


def in_another_process(content, *folders):
    """Return what a new process prints that loads a pickle and evaluates the activation in it."""
    path = os.pathsep.join(map(str, [Path(cygd.__file__).parents[1], *folders]))
    environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-W", "ignore", "-c", LOADER]
    done = subprocess.run(command, input=content, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def expected(activation):
    h = np.array([0.5, 3.0])
    return f"{activation.evaluate(h).tolist()} {activation.evaluate_derivative(h).tolist()}"


@pytest.fixture
def library(tmp_path):
    """Return the path of a shared library with the functions f, df and triple."""
    (tmp_path / "f.c").write_text(LIBRARY)
    path = tmp_path / "libf.so"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    subprocess.run([*compiler, "-shared", "-fPIC", str(tmp_path / "f.c"), "-o", str(path)], check=True)
    return path


def block_functions(library):
    """Return f and df of the library with their types."""
    _, f, df = ctypes_types("float64")
    functions = ctypes.CDLL(str(library))
    functions.f.argtypes, functions.df.argtypes = f._argtypes_, df._argtypes_
    functions.f.restype = functions.df.restype = None
    return functions.f, functions.df


def given_as(kind, library):
    """Return f and df as another kind of pointer."""
    f, df = block_functions(library)
    if kind == "ctypes":
        return f, df
    if kind == "scipy":
        return tuple(map(pytest.importorskip("scipy").LowLevelCallable, (f, df)))
    addresses = [ctypes.cast(function, ctypes.c_void_p).value for function in (f, df)]
    if kind == "address":
        return tuple(addresses)
    if kind == "capsule":
        return capsule(addresses[0], "cygd.block_f64.v1"), capsule(addresses[1], "cygd.derivative_f64.v1")
    ffi = pytest.importorskip("cffi").FFI()
    ffi.cdef("void f(const double *, double *, ssize_t, void *);")
    ffi.cdef("void df(const double *, const double *, double *, ssize_t, void *);")
    opened = ffi.dlopen(str(library))
    return opened.f, opened.df


@pytest.mark.parametrize("kind", ["ctypes", "scipy", "address", "capsule", "cffi"])
def test_functions_of_a_library_are_found_by_their_symbols(kind, library):
    f, df = given_as(kind, library)
    activation = Activation("line", pointer=f, derivative_pointer=df)
    assert expected(activation) == "[2.0, 7.0] [2.0, 2.0]"
    content = pickle.dumps(activation)
    assert in_another_process(content) == "[2.0, 7.0] [2.0, 2.0]"
    again = pickle.loads(content)
    assert (again.tier, again.name, again.dtypes) == ("pointer", "line", ("float64",))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(again)).evaluate(H), 2 * H + 1
    )  # the pickle of a pickle


def test_a_network_with_a_pointer_trains_on_after_a_pickle(library):
    f, df = block_functions(library)
    net = Network(2, [(3, Activation("line", pointer=f, derivative_pointer=df)), 1], loss="mse")
    x, y = np.random.default_rng(0).normal(size=(20, 2)), np.ones((20, 1))
    net.fit(x, y, "adam", epochs=2)
    again = pickle.loads(pickle.dumps(net))
    for one in (net, again):
        one.fit(x, y, one.optimizer, epochs=2)
    np.testing.assert_array_equal(again.parameters, net.parameters)


def test_a_library_named_by_a_relative_path_is_found_from_another_folder(library, monkeypatch):
    monkeypatch.chdir(library.parent)
    f, df = block_functions("./libf.so")
    activation = Activation("line", pointer=f, derivative_pointer=df)
    monkeypatch.chdir("/")
    assert in_another_process(pickle.dumps(activation)) == "[2.0, 7.0] [2.0, 2.0]"


def test_pointers_of_both_dtypes_and_scalar_functions_keep_their_signatures(library):
    double, single = ctypes.CDLL(ctypes.util.find_library("m")).tanh, ctypes.CDLL(str(library)).triple
    double.argtypes, double.restype = [ctypes.c_double], ctypes.c_double
    single.argtypes, single.restype = [ctypes.c_float], ctypes.c_float
    activation = Activation("mine", pointer={"float64": double, "float32": single})
    again = pickle.loads(pickle.dumps(activation))
    assert set(again.pointers.pairs) == {"float64", "float32"}
    for dtype in ("float64", "float32"):
        h = H.astype(dtype)
        np.testing.assert_array_equal(again.evaluate(h), activation.evaluate(h))
    assert again.evaluate(np.float32([2.0])).tolist() == [6.0]
    assert in_another_process(pickle.dumps(activation)) == expected(activation)


def test_a_library_that_is_gone_is_an_error_that_names_the_component(library):
    f, df = block_functions(library)
    content = pickle.dumps(Activation("line", pointer=f, derivative_pointer=df))
    library.unlink()
    found = in_another_process(content)
    assert found.startswith("ComponentPickleError: activation 'line' cannot be unpickled: ")
    assert "libf.so: cannot open shared object file" in found
    assert "hint: import the module, install the library or load the plugin of its functions first" in found


def test_a_library_that_lost_the_function_is_an_error(library):
    f, df = block_functions(library)
    content = pickle.dumps(Activation("line", pointer=f, derivative_pointer=df))
    (library.parent / "g.c").write_text("int g(void) { return 0; }")
    library.unlink()
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    subprocess.run(
        [*compiler, "-shared", "-fPIC", str(library.parent / "g.c"), "-o", str(library)], check=True
    )
    assert "libf.so has no function 'f'" in in_another_process(content)


MODULE = """
import ctypes
@ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
def f(h):
    return 2 * h + 1
@ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
def df(h):
    return 2.0
"""


def test_a_variable_of_a_module_is_found_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "my_pointers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import my_pointers

    monkeypatch.setitem(sys.modules, "my_pointers", my_pointers)  # removed after the test
    activation = Activation("mine", pointer=my_pointers.f, derivative_pointer=my_pointers.df)
    content = pickle.dumps(activation)
    assert in_another_process(content, tmp_path) == "[2.0, 7.0] [2.0, 2.0]"
    found = in_another_process(content)
    assert found.startswith(
        "ComponentPickleError: activation 'mine' cannot be unpickled: No module named 'my_pointers'"
    )


def test_a_variable_of_a_plugin_file_is_found_by_the_place_of_the_file(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    module = run_plugin_file(tmp_path / "mine.py")
    content = pickle.dumps(Activation("mine", pointer=module.f, derivative_pointer=module.df))
    assert in_another_process(content) == "[2.0, 7.0] [2.0, 2.0]"
    (tmp_path / "mine.py").write_text(MODULE.replace("2 *", "3 *"))
    assert f"the plugin file {tmp_path / 'mine.py'} has changed" in in_another_process(content)


def test_functions_of_numba_at_the_top_level_of_a_module_are_found(tmp_path):
    pytest.importorskip("numba")
    (tmp_path / "jit.py").write_text(
        "import numba\n@numba.cfunc('float64(float64)')\ndef f(h):\n    return 2 * h + 1\n"
        "@numba.cfunc('float64(float64)')\ndef df(h):\n    return 2.0\n"
    )
    module = run_plugin_file(tmp_path / "jit.py")
    content = pickle.dumps(Activation("mine", pointer=module.f, derivative_pointer=module.df))
    assert in_another_process(content) == "[2.0, 7.0] [2.0, 2.0]"


def test_a_function_that_a_cython_module_exports_is_found_by_its_name(monkeypatch):
    functions = by_ctypes("float64")
    addresses = [ctypes.cast(function, ctypes.c_void_p).value for function in functions]
    module = types.ModuleType("exporting")
    signature = "void (double const *, {}double *, Py_ssize_t, void *)"
    module.__pyx_capi__ = {
        "f": capsule(addresses[0], signature.format("")),
        "df": capsule(addresses[1], signature.format("double const *, ")),
    }
    monkeypatch.setitem(sys.modules, "exporting", module)
    activation = Activation(
        "mine", pointer=module.__pyx_capi__["f"], derivative_pointer=module.__pyx_capi__["df"]
    )
    again = pickle.loads(pickle.dumps(activation))
    assert again.pointers.pairs["float64"].function.owner is module.__pyx_capi__["f"]
    np.testing.assert_array_equal(again.evaluate(H), activation.evaluate(H))
    content = pickle.dumps(activation)
    module.__pyx_capi__["f"] = module.__pyx_capi__["df"]  # a function of another signature now
    with pytest.raises(ComponentPickleError, match=r"'mine' cannot be unpickled: pointer: expected void \("):
        pickle.loads(content)


def test_a_function_without_a_name_is_refused_with_the_remedy():
    f, df = by_ctypes("float64")
    with pytest.raises(ComponentPickleError) as caught:
        pickle.dumps(Activation("mine", pointer=f, derivative_pointer=df))
    assert str(caught.value).splitlines() == [
        "activation 'mine' cannot be pickled: pointer has no name by which another process could find it",
        "hint: an address is valid only in one process: use a function that a shared library or a Cython "
        "module exports, or assign the pointer to a variable at the top level of a module or plugin "
        "file; copy.copy and copy.deepcopy work within one process",
    ]


def test_a_context_belongs_to_the_process_unless_a_variable_holds_it(library, monkeypatch):
    f, df = block_functions(library)
    named = capsule(ctypes.cast(f, ctypes.c_void_p).value, "cygd.block_f64.v1")
    values = (ctypes.c_double * 1)(5.0)
    set_context(named, ctypes.cast(values, ctypes.c_void_p))
    activation = Activation("mine", pointer=named, derivative_pointer=df)
    with pytest.raises(ComponentPickleError, match="pointer has no name"):
        pickle.dumps(activation)
    holder = types.ModuleType("holder")
    holder.named = named
    monkeypatch.setitem(sys.modules, "holder", holder)
    again = pickle.loads(pickle.dumps(activation))
    assert again.pointers.pairs["float64"].function.context == ctypes.addressof(values)


def test_a_scalar_derivative_without_a_name_is_named_in_the_error(library):
    scalar, _, _ = ctypes_types("float64")
    tanh = ctypes.CDLL(ctypes.util.find_library("m")).tanh
    tanh.argtypes, tanh.restype = [ctypes.c_double], ctypes.c_double
    activation = Activation("mine", pointer=tanh, derivative_pointer=scalar(tanh_derivative))
    with pytest.raises(
        ComponentPickleError, match="'mine' cannot be pickled: derivative_pointer has no name"
    ):
        pickle.dumps(activation)
    assert activation.evaluate([1.0]).tolist() == [math.tanh(1)]
