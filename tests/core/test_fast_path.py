"""The short way of activate and derivative, for plain arrays: the bits of the long way, and its refusals."""

import sys
import threading

import numpy as np
import pytest

from cygd import core
from cygd.components.activations import ACTIVATIONS
from cygd.core import dispatch

NAMES = [activation.name for activation in ACTIVATIONS if not activation.rowwise]
STACK_BLOCK, NOGIL_SIZE = 1024, 1 << 15  # as in fast_path.pxi
CALLS = {"activate": core.activate, "derivative": core.derivative}

both_calls = pytest.mark.parametrize("call", CALLS)
both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


def numbers(n, dtype):
    h = (3 * np.random.default_rng(n).normal(size=n)).astype(dtype)
    h[:: max(n // 3, 1)] = np.nan
    return h


def assert_same_bits(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@both_calls
@both_types
@pytest.mark.parametrize("name", NAMES)
def test_the_bits_of_the_long_way(call, dtype, name, level):
    for n in (
        1,
        7,
        8,
        16,
        17,
        STACK_BLOCK - 1,
        STACK_BLOCK,
        STACK_BLOCK + 1,
        2 * STACK_BLOCK + 3,
        NOGIL_SIZE - 1,
        NOGIL_SIZE,
    ):
        h = numbers(n, dtype)
        out, before = np.full_like(h, 7), h.copy()
        assert CALLS[call](h, name, out) is out
        assert_same_bits(out, CALLS[call](h, name))  # without out: the long way
        assert_same_bits(h, before)


@both_calls
@both_types
@pytest.mark.parametrize("name", NAMES)
def test_over_the_input_itself(call, dtype, name):
    for n in (5, STACK_BLOCK + 1, NOGIL_SIZE + 1):
        h = numbers(n, dtype)
        expected = CALLS[call](h, name)
        CALLS[call](h, name, h)
        assert_same_bits(h, expected)
        again = numbers(n, dtype)
        CALLS[call](again, name, again[:])
        assert_same_bits(again, expected)


@both_calls
def test_nothing_behind_the_end_is_written(call):
    for n in (1, 9, STACK_BLOCK + 1):
        memory = np.full(n + 9, 7.0)
        CALLS[call](numbers(n, "float64"), "sigmoid", memory[:n])
        assert (memory[n:] == 7).all()


@both_calls
def test_neighbours_in_one_piece_of_memory_do_not_overlap(call):
    memory = numbers(40, "float64")
    expected = CALLS[call](memory[:20], "tanh")
    CALLS[call](memory[:20], "tanh", memory[20:])
    assert_same_bits(memory[20:], expected)
    expected = CALLS[call](memory[20:], "silu")
    CALLS[call](memory[20:], "silu", memory[:20])
    assert_same_bits(memory[:20], expected)


@both_calls
@pytest.mark.parametrize("shift", [-1, 1, 19])
def test_an_overlap_is_refused_and_changes_nothing(call, shift):
    memory = numbers(60, "float64")
    before = memory.copy()
    with pytest.raises(ValueError, match="out overlaps the input"):
        CALLS[call](memory[20:40], "tanh", memory[20 + shift : 40 + shift])
    assert_same_bits(memory, before)


@both_calls
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (0,), (0, 4), (4, 0)])
def test_shapes(call, shape):
    h = np.random.default_rng(0).normal(size=shape)
    out = np.empty(shape)
    assert CALLS[call](h, "softplus", out) is out
    assert_same_bits(out, CALLS[call](h, "softplus"))


@both_calls
@pytest.mark.parametrize(("h", "out"), [((6,), (2, 3)), ((2, 3), (3, 2)), ((1, 6), (6,)), ((5,), (6,))])
def test_a_shape_of_its_own_is_refused(call, h, out):
    with pytest.raises(ValueError, match="out has shape"):
        CALLS[call](np.zeros(h), "tanh", np.empty(out))


@both_calls
@pytest.mark.parametrize(
    "unusual",
    [
        lambda h: h.astype(">f8"),
        lambda h: np.asfortranarray(h),
        lambda h: h[:, ::-1],
        lambda h: np.frombuffer(b"x" + h.tobytes(), np.uint8)[1:].view("f8").reshape(h.shape),
        lambda h: h.view(type("Own", (np.ndarray,), {})),
        lambda h: h.tolist(),
        lambda h: h.astype(int),
        lambda h: h.astype("f2"),
    ],
    ids=["swapped", "Fortran", "backwards", "misaligned", "subclass", "list", "int", "half"],
)
def test_what_needs_conversion_goes_the_long_way(call, unusual):
    h = unusual(np.random.default_rng(1).normal(size=(6, 4)))
    expected = CALLS[call](h, "mish")
    out = np.empty_like(expected, order="C")
    CALLS[call](h, "mish", out)
    assert_same_bits(out, expected)


@both_calls
def test_read_only_input_is_taken_and_read_only_out_refused(call):
    h = np.random.default_rng(2).normal(size=9)
    frozen = h.copy()
    frozen.flags.writeable = False
    out = np.empty(9)
    CALLS[call](frozen, "gelu", out)
    assert_same_bits(out, CALLS[call](h, "gelu"))
    with pytest.raises(ValueError, match="out is read-only"):
        CALLS[call](h, "gelu", frozen)


@both_calls
def test_masked_arrays_none_and_unknown_names_are_refused(call):
    out = np.empty(3)
    with pytest.raises(TypeError, match="masked arrays"):
        CALLS[call](np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]), "relu", out)
    with pytest.raises(TypeError, match="got None"):
        CALLS[call](None, "relu", out)
    with pytest.raises(ValueError, match="unknown activation 'rule'"):
        CALLS[call](np.zeros(3), "rule", out)
    with pytest.raises(ValueError, match="expected one or two dimensions, got 3"):
        CALLS[call](np.zeros((1, 3, 1)), "relu", np.empty((1, 3, 1)))


