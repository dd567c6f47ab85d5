"""The list of extensions and their compiler flags; everything else stands in pyproject.toml.

One text of kernels is built once per dtype and CPU level. Environment variables for developers:
CYGD_CHECKED=1 builds with Cython's bounds and initialisation checks on, over which the tests of
the core run; CYGD_BUILD_JOBS sets how many extensions are built at the same time.
"""

import os
import platform
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

CHECKED = os.environ.get("CYGD_CHECKED") == "1"
JOBS = int(os.environ.get("CYGD_BUILD_JOBS") or os.cpu_count() or 1)
MSVC = sysconfig.get_platform().startswith("win")
X86 = platform.machine().lower() in {"x86_64", "amd64"}

# -ffast-math would turn off NaN, and subnormals for the whole process; contraction is left to the
# text (fma_), because what the compiler fuses differs from level to level
FLAGS = [] if MSVC else ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-Wno-psabi"]
if not MSVC and not CHECKED:
    FLAGS.append("-g0")  # Python's own flags ask for debug information: most of the size
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
    # docstrings are found where they stand; a second list would run each example twice
    "autotestdict": False,
}
CORE = Path("cygd", "core")
# apart, because neither Cython nor the compiler sees that the flags of a file have changed
BUILD = Path("build", "checked") if CHECKED else Path("build")


def compiles(flags: list[str], text: str) -> bool:
    """Return whether the compiler takes these flags and links the program."""
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
    """Return the flag for OpenMP, or none where the compiler lacks it: threads are optional."""
    if MSVC:
        return ["/openmp"]
    flag = "-fopenmp"
    program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
    return [flag] if compiles([flag], program) else []


def levels() -> dict[str, tuple[int, list[str]]]:
    """Return the CPU levels that the compiler knows: the bytes of a vector, and the flags."""
    known = {name: row for name, row in LEVELS.items() if compiles(row[1], "int main(void) { return 0; }\n")}
    # an old compiler still builds the baseline, for whatever it takes to be one
    return known or {"base": (16, [])}


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
    parallel, built = openmp(), levels()
    found = []
    for dtype, (real, bits) in DTYPES.items():
        macros = {"REAL": real, "REAL_BITS": bits}
        found.append(extension(CORE / f"_{dtype}.pyx", parallel, macros))
        for level, (vbytes, march) in built.items():
            stub = CORE / "kernels" / f"{dtype}_{level}.pyx"
            found.append(extension(stub, march, {**macros, "VBYTES": vbytes}))
    for name in ("dispatch", "primitives", "random", "deterministic"):
        found.append(extension(CORE / f"{name}.pyx"))
    # Cython's own helpers once instead of in every extension
    found.append(Extension("cygd.core._cyutility", [str(CORE / "_cyutility.c")], extra_compile_args=FLAGS))
    return found


def stale() -> bool:
    """Return whether a .pxd or what it includes has changed: Cython does not look behind such an include."""
    made = [path.stat().st_mtime for path in BUILD.rglob("*.c")]
    return bool(made) and max(p.stat().st_mtime for p in [CORE / "table.pxi", *CORE.rglob("*.pxd")]) > min(
        made
    )


setup(
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
