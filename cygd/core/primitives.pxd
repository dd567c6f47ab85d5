# The C interface: addresses of activations by name. It exports functions, not structs, so that it can be
# extended without breaking compiled users.

cdef enum:
    API_VERSION = 1

ctypedef void (*block_f32)(const float *h, float *out, Py_ssize_t n, void *data) noexcept nogil
ctypedef void (*block_f64)(const double *h, double *out, Py_ssize_t n, void *data) noexcept nogil
ctypedef void (*derivative_f32)(const float *h, const float *y_hat, float *out, Py_ssize_t n,
                                void *data) noexcept nogil
ctypedef void (*derivative_f64)(const double *h, const double *y_hat, double *out, Py_ssize_t n,
                                void *data) noexcept nogil

# NULL and a ValueError if the name is unknown or row-wise; valid for the lifetime of the process
cdef block_f32 activation_f32(str name) except NULL
cdef block_f64 activation_f64(str name) except NULL
cdef derivative_f32 activation_derivative_f32(str name) except NULL
cdef derivative_f64 activation_derivative_f64(str name) except NULL

# a function as a capsule for Activation(pointer=..., derivative_pointer=...), named after the function's
# type. The compiler checks the type of the argument here; it would not in a keyword argument, so assign the
# capsule to a variable first. A ValueError for NULL
cdef object block_capsule_f32(block_f32 f)
cdef object block_capsule_f64(block_f64 f)
cdef object derivative_capsule_f32(derivative_f32 df)
cdef object derivative_capsule_f64(derivative_f64 df)

# 1/2 sum (y - y_hat)^2 over n elements
cdef float sse_f32(const float *y, const float *y_hat, Py_ssize_t n) noexcept nogil
cdef double sse_f64(const double *y, const double *y_hat, Py_ssize_t n) noexcept nogil
