# Components as the engine calls them: a kernel's pointers, or a Python function behind a trampoline.
#
# Every activation and loss is a block function with a `void *data`, whoever wrote it. For a kernel,
# data is its parameters; for a NumPy function it is the `Caller`, which takes the GIL once per
# block. An exception cannot leave a nogil function, so it is kept in the engine's `Failure`, and the
# engine stops at the next chunk.

from cpython.mem cimport PyMem_Calloc, PyMem_Free

from threading import get_ident

import numpy as np


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


cdef class Caller:
    """A component given as Python functions, bound to its parameters and its place."""
    cdef object component, where
    cdef dict parameters
    cdef Failure failure
    cdef bint takes_y_hat

    def __init__(self, component, where, Failure failure):
        self.component = component
        self.where = where
        self.failure = failure
        self.parameters = dict(component.parameters)
        self.takes_y_hat = getattr(component, "derivative_takes_y_hat", False)

    cdef void call(self, function, tuple arguments, out):
        """out = function(*arguments), checked; what goes wrong is kept, and out is 0."""
        try:
            values = function(*arguments, **self.parameters)
            if values is None:
                raise TypeError("it returned None")
            values = np.asarray(values)
            if values.shape != out.shape:
                raise ValueError(f"it returned shape {values.shape} for input of shape {out.shape}")
            if values.dtype.kind not in "fiub":
                raise TypeError(f"it returned dtype {values.dtype}, not real numbers")
            np.copyto(out, values, casting="unsafe")
            if np.isnan(out).any() and all(np.isfinite(array).all() for array in arguments):
                raise ValueError("it returned NaN for finite input")
        except BaseException as error:
            self.failure.keep(self.where, error)
            out[...] = 0


cdef object view(const real *p, Py_ssize_t n):
    """Return a block as an array of one dimension that cannot be written."""
    array = np.asarray(<real[:n]> <real *> p)
    array.flags.writeable = False
    return array


cdef object rows_view(const real *p, Py_ssize_t units, Py_ssize_t rows):
    """Return a block of units x rows as a read-only array (rows, units)."""
    array = np.asarray(<real[:units, :rows]> <real *> p).T
    array.flags.writeable = False
    return array


cdef void call_function(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        caller.call(caller.component.function, (view(h, n),), np.asarray(<real[:n]> out))


cdef void call_derivative(const real *h, const real *y_hat, real *out, Py_ssize_t n,
                          void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        arguments = (view(h, n), view(y_hat, n)) if caller.takes_y_hat else (view(h, n),)
        caller.call(caller.component.derivative, arguments, np.asarray(<real[:n]> out))


cdef void call_rowwise(const real *h, real *out, Py_ssize_t units, Py_ssize_t rows,
                       void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        caller.call(caller.component.function, (rows_view(h, units, rows),),
                    np.asarray(<real[:units, :rows]> out).T)


cdef void call_rowwise_backward(const real *h, const real *y_hat, const real *g, real *delta,
                                Py_ssize_t units, Py_ssize_t rows, void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        arguments = (rows_view(h, units, rows), rows_view(y_hat, units, rows), rows_view(g, units, rows))
        caller.call(caller.component.backward, arguments, np.asarray(<real[:units, :rows]> delta).T)


cdef void call_loss(const real *y, const real *y_hat, real *out, Py_ssize_t n,
                    void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        caller.call(caller.component.function, (view(y, n), view(y_hat, n)), np.asarray(<real[:n]> out))


cdef void call_loss_derivative(const real *y, const real *y_hat, real *out, Py_ssize_t n,
                               void *data) noexcept nogil:
    with gil:
        caller = <Caller> data
        caller.call(caller.component.derivative, (view(y, n), view(y_hat, n)),
                    np.asarray(<real[:n]> out))


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
