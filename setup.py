"""Define the extensions with their compiler flags and the tutorial; the rest is in pyproject.toml.

The kernels are compiled once per dtype and CPU level from the same source. Environment variables for
developers: CYGD_CHECKED=1 builds with Cython's bounds and initialization checks, for the tests of the
core; CYGD_BUILD_JOBS sets the number of extensions that are built in parallel; CYGD_OPTIMIZE replaces the
flags "-O3 -g0", as tools/sanitize does.
"""

import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

CHECKED = os.environ.get("CYGD_CHECKED") == "1"
JOBS = int(os.environ.get("CYGD_BUILD_JOBS") or os.cpu_count() or 1)
MSVC = sysconfig.get_platform().startswith("win")
X86 = platform.machine().lower() in {"x86_64", "amd64"}

# -g0: Python's own flags include -g, which is most of the size
OPTIMIZE = os.environ.get("CYGD_OPTIMIZE") or ("-O3" if CHECKED else "-O3 -g0")
# No -ffast-math: it breaks NaN, and turns off subnormals for the whole process. No contraction: what the
# compiler fuses differs between CPU levels, so the kernels write fused multiply-adds explicitly (fma_)
FLAGS = ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-Wno-psabi", *OPTIMIZE.split()]
FLAGS = [] if MSVC else FLAGS
LEVELS = {"base": (16, [])}
if X86 and not MSVC:
    LEVELS = {
        "base": (16, ["-march=x86-64-v2"]),
        "v3": (32, ["-march=x86-64-v3"]),
        "v4": (64, ["-march=x86-64-v4", "-mprefer-vector-width=512"]),
    }
DTYPES = {"f32": ("float", 32), "f64": ("double", 64)}
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": CHECKED,
    "wraparound": False,
    "initializedcheck": CHECKED,
    "cdivision": True,
    "embedsignature": True,
    # doctest finds the docstrings itself; __test__ would run each example twice
    "autotestdict": False,
}
CORE = Path("cygd", "core")
# separate folders, because neither Cython nor the compiler detects a change of flags
BUILD = Path("build", "checked") if CHECKED else Path("build")


def compiles(flags: list[str], text: str) -> bool:
    """Return True if the compiler accepts these flags and links the program."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(text)
        command = [*compiler, *flags, str(source), "-o", str(Path(folder, "probe"))]
        try:
            return subprocess.run(command, capture_output=True).returncode == 0
        except OSError:
            return False


def openmp() -> list[str]:
    """Return the flag for OpenMP, or none if the compiler does not support it: threads are optional."""
    if MSVC:
        return ["/openmp"]
    flag = "-fopenmp"
    program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
    return [flag] if compiles([flag], program) else []


def levels() -> dict[str, tuple[int, list[str]]]:
    """Return the CPU levels that the compiler supports: level -> bytes of a vector, flags."""
    program = "int main(void) { return 0; }\n"
    supported = {name: level for name, level in LEVELS.items() if compiles(level[1], program)}
    # an old compiler builds the base level for its default target
    return supported or {"base": (16, [])}


def extension(path: Path, flags: list[str] = [], macros: dict[str, object] = {}) -> Extension:
    return Extension(
        ".".join(path.with_suffix("").parts),
        [str(path)],
        include_dirs=[str(CORE)],
        depends=[str(p) for p in [*CORE.rglob("*.h"), *CORE.rglob("*.pxi"), *CORE.rglob("*.pxd")]],
        define_macros=[(name, str(value)) for name, value in macros.items()],
        extra_compile_args=FLAGS + flags,
        extra_link_args=[flag for flag in flags if "openmp" in flag and not MSVC],
    )


def extensions() -> list[Extension]:
    parallel, cpu_levels = openmp(), levels()
    modules = []
    for dtype, (real, bits) in DTYPES.items():
        macros = {"REAL": real, "REAL_BITS": bits}
        modules.append(extension(CORE / f"_{dtype}.pyx", parallel, macros))
        for level, (vbytes, march) in cpu_levels.items():
            source = CORE / "kernels" / f"{dtype}_{level}.pyx"
            modules.append(extension(source, march, {**macros, "VBYTES": vbytes}))
    for name in (
        "dispatch",
        "primitives",
        "random",
        "deterministic",
        "metrics",
        "early_stopping",
        "csv_rows",
    ):
        modules.append(extension(CORE / f"{name}.pyx"))
    # Cython's helper functions, shared by all extensions
    modules.append(Extension("cygd.core._cyutility", [str(CORE / "_cyutility.c")], extra_compile_args=FLAGS))
    return modules


def stale() -> bool:
    """Return True if a .pxd or table.pxi has changed: Cython does not track what a .pxd includes."""
    generated = [path.stat().st_mtime for path in BUILD.rglob("*.c")]
    included = [path.stat().st_mtime for path in [CORE / "table.pxi", *CORE.rglob("*.pxd")]]
    return bool(generated) and max(included) > min(generated)


class build_py_with_tutorial(build_py):
    """Copies the chapters of docs/tutorial into the package, from which `cygd tutorial` reads them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "cygd", "cli", "templates", "tutorial")
        target.mkdir(parents=True, exist_ok=True)
        for file in Path("docs", "tutorial").iterdir():
            if file.suffix in (".md", ".yaml", ".csv"):
                shutil.copyfile(file, target / file.name)


setup(
    cmdclass={"build_py": build_py_with_tutorial},
    ext_modules=cythonize(
        extensions(),
        force=stale(),
        build_dir=str(BUILD),
        nthreads=JOBS,
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name="cygd.core._cyutility",
    ),
    options={"build": {"build_base": str(BUILD)}, "build_ext": {"parallel": JOBS}},
)
