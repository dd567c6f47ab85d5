# Piecewise activations. The derivative at a kink is a convention, stated beside each equation.

cdef real LEAKY_SLOPE = <real> 0.01
cdef real ALPHA = 1                     # of elu and celu
cdef double SELU_SCALE = 1.0507009873554805
cdef double SELU_ALPHA = 1.6732632423543772


# identity -----------------------------------------------------------------------------------------
# f(h) = h

cdef inline vec identity(vec h, vec a) noexcept nogil:
    return h


cdef inline vec identity_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return keep_nan(h, splat(1))


cdef void identity_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(identity, NO_PARAMETER, h, out, n, data)


cdef void identity_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(identity_derivative, NO_PARAMETER, h, y_hat, out, n, data)


# step ---------------------------------------------------------------------------------------------
# f(h) = 1 for h >= 0, else 0; f' = 0, also at the jump

cdef inline vec step(vec h, vec a) noexcept nogil:
    return select(lt(h, splat(0)), splat(0), keep_nan(h, splat(1)))


cdef inline vec step_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return keep_nan(h, splat(0))


cdef void step_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(step, NO_PARAMETER, h, out, n, data)


cdef void step_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(step_derivative, NO_PARAMETER, h, y_hat, out, n, data)


# relu ---------------------------------------------------------------------------------------------
# f(h) = max(h, 0); f'(0) = 0

cdef inline vec relu(vec h, vec a) noexcept nogil:
    return clamp_min(h, 0)


cdef inline vec relu_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(1), keep_nan(h, splat(0)))


cdef void relu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(relu, NO_PARAMETER, h, out, n, data)


cdef void relu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(relu_derivative, NO_PARAMETER, h, y_hat, out, n, data)


# leaky_relu ---------------------------------------------------------------------------------------
# f(h) = h for h > 0, else a h; f'(0) = a

cdef inline vec leaky_relu(vec h, vec a) noexcept nogil:
    return select(lt(splat(0), h), h, a * h)


cdef inline vec leaky_relu_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(1), keep_nan(h, a))


cdef void leaky_relu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(leaky_relu, LEAKY_SLOPE, h, out, n, data)


cdef void leaky_relu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(leaky_relu_derivative, LEAKY_SLOPE, h, y_hat, out, n, data)


# elu ----------------------------------------------------------------------------------------------
# f(h) = h for h > 0, else a (exp(h) - 1); f' = 1 or f + a; f'(0) = a            (Clevert et al. 2016)

cdef inline vec elu(vec h, vec a) noexcept nogil:
    return select(lt(splat(0), h), h, a * expm1_nonpositive(clamp_max(h, 0)))


cdef inline vec elu_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(1), y_hat + a)


cdef void elu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(elu, ALPHA, h, out, n, data)


cdef void elu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(elu_derivative, ALPHA, h, y_hat, out, n, data)


# selu ---------------------------------------------------------------------------------------------
# f(h) = s h for h > 0, else s a (exp(h) - 1)                     (Klambauer et al. 2017)

cdef inline vec selu(vec h, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(<real> SELU_SCALE) * h,
                  splat(<real> (SELU_SCALE * SELU_ALPHA)) * expm1_nonpositive(clamp_max(h, 0)))


cdef inline vec selu_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(<real> SELU_SCALE),
                  y_hat + splat(<real> (SELU_SCALE * SELU_ALPHA)))


cdef void selu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(selu, NO_PARAMETER, h, out, n, data)


cdef void selu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(selu_derivative, NO_PARAMETER, h, y_hat, out, n, data)


# celu ---------------------------------------------------------------------------------------------
# f(h) = h for h > 0, else a (exp(h / a) - 1); f' = 1 or f / a + 1                     (Barron 2017)

# The compiler computes 1 / a once for all elements, and the residual of the division with it.

cdef inline vec reciprocal(vec a) noexcept nogil:
    # 1 / a for a > 0, or the largest finite number where that overflows
    return clamp_max(splat(1) / a, largest_finite())


cdef inline vec reciprocal_residual(vec a, vec q) noexcept nogil:
    # 1 / a - q, for q = reciprocal(a)
    cdef pair p = two_product(q, a)
    return ((splat(1) - p.hi) - p.lo) * q


