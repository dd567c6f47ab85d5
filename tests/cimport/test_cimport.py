"""A user's Cython module, built in a folder of its own against the cygd that is tested."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd import core

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
    slope = np.empty_like(h)
    getattr(user, f"slope_{dtype}")(name, h, out, slope)
    assert np.array_equal(slope, core.derivative(h, name))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sse_is_that_of_the_core(user, dtype):
    y = sample(dtype)
    for n in (1, 2, 301):
        assert getattr(user, f"half_squares_{dtype}")(y[:n], y[::-1][:n].copy()) == pytest.approx(
            core.sse(y[:n], y[::-1][:n]), rel=1e-6
        )
    assert getattr(user, f"half_squares_{dtype}")(y[:2] * 0, y[:2] * 0 + 2) == 4


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["activate", "slope"])
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
