"""The equations as functions over arrays: worked values, the reference, and every kind of array."""

import numpy as np
import pytest

from cygd import core
from cygd.components.activations import ACTIVATIONS
from cygd.components.losses import LOSSES
from tests.helpers.reference import ACTIVATIONS as FORMULAS
from tests.helpers.reference import LOSSES as LOSS_FORMULAS
from tests.helpers.reference import Layer, softmax

RNG = np.random.default_rng(0)
ELEMENTWISE = [activation.name for activation in ACTIVATIONS if not activation.rowwise]
X, W, B = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=4)
H = RNG.normal(size=(5, 4))


# worked values ------------------------------------------------------------------------------------


def test_two_variables_by_hand():
    assert core.net_input([2.0], [1.0]) == 2
    assert core.weight_step([2.0], 1.0, 0.1).tolist() == [0.2]


def test_the_sigmoid_unit_by_hand():
    x, w, y = np.array([1.0, 2.0]), np.array([0.5, -0.5]), 0.5
    h = core.net_input(x, w)
    assert h == -0.5
    y_hat = core.output(x, w)
    assert abs(y_hat - 0.37754066879814546) <= 4 * np.spacing(y_hat)
    assert abs(y - y_hat - 0.12245933120185454) <= 4 * np.spacing(y_hat)
    delta = core.error_term(y, y_hat, h)
    step = core.weight_step(x, delta, 0.5)
    np.testing.assert_allclose(step, [0.01438920, 0.02877840], atol=5e-9)
    np.testing.assert_allclose(step, 0.5 * (y - y_hat) * y_hat * (1 - y_hat) * x, rtol=1e-15)


def test_the_sum_of_squared_errors_has_the_half_and_is_not_averaged():
    assert core.sse([[1.0, 2.0], [3.0, 4.0]], np.zeros((2, 2))) == 15
    assert core.sse([], []) == 0
    assert core.sse(3.0, 1.0) == 2


# the reference ------------------------------------------------------------------------------------


