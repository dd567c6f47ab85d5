"""The cost of training and startup, by counts: allocations, memory, modules and processes; never by time."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cygd

ONE_UNIT = Path(__file__).parents[2] / "experiments" / "one_unit.yaml"
GLIBC = sys.platform == "linux" and os.confstr("CS_GNU_LIBC_VERSION") is not None
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1])}

# counts all heap allocation functions that the core and OpenMP use, over all threads
COUNTER = """
#include <errno.h>
#include <stddef.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
static long calls;
static void count(void) { __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED); }
long allocations(void) { return __atomic_load_n(&calls, __ATOMIC_RELAXED); }
void *malloc(size_t n) { count(); return __libc_malloc(n); }
void *calloc(size_t n, size_t size) { count(); return __libc_calloc(n, size); }
void *realloc(void *old, size_t n) { count(); return __libc_realloc(old, n); }
void *memalign(size_t alignment, size_t n) { count(); return __libc_memalign(alignment, n); }
void *aligned_alloc(size_t alignment, size_t n) { count(); return __libc_memalign(alignment, n); }
int posix_memalign(void **p, size_t alignment, size_t n) {
    count();
    return (*p = __libc_memalign(alignment, n)) ? 0 : ENOMEM;
}
"""

COUNTED = """
import ctypes, sys
import numpy as np
from cygd import Network
from cygd.components import resolve

allocations = ctypes.CDLL(sys.argv[1]).allocations
allocations.restype = ctypes.c_long
dtype, optimizer, threads = sys.argv[2], sys.argv[3], int(sys.argv[4])
x = np.random.default_rng(1).normal(size=(4096, 20)).astype(dtype)
y = np.sin(x[:, :2])
layers = [{"units": 70, "activation": "tanh", "dropout": 0.1, "l2": 1e-4}, (30, "relu"), (2, "identity")]
net = Network(20, layers, loss="mse", dtype=dtype)
updater = net._kernels.Optimizer(resolve("optimizer", optimizer), net._engine)

def training(batch_size):
    return net._kernels.Trainer(
        net._engine, net._dataset(x, y), net.parameters, updater, batch_size=batch_size, shuffled=True,
        seed=1, epochs=0, updates=0, clip_norm=1.0, clip_value=0.0, threads=threads,
    )

def counted(training, epochs):
    rates = [1e-3] * epochs
    before = allocations()
    losses, diverged = training.run(rates)
    after = allocations()
    assert len(losses) == epochs and not diverged
    return after - before

coarse, fine = training(2048), training(16)
counted(coarse, 1), counted(fine, 1)  # accumulators, and the threads of the team
print(counted(coarse, 1), counted(fine, 1), counted(coarse, 2), counted(coarse, 20), sep="\\n")
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    """A library that counts the allocations of the process that preloads it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not GLIBC or compiler is None:
        pytest.skip("needs glibc and a C compiler")
    folder = tmp_path_factory.mktemp("counter")
    (folder / "counter.c").write_text(COUNTER)
    library = folder / "counter.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-fno-builtin", str(folder / "counter.c")]
    subprocess.run([*command, "-o", str(library)], check=True)
    return library


def test_counter_counts_allocations(counter):
    code = (
        "import ctypes, sys\n"
        "counter = ctypes.CDLL(sys.argv[1])\n"
        "before = counter.allocations()\n"
        "kept = [bytearray(10_000) for _ in range(50)]\n"
        "print(counter.allocations() - before)"
    )
    assert int(output([sys.executable, "-P", "-c", code, str(counter)], counter)) >= 50


def output(command, preloaded=None, **options):
    """Return the output of a process."""
    environment = {**ENVIRONMENT, **({"LD_PRELOAD": str(preloaded)} if preloaded else {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_step_allocates_no_memory(dtype, optimizer, threads, counter):
    command = [sys.executable, "-P", "-c", COUNTED, str(counter), dtype, optimizer, str(threads)]
    coarse, fine, two, twenty = map(int, output(command, counter).split())
    assert fine == coarse  # 256 steps and 2
    # the lists of losses and rates grow by a few allocations; 18 epochs are 36 steps
    assert twenty - two <= 4


MEASURED = """
import sys
from cygd.runner import runner

def kilobytes(name):
    [line] = [line for line in open("/proc/self/status") if line.startswith(name)]
    return int(line.split()[1])

def run(folder, out):
    return runner.run({
        "data": {"source": "npy", "x": folder + "/x.npy", "y": folder + "/y.npy",
                 "split": {"validation": 0.2, "test": 0.1}},
        "model": {"dtype": "float32", "layers": [8, 1]},
        "optimizer": {"name": "sgd", "learning_rate": 1e-6},
        "train": {"epochs": 2, "batch_size": 256},
    }, out=out)

run(sys.argv[1], sys.argv[3])
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")  # reset the peak
before = kilobytes("VmRSS")
assert kilobytes("VmHWM") - before < 1000
run(sys.argv[2], sys.argv[4])
print(kilobytes("VmHWM") - before)
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's /proc")
def test_split_does_not_copy_data(tmp_path):
    rng = np.random.default_rng(2)
    rows = {"small": 100, "large": 100_000}
    for name, n in rows.items():
        (tmp_path / name).mkdir()
        x = rng.standard_normal((n, 100), dtype=np.float32)
        np.save(tmp_path / name / "x.npy", x)
        np.save(tmp_path / name / "y.npy", x[:, :1] + x[:, 1:2])
    arguments = [tmp_path / "small", tmp_path / "large", tmp_path / "out1", tmp_path / "out2"]
    grown = 1024 * int(output([sys.executable, "-P", "-c", MEASURED, *map(str, arguments)]))
    data = rows["large"] * 101 * 4
    # four bytes per row each for the split and the order of an epoch, the NaN check, and the accumulators
    assert grown < data + rows["large"] * 20 + 4_000_000


STARTED = """
import sys
started = []
sys.addaudithook(lambda event, arguments: started.append(event) if event in {
    "subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec",
} else None)
from cygd.cli.main import main
assert main(["run", sys.argv[1], "--out", sys.argv[2]]) == 0
print("started:", *started)
print("loaded:", *sys.modules)
"""


def test_run_starts_no_process_and_imports_only_what_it_needs(tmp_path):
    lines = output([sys.executable, "-P", "-c", STARTED, str(ONE_UNIT), str(tmp_path / "out")]).splitlines()
    assert "started:" in lines
    [loaded] = [set(line.split()[1:]) for line in lines if line.startswith("loaded:")]
    assert "cygd.runner" in loaded
    assert not loaded & {
        *(
            "rich",
            "pydantic",
            "cygd.components.formula.compiler",
            "numpy.ma",
            "numpy.random",
            "numpy.fft",
            "numpy.polynomial",
            "multiprocessing",
            "asyncio",
        ),
        *(
            "cygd.inspection",
            "cygd.tracking.terminal_plot",
            "cygd.testing",
            "cygd.sklearn",
            "subprocess",
        ),
        *(
            "cygd.components.function_pointers",
            "cygd.components.pickling",
            "cygd.components.plugin_file",
            "cygd.data.number_texts",
            "cygd.data.sources.csv_reader",
            "cygd.data.sources.text_io",
            "cygd.data.times",
            "cygd.runner.cross_validation",
            "cygd.runner.resumption",
            "cygd.tracking.statistics",
        ),
        *("csv", "difflib", "email", "gzip", "importlib.metadata", "random", "shutil", "tempfile", "zipfile"),
    }
