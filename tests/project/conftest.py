"""The benchmarks as a package, for the tests of this folder."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
NAMES = [
    "cases",
    "charts",
    "epochs",
    "estimators",
    "experiments",
    "instructions",
    "jobs.common",
    "levels",
    "load",
    "many_networks",
    "measure",
    "networks",
    "one_row",
    "peaks",
    "plans",
    "products",
    "report",
    "scaling",
    "side_by_side",
    "startup",
    "trackers",
    "workers",
]


@pytest.fixture(scope="module")
def benchmarks():
    """Import the folder beside the tests as a package, without changing sys.path."""
    spec = importlib.util.spec_from_file_location(
        "benchmarks", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    package = importlib.util.module_from_spec(spec)
    path, sys.modules["benchmarks"] = list(sys.path), package
    spec.loader.exec_module(package)
    for name in NAMES:
        importlib.import_module(f"benchmarks.{name}")
    yield package
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]