cdef inline vec celu(vec h, vec a) noexcept nogil:
    # below -50 a the exponential is negligible next to 1
    cdef vec q = reciprocal(a), c = max_(a * splat(-50), clamp_max(h, 0))
    cdef vec y = a * expm1_nonpositive(fma_(c, reciprocal_residual(a, q), c * q))
    return select(lt(splat(0), h), h, copysign_(y, h))


cdef inline vec celu_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(1), fma_(y_hat, reciprocal(a), splat(1)))


cdef void celu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(celu, ALPHA, h, out, n, data)


cdef void celu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(celu_derivative, ALPHA, h, y_hat, out, n, data)


# hard_sigmoid -------------------------------------------------------------------------------------
# f(h) = h / 6 + 1/2 clamped to [0, 1]; f'(-3) = f'(3) = 0

cdef inline vec hard_sigmoid(vec h, vec a) noexcept nogil:
    return clamp_max(clamp_min(fma_(h, splat(<real> (1.0 / 6)), splat(<real> 0.5)), 0), 1)


cdef inline vec hard_sigmoid_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(abs_(h), splat(3)), splat(<real> (1.0 / 6)), keep_nan(h, splat(0)))


cdef void hard_sigmoid_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(hard_sigmoid, NO_PARAMETER, h, out, n, data)


cdef void hard_sigmoid_df(const real *h, const real *y_hat, real *out,
                          Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(hard_sigmoid_derivative, NO_PARAMETER, h, y_hat, out, n, data)


# hard_tanh ----------------------------------------------------------------------------------------
# f(h) = h clamped to [-1, 1]; f'(-1) = f'(1) = 0

cdef inline vec hard_tanh(vec h, vec a) noexcept nogil:
    return clamp_max(clamp_min(h, -1), 1)


cdef inline vec hard_tanh_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(abs_(h), splat(1)), splat(1), keep_nan(h, splat(0)))


cdef void hard_tanh_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(hard_tanh, NO_PARAMETER, h, out, n, data)


cdef void hard_tanh_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(hard_tanh_derivative, NO_PARAMETER, h, y_hat, out, n, data)


# hard_swish ---------------------------------------------------------------------------------------
# f(h) = h hard_sigmoid(h); f'(-3) = 0, f'(3) = 1                        (Howard et al. 2019)

cdef inline vec hard_swish(vec h, vec a) noexcept nogil:
    return clamp_min(h, -3) * clamp_max(clamp_min(fma_(h, splat(<real> (1.0 / 6)), splat(<real> 0.5)), 0), 1)


cdef inline vec hard_swish_derivative(vec h, vec y_hat, vec a) noexcept nogil:
    return select(le(h, splat(-3)), splat(0),
                  select(le(splat(3), h), splat(1), fma_(h, splat(<real> (1.0 / 3)), splat(<real> 0.5))))


cdef void hard_swish_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_activation(hard_swish, NO_PARAMETER, h, out, n, data)


cdef void hard_swish_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_derivative(hard_swish_derivative, NO_PARAMETER, h, y_hat, out, n, data)


# table -------------------------------------------------------------------------------------------

cdef void fill_piecewise_activations(kernels *t) noexcept:
    register_activation(t, "identity", identity_f, identity_df)
    register_activation(t, "step", step_f, step_df)
    register_activation(t, "relu", relu_f, relu_df)
    add_parameter(register_activation(t, "leaky_relu", leaky_relu_f, leaky_relu_df), "slope", LEAKY_SLOPE)
    add_parameter(reads_y_hat(register_activation(t, "elu", elu_f, elu_df)), "alpha", ALPHA)
    reads_y_hat(register_activation(t, "selu", selu_f, selu_df))
    add_parameter(reads_y_hat(register_activation(t, "celu", celu_f, celu_df)), "alpha", ALPHA)
    register_activation(t, "hard_sigmoid", hard_sigmoid_f, hard_sigmoid_df)
    register_activation(t, "hard_tanh", hard_tanh_f, hard_tanh_df)
    register_activation(t, "hard_swish", hard_swish_f, hard_swish_df)
