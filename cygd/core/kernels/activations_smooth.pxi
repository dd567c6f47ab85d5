# Activations with a derivative everywhere.
#
# Where value and slope share most of their work, one function gives both, and f and f' alone are the halves
# of it: so the bits are the same however they are asked for.

cdef inline real large() noexcept nogil:
    # 2^100 and 2^1000: as good as infinity in h / (1 + |h|) and its square, and divided by itself exactly 1
    return 1.2676506002282294e30 if REAL_BITS == 32 else <real> 1.0715086071862673e301


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
# f(h) = log(1 + exp(h)); f' = sigmoid(h)

cdef inline valued softplus_at(vec h) noexcept nogil:
    cdef vec e = exp_minus_abs(h)
    cdef valued y
    y.value = softplus_of(h, e)
    y.slope = sigmoid_of(h, e)
    return y


cdef inline vec softplus(vec h, vec a) noexcept nogil:
    return softplus_at(h).value


cdef inline vec softplus_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return softplus_at(h).slope


cdef void softplus_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(softplus, NONE, h, out, n, data)


cdef void softplus_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(softplus_slope, NONE, h, y_hat, out, n, data)


cdef void softplus_both(const real *h, real *y_hat, real *slope, Py_ssize_t n, void *data) noexcept nogil:
    map_both(softplus_at, h, y_hat, slope, n)


# softsign -----------------------------------------------------------------------------------------
# f(h) = h / (1 + |h|); f' = 1 / (1 + |h|)^2

cdef inline valued softsign_at(vec h) noexcept nogil:
    cdef vec size = at_most(abs_(h), large()), q = splat(1) / (splat(1) + size)
    cdef valued y
    y.value = copysign_(size * q, h)
    y.slope = q * q
    return y


cdef inline vec softsign(vec h, vec a) noexcept nogil:
    return softsign_at(h).value


cdef inline vec softsign_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return softsign_at(h).slope


cdef void softsign_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(softsign, NONE, h, out, n, data)


cdef void softsign_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(softsign_slope, NONE, h, y_hat, out, n, data)


cdef void softsign_both(const real *h, real *y_hat, real *slope, Py_ssize_t n, void *data) noexcept nogil:
    map_both(softsign_at, h, y_hat, slope, n)


# gelu ---------------------------------------------------------------------------------------------
# f(h) = h Phi(h); f' = Phi(h) + h phi(h), of the normal distribution   (Hendrycks & Gimpel 2016)

cdef inline valued gelu_at(vec h) noexcept nogil:
    cdef normal z = normal_at(h)
    cdef vec low = max_(h, splat(-40))
    cdef valued y
    y.value = low * z.below
    y.slope = fma_(at_most(low, 40), z.density, z.below)
    return y


cdef inline vec gelu(vec h, vec a) noexcept nogil:
    return gelu_at(h).value


cdef inline vec gelu_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return gelu_at(h).slope


cdef void gelu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(gelu, NONE, h, out, n, data)


cdef void gelu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(gelu_slope, NONE, h, y_hat, out, n, data)


cdef void gelu_both(const real *h, real *y_hat, real *slope, Py_ssize_t n, void *data) noexcept nogil:
    map_both(gelu_at, h, y_hat, slope, n)


# gelu_tanh ----------------------------------------------------------------------------------------
# f(h) = h (1 + tanh(u)) / 2 = h sigmoid(2 u), u = sqrt(2 / pi) (h + 0.044715 h^3)

cdef inline valued gelu_tanh_at(vec h) noexcept nogil:
    cdef vec low = at_least(h, -40), c = at_most(low, 40)
    cdef vec u = gelu_argument(c), e = exp_within(exp_low(min_(-u, u)))     # -|u|, but NaN with its sign
    cdef vec q = splat(1) / (e + splat(1)), s = select(lt(u, splat(0)), e, splat(1)) * q
    cdef valued y
    y.value = low * s
    # f' = s + h s (1 - s) (2 u)'; s (1 - s) = e / (1 + e)^2, (2 u)' = 2 sqrt(2 / pi) (1 + 3 * 0.044715 h^2)
    y.slope = fma_(c * e * q * q, fma_(c * c, splat(0.21406444881780076), splat(1.5957691216057308)), s)
    return y


cdef inline vec gelu_tanh(vec h, vec a) noexcept nogil:
    return gelu_tanh_at(h).value


