# The short way from an array to a kernel: for arrays that need no conversion, on both sides.
#
# `activate(h, name, out)` in a loop should cost what the kernel costs. So the usual case (plain arrays of one
# dtype and shape, C-contiguous, a built-in by name with its default parameters) is recognized from the two
# buffers alone, a few dozen nanoseconds each; everything else, errors among it, is left to array_conversion.pxi.

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.string cimport memcmp

from cygd.core cimport f32, f64

cdef enum:
    PIECE = 1024                # elements whose y_hat lies on the stack on the way to f'
    ALONE = 1 << 15             # elements from which other Python threads may run meanwhile

cdef object ndarray = np.ndarray


# the place of each activation, the same in every table; filled by the first call, since dispatch may
# import this module before it has chosen a table
cdef dict ROWS = {}


cdef number_rows():
    cdef int k
    for k in range(dispatch.kernels_f64.n_activations):
        ROWS[(<bytes> dispatch.kernels_f64.activations[k].name).decode()] = k


cdef bint is_alike(const Py_buffer *h, const Py_buffer *out) noexcept:
    """Return whether two buffers agree in type and shape, and are the same memory or share none."""
    cdef const char *a = <const char *> h.buf
    cdef const char *b = <const char *> out.buf
    if h.format[0] != out.format[0] or h.format[1] or out.format[1] or h.format[0] not in (b"d", b"f"):
        return False
    if not 1 <= h.ndim <= 2 or h.ndim != out.ndim or not h.len:
        return False
    if memcmp(h.shape, out.shape, h.ndim * sizeof(Py_ssize_t)):
        return False
    return a == b or a + h.len <= b or b + out.len <= a


cdef bint direct(h, activation, out, bint derivative) except -1:
    """out = f(h) or f'(h), where this is the usual case; returns whether it is."""
    cdef Py_buffer source, target
    cdef bint done = False
    if type(h) is not ndarray or type(out) is not ndarray or type(activation) is not str:
        return False
    if not ROWS:
        number_rows()
    row = ROWS.get(activation)
    if row is None or lacks_buffer(h, &source, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS):
        return False
    if not lacks_buffer(out, &target, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE):
        done = is_alike(&source, &target) and computed(row, &source, &target, derivative)
        PyBuffer_Release(&target)
    PyBuffer_Release(&source)
    return done


cdef bint lacks_buffer(value, Py_buffer *buffer, int flags) noexcept:
    """Return whether an array has no such buffer."""
    try:
        PyObject_GetBuffer(value, buffer, flags)
    except (BufferError, ValueError):
        return True
    return False


cdef bint computed(int row, const Py_buffer *source, const Py_buffer *target, bint derivative) noexcept:
    """Call the kernel; returns False for a row-wise activation, which has none of this kind."""
    cdef f32.activation_row *single = &dispatch.kernels_f32.activations[row]
    cdef f64.activation_row *double_ = &dispatch.kernels_f64.activations[row]
    cdef Py_ssize_t n = source.len // source.itemsize
    if double_.f == NULL:
        return False
    if n >= ALONE:
        with nogil:
            if source.itemsize == 4:
                map_f32(single, <const float *> source.buf, <float *> target.buf, n, derivative)
            else:
                map_f64(double_, <const double *> source.buf, <double *> target.buf, n, derivative)
    elif source.itemsize == 4:
        map_f32(single, <const float *> source.buf, <float *> target.buf, n, derivative)
    else:
        map_f64(double_, <const double *> source.buf, <double *> target.buf, n, derivative)
    return True


cdef void map_f32(const f32.activation_row *row, const float *h, float *out, Py_ssize_t n,
                  bint derivative) noexcept nogil:
    cdef float[PIECE] y_hat
    cdef Py_ssize_t i, m
    if not derivative:
        row.f(h, out, n, NULL)
    elif not row.df_reads_y_hat:
        row.df(h, h, out, n, NULL)
    else:
        for i from 0 <= i < n by PIECE:
            m = min(n - i, <Py_ssize_t> PIECE)
            row.f(h + i, y_hat, m, NULL)
            row.df(h + i, y_hat, out + i, m, NULL)


cdef void map_f64(const f64.activation_row *row, const double *h, double *out, Py_ssize_t n,
                  bint derivative) noexcept nogil:
    cdef double[PIECE] y_hat
    cdef Py_ssize_t i, m
    if not derivative:
        row.f(h, out, n, NULL)
    elif not row.df_reads_y_hat:
        row.df(h, h, out, n, NULL)
    else:
        for i from 0 <= i < n by PIECE:
            m = min(n - i, <Py_ssize_t> PIECE)
            row.f(h + i, y_hat, m, NULL)
            row.df(h + i, y_hat, out + i, m, NULL)
