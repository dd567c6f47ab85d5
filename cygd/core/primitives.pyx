# cython: wraparound=True
"""The equations of a layer as functions over arrays.

Every function takes arrays of two dimensions (n_samples, n_units), or of one: one row, or one unit.
The result is float32 if all arrays are float32 or float16, else float64; integers become float64. Strided,
Fortran-ordered, byte-swapped, misaligned and read-only arrays are read in place or converted;
None, masked, object and complex arrays raise a TypeError.

All checks are here, before the kernels, so that the kernels need none.
"""

from cpython.pycapsule cimport (
    PyCapsule_CheckExact, PyCapsule_GetContext, PyCapsule_GetName, PyCapsule_GetPointer, PyCapsule_New,
)

from cygd.core cimport dispatch

import sys

import numpy as np

from cygd.core import _f32, _f64

__all__ = [
    "activate",
    "derivative",
    "error_term",
    "hidden_error_term",
    "net_input",
    "output",
    "sse",
    "weight_step",
]

cdef Py_ssize_t LINE = 64       # bytes; the rows of a right-hand matrix are padded to a multiple


cdef block_f32 activation_f32(str name) except NULL:
    return <block_f32> <size_t> _f32.addresses(name)[0]


cdef block_f64 activation_f64(str name) except NULL:
    return <block_f64> <size_t> _f64.addresses(name)[0]


cdef derivative_f32 activation_derivative_f32(str name) except NULL:
    return <derivative_f32> <size_t> _f32.addresses(name)[1]


cdef derivative_f64 activation_derivative_f64(str name) except NULL:
    return <derivative_f64> <size_t> _f64.addresses(name)[1]


cdef object capsule(void *address, const char *name):
    if address == NULL:
        raise ValueError(f"{(<bytes> name).decode()}: the function is NULL")
    return PyCapsule_New(address, name, NULL)


cdef object block_capsule_f32(block_f32 f):
    return capsule(<void *> f, "cygd.block_f32.v1")


cdef object block_capsule_f64(block_f64 f):
    return capsule(<void *> f, "cygd.block_f64.v1")


cdef object derivative_capsule_f32(derivative_f32 df):
    return capsule(<void *> df, "cygd.derivative_f32.v1")


cdef object derivative_capsule_f64(derivative_f64 df):
    return capsule(<void *> df, "cygd.derivative_f64.v1")


def read_capsule(given):
    """Return the name (or None), pointer and context of a capsule; None if the object is not a capsule."""
    cdef const char *name
    if not PyCapsule_CheckExact(given):
        return None
    name = PyCapsule_GetName(given)
    text = None if name == NULL else (<bytes> name).decode("utf-8", "replace")
    return text, <size_t> PyCapsule_GetPointer(given, name), <size_t> PyCapsule_GetContext(given)


cdef float sse_f32(const float *y, const float *y_hat, Py_ssize_t n) noexcept nogil:
    cdef float difference[1024]
    cdef double total = 0
    cdef Py_ssize_t i, m
    for i in range(0, n, 1024):
        m = min(n - i, 1024)
        dispatch.kernels_f32.subtract(y + i, y_hat + i, difference, m)
        total += dispatch.kernels_f32.square_sum(difference, m)
    return <float> (0.5 * total)


cdef double sse_f64(const double *y, const double *y_hat, Py_ssize_t n) noexcept nogil:
    cdef double difference[1024]
    cdef double total = 0
    cdef Py_ssize_t i, m
    for i in range(0, n, 1024):
        m = min(n - i, 1024)
        dispatch.kernels_f64.subtract(y + i, y_hat + i, difference, m)
        total += dispatch.kernels_f64.square_sum(difference, m)
    return 0.5 * total


include "array_conversion.pxi"
include "fast_path.pxi"


# the equations ------------------------------------------------------------------------------------

