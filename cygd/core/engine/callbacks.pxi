# Components as the engine calls them: a kernel's pointers, or a Python function behind a trampoline.
#
# Every activation and loss is a block function with a `void *data`, whoever wrote it. For a kernel,
# data is its parameters; for a NumPy function it is the `Caller`, which takes the GIL once per
# block. An exception cannot leave a nogil function, so it is kept in the engine's `Failure`, and the
# engine stops at the next chunk.

from cpython.buffer cimport PyBUF_ND, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from threading import get_ident

import numpy as np

cdef extern from "<stdlib.h>" nogil:
    void *aligned_alloc(size_t alignment, size_t size)


cdef class Failure:
    """What components raised, by thread: calls of one network may run side by side.

    A network with Python components runs each call on the thread that made it, so the thread tells
    whose exception it is.
    """
    cdef dict raised

    def __cinit__(self):
        self.raised = {}

    cdef void keep(self, where, error):
        """Keep an exception, if it is its call's first."""
        self.raised.setdefault(get_ident(), (where, error))

    cdef bint here(self) noexcept nogil:
        """Return whether something was raised in this thread's call."""
        with gil:
            return get_ident() in self.raised

    cdef take(self):
        """Return (where, error) of this thread's call, or None."""
        return self.raised.pop(get_ident(), None)


cdef class Memory:
    """Bytes on lines of 64, which arrays that show a part of them keep alive; Python may not write them."""
    cdef char *start
    cdef Py_ssize_t size

    def __cinit__(self, Py_ssize_t size):
        self.size = (size + 127) // 64 * 64
        self.start = <char *> aligned_alloc(64, self.size)
        if self.start == NULL:
            raise MemoryError(f"no memory for {size} bytes of blocks and gradients")

    def __dealloc__(self):
        free(self.start)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.start, self.size, True, flags)


cdef object frombuffer = np.frombuffer
cdef object REAL_DTYPE = np.dtype(np.float32 if sizeof(real) == 4 else np.float64)


cdef class Caller:
    """A component given as Python functions, bound to its parameters and its place.

    A call costs a microsecond besides the function itself: the arguments are read-only arrays over the
    engine's own memory, and a result of the usual kind is copied and looked through for NaN in one pass.
    """
    cdef object component, where, function, derivative, backward
    cdef dict parameters
    cdef list lent                  # the Lanes at work, in whose memory the blocks lie
    cdef Failure failure
    cdef bint takes_y_hat

    def __init__(self, component, where, Failure failure, list lent):
        self.component = component
        self.function = component.function
        self.derivative = component.derivative
        self.backward = getattr(component, "backward", None)
        self.where = where
        self.failure = failure
        self.lent = lent
        self.parameters = dict(component.parameters)
        self.takes_y_hat = getattr(component, "derivative_takes_y_hat", False)

    cdef void call(self, function, tuple arguments, real *out, Py_ssize_t units, Py_ssize_t rows):
        """out = function(*arguments), checked; what goes wrong is kept, and out is 0.

        units is 0 for an elementwise function over `rows` elements, else the arrays are (rows, units).
        """
        cdef int found
        try:
            values = function(*arguments, **self.parameters) if self.parameters else function(*arguments)
            found = USUAL if units else taken(values, out, rows)
            if found == UNUSUAL or units:
                found = self.take_slowly(values, out, units, rows)
            if found == HAS_NAN and all(np.isfinite(array).all() for array in arguments):
                raise ValueError("it returned NaN for finite input")
        except BaseException as error:
            self.failure.keep(self.where, error)
            memset(out, 0, max(units, 1) * rows * sizeof(real))

    cdef int take_slowly(self, values, real *out, Py_ssize_t units, Py_ssize_t rows) except -1:
        """Copy a result of any kind that holds real numbers in the right shape."""
        target = np.asarray(<real[:max(units, 1), :rows]> out).T if units else np.asarray(<real[:rows]> out)
        if values is None:
            raise TypeError("it returned None")
        values = np.asarray(values)
        if values.shape != target.shape:
            raise ValueError(f"it returned shape {values.shape} for input of shape {target.shape}")
        if values.dtype.kind not in "fiub":
            raise TypeError(f"it returned dtype {values.dtype}, not real numbers")
        np.copyto(target, values, casting="unsafe")
        return HAS_NAN if np.isnan(target).any() else USUAL

    cdef object view(self, const real *p, Py_ssize_t n):
        """Return a block as an array of one dimension that cannot be written."""
        cdef Lanes lanes
        cdef Memory memory
        cdef Py_ssize_t offset
        for lanes in self.lent:
            for memory in lanes.memory:
                offset = <char *> p - memory.start
                if 0 <= offset < memory.size:
                    return frombuffer(memory, REAL_DTYPE, n, offset)
        # a block from elsewhere, whose owner is not known
        return frombuffer(PyBytes_FromStringAndSize(<char *> p, n * sizeof(real)), REAL_DTYPE)

    cdef object rows_view(self, const real *p, Py_ssize_t units, Py_ssize_t rows):
        """Return a block of units x rows as a read-only array (rows, units)."""
        return self.view(p, units * rows).reshape(units, rows).T


