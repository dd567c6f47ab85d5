"""What is installed is what belongs there; tools/distributions.py judges wheels and sdists the same way."""

import importlib.metadata
import importlib.util
from pathlib import Path

import pytest

import cygd

TOOL = Path(__file__).parents[2] / "tools" / "distributions.py"
spec = importlib.util.spec_from_file_location("distributions", TOOL)
distributions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(distributions)

WHOLE = [
    *distributions.WHEEL,
    *(f"cygd/core/{name}.cpython-311-x86_64-linux-gnu.so" for name in distributions.EXTENSIONS),
]


def installed():
    """Return the files of the installed distribution, or None for a checkout that is built in place."""
    try:
        found = importlib.metadata.distribution("cygd")
    except importlib.metadata.PackageNotFoundError:
        return None
    names = [str(name) for name in found.files or []]
    whole = Path(found.locate_file("cygd")).resolve() == Path(cygd.__file__).resolve().parent
    return names if whole and "cygd/cli/main.py" in names else None


@pytest.mark.skipif(installed() is None, reason="cygd is built in place, not installed")
def test_installed_files():
    assert distributions.wheel_faults(installed()) == []


@pytest.mark.skipif(installed() is None, reason="cygd is built in place, not installed")
def test_versions_are_one():
    assert importlib.metadata.version("cygd") == cygd.__version__


def test_a_whole_wheel_has_no_faults():
    assert distributions.wheel_faults(WHOLE) == []


@pytest.mark.parametrize(
    "name", ["cygd/core/primitives.c", "cygd/core/engine/engine.pxi", "cygd/core/simd/vec.h"]
)
def test_a_wheel_without_sources(name):
    assert distributions.wheel_faults([*WHOLE, name]) == [f"does not belong there: {name}"]


def test_what_a_wheel_lacks():
    names = [name for name in WHOLE if "py.typed" not in name and "/_f64." not in name]
    assert distributions.wheel_faults(names) == [
        "missing: cygd/py.typed",
        "missing: cygd/core/_f64.pyi",
        "missing: extension cygd/core/_f64",
    ]


def test_an_sdist_without_products():
    whole = [f"cygd-1.0/{name}" for name in distributions.SDIST]
    assert distributions.sdist_faults(whole) == []
    assert distributions.sdist_faults([*whole[1:], "cygd-1.0/cygd/core/dispatch.c", "cygd-1.0/a.so"]) == [
        "missing: README.md",
        "does not belong there: a.so",
        "does not belong there: cygd/core/dispatch.c",
    ]
