# Activations with a derivative everywhere.

cdef real LARGE = <real> 1e30           # as good as infinity in h / (1 + |h|)


cdef inline vec gelu_argument(vec h) noexcept nogil:
    """Return 2 sqrt(2 / pi) (h + 0.044715 h^3)."""
    return h * fma_(h * h, splat(<real> 0.07135481627260025), splat(<real> 1.5957691216057308))


# sigmoid ------------------------------------------------------------------------------------------
# f(h) = 1 / (1 + exp(-h)); f' = f (1 - f)

cdef inline vec sigmoid(vec h, vec a) noexcept nogil:
    return v_sigmoid(h)


cdef inline vec sigmoid_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return y_hat * (splat(1) - y_hat)


cdef void sigmoid_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(sigmoid, NONE, h, out, n, data)


cdef void sigmoid_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(sigmoid_slope, NONE, h, y_hat, out, n, data)


# tanh ---------------------------------------------------------------------------------------------
# f(h) = tanh(h); f' = 1 - f^2

cdef inline vec tanh(vec h, vec a) noexcept nogil:
    return v_tanh(h)


cdef inline vec tanh_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return (splat(1) - y_hat) * (splat(1) + y_hat)


cdef void tanh_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(tanh, NONE, h, out, n, data)


cdef void tanh_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(tanh_slope, NONE, h, y_hat, out, n, data)


# softplus -----------------------------------------------------------------------------------------
# f(h) = log(1 + exp(h)); f' = sigmoid(h) = 1 - exp(-f), as accurate and without a division

cdef inline vec softplus(vec h, vec a) noexcept nogil:
    return v_softplus(h)


cdef inline vec softplus_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return -v_expm1(-y_hat)


cdef void softplus_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(softplus, NONE, h, out, n, data)


cdef void softplus_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(softplus_slope, NONE, h, y_hat, out, n, data)


# softsign -----------------------------------------------------------------------------------------
# f(h) = h / (1 + |h|); f' = 1 / (1 + |h|)^2

cdef inline vec softsign(vec h, vec a) noexcept nogil:
    cdef vec size = at_most(abs_(h), LARGE)
    return copysign_(size / (splat(1) + size), h)


cdef inline vec softsign_slope(vec h, vec y_hat, vec a) noexcept nogil:
    cdef vec q = splat(1) / (splat(1) + abs_(h))
    return q * q


cdef void softsign_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(softsign, NONE, h, out, n, data)


cdef void softsign_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(softsign_slope, NONE, h, y_hat, out, n, data)


# gelu ---------------------------------------------------------------------------------------------
# f(h) = h Phi(h); f' = Phi(h) + h phi(h), of the normal distribution   (Hendrycks & Gimpel 2016)

cdef inline vec gelu(vec h, vec a) noexcept nogil:
    return at_least(h, -40) * normal_at(h).below


cdef inline vec gelu_slope(vec h, vec y_hat, vec a) noexcept nogil:
    cdef normal z = normal_at(h)
    return fma_(within(h, 40), z.density, z.below)


cdef void gelu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(gelu, NONE, h, out, n, data)


cdef void gelu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(gelu_slope, NONE, h, y_hat, out, n, data)


# gelu_tanh ----------------------------------------------------------------------------------------
# f(h) = h (1 + tanh(u)) / 2 = h sigmoid(2 u), u = sqrt(2 / pi) (h + 0.044715 h^3)

cdef inline vec gelu_tanh(vec h, vec a) noexcept nogil:
    h = at_least(h, -40)
    return h * v_sigmoid(gelu_argument(h))


cdef inline vec gelu_tanh_slope(vec h, vec y_hat, vec a) noexcept nogil:
    cdef logistic s
    h = within(h, 40)
    s = logistic_at(gelu_argument(h))
    # (2 u)' = 2 sqrt(2 / pi) (1 + 3 * 0.044715 h^2)
    return fma_(h * s.slope, fma_(h * h, splat(0.21406444881780076), splat(1.5957691216057308)), s.value)


cdef void gelu_tanh_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(gelu_tanh, NONE, h, out, n, data)


cdef void gelu_tanh_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(gelu_tanh_slope, NONE, h, y_hat, out, n, data)


# silu ---------------------------------------------------------------------------------------------
# f(h) = h sigmoid(h); f' = s + h s (1 - s)                             (Elfwing et al. 2018)

cdef inline vec silu(vec h, vec a) noexcept nogil:
    h = at_least(h, -1000)
    return h * v_sigmoid(h)


cdef inline vec silu_slope(vec h, vec y_hat, vec a) noexcept nogil:
    cdef logistic s
    h = within(h, 1000)
    s = logistic_at(h)
    return fma_(h, s.slope, s.value)


cdef void silu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(silu, NONE, h, out, n, data)


cdef void silu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(silu_slope, NONE, h, y_hat, out, n, data)


# mish ---------------------------------------------------------------------------------------------
# f(h) = h tanh(log(1 + exp(h))) = h n / (n + 2), n = e (e + 2), e = exp(h)     (Misra 2020)
# f' = n / (n + 2) + 4 h e (1 + e) / (n + 2)^2

cdef inline vec mish(vec h, vec a) noexcept nogil:
    cdef vec e = v_exp(at_most(at_least(h, -1000), 22)), n = e * (e + splat(2))
    return at_least(h, -1000) * (n / (n + splat(2)))


cdef inline vec mish_slope(vec h, vec y_hat, vec a) noexcept nogil:
    cdef vec e, n, q
    h = at_most(at_least(h, -1000), 22)
    e = v_exp(h)
    n = e * (e + splat(2))
    q = splat(1) / (n + splat(2))
    return q * fma_(splat(4) * h * e * (splat(1) + e), q, n)


cdef void mish_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(mish, NONE, h, out, n, data)


cdef void mish_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(mish_slope, NONE, h, y_hat, out, n, data)


# sin ----------------------------------------------------------------------------------------------
# f(h) = sin(h); f' = cos(h)

cdef inline vec sin(vec h, vec a) noexcept nogil:
    return v_sin(h)


cdef inline vec sin_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return v_cos(h)


cdef void sin_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(sin, NONE, h, out, n, data)


cdef void sin_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(sin_slope, NONE, h, y_hat, out, n, data)


# gaussian -----------------------------------------------------------------------------------------
# f(h) = exp(-h^2); f' = -2 h f

cdef inline vec gaussian(vec h, vec a) noexcept nogil:
    cdef exponential e = exp_minus_square(at_most(abs_(h), 10.29 if REAL_BITS == 32 else 27.38), 1)
    return scale_(e.p + splat(1), e.n)


cdef inline vec gaussian_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return splat(-2) * within(h, 1000) * y_hat


cdef void gaussian_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(gaussian, NONE, h, out, n, data)


cdef void gaussian_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(gaussian_slope, NONE, h, y_hat, out, n, data)
