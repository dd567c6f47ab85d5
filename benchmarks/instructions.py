"""Verify that cygd and its peers obey the CPU level: what they say, and which registers they hold.

What a library says is threadpoolctl's architecture for OpenBLAS, NumPy's table of features and PyTorch's CPU
capability. What it does is seen by the kernel: `/proc/PID/task/*/arch_status` has the milliseconds since a
thread last held AVX-512 registers at a context switch. This covers code that a library generates or calls.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import CHECKOUT
from benchmarks.report import Section, Table, progress, verdict
from benchmarks.workers import present
from cygd.core import dispatch

TEXT = """
Each level is measured in processes of its own, with cygd and its peers held to the same instruction set. At
v3, which is AVX2 and FMA, these variables hold the peers: `OPENBLAS_CORETYPE=Haswell` (NumPy, SciPy),
`NPY_DISABLE_CPU_FEATURES` with NumPy's features of AVX-512, `MKL_ENABLE_INSTRUCTIONS=AVX2` and
`ATEN_CPU_CAPABILITY=avx2` (PyTorch), `ONEDNN_MAX_CPU_ISA=AVX2` (PyTorch, XLA), `XLA_FLAGS` with
`--xla_cpu_max_isa=AVX2` (JAX), `NUMBA_CPU_NAME=haswell` with `NUMBA_CPU_FEATURES`, and `GLIBC_TUNABLES` for
the C library's memcpy. XLA's limit does not reach YNNPACK, to which XLA passes some matrix products and which
has no limit of its own; `--xla_cpu_experimental_ynn_fusion_type=` leaves it out, and XLA's other kernels
compute these products. At v4 nothing is limited.

The check runs each library for some seconds at its level. "It says" is what the library reports. "AVX-512
registers" is whether a thread of the process held them at one of its last context switches, which the kernel
records in `/proc/PID/task/*/arch_status`. At v3 none may; at v4 they are, which shows that the check works.
"""
SECONDS = 1.5  # a thread that held the registers within this time, while it worked, has used AVX-512
PACKAGES = {
    "NumPy, product": "numpy",
    "NumPy, functions": "numpy",
    "PyTorch, product": "torch",
    "PyTorch, functions": "torch",
    "torch.compile": "torch",
    "JAX, product": "jax",
    "JAX, functions": "jax",
    "Numba": "numba",
    "cygd": "cygd",
}


@dataclass(frozen=True)
class Held:
    """What a library said about its instructions, and whether its threads held AVX-512 registers.

    `avx512` is None if the kernel does not tell.
    """

    says: str
    avx512: bool | None


def run(quick: bool = False) -> Section:
    """Check all libraries at the level of this process."""
    table = Table("Instructions of the libraries", ["library", "it says", "AVX-512 registers", "target"])
    for name, package in PACKAGES.items():
        if not present(package) or (quick and name == "torch.compile"):  # it compiles for a minute
            continue
        progress(name)
        held = observe(name, 0.2 if quick else SECONDS)
        cell = {True: "held", False: "never held", None: "unknown"}[held.avx512]
        target = verdict("never held", not held.avx512) if dispatch.level() == "v3" else "-"
        table.rows.append([name, held.says, cell, target])
    return Section("instructions", "CPU levels", TEXT, [table])


def observe(name: str, seconds: float) -> Held:
    """Let a library work in a process of its own, twice as long as `seconds`."""
    command = [sys.executable, "-m", "benchmarks.instructions", name, str(seconds)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Held(f"failed: {last.replace('|', '/')}", None)
    return Held(**json.loads(done.stdout.splitlines()[-1]))


# in the process of one library -----------------------------------------------------------------------


def milliseconds_since_avx512() -> list[int]:
    """Return the milliseconds since each thread of this process held AVX-512 registers, -1 for never.

    The list is empty if the kernel does not tell.
    """
    found = []
    for path in Path("/proc/self/task").glob("*/arch_status"):
        for line in path.read_text().splitlines():
            if line.startswith("AVX512_elapsed_ms"):
                found.append(int(line.split()[1]))
    return found


def work(name: str, seconds: float) -> Held:
    """Let a library work in this process."""
    step, says = importlib.import_module("benchmarks.peers.instructions").WORKS[name]()
    step()  # compiles
    end = time.monotonic() + 2 * seconds
    while time.monotonic() < end:
        step()
    elapsed = milliseconds_since_avx512()
    return Held(says, any(0 <= t < 1000 * seconds for t in elapsed) if elapsed else None)


if __name__ == "__main__":
    print(json.dumps(vars(work(sys.argv[1], float(sys.argv[2])))), flush=True)
    os._exit(0)  # without the teardown of the library, in which torch.compile may crash
