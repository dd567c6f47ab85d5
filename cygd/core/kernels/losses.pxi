# Losses: l(y, y_hat) of one element and dl/dy_hat, before the reduction, and fused losses.
#
# To add a loss, write two inline functions over a vector, two wrappers that pass them to `map_loss`, and an
# entry in `fill_losses`. `a` is the loss's parameter, if any; d = y_hat - y. A term with a factor 0 is 0,
# even next to an infinite logarithm.

ctypedef vec (*loss_fn)(vec y, vec y_hat, vec a) noexcept nogil

cdef real HUBER_DELTA = 1
cdef real TAU = <real> 0.5


cdef inline void map_loss(loss_fn f, real default, const real *y, const real *y_hat, real *out,
                          Py_ssize_t n, void *data) noexcept nogil:
    """out (n) = f(y (n), y_hat (n))."""
    cdef vec a = load_parameter(data, default)
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        store_n(out + i, f(load_n(y + i, n - i), load_n(y_hat + i, n - i), a), n - i)


cdef inline vec mul_or_zero(vec factor, vec x) noexcept nogil:
    """Return factor * x, and 0 where the factor is 0 (0 log 0 = 0)."""
    return select(eq(factor, splat(0)), splat(0), factor * x)


cdef inline vec div_or_zero(vec x, vec divisor) noexcept nogil:
    """Return x / divisor, and 0 where x is 0."""
    return select(eq(x, splat(0)), splat(0), x / divisor)


# sse ----------------------------------------------------------------------------------------------
# l = (y - y_hat)^2 / 2

