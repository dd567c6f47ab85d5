# Activations: y_hat = f(h) and f'(h), a formula each, and the table that names them.
#
# A new activation is two inline functions over a vector, two wrappers of a line that give them the
# loop, and a row in `fill_activations`. `a` is the activation's parameter, where it has one. Where f'
# is cheaper from the output, it takes y_hat: then it is the exact derivative at the rounded output, so
# y (1 - y), 1 - y^2 and y + a are good to an ulp of 1, not of themselves, where y is next to its limit.
# Values keep their digits in the left tail (but for gelu_tanh, whose argument h^3 costs as many ulp as it
# is large). Net inputs are clamped where a factor has reached its limit, so that inf times 0 never
# makes a NaN; NaN stays NaN.

ctypedef vec (*activation_t)(vec h, vec a) noexcept nogil
ctypedef vec (*slope_t)(vec h, vec y_hat, vec a) noexcept nogil

cdef real NONE = 0                      # the parameter of those that have none
cdef real LEAKY_SLOPE = <real> 0.01
cdef real ALPHA = 1                     # of elu and celu
cdef double SELU_SCALE = 1.0507009873554805
cdef double SELU_ALPHA = 1.6732632423543772
cdef real LARGE = <real> 1e30           # as good as infinity in h / (1 + |h|)


cdef inline vec unless_nan(vec x, vec value) noexcept nogil:
    """Return value, and NaN where x is NaN."""
    return select(eq(x, x), value, x)


cdef inline vec gelu_argument(vec h) noexcept nogil:
    """Return 2 sqrt(2 / pi) (h + 0.044715 h^3)."""
    return h * fma_(h * h, splat(<real> 0.07135481627260025), splat(<real> 1.5957691216057308))


cdef inline vec parameter(void *data, real default) noexcept nogil:
    return splat((<const real *> data)[0] if data != NULL else default)


cdef inline void map_h(activation_t f, real default, const real *h, real *out, Py_ssize_t n,
                       void *data) noexcept nogil:
    """out = f(h): two vectors at a time, so that one's latency hides behind the other."""
    cdef vec a = parameter(data, default), first, second
    cdef Py_ssize_t i = 0
    while i + 2 * LANES <= n:
        first, second = f(load(h + i), a), f(load(h + i + LANES), a)
        store(out + i, first)
        store(out + i + LANES, second)
        i += 2 * LANES
    while i < n:
        store_up_to(out + i, f(load_up_to(h + i, n - i), a), n - i)
        i += LANES


cdef inline void map_slope(slope_t df, real default, const real *h, const real *y_hat, real *out,
                           Py_ssize_t n, void *data) noexcept nogil:
    """out = f'(h), from h and y_hat."""
    cdef vec a = parameter(data, default), first, second
    cdef Py_ssize_t i = 0
    while i + 2 * LANES <= n:
        first = df(load(h + i), load(y_hat + i), a)
        second = df(load(h + i + LANES), load(y_hat + i + LANES), a)
        store(out + i, first)
        store(out + i + LANES, second)
        i += 2 * LANES
    while i < n:
        store_up_to(out + i, df(load_up_to(h + i, n - i), load_up_to(y_hat + i, n - i), a), n - i)
        i += LANES


# identity -----------------------------------------------------------------------------------------
# f(h) = h

cdef inline vec identity(vec h, vec a) noexcept nogil:
    return h


cdef inline vec identity_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return unless_nan(h, splat(1))


cdef void identity_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(identity, NONE, h, out, n, data)


cdef void identity_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(identity_slope, NONE, h, y_hat, out, n, data)


# step ---------------------------------------------------------------------------------------------
# f(h) = 1 for h >= 0, else 0; f' = 0, the jump is not differentiated

cdef inline vec step(vec h, vec a) noexcept nogil:
    return select(lt(h, splat(0)), splat(0), unless_nan(h, splat(1)))


cdef inline vec step_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return unless_nan(h, splat(0))


cdef void step_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(step, NONE, h, out, n, data)


cdef void step_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(step_slope, NONE, h, y_hat, out, n, data)


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


# relu ---------------------------------------------------------------------------------------------
# f(h) = max(h, 0); f'(0) = 0

cdef inline vec relu(vec h, vec a) noexcept nogil:
    return at_least(h, 0)


cdef inline vec relu_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(1), unless_nan(h, splat(0)))