@pytest.mark.parametrize("b", [None, B])
def test_net_inputs_and_outputs(b, level):
    h = X @ W + (0 if b is None else b)
    np.testing.assert_allclose(core.net_input(X, W, b), h, rtol=1e-13)
    np.testing.assert_allclose(core.output(X, W, b), 1 / (1 + np.exp(-h)), rtol=1e-13)
    np.testing.assert_allclose(core.output(X, W, b, "softmax"), softmax(h), rtol=1e-13)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activations_and_derivatives(name, level):
    f, df, _ = FORMULAS[name]
    np.testing.assert_allclose(core.activate(H, name), f(H), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(core.derivative(H, name), df(H), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", [loss.name for loss in LOSSES])
@pytest.mark.parametrize("name", ["identity", "sigmoid", "gelu", "softmax"])
def test_error_terms(name, loss, level):
    y = {"hinge": np.sign(H), "squared_hinge": np.sign(H)}.get(loss, softmax(2 * H))
    layer = Layer(W, B, name)
    y_hat = layer.forward(X)
    if loss in ("poisson", "binary_cross_entropy", "cross_entropy"):
        y_hat = layer.y_hat = np.clip(y_hat, 0.1, 0.9) if name in ("identity", "gelu") else y_hat
    _, dl, reduction = LOSS_FORMULAS[loss]
    divisor = {"sum": 1, "mean": y.size, "mean_rows": len(y)}[reduction]
    expected = -layer.delta(dl(y, y_hat)) / divisor
    found = core.error_term(y, y_hat, layer.h, name, loss)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", [*ELEMENTWISE, "softmax"])
def test_hidden_error_terms(name, level):
    layer = Layer(np.eye(3), None, name)
    layer.forward(X)
    delta = RNG.normal(size=(5, 4))
    expected = layer.delta(delta @ W.T)
    np.testing.assert_allclose(core.hidden_error_term(W, delta, X, name), expected, rtol=1e-12, atol=1e-13)


def test_weight_steps(level):
    delta = RNG.normal(size=(5, 4))
    np.testing.assert_allclose(core.weight_step(X, delta, 0.3), 0.3 * X.T @ delta, rtol=1e-13)


# dimensions ---------------------------------------------------------------------------------------


def test_one_dimension_is_one_row_or_one_unit():
    rows, row = core.net_input(X, W, B), core.net_input(X[0], W, B)
    unit, number = core.net_input(X, W[:, 0], B[:1]), core.net_input(X[0], W[:, 0], B[0])
    assert (rows.shape, row.shape, unit.shape, np.shape(number)) == ((5, 4), (4,), (5,), ())
    np.testing.assert_array_equal(row, rows[0])
    np.testing.assert_array_equal(unit, rows[:, 0])
    assert number == rows[0, 0]


def test_error_terms_have_the_dimensions_of_what_they_are_given():
    h = core.net_input(X, W)
    whole = core.hidden_error_term(W, h, X, "tanh")
    np.testing.assert_array_equal(core.hidden_error_term(W, h[0], X[0], "tanh"), whole[0])
    unit = core.hidden_error_term(W[:, 0], h[:, 0], X, "tanh")
    np.testing.assert_array_equal(unit, core.hidden_error_term(W[:, :1], h[:, :1], X, "tanh"))
    assert core.hidden_error_term(W[:, 0], h[0, 0], X[0]).shape == (3,)


def test_weight_steps_have_the_shape_of_the_weights():
    assert core.weight_step(X, H, 1.0).shape == (3, 4)
    assert core.weight_step(X, H[:, 0], 1.0).shape == (3,)
    assert core.weight_step(X[0], H[0], 1.0).shape == (3, 4)
    assert core.weight_step(X[0], H[0, 0], 1.0).shape == (3,)
    np.testing.assert_array_equal(core.weight_step(X, H[:, 0], 1.0), core.weight_step(X, H[:, :1], 1.0)[:, 0])


def test_empty_arrays_give_empty_results():
    assert core.net_input(np.empty((0, 3)), W).shape == (0, 4)
    assert core.net_input(np.empty((2, 0)), np.empty((0, 4)), B).tolist() == [B.tolist()] * 2
    assert core.output(np.empty((0, 3)), W, activation="softmax").shape == (0, 4)
    assert core.activate([], "tanh").shape == core.derivative([], "tanh").shape == (0,)
    assert core.activate(np.empty((0, 3)), "softmax").shape == (0, 3)
    nothing = np.empty((0, 4))
    assert core.error_term(nothing, nothing, nothing, "softmax", "cross_entropy").shape == (0, 4)
    assert core.hidden_error_term(W, nothing, np.empty((0, 3))).shape == (0, 3)
    assert core.weight_step(np.empty((0, 3)), nothing, 1.0).tolist() == np.zeros((3, 4)).tolist()


def test_softmax_has_no_derivative_element_by_element():
    with pytest.raises(ValueError, match="softmax has no elementwise derivative: every output depends on"):
        core.derivative(H, "softmax")


def test_parameters_are_taken_by_name():
    assert core.activate([-1.0], "leaky_relu", parameters={"slope": 0.5}).tolist() == [-0.5]
    assert core.derivative([-1.0], "leaky_relu", parameters={"slope": 0.5}).tolist() == [0.5]
    with pytest.raises(ValueError, match="activation 'leaky_relu' has no parameter 'slop'"):
        core.activate([-1.0], "leaky_relu", parameters={"slop": 0.5})


# arrays of every make -----------------------------------------------------------------------------


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def misaligned(array):
    raw = bytearray(1) + bytearray(array.tobytes())
    return np.frombuffer(raw, array.dtype, array.size, offset=1).reshape(array.shape)


def memory_mapped(array, folder):
    np.save(folder / "array.npy", array)
    return np.load(folder / "array.npy", mmap_mode="r")


MAKES = {
    "lists": lambda a, folder: a.tolist(),
    "Fortran": lambda a, folder: np.asfortranarray(a),
    "strided rows": lambda a, folder: np.repeat(a, 2, axis=0)[::2],
    "strided columns": lambda a, folder: np.repeat(a.T, 3, axis=0)[::3].T,
    "backwards": lambda a, folder: np.ascontiguousarray(a[::-1])[::-1],
    "read-only": lambda a, folder: read_only(a),
    "memory-mapped": memory_mapped,
    "big-endian": lambda a, folder: a.astype(a.dtype.newbyteorder(">")),
    "misaligned": lambda a, folder: misaligned(a),
}

# every function, as a function of one array of shape (5, 4) and its dtype
CALLS = {
    "net_input x": lambda a: core.net_input(a, np.ones((4, 2), "f4")),
    "net_input w": lambda a: core.net_input(np.ones((2, 5), "f4"), a),
    "output": lambda a: core.output(a, np.ones((4, 2), "f4"), None, "softmax"),
    "sse": lambda a: core.sse(a, np.zeros((5, 4), "f4")),
    "error_term": lambda a: core.error_term(np.ones((5, 4), "f4"), np.ones((5, 4), "f4"), a),
    "hidden_error_term": lambda a: core.hidden_error_term(a, np.ones(4, "f4"), np.ones(5, "f4")),
    "weight_step": lambda a: core.weight_step(a, np.ones((5, 2), "f4"), 0.5),
    "activate": lambda a: core.activate(a, "tanh"),
    "derivative": lambda a: core.derivative(a, "tanh"),
}


@pytest.mark.parametrize(
    ("make", "dtype"),
    [("lists", "f8"), *((make, dtype) for make in MAKES if make != "lists" for dtype in ("f8", "f4"))],
)
@pytest.mark.parametrize("call", CALLS)
def test_arrays_of_every_make_give_the_same_bits(call, make, dtype, tmp_path):
    plain = H.astype(dtype)
    before = plain.copy()
    expected, found = CALLS[call](plain), CALLS[call](MAKES[make](plain, tmp_path))
    np.testing.assert_array_equal(found, expected)
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(plain, before)


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ("float32", "float32"),
        ("float64", "float64"),
        ("float16", "float32"),
        ("longdouble", "float64"),
        ("int8", "float64"),
        ("uint64", "float64"),
        ("bool", "float64"),
        (">f4", "float32"),
    ],
)
def test_the_dtype_of_results(given, result):
    h = np.array([[0, 1], [1, 0]]).astype(given)
    expected = core.activate(h.astype(result), "tanh")
    assert core.activate(h, "tanh").dtype == np.dtype(result)
    np.testing.assert_array_equal(core.activate(h, "tanh"), expected)


