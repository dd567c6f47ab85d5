# Smooth activations.
#
# Where the value and the derivative share most of their work, one function (`_at`) computes both; f and f'
# alone take one of its results, so the bits do not depend on which of the three is called.

cdef inline real softsign_limit() noexcept nogil:
    # 2^100 or 2^1000: 1 + |h| rounds to |h|, and |h| (1 / |h|) is exactly 1, since |h| is a power of two
    return 1.2676506002282294e30 if REAL_BITS == 32 else <real> 1.0715086071862673e301


cdef inline vec gelu_tanh_argument(vec h) noexcept nogil:
    """Return 2 sqrt(2 / pi) (h + 0.044715 h^3)."""
    return h * fma_(h * h, splat(<real> 0.07135481627260025), splat(<real> 1.5957691216057308))


# sigmoid ------------------------------------------------------------------------------------------
# f(h) = 1 / (1 + exp(-h)); f' = f (1 - f)

cdef inline vec sigmoid(vec h, vec a) noexcept nogil:
    return v_sigmoid(h)


cdef inline vec sigmoid_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return y_hat * (splat(1) - y_hat)


cdef void sigmoid_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(sigmoid, NO_PARAMETER, h, out, n, data)


cdef void sigmoid_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(sigmoid_derivative, NO_PARAMETER, h, y_hat, out, n, data)


# tanh ---------------------------------------------------------------------------------------------
# f(h) = tanh(h); f' = 1 - f^2

cdef inline vec tanh(vec h, vec a) noexcept nogil:
    return v_tanh(h)


cdef inline vec tanh_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return (splat(1) - y_hat) * (splat(1) + y_hat)


cdef void tanh_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(tanh, NO_PARAMETER, h, out, n, data)


cdef void tanh_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(tanh_derivative, NO_PARAMETER, h, y_hat, out, n, data)


# softplus -----------------------------------------------------------------------------------------
# f(h) = log(1 + exp(h)); f' = sigmoid(h)

cdef inline value_and_derivative softplus_at(vec h) noexcept nogil:
    cdef vec e = exp_neg_abs(h)
    cdef value_and_derivative y
    y.value = softplus_from_exp(h, e)
    y.derivative = sigmoid_from_exp(h, e)
    return y


cdef inline vec softplus(vec h, vec a) noexcept nogil:
    return softplus_at(h).value


cdef inline vec softplus_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return softplus_at(h).derivative


cdef void softplus_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(softplus, NO_PARAMETER, h, out, n, data)


cdef void softplus_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(softplus_derivative, NO_PARAMETER, h, y_hat, out, n, data)


cdef void softplus_f_df(const real *h, real *y_hat, real *derivative, Py_ssize_t n,
                        void *data) noexcept nogil:
    map_value_and_derivative(softplus_at, h, y_hat, derivative, n)


# softsign -----------------------------------------------------------------------------------------
# f(h) = h / (1 + |h|); f' = 1 / (1 + |h|)^2

cdef inline value_and_derivative softsign_at(vec h) noexcept nogil:
    cdef vec magnitude = clamp_max(abs_(h), softsign_limit()), q = splat(1) / (splat(1) + magnitude)
    cdef value_and_derivative y
    y.value = copysign_(magnitude * q, h)
    y.derivative = q * q
    return y


cdef inline vec softsign(vec h, vec a) noexcept nogil:
    return softsign_at(h).value


cdef inline vec softsign_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return softsign_at(h).derivative


cdef void softsign_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(softsign, NO_PARAMETER, h, out, n, data)


cdef void softsign_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(softsign_derivative, NO_PARAMETER, h, y_hat, out, n, data)


cdef void softsign_f_df(const real *h, real *y_hat, real *derivative, Py_ssize_t n,
                        void *data) noexcept nogil:
    map_value_and_derivative(softsign_at, h, y_hat, derivative, n)


# gelu ---------------------------------------------------------------------------------------------
# f(h) = h Phi(h); f' = Phi(h) + h phi(h), the normal cdf and pdf       (Hendrycks & Gimpel 2016)

