# User code: a module that calls cygd's functions without the GIL.

from libc.math cimport fabs, fabsf

from cygd.core cimport (
    API_VERSION,
    activation_derivative_f32,
    activation_derivative_f64,
    activation_f32,
    activation_f64,
    block_capsule_f32,
    block_capsule_f64,
    block_f32,
    block_f64,
    derivative_capsule_f32,
    derivative_capsule_f64,
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


def evaluate_derivative_f64(str name, const double[::1] h, const double[::1] y_hat, double[::1] out):
    cdef derivative_f64 df = activation_derivative_f64(name)
    with nogil:
        df(&h[0], &y_hat[0], &out[0], h.shape[0], NULL)


def evaluate_derivative_f32(str name, const float[::1] h, const float[::1] y_hat, float[::1] out):
    cdef derivative_f32 df = activation_derivative_f32(name)
    with nogil:
        df(&h[0], &y_hat[0], &out[0], h.shape[0], NULL)


def half_squares_f64(const double[::1] y, const double[::1] y_hat):
    return sse_f64(&y[0], &y_hat[0], y.shape[0])


def half_squares_f32(const float[::1] y, const float[::1] y_hat):
    return sse_f32(&y[0], &y_hat[0], y.shape[0])


# An activation: f(h) = h / (1 + slope |h|), f'(h) = 1 / (1 + slope |h|)^2; data holds the slope.

cdef void bent_f64(const double *h, double *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef double slope = (<const double *> data)[0] if data != NULL else 1
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = h[i] / (1 + slope * fabs(h[i]))


cdef void bent_prime_f64(const double *h, const double *y_hat, double *out, Py_ssize_t n,
                         void *data) noexcept nogil:
    cdef double u, slope = (<const double *> data)[0] if data != NULL else 1
    cdef Py_ssize_t i
    for i in range(n):
        u = 1 + slope * fabs(h[i])
        out[i] = 1 / (u * u)


cdef void bent_f32(const float *h, float *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef float slope = (<const float *> data)[0] if data != NULL else 1
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = h[i] / (1 + slope * fabsf(h[i]))


cdef void bent_prime_f32(const float *h, const float *y_hat, float *out, Py_ssize_t n,
                         void *data) noexcept nogil:
    cdef float u, slope = (<const float *> data)[0] if data != NULL else 1
    cdef Py_ssize_t i
    for i in range(n):
        u = 1 + slope * fabsf(h[i])
        out[i] = 1 / (u * u)


def bent():
    """Return the function and its derivative as Activation takes them."""
    f = {"float64": block_capsule_f64(bent_f64), "float32": block_capsule_f32(bent_f32)}
    df_64, df_32 = derivative_capsule_f64(bent_prime_f64), derivative_capsule_f32(bent_prime_f32)
    return f, {"float64": df_64, "float32": df_32}


def built_in(str name):
    """Return a built-in's own functions, once more as a capsule each."""
    return block_capsule_f64(activation_f64(name)), derivative_capsule_f64(activation_derivative_f64(name))


def nothing():
    return block_capsule_f64(NULL)
