# A module of a user's own that calls cygd's functions without the GIL.

from cygd.core cimport (
    API_VERSION,
    activation_derivative_f32,
    activation_derivative_f64,
    activation_f32,
    activation_f64,
    block_f32,
    block_f64,
    derivative_f32,
    derivative_f64,
    sse_f32,
    sse_f64,
)


def api_version():
    return API_VERSION


def activate_f64(str name, const double[::1] h, double[::1] out):
    cdef block_f64 f = activation_f64(name)
    with nogil:
        f(&h[0], &out[0], h.shape[0], NULL)


def activate_f32(str name, const float[::1] h, float[::1] out):
    cdef block_f32 f = activation_f32(name)
    with nogil:
        f(&h[0], &out[0], h.shape[0], NULL)


def slope_f64(str name, const double[::1] h, const double[::1] y_hat, double[::1] out):
    cdef derivative_f64 df = activation_derivative_f64(name)
    with nogil:
        df(&h[0], &y_hat[0], &out[0], h.shape[0], NULL)


def slope_f32(str name, const float[::1] h, const float[::1] y_hat, float[::1] out):
    cdef derivative_f32 df = activation_derivative_f32(name)
    with nogil:
        df(&h[0], &y_hat[0], &out[0], h.shape[0], NULL)


def half_squares_f64(const double[::1] y, const double[::1] y_hat):
    return sse_f64(&y[0], &y_hat[0], y.shape[0])


def half_squares_f32(const float[::1] y, const float[::1] y_hat):
    return sse_f32(&y[0], &y_hat[0], y.shape[0])
