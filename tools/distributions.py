"""Check the wheel and the sdist of cygd for missing and unexpected files.

``python tools/distributions.py dist/*.whl dist/*.tar.gz`` prints the faults and exits with 1 if any.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

# paths in an sdist are relative to its folder name-version/
SDIST = [
    *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "MANIFEST.in"),
    *("pyproject.toml", "setup.py", "conftest.py", ".ci/run"),
    *(
        "cygd/py.typed",
        "cygd/core/simd/vec.h",
        "cygd/core/simd/vec_shuffle.h",
        "cygd/core/simd/barrier.h",
        "cygd/core/table.pxi",
        "cygd/core/__init__.pxd",
    ),
    *("cygd/core/primitives.pyx", "cygd/core/engine/engine.pxi", "cygd/core/kernels/f64_v4.pyx"),
    *("cygd/core/kernels/activations.pxi", "cygd/core/primitives.pyi", "tests/cimport/user.pyx"),
    *("tests/project/test_import_rules.py", "tests/config/conftest.py", "experiments/penguins.yaml"),
    *("experiments/data/penguins.csv", "experiments/data/digits.csv.gz", "experiments/data/README.md"),
    *("plugins/swish.py", "plugins/test_swish.py", "docs/plugins.md", "tools/distributions.py"),
]
WHEEL = [
    *("cygd/py.typed", "cygd/core/table.pxi", "cygd/core/__init__.pxd", "cygd/core/primitives.pxd"),
    *("cygd/core/dispatch.pxd", "cygd/core/f32.pxd", "cygd/core/f64.pxd", "cygd/core/random.pxd"),
    *(
        "cygd/core/primitives.pyi",
        "cygd/core/random.pyi",
        "cygd/core/deterministic.pyi",
        "cygd/core/dispatch.pyi",
    ),
    *("cygd/core/_f32.pyi", "cygd/core/_f64.pyi", "cygd/cli/main.py", "cygd/core/kernels/__init__.py"),
    *("cygd/cli/templates/experiment.yaml.txt", "cygd/cli/templates/activation.py.txt"),
    "cygd/export/c99/elementary.c.txt",
    *("cygd/cli/templates/tutorial/01-one-weight.md", "cygd/cli/templates/tutorial/one_weight.yaml"),
]
EXTENSIONS = [
    *("primitives", "dispatch", "random", "deterministic", "_f32", "_f64", "_cyutility"),
    *("kernels/f32_base", "kernels/f64_base"),
]


def wheel_faults(names: Iterable[str]) -> list[str]:
    """Return the faults in the files of a wheel or of an installed cygd."""
    found = [name for name in names if name.startswith("cygd/") and "__pycache__" not in name]
    faults = [f"missing: {name}" for name in WHEEL if name not in found]
    for name in EXTENSIONS:
        if not any(re.fullmatch(rf"cygd/core/{name}\.[^/]*(so|pyd)", other) for other in found):
            faults.append(f"missing: extension cygd/core/{name}")
    allowed = re.compile(
        r".*\.(py|pyi|pxd|so|pyd)|cygd/py\.typed|cygd/core/table\.pxi|cygd/cli/templates/.*\.txt"
        r"|cygd/export/c99/.*\.c\.txt|cygd/cli/templates/tutorial/[\w-]+\.(md|yaml|csv)"
    )
    return faults + [f"unexpected: {name}" for name in found if not allowed.fullmatch(name)]


def sdist_faults(names: Iterable[str]) -> list[str]:
    """Return the faults in the files of an sdist."""
    found = {name.partition("/")[2] for name in names}
    faults = [f"missing: {name}" for name in SDIST if name not in found]
    unwanted = re.compile(r".*\.(c|so|pyd|py[co])|(.*/)?(__pycache__|runs|build|\.git)(/.*)?")
    return faults + [f"unexpected: {name}" for name in sorted(found) if unwanted.fullmatch(name)]


def main(paths: list[str]) -> int:
    faults = 0
    for path in map(Path, paths):
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                found = wheel_faults(wheel.namelist())
        else:
            with tarfile.open(path) as sdist:
                found = sdist_faults(sdist.getnames())
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {'; '.join(found) or 'no faults'}")
        faults += len(found)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
