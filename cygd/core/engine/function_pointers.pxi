# Activations given as C function pointers: a block function is called as is, a function of one number in a
# loop, and a missing derivative is approximated by central differences.
#
# Nothing here takes the GIL, so threads run in parallel; a function that needs the GIL (a ctypes callback,
# for instance) takes it itself.

from libc.math cimport fabs

cdef enum:
    DIFFERENCE_BLOCK = 256      # elements per step of the central differences, on the stack

ctypedef real (*scalar_t)(real) noexcept nogil

# what a layer passes to its functions as `data`; of f and f_scalar, and of df and df_scalar, one is NULL
cdef struct pointer_data_t:
    block_t f
    scalar_t f_scalar
    void *f_data
    derivative_t df
    scalar_t df_scalar
    void *df_data
    double step                 # of the differences where |h| <= 1


cdef void pointer_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef const pointer_data_t *p = <const pointer_data_t *> data
    cdef Py_ssize_t i
    if p.f != NULL:
        p.f(h, out, n, p.f_data)
        return
    for i in range(n):
        out[i] = p.f_scalar(h[i])


cdef void pointer_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef const pointer_data_t *p = <const pointer_data_t *> data
    cdef Py_ssize_t i
    if p.df != NULL:
        p.df(h, y_hat, out, n, p.df_data)
        return
    for i in range(n):
        out[i] = p.df_scalar(h[i])


cdef void pointer_central_difference(const real *h, const real *y_hat, real *out, Py_ssize_t n,
                                     void *data) noexcept nogil:
    """f'(h) = (f(h + s) - f(h - s)) / 2s, where 2s is the difference of the rounded arguments."""
    cdef const pointer_data_t *p = <const pointer_data_t *> data
    cdef real above[DIFFERENCE_BLOCK]
    cdef real below[DIFFERENCE_BLOCK]
    cdef real f_above[DIFFERENCE_BLOCK]
    cdef real f_below[DIFFERENCE_BLOCK]
    cdef Py_ssize_t start, i, m
    cdef double s
    for start from 0 <= start < n by DIFFERENCE_BLOCK:
        m = min(n - start, <Py_ssize_t> DIFFERENCE_BLOCK)
        for i in range(m):
            s = p.step * max(1.0, fabs(h[start + i]))
            above[i] = <real> (h[start + i] + s)
            below[i] = <real> (h[start + i] - s)
        pointer_f(above, f_above, m, data)
        pointer_f(below, f_below, m, data)
        for i in range(m):
            out[start + i] = <real> ((<double> f_above[i] - f_below[i]) / (<double> above[i] - below[i]))


cdef class FunctionPointers:
    """The function pointers of an activation, as the `data` of its block functions.

    Parameters
    ----------
    pair : pair of function pointers
        The function and its derivative (or None), of this dtype; each has an address, a context, and
        `scalar`, which is True for a function of one number.
    values : sequence of float
        The parameters. A block function of an activation with parameters gets them as its `data`.
    """

    cdef pointer_data_t data
    cdef derivative_t derivative
    cdef KernelParameters parameters
    cdef readonly object pair           # owns what the addresses point to

    def __cinit__(self, pair, values=()):
        f, df = pair
        self.pair = pair
        self.parameters = KernelParameters(values)
        shared_data = <size_t> self.parameters.values if len(values) else 0
        address = <size_t> f.address
        if f.scalar:
            self.data.f_scalar = <scalar_t> <size_t> address
        else:
            self.data.f = <block_t> <size_t> address
            self.data.f_data = <void *> <size_t> (shared_data or f.context)
        self.data.step = np.cbrt(np.finfo(np.float32 if sizeof(real) == 4 else np.float64).eps)
        self.derivative = pointer_central_difference if df is None else pointer_df
        if df is None:
            return
        address = <size_t> df.address
        if df.scalar:
            self.data.df_scalar = <scalar_t> <size_t> address
        else:
            self.data.df = <derivative_t> <size_t> address
            self.data.df_data = <void *> <size_t> (shared_data or df.context)

    def run(self, const real[::1] h, real[::1] out):
        """Compute out = f(h)."""
        if h.shape[0] != out.shape[0]:
            raise ValueError(f"expected arrays of one length, got h {h.shape[0]} and out {out.shape[0]}")
        if h.shape[0]:
            with nogil:
                pointer_f(&h[0], &out[0], h.shape[0], &self.data)

    def run_derivative(self, const real[::1] h, const real[::1] y_hat, real[::1] out):
        """Compute out = f'(h)."""
        if not h.shape[0] == y_hat.shape[0] == out.shape[0]:
            raise ValueError(f"expected arrays of one length, got h {h.shape[0]}, y_hat {y_hat.shape[0]} "
                             f"and out {out.shape[0]}")
        if h.shape[0]:
            with nogil:
                self.derivative(&h[0], &y_hat[0], &out[0], h.shape[0], &self.data)