def test_softmax_goes_by_rows():
    h, out = np.random.default_rng(3).normal(size=(4, 5)), np.empty((4, 5))
    core.activate(h, "softmax", out)
    assert_same_bits(out, core.activate(h, "softmax"))
    with pytest.raises(ValueError, match="no elementwise derivative"):
        core.derivative(h, "softmax", out)


@both_calls
def test_parameters_are_heeded(call):
    h, out = np.array([-2.0, 3.0]), np.empty(2)
    CALLS[call](h, "leaky_relu", out, {"slope": 0.25})
    assert out.tolist() == ([-0.5, 3.0] if call == "activate" else [0.25, 1.0])
    CALLS[call](h, "leaky_relu", out)
    assert out.tolist() == ([-0.02, 3.0] if call == "activate" else [0.01, 1.0])


@both_calls
def test_the_selected_level_computes(call):
    h, out = np.random.default_rng(4).normal(size=5000), np.empty(5000)
    found = {}
    for level in dispatch.levels():
        dispatch.select(level)
        CALLS[call](h, "gelu", out)
        found[level] = out.copy()
        assert_same_bits(out, CALLS[call](h, "gelu"))
    if {"v3", "v4"} <= found.keys():
        assert_same_bits(found["v3"], found["v4"])


def test_no_reference_is_kept_or_lost():
    h, out, name = np.zeros(10), np.empty(10), "".join(["si", "lu"])
    before = [sys.getrefcount(item) for item in (h, out, name)]
    for _ in range(100):
        core.activate(h, name, out)
        core.derivative(h, name, out)
        with pytest.raises(ValueError, match="out has shape"):
            core.activate(h, name, out[:5])
    assert [sys.getrefcount(item) for item in (h, out, name)] == before
    h.resize(20, refcheck=False)  # no buffer is still held


def test_threads_compute_side_by_side():
    h = np.random.default_rng(5).normal(size=3 * NOGIL_SIZE)
    expected, wrong = core.derivative(h, "tanh"), []

    def work():
        out = np.empty_like(h)
        for _ in range(20):
            core.derivative(h, "tanh", out)
            if not np.array_equal(out, expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
