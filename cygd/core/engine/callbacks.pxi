# Components as the engine calls them: kernels directly, Python functions through callbacks.
#
# Every activation and every loss, built-in or from a plugin, is a block function with a `void *data`. For a
# kernel, data points to its parameters; for a NumPy function it is a `PythonCallback`, which takes the GIL
# once per block. An exception cannot propagate through nogil code, so the callback records it in the engine's
# `CallbackErrors`, and the engine stops at the next chunk and raises it.

from cpython.buffer cimport PyBUF_ND, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.string cimport memcmp, memcpy, memset

from threading import get_ident

import numpy as np


cdef class CallbackErrors:
    """Exceptions raised by Python components, by thread.

    Several calls of one network may run concurrently. A network with Python components runs each call on the
    calling thread, so the thread identifies the call.
    """
    cdef dict by_thread

    def __cinit__(self):
        self.by_thread = {}

    cdef void record(self, where, error):
        """Record the first exception of this thread's call; ignore later ones."""
        self.by_thread.setdefault(get_ident(), (where, error))

    cdef bint raised(self) noexcept nogil:
        """Return True if a component raised in this thread's call."""
        with gil:
            return get_ident() in self.by_thread

    cdef pop(self):
        """Remove and return (where, error) of this thread's call, or None."""
        return self.by_thread.pop(get_ident(), None)


cdef class AlignedBuffer:
    """Memory aligned to 64 bytes, exported to Python as a read-only buffer.

    Arrays over a part of the memory keep it alive.
    """
    cdef char *start
    cdef Py_ssize_t size

    def __cinit__(self, Py_ssize_t size):
        self.size = (size + 127) // 64 * 64
        self.start = <char *> aligned_alloc(64, self.size)
        if self.start == NULL:
            raise MemoryError(f"cannot allocate {size} bytes for blocks and gradients")

    def __dealloc__(self):
        free(self.start)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.start, self.size, True, flags)


cdef object frombuffer = np.frombuffer
cdef object REAL_DTYPE = np.dtype(np.float32 if sizeof(real) == 4 else np.float64)


cdef enum:                          # what `copy_result` found
    NEEDS_CONVERSION, COPIED, COPIED_NAN


cdef class PythonCallback:
    """A component given as Python functions, with its parameters and its position in the network.

    Calling it adds about 1 us to the function itself: the arguments are read-only arrays over the engine's
    own memory, and a contiguous result of the engine's dtype is copied and checked for NaN in one pass.
    """
    cdef object where, function, derivative, backward
    cdef dict parameters
    cdef list accumulators          # those in use: their memory holds the blocks
    cdef CallbackErrors errors
    cdef bint takes_y_hat

    def __init__(self, component, where, CallbackErrors errors, list accumulators):
        self.function = component.function
        self.derivative = component.derivative
        self.backward = getattr(component, "backward", None)
        self.where = where
        self.errors = errors
        self.accumulators = accumulators
        self.parameters = dict(component.parameters)
        self.takes_y_hat = getattr(component, "derivative_takes_y_hat", False)

    cdef void call(self, function, tuple arguments, real *out, Py_ssize_t units, Py_ssize_t rows):
        """Compute out = function(*arguments) and check it; on an error, record it and set out to 0.

        `units` is 0 for an elementwise function over `rows` elements; otherwise the arrays are (rows, units).
        """
        cdef int status
        try:
            values = function(*arguments, **self.parameters) if self.parameters else function(*arguments)
            status = COPIED if units else copy_result(values, out, rows)
            if status == NEEDS_CONVERSION or units:
                status = self.convert_result(values, out, units, rows)
            if status == COPIED_NAN and all(np.isfinite(array).all() for array in arguments):
                raise ValueError("it returned NaN for finite input")
        except BaseException as error:
            self.errors.record(self.where, error)
            memset(out, 0, max(units, 1) * rows * sizeof(real))

    cdef int convert_result(self, values, real *out, Py_ssize_t units, Py_ssize_t rows) except -1:
        """Copy a result of any type that holds real numbers in the expected shape."""
        target = np.asarray(<real[:max(units, 1), :rows]> out).T if units else np.asarray(<real[:rows]> out)
        if values is None:
            raise TypeError("it returned None")
        values = np.asarray(values)
        if values.shape != target.shape:
            raise ValueError(f"it returned shape {values.shape} for input of shape {target.shape}")
        if values.dtype.kind not in "fiub":
            raise TypeError(f"it returned dtype {values.dtype}, not real numbers")
        np.copyto(target, values, casting="unsafe")
        return COPIED_NAN if np.isnan(target).any() else COPIED

    cdef object view(self, const real *p, Py_ssize_t n):
        """Return a block as a read-only one-dimensional array."""
        cdef Accumulators accumulators
        cdef AlignedBuffer memory
        cdef Py_ssize_t offset
        for accumulators in self.accumulators:
            for memory in accumulators.memory:
                offset = <char *> p - memory.start
                if 0 <= offset < memory.size:
                    return frombuffer(memory, REAL_DTYPE, n, offset)
        # not in the engine's memory: copy, because the owner is unknown
        return frombuffer(PyBytes_FromStringAndSize(<char *> p, n * sizeof(real)), REAL_DTYPE)

    cdef object rows_view(self, const real *p, Py_ssize_t units, Py_ssize_t rows):
        """Return a block (units, rows) as a read-only array (rows, units)."""
        return self.view(p, units * rows).reshape(units, rows).T


