# Activations: y_hat = f(h) and f'(h). The loops and the table; the formulas are in activations_piecewise.pxi and
# activations_smooth.pxi, and softmax, the only one that looks at a whole row, is here.
#
# A new activation is two inline functions over a vector, two wrappers of a line that give them the
# loop, and a row in `fill_activations`. `a` is the activation's parameter, where it has one. Where f and f'
# share an exponential or a division, a third wrapper gives both in one pass, for training. Where f'
# is cheaper from the output, it takes y_hat: then it is the exact derivative at the rounded output, so
# y (1 - y), 1 - y^2 and y + a are good to an ulp of 1, not of themselves, where y is next to its limit.
# Values keep their digits in the left tail (but for gelu_tanh, whose argument h^3 costs as many ulp as it
# is large). Net inputs are clamped where a factor has reached its limit, so that inf times 0 never
# makes a NaN; NaN stays NaN.

ctypedef vec (*activation_t)(vec h, vec a) noexcept nogil
ctypedef vec (*slope_t)(vec h, vec y_hat, vec a) noexcept nogil

cdef struct valued:                     # an activation at h: f(h) and f'(h)
    vec value
    vec slope

ctypedef valued (*valued_t)(vec h) noexcept nogil

cdef real NONE = 0                      # the parameter of those that have none


cdef inline vec unless_nan(vec x, vec value) noexcept nogil:
    """Return value, and NaN where x is NaN."""
    return select(eq(x, x), value, x)


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


cdef inline void map_both(valued_t f, const real *h, real *y_hat, real *slope,
                          Py_ssize_t n) noexcept nogil:
    """y_hat = f(h) and slope = f'(h), in one pass."""
    cdef valued first, second
    cdef Py_ssize_t i = 0
    while i + 2 * LANES <= n:
        first, second = f(load(h + i)), f(load(h + i + LANES))
        store(y_hat + i, first.value)
        store(y_hat + i + LANES, second.value)
        store(slope + i, first.slope)
        store(slope + i + LANES, second.slope)
        i += 2 * LANES
    while i < n:
        first = f(load_up_to(h + i, n - i))
        store_up_to(y_hat + i, first.value, n - i)
        store_up_to(slope + i, first.slope, n - i)
        i += LANES


include "activations_piecewise.pxi"
include "activations_smooth.pxi"


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


cdef activation_row *by_y_hat(activation_row *row) noexcept:
    """Say that f' looks at y_hat."""
    row.df_reads_y_hat = True
    return row


cdef void with_parameter(activation_row *row, const char *name, double default) noexcept:
    row.parameters[row.n_parameters] = name
    row.defaults[row.n_parameters] = default
    row.n_parameters += 1


cdef void fill_activations(kernels *t) noexcept:
    cdef activation_row *row
    activation(t, "identity", identity_f, identity_df)
    activation(t, "step", step_f, step_df)
    by_y_hat(activation(t, "sigmoid", sigmoid_f, sigmoid_df))
    by_y_hat(activation(t, "tanh", tanh_f, tanh_df))
    activation(t, "relu", relu_f, relu_df)
    with_parameter(activation(t, "leaky_relu", leaky_relu_f, leaky_relu_df), "slope", LEAKY_SLOPE)
    with_parameter(by_y_hat(activation(t, "elu", elu_f, elu_df)), "alpha", ALPHA)
    by_y_hat(activation(t, "selu", selu_f, selu_df))
    with_parameter(by_y_hat(activation(t, "celu", celu_f, celu_df)), "alpha", ALPHA)
    activation(t, "softplus", softplus_f, softplus_df).value_and_derivative = softplus_both
    activation(t, "softsign", softsign_f, softsign_df).value_and_derivative = softsign_both
    activation(t, "gelu", gelu_f, gelu_df).value_and_derivative = gelu_both
    activation(t, "gelu_tanh", gelu_tanh_f, gelu_tanh_df).value_and_derivative = gelu_tanh_both
    activation(t, "silu", silu_f, silu_df).value_and_derivative = silu_both
    activation(t, "mish", mish_f, mish_df).value_and_derivative = mish_both
    activation(t, "hard_sigmoid", hard_sigmoid_f, hard_sigmoid_df)
    activation(t, "hard_tanh", hard_tanh_f, hard_tanh_df)
    activation(t, "hard_swish", hard_swish_f, hard_swish_df)
    activation(t, "sin", sin_f, sin_df).value_and_derivative = sin_both
    by_y_hat(activation(t, "gaussian", gaussian_f, gaussian_df))
    row = activation(t, "softmax", NULL, NULL)
    row.f_rows = softmax_f
    row.backward_rows = softmax_backward
