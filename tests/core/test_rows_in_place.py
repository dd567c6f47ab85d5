"""Rows that are read in place: the end of the memory, any alignment, files, and the bits."""

import ctypes
import mmap

import numpy as np
import pytest

from cygd import Network
from cygd.core import dispatch
from tests.helpers.ulp import needs_both_fused_levels

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
# around a vector, a cache line, and the segments of 32 lines of a wide row
WIDTHS = (1, 7, 8, 9, 16, 33, 100, 255, 256, 257, 511, 513, 700, 1100)
BATCH_SIZES = pytest.mark.parametrize("batch_size", [1, 7, 64, "full"])
PROT_NONE = 0


def draw(n, d, dtype, outputs=1):
    rng = np.random.default_rng(d)
    return rng.normal(size=(n, d)).astype(dtype), rng.uniform(0.1, 0.9, (n, outputs)).astype(dtype)


def train(x, y, batch_size, shuffle=True, threads=1, outputs=1):
    """Return parameters and losses after two epochs, and the gradient over all rows."""
    net = Network(x.shape[1], [(outputs, "sigmoid")], loss="sse", dtype=x.dtype, seed=4)
    size = len(x) if batch_size == "full" else batch_size
    history = net.fit(x, y, "sgd", 1e-3, epochs=2, batch_size=size, shuffle=shuffle, threads=threads)
    return np.concatenate([net.parameters, history["running_loss"], net.gradient(x, y, threads=threads)[1]])


def equal(found, expected):
    np.testing.assert_array_equal(found.view(np.uint8), expected.view(np.uint8))


@pytest.fixture
def at_the_end():
    """Return a function that copies an array to the end of a page, before an unreadable one."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "mprotect"):
        pytest.skip("no mprotect")
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    guarded = []

    def place(array):
        pages = -(-array.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = mmap.mmap(-1, pages + mmap.PAGESIZE)
        everything = np.frombuffer(memory, np.uint8)
        guard = everything.ctypes.data + pages
        assert libc.mprotect(guard, mmap.PAGESIZE, PROT_NONE) == 0
        guarded.append((guard, memory))
        copy = everything[pages - array.nbytes : pages].view(array.dtype).reshape(array.shape)
        copy[...] = array
        return copy

    yield place
    for guard, _ in guarded:
        libc.mprotect(guard, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE)


@DTYPES
@BATCH_SIZES
@pytest.mark.parametrize("outputs", [1, 3])
def test_nothing_after_the_last_row_is_read(outputs, batch_size, dtype, level, at_the_end):
    for d in WIDTHS:
        x, y = draw(37, d, dtype, outputs)
        expected = train(x, y, batch_size, outputs=outputs)
        equal(train(at_the_end(x), at_the_end(y), batch_size, outputs=outputs), expected)


@DTYPES
@BATCH_SIZES
def test_a_single_row_at_the_end_of_the_memory(batch_size, dtype, level, at_the_end):
    for d in WIDTHS:
        x, y = draw(1, d, dtype)
        equal(train(at_the_end(x), at_the_end(y), batch_size), train(x, y, batch_size))


@DTYPES
@BATCH_SIZES
def test_the_alignment_of_the_rows_changes_no_bit(batch_size, dtype, level):
    for d in (100, 257, 1100):
        x, y = draw(61, d, dtype)
        found = []
        for offset in range(0, 64 // x.itemsize, 3):
            memory = np.empty(x.size + 16, x.dtype)
            moved = memory[offset : offset + x.size].reshape(x.shape)
            moved[...] = x
            found.append(train(moved, y, batch_size))
        for other in found[1:]:
            equal(other, found[0])


@DTYPES
@BATCH_SIZES
def test_views_and_files_are_trained_as_their_copies(batch_size, dtype, tmp_path):
    x, y = draw(90, 2 * 333, dtype)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert not mapped.flags.writeable
    equal(train(mapped, y, batch_size), train(x, y, batch_size))
    equal(train(mapped[::2, ::2], y[::2], batch_size), train(x[::2, ::2].copy(), y[::2], batch_size))
    equal(train(np.asfortranarray(x), y, batch_size), train(x, y, batch_size))


@needs_both_fused_levels
@DTYPES
@BATCH_SIZES
@pytest.mark.parametrize("shuffle", [False, True])
def test_v3_and_v4_give_the_same_bits(shuffle, batch_size, dtype):
    for d in WIDTHS:
        x, y = draw(83, d, dtype)
        found = []
        for name in ("v3", "v4"):
            dispatch.select(name)
            found.append(train(x, y, batch_size, shuffle))
        equal(*found)


@DTYPES
@pytest.mark.parametrize("d", [100, 1100])
def test_threads_change_no_bit(d, dtype, level):
    x, y = draw(2003, d, dtype)
    expected = train(x, y, "full", threads=1)
    for threads in (2, 3, 8):
        equal(train(x, y, "full", threads=threads), expected)


@DTYPES
@pytest.mark.parametrize("d", [100, 257, 1100])
def test_a_nan_in_a_row_to_be_prefetched_stays_there(d, dtype, level):
    x, _ = draw(40, d, dtype)
    net = Network(d, [(1, "sigmoid")], loss="sse", dtype=dtype, seed=4)
    expected = net.predict(x)
    for row in (0, 23, 39):
        spoiled = x.copy()
        spoiled[row, d - 1] = np.nan
        found = net.predict(spoiled)
        assert np.isnan(found[row]).all()
        equal(np.delete(found, row, 0), np.delete(expected, row, 0))
