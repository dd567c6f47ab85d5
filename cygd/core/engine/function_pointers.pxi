# Compiled functions of a user: a block function is called as it is, a function of one number in a loop, and
# a derivative that nobody gave is measured.
#
# Nothing here takes the GIL, so that threads run side by side; a function that needs it (a callback of
# ctypes, say) takes it itself.

from libc.math cimport fabs

cdef enum:
    MEASURED = 256              # elements of which the slope is measured at once

ctypedef real (*scalar_t)(real) noexcept nogil

# what a layer gives its functions as `data`; of a function one pointer is not NULL
cdef struct pointer_data:
    block_t f
    scalar_t f_one
    void *f_data
    derivative_t df
    scalar_t df_one
    void *df_data
    double step                 # of the differences at |h| up to 1


cdef void pointer_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef const pointer_data *p = <const pointer_data *> data
    cdef Py_ssize_t i
    if p.f != NULL:
        p.f(h, out, n, p.f_data)
        return
    for i in range(n):
        out[i] = p.f_one(h[i])


cdef void pointer_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef const pointer_data *p = <const pointer_data *> data
    cdef Py_ssize_t i
    if p.df != NULL:
        p.df(h, y_hat, out, n, p.df_data)
        return
    for i in range(n):
        out[i] = p.df_one(h[i])


cdef void pointer_slope(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    """f'(h) = (f(h + s) - f(h - s)) / 2s, with the 2s that the rounded arguments are apart."""
    cdef const pointer_data *p = <const pointer_data *> data
    cdef real above[MEASURED]
    cdef real below[MEASURED]
    cdef real f_above[MEASURED]
    cdef real f_below[MEASURED]
    cdef Py_ssize_t start, i, m
    cdef double s
    for start from 0 <= start < n by MEASURED:
        m = min(n - start, <Py_ssize_t> MEASURED)
        for i in range(m):
            s = p.step * max(1.0, fabs(h[start + i]))
            above[i] = <real> (h[start + i] + s)
            below[i] = <real> (h[start + i] - s)
        pointer_f(above, f_above, m, data)
        pointer_f(below, f_below, m, data)
        for i in range(m):
            out[start + i] = <real> ((<double> f_above[i] - f_below[i]) / (<double> above[i] - below[i]))


cdef class Pointer:
    """An activation's pointers as the data of its functions.

    Parameters
    ----------
    pair : cygd.component.pointer.Pair
        The function and its derivative, of this dtype.
    values : sequence of float
        The parameters; what a block function is given as `data` where there are some.
    """

    cdef pointer_data data
    cdef derivative_t derivative
    cdef Parameters parameters
    cdef readonly object pair           # keeps alive what the addresses need

    def __cinit__(self, pair, values=()):
        f, df = pair
        self.pair = pair
        self.parameters = Parameters(values)
        shared = <size_t> self.parameters.values if len(values) else 0
        address = <size_t> f.address
        if f.scalar:
            self.data.f_one = <scalar_t> <size_t> address
        else:
            self.data.f = <block_t> <size_t> address
            self.data.f_data = <void *> <size_t> (shared or f.context)
        self.data.step = np.cbrt(np.finfo(np.float32 if sizeof(real) == 4 else np.float64).eps)
        self.derivative = pointer_slope if df is None else pointer_df
        if df is None:
            return
        address = <size_t> df.address
        if df.scalar:
            self.data.df_one = <scalar_t> <size_t> address
        else:
            self.data.df = <derivative_t> <size_t> address
            self.data.df_data = <void *> <size_t> (shared or df.context)

    def run(self, const real[::1] h, real[::1] out):
        """out = f(h)."""
        if h.shape[0] != out.shape[0]:
            raise ValueError("the arrays have different lengths")
        if h.shape[0]:
            with nogil:
                pointer_f(&h[0], &out[0], h.shape[0], &self.data)

    def run_derivative(self, const real[::1] h, const real[::1] y_hat, real[::1] out):
        """out = f'(h)."""
        if not h.shape[0] == y_hat.shape[0] == out.shape[0]:
            raise ValueError("the arrays have different lengths")
        if h.shape[0]:
            with nogil:
                self.derivative(&h[0], &y_hat[0], &out[0], h.shape[0], &self.data)