cdef void relu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(relu, NONE, h, out, n, data)


cdef void relu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(relu_slope, NONE, h, y_hat, out, n, data)


# leaky_relu ---------------------------------------------------------------------------------------
# f(h) = h for h > 0, else a h; f'(0) = a

cdef inline vec leaky_relu(vec h, vec a) noexcept nogil:
    return select(lt(splat(0), h), h, a * h)


cdef inline vec leaky_relu_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(1), unless_nan(h, a))


cdef void leaky_relu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(leaky_relu, LEAKY_SLOPE, h, out, n, data)


cdef void leaky_relu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(leaky_relu_slope, LEAKY_SLOPE, h, y_hat, out, n, data)


# elu ----------------------------------------------------------------------------------------------
# f(h) = h for h > 0, else a (exp(h) - 1), whose slope is f + a; f'(0) = a  (Clevert et al. 2016)

cdef inline vec elu(vec h, vec a) noexcept nogil:
    return select(lt(splat(0), h), h, a * v_expm1(at_most(h, 0)))


cdef inline vec elu_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(1), y_hat + a)


cdef void elu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(elu, ALPHA, h, out, n, data)


cdef void elu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(elu_slope, ALPHA, h, y_hat, out, n, data)


# selu ---------------------------------------------------------------------------------------------
# f(h) = s h for h > 0, else s a (exp(h) - 1)                     (Klambauer et al. 2017)

cdef inline vec selu(vec h, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(<real> SELU_SCALE) * h,
                  splat(<real> (SELU_SCALE * SELU_ALPHA)) * v_expm1(at_most(h, 0)))


cdef inline vec selu_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(<real> SELU_SCALE),
                  y_hat + splat(<real> (SELU_SCALE * SELU_ALPHA)))


cdef void selu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(selu, NONE, h, out, n, data)


cdef void selu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(selu_slope, NONE, h, y_hat, out, n, data)


# celu ---------------------------------------------------------------------------------------------
# f(h) = h for h > 0, else a (exp(h / a) - 1), whose slope is f / a + 1   (Barron 2017)

cdef inline vec celu(vec h, vec a) noexcept nogil:
    return select(lt(splat(0), h), h, a * v_expm1(at_most(h / a, 0)))


cdef inline vec celu_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(splat(0), h), splat(1), y_hat / a + splat(1))


cdef void celu_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(celu, ALPHA, h, out, n, data)


cdef void celu_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(celu_slope, ALPHA, h, y_hat, out, n, data)


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


# hard_sigmoid -------------------------------------------------------------------------------------
# f(h) = h / 6 + 1/2 cut to [0, 1]; f'(-3) = f'(3) = 0

cdef inline vec hard_sigmoid(vec h, vec a) noexcept nogil:
    return at_most(at_least(fma_(h, splat(<real> (1.0 / 6)), splat(<real> 0.5)), 0), 1)


cdef inline vec hard_sigmoid_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(abs_(h), splat(3)), splat(<real> (1.0 / 6)), unless_nan(h, splat(0)))


cdef void hard_sigmoid_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(hard_sigmoid, NONE, h, out, n, data)


cdef void hard_sigmoid_df(const real *h, const real *y_hat, real *out,
                          Py_ssize_t n, void *data) noexcept nogil:
    map_slope(hard_sigmoid_slope, NONE, h, y_hat, out, n, data)


# hard_tanh ----------------------------------------------------------------------------------------
# f(h) = h cut to [-1, 1]; f'(-1) = f'(1) = 0

cdef inline vec hard_tanh(vec h, vec a) noexcept nogil:
    return at_most(at_least(h, -1), 1)


cdef inline vec hard_tanh_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return select(lt(abs_(h), splat(1)), splat(1), unless_nan(h, splat(0)))


cdef void hard_tanh_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(hard_tanh, NONE, h, out, n, data)


cdef void hard_tanh_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(hard_tanh_slope, NONE, h, y_hat, out, n, data)


# hard_swish ---------------------------------------------------------------------------------------
# f(h) = h hard_sigmoid(h); f'(-3) = 0, f'(3) = 1                        (Howard et al. 2019)

cdef inline vec hard_swish(vec h, vec a) noexcept nogil:
    return at_least(h, -3) * at_most(at_least(fma_(h, splat(<real> (1.0 / 6)), splat(<real> 0.5)), 0), 1)