cdef enum:
    UNUSUAL, USUAL, HAS_NAN         # what a function has returned


cdef int taken(values, real *out, Py_ssize_t n) except -1:
    """Copy an array of n numbers of this dtype, side by side; anything else is unusual."""
    cdef Py_buffer buffer
    cdef Py_ssize_t i
    cdef bint finite
    if type(values) is not np.ndarray or values.dtype is not REAL_DTYPE or not values.flags.c_contiguous:
        return UNUSUAL
    PyObject_GetBuffer(values, &buffer, PyBUF_ND)
    try:
        if buffer.ndim != 1 or buffer.shape[0] != n:
            return UNUSUAL
        finite = current().copy_finite(<const real *> buffer.buf, out, n)
    finally:
        PyBuffer_Release(&buffer)
    if not finite:
        for i in range(n):
            if out[i] != out[i]:
                return HAS_NAN
    return USUAL


cdef void call_function(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        caller.call(caller.function, (caller.view(h, n),), out, 0, n)


cdef void call_derivative(const real *h, const real *y_hat, real *out, Py_ssize_t n,
                          void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        arguments = (caller.view(h, n), caller.view(y_hat, n)) if caller.takes_y_hat else (caller.view(h, n),)
        caller.call(caller.derivative, arguments, out, 0, n)


cdef void call_rowwise(const real *h, real *out, Py_ssize_t units, Py_ssize_t rows,
                       void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        caller.call(caller.function, (caller.rows_view(h, units, rows),), out, units, rows)


cdef void call_rowwise_backward(const real *h, const real *y_hat, const real *g, real *delta,
                                Py_ssize_t units, Py_ssize_t rows, void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        arguments = (caller.rows_view(h, units, rows), caller.rows_view(y_hat, units, rows),
                     caller.rows_view(g, units, rows))
        caller.call(caller.backward, arguments, delta, units, rows)


cdef void call_loss(const real *y, const real *y_hat, real *out, Py_ssize_t n,
                    void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        caller.call(caller.function, (caller.view(y, n), caller.view(y_hat, n)), out, 0, n)


cdef void call_loss_derivative(const real *y, const real *y_hat, real *out, Py_ssize_t n,
                               void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        caller.call(caller.derivative, (caller.view(y, n), caller.view(y_hat, n)), out, 0, n)


cdef class Parameters:
    """The parameters of a kernel, in the order of its row, as its `data`."""
    cdef real *values

    def __cinit__(self, values):
        self.values = <real *> PyMem_Calloc(max(len(values), 1), sizeof(real))
        if self.values == NULL:
            raise MemoryError()
        for k, value in enumerate(values):
            self.values[k] = value

    def __dealloc__(self):
        PyMem_Free(self.values)


cdef Parameters activation_parameters(activation_row *row, given):
    """Return a kernel's parameters from a mapping of names to values."""
    return Parameters([given.get((<bytes> row.parameters[k]).decode(), row.defaults[k])
                       for k in range(row.n_parameters)])


cdef Parameters loss_parameters(loss_row *row, given):
    return Parameters([given.get((<bytes> row.parameters[k]).decode(), row.defaults[k])
                       for k in range(row.n_parameters)])


cdef activation_row *find_activation(kernels *t, str name) except NULL:
    cdef int k
    for k in range(t.n_activations):
        if t.activations[k].name == name.encode():
            return &t.activations[k]
    raise ValueError(f"unknown activation {name!r}")


cdef loss_row *find_loss(kernels *t, str name) except NULL:
    cdef int k
    for k in range(t.n_losses):
        if t.losses[k].name == name.encode():
            return &t.losses[k]
    raise ValueError(f"unknown loss {name!r}")


cdef joint_row *find_joint(kernels *t, str activation, str loss) noexcept:
    """Return the joint form of an activation and a loss, or NULL where there is none."""
    cdef int k
    for k in range(t.n_joints):
        if t.joints[k].activation == activation.encode() and t.joints[k].loss == loss.encode():
            return &t.joints[k]
    return NULL


cdef update_row *find_update(kernels *t, str name) except NULL:
    cdef int k
    for k in range(t.n_updates):
        if t.updates[k].name == name.encode():
            return &t.updates[k]
    raise ValueError(f"unknown optimizer {name!r}")