def net_input(x, w, b=None):
    """Return h, the net input of a layer's units: h_j = sum_i w_ij x_i + b_j.

    Parameters
    ----------
    x : array of shape (n_samples, n_inputs) or (n_inputs,)
    w : array of shape (n_inputs, n_outputs) or (n_inputs,)
        One dimension is one unit.
    b : array of shape (n_outputs,), optional

    Returns
    -------
    array of shape (n_samples, n_outputs)
        Without the axis that x or w does not have.

    Raises
    ------
    TypeError
        For None, masked, object and complex arrays.
    ValueError
        For shapes that do not match.

    Examples
    --------
    >>> float(net_input([1.0, 2.0], [0.5, -0.5]))
    -0.5
    """
    arrays = {"x": x, "w": w} if b is None else {"x": x, "w": w, "b": b}
    module, ready = to_common_dtype(arrays)
    x, w = ready[0], ready[1]
    if x.ndim == 0 or w.ndim == 0:
        raise ValueError("x and w: expected one or two dimensions, got 0")
    rows = x.reshape(1, -1) if x.ndim == 1 else x
    weights = w.reshape(-1, 1) if w.ndim == 1 else w
    if rows.shape[1] != weights.shape[0]:
        raise ValueError(f"x has shape {x.shape} and w {w.shape}: {rows.shape[1]} inputs, "
                         f"but weights for {weights.shape[0]}")
    bias = None if b is None else ready[2].reshape(-1)
    if bias is not None and bias.shape[0] != weights.shape[1]:
        raise ValueError(f"b has {bias.shape[0]} values for {weights.shape[1]} units")
    h = affine(module, rows, weights, bias)
    return h.reshape(x.shape[:-1] + w.shape[1:])[()]


def output(x, w, b=None, activation="sigmoid"):
    """Return y_hat = f(h), the output of a layer.

    Parameters
    ----------
    x, w, b
        As in `net_input`.
    activation : str
        The name of a built-in activation.

    Examples
    --------
    >>> float(output([1.0, 2.0], [0.5, -0.5]))
    0.37754066879814546
    """
    return activate(net_input(x, w, b), activation)[()]


def sse(y, y_hat):
    """Return the sum of squared errors with the factor 1/2: 1/2 sum (y - y_hat)^2.

    Parameters
    ----------
    y, y_hat : arrays of the same shape

    Returns
    -------
    float
        Not averaged; summed in a fixed order, in blocks of 1024 whose sums are added in double.

    Examples
    --------
    >>> sse([1.0, 2.0], [0.0, 4.0])
    2.5
    """
    module, (y, y_hat) = to_common_dtype({"y": y, "y_hat": y_hat})
    check_same_shape("y", y, "y_hat", y_hat)
    return module.sse(y.reshape(-1), y_hat.reshape(-1))


def error_term(y, y_hat, h, activation="sigmoid", loss="sse"):
    """Return delta of the output layer: delta_j = -dE/dy_hat_j f'(h_j); for SSE (y - y_hat) f'(h).

    Sigmoid with binary_cross_entropy and softmax with cross_entropy are computed in their fused
    form, y - y_hat times the factor of the loss's mean.

    Parameters
    ----------
    y, y_hat, h : arrays of the same shape, (n_samples, n_outputs) or (n_outputs,)
    activation, loss : str
        Names of built-ins. A loss that averages divides by the size of the arrays.

    Examples
    --------
    >>> round(float(error_term(0.5, 0.37754066879814546, -0.5)), 10)
    0.0287783974
    """
    module, (y, y_hat, h) = to_common_dtype({"y": y, "y_hat": y_hat, "h": h})
    check_same_shape("y", y, "y_hat", y_hat)
    check_same_shape("y", y, "h", h)
    parameter_values(activation, module, None)
    entries = {entry["name"]: entry for entry in module.names()["losses"]}
    if loss not in entries:
        raise ValueError(f"unknown loss {loss!r}: one of {', '.join(sorted(entries))}")
    n_rows = 1 if y.ndim < 2 else y.shape[0]
    divisor = {"sum": 1, "mean": max(y.size, 1), "mean_rows": max(n_rows, 1)}[entries[loss]["reduction"]]
    delta = np.empty_like(y)
    if not y.size:
        return delta
    if module.has_fused_loss(activation, loss):
        blocks = [to_block(a.reshape(n_rows, -1), module) for a in (y, y_hat)]
        block = np.empty_like(blocks[0])
        module.fused_delta(activation, loss, *blocks, block)
        delta = from_block(block, n_rows, y.shape)
    else:
        module.loss_block(loss, y.reshape(-1), y_hat.reshape(-1), delta.reshape(-1), True)
        delta = backprop_activation(module, h, y_hat, delta, activation)
        divisor = -divisor
    if divisor != 1:
        module.scale(1 / divisor, delta.reshape(-1), delta.reshape(-1))
    return delta[()]


