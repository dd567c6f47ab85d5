"""A user's Cython module, built in a folder of its own against the cygd that is tested."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd import Activation, Network, core
from cygd.plugins.component_checks import check_component

HERE = Path(__file__).parent
ELEMENTWISE = [row["name"] for row in core.names()["activations"] if not row["rowwise"]]
DTYPES = ["f32", "f64"]


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    for name in ("setup.py", "user.pyx"):
        shutil.copy(HERE / name, folder)
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1])}
    command = [sys.executable, "setup.py", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    [extension] = [path for path in folder.glob("user.*") if path.suffix in {".so", ".pyd"}]
    spec = importlib.util.spec_from_file_location("user", extension)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sample(dtype):
    return np.linspace(-4, 4, 301).astype(dtype.replace("f", "float"))


def test_version(user):
    assert user.api_version() == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activations_are_those_of_the_core(user, name, dtype):
    h = sample(dtype)
    out = np.empty_like(h)
    getattr(user, f"activate_{dtype}")(name, h, out)
    assert np.array_equal(out, core.activate(h, name))
    derivative = np.empty_like(h)
    getattr(user, f"evaluate_derivative_{dtype}")(name, h, out, derivative)
    assert np.array_equal(derivative, core.derivative(h, name))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sse_is_that_of_the_core(user, dtype):
    y = sample(dtype)
    for n in (1, 2, 301):
        assert getattr(user, f"half_squares_{dtype}")(y[:n], y[::-1][:n].copy()) == pytest.approx(
            core.sse(y[:n], y[::-1][:n]), rel=1e-6
        )
    assert getattr(user, f"half_squares_{dtype}")(y[:2] * 0, y[:2] * 0 + 2) == 4


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["activate", "evaluate_derivative"])
def test_unknown_names_raise(user, kind, dtype):
    call = getattr(user, f"{kind}_{dtype}")
    arrays = [sample(dtype) for _ in range(2 if kind == "activate" else 3)]
    with pytest.raises(ValueError, match="unknown activation 'rleu'"):
        call("rleu", *arrays)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rowwise_activations_raise(user, dtype):
    h = sample(dtype)
    with pytest.raises(ValueError, match="activation 'softmax' is row-wise: it has no elementwise function"):
        getattr(user, f"activate_{dtype}")("softmax", h, h.copy())


# -- an activation written in Cython --------------------------------------------------------------


def bent(user, **keywords):
    f, df = user.bent()
    return Activation("bent", pointer=f, derivative_pointer=df, **keywords)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_activation_of_ones_own(user, dtype):
    h = sample(dtype)
    activation = bent(user)
    assert activation.tier == "pointer"
    assert not activation.numerical
    tolerance = 4 * np.finfo(h.dtype).eps
    np.testing.assert_allclose(activation.evaluate(h), core.activate(h, "softsign"), atol=tolerance)
    np.testing.assert_allclose(
        activation.evaluate_derivative(h), core.derivative(h, "softsign"), atol=tolerance
    )
    check_component(activation)
    steep = bent(user, parameters={"slope": 3.0})
    assert steep.evaluate(h[-1:]) == pytest.approx(4 / 13)
    assert steep.configured({"slope": 0}).evaluate_derivative(h).tolist() == [1] * len(h)
    check_component(steep)


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_trained_with(user, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1000, 10)), rng.normal(size=(1000, 2))

    def trained(activation, threads):
        layers = [(32, activation), 2]
        net = Network(10, layers, loss="mse", dtype=dtype.replace("f", "float"), seed=3)
        before = net.loss(x, y)
        net.fit(x, y, epochs=5, batch_size=250, learning_rate=0.2, threads=threads)
        assert net.loss(x, y) < before
        return net.parameters

    alone = trained(bent(user), 1)
    np.testing.assert_allclose(alone, trained("softsign", 1), atol=1e-12 if dtype == "f64" else 1e-4)
    for threads in (2, 4):
        np.testing.assert_array_equal(trained(bent(user), threads), alone)


def test_a_built_in_by_its_capsules_is_the_built_in(user):
    f, df = user.built_in("mish")
    activation = Activation("mine", pointer=f, derivative_pointer=df)
    h = sample("f64")
    np.testing.assert_array_equal(activation.evaluate(h), core.activate(h, "mish"))
    np.testing.assert_array_equal(activation.evaluate_derivative(h), core.derivative(h, "mish"))


def test_null_becomes_no_capsule(user):
    with pytest.raises(ValueError, match=r"cygd\.block_f64\.v1: the function is NULL"):
        user.nothing()


WRONG = {
    "other dtype": "cdef void f(const float *h, float *out, Py_ssize_t n, void *data) noexcept nogil: pass",
    "no data": "cdef void f(const double *h, double *out, Py_ssize_t n) noexcept nogil: pass",
    "a derivative": "cdef void f(const double *h, const double *y_hat, double *out, Py_ssize_t n,"
    " void *data) noexcept nogil: pass",
    "with the GIL": "cdef void f(const double *h, double *out, Py_ssize_t n, void *data) noexcept: pass",
    "may raise": "cdef void f(const double *h, double *out, Py_ssize_t n, void *data) except * nogil: pass",
}


def test_compiler_refuses_functions_of_another_type(tmp_path):
    lines = ["from cygd.core cimport block_capsule_f64"]
    for number, function in enumerate(WRONG.values()):
        lines += [function.replace(" f(", f" f{number}("), f"capsule = block_capsule_f64(f{number})"]
    (tmp_path / "wrong.pyx").write_text("\n".join(lines) + "\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1])}
    command = [sys.executable, "-m", "cython", "-3", "wrong.pyx"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    for number, name in enumerate(WRONG):
        assert re.search(rf"wrong\.pyx:{2 * number + 3}:\d+: Cannot assign type", done.stderr), name