cdef inline vec gelu_tanh_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return gelu_tanh_at(h).slope


cdef void gelu_tanh_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(gelu_tanh, NONE, h, out, n, data)


cdef void gelu_tanh_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(gelu_tanh_slope, NONE, h, y_hat, out, n, data)


cdef void gelu_tanh_both(const real *h, real *y_hat, real *slope, Py_ssize_t n, void *data) noexcept nogil:
    map_both(gelu_tanh_at, h, y_hat, slope, n)


# silu ---------------------------------------------------------------------------------------------
# f(h) = h sigmoid(h); f' = s + h s (1 - s)                             (Elfwing et al. 2018)
# With e = exp(-|h|) and q = 1 / (1 + e): s = q for h >= 0 and e q for h < 0; s (1 - s) = e q^2

cdef inline valued silu_at(vec h) noexcept nogil:
    cdef vec low = exp_low(minus_abs(h)), e = exp_within(low), q = splat(1) / (e + splat(1))
    cdef vec tail = low * e             # -|h| e, and -0 where |h| is large
    cdef vmask right = le(splat(0), h)
    cdef valued y
    y.value = select(right, h, tail) * q
    y.slope = q * fma_(select(right, -tail, tail), q, select(right, splat(1), e))
    return y


cdef inline vec silu(vec h, vec a) noexcept nogil:
    return silu_at(h).value


cdef inline vec silu_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return silu_at(h).slope


cdef void silu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(silu, NONE, h, out, n, data)


cdef void silu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(silu_slope, NONE, h, y_hat, out, n, data)


cdef void silu_both(const real *h, real *y_hat, real *slope, Py_ssize_t n, void *data) noexcept nogil:
    map_both(silu_at, h, y_hat, slope, n)


# mish ---------------------------------------------------------------------------------------------
# f(h) = h tanh(log(1 + exp(h))) = h n / (n + 2), n = e (e + 2), e = exp(h)     (Misra 2020)
# f' = n / (n + 2) + 4 h e (1 + e) / (n + 2)^2

cdef inline valued mish_at(vec h) noexcept nogil:
    # from 22 on n / (n + 2) is 1
    cdef vec low = exp_low(h), c = at_most(low, 22), e = exp_within(c)
    cdef vec n = e * (e + splat(2)), q = splat(1) / (n + splat(2))
    cdef valued y
    y.value = low * (n * q)
    y.slope = q * fma_(splat(4) * c * e * (splat(1) + e), q, n)
    return y


cdef inline vec mish(vec h, vec a) noexcept nogil:
    return mish_at(h).value


cdef inline vec mish_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return mish_at(h).slope


cdef void mish_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(mish, NONE, h, out, n, data)


cdef void mish_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(mish_slope, NONE, h, y_hat, out, n, data)


cdef void mish_both(const real *h, real *y_hat, real *slope, Py_ssize_t n, void *data) noexcept nogil:
    map_both(mish_at, h, y_hat, slope, n)


# sin ----------------------------------------------------------------------------------------------
# f(h) = sin(h); f' = cos(h), of the same turn

cdef inline valued sin_at(vec h) noexcept nogil:
    cdef turned t = turn_for_sin(h)
    cdef valued y
    y.value = sin_with_sign(t, h)
    y.slope = cos_turned(t)
    return y


cdef inline vec sin(vec h, vec a) noexcept nogil:
    return sin_at(h).value


cdef inline vec sin_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return sin_at(h).slope


cdef void sin_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(sin, NONE, h, out, n, data)


cdef void sin_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(sin_slope, NONE, h, y_hat, out, n, data)


cdef void sin_both(const real *h, real *y_hat, real *slope, Py_ssize_t n, void *data) noexcept nogil:
    map_both(sin_at, h, y_hat, slope, n)


# gaussian -----------------------------------------------------------------------------------------
# f(h) = exp(-h^2); f' = -2 h f

cdef inline vec gaussian(vec h, vec a) noexcept nogil:
    return exp_low_parts(exp_minus_square(at_most(abs_(h), 10.29 if REAL_BITS == 32 else 27.38), 1))


cdef inline vec gaussian_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return splat(-2) * min_(max_(h, splat(-1000)), splat(1000)) * y_hat


cdef void gaussian_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(gaussian, NONE, h, out, n, data)


cdef void gaussian_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(gaussian_slope, NONE, h, y_hat, out, n, data)