cdef inline value_and_derivative gelu_at(vec h) noexcept nogil:
    cdef normal z = normal_at(h)
    cdef vec low = max_(h, splat(-40))
    cdef value_and_derivative y
    y.value = low * z.cdf
    y.derivative = fma_(clamp_max(low, 40), z.pdf, z.cdf)
    return y


cdef inline vec gelu(vec h, vec a) noexcept nogil:
    return gelu_at(h).value


cdef inline vec gelu_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return gelu_at(h).derivative


cdef void gelu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(gelu, NO_PARAMETER, h, out, n, data)


cdef void gelu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(gelu_derivative, NO_PARAMETER, h, y_hat, out, n, data)


cdef void gelu_f_df(const real *h, real *y_hat, real *derivative, Py_ssize_t n,
                    void *data) noexcept nogil:
    map_value_and_derivative(gelu_at, h, y_hat, derivative, n)


# gelu_tanh ----------------------------------------------------------------------------------------
# f(h) = h (1 + tanh(u)) / 2 = h sigmoid(2 u), u = sqrt(2 / pi) (h + 0.044715 h^3)

cdef inline value_and_derivative gelu_tanh_at(vec h) noexcept nogil:
    cdef vec low = clamp_min(h, -40), c = clamp_max(low, 40)
    # min_(-u, u) is -|u|, but a NaN keeps its sign
    cdef vec u = gelu_tanh_argument(c), e = exp_in_range(clamp_exp_low(min_(-u, u)))
    cdef vec q = splat(1) / (e + splat(1)), s = select(lt(u, splat(0)), e, splat(1)) * q
    cdef value_and_derivative y
    y.value = low * s
    # f' = s + h s (1 - s) (2 u)'; s (1 - s) = e / (1 + e)^2, (2 u)' = 2 sqrt(2 / pi) (1 + 3 * 0.044715 h^2)
    y.derivative = fma_(c * e * q * q, fma_(c * c, splat(0.21406444881780076), splat(1.5957691216057308)), s)
    return y


cdef inline vec gelu_tanh(vec h, vec a) noexcept nogil:
    return gelu_tanh_at(h).value


cdef inline vec gelu_tanh_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return gelu_tanh_at(h).derivative


cdef void gelu_tanh_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(gelu_tanh, NO_PARAMETER, h, out, n, data)


cdef void gelu_tanh_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(gelu_tanh_derivative, NO_PARAMETER, h, y_hat, out, n, data)


cdef void gelu_tanh_f_df(const real *h, real *y_hat, real *derivative, Py_ssize_t n,
                         void *data) noexcept nogil:
    map_value_and_derivative(gelu_tanh_at, h, y_hat, derivative, n)


# silu ---------------------------------------------------------------------------------------------
# f(h) = h sigmoid(h); f' = s + h s (1 - s)                             (Elfwing et al. 2018)
# With e = exp(-|h|) and q = 1 / (1 + e): s = q for h >= 0 and e q for h < 0; s (1 - s) = e q^2

cdef inline value_and_derivative silu_at(vec h) noexcept nogil:
    cdef vec low = clamp_exp_low(neg_abs(h)), e = exp_in_range(low), q = splat(1) / (e + splat(1))
    cdef vec tail = low * e             # -|h| e, or -0 for large |h|
    cdef vmask right = le(splat(0), h)
    cdef value_and_derivative y
    y.value = select(right, h, tail) * q
    y.derivative = q * fma_(select(right, -tail, tail), q, select(right, splat(1), e))
    return y


cdef inline vec silu(vec h, vec a) noexcept nogil:
    return silu_at(h).value


cdef inline vec silu_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return silu_at(h).derivative


cdef void silu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(silu, NO_PARAMETER, h, out, n, data)


cdef void silu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(silu_derivative, NO_PARAMETER, h, y_hat, out, n, data)


cdef void silu_f_df(const real *h, real *y_hat, real *derivative, Py_ssize_t n,
                    void *data) noexcept nogil:
    map_value_and_derivative(silu_at, h, y_hat, derivative, n)


