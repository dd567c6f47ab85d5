# The fast path of `activate` and `derivative`: arrays that need no conversion on either side.
#
# `activate(h, name, out)` in a loop should cost what the kernel costs. The common case (plain C-contiguous
# arrays of one dtype and shape, a built-in activation by name with its default parameters) is recognized from
# the two buffers alone, at a few dozen nanoseconds each. Everything else, errors included, goes through
# array_conversion.pxi.

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.string cimport memcmp

from cygd.core cimport f32, f64

cdef enum:
    STACK_BLOCK = 1024          # elements whose y_hat is kept on the stack while computing f'
    NOGIL_SIZE = 1 << 15        # elements from which on the GIL is released

cdef object ndarray = np.ndarray


# the index of each activation, the same in every table; filled by the first call, because dispatch may
# import this module before it has selected a table
cdef dict ACTIVATION_INDEX = {}


cdef index_activations():
    cdef int k
    for k in range(dispatch.kernels_f64.n_activations):
        ACTIVATION_INDEX[(<bytes> dispatch.kernels_f64.activations[k].name).decode()] = k


cdef bint try_fast_path(h, activation, out, bint derivative) except -1:
    """Compute out = f(h) or f'(h) if this is the common case, and return whether it is."""
    cdef Py_buffer source, target
    cdef bint done = False
    if type(h) is not ndarray or type(out) is not ndarray or type(activation) is not str:
        return False
    if not ACTIVATION_INDEX:
        index_activations()
    index = ACTIVATION_INDEX.get(activation)
    if index is None or not get_buffer(h, &source, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS):
        return False
    if get_buffer(out, &target, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE):
        done = are_compatible(&source, &target) and call_kernel(index, &source, &target, derivative)
        PyBuffer_Release(&target)
    PyBuffer_Release(&source)
    return done


cdef bint get_buffer(value, Py_buffer *buffer, int flags) noexcept:
    """Get a buffer of an array; return False if it has none of this kind."""
    try:
        PyObject_GetBuffer(value, buffer, flags)
    except (BufferError, ValueError):
        return False
    return True


cdef bint are_compatible(const Py_buffer *h, const Py_buffer *out) noexcept:
    """Return True if two buffers have the same dtype and shape, and are the same memory or disjoint."""
    cdef const char *a = <const char *> h.buf
    cdef const char *b = <const char *> out.buf
    if h.format[0] != out.format[0] or h.format[1] or out.format[1] or h.format[0] not in (b"d", b"f"):
        return False
    if not 1 <= h.ndim <= 2 or h.ndim != out.ndim or not h.len:
        return False
    if memcmp(h.shape, out.shape, h.ndim * sizeof(Py_ssize_t)):
        return False
    return a == b or a + h.len <= b or b + out.len <= a


cdef bint call_kernel(int index, const Py_buffer *source, const Py_buffer *target, bint derivative) noexcept:
    """Call the kernel; return False for a row-wise activation, which has no elementwise kernel."""
    cdef f32.activation_entry *entry_f32 = &dispatch.kernels_f32.activations[index]
    cdef f64.activation_entry *entry_f64 = &dispatch.kernels_f64.activations[index]
    cdef Py_ssize_t n = source.len // source.itemsize
    if entry_f64.f == NULL:
        return False
    if n >= NOGIL_SIZE:
        with nogil:
            if source.itemsize == 4:
                map_f32(entry_f32, <const float *> source.buf, <float *> target.buf, n, derivative)
            else:
                map_f64(entry_f64, <const double *> source.buf, <double *> target.buf, n, derivative)
    elif source.itemsize == 4:
        map_f32(entry_f32, <const float *> source.buf, <float *> target.buf, n, derivative)
    else:
        map_f64(entry_f64, <const double *> source.buf, <double *> target.buf, n, derivative)
    return True


cdef void map_f32(const f32.activation_entry *entry, const float *h, float *out, Py_ssize_t n,
                  bint derivative) noexcept nogil:
    """out = f(h) or f'(h); f' gets y_hat where it reads it."""
    cdef float[STACK_BLOCK] y_hat
    cdef Py_ssize_t i, m
    if not derivative:
        entry.f(h, out, n, NULL)
    elif not entry.df_reads_y_hat:
        entry.df(h, h, out, n, NULL)
    else:
        for i from 0 <= i < n by STACK_BLOCK:
            m = min(n - i, <Py_ssize_t> STACK_BLOCK)
            entry.f(h + i, y_hat, m, NULL)
            entry.df(h + i, y_hat, out + i, m, NULL)


cdef void map_f64(const f64.activation_entry *entry, const double *h, double *out, Py_ssize_t n,
                  bint derivative) noexcept nogil:
    """The same for float64."""
    cdef double[STACK_BLOCK] y_hat
    cdef Py_ssize_t i, m
    if not derivative:
        entry.f(h, out, n, NULL)
    elif not entry.df_reads_y_hat:
        entry.df(h, h, out, n, NULL)
    else:
        for i from 0 <= i < n by STACK_BLOCK:
            m = min(n - i, <Py_ssize_t> STACK_BLOCK)
            entry.f(h + i, y_hat, m, NULL)
            entry.df(h + i, y_hat, out + i, m, NULL)