def test_float32_stays_float32_when_all_arrays_are():
    small, large = np.ones((2, 2), "f4"), np.ones((2, 2))
    assert core.net_input(small, small).dtype == np.float32
    assert core.net_input(small, large).dtype == core.net_input(large, small).dtype == np.float64
    assert core.net_input(small, small, np.ones(2)).dtype == np.float64
    assert core.weight_step(small, small, 0.1).dtype == np.float32


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (None, "expected an array, got None"),
        (np.ma.array(H), r"masked arrays are not supported; fill it first \("),
        (list(np.ma.array(H)), r"masked arrays are not supported; fill it first \("),
        (H.astype(object), "expected real numbers, got dtype object"),
        (H.astype(complex), "expected real numbers, got dtype complex128"),
        (H.astype(str), "expected real numbers, got dtype <U"),
        (H.astype("M8[D]"), r"expected real numbers, got dtype datetime64\[D\]"),
        ({1.0}, "expected real numbers, got dtype object"),
    ],
    ids=["None", "masked", "list of masked", "object", "complex", "text", "dates", "set"],
)
def test_what_is_no_array_of_real_numbers_is_refused_by_name(call, array, message):
    with pytest.raises(TypeError, match=rf"^(x|w|y|h): {message}"):
        CALLS[call](array)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: core.net_input(X, W[:2]), r"x has shape \(5, 3\) and w \(2, 4\): 3 inputs, but weights"),
        (lambda: core.net_input(X, W, B[:3]), "b has 3 values for 4 units"),
        (lambda: core.net_input(1.0, W), "x and w: expected one or two dimensions, got 0"),
        (lambda: core.net_input(X[None], W), "x: expected one or two dimensions, got 3"),
        (lambda: core.activate(X[None], "tanh"), "h: expected one or two dimensions, got 3"),
        (lambda: core.sse(X, X[:2]), r"y has shape \(5, 3\), y_hat has shape \(2, 3\): they must be equal"),
        (lambda: core.sse(X, X[:, 0]), r"y has shape \(5, 3\), y_hat has shape \(5,\): they must be equal"),
        (lambda: core.error_term(H, H, X), r"y has shape \(5, 4\), h has shape \(5, 3\): they must be equal"),
        (lambda: core.hidden_error_term(W, H, H), r"h has shape \(5, 4\) and w \(3, 4\): 4 units below"),
        (lambda: core.hidden_error_term(W, H[:2], X), r"delta has shape \(2, 4\), expected \(5, 4\)"),
        (lambda: core.weight_step(X, H[:2], 1.0), r"x has shape \(5, 3\) and delta \(2, 4\): they must have"),
        (lambda: core.weight_step(1.0, H, 1.0), "x: expected one or two dimensions, got 0"),
        (lambda: core.activate(H, "rleu"), "unknown activation 'rleu': one of celu, elu, gaussian"),
        (lambda: core.derivative(H, "rleu"), "unknown activation 'rleu': one of celu"),
        (lambda: core.output(X, W, B, "rleu"), "unknown activation 'rleu'"),
        (lambda: core.error_term(H, H, H, "rleu"), "unknown activation 'rleu'"),
        (lambda: core.error_term(H, H, H, loss="ssse"), "unknown loss 'ssse': one of binary_cross_entropy"),
        (lambda: core.hidden_error_term(W, H, X, "rleu"), "unknown activation 'rleu'"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", [activation.name for activation in ACTIVATIONS])
def test_nan_stays_nan_and_infinity_does_no_harm_to_others(name, level):
    h = RNG.normal(size=(9, 3))
    expected = core.activate(h, name)
    for special in (np.nan, np.inf, -np.inf):
        spoilt = h.copy()
        spoilt[4] = special
        found = core.activate(spoilt, name)
        assert np.isnan(found[4]).all() or not np.isnan(special)
        np.testing.assert_array_equal(np.delete(found, 4, 0), np.delete(expected, 4, 0))


# out ----------------------------------------------------------------------------------------------

INTO = {"activate": core.activate, "derivative": core.derivative}
into = pytest.mark.parametrize("call", INTO)


@into
def test_out_is_filled_and_returned(call):
    out = np.empty((5, 4))
    assert INTO[call](H, "tanh", out=out) is out
    np.testing.assert_array_equal(out, INTO[call](H, "tanh"))


@into
@pytest.mark.parametrize("name", ["tanh", "gaussian", "sin"])
def test_out_may_be_the_input_itself(call, name):
    expected = INTO[call](H, name)
    for view in (lambda h: h, lambda h: h[:]):
        h = H.copy()
        INTO[call](h, name, out=view(h))
        np.testing.assert_array_equal(h, expected)


def test_out_may_be_the_input_of_a_rowwise_activation():
    h = H.copy()
    core.activate(h, "softmax", out=h)
    np.testing.assert_array_equal(h, core.activate(H, "softmax"))


@into
def test_out_may_have_any_strides(call):
    for out in (np.empty((4, 5)).T, np.empty((10, 4))[::2], np.empty((5, 12))[:, ::3]):
        INTO[call](H, "tanh", out=out)
        np.testing.assert_array_equal(out, INTO[call](H, "tanh"))


@into
def test_out_may_lie_between_the_elements_of_the_input(call):
    memory = np.repeat(H, 2, axis=1)
    INTO[call](memory[:, ::2], "tanh", out=memory[:, 1::2])
    np.testing.assert_array_equal(memory[:, ::2], H)
    np.testing.assert_array_equal(memory[:, 1::2], INTO[call](H, "tanh"))


@into
@pytest.mark.parametrize(
    "out",
    [lambda m: m[1:5], lambda m: m[:4, ::-1], lambda m: m[:4].T, lambda m: m[3::-1]],
    ids=["shifted", "columns backwards", "transposed", "rows backwards"],
)
def test_an_out_that_overlaps_the_input_otherwise_is_refused(call, out):
    memory = RNG.normal(size=(6, 4))
    before = memory.copy()
    with pytest.raises(ValueError, match="out overlaps the input: pass the input itself, or separate memory"):
        INTO[call](memory[:4], "tanh", out=out(memory))
    np.testing.assert_array_equal(memory, before)


@into
@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.empty((5, 3)), ValueError, r"out has shape \(5, 3\) and dtype float64, expected \(5, 4\) and"),
        (np.empty((5, 4), "f4"), ValueError, "out has shape .* and dtype float32, expected .* and float64"),
        (np.empty((5, 4), ">f8"), ValueError, "out has shape .* and dtype >f8, expected .* and float64"),
        (np.empty((5, 4), int), ValueError, "out has shape .* and dtype int64, expected .* and float64"),
        (read_only(H), ValueError, "out is read-only"),
        ([0.0], TypeError, "out: expected an array, got list"),
    ],
)
def test_an_unfit_out_is_refused(call, out, error, message):
    with pytest.raises(error, match=message):
        INTO[call](H, "tanh", out=out)
