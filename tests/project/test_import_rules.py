"""The rules of the package: who may import what, what an import may load, how long a file may be.

A subpackage is a folder or file directly under `cygd/`. It may import only from lower layers; those of one
layer do not import each other. Imports for type checkers and imports inside functions count as well.
"""

import ast
import graphlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cygd

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "cygd"

# from the bottom up; "" is cygd/__init__.py
LAYERS = [
    {"core", "errors", "files"},
    {"components", "config", "display"},
    {"network", "data"},
    {"export"},
    {"tracking"},
    {"plugins"},
    {"runner"},
    {"inspection", "sweep", "testing", "sklearn", ""},
    {"report"},
    {"cli"},
    {"__main__"},
]
LAYER = {subpackage: number for number, subpackages in enumerate(LAYERS) for subpackage in subpackages}


def module_name(path):
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def subpackage(module):
    """Return the first name below cygd: cygd.data.csv belongs to data, cygd itself to ""."""
    first = module.split(".")[1] if "." in module else ""
    return first if first in LAYER or first in {name.split(".")[1] for name in FILES if "." in name} else ""


def imports(path):
    """Yield the modules that a file imports, at any level of nesting."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            for alias in node.names:
                # `from cygd import core` imports cygd.core, not cygd
                yield f"{node.module}.{alias.name}" if node.module == "cygd" else node.module


def imported_names(path):
    """Yield every module or package that the imports of a file may execute as a module of its own."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in FILES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def cython_imports(path):
    """Yield the modules that a Cython file imports or cimports."""
    pattern = r"^\s*(?:from\s+([\w.]+)\s+c?import\s+(\w+)|c?import\s+([\w.]+))"
    for package, name, module in re.findall(pattern, path.read_text(), re.MULTILINE):
        yield module or (f"{package}.{name}" if package == "cygd" else package)


def test_every_subpackage_has_a_layer():
    assert {name.split(".")[1] for name in FILES if "." in name} == set(LAYER) - {""}


def test_package_root_contains_only_folders_and_five_files():
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "errors.py", "files.py", "py.typed"}
    folders = [path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert len(folders) <= 16


@pytest.mark.parametrize("folder", sorted({path.parent for path in PACKAGE.rglob("*.py")}), ids=str)
def test_every_folder_has_a_docstring(folder):
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))


@pytest.mark.parametrize("module", FILES)
def test_imports_point_down(module):
    here = subpackage(module)
    for name in imports(FILES[module]):
        there = subpackage(name)
        if name.split(".")[0] == "cygd" and there != here:
            assert LAYER[there] < LAYER[here], f"{module} imports {name}"


def test_modules_do_not_import_each_other_in_circles():
    graph = {
        module: {name for name in imported_names(path) if name in FILES and name != module}
        for module, path in FILES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises a CycleError that names the modules


@pytest.mark.parametrize(
    "path", sorted(p for p in PACKAGE.rglob("*.p[yx]*") if p.suffix in {".pyx", ".pxi", ".pxd"}), ids=str
)
def test_cython_files_import_only_the_core(path):
    for name in cython_imports(path):
        assert name.split(".")[0] != "cygd" or subpackage(name) == "core", f"{path.name} imports {name}"


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("pluggy", r"cygd\.plugins\.\w+"),
        ("yaml", r"cygd\.config\.yaml\.\w+"),
        ("rich", r"cygd\.(tracking\.loggers\.console|sweep\.progress|cli\.colors)"),
    ],
)
def test_library_is_imported_only_where_allowed(library, allowed):
    users = {
        module for module, path in FILES.items() if library in {name.split(".")[0] for name in imports(path)}
    }
    assert users
    assert [module for module in users if not re.fullmatch(allowed, module)] == []


@pytest.mark.parametrize("module", FILES)
def test_output_goes_through_the_module_that_escapes_controls(module):
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            written = name in {"print", "sys.stdout.write", "sys.stderr.write", "traceback.print_exception"}
            assert not written or module == "cygd.tracking.terminal", f"{module}: {name}, line {node.lineno}"


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
        ("import cygd.cli.main", {"rich", "yaml", "pluggy", "numpy", "argcomplete", "shlex"}),
        ("from cygd import Activation, hookimpl", {"rich", "yaml", "cygd.runner"}),
        ("from cygd import core", {"rich", "yaml", "pluggy", "cygd.network"}),
        ("from cygd import Network", {"rich", "yaml", "cygd.runner", "cygd.display"}),
        ("import cygd; cygd.run", {"rich", "html", "cygd.display", "narwhals", "pandas", "pyarrow"}),
        ("import cygd.sklearn", {"rich", "yaml", "pluggy", "cygd.components", "cygd.network"}),
    ],
)
def test_import_does_not_load_unneeded_modules(statement, absent):
    assert loaded_by(statement) & absent == set()


@pytest.mark.parametrize(
    "path",
    sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".pyx", ".pxi", ".pxd", ".h"}),
    ids=lambda path: str(path.relative_to(CHECKOUT)),
)
def test_file_has_at_most_450_lines(path):
    assert len(path.read_text().splitlines()) <= 450


def test_stubs_of_both_dtypes_are_equal():
    double, single = ((PACKAGE / "core" / f"_{name}.pyi").read_text() for name in ("f64", "f32"))
    assert double.replace("_f32", "_f64").replace("np.float64", "np.float32") == single
    assert "_Real = np.float64" in double