cdef inline vec sse(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y_hat - y
    return splat(<real> 0.5) * d * d


cdef inline vec sse_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    return y_hat - y


cdef void sse_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(sse, NO_PARAMETER, y, y_hat, out, n, data)


cdef void sse_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(sse_derivative, NO_PARAMETER, y, y_hat, out, n, data)


# squared_error ------------------------------------------------------------------------------------
# l = (y - y_hat)^2

cdef inline vec squared_error(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y_hat - y
    return d * d


cdef inline vec squared_error_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    return splat(2) * (y_hat - y)


cdef void squared_error_f(const real *y, const real *y_hat, real *out,
                          Py_ssize_t n, void *data) noexcept nogil:
    map_loss(squared_error, NO_PARAMETER, y, y_hat, out, n, data)


cdef void squared_error_df(const real *y, const real *y_hat, real *out,
                           Py_ssize_t n, void *data) noexcept nogil:
    map_loss(squared_error_derivative, NO_PARAMETER, y, y_hat, out, n, data)


# mse ----------------------------------------------------------------------------------------------
# l = (y - y_hat)^2, averaged

cdef inline vec mse(vec y, vec y_hat, vec a) noexcept nogil:
    return squared_error(y, y_hat, a)


cdef inline vec mse_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    return squared_error_derivative(y, y_hat, a)


cdef void mse_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(mse, NO_PARAMETER, y, y_hat, out, n, data)


cdef void mse_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(mse_derivative, NO_PARAMETER, y, y_hat, out, n, data)


# mae ----------------------------------------------------------------------------------------------
# l = |y - y_hat|; l' = 0 for y = y_hat

cdef inline vec mae(vec y, vec y_hat, vec a) noexcept nogil:
    return abs_(y_hat - y)


cdef inline vec mae_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y_hat - y
    return keep_nan(d, sign(d))


cdef void mae_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(mae, NO_PARAMETER, y, y_hat, out, n, data)


cdef void mae_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(mae_derivative, NO_PARAMETER, y, y_hat, out, n, data)


# huber --------------------------------------------------------------------------------------------
# l = d^2 / 2 for |d| <= a, else a (|d| - a / 2)                          (Huber 1964)

cdef inline vec huber(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = abs_(y_hat - y), c = select(lt(a, d), a, d)
    return c * (d - splat(<real> 0.5) * c)


cdef inline vec huber_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y_hat - y
    return select(lt(a, d), a, select(lt(d, -a), -a, d))


cdef void huber_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(huber, HUBER_DELTA, y, y_hat, out, n, data)


cdef void huber_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(huber_derivative, HUBER_DELTA, y, y_hat, out, n, data)


# log_cosh -----------------------------------------------------------------------------------------
# l = log(cosh(d)) = log(1 + u^2 / (2 (u + 1))), u = exp(|d|) - 1; |d| - log(2) for large |d|

cdef inline vec log_cosh(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = abs_(y_hat - y), u = v_expm1(clamp_max(d, 20))
    return select(lt(splat(20), d), d - splat(<real> 0.6931471805599453),
                  v_log1p(splat(<real> 0.5) * u * (u / (u + splat(1)))))


cdef inline vec log_cosh_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    return v_tanh(y_hat - y)


cdef void log_cosh_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(log_cosh, NO_PARAMETER, y, y_hat, out, n, data)


cdef void log_cosh_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(log_cosh_derivative, NO_PARAMETER, y, y_hat, out, n, data)


# quantile -----------------------------------------------------------------------------------------
# l = a (y - y_hat) for y > y_hat, else (1 - a) (y_hat - y); l' = 0 for y = y_hat (Koenker & Bassett 1978)

cdef inline vec quantile(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y - y_hat
    return select(lt(d, splat(0)), (a - splat(1)) * d, a * d)


cdef inline vec quantile_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y - y_hat
    return select(lt(d, splat(0)), splat(1) - a, select(lt(splat(0), d), -a, d))


cdef void quantile_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(quantile, TAU, y, y_hat, out, n, data)


cdef void quantile_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(quantile_derivative, TAU, y, y_hat, out, n, data)


# poisson ------------------------------------------------------------------------------------------
# l = y_hat - y log(y_hat), where y_hat is the rate

cdef inline vec poisson(vec y, vec y_hat, vec a) noexcept nogil:
    return y_hat - mul_or_zero(y, v_log(y_hat))


cdef inline vec poisson_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    return keep_nan(y_hat, splat(1) - div_or_zero(y, y_hat))


cdef void poisson_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(poisson, NO_PARAMETER, y, y_hat, out, n, data)


cdef void poisson_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(poisson_derivative, NO_PARAMETER, y, y_hat, out, n, data)


# binary_cross_entropy -----------------------------------------------------------------------------
# l = -y log(y_hat) - (1 - y) log(1 - y_hat)

cdef inline vec binary_cross_entropy(vec y, vec y_hat, vec a) noexcept nogil:
    return -mul_or_zero(y, v_log(y_hat)) - mul_or_zero(splat(1) - y, v_log1p(-y_hat))


cdef inline vec binary_cross_entropy_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    return div_or_zero(splat(1) - y, splat(1) - y_hat) - div_or_zero(y, y_hat)


cdef void binary_cross_entropy_f(const real *y, const real *y_hat, real *out,
                                 Py_ssize_t n, void *data) noexcept nogil:
    map_loss(binary_cross_entropy, NO_PARAMETER, y, y_hat, out, n, data)


cdef void binary_cross_entropy_df(const real *y, const real *y_hat, real *out,
                                  Py_ssize_t n, void *data) noexcept nogil:
    map_loss(binary_cross_entropy_derivative, NO_PARAMETER, y, y_hat, out, n, data)


# cross_entropy ------------------------------------------------------------------------------------
# l = -y log(y_hat)

cdef inline vec cross_entropy(vec y, vec y_hat, vec a) noexcept nogil:
    return keep_nan(y_hat, -mul_or_zero(y, v_log(y_hat)))


cdef inline vec cross_entropy_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    return keep_nan(y_hat, -div_or_zero(y, y_hat))


cdef void cross_entropy_f(const real *y, const real *y_hat, real *out,
                          Py_ssize_t n, void *data) noexcept nogil:
    map_loss(cross_entropy, NO_PARAMETER, y, y_hat, out, n, data)


cdef void cross_entropy_df(const real *y, const real *y_hat, real *out,
                           Py_ssize_t n, void *data) noexcept nogil:
    map_loss(cross_entropy_derivative, NO_PARAMETER, y, y_hat, out, n, data)


# hinge --------------------------------------------------------------------------------------------
# l = max(0, 1 - y y_hat) for y = -1 or 1; l' = 0 at the kink

cdef inline vec hinge(vec y, vec y_hat, vec a) noexcept nogil:
    return clamp_min(splat(1) - y * y_hat, 0)


cdef inline vec hinge_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec m = y * y_hat
    return select(lt(m, splat(1)), -y, keep_nan(m, splat(0)))


cdef void hinge_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(hinge, NO_PARAMETER, y, y_hat, out, n, data)


cdef void hinge_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(hinge_derivative, NO_PARAMETER, y, y_hat, out, n, data)


# squared_hinge ------------------------------------------------------------------------------------
# l = max(0, 1 - y y_hat)^2

cdef inline vec squared_hinge(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec m = clamp_min(splat(1) - y * y_hat, 0)
    return m * m


cdef inline vec squared_hinge_derivative(vec y, vec y_hat, vec a) noexcept nogil:
    return splat(-2) * y * clamp_min(splat(1) - y * y_hat, 0)


cdef void squared_hinge_f(const real *y, const real *y_hat, real *out,
                          Py_ssize_t n, void *data) noexcept nogil:
    map_loss(squared_hinge, NO_PARAMETER, y, y_hat, out, n, data)


cdef void squared_hinge_df(const real *y, const real *y_hat, real *out,
                           Py_ssize_t n, void *data) noexcept nogil:
    map_loss(squared_hinge_derivative, NO_PARAMETER, y, y_hat, out, n, data)


# fused losses -------------------------------------------------------------------------------------
# A sigmoid or softmax output layer and its cross-entropy in one kernel: the logarithm is computed from the
# net input, before anything underflows, and in delta the derivatives of activation and loss cancel.

# l = max(h, 0) - h y + log(1 + exp(-|h|));  delta = y - y_hat
# max(h, 0) - h y is |h| (1 - y) for h > 0, else |h| y: no terms cancel for targets in [0, 1]
cdef inline vec sigmoid_cross_entropy_at(vec h, vec y) noexcept nogil:
    cdef vec factor = select(lt(splat(0), h), splat(1) - y, y), x = neg_abs(h)
    return v_softplus(x) - mul_or_zero(factor, x)


cdef void sigmoid_cross_entropy(const real *h, const real *y, real *out, Py_ssize_t units,
                                Py_ssize_t rows, void *data) noexcept nogil:
    # two vectors at a time, so that their latencies overlap
    cdef Py_ssize_t i = 0
    cdef vec first, second
    while i + 2 * LANES <= units * rows:
        first = sigmoid_cross_entropy_at(load(h + i), load(y + i))
        second = sigmoid_cross_entropy_at(load(h + i + LANES), load(y + i + LANES))
        store(out + i, first)
        store(out + i + LANES, second)
        i += 2 * LANES
    while i < units * rows:
        store(out + i, sigmoid_cross_entropy_at(load(h + i), load(y + i)))
        i += LANES


cdef void sigmoid_cross_entropy_delta(const real *y, const real *y_hat, real *delta, Py_ssize_t units,
                                      Py_ssize_t rows, void *data) noexcept nogil:
    subtract(y, y_hat, delta, units * rows)


# l_j = -y_j (h_j - m - log(sum_k exp(h_k - m)));  delta_j = y_j - y_hat_j sum_k y_k
cdef void softmax_cross_entropy(const real *h, const real *y, real *out, Py_ssize_t units,
                                Py_ssize_t rows, void *data) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef vec maximum, total, x
    for r from 0 <= r < rows by LANES:
        maximum = load(h + r)
        for j in range(1, units):
            x = load(h + j * rows + r)
            maximum = select(lt(maximum, x), x, maximum)
        total = splat(0)
        for j in range(units):
            total = total + v_exp(minus_max(load(h + j * rows + r), maximum))
        total = v_log(total)
        for j in range(units):
            x = total - minus_max(load(h + j * rows + r), maximum)
            store(out + j * rows + r, mul_or_zero(load(y + j * rows + r), x))


cdef void softmax_cross_entropy_delta(const real *y, const real *y_hat, real *delta, Py_ssize_t units,
                                      Py_ssize_t rows, void *data) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef vec total
    for r from 0 <= r < rows by LANES:
        total = splat(0)
        for j in range(units):
            total = total + load(y + j * rows + r)
        for j in range(units):
            store(delta + j * rows + r,
                  load(y + j * rows + r) - load(y_hat + j * rows + r) * total)


# table --------------------------------------------------------------------------------------------

cdef loss_entry *register_loss(kernels *t, const char *name, loss_block_t f, loss_block_t df,
                             int reduction) noexcept:
    """Append an entry to the table and return it."""
    cdef loss_entry *entry = &t.losses[t.n_losses]
    entry.name = name
    entry.f = f
    entry.df = df
    entry.reduction = reduction
    t.n_losses += 1
    return entry


cdef void add_loss_parameter(loss_entry *entry, const char *name, double default) noexcept:
    entry.parameters[entry.n_parameters] = name
    entry.defaults[entry.n_parameters] = default
    entry.n_parameters += 1


cdef void register_fused_loss(kernels *t, const char *activation, const char *loss, fused_loss_t f,
                              fused_delta_t delta) noexcept:
    cdef fused_loss_entry *entry = &t.fused_losses[t.n_fused_losses]
    entry.activation = activation
    entry.loss = loss
    entry.f = f
    entry.delta = delta
    t.n_fused_losses += 1


cdef void fill_losses(kernels *t) noexcept:
    register_loss(t, "sse", sse_f, sse_df, SUM)
    register_loss(t, "squared_error", squared_error_f, squared_error_df, SUM)
    register_loss(t, "mse", mse_f, mse_df, MEAN)
    register_loss(t, "mae", mae_f, mae_df, MEAN)
    add_loss_parameter(register_loss(t, "huber", huber_f, huber_df, MEAN), "delta", HUBER_DELTA)
    register_loss(t, "log_cosh", log_cosh_f, log_cosh_df, MEAN)
    add_loss_parameter(register_loss(t, "quantile", quantile_f, quantile_df, MEAN), "tau", TAU)
    register_loss(t, "poisson", poisson_f, poisson_df, MEAN)
    register_loss(t, "binary_cross_entropy", binary_cross_entropy_f, binary_cross_entropy_df, MEAN)
    register_loss(t, "cross_entropy", cross_entropy_f, cross_entropy_df, MEAN_ROWS)
    register_loss(t, "hinge", hinge_f, hinge_df, MEAN)
    register_loss(t, "squared_hinge", squared_hinge_f, squared_hinge_df, MEAN)
    register_fused_loss(t, "sigmoid", "binary_cross_entropy", sigmoid_cross_entropy,
                        sigmoid_cross_entropy_delta)
    register_fused_loss(t, "softmax", "cross_entropy", softmax_cross_entropy, softmax_cross_entropy_delta)