cdef inline vec hard_swish_slope(vec h, vec y_hat, vec a) noexcept nogil:
    return select(le(h, splat(-3)), splat(0),
                  select(le(splat(3), h), splat(1), fma_(h, splat(<real> (1.0 / 3)), splat(<real> 0.5))))


cdef void hard_swish_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_h(hard_swish, NONE, h, out, n, data)


cdef void hard_swish_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_slope(hard_swish_slope, NONE, h, y_hat, out, n, data)


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


# softmax ------------------------------------------------------------------------------------------
# f(h)_j = exp(h_j - m) / sum_k exp(h_k - m), m = max_k h_k;  delta_j = y_j (g_j - sum_k g_k y_k)
# Blocks of units x rows: a lane is a row, so the sums run over the units without a horizontal step.
# Units at +inf share the whole, and so do all units where all are at -inf: the limit of equal numbers.

cdef inline vec below_most(vec h, vec most) noexcept nogil:
    """Return h - most, and 0 where they are equal, also at infinity."""
    return select(eq(h, most), splat(0), h - most)


cdef void softmax_f(const real *h, real *out, Py_ssize_t units, Py_ssize_t rows,
                    void *data) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef vec most, total, x
    for r from 0 <= r < rows by LANES:
        most = load(h + r)
        for j in range(1, units):
            x = load(h + j * rows + r)
            most = select(lt(most, x), x, most)
        total = splat(0)
        for j in range(units):
            x = v_exp(below_most(load(h + j * rows + r), most))
            total = total + x
            store(out + j * rows + r, x)
        total = splat(1) / total
        for j in range(units):
            store(out + j * rows + r, load(out + j * rows + r) * total)


cdef void softmax_backward(const real *h, const real *y_hat, const real *g, real *delta,
                           Py_ssize_t units, Py_ssize_t rows, void *data) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef vec total
    for r from 0 <= r < rows by LANES:
        total = splat(0)
        for j in range(units):
            total = fma_(load(g + j * rows + r), load(y_hat + j * rows + r), total)
        for j in range(units):
            store(delta + j * rows + r, load(y_hat + j * rows + r) * (load(g + j * rows + r) - total))


# the table ---------------------------------------------------------------------------------------

cdef activation_row *activation(kernels *t, const char *name, block_t f, derivative_t df) noexcept:
    """Add a row; returns it."""
    cdef activation_row *row = &t.activations[t.n_activations]
    row.name = name
    row.f = f
    row.df = df
    t.n_activations += 1
    return row


cdef void with_parameter(activation_row *row, const char *name, double default) noexcept:
    row.parameters[row.n_parameters] = name
    row.defaults[row.n_parameters] = default
    row.n_parameters += 1


cdef void fill_activations(kernels *t) noexcept:
    cdef activation_row *row
    activation(t, "identity", identity_f, identity_df)
    activation(t, "step", step_f, step_df)
    activation(t, "sigmoid", sigmoid_f, sigmoid_df)
    activation(t, "tanh", tanh_f, tanh_df)
    activation(t, "relu", relu_f, relu_df)
    with_parameter(activation(t, "leaky_relu", leaky_relu_f, leaky_relu_df), "slope", LEAKY_SLOPE)
    with_parameter(activation(t, "elu", elu_f, elu_df), "alpha", ALPHA)
    activation(t, "selu", selu_f, selu_df)
    with_parameter(activation(t, "celu", celu_f, celu_df), "alpha", ALPHA)
    activation(t, "softplus", softplus_f, softplus_df)
    activation(t, "softsign", softsign_f, softsign_df)
    activation(t, "gelu", gelu_f, gelu_df)
    activation(t, "gelu_tanh", gelu_tanh_f, gelu_tanh_df)
    activation(t, "silu", silu_f, silu_df)
    activation(t, "mish", mish_f, mish_df)
    activation(t, "hard_sigmoid", hard_sigmoid_f, hard_sigmoid_df)
    activation(t, "hard_tanh", hard_tanh_f, hard_tanh_df)
    activation(t, "hard_swish", hard_swish_f, hard_swish_df)
    activation(t, "sin", sin_f, sin_df)
    activation(t, "gaussian", gaussian_f, gaussian_df)
    row = activation(t, "softmax", NULL, NULL)
    row.f_rows = softmax_f
    row.backward_rows = softmax_backward
