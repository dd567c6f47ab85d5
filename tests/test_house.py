"""The rules of the house: who may import whom, what importing costs, how long a file may be.

Imports point one way. A module may import what stands on a lower floor, and its own floor within the
same subject; `errors` may be imported by everybody but the core, which imports nothing above it.
What is imported for type checkers alone does not count.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cygd

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "cygd"

# from the ground up; subjects of one floor do not know each other
FLOORS = [
    {"core", "errors", "plotting", "flushing"},
    {"formula"},
    {"component"},
    {"activations", "losses", "optimizers", "schedules", "initializers", "metrics"},
    {"layers", "threads", "interrupts", "locking", "discovery", "saving", "stopping", "history"},
    {"network"},
    {"state"},
    {"training"},
    {"config", "data", "hookspecs", "rundir", "environment", "trial"},
    {"loggers"},
    {"checkpoints"},
    {"builtins", "registration"},
    {"plugins"},
    {"assembly"},
    {"model", "journal", "trace", "tiers", "learning"},
    {"results", "resumption"},
    {"ending", "folds"},
    {"execution"},
    {"bowl", "runner", "trace_tables"},
    {"picture"},
    {"sweep", "testing"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
FLOOR = {subject: number for number, subjects in enumerate(FLOORS) for subject in subjects}

# the one place that looks up: `net.fit(...)` is the loop over epochs, which is above the network
UPWARD = {("network", "training")}


def name_of(path):
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path):
    """Yield the names of the modules that a file imports when it runs."""

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for below in node.orelse:
                yield from visit(below)
            return
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            for alias in node.names:
                # `from cygd import core` imports cygd.core, not only cygd
                yield f"{node.module}.{alias.name}" if node.module == "cygd" else node.module
        for below in ast.iter_child_nodes(node):
            yield from visit(below)

    yield from visit(ast.parse(path.read_text()))


def cython_imports(path):
    """Yield the modules that a Cython file imports or cimports."""
    pattern = r"^\s*(?:from\s+([\w.]+)\s+c?import\s+(\w+)|c?import\s+([\w.]+))"
    for package, name, module in re.findall(pattern, path.read_text(), re.MULTILINE):
        yield module or (f"{package}.{name}" if package == "cygd" else package)


def subject(module):
    """Return the first name below cygd: cygd.data.csv_file belongs to data."""
    return module.split(".")[1] if "." in module else ""


def test_every_subject_has_a_floor():
    found = {subject(module) for module in FILES} - {""}
    assert found - set(FLOOR) == set()


@pytest.mark.parametrize("module", [name for name in FILES if name != "cygd"])
def test_imports_point_down(module):
    here = subject(module)
    for name in imports(FILES[module]):
        there = subject(name)
        if not name.startswith("cygd") or there == here or (here, there) in UPWARD:
            continue
        if there in {"", "__version__"}:
            continue  # the package itself holds nothing but names
        assert there in FLOOR, f"{module} imports {name}"
        if here == "core":
            pytest.fail(f"the core imports {name}")
        assert there == "errors" or FLOOR[there] < FLOOR[here], f"{module} imports {name}, which is above it"


def test_the_upward_import_waits_until_it_is_needed():
    tree = ast.parse(FILES["cygd.network"].read_text())
    outermost = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert outermost
    assert not any("training" in ast.unparse(node) for node in outermost)
    assert "cygd.training" in set(imports(FILES["cygd.network"]))


@pytest.mark.parametrize(
    "path", sorted(p for p in PACKAGE.rglob("*.p[yx]*") if p.suffix in {".pyx", ".pxi", ".pxd"}), ids=str
)
def test_compiled_files_import_the_core_alone(path):
    for name in cython_imports(path):
        assert not name.startswith("cygd") or subject(name) == "core", f"{path.name} imports {name}"


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("pluggy", r"cygd\.(plugins|hookspecs)"),
        ("yaml", r"cygd\.config\.\w+"),
        ("rich", r"cygd\.(loggers\.console|sweep\.progress)"),
    ],
)
def test_a_library_has_its_place(library, allowed):
    users = {
        module for module, path in FILES.items() if library in {name.split(".")[0] for name in imports(path)}
    }
    assert users, f"nobody imports {library}"
    assert [module for module in users if not re.fullmatch(allowed, module)] == []


def loaded_by(statement):
    """Return the names of the modules that a statement loads in a new process."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import cygd", {"rich", "yaml", "pluggy", "cygd.core"}),
        ("import cygd.cli", {"rich", "yaml", "pluggy", "numpy", "cygd.commands.completion", "shlex"}),
        ("from cygd import Activation, hookimpl", {"rich", "yaml", "cygd.runner"}),
        ("from cygd import core", {"rich", "yaml", "pluggy", "cygd.network"}),
        ("from cygd import Network", {"rich", "yaml", "cygd.runner"}),
        ("import cygd; cygd.run", {"rich"}),
    ],
)
def test_what_an_import_does_not_load(statement, absent):
    assert loaded_by(statement) & absent == set()


@pytest.mark.parametrize(
    "path",
    sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".pyx", ".pxi", ".pxd", ".h"}),
    ids=lambda path: str(path.relative_to(CHECKOUT)),
)
def test_a_file_is_one_subject(path):
    assert len(path.read_text().splitlines()) <= 450


def test_the_stubs_of_both_dtypes_are_one_text():
    double, single = ((PACKAGE / "core" / f"_{name}.pyi").read_text() for name in ("f64", "f32"))
    assert double.replace("_f32", "_f64").replace("np.float64", "np.float32") == single
    assert "_Real = np.float64" in double