cdef int copy_result(values, real *out, Py_ssize_t n) except -1:
    """Copy a contiguous array of n elements of the engine's dtype; leave anything else to convert_result."""
    cdef Py_buffer buffer
    cdef Py_ssize_t i
    cdef bint finite
    if type(values) is not np.ndarray or values.dtype is not REAL_DTYPE or not values.flags.c_contiguous:
        return NEEDS_CONVERSION
    PyObject_GetBuffer(values, &buffer, PyBUF_ND)
    try:
        if buffer.ndim != 1 or buffer.shape[0] != n:
            return NEEDS_CONVERSION
        finite = current().copy_finite(<const real *> buffer.buf, out, n)
    finally:
        PyBuffer_Release(&buffer)
    if not finite:
        for i in range(n):
            if out[i] != out[i]:
                return COPIED_NAN
    return COPIED


# the block functions of Python components; data is the PythonCallback -----------------------------

cdef void call_function(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    with gil:
        callback = <PythonCallback> data
        callback.call(callback.function, (callback.view(h, n),), out, 0, n)


cdef void call_derivative(const real *h, const real *y_hat, real *out, Py_ssize_t n,
                          void *data) noexcept nogil:
    with gil:
        callback = <PythonCallback> data
        if callback.takes_y_hat:
            arguments = (callback.view(h, n), callback.view(y_hat, n))
        else:
            arguments = (callback.view(h, n),)
        callback.call(callback.derivative, arguments, out, 0, n)


cdef void call_rowwise(const real *h, real *out, Py_ssize_t units, Py_ssize_t rows,
                       void *data) noexcept nogil:
    with gil:
        callback = <PythonCallback> data
        callback.call(callback.function, (callback.rows_view(h, units, rows),), out, units, rows)


cdef void call_rowwise_backward(const real *h, const real *y_hat, const real *g, real *delta,
                                Py_ssize_t units, Py_ssize_t rows, void *data) noexcept nogil:
    with gil:
        callback = <PythonCallback> data
        arguments = (callback.rows_view(h, units, rows), callback.rows_view(y_hat, units, rows),
                     callback.rows_view(g, units, rows))
        callback.call(callback.backward, arguments, delta, units, rows)


cdef void call_loss(const real *y, const real *y_hat, real *out, Py_ssize_t n,
                    void *data) noexcept nogil:
    with gil:
        callback = <PythonCallback> data
        callback.call(callback.function, (callback.view(y, n), callback.view(y_hat, n)), out, 0, n)


cdef void call_loss_derivative(const real *y, const real *y_hat, real *out, Py_ssize_t n,
                               void *data) noexcept nogil:
    with gil:
        callback = <PythonCallback> data
        callback.call(callback.derivative, (callback.view(y, n), callback.view(y_hat, n)), out, 0, n)


# kernels by name, and their parameters ------------------------------------------------------------

cdef class KernelParameters:
    """The parameters of a kernel, in the order of its table entry: its `data`."""
    cdef real *values

    def __cinit__(self, values):
        self.values = <real *> PyMem_Calloc(max(len(values), 1), sizeof(real))
        if self.values == NULL:
            raise MemoryError()
        for k, value in enumerate(values):
            self.values[k] = value

    def __dealloc__(self):
        PyMem_Free(self.values)


cdef KernelParameters activation_parameters(activation_entry *entry, given):
    """Return the parameters of an activation from a mapping of names to values."""
    return KernelParameters([given.get((<bytes> entry.parameters[k]).decode(), entry.defaults[k])
                             for k in range(entry.n_parameters)])


cdef KernelParameters loss_parameters(loss_entry *entry, given):
    """Return the parameters of a loss from a mapping of names to values."""
    return KernelParameters([given.get((<bytes> entry.parameters[k]).decode(), entry.defaults[k])
                             for k in range(entry.n_parameters)])


cdef activation_entry *find_activation(kernels *table, str name) except NULL:
    cdef int k
    for k in range(table.n_activations):
        if table.activations[k].name == name.encode():
            return &table.activations[k]
    raise ValueError(f"unknown activation {name!r}")


cdef loss_entry *find_loss(kernels *table, str name) except NULL:
    cdef int k
    for k in range(table.n_losses):
        if table.losses[k].name == name.encode():
            return &table.losses[k]
    raise ValueError(f"unknown loss {name!r}")


cdef fused_loss_entry *find_fused_loss(kernels *table, str activation, str loss) noexcept:
    """Return the fused form of an activation and a loss, or NULL if there is none."""
    cdef int k
    for k in range(table.n_fused_losses):
        if (table.fused_losses[k].activation == activation.encode()
                and table.fused_losses[k].loss == loss.encode()):
            return &table.fused_losses[k]
    return NULL


cdef optimizer_entry *find_optimizer(kernels *table, str name) except NULL:
    cdef int k
    for k in range(table.n_optimizers):
        if table.optimizers[k].name == name.encode():
            return &table.optimizers[k]
    raise ValueError(f"unknown optimizer {name!r}")