def hidden_error_term(w, delta, h, activation="sigmoid"):
    """Return delta of the layer below: delta_i = f'(h_i) sum_j w_ij delta_j.

    Parameters
    ----------
    w : array of shape (n_inputs, n_outputs) or (n_inputs,)
        The weights of the layer whose error term is known.
    delta : array of shape (n_samples, n_outputs)
        Its error term; without the axis that w or h does not have.
    h : array of shape (n_samples, n_inputs) or (n_inputs,)
        The net input of the layer below.
    activation : str
        The activation of the layer below.

    Examples
    --------
    >>> hidden_error_term([[2.0], [1.0]], [0.5], [0.0, 0.0], "identity").tolist()
    [1.0, 0.5]
    """
    module, (w, delta, h) = to_common_dtype({"w": w, "delta": delta, "h": h})
    if w.ndim == 0 or h.ndim == 0:
        raise ValueError("w and h: expected one or two dimensions, got 0")
    weights = w.reshape(-1, 1) if w.ndim == 1 else w
    below = h.reshape(1, -1) if h.ndim == 1 else h
    expected = h.shape[:-1] + w.shape[1:]
    if below.shape[1] != weights.shape[0]:
        raise ValueError(f"h has shape {h.shape} and w {w.shape}: {below.shape[1]} units below, "
                         f"but weights for {weights.shape[0]}")
    if delta.shape != expected:
        raise ValueError(f"delta has shape {delta.shape}, expected {expected}")
    parameter_values(activation, module, None)
    error = delta.reshape(below.shape[0], weights.shape[1])
    g = affine(module, error, np.ascontiguousarray(weights.T), None).reshape(h.shape)
    y_hat = activation_value(module, h, activation, None)
    return backprop_activation(module, h, y_hat, g, activation)


def weight_step(x, delta, learning_rate):
    """Return the step of a layer's weights: Delta w_ij = eta sum_mu delta_j x_i.

    Parameters
    ----------
    x : array of shape (n_samples, n_inputs) or (n_inputs,)
    delta : array of shape (n_samples, n_outputs)
        The error term. With one dimension fewer than x it belongs to one unit.
    learning_rate : float

    Returns
    -------
    array of the shape of w
        To be added to w.

    Examples
    --------
    >>> weight_step([1.0, 2.0], [0.5], 0.1).tolist()
    [[0.05], [0.1]]
    """
    module, (x, delta) = to_common_dtype({"x": x, "delta": delta})
    if x.ndim == 0:
        raise ValueError("x: expected one or two dimensions, got 0")
    rows = x.reshape(1, -1) if x.ndim == 1 else x
    one_unit = delta.ndim == x.ndim - 1
    if not (one_unit or delta.ndim == x.ndim) or (x.ndim == 2 and delta.shape[0] != x.shape[0]):
        raise ValueError(f"x has shape {x.shape} and delta {delta.shape}: they must have the same rows")
    error = delta.reshape(rows.shape[0], -1) if rows.shape[0] else \
        delta.reshape(0, 1 if one_unit else delta.shape[1])
    step = np.zeros((rows.shape[1], error.shape[1]), x.dtype)
    if step.size and rows.shape[0]:
        module.matmul(rows.T, pad_columns(error), step)
        module.scale(float(learning_rate), step.reshape(-1), step.reshape(-1))
    return step.reshape(-1) if one_unit else step


def activate(h, activation, out=None, parameters=None):
    """Return f(h) of a built-in activation, element by element (softmax: row by row).

    Parameters
    ----------
    h : array of one or two dimensions
    activation : str
    out : array, optional
        Receives the result. May be h itself, but must not overlap it otherwise.
    parameters : mapping, optional
        Values of the activation's parameters, such as ``{"slope": 0.1}``.

    Examples
    --------
    >>> activate([-1.0, 0.0, 2.0], "relu").tolist()
    [0.0, 0.0, 2.0]
    """
    if parameters is None and try_fast_path(h, activation, out, False):
        return out
    module, (ready,) = to_common_dtype({"h": h})
    return write_out(out, activation_value(module, ready, activation, parameters), [h])


def derivative(h, activation, out=None, parameters=None):
    """Return f'(h) of a built-in activation; at a kink, the convention in docs/defaults.md.

    Parameters
    ----------
    h, activation, out, parameters
        As in `activate`.

    Examples
    --------
    >>> derivative([-1.0, 0.0, 2.0], "relu").tolist()
    [0.0, 0.0, 1.0]
    """
    if parameters is None and try_fast_path(h, activation, out, True):
        return out
    module, (ready,) = to_common_dtype({"h": h})
    return write_out(out, activation_derivative(module, ready, activation, parameters), [h])