# mish ---------------------------------------------------------------------------------------------
# f(h) = h tanh(log(1 + exp(h))) = h n / (n + 2), n = e (e + 2), e = exp(h)     (Misra 2020)
# f' = n / (n + 2) + 4 h e (1 + e) / (n + 2)^2

cdef inline value_and_derivative mish_at(vec h) noexcept nogil:
    # for h >= 22, n / (n + 2) is 1
    cdef vec low = clamp_exp_low(h), c = clamp_max(low, 22), e = exp_in_range(c)
    cdef vec n = e * (e + splat(2)), q = splat(1) / (n + splat(2))
    cdef value_and_derivative y
    y.value = low * (n * q)
    y.derivative = q * fma_(splat(4) * c * e * (splat(1) + e), q, n)
    return y


cdef inline vec mish(vec h, vec a) noexcept nogil:
    return mish_at(h).value


cdef inline vec mish_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return mish_at(h).derivative


cdef void mish_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(mish, NO_PARAMETER, h, out, n, data)


cdef void mish_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(mish_derivative, NO_PARAMETER, h, y_hat, out, n, data)


cdef void mish_f_df(const real *h, real *y_hat, real *derivative, Py_ssize_t n,
                    void *data) noexcept nogil:
    map_value_and_derivative(mish_at, h, y_hat, derivative, n)


# sin ----------------------------------------------------------------------------------------------
# f(h) = sin(h); f' = cos(h), from the same argument reduction

cdef inline value_and_derivative sin_at(vec h) noexcept nogil:
    cdef reduced_angle t = reduce_for_sin(h)
    cdef value_and_derivative y
    y.value = sin_signed(t, h)
    y.derivative = cos_reduced(t)
    return y


cdef inline vec sin(vec h, vec a) noexcept nogil:
    return sin_at(h).value


cdef inline vec sin_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return sin_at(h).derivative


cdef void sin_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(sin, NO_PARAMETER, h, out, n, data)


cdef void sin_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(sin_derivative, NO_PARAMETER, h, y_hat, out, n, data)


cdef void sin_f_df(const real *h, real *y_hat, real *derivative, Py_ssize_t n,
                   void *data) noexcept nogil:
    map_value_and_derivative(sin_at, h, y_hat, derivative, n)


# gaussian -----------------------------------------------------------------------------------------
# f(h) = exp(-h^2); f' = -2 h f

cdef inline vec gaussian(vec h, vec a) noexcept nogil:
    return combine_exp(exp_neg_square(clamp_max(abs_(h), 10.29 if REAL_BITS == 32 else 27.38), 1))


cdef inline vec gaussian_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return splat(-2) * min_(max_(h, splat(-1000)), splat(1000)) * y_hat


cdef void gaussian_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(gaussian, NO_PARAMETER, h, out, n, data)


cdef void gaussian_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(gaussian_derivative, NO_PARAMETER, h, y_hat, out, n, data)


# table -------------------------------------------------------------------------------------------

cdef void fill_smooth_activations(kernels *t) noexcept:
    reads_y_hat(register_activation(t, "sigmoid", sigmoid_f, sigmoid_df))
    reads_y_hat(register_activation(t, "tanh", tanh_f, tanh_df))
    register_activation(t, "softplus", softplus_f, softplus_df).value_and_derivative = softplus_f_df
    register_activation(t, "softsign", softsign_f, softsign_df).value_and_derivative = softsign_f_df
    register_activation(t, "gelu", gelu_f, gelu_df).value_and_derivative = gelu_f_df
    register_activation(t, "gelu_tanh", gelu_tanh_f, gelu_tanh_df).value_and_derivative = gelu_tanh_f_df
    register_activation(t, "silu", silu_f, silu_df).value_and_derivative = silu_f_df
    register_activation(t, "mish", mish_f, mish_df).value_and_derivative = mish_f_df
    register_activation(t, "sin", sin_f, sin_df).value_and_derivative = sin_f_df
    reads_y_hat(register_activation(t, "gaussian", gaussian_f, gaussian_df))
