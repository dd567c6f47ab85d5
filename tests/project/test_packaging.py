"""tools/distributions.py finds missing and unexpected files; the installed cygd has none."""

import importlib.metadata
import importlib.util
from pathlib import Path

import pytest

import cygd

TOOL = Path(__file__).parents[2] / "tools" / "distributions.py"
spec = importlib.util.spec_from_file_location("distributions", TOOL)
distributions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(distributions)

COMPLETE = [
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
    imported = Path(found.locate_file("cygd")).resolve() == Path(cygd.__file__).resolve().parent
    return names if imported and "cygd/cli/main.py" in names else None


@pytest.mark.skipif(installed() is None, reason="cygd is built in place, not installed")
def test_installed_files_have_no_faults():
    assert distributions.wheel_faults(installed()) == []


@pytest.mark.skipif(installed() is None, reason="cygd is built in place, not installed")
def test_installed_version_is_that_of_the_package():
    assert importlib.metadata.version("cygd") == cygd.__version__


def test_complete_wheel_has_no_faults():
    assert distributions.wheel_faults(COMPLETE) == []


@pytest.mark.parametrize(
    "name", ["cygd/core/primitives.c", "cygd/core/engine/engine.pxi", "cygd/core/simd/vec.h"]
)
def test_sources_in_a_wheel_are_faults(name):
    assert distributions.wheel_faults([*COMPLETE, name]) == [f"unexpected: {name}"]


def test_missing_files_of_a_wheel_are_faults():
    names = [name for name in COMPLETE if "py.typed" not in name and "/_f64." not in name]
    assert distributions.wheel_faults(names) == [
        "missing: cygd/py.typed",
        "missing: cygd/core/_f64.pyi",
        "missing: extension cygd/core/_f64",
    ]


def test_missing_and_generated_files_of_an_sdist_are_faults():
    complete = [f"cygd-1.0/{name}" for name in distributions.SDIST]
    assert distributions.sdist_faults(complete) == []
    generated = ["cygd-1.0/cygd/core/dispatch.c", "cygd-1.0/a.so"]
    assert distributions.sdist_faults([*complete[1:], *generated]) == [
        "missing: README.md",
        "unexpected: a.so",
        "unexpected: cygd/core/dispatch.c",
    ]
